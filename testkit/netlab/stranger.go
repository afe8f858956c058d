package netlab

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/smtp"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"
)

//go:embed files
var files embed.FS

// nobody owns the mail of strangers.
const nobody = 65534

// Stranger is a mail host that knows nothing of us, and believes only what it can check.
type Stranger struct {
	*Host
	Domain string
	User   string // the address of its only user

	user string
	lab  *Lab
}

// zone is the domain of a stranger before it has published anything.
func strangerZone(domain string) Zone { return Zone{Name: domain} }

// startStranger makes the host mx.DOMAIN, publishes what its domain needs, and starts its programs.
func (i *Internet) startStranger(ctx context.Context, domain string, addresses []netip.Addr) (*Stranger, error) {
	l := i.Lab
	if err := l.need("postconf", "opendkim", "opendmarc"); err != nil {
		return nil, err
	}
	s := &Stranger{Domain: domain, user: "pat", User: "pat@" + domain, lab: l}
	var err error
	if s.Host, err = l.addHost(HostSpec{Name: "mx." + domain, Addresses: addresses, Resolver: i.DNS.Checking, Trusted: true}); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.logs = append(l.logs, s.maillog())
	l.mu.Unlock()
	cert, err := i.CA.issue(filepath.Join(s.Dir, "tls"), s.Name)
	if err != nil {
		return nil, err
	}
	dkim, err := s.makeDKIM()
	if err != nil {
		return nil, err
	}
	if err := i.DNS.Publish(ctx, s.records(addresses, cert, dkim)); err != nil {
		return nil, err
	}
	if err := s.write(i.DNS); err != nil {
		return nil, err
	}
	return s, s.serve(ctx)
}

// makeDKIM makes the key that OpenDKIM signs with, and gives the p= of its record.
func (s *Stranger) makeDKIM() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return base64.StdEncoding.EncodeToString(public), os.WriteFile(filepath.Join(s.Dir, "dkim.private"), text, 0o600)
}

// records is all that a careful mail domain publishes.
func (s *Stranger) records(addresses []netip.Addr, cert *x509.Certificate, dkim string) string {
	var b strings.Builder
	d, h := s.Domain+".", s.Name+"."
	for _, a := range addresses {
		kind := "A"
		if a.Is6() {
			kind = "AAAA"
		}
		fmt.Fprintf(&b, "%s %s %s\n%s", h, kind, a, ptr(a, h))
	}
	fmt.Fprintf(&b, "%s MX 10 %s\n%s TXT \"v=spf1 mx -all\"\n%s TXT \"v=spf1 a -all\"\n_dmarc.%s TXT \"v=DMARC1; p=reject\"\n", d, h, d, h, d)
	fmt.Fprintf(&b, "lab._domainkey.%s TXT \"v=DKIM1; k=rsa; p=\" %q %q\n", d, dkim[:200], dkim[200:])
	fmt.Fprintf(&b, "_25._tcp.%s TLSA 3 1 1 %x\n", h, sha256.Sum256(cert.RawSubjectPublicKeyInfo))
	return b.String()
}

// write makes the directories and files of its programs.
func (s *Stranger) write(names *DNS) error {
	if err := s.directories(); err != nil {
		return err
	}
	values := map[string]any{
		"Dir": s.Dir, "Name": s.Name, "Domain": s.Domain, "User": s.user, "Nobody": nobody, "Roots": s.lab.RootsFile(), "Resolver": names.Checking,
		"Anchor": filepath.Join(names.resolver.Dir, "anchor"), "Suffixes": filepath.Join(s.Dir, "suffixes"),
	}
	for file, at := range map[string]string{"main.cf": "etc/main.cf", "master.cf": "etc/master.cf", "opendkim.conf": "opendkim.conf", "opendkim.resolver": "opendkim.resolver", "opendmarc.conf": "opendmarc.conf"} {
		t, err := template.ParseFS(files, "files/"+file)
		if err != nil {
			return err
		}
		var text strings.Builder
		if err := t.Execute(&text, values); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.Dir, at), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.Dir, "suffixes"), []byte("example\ntest\norg\narpa\n"), 0o644)
}

