package fakemx

import (
	"errors"
	"io"
	"net"
	"slices"

	"github.com/emersion/go-smtp"
)

// Act is what the server does at one stage.
type Act struct {
	reply   *smtp.SMTPError // nil accepts
	drop    bool
	dropAt  int64           // octets of the data after which the connection is dropped; Data only
	release <-chan struct{} // waited for first
}

// Accept answers 250.
func Accept() Act { return Act{} }

// Reply answers with a code, an enhanced code such as 5.1.1, and a text.
func Reply(code int, enhanced [3]int, text string) Act {
	return Act{reply: &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}}
}

// Defer answers 451 4.7.1.
func Defer() Act { return Reply(451, [3]int{4, 7, 1}, "try again later") }

// Refuse answers 550 5.1.1.
func Refuse() Act { return Reply(550, [3]int{5, 1, 1}, "no such user here") }

// Greylist defers n times and then accepts.
func Greylist(n int) []Act { return append(slices.Repeat([]Act{Defer()}, n), Accept()) }

// Drop closes the connection without a word.
func Drop() Act { return Act{drop: true} }

// DropAfter closes the connection after so many octets of the data.
func DropAfter(octets int64) Act { return Act{drop: true, dropAt: octets} }

// Hold waits until the channel is closed before it does what the act says, for clients with a deadline. The channel must be
// closed before the test ends.
func (a Act) Hold(release <-chan struct{}) Act {
	a.release = release
	return a
}

var errDropped = errors.New("dropped as the script says")

// do runs an act.
func (a Act) do(conn net.Conn) error {
	if a.release != nil {
		<-a.release
	}
	if a.drop {
		conn.Close()
		return errDropped
	}
	if a.reply != nil {
		return a.reply
	}
	return nil
}

// session is one client's.
type session struct {
	s    *Server
	conn *smtp.Conn
	m    Message
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	s.sessions++
	s.mu.Unlock()
	if err := s.next(Hello).do(c.Conn()); err != nil {
		return nil, err
	}
	return &session{s: s, conn: c}, nil
}

// Reset implements smtp.Session.
func (c *session) Reset() { c.m = Message{} }

// Logout implements smtp.Session.
func (c *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (c *session) Mail(from string, o *smtp.MailOptions) error {
	if err := c.s.next(Mail, from).do(c.conn.Conn()); err != nil {
		return err
	}
	_, overTLS := c.conn.TLSConnectionState()
	c.m = Message{From: from, Hello: c.conn.Hostname(), TLS: overTLS, UTF8: o.UTF8, Body: string(o.Body), Size: o.Size}
	return nil
}

// Rcpt implements smtp.Session.
func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.s.mu.Lock()
	c.s.tried = append(c.s.tried, to)
	c.s.mu.Unlock()
	if err := c.s.next(Rcpt, to).do(c.conn.Conn()); err != nil {
		return err
	}
	c.m.To = append(c.m.To, to)
	return nil
}

// Data implements smtp.Session.
func (c *session) Data(r io.Reader) error {
	act := c.s.next(Data, c.m.To...)
	if act.drop && act.dropAt > 0 {
		io.CopyN(io.Discard, r, act.dropAt)
		return act.do(c.conn.Conn())
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := act.do(c.conn.Conn()); err != nil {
		return err
	}
	m := c.m
	m.Data, m.To = data, slices.Clone(m.To)
	c.s.keep(m)
	return nil
}

// LMTPData implements smtp.LMTPSession: each recipient has its own act and its own message.
func (c *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, to := range c.m.To {
		err := c.s.next(Data, to).do(c.conn.Conn())
		if err == nil {
			m := c.m
			m.Data, m.To = data, []string{to}
			c.s.keep(m)
		}
		status.SetStatus(to, err)
	}
	return nil
}
