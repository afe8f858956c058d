package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/infra/smtpc"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/proto/smtp"
)

// use sends the message over a connection, in as many transactions as it takes, and then gives the connection back or ends it.
// It gives back the recipients without a verdict, and why they have none.
func (a *attempt) use(ctx context.Context, s *session, rest []mail.QueuedRecipient) ([]mail.QueuedRecipient, *trouble) {
	rest, tr := a.suited(ctx, s, rest)
	for tr == nil && len(rest) > 0 {
		rest, tr = a.transaction(ctx, s, rest)
	}
	switch {
	case tr != nil || s.used >= a.Limits.Transactions || ctx.Err() != nil:
		a.pool.retire(s)
	default:
		a.pool.put(s)
	}
	return rest, tr
}

// suited settles the recipients whose mail needs what the remote does not offer.
func (a *attempt) suited(ctx context.Context, s *session, rest []mail.QueuedRecipient) ([]mail.QueuedRecipient, *trouble) {
	if a.message.TLS == mail.TLSRequired && (!s.proof.encrypted || !s.offers("REQUIRETLS")) {
		return rest, unkept(s)
	}
	limit, err := strconv.ParseInt(s.client.Ext["SIZE"], 10, 64)
	if err == nil && limit > 0 && a.message.Size > limit { // RFC 1870 6.1
		a.settle(rest, refusal("5.3.4", fmt.Sprintf("%s takes messages of up to %d octets; this one has %d", s.peer, limit, a.message.Size)).of(s))
		return nil, nil
	}
	if s.offers("SMTPUTF8") {
		return rest, nil
	}
	// Whether SMTPUTF8 is needed decides, not whether it was asked for (RFC 6531 3.2).
	plain := isASCII(string(a.message.From))
	if plain && a.message.UTF8 {
		if plain, err = a.content.headerIsASCII(ctx); err != nil {
			tr := &trouble{status: "4.3.0", reason: "the message cannot be read here: " + mail.Sentence(err), final: true, unspent: calledOff(ctx)}
			return rest, tr.of(s)
		}
	}
	var left []mail.QueuedRecipient
	for _, r := range rest {
		if plain && isASCII(string(r.Address)) {
			left = append(left, r)
			continue
		}
		a.settle([]mail.QueuedRecipient{r}, refusal("5.6.7",
			s.peer+" does not offer SMTPUTF8, which this message needs for an address or header that is not ASCII").of(s))
	}
	return left, nil
}

// transaction sends the message to as many recipients as one transaction takes. It gives back those that are still to be done.
func (a *attempt) transaction(ctx context.Context, s *session, rest []mail.QueuedRecipient) ([]mail.QueuedRecipient, *trouble) {
	now := rest[:min(len(rest), a.Limits.Recipients)]
	left := slices.Clone(rest[len(now):])
	result, tr := a.send(ctx, s, now)
	accepted := slices.ContainsFunc(result.Rcpt, func(r *smtp.Reply) bool { return r != nil && r.Code/100 == 2 })
	var undone []mail.QueuedRecipient
	for i, q := range now {
		reply := result.Outcome(i)
		switch {
		case reply == nil, reply.Code == 421:
			undone = append(undone, q)
		case accepted && reply == result.Rcpt[i] && tooMany(reply):
			left = append(left, q) // at once, in a transaction of their own (RFC 5321 4.5.3.1.10)
		default:
			a.verdicts = append(a.verdicts, s.verdict(q.N, reply))
		}
	}
	if tr != nil && tr.unsure {
		a.settle(undone, tr)
		undone = nil
	}
	undone = append(undone, left...)
	if tr == nil && len(undone) == len(rest) {
		tr = (&trouble{status: "4.5.0", reason: s.peer + " gave no answer about any recipient"}).of(s)
	}
	return undone, tr
}

