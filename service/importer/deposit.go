package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// Bounds of a set.
const (
	SetSize      = 50       // messages
	setOctets    = 16 << 20 // of their bodies
	setSummaries = 4 << 20
)

// MaxMessage is how long a message may be unless the configuration says otherwise.
const MaxMessage = 150 << 20

// Store is where mail goes.
type Store struct {
	Mailboxes mail.Mailboxes
	Blobs     mail.Blobs
	Journal   mail.Journal
	Clock     mail.Clock
	Max       int64 // octets of one message; 0: MaxMessage
	Log       *slog.Logger
}

// Message is what a source knows of a message beside its text.
type Message struct {
	What     string    // names it to people: "INBOX, message 17"
	Flags    []string  // in IMAP spelling; those that cannot be kept are left out
	Received time.Time // zero: by the message's own header
	Else     time.Time // where its header tells no time either
}

// Source is where mail comes from.
type Source interface {
	// Name is for people: the file's name, or user and host.
	Name() string
	// Run hands everything to the deposit. Its error says in a sentence why it ended early.
	Run(ctx context.Context, d *Deposit) error
	// Close frees what it holds. It is called once, also when Run never was.
	Close()
}

// Deposit puts messages into an account. It is for one goroutine.
type Deposit struct {
	store   Store
	account mail.AccountID
	folders *folders
	tell    *progress
	box     *box // the current mailbox
	// anywhere is the current folder's: what is in any mailbox is not brought.
	anywhere bool
	waiting  []pending
	octets   int64
	summary  int
}

// pending is a message that waits for its set.
type pending struct {
	add  mail.AddMessage
	what string
	key  fingerprint
	box  *box
}

// sourceError is trouble with what a message is read from.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return mail.Sentence(asMail(e.err)) }
func (e *sourceError) Unwrap() error { return e.err }

// asMail lets people read what a source says.
func asMail(err error) error {
	var m *mail.Error
	if errors.As(err, &m) {
		return err
	}
	return mail.Errorf(mail.Unavailable, "%w", err)
}

// Total says how much there will be in all; Done counts up to it in whatever unit the source has.
func (d *Deposit) Total(n int64) { d.tell.total(n) }

// Done says how much of the source is through.
func (d *Deposit) Done(n int64) { d.tell.done(n) }

// Failed names something that cannot be brought.
func (d *Deposit) Failed(what, why string) { d.tell.failed(what, why) }

// Has reports whether the current mailbox has a message of that identifier (without brackets) and size already, and counts it if so. Sources that
// know both before the text spare themselves the rest.
func (d *Deposit) Has(ctx context.Context, messageID string, size int64) (bool, error) {
	if messageID == "" {
		return false, nil
	}
	known, err := d.folders.known(ctx, d.box, d.anywhere)
	if err != nil {
		return false, err
	}
	if !known[keyOf(messageID, size)] && !d.elsewhere(keyOf(messageID, size)) {
		return false, nil
	}
	d.tell.duplicate()
	return true, nil
}

// elsewhere looks through other mailboxes, for folders that show what is in others as well.
func (d *Deposit) elsewhere(k fingerprint) bool {
	return d.anywhere && d.folders.anywhere(k)
}

// Folder makes a mailbox the current one, and makes it where it is missing.
func (d *Deposit) Folder(ctx context.Context, f Folder) error {
	b, err := d.folders.find(ctx, f)
	if err != nil {
		return err
	}
	d.box, d.anywhere = b, f.Anywhere
	return nil
}

// Add brings one message, read from r to its end. Its error ends the import; trouble with the message itself is named by Failed, and nil returned.
func (d *Deposit) Add(ctx context.Context, m Message, r io.Reader) error {
	known, err := d.folders.known(ctx, d.box, d.anywhere)
	if err != nil {
		return err
	}
	p, err := d.receive(ctx, m, r)
	var source *sourceError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errLost):
		return err // the source tries again
	case errors.As(err, &source), mail.Is(err, mail.Invalid), mail.Is(err, mail.TooLarge):
		d.Failed(m.What, mail.Sentence(asMail(err)))
		return nil
	case err != nil:
		return err
	}
	if known[p.key] || d.elsewhere(p.key) {
		p.discard()
		d.tell.duplicate()
		return nil
	}
	known[p.key] = true
	d.waiting = append(d.waiting, p)
	d.octets += p.add.Body.Size()
	d.summary += len(p.add.Summary)
	if len(d.waiting) >= SetSize || d.octets >= setOctets || d.summary >= setSummaries {
		return d.Flush(ctx)
	}
	return nil
}

func (p *pending) discard() { p.add.Body.(mail.SealedBody).Discard() }

// receive streams a message into the store, and scans it on the way.
func (d *Deposit) receive(ctx context.Context, m Message, r io.Reader) (p pending, err error) {
	w, err := d.store.Blobs.Create(ctx)
	if err != nil {
		return p, err
	}
	defer w.Discard()
	scanner := message.NewScanner(message.Limits{})
	out := &lines{to: io.MultiWriter(w, scanner), left: d.store.Max}
	in := &watched{r: r}
	if _, err := io.CopyBuffer(struct{ io.Writer }{out}, in, make([]byte, 32<<10)); err != nil {
		if in.err != nil {
			return p, &sourceError{in.err}
		}
		return p, err
	}
	if out.size == 0 {
		return p, mail.Errorf(mail.Invalid, "it is empty")
	}
	root, header := scanner.Finish(), scanner.Header()
	if !looksLikeMail(&header) {
		return p, mail.Errorf(mail.Invalid, "it is no message: it has no header")
	}
	facts := root.Facts()
	body, err := w.Seal()
	if err != nil {
		return p, err
	}
	now := d.store.Clock.Now()
	flags := flagsOf(m.Flags)
	refs := slices.Concat(facts.InReplyTo, facts.References)
	p = pending{what: m.What, box: d.box, key: keyOfMessage(root.Envelope, body.Size())}
	p.add = mail.AddMessage{Account: d.account, Mailbox: d.box.id, Body: body, Summary: message.Encode(root), Flags: flags,
		Received: received(m, &header, facts, now), Saved: now, CheckQuota: true,
		Thread: mail.ThreadKeys{MessageID: facts.MessageID, References: refs[max(0, len(refs)-32):], Subject: facts.BaseSubject}}
	return p, nil
}

