package inbound

import (
	"context"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/intake"
	"github.com/postrider/postrider/service/judge"
	"github.com/postrider/postrider/service/junk"
	"github.com/postrider/postrider/service/scan"
)

// Judge says how far a message is to be believed (service/judge).
type Judge interface {
	Judge(ctx context.Context, t judge.Transaction) (judge.Verdict, error)
}

// Reports gathers what domain owners want to know of mail in their name (mta/report). It never blocks.
type Reports interface {
	Judged(r judge.Report)
}

// Reader finds reports about our domains in mail (mta/report). What it gives is kept with the message.
type Reader interface {
	Read(ctx context.Context, root *message.Part, open message.OpenSection) (changes []mail.Change, notes []string)
}

// Assessor says how much a message looks like junk (service/junk).
type Assessor interface {
	Assess(ctx context.Context, m junk.Message) (mail.Suspicion, error)
	// Refusal is the reply to a message whose score is so high that it is refused, or nil.
	Refusal(s mail.Suspicion) error
}

// Scanner has other programs look at a message (service/scan).
type Scanner interface {
	Scan(ctx context.Context, m scan.Message) (scan.Result, error)
}

// examination is what is found out about one letter.
type examination struct {
	*session
	letter  *mail.Letter
	verdict *judge.Verdict // nil: nobody judged
	discard bool           // a scanner wants it taken and thrown away
}

// examine finds out whether a letter is what it says and whether anybody may want it. It completes the letter's prefix, notes and
// suspicion; an error refuses it, in words for the sender.
func (s *session) examine(ctx context.Context, l *mail.Letter) (*examination, error) {
	x := &examination{session: s, letter: l}
	if s.trusted() || s.listed(s.door.Trusted) || !s.address().IsValid() {
		return x, nil
	}
	for _, step := range []func(context.Context) error{x.judge, x.scan, x.assess} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if x.verdict != nil && x.verdict.Authenticated() { // anybody can write a report; only whose name can be told is worth reading (RFC 8460 3)
		s.readReports(ctx, l)
	}
	return x, nil
}

// junk notes that the letter is to be filed as junk, and why.
func (x *examination) junk(why ...string) {
	x.letter.Junk.Junk = true
	x.letter.Junk.Why = append(x.letter.Junk.Why, why...)
}

// judge asks whether the letter comes from whom it says.
func (x *examination) judge(ctx context.Context) error {
	if x.door.Judge == nil {
		return nil
	}
	l := x.letter
	t := judge.Transaction{IP: x.address(), Reverse: x.name.wait(), Helo: x.conn.Hello, From: l.Envelope.From, Body: l.Body}
	if len(l.Envelope.To) > 0 {
		t.To = l.Envelope.To[0].Domain()
	}
	v, err := x.door.Judge.Judge(ctx, t)
	if err != nil {
		return err
	}
	x.verdict = &v
	l.Notes = append(l.Notes, v.Notes...)
	l.Prefix = append(v.Field, l.Prefix...)
	l.Unproven = forged(&v)
	if v.Report != nil && x.door.Reports != nil {
		x.door.Reports.Judged(*v.Report)
	}
	if v.Decision == judge.Junk {
		x.junk(v.Why)
	}
	return v.Refusal()
}

// scan asks other programs.
func (x *examination) scan(ctx context.Context) error {
	if x.door.Scanner == nil {
		return nil
	}
	l := x.letter
	r, err := x.door.Scanner.Scan(ctx, scan.Message{IP: x.address(), Reverse: x.name.wait(), Helo: x.conn.Hello, From: l.Envelope.From, To: l.Envelope.To,
		ID: string(l.Trace), Body: l.Body})
	if err != nil {
		return err
	}
	l.Notes = append(l.Notes, r.Notes...)
	l.Prefix = append(r.Prefix, l.Prefix...)
	x.discard = r.Action == scan.Discard
	if r.Action == scan.Junk {
		x.junk(r.Notes...)
	}
	return r.Err()
}

// assess scores the letter.
func (x *examination) assess(ctx context.Context) error {
	if x.door.Assessor == nil {
		return nil
	}
	l := x.letter
	m := junk.Message{IP: x.address(), Reverse: x.name.wait(), Helo: x.conn.Hello, From: l.Envelope.From, To: l.Envelope.To, Body: l.Body, Summary: l.Summary}
	if x.verdict != nil {
		m.Evidence = junk.EvidenceOf(x.verdict)
	}
	s, err := x.door.Assessor.Assess(ctx, m)
	if err != nil {
		return err
	}
	s.Junk = s.Junk || l.Junk.Junk
	s.Why = append(l.Junk.Why, s.Why...)
	l.Junk = s
	return x.door.Assessor.Refusal(s)
}

// throwAway keeps nothing of the letter but what the trail tells.
func (x *examination) throwAway(ctx context.Context) error {
	l := x.letter
	var set mail.ChangeSet
	e := mail.Event{At: l.Arrived, Trace: l.Trace, MessageID: l.Thread.MessageID, From: l.Envelope.From, Role: role, Peer: l.Peer, TLS: l.TLS,
		Outcome: mail.Accepted, Reason: strings.Join(l.Notes, " ")}
	set.Add(mail.Record{Event: e})
	for _, r := range x.tx.To {
		e.Outcome, e.To, e.Reason = mail.Discarded, r.Path, "a scanner wants it thrown away"
		set.Add(mail.Record{Event: e})
	}
	_, err := x.door.Intake.Journal.Commit(ctx, set)
	return err
}

// readReports keeps reports that came with the letter. Trouble with them is no trouble of the mail.
func (s *session) readReports(ctx context.Context, l *mail.Letter) {
	if s.door.Reader == nil {
		return
	}
	root, err := message.Decode(l.Summary)
	if err != nil || !mayReport(root) {
		return
	}
	body, err := l.Body.Open()
	if err != nil {
		return
	}
	defer body.Close()
	changes, notes := s.door.Reader.Read(ctx, root, func(off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(body, off, n)), nil
	})
	l.Extra = append(l.Extra, changes...)
	l.Notes = append(l.Notes, notes...)
}

// mayReport reports whether a message has anything that could be a report: most have not, and are not opened.
func mayReport(root *message.Part) bool {
	may := false
	root.Walk(func(p *message.Part) bool {
		may = len(p.Children) == 0 && (p.MediaType == "application" || p.Subtype == "xml")
		return !may
	})
	return may
}

// forged reports whether a verdict speaks against the sender: reports to who did not send help nobody. Without any evidence a sender is
// told what became of their mail, as ever.
func forged(v *judge.Verdict) bool {
	return !v.Authenticated() && (v.SPF.Result == "fail" || v.SPF.Result == "softfail" || v.DMARC.Result == "fail")
}

// address is the client's, or invalid for one that has none.
func (s *session) address() netip.Addr {
	ip, _ := netip.AddrFromSlice(intake.IP(s.conn.Remote))
	return ip.Unmap()
}

// listed reports whether the client is of one of some networks.
func (s *session) listed(networks []netip.Prefix) bool {
	if len(networks) == 0 {
		return false
	}
	ip := s.address()
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}