// send makes one transaction. The trouble is what keeps the connection from being used further, or the message from being
// sent on it at all.
func (a *attempt) send(ctx context.Context, s *session, to []mail.QueuedRecipient) (smtpc.Result, *trouble) {
	tx := smtpc.Transaction{
		From: wirePath(a.message.From), Size: a.message.Size, Body8Bit: a.message.Body == mail.Body8Bit, Force8Bit: true,
		RequireTLS: a.message.TLS == mail.TLSRequired,      // offered: suited made sure
		UTF8:       a.message.UTF8 && s.offers("SMTPUTF8"), // where it is not offered, suited made sure that it is not needed
		Body:       func() (io.ReadCloser, error) { return a.content.open(ctx) },
	}
	for _, q := range to {
		tx.To = append(tx.To, smtp.Rcpt{To: wirePath(q.Address)})
	}
	reused := s.reused
	s.reused = false
	s.used++
	result, err := s.client.Send(ctx, tx)
	var lost *smtpc.ConnError
	switch {
	case errors.As(err, &lost):
		tr := a.fault(ctx, s, err)
		tr.stale = reused && result.Mail == nil && ctx.Err() == nil
		return result, tr
	case err != nil && ctx.Err() != nil:
		return result, a.fault(ctx, s, err)
	case err != nil: // ours: no host will have it
		a.Log.Error("message cannot be sent", "queue", a.message.ID, "trace", a.message.Trace, "error", err)
		tr := &trouble{status: "4.3.0", reason: "the message cannot be sent: " + mail.Sentence(err), final: true, permanent: mail.Is(err, mail.Invalid)}
		if tr.permanent {
			tr.status = "5.6.0"
		}
		return result, tr.of(s)
	case !s.client.Broken():
		return result, nil
	}
	tr := a.fault(ctx, s, closing(result))
	tr.stale = reused && result.Mail != nil && result.Mail.Code == 421
	return result, tr
}

// closing finds the reply that ended a connection (RFC 5321 3.8).
func closing(r smtpc.Result) error {
	for _, reply := range slices.Concat([]*smtp.Reply{r.Mail}, r.Rcpt, r.Data) {
		if reply != nil && reply.Code == 421 {
			return reply
		}
	}
	return io.ErrUnexpectedEOF
}

// tooMany recognises a host that takes fewer recipients at a time than it was offered (RFC 5321 4.5.3.1.10): 452, or of old 552.
// A full mailbox has the same codes; only the enhanced code, or where there is none the words, tell them apart.
func tooMany(r *smtp.Reply) bool {
	if r.Code != 452 && r.Code != 552 {
		return false
	}
	if r.Enhanced != "" {
		return strings.HasSuffix(r.Enhanced, ".5.3")
	}
	text := strings.ToLower(r.Text)
	return strings.Contains(text, "too many") || strings.Contains(text, "recipients")
}

// verdict is what a remote's reply about a recipient means.
func (s *session) verdict(n int, r *smtp.Reply) mta.Verdict {
	v := mta.Verdict{N: n, Status: status(r), Reply: mta.OneLine(r.Error()), Host: s.host, Peer: s.peer, TLS: s.tls}
	v.Reason = mta.Said(s.peer, v.Reply) + s.note
	switch {
	case r.Code/100 == 2:
		v.Outcome = mail.Relayed
	case r.Code/100 == 5 && !(r.Code == 530 && s.spot.configured):
		v.Outcome = mail.Bounced
	default:
		// 4yz. Also a smart host that wants authentication (530, RFC 4954 6): its route is set up wrong, the mail is not.
		v.Outcome = mail.Deferred
		if v.Status[0] != '4' {
			v.Status = "4.7.0"
		}
	}
	return v
}

// wirePath is an envelope address as the engine takes it. A text that is no address goes as if its local part were quoted.
func wirePath(p mail.Path) smtp.Path {
	if path, ok := smtp.ParsePath(string(p)); ok {
		return path
	}
	local, domain := p.Split()
	return smtp.Path{Local: local, Domain: domain}
}

// sayable reports whether an address can stand in a command at all.
func sayable(p mail.Path) bool {
	path := wirePath(p)
	again, ok := smtp.ParsePath(path.String())
	return ok && again.Local == path.Local && !path.IsNull()
}
