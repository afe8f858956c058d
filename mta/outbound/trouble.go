package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/postrider/postrider/infra/smtpc"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/proto/smtp"
)

// trouble is why recipients were not even offered to a host, or lost it on the way.
type trouble struct {
	permanent bool
	status    string // enhanced status code
	reply     string // the remote's words, if it spoke
	reason    string
	host      string
	peer      string
	tls       string
	final     bool // no other host would do better
	unspent   bool // the attempt was called off and is not to be counted
	handshake bool // TLS could not be made; the same host may work without
	stale     bool // a reused connection was dead before anything was said on it
	unsure    bool // the message was sent, its answer lost: no other host may be tried (RFC 1047)
}

// refusal is a permanent trouble that no remote had a word in.
func refusal(status, reason string) *trouble {
	return &trouble{permanent: true, status: status, reason: reason}
}

// of makes it the trouble of a connection.
func (t *trouble) of(s *session) *trouble {
	t.host, t.peer, t.tls = s.host, s.peer, s.tls
	return t
}

// verdict is what the trouble means for a recipient.
func (t *trouble) verdict(n int) mta.Verdict {
	v := mta.Verdict{N: n, Outcome: mail.Deferred, Status: t.status, Reply: t.reply, Reason: mta.OneLine(t.reason),
		Host: t.host, Peer: t.peer, TLS: t.tls, Unspent: t.unspent, Unsure: t.unsure}
	if t.permanent {
		v.Outcome = mail.Bounced
	}
	return v
}

// fault makes a trouble of what the engine says about a connection.
func (t *Transport) fault(ctx context.Context, s *session, err error) *trouble {
	var said *smtp.Reply
	var lost *smtpc.ConnError
	tr := &trouble{status: "4.4.2", unspent: calledOff(ctx)}
	switch {
	case errors.As(err, &said):
		tr.permanent, tr.status, tr.reply = said.Code/100 == 5, status(said), mta.OneLine(said.Error())
		tr.reason = mta.Said(s.peer, tr.reply)
		if !tr.permanent && tr.status[0] != '4' {
			tr.status = "4.0.0" // not a reply to expect there
		}
	case errors.As(err, &lost) && lost.Unknown:
		tr.unsure, tr.final, tr.unspent = true, true, false
		tr.reason = "the whole message was sent to " + s.peer + " and its answer was lost, so that it may have arrived: " + cause(lost.Err)
	case errors.As(err, &lost):
		tr.reason = "the connection to " + s.peer + " failed during " + lost.During + ": " + cause(lost.Err)
	default:
		tr.reason = "mail cannot be sent to " + s.peer + ": " + err.Error()
	}
	return tr.of(s)
}

// cause says in plain words why a connection failed.
func cause(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "it took too long"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "it was closed"
	}
	return err.Error()
}

// worst picks what a recipient is told when no host worked: the last temporary trouble, else the last permanent one. While one host
// may still work, the recipient has not failed.
func worst(list []*trouble) *trouble {
	for i := len(list) - 1; i >= 0; i-- {
		if !list[i].permanent {
			return list[i]
		}
	}
	return list[len(list)-1]
}

// calledOff reports that the attempt was ended from outside before its time: nothing is to be counted. An attempt that took too
// long was not called off.
func calledOff(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
}

// status is a reply's enhanced status code, or the plainest of its class (RFC 3463 3.1).
func status(r *smtp.Reply) string {
	if r.Enhanced != "" {
		return r.Enhanced
	}
	switch r.Code / 100 {
	case 2:
		return "2.0.0"
	case 5:
		return "5.0.0"
	}
	return "4.0.0"
}
