package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
)

// deed is what an owner asked for and was not told the end of: it may have happened, whole, or not at all.
type deed struct {
	what  string
	apply func(o *owner) // makes it happen in the journal
}

// owner drives mailboxes that nobody else touches, so that its journal says exactly what they must hold.
type owner struct {
	t       testing.TB
	h       *host
	user    string
	inbox   bool // it owns the INBOX, where mail arrives
	rng     *rand.Rand
	boxes   []*box
	open    *deed // of the last life of the server
	relayed []string
	// tolerant: answers of refusal are allowed, and what was refused may have happened: a disk fails.
	tolerant bool
	local    bool // it sends nothing to another host

	letters, deeds, unanswered, happened, refusals int
	imap                                           *imapConn
	smtp                                           *smtp.Client
	conn                                           net.Conn // of smtp
}

// names are the mailboxes that an owner has.
func newOwner(t testing.TB, h *host, user string, rng *rand.Rand, names ...string) *owner {
	o := &owner{t: t, h: h, user: user, rng: rng}
	for _, n := range names {
		o.inbox = o.inbox || n == "INBOX"
		o.boxes = append(o.boxes, newBox(n))
	}
	return o
}

func (o *owner) any() *box { return o.boxes[o.rng.IntN(len(o.boxes))] }

// work does one thing after the other until the server is gone or ctx ends. Nothing is broken off in its middle by ctx.
func (o *owner) work(ctx context.Context) {
	defer o.hangUp()
	for ctx.Err() == nil {
		if err := o.one(); err != nil {
			if o.report(err) {
				return
			}
			o.hangUp()
		}
	}
}

// steps does so many things, or fewer when one fails, and reports whether all were done.
func (o *owner) steps(n int) bool {
	defer o.hangUp()
	for range n {
		if err := o.one(); err != nil {
			o.report(err)
			return false
		}
	}
	return true
}

// report judges an error of a deed and says whether the server is gone.
func (o *owner) report(err error) bool {
	var refused *textproto.Error
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		o.t.Errorf("%s: no answer within %s: %v", o.user, lab.Patience, err)
		return true
	case errors.As(err, &refused) && refused.Code != 421, errors.Is(err, errRefused):
		o.refusals++
		if !o.tolerant || refused != nil && refused.Code >= 500 { // RFC 5321 4.2.1: a disk's trouble is no reason to bounce
			o.t.Errorf("%s: %v", o.user, err)
		}
		return o.tolerant // a store that refuses says so to everybody
	case errors.Is(err, errWrong):
		o.t.Errorf("%s: %v", o.user, err)
	}
	return true
}

// errWrong is the cause of errors that are faults of the server.
var errWrong = errors.New("wrong")

func (o *owner) hangUp() {
	if o.imap != nil {
		o.imap.conn.Close()
		o.imap = nil
	}
	o.hangUpSMTP()
}

func (o *owner) hangUpSMTP() {
	if o.conn != nil {
		o.conn.Close()
		o.smtp, o.conn = nil, nil
	}
}

func (o *owner) connect() (err error) {
	if o.imap == nil {
		o.imap, err = dialIMAP(o.h.addr(lab.IMAP), o.user, password)
	}
	return err
}

// one does one thing.
func (o *owner) one() error {
	if err := o.connect(); err != nil {
		return err
	}
	total := 0
	for _, b := range o.boxes {
		total += len(b.messages) + len(b.arrivals)
	}
	n := o.rng.IntN(100)
	switch {
	case total > 60 || n < 12:
		return o.expunge()
	case n < 40 && o.inbox:
		return o.send()
	case n < 55:
		return o.append()
	case n < 70:
		return o.store()
	case n < 78:
		return o.copy(false)
	case n < 86:
		return o.copy(true)
	case n < 89 && o.inbox:
		return o.pop()
	}
	return o.read(o.any())
}

// attempt asks for something that changes mailboxes. do returns the error of the call, and reports that all was
// sent that is needed for it to happen.
func (o *owner) attempt(d deed, do func() (sent bool, err error)) error {
	sent, err := do()
	var refused *textproto.Error
	said := errors.As(err, &refused) || errors.Is(err, errRefused)
	switch {
	case err == nil:
		o.deeds++
		d.apply(o)
	case sent && (!said || o.tolerant):
		o.unanswered++
		o.open = &d
	}
	if err != nil && !errors.Is(err, errRefused) {
		err = fmt.Errorf("%s: %w", d.what, err)
	}
	return err
}

