package load

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/postrider/postrider/service/directory"
)

//go:embed peers
var peerFiles embed.FS

// ErrMissing says that Postfix or Dovecot is not installed, or that they cannot be started by this user.
var ErrMissing = errors.New("the peers, Postfix and Dovecot, cannot be started")

// nobody owns the mail that Dovecot keeps.
const nobody = 65534

// peers is a private Postfix that delivers to a private Dovecot: configuration, queue, mail, logs and sockets are in one directory.
type peers struct {
	dir             string
	values          peerValues
	hash            string // of Password, as Postrider would store it
	boxes           []string
	master, dovecot *process
	meter           *meter
}

// peerValues fill the templates in the folder peers.
type peerValues struct {
	Dir, Cert, Key, RelayHost, Fsync string
	SMTP, Submission, IMAP, POP3     int
	Concurrency                      int
	RetrySoon                        bool
	daemons, transport               string
}

// PeersThere says what is missing for NewPeers; nil when nothing is.
func PeersThere() error {
	if os.Getuid() != 0 {
		return fmt.Errorf("%w: they have to be started by root", ErrMissing)
	}
	for _, program := range []string{"postfix", "postconf", "dovecot", "smtp-source"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: %s is not installed (tools/install-bench-deps.sh does)", ErrMissing, program)
		}
	}
	for _, file := range []string{"/usr/lib/dovecot/lmtp", "/usr/lib/dovecot/pop3", "/usr/lib/dovecot/imap"} {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%w: %s is not installed (tools/install-bench-deps.sh does)", ErrMissing, file)
		}
	}
	return nil
}

// NewPeers prepares a rig in a new directory.
func NewPeers(b *Bench, spec Spec) (Rig, error) {
	if err := PeersThere(); err != nil {
		return nil, err
	}
	dir, err := b.Dir("peers")
	if err != nil {
		return nil, err
	}
	credential, err := directory.NewCredential(Password)
	if err != nil {
		return nil, err
	}
	p := &peers{dir: dir, hash: credential.Hash}
	v := peerValues{Dir: dir, Cert: b.Cert, Key: b.Key, Fsync: b.DovecotFsync, Concurrency: 50, RetrySoon: spec.RetrySoon}
	for _, port := range []*int{&v.SMTP, &v.Submission, &v.IMAP, &v.POP3} {
		if *port, err = freePort(); err != nil {
			return nil, err
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(spec.Routes)) {
		host, port, err := net.SplitHostPort(spec.Routes[domain])
		if err != nil {
			return nil, err
		}
		to := "[" + host + "]:" + port
		if domain == "*" {
			v.RelayHost = to
			continue
		}
		v.transport += domain + " smtp:" + to + "\n"
	}
	daemons, err := exec.Command("postconf", "-d", "-h", "daemon_directory").Output()
	if err != nil {
		return nil, err
	}
	v.daemons = strings.TrimSpace(string(daemons))
	p.values = v
	return p, p.write()
}

// write makes the directories and files.
func (p *peers) write() error {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	postfix, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	for name, uid := range map[string]int{"queue": 0, "data": postfix, "etc": 0, "mail": nobody, "run": 0, "state": 0} {
		path := filepath.Join(p.dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, uid, -1); err != nil {
			return err
		}
	}
	for file, at := range map[string]string{"main.cf": "etc/main.cf", "master.cf": "etc/master.cf", "dovecot.conf": "dovecot.conf"} {
		t, err := template.ParseFS(peerFiles, "peers/"+file)
		if err != nil {
			return err
		}
		var text strings.Builder
		if err := t.Execute(&text, p.values); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(p.dir, at), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	for file, text := range map[string]string{"boxes": "", "users": "", "transport": p.values.transport} {
		if err := os.WriteFile(filepath.Join(p.dir, file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (p *peers) Name() string { return Peers }

func (p *peers) Addr(s Service) string {
	v := p.values
	port := map[Service]int{SMTP: v.SMTP, Submission: v.Submission, IMAP: v.IMAP, POP3: v.POP3}[s]
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// Start implements Rig. Postfix's master and Dovecot run as children of ours, so that they cannot outlive us.
func (p *peers) Start(ctx context.Context) error {
	etc := filepath.Join(p.dir, "etc")
	if err := run(ctx, "postfix", "-c", etc, "check"); err != nil {
		return err
	}
	dovecot, err := exec.LookPath("dovecot")
	if err != nil {
		return err
	}
	log := filepath.Join(p.dir, "err")
	if p.dovecot, err = start(log, "/", dovecot, "-F", "-c", filepath.Join(p.dir, "dovecot.conf")); err != nil {
		return err
	}
	if p.master, err = start(log, "/", filepath.Join(p.values.daemons, "master"), "-c", etc); err != nil {
		p.dovecot.stop()
		p.dovecot = nil
		return err
	}
	p.master.log, p.dovecot.log = filepath.Join(p.dir, "maillog"), filepath.Join(p.dir, "dovecot.log") // where they say why they end
	p.meter = newMeter(p.master.pid(), p.dovecot.pid())
	var addrs []string
	for _, s := range []Service{SMTP, Submission, IMAP, POP3} {
		addrs = append(addrs, p.Addr(s))
	}
	return waitOpen(ctx, addrs, func() error { return errors.Join(p.master.ended(), p.dovecot.ended()) })
}

// Stop implements Rig.
func (p *peers) Stop() {
	if p.master == nil {
		return
	}
	p.meter.close()
	p.master.stop()
	p.dovecot.stop()
	p.master, p.dovecot, p.meter = nil, nil, nil
}

// AddAccounts implements Rig. All accounts share one password hash; Postfix has to read its table anew.
func (p *peers) AddAccounts(ctx context.Context, names []string) error {
	p.boxes = append(p.boxes, names...)
	var boxes, users strings.Builder
	for _, name := range p.boxes {
		fmt.Fprintf(&boxes, "%s ok\n", Address(name))
		fmt.Fprintf(&users, "%s:{ARGON2ID}%s::::::\n", Address(name), p.hash)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "boxes"), []byte(boxes.String()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "users"), []byte(users.String()), 0o644); err != nil {
		return err
	}
	return run(ctx, "postfix", "-c", filepath.Join(p.dir, "etc"), "reload")
}

// Usage implements Rig.
func (p *peers) Usage() (Usage, error) { return p.meter.usage() }

// ResetPeak implements Rig.
func (p *peers) ResetPeak() { p.meter.reset() }