// received is when a message came: as its source says, by the newest of its trace fields, by its date, or now.
func received(m Message, h *message.Header, facts message.Facts, now time.Time) time.Time {
	candidates := []time.Time{m.Received}
	if f, ok := h.Field("Received"); ok {
		v := f.Value()
		if i := bytes.LastIndexByte([]byte(v), ';'); i >= 0 {
			t, _ := message.ParseDate(v[i+1:])
			candidates = append(candidates, t)
		}
	}
	candidates = append(candidates, facts.Date, m.Else)
	for _, t := range candidates {
		if t.Year() >= 1980 && t.Before(now.Add(24*time.Hour)) {
			return t.UTC().Truncate(time.Second)
		}
	}
	return now
}

// flagsOf keeps what can be kept.
func flagsOf(names []string) mail.Flags {
	var all mail.Flags
	for _, n := range names {
		if f, err := mail.ParseFlags(n); err == nil {
			all = all.With(f)
		}
	}
	return all
}

// looksLikeMail reports a header that begins with a field.
func looksLikeMail(h *message.Header) bool {
	for f := range h.All() {
		raw := f.Raw()
		if bytes.HasPrefix(raw, []byte("From ")) || bytes.HasPrefix(raw, []byte(">From ")) {
			continue // left over from an mbox
		}
		return f.Name() != ""
	}
	return false
}

// retries are the waits before a set is committed again.
var retries = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second}

// Flush commits what waits.
func (d *Deposit) Flush(ctx context.Context) error {
	defer func() {
		for i := range d.waiting {
			d.waiting[i].discard()
		}
		d.waiting, d.octets, d.summary = nil, 0, 0
	}()
	again, revived := 0, false
	for len(d.waiting) > 0 {
		err := d.commit(ctx, d.waiting)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var change *mail.ChangeError
		at := 0
		if errors.As(err, &change) {
			at = change.Index
		}
		switch kind := mail.KindOf(err); {
		case change != nil && kind == mail.OverQuota:
			if at > 0 {
				if err := d.commit(ctx, d.waiting[:at]); err != nil {
					return err
				}
			}
			return mail.Errorf(mail.OverQuota, "there is no room left in the account")
		case change != nil && kind == mail.NotFound && !revived:
			revived = true
			if err := d.revive(ctx); err != nil {
				return err
			}
		case change != nil && !kind.Temporary():
			d.Failed(d.waiting[at].what, mail.Sentence(err))
			d.waiting[at].discard()
			d.waiting = slices.Delete(d.waiting, at, at+1)
		case again < len(retries):
			select {
			case <-d.store.Clock.After(retries[again]):
			case <-ctx.Done():
				return ctx.Err()
			}
			again++
		default:
			return unstored(err)
		}
	}
	return nil
}

// unstored is the end of an import by the store's trouble; what only the log may know stays there.
func unstored(err error) error {
	text := "the mail could not be stored"
	if mail.KindOf(err) != mail.Internal {
		text += ": " + mail.Sentence(err)
	}
	return &mail.Error{Kind: mail.Unavailable, Text: text, Err: err}
}

func (d *Deposit) commit(ctx context.Context, list []pending) error {
	var set mail.ChangeSet
	for i := range list {
		set.Add(list[i].add)
	}
	if _, err := d.store.Journal.Commit(ctx, set); err != nil {
		return err
	}
	d.tell.messages(int64(len(list)))
	return nil
}

// revive makes mailboxes anew that somebody deleted meanwhile.
func (d *Deposit) revive(ctx context.Context) error {
	for i := range d.waiting {
		p := &d.waiting[i]
		if err := d.folders.revive(ctx, p.box); err != nil {
			return err
		}
		p.add.Mailbox = p.box.id
	}
	return nil
}

// watched remembers that the reading failed, not the writing.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// lines makes lines end in CRLF where the first one ends in LF alone, refuses NUL, which mail cannot hold (RFC 5322 3.5), and what is too long.
type lines struct {
	to    io.Writer
	left  int64
	size  int64
	mode  byte // 0: not known yet, 'c': as they come, 'l': LF becomes CRLF
	cr    bool // the last octet was CR
	spare []byte
}

func (l *lines) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		return 0, mail.Errorf(mail.Invalid, "it holds NUL octets, which mail cannot")
	}
	out := p
	if l.mode == 0 {
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			l.mode = 'l'
			if i > 0 && p[i-1] == '\r' || i == 0 && l.cr {
				l.mode = 'c'
			}
		}
	}
	if l.mode == 'l' {
		l.spare = l.spare[:0]
		for _, c := range p {
			if c == '\n' && !l.cr {
				l.spare = append(l.spare, '\r')
			}
			l.spare = append(l.spare, c)
			l.cr = c == '\r'
		}
		out = l.spare
	} else if len(p) > 0 {
		l.cr = p[len(p)-1] == '\r'
	}
	l.size += int64(len(out))
	if l.size > l.left {
		return 0, mail.Errorf(mail.TooLarge, "it is longer than the %s a message can have", octets(l.left))
	}
	if _, err := l.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// octets shows a size to people.
func octets(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d octets", n)
}
