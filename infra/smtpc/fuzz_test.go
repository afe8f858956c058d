package smtpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// tape is a connection whose server says what is on the tape, whatever it hears.
type tape struct {
	in  io.Reader
	out bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return nil }
func (c *tape) RemoteAddr() net.Addr             { return nil }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// FuzzServerAnswers: whatever a server answers, the client does not panic, every line it sends ends with CR LF, and a Send without an
// error has an outcome for everybody. An outcome of success needs the end of data to have been sent.
func FuzzServerAnswers(f *testing.F) {
	f.Add([]byte("220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n250 ok\r\n221 bye\r\n"), false)
	f.Add([]byte("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n250 ok\r\n"), false)
	f.Add([]byte("220 mx\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n452 no\r\n"), true)
	f.Add([]byte("220 mx\r\n500 what\r\n250 mx\r\n421 no\r\n"), false)
	f.Add([]byte("220 mx\r\n250-mx\r\n250 AUTH LOGIN SCRAM-SHA-256\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n250 ok\r\n"), false)
	f.Fuzz(func(t *testing.T, answers []byte, lmtp bool) {
		conn := &tape{in: bytes.NewReader(answers)}
		ctx := context.Background()
		c, err := New(ctx, conn, Options{LMTP: lmtp, AllowCleartextAuth: true})
		if err != nil {
			return
		}
		defer c.Quit(ctx)
		if err := c.Hello(ctx); err != nil {
			return
		}
		_ = c.Auth(ctx, sasl.NewLoginClient("alice", "secret"))
		if scram, err := sasl.NewScramClient("alice", "secret", nil); err == nil {
			if c.Auth(ctx, scram) == nil {
				t.Error("a server that does not know the password was believed")
			}
		}
		r, err := c.Send(ctx, tx("text\r\n.\r\n", "b@y", "c@y"))
		ended := bytes.Contains(conn.out.Bytes(), []byte("text\r\n..\r\n.\r\n"))
		for i := range r.Rcpt {
			o := r.Outcome(i)
			if err == nil && o == nil {
				t.Errorf("%q: no outcome for %d", answers, i)
			}
			if o != nil && o.Code/100 == 2 && !ended {
				t.Errorf("%q: success without a message", answers)
			}
		}
		var failure *ConnError
		if errors.As(err, &failure) && failure.Unknown != ended {
			t.Errorf("%q: end of data sent: %v, error %v", answers, ended, err)
		}
		sent := conn.out.Bytes()
		var check smtp.TextCheck
		if err := check.Check(sent); err != nil {
			t.Errorf("%q: sent %q: %v", answers, sent, err)
		}
	})
}
