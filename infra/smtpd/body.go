package smtpd

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// pieces gives the text of a message piece by piece; the pieces stay valid until the next call.
type pieces interface {
	Next() ([]byte, error)
}

// body is what a Session reads: the pieces, counted, with errors that tell a person what is wrong. It implements
// io.WriterTo so that io.Copy does without another buffer.
type body struct {
	src   pieces
	max   int64 // 0: no limit
	n     int64
	run   []byte
	cause error // what src said when it ended, io.EOF included
	err   error // what the session is told, lasting
}

var errOver = errors.New("smtpd: message over the limit")

func (b *body) next() ([]byte, error) {
	if len(b.run) > 0 {
		run := b.run
		b.run = nil
		return run, nil
	}
	if b.err != nil {
		return nil, b.err
	}
	run, err := b.src.Next()
	b.n += int64(len(run))
	if err == nil && b.max > 0 && b.n > b.max {
		err = errOver
	}
	if err != nil {
		b.cause, b.err = err, b.explain(err)
		return nil, b.err
	}
	return run, nil
}

// explain makes an error of the wire one for the session.
func (b *body) explain(err error) error {
	if r := bodyReply(err); r != nil {
		return &mail.Error{Kind: mail.Invalid, Text: r.Text, Enhanced: r.Enhanced, Err: err}
	}
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case err == errOver:
		return mail.Errorf(mail.TooLarge, "the message is over the limit of %d octets (docs/problems.md#too-large)", b.max)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return mail.Errorf(mail.Unavailable, "the client was silent for too long: %w", err)
	case errors.Is(err, net.ErrClosed):
		return io.ErrUnexpectedEOF
	}
	return mail.Errorf(mail.Unavailable, "the connection was lost: %w", err)
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	run, err := b.next()
	if err != nil {
		return 0, err
	}
	n := copy(p, run)
	b.run = run[n:]
	return n, nil
}

// WriteTo implements io.WriterTo.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		run, err := b.next()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(run)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// retire keeps a session that held on to the body from reading commands as text.
func (b *body) retire() {
	b.run = nil
	b.err = errors.New("smtpd: the body was read after Data returned")
}

// deliver calls the session and gives its replies: one, or in LMTP one for each recipient (RFC 2033 4.2).
func (c *conversation) deliver(b *body) []*smtp.Reply {
	defer b.retire()
	var one *smtp.Reply
	var err error
	per, ok := c.sess.(PerRecipient)
	if ok && c.cfg.LMTP {
		var all []*smtp.Reply
		if all, err = per.DataLMTP(c.ctx, b); err == nil && len(all) == c.tx.rcpts {
			for i, r := range all {
				all[i] = orOK(r)
			}
			return all
		} else if err == nil {
			err = mail.Errorf(mail.Internal, "%d replies for %d recipients", len(all), c.tx.rcpts)
		}
	} else {
		one, err = c.sess.Data(c.ctx, b)
	}
	if err != nil {
		one = ReplyFor(err)
		if b.cause == nil || b.cause == io.EOF {
			c.log.Info("message refused", "reply", one.Code, "err", err)
		}
	}
	return c.forAll(orOK(one))
}

// forAll repeats a reply for each recipient where the protocol wants that.
func (c *conversation) forAll(r *smtp.Reply) []*smtp.Reply {
	n := 1
	if c.cfg.LMTP {
		n = c.tx.rcpts
	}
	list := make([]*smtp.Reply, n)
	for i := range list {
		list[i] = r
	}
	return list
}

func orOK(r *smtp.Reply) *smtp.Reply {
	switch {
	case r == nil:
		return &smtp.Reply{Code: 250, Enhanced: "2.0.0", Text: "OK"}
	case r.Code < 200 || r.Code > 599 || r.Code/100 == 3:
		return ReplyFor(mail.Errorf(mail.Internal, "reply with code %d to a message", r.Code))
	}
	return withEnhanced(r)
}

// answer sends the replies to a message and forgets past errors when it was taken.
func (c *conversation) answer(list []*smtp.Reply) {
	for _, r := range list {
		c.reply(r)
		if r.Code/100 == 2 {
			c.errors, c.junk = 0, 0
		}
	}
	_ = c.flush()
}

// verdict replaces the session's replies where the body itself failed.
func (c *conversation) verdict(b *body, violation error, replies []*smtp.Reply) []*smtp.Reply {
	if r := bodyReply(violation); r != nil {
		return c.forAll(r)
	}
	if b.cause == errOver {
		return c.forAll(smtp.Errorf(552, "5.3.4", "the message is over the limit of %d octets (docs/problems.md#too-large)", b.max))
	}
	return replies
}
