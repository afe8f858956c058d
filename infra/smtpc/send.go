package smtpc

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// group is how many commands are sent before their replies are read. The replies to so many fit into any host's buffers, so that
// neither side waits for the other to read (RFC 2920 3.1).
const group = 100

// Send carries one transaction out. The error is nil when the remote answered, whatever it said: what became of each
// recipient is in the Result, and no Outcome is nil. An error is a *ConnError, a *UnsupportedError or *LimitError (nothing was sent), or that of
// the body, whose text was then not sent to its end. The Result holds what was heard before the error.
func (c *Client) Send(ctx context.Context, tx Transaction) (Result, error) {
	result := Result{Rcpt: make([]*smtp.Reply, len(tx.To)), Data: make([]*smtp.Reply, len(tx.To))}
	if c.broken {
		return result, &ConnError{During: "MAIL", Err: io.ErrClosedPipe}
	}
	lines, err := c.commands(&tx)
	if err != nil {
		return result, err
	}
	defer c.attach(ctx)()
	s := &sending{Client: c, tx: &tx, lines: lines, result: result}
	defer s.closeBody()
	err = s.run()
	return s.result, err
}

// sending is a transaction on its way.
type sending struct {
	*Client
	tx     *Transaction
	lines  []string // MAIL, then RCPT for each recipient
	result Result
	body   io.ReadCloser
	data   *smtp.Reply // to DATA
}

func (s *sending) closeBody() {
	if s.body != nil {
		_ = s.body.Close()
	}
}

func (s *sending) run() error {
	if s.dirty {
		if err := s.cleanUp(); err != nil {
			return err
		}
	}
	if err := s.envelope(); err != nil {
		return err
	}
	switch {
	case s.data == nil: // nobody was accepted, so DATA was not sent
		return nil
	case s.data.Code/100 == 2: // which would look like success
		return s.failed("DATA", fmt.Errorf("%w: %w", smtp.ErrBadReply, s.data))
	case s.data.Code != 354:
		s.result.all(s.data)
		return nil
	case s.result.accepted() == 0:
		return s.emptyMessage()
	case s.result.Mail.Code/100 != 2:
		s.broken = true // it goes on after refusing the sender: hang up, without the end of data
		return nil
	}
	return s.message()
}

// cleanUp ends what the last transaction left open.
func (s *sending) cleanUp() error {
	reply, err := s.command(string(smtp.RSET), s.opts.Timeouts.Hello)
	if err != nil {
		return err
	}
	if reply.Code/100 != 2 {
		s.broken = true
		return &ConnError{During: "RSET", Err: reply}
	}
	s.dirty = false
	return nil
}

// envelope sends MAIL, the RCPTs and DATA: in groups where the server takes them so, else one by one.
func (s *sending) envelope() error {
	step := 1
	if s.offers("PIPELINING") {
		step = group
	}
	total := len(s.lines) + 1 // and DATA
	for from := 0; from < total; from += step {
		to := min(from+step, total)
		if from == total-1 && s.result.accepted() == 0 {
			return nil // RFC 5321 3.3: DATA would be refused
		}
		if to == total {
			// Once DATA is sent the message must follow, so it is opened before.
			if err := s.openBody(); err != nil {
				return err
			}
		}
		for i := from; i < to; i++ {
			if i == total-1 {
				s.write(string(smtp.DATA))
			} else {
				s.write(s.lines[i])
			}
		}
		s.dirty = true
		for i := from; i < to; i++ {
			if err := s.hear(i, total); err != nil {
				return err
			}
			if s.broken { // 421
				return s.cutOff(i)
			}
		}
		if s.result.Mail.Code/100 != 2 && to < total {
			return nil
		}
	}
	return nil
}

func (s *sending) openBody() error {
	body, err := s.tx.Body()
	if err != nil {
		return mail.Errorf(mail.KindOf(err), "the message cannot be opened: %w", err)
	}
	s.body = body
	return nil
}

// cutOff deals with a 421 to command i of the envelope. When it was to MAIL or DATA it answers for everybody.
func (s *sending) cutOff(i int) error {
	if i == 0 || s.data != nil {
		return nil
	}
	return &ConnError{During: "RCPT", Err: s.result.Rcpt[i-1]}
}

// hear reads the reply to command i of the envelope.
func (s *sending) hear(i, total int) error {
	switch i {
	case 0:
		reply, err := s.read("MAIL", s.opts.Timeouts.Mail)
		if err != nil {
			return err
		}
		s.result.Mail = reply
	case total - 1:
		reply, err := s.read("DATA", s.opts.Timeouts.DataInit)
		if err != nil {
			return err
		}
		s.data = reply
	default:
		reply, err := s.read("RCPT", s.opts.Timeouts.Rcpt)
		if err != nil {
			return err
		}
		s.result.Rcpt[i-1] = reply
	}
	return nil
}

// emptyMessage answers a 354 that nobody wanted: the server accepted no recipient and waits for data (RFC 2920 3.1).
func (s *sending) emptyMessage() error {
	s.write(".")
	_, err := s.read("message", s.opts.Timeouts.DataEnd)
	return err
}

// message sends the body and hears what became of it.
func (s *sending) message() error {
	out := smtp.NewDotWriter(s.w)
	if _, err := io.Copy(out, s.body); err != nil {
		return s.copyFailed(err)
	}
	// From the flush that carries the end of data on, the remote may have the message, whatever we hear.
	if err := out.Close(); err != nil {
		// The writer's buffer had to be sent to make room: the end of data is behind what failed.
		return s.failed("message", err)
	}
	if err := s.w.Flush(); err != nil {
		return s.unknown(err)
	}
	return s.verdicts()
}

// copyFailed tells a body that cannot be read from a connection that takes no more. Either way the end of data is
// never sent, so the remote throws away what it has.
func (s *sending) copyFailed(err error) error {
	s.broken = true
	if s.w.Flush() == nil { // the writer keeps its first error
		return mail.Errorf(mail.KindOf(err), "the message cannot be read: %w", err)
	}
	failure := s.failed("message", err)
	// A server that closes in the middle often said why.
	s.arm(time.Second)
	if reply, err := smtp.ReadReply(s.r); err == nil && reply.Code >= 400 {
		s.result.all(reply)
		return nil
	}
	return failure
}

// verdicts reads the reply to the message, or one for each accepted recipient in LMTP (RFC 2033 4.2).
func (s *sending) verdicts() error {
	if !s.opts.LMTP {
		reply, err := s.read("message", s.opts.Timeouts.DataEnd)
		if err != nil {
			return s.unknown(err)
		}
		s.dirty = false
		s.result.all(reply)
		return nil
	}
	for i, rcpt := range s.result.Rcpt {
		if rcpt == nil || rcpt.Code/100 != 2 {
			continue
		}
		reply, err := s.read("message", s.opts.Timeouts.DataEnd)
		if err != nil {
			return s.unknown(err)
		}
		s.result.Data[i] = reply
	}
	s.dirty = false
	return nil
}

// unknown marks a failure after the end of data.
func (s *sending) unknown(err error) error {
	failure, ok := err.(*ConnError)
	if !ok {
		failure = s.failed("message", err)
	}
	failure.Unknown = true
	return failure
}