// directories makes those of Postfix, as its own set-up would in a second or two, and the mailbox's.
func (s *Stranger) directories() error {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	drop, err := user.LookupGroup("postdrop")
	if err != nil {
		return err
	}
	postfix, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	postdrop, err := strconv.Atoi(drop.Gid)
	if err != nil {
		return err
	}
	type directory struct {
		name     string
		uid, gid int
		mode     os.FileMode
	}
	all := []directory{{"etc", 0, 0, 0o755}, {"mail", nobody, 0, 0o755}, {"data", postfix, 0, 0o700}, {"queue", 0, 0, 0o755}, {"queue/pid", 0, 0, 0o755},
		{"queue/maildrop", postfix, postdrop, 0o730}, {"queue/public", postfix, postdrop, 0o710}}
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"} {
		all = append(all, directory{"queue/" + name, postfix, 0, 0o700})
	}
	for _, d := range all {
		path := filepath.Join(s.Dir, d.name)
		if err := os.Mkdir(path, d.mode); err != nil {
			return err
		}
		if err := os.Chown(path, d.uid, d.gid); err != nil {
			return err
		}
		if err := os.Chmod(path, d.mode); err != nil { // whatever the umask
			return err
		}
	}
	return nil
}

// postfixDaemons is where Postfix keeps its programs.
var postfixDaemons = sync.OnceValues(func() (string, error) {
	program, err := lookPath("postconf")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(program, "-d", "-h", "daemon_directory").Output()
	return strings.TrimSpace(string(out)), err
})

// serve starts the programs. Postfix's master is started as such, in the foreground.
func (s *Stranger) serve(ctx context.Context) error {
	dkim, err := s.start("opendkim", "opendkim", "-f", "-x", filepath.Join(s.Dir, "opendkim.conf"))
	if err != nil {
		return err
	}
	dmarc, err := s.start("opendmarc", "opendmarc", "-f", "-c", filepath.Join(s.Dir, "opendmarc.conf"))
	if err != nil {
		return err
	}
	dkim.hasty, dmarc.hasty = true, true
	etc := filepath.Join(s.Dir, "etc")
	daemons, err := postfixDaemons()
	if err != nil {
		return err
	}
	master, err := s.start("postfix", filepath.Join(daemons, "master"), "-c", etc)
	if err != nil {
		return err
	}
	if err := dkim.open(ctx, "127.0.0.1:8891"); err != nil {
		return err
	}
	if err := dmarc.open(ctx, "127.0.0.1:8893"); err != nil {
		return err
	}
	if err := master.open(ctx, "127.0.0.1:25"); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(s.maillog(), 3000))
	}
	return nil
}

func (s *Stranger) maillog() string { return filepath.Join(s.Dir, "maillog") }

// Log is what Postfix has logged.
func (s *Stranger) Log() string { return tail(s.maillog(), 1<<20) }

// Send has the stranger's user send a message. The fields From, To, Date and Message-ID are added.
func (s *Stranger) Send(ctx context.Context, to, subject, text string, more ...string) error {
	c, err := s.dialOne(ctx, "tcp", "127.0.0.1:25")
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(Patience))
	client, err := smtp.NewClient(c, s.Name)
	if err != nil {
		return err
	}
	if err := client.Hello("localhost"); err != nil {
		return err
	}
	if err := client.Mail(s.User); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	now := time.Now()
	header := []string{"From: Pat <" + s.User + ">", "To: <" + to + ">", "Subject: " + subject, "Date: " + now.Format(time.RFC1123Z),
		fmt.Sprintf("Message-ID: <%d@%s>", now.UnixNano(), s.Name)}
	body := strings.Join(append(header, more...), "\r\n") + "\r\n\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
	if _, err := w.Write([]byte(body)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return client.Quit()
}
