package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/postrider/postrider/test/lab"
)

// TestDovecotCopies has Dovecot copy a whole account over IMAP, as somebody does who moves to another server. RFC 3501 6.4.5.
func TestDovecotCopies(t *testing.T) {
	s, samples := filled(t)
	dir := lab.Dir(t)
	if os.Getuid() != 0 {
		t.Fatal("doveadm has to be started by root; run make test as root, as CI does, or go test -short to leave this out")
	}
	config := write(t, dir, "dovecot.conf", fmt.Appendf(nil, `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = yes
ssl_client_ca_file = %[2]s
mail_uid = 65534
mail_gid = 65534
first_valid_uid = 1
first_valid_gid = 1
mail_home = %[1]s/home
mail_location = maildir:%[1]s/home/Maildir
dsync_features = empty-header-workaround
imapc_host = 127.0.0.1
imapc_port = %[3]d
imapc_ssl = imaps
imapc_user = %[4]s
imapc_password = %[5]s
imapc_features = rfc822.size fetch-headers
namespace inbox {
  inbox = yes
  separator = /
}
`, dir, s.CA.File, s.Port(lab.IMAPS), ben, `"`+`correct horse, battery: \"staple\"`+`"`), 0o644)
	if err := os.Mkdir(filepath.Join(dir, "home"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, "home"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	command{home: dir, env: []string{"USER=" + ben}}.run(t, "doveadm", "-c", config, "-o", "mail_fsync=never", "backup", "-R", "imapc:")
	lab.CheckAll(t, messages(maildir(t, filepath.Join(dir, "home", "Maildir"))), samples)
}
