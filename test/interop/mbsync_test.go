package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"github.com/postrider/postrider/test/lab"
)

// mailbox is a mailbox that mbsync keeps in step with a Maildir.
type mailbox struct {
	t    *testing.T
	home string
	rc   string
}

// newMailbox writes mbsync's configuration for Ann.
func newMailbox(t *testing.T, s *lab.Server, mechanism string) mailbox {
	t.Helper()
	m := mailbox{t: t, home: t.TempDir()}
	m.rc = write(t, m.home, "mbsyncrc", fmt.Appendf(nil, `IMAPAccount one
Host localhost
Port %d
User %s
Pass %s
SSLType IMAPS
SystemCertificates no
CertificateFile %s
AuthMechs %s

IMAPStore far
Account one

MaildirStore near
Path %[6]s/mail/
Inbox %[6]s/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
`, s.Port(lab.IMAPS), ann, simple, s.CA.File, mechanism, m.home), 0o600)
	if err := os.Mkdir(filepath.Join(m.home, "mail"), 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m mailbox) sync() {
	m.t.Helper()
	command{home: m.home}.run(m.t, "mbsync", "--config", m.rc, "--all")
}

func (m mailbox) dir(name string) string { return filepath.Join(m.home, "mail", name) }

// file finds the message's file by its Subject.
func (m mailbox) file(box, subject string) string {
	m.t.Helper()
	for name, raw := range maildir(m.t, m.dir(box)) {
		if lab.Field(raw, "Subject") == subject {
			return name
		}
	}
	m.t.Fatalf("%s has no message %q", box, subject)
	return ""
}

// flag gives the message's file new Maildir flags, as a mail program does.
func (m mailbox) flag(box, subject, flags string) {
	m.t.Helper()
	name := m.file(box, subject)
	base, _, _ := strings.Cut(filepath.Base(name), ":2,")
	if err := os.Rename(filepath.Join(m.dir(box), name), filepath.Join(m.dir(box), "cur", base+":2,"+flags)); err != nil {
		m.t.Fatal(err)
	}
}

// withoutTUID takes out the field by which mbsync finds a message again where it learns no UID.
func withoutTUID(raw []byte) []byte { return without(raw, "X-TUID") }

// TestMbsync keeps a Maildir and the mailboxes in step, both ways: new messages, flags, expunges, folders.
// RFC 4549 3, RFC 4315 3, RFC 9051 6.3.12, RFC 9051 6.4.6.
func TestMbsync(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	samples := lab.Samples(ben, ann)
	for _, sample := range samples {
		s.Submit(t, ben, password, []string{ann}, sample.Raw)
	}
	m := newMailbox(t, s, "PLAIN")

	// Down: everything, as it is.
	m.sync()
	got := messages(maildir(t, m.dir("INBOX")))
	for i := range got {
		got[i].Raw = withoutTUID(got[i].Raw)
	}
	lab.CheckAll(t, got, samples)
	if _, err := os.Stat(m.dir("Drafts")); err != nil {
		t.Errorf("the folder Drafts was not made: %v", err)
	}

	// Up: flags, a deletion, a new message, a new folder with another.
	m.flag("INBOX", "plain", "FS")
	m.flag("INBOX", "dots", "RS")
	m.flag("INBOX", "utf8", "ST")
	added := lab.Samples(ann, ann)
	write(t, m.dir("INBOX"), "new/1.lab.example", lab.LF(added[8].Raw), 0o600)
	for _, d := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(m.dir("Work"), d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, m.dir("Work"), "cur/2.lab.example:2,S", lab.LF(added[1].Raw), 0o600)
	m.sync()
	c := s.IMAP(t, ann, simple, nil)
	inbox := lab.Fetch(t, c, "INBOX")
	find := func(id string) *lab.Message {
		i := slices.IndexFunc(inbox, func(m lab.Message) bool { return lab.Field(m.Raw, "Message-ID") == id })
		if i < 0 {
			return nil
		}
		return &inbox[i]
	}
	id := func(i int) string { return lab.Field(samples[i].Raw, "Message-ID") }
	if p := find(id(0)); p == nil || !slices.Contains(p.Flags, imap.FlagFlagged) || !slices.Contains(p.Flags, imap.FlagSeen) {
		t.Errorf("the flags of \"plain\" did not come up: %v", p)
	}
	if p := find(id(1)); p == nil || !slices.Contains(p.Flags, imap.FlagAnswered) {
		t.Errorf("the flags of \"dots\" did not come up: %v", p)
	}
	if find(id(6)) != nil {
		t.Error("\"utf8\" was deleted in the Maildir and is still on the server")
	}
	if p := find(lab.Field(added[8].Raw, "Message-ID")); p == nil || !bytes.Equal(withoutTUID(p.Raw), added[8].Raw) {
		t.Error("the new message is not on the server, or not what it was")
	}
	if work := lab.Fetch(t, c, "Work"); len(work) != 1 || !bytes.Equal(withoutTUID(work[0].Raw), added[1].Raw) {
		t.Errorf("the new folder has %d messages on the server, or not what it had", len(work))
	}

	// Down again: what changed on the server.
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	store := func(i int, flag imap.Flag) {
		t.Helper()
		set := imap.UIDSetNum(find(id(i)).UID)
		if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
	store(3, imap.FlagAnswered)
	store(4, imap.FlagDeleted)
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.UIDSetNum(find(id(5)).UID), "Work").Wait(); err != nil {
		t.Fatal(err)
	}
	m.sync()
	if name := m.file("INBOX", "blank-lines"); !strings.Contains(name, ":2,") || !strings.Contains(name[strings.Index(name, ":2,"):], "R") {
		t.Errorf("the flag did not come down: %s", name)
	}
	m.file("Work", "from-line")
	for _, raw := range maildir(t, m.dir("INBOX")) {
		if subject := lab.Field(raw, "Subject"); subject == "spaces" || subject == "from-line" {
			t.Errorf("%q has left the INBOX on the server and is still in the Maildir", subject)
		}
	}
	before := len(maildir(t, m.dir("INBOX")))
	m.sync()
	if after := len(maildir(t, m.dir("INBOX"))); after != before {
		t.Errorf("a sync with nothing to do changed %d messages into %d", before, after)
	}
}

// TestMbsyncLogsIn uses every mechanism that Cyrus SASL brings and we offer. RFC 5802 3, RFC 7677 4, RFC 4616.
func TestMbsyncLogsIn(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	sample := lab.Samples(ben, ann)[0]
	s.Submit(t, ben, password, []string{ann}, sample.Raw)
	for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"} {
		m := newMailbox(t, s, mechanism)
		m.sync()
		m.file("INBOX", "plain")
	}
}
