package inbound

import (
	"context"
	"io"
	"net/netip"
	"slices"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/intake"
	"github.com/postrider/postrider/service/judge"
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

// examine finds out whether a letter is what it says and whether anybody may want it. It completes the letter's prefix, notes and
// suspicion; an error refuses it, in words for the sender.
func (s *session) examine(ctx context.Context, l *mail.Letter) error {
	if s.trusted() || s.listed(s.door.Trusted) {
		return nil
	}
	v, err := s.judge(ctx, l)
	if err != nil || v == nil {
		return err
	}
	l.Notes = append(l.Notes, v.Notes...)
	l.Prefix = append(v.Field, l.Prefix...)
	l.Unproven = forged(v)
	if v.Report != nil && s.door.Reports != nil {
		s.door.Reports.Judged(*v.Report)
	}
	if v.Decision == judge.Junk {
		l.Junk.Junk = true
		l.Junk.Why = append(l.Junk.Why, v.Why)
	}
	if err := v.Refusal(); err != nil {
		return err
	}
	if v.Authenticated() { // anybody can write a report; only whose name can be told is worth reading (RFC 8460 3)
		s.readReports(ctx, l)
	}
	return nil
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

// judge asks the door's judge; nil is no verdict, where there is no judge or the client has no address.
func (s *session) judge(ctx context.Context, l *mail.Letter) (*judge.Verdict, error) {
	ip := s.address()
	if s.door.Judge == nil || !ip.IsValid() {
		return nil, nil
	}
	t := judge.Transaction{IP: ip, Reverse: s.name.wait(), Helo: s.conn.Hello, From: l.Envelope.From, Body: l.Body}
	if len(l.Envelope.To) > 0 {
		t.To = l.Envelope.To[0].Domain()
	}
	v, err := s.door.Judge.Judge(ctx, t)
	if err != nil {
		return nil, err
	}
	return &v, nil
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
