package load

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// imapClient is a client that reads no more into answers than it must, so that the server is what is measured.
type imapClient struct {
	conn net.Conn
	in   *bufio.Reader
	tag  int
	line []byte
}

// dialIMAP connects, from the loopback address from if it is not nil, and logs in as name unless that is "".
func dialIMAP(addr, name string, from net.IP) (*imapClient, error) {
	return dialIMAPBuffer(addr, name, from, 16<<10)
}

func dialIMAPBuffer(addr, name string, from net.IP, buffer int) (*imapClient, error) {
	d := net.Dialer{Timeout: patience}
	if from != nil {
		d.LocalAddr = &net.TCPAddr{IP: from}
	}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &imapClient{conn: conn, in: bufio.NewReaderSize(conn, buffer)}
	if _, err := c.readLine(nil); err != nil {
		conn.Close()
		return nil, err
	}
	if name != "" {
		if err := c.do("LOGIN "+Address(name)+" "+Password, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *imapClient) close() { c.conn.Close() }

// readLine reads one line of an answer, its literals left out, or written to literals if that is not nil. It stays valid until the next call.
func (c *imapClient) readLine(literals io.Writer) ([]byte, error) {
	c.line = c.line[:0]
	for {
		part, err := c.in.ReadSlice('\n')
		c.line = append(c.line, part...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return nil, err
		}
		n, ok := literalLength(c.line)
		if !ok {
			return c.line, nil
		}
		if literals != nil {
			_, err = io.CopyN(literals, c.in, int64(n))
		} else {
			_, err = c.in.Discard(n)
		}
		if err != nil {
			return nil, err
		}
	}
}

// literalLength tells whether a line goes on after a literal of n octets.
func literalLength(line []byte) (n int, ok bool) {
	line = bytes.TrimRight(line, "\r\n")
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[open+1 : len(line)-1]))
	return n, err == nil
}

// send writes a command and gives its tag.
func (c *imapClient) send(command string) (string, error) {
	c.tag++
	tag := "a" + strconv.Itoa(c.tag)
	if err := c.conn.SetDeadline(time.Now().Add(10 * patience)); err != nil {
		return "", err
	}
	_, err := io.WriteString(c.conn, tag+" "+command+"\r\n")
	return tag, err
}

// do runs a command; each untagged line goes to on if that is not nil. An answer other than OK is an error.
func (c *imapClient) do(command string, on func(line []byte)) error {
	tag, err := c.send(command)
	if err != nil {
		return err
	}
	return c.answer(tag, command, on)
}

// answer reads to the tagged line.
func (c *imapClient) answer(tag, command string, on func(line []byte)) error {
	for {
		line, err := c.readLine(nil)
		if err != nil {
			return fmt.Errorf("%.40s: %w", command, err)
		}
		if rest, ok := bytes.CutPrefix(line, []byte(tag+" ")); ok {
			if !bytes.HasPrefix(rest, []byte("OK")) {
				return refusal{command: command[:min(40, len(command))], reply: bytes.Clone(bytes.TrimSpace(rest))}
			}
			return nil
		}
		if on != nil {
			on(line)
		}
	}
}

// refusal is an answer other than OK.
type refusal struct {
	command string
	reply   []byte
}

// Error implements error.
func (r refusal) Error() string { return fmt.Sprintf("%s: %s", r.command, r.reply) }

// append stores a message; each untagged line goes to on.
func (c *imapClient) append(mailbox string, message []byte, on func(line []byte)) error {
	tag, err := c.send(fmt.Sprintf("APPEND %s {%d}", mailbox, len(message)))
	if err != nil {
		return err
	}
	if err := c.untilContinuation(on); err != nil {
		return fmt.Errorf("APPEND: %w", err)
	}
	if _, err := c.conn.Write(append(message[:len(message):len(message)], '\r', '\n')); err != nil {
		return err
	}
	return c.answer(tag, "APPEND", on)
}

func (c *imapClient) untilContinuation(on func(line []byte)) error {
	for {
		line, err := c.readLine(nil)
		if err != nil {
			return err
		}
		if line[0] == '+' {
			return nil
		}
		if line[0] != '*' {
			return fmt.Errorf("no continuation: %s", bytes.TrimSpace(line))
		}
		if on != nil {
			on(line)
		}
	}
}

// count asks how many messages a mailbox has.
func (c *imapClient) count(mailbox string) (int, error) {
	n := -1
	err := c.do("STATUS "+mailbox+" (MESSAGES)", func(line []byte) {
		if _, rest, ok := bytes.Cut(line, []byte("(MESSAGES ")); ok {
			if digits, _, ok := bytes.Cut(rest, []byte(")")); ok {
				if v, err := strconv.Atoi(string(digits)); err == nil {
					n = v
				}
			}
		}
	})
	if err == nil && n < 0 {
		err = fmt.Errorf("STATUS does not tell the number of messages")
	}
	return n, err
}

// unbase64 decodes what stands on a line after a "+".
func unbase64(line []byte) (string, error) {
	text, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
	return string(text), err
}

func (c *imapClient) writeBase64(text string) error {
	_, err := io.WriteString(c.conn, base64.StdEncoding.EncodeToString([]byte(text))+"\r\n")
	return err
}
