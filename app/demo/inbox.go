package demo

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// inbox is a reader's IMAP connection, in IDLE. It knows as much IMAP as this takes.
type inbox struct {
	conn     net.Conn
	in       *bufio.Reader
	tags     int
	exists   int
	security string
	took     time.Duration
}

func (t *town) openInbox(ctx context.Context) (*inbox, error) {
	began := time.Now()
	d := tls.Dialer{Config: t.trust}
	conn, err := d.DialContext(ctx, "tcp", t.imaps)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline) //nolint:errcheck // a TCP connection has deadlines
	}
	b := &inbox{conn: conn, in: bufio.NewReader(conn)}
	b.security = tls.VersionName(conn.(*tls.Conn).ConnectionState().Version) //nolint:forcetypeassert // tls.Dialer says so
	if err := b.enter(t); err != nil {
		conn.Close() //nolint:errcheck // the first error is the one to tell
		return nil, err
	}
	b.took = time.Since(began)
	return b, nil
}

// enter logs in, selects INBOX and goes idle.
func (b *inbox) enter(t *town) error {
	if _, err := b.line(); err != nil {
		return err
	}
	for _, command := range []string{"LOGIN " + t.person() + " " + t.password, "SELECT INBOX"} {
		if err := b.command(command, nil); err != nil {
			return err
		}
	}
	return b.idle()
}

func (b *inbox) close() { b.conn.Close() } //nolint:errcheck // nothing hangs on it

func (b *inbox) line() (string, error) {
	s, err := b.in.ReadString('\n')
	s = strings.TrimRight(s, "\r\n")
	if fields := strings.Fields(s); len(fields) == 3 && fields[0] == "*" && fields[2] == "EXISTS" {
		if n, err := strconv.Atoi(fields[1]); err == nil {
			b.exists = n
		}
	}
	return s, err
}

// command sends one and reads to its end; each sees every line that comes before.
func (b *inbox) command(text string, each func(line string) error) error {
	b.tags++
	tag := "d" + strconv.Itoa(b.tags)
	if _, err := fmt.Fprintf(b.conn, "%s %s\r\n", tag, text); err != nil {
		return err
	}
	return b.until(tag, each)
}

func (b *inbox) until(tag string, each func(line string) error) error {
	for {
		line, err := b.line()
		if err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return fmt.Errorf("IMAP says: %s", rest)
			}
			return nil
		}
		if each != nil {
			if err := each(line); err != nil {
				return err
			}
		}
	}
}

// idle waits for news (RFC 2177): the server speaks when it has something to say.
func (b *inbox) idle() error {
	if _, err := io.WriteString(b.conn, "idle IDLE\r\n"); err != nil {
		return err
	}
	line, err := b.line()
	if err == nil && !strings.HasPrefix(line, "+") {
		return fmt.Errorf("IMAP does not go idle: %s", line)
	}
	return err
}

// awaitMessage waits until the mailbox has grown, and gives the number of the newest message.
func (b *inbox) awaitMessage(context.Context) (int, error) {
	for had := b.exists; b.exists <= had; {
		if _, err := b.line(); err != nil {
			return 0, err
		}
	}
	if _, err := io.WriteString(b.conn, "DONE\r\n"); err != nil {
		return 0, err
	}
	return b.exists, b.until("idle", nil)
}

// read fetches a whole message.
func (b *inbox) read(_ context.Context, number int) ([]byte, error) {
	var text []byte
	err := b.command("FETCH "+strconv.Itoa(number)+" (BODY[])", func(line string) error {
		open := strings.LastIndexByte(line, '{')
		if open < 0 || !strings.HasSuffix(line, "}") || text != nil {
			return nil
		}
		n, err := strconv.Atoi(line[open+1 : len(line)-1])
		if err != nil || n > 10<<20 {
			return fmt.Errorf("IMAP gives no size: %s", line)
		}
		text = make([]byte, n)
		_, err = io.ReadFull(b.in, text)
		return err
	})
	if err == nil && text == nil {
		err = fmt.Errorf("IMAP gave no message %d", number)
	}
	return text, err
}
