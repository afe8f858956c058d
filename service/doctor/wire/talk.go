package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/smtp"
)

// Talk is a dialogue with a server, over as soon as its context is. What is read of each line and reply is bounded by proto/smtp.
type Talk struct {
	conn  net.Conn // that is talked over
	raw   net.Conn
	r     *smtp.Reader
	stop  func() bool
	state *tls.ConnectionState
}

func newTalk(ctx context.Context, conn net.Conn) *Talk {
	t := &Talk{conn: conn, raw: conn, r: smtp.NewReader(conn, make([]byte, 4<<10))}
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end)
	}
	t.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return t
}

func (t *Talk) Close() {
	t.stop()
	t.raw.Close()
}

// reply reads a reply of SMTP.
func (t *Talk) reply() (*smtp.Reply, error) {
	r, err := smtp.ReadReply(t.r)
	return r, silence(err)
}

// Command sends a command and reads the reply.
func (t *Talk) Command(format string, args ...any) (*smtp.Reply, error) {
	if err := t.send(fmt.Sprintf(format, args...)); err != nil {
		return nil, err
	}
	return t.reply()
}

func (t *Talk) send(line string) error {
	_, err := t.conn.Write([]byte(line + "\r\n"))
	return silence(err)
}

// line reads a line of IMAP or POP3.
func (t *Talk) line() (string, error) {
	b, err := t.r.ReadLine(2 << 10)
	if err != nil && !errors.Is(err, smtp.ErrBareLF) {
		return "", silence(err)
	}
	return string(b), nil
}

// secure goes over to TLS. What came before does not count any more; a server that sends too early is refused. RFC 3207 4.2.
func (t *Talk) secure(ctx context.Context, host string) error {
	if t.r.Buffered() > 0 {
		return errors.New("it sent something between its consent to TLS and the handshake")
	}
	conn := tls.Client(t.conn, looking(host))
	if err := conn.HandshakeContext(ctx); err != nil {
		return silence(err)
	}
	state := conn.ConnectionState()
	t.conn, t.state = conn, &state
	t.r.Reset(conn)
	return nil
}

// silence makes errors of the connection readable.
func silence(err error) error {
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &network) && network.Timeout():
		return errors.New("it did not answer in time")
	case strings.HasSuffix(err.Error(), "EOF"):
		return errors.New("it closed the connection")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Quit says goodbye. Nothing hangs on the answer.
func (t *Talk) Quit() { _, _ = t.Command("QUIT") }
