package load

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"time"
)

// smtpClient sends messages, one command at a time, as smtp-source does, and says how long the end of data took.
type smtpClient struct {
	conn net.Conn
	in   *bufio.Reader
}

// dialSMTP connects and greets.
func dialSMTP(addr string) (*smtpClient, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c := &smtpClient{conn: conn, in: bufio.NewReaderSize(conn, 1<<10)}
	if err = c.expect('2'); err == nil {
		err = c.do("EHLO client.example", '2')
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// startTLS turns TLS on and greets again. The certificate is not checked: checking it is the client's work alone.
func (c *smtpClient) startTLS(config *tls.Config) error {
	if err := c.do("STARTTLS", '2'); err != nil {
		return err
	}
	secured := tls.Client(c.conn, config)
	if err := secured.Handshake(); err != nil {
		return err
	}
	c.conn = secured
	c.in.Reset(secured)
	return c.do("EHLO client.example", '2')
}

// login authenticates with PLAIN.
func (c *smtpClient) login(name string) error {
	return c.do("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+Address(name)+"\x00"+Password)), '2')
}

func (c *smtpClient) do(command string, want byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c.conn, command+"\r\n"); err != nil {
		return err
	}
	if err := c.expect(want); err != nil {
		return fmt.Errorf("%.30s: %w", command, err)
	}
	return nil
}

// expect reads a reply of any number of lines.
func (c *smtpClient) expect(want byte) error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) < 4 {
			return fmt.Errorf("a short reply: %q", line)
		}
		if line[3] == '-' {
			continue
		}
		if line[0] != want {
			return fmt.Errorf("refused: %s", bytes.TrimSpace(line))
		}
		return nil
	}
}

// send sends a message, which is complete: CRLF lines, no line begins with a dot, CRLF at the end. It tells how long the reply
// to the end of data took, counted from when the data was handed to the kernel.
func (c *smtpClient) send(from string, to []string, message []byte) (time.Duration, error) {
	if err := c.do("MAIL FROM:<"+from+">", '2'); err != nil {
		return 0, err
	}
	for _, address := range to {
		if err := c.do("RCPT TO:<"+address+">", '2'); err != nil {
			return 0, err
		}
	}
	if err := c.do("DATA", '3'); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(append(message[:len(message):len(message)], '.', '\r', '\n')); err != nil {
		return 0, err
	}
	sent := time.Now()
	err := c.expect('2')
	return time.Since(sent), err
}

// quit ends the conversation politely.
func (c *smtpClient) quit() error {
	err := c.do("QUIT", '2')
	c.conn.Close()
	return err
}