// compose makes a message: most are short, some compress well, some have a pack of their own.
func (o *owner) compose(to string) *letter {
	size := 1 + o.rng.IntN(60)
	switch o.rng.IntN(20) {
	case 0:
		size = 3000
	case 1:
		size = 12_000
	}
	var b strings.Builder
	id := fmt.Sprintf("<%x.%x@one.example>", o.rng.Uint64(), o.rng.Uint64())
	fmt.Fprintf(&b, "Date: Mon, 02 Nov 2026 10:11:12 +0100\r\nFrom: <%s>\r\nTo: <%s>\r\nMessage-ID: %s\r\nSubject: fault\r\n\r\n", o.user, to, id)
	line := fmt.Sprintf("%x", o.rng.Uint64())
	for i := range size {
		if size < 3000 || i%50 == 0 || size > 10_000 {
			line = fmt.Sprintf("%x", o.rng.Uint64())
		}
		b.WriteString(line + "\r\n")
	}
	return &letter{id: id, raw: b.String()}
}

// send hands in a message: as a stranger on port 25, or as the user, then sometimes also to another host.
func (o *owner) send() error {
	submit := o.rng.IntN(3) == 0
	service, user := lab.SMTP, ""
	if submit {
		service, user = lab.Submission, o.user
		o.hangUpSMTP()
	}
	if o.smtp == nil {
		c, conn, err := dialSMTP(o.h.addr(service), user, password)
		if err != nil {
			return err
		}
		o.smtp, o.conn = c, conn
	}
	if submit {
		defer o.hangUpSMTP()
	}
	l := o.compose(o.user)
	l.mail = true
	to, from := []string{o.user}, "stranger@three.example"
	if submit {
		from = o.user
		if !o.local && o.rng.IntN(2) == 0 {
			to = append(to, "friend@sink.example")
		}
	}
	inbox := o.boxes[0]
	d := deed{"message " + l.id, func(o *owner) {
		o.boxes[0].arrive(held{letter: l, flags: map[string]bool{}})
		o.letters++
		if len(to) > 1 {
			o.relayed = append(o.relayed, l.id)
		}
	}}
	c, conn := o.smtp, o.conn
	err := o.attempt(d, func() (bool, error) {
		conn.SetDeadline(time.Now().Add(lab.Patience))
		if err := c.Mail(from); err != nil {
			return false, err
		}
		for _, r := range to {
			if err := c.Rcpt(r); err != nil {
				return false, err
			}
		}
		w, err := c.Data()
		if err != nil {
			return false, err
		}
		if _, err := io.WriteString(w, l.raw); err != nil {
			return false, err
		}
		return true, w.Close()
	})
	if err != nil || o.rng.IntN(3) > 0 {
		return err
	}
	return o.read(inbox) // 250 means that it can be read
}

// read compares a mailbox with the journal while the server runs.
func (o *owner) read(b *box) error {
	s, err := look(o.imap, b.name)
	if err != nil {
		return err
	}
	if wrong := b.compare(s); len(wrong) > 0 {
		return fmt.Errorf("%w: %s", errWrong, strings.Join(wrong, "\n\t"))
	}
	return nil
}

// append files a message; not in the INBOX, where mail arrives.
func (o *owner) append() error {
	b := o.any()
	if !o.inbox || b.name != "INBOX" {
		l := o.compose(o.user)
		flags := map[string]bool{}
		for _, f := range []string{`\Seen`, `\Flagged`, "$note"} {
			if o.rng.IntN(3) == 0 {
				flags[f] = true
			}
		}
		uid := uint32(0)
		d := deed{"append of " + l.id + " to " + b.name, func(o *owner) {
			to := o.box(b.name)
			o.letters++
			if m := (held{letter: l, flags: flags}); uid != 0 {
				to.place(m, uid)
			} else {
				to.arrive(m)
			}
		}}
		return o.attempt(d, func() (bool, error) {
			_, tagged, err := o.imap.do(fmt.Sprintf("APPEND %s (%s) {%d}", b.name, strings.Join(keys(flags), " "), len(l.raw)), l.raw)
			uid = uint32(number(`\[APPENDUID \d+ (\d+)\]`, tagged))
			if err == nil && uid < b.next {
				err = fmt.Errorf("%w: %s: APPENDUID %d, but UIDNEXT was %d", errWrong, b.name, uid, b.next)
			}
			return true, err
		})
	}
	return o.read(b)
}

// pick selects a mailbox whose UIDs are all known, and chooses some of its messages; none when it is empty.
func (o *owner) pick(b *box, most int) (uids []uint32, err error) {
	if len(b.arrivals) > 0 || b.validity == 0 {
		if err := o.read(b); err != nil {
			return nil, err
		}
	}
	all := b.uids()
	if len(all) == 0 {
		return nil, nil
	}
	if _, _, err := o.imap.do("SELECT "+b.name, ""); err != nil {
		return nil, err
	}
	for range 1 + o.rng.IntN(most) {
		if u := all[o.rng.IntN(len(all))]; !strings.Contains(","+set(uids)+",", ","+set([]uint32{u})+",") {
			uids = append(uids, u)
		}
	}
	return uids, nil
}

func (o *owner) box(name string) *box {
	for _, b := range o.boxes {
		if b.name == name {
			return b
		}
	}
	return nil
}
