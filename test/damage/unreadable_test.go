package damage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/postrider/postrider/test/lab"
	"github.com/postrider/postrider/testkit/faultfs"
)

// A disk that gives back errors in place of octets: what lies elsewhere is carried out, and what cannot be read is named.
func TestUnreadableDisk(t *testing.T) {
	t.Parallel()
	s := one(t, lab.Spec{})
	crowd(t, s, 20)
	long := append(letter(21), strings.Repeat("a line that is repeated until the body has a pack of its own\r\n", 3000)...)
	s.Submit(t, ben, password, []string{ben}, long)
	breakable(t, s)
	for _, c := range []struct {
		path     string // what cannot be read
		messages int
		lost     int
		told     string
	}{
		{"00000001.pack", 1, 0, "is in no pack"},
		{"store.db", 0, 21, "octets of the index store.db"},
	} {
		disk := faultfs.New(faultfs.Options{})
		m := faultfs.MountFor(t, disk)
		data := filepath.Join(m.Dir, "data")
		if err := os.CopyFS(data, os.DirFS(s.Data)); err != nil {
			t.Fatal(err)
		}
		// Anew, so that the kernel has nothing of it in its memory.
		if err := m.Unmount(); err != nil {
			t.Fatal(err)
		}
		disk.Fail(faultfs.Rule{Op: faultfs.Read, Path: c.path, Ever: true, Err: syscall.EIO})
		again, err := faultfs.Mount(disk, m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(lab.Dir(t), "out")
		sum, code := export(t, s, "--salvage", "--format", "eml", data, dir)
		if err := again.Unmount(); err != nil {
			t.Error(err)
		}
		lost, err := filepath.Glob(filepath.Join(dir, "lost+found", "*.eml"))
		if code != 1 || sum.Messages != c.messages || err != nil || len(lost) != c.lost || !strings.Contains(fmt.Sprint(sum.Missing), c.told) {
			t.Errorf("%s: salvage exited with %d: %d messages, %d lost bodies, %v", c.path, code, sum.Messages, len(lost), sum.Missing)
		}
	}
}
