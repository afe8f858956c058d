package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/test/lab"
)

// errRefused is the cause of errors that are answers: the server is there and says no.
var errRefused = errors.New("refused")

// imapConn is the least of an IMAP client: it shows answers as they come.
type imapConn struct {
	conn net.Conn
	r    *bufio.Reader
	n    int
}

// answer is one response with its literals taken out.
type answer struct {
	text     string // literals are left as {n}
	literals []string
}

func dialIMAP(addr, user, password string) (*imapConn, error) {
	conn, err := net.DialTimeout("tcp", addr, lab.Patience)
	if err != nil {
		return nil, err
	}
	c := &imapConn{conn: conn, r: bufio.NewReader(conn)}
	conn.SetDeadline(time.Now().Add(lab.Patience))
	if _, err := c.read(); err != nil {
		conn.Close()
		return nil, err
	}
	if _, _, err := c.do(fmt.Sprintf("LOGIN %s %s", user, password), ""); err != nil {
		conn.Close()
		return nil, err
	}
	if _, _, err := c.do("ENABLE CONDSTORE", ""); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// do sends a command, with a literal behind it when it ends with one, and collects the answers.
func (c *imapConn) do(command, literal string) (untagged []answer, tagged string, err error) {
	c.conn.SetDeadline(time.Now().Add(lab.Patience))
	c.n++
	tag := fmt.Sprintf("a%d", c.n)
	if _, err := fmt.Fprintf(c.conn, "%s %s\r\n", tag, command); err != nil {
		return nil, "", err
	}
	for {
		a, err := c.read()
		if err != nil {
			return untagged, "", err
		}
		switch {
		case strings.HasPrefix(a.text, "+"):
			if _, err := io.WriteString(c.conn, literal+"\r\n"); err != nil {
				return untagged, "", err
			}
		case strings.HasPrefix(a.text, "* BYE"):
			return untagged, "", errors.New(a.text)
		case strings.HasPrefix(a.text, tag+" OK"):
			return untagged, a.text, nil
		case strings.HasPrefix(a.text, tag+" "):
			return untagged, a.text, fmt.Errorf("%w: %.60s: %s", errRefused, command, a.text)
		default:
			untagged = append(untagged, a)
		}
	}
}

var literalEnd = regexp.MustCompile(`\{(\d+)\}$`)

func (c *imapConn) read() (a answer, err error) {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return a, err
		}
		line = strings.TrimRight(line, "\r\n")
		a.text += line
		m := literalEnd.FindStringSubmatch(line)
		if m == nil {
			return a, nil
		}
		n, _ := strconv.Atoi(m[1])
		b := make([]byte, n)
		if _, err := io.ReadFull(c.r, b); err != nil {
			return a, err
		}
		a.literals = append(a.literals, string(b))
	}
}

// number finds a number that a pattern's first group holds in any of the answers, or 0.
func number(pattern string, texts ...string) uint64 {
	re := regexp.MustCompile(pattern)
	for _, t := range texts {
		if m := re.FindStringSubmatch(t); m != nil {
			n, _ := strconv.ParseUint(m[1], 10, 64)
			return n
		}
	}
	return 0
}

func texts(list []answer) (out []string) {
	for _, a := range list {
		out = append(out, a.text)
	}
	return out
}

// dialSMTP connects, and logs in when there is a user.
func dialSMTP(addr, user, password string) (*smtp.Client, net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, lab.Patience)
	if err != nil {
		return nil, nil, err
	}
	conn.SetDeadline(time.Now().Add(lab.Patience))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err == nil && user != "" {
		err = c.Auth(smtp.PlainAuth("", user, password, "127.0.0.1"))
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return c, conn, nil
}
