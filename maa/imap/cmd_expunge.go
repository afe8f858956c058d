package imap

import (
	"context"
	"fmt"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdExpunge serves EXPUNGE and UID EXPUNGE (RFC 9051 6.4.3, RFC 9051 6.4.9). What went is told as with any other
// expunge, before the answer.
func (s *session) cmdExpunge(ctx context.Context, c *call) (reply, error) {
	v := s.box
	if v.readOnly {
		return readOnly(), nil
	}
	uids := v.all()
	if a, ok := c.args.(*wire.UIDExpunge); ok {
		spans, err := s.resolve(a.Set, true)
		if err != nil {
			return reply{}, err
		}
		uids = v.uidRanges(spans)
	}
	if len(uids) == 0 || len(v.entries) == 0 {
		return ok("nothing to expunge"), nil
	}
	rc, err := s.commit(ctx, mail.Expunge{Account: s.account.ID, Mailbox: v.id, UIDs: uids, OnlyDeleted: true})
	if err != nil {
		return reply{}, err
	}
	if !s.expunged(rc.Results[0]) {
		if err := s.update(ctx, true); err != nil {
			return reply{}, err
		}
	}
	if s.condstore { // RFC 7162 3.2.7
		return okCode(fmt.Sprintf("HIGHESTMODSEQ %d", v.highest()), "expunged"), nil
	}
	return ok("expunged"), nil
}

// expunged tells the client what its own command took out of the selected mailbox, unless somebody else's changes may lie between: it is
// false then, and the store must be asked.
func (s *session) expunged(r mail.Result) bool {
	v := s.box
	if len(r.Expunged) == 0 || !v.follows(r.ModSeq) {
		return false
	}
	v.gone = wire.Merge(append(v.gone, v.known(r.Expunged)...))
	v.advance(r.ModSeq)
	s.tellGone()
	return true
}

// readOnly answers a change to a mailbox that was opened with EXAMINE (RFC 9051 6.3.3).
func readOnly() reply { return no("CANNOT", "the mailbox was opened to be read only, with EXAMINE") }

// resolve gives the entries a command means. A sequence number that is not there makes the command invalid (RFC 9051 9
// seq-number); a UID that is not there is passed over (RFC 9051 6.4.9).
func (s *session) resolve(set wire.NumSet, uid bool) ([]span, error) {
	v := s.box
	switch {
	case set.Saved:
		return v.uidSpans(s.saved), nil
	case uid:
		return v.uidSpans(set.Resolve(v.lastUID())), nil
	}
	n := uint32(len(v.entries))
	var out []span
	// Only what a command names by number must be there: "5:*" of three messages means the last of them.
	for i, r := range set.Ranges {
		if r.Last == wire.Star && r.First > n {
			set.Ranges[i].First = wire.Star
		}
	}
	for _, r := range set.Resolve(n) {
		if r.Last > n {
			return nil, &wire.Error{Text: fmt.Sprintf("there is no message %d: the mailbox has %d", r.Last, n)}
		}
		out = append(out, span{int(r.First) - 1, int(r.Last)})
	}
	return out, nil
}
