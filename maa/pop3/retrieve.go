package pop3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/postrider/postrider/mail"
)

// errBroken says that a message broke off after its first octets were sent.
var errBroken = errors.New("the message broke off")

// retr sends a message (RFC 1939 5).
func (s *session) retr(args []string) error {
	e, err := s.find(args[0])
	if err != nil {
		return err
	}
	return s.send(e, fmt.Sprintf("%d octets", e.size), func(r io.Reader) io.Reader { return r })
}

// top sends a message's header and first lines (RFC 1939 7).
func (s *session) top(args []string) error {
	e, err := s.find(args[0])
	if err != nil {
		return err
	}
	lines, err := strconv.ParseUint(args[1], 10, 31)
	if err != nil {
		return refused("the number of lines is none")
	}
	return s.send(e, "top of message follows", func(r io.Reader) io.Reader { return newTopReader(r, int(lines)) })
}

// send streams a message, or a part of it. Only what fails before the first octet can be told to the client.
func (s *session) send(e *entry, text string, part func(io.Reader) io.Reader) error {
	ctx, cancel := s.store()
	defer cancel()
	m, err := s.message(ctx, e)
	if mail.Is(err, mail.NotFound) {
		return refused("another client has deleted the message meanwhile")
	}
	if err != nil {
		return err
	}
	body, err := s.cfg.Blobs.Open(s.ctx, m.Blob) // the client may take longer for it than a command's time
	if mail.Is(err, mail.NotFound) {
		return refused("another client has deleted the message meanwhile")
	}
	if err != nil {
		return err
	}
	defer body.Close()
	s.ok("%s", text)
	w := stuffer{w: s.c.out}
	buf := copyBuffers.Get().(*[sendSize]byte)
	defer copyBuffers.Put(buf)
	_, err = io.CopyBuffer(onlyWriter{&w}, onlyReader{part(io.MultiReader(bytes.NewReader(m.Prefix), body))}, buf[:])
	switch {
	case s.c.failed != nil:
		return nil // nobody is there to hear about it
	case err != nil:
		return fmt.Errorf("%w: message %d of account %d: %w", errBroken, m.ID, m.Account, err)
	}
	w.end()
	return nil
}

// copyBuffers are for messages on their way, one for each that is being sent.
var copyBuffers = sync.Pool{New: func() any { return new([sendSize]byte) }}

// window is how many messages are looked up ahead for a client that takes one after the other, as nearly all do.
const window = 50

// message gives the facts of a message: where it follows the one before, those of the next ones are read with it.
func (s *session) message(ctx context.Context, e *entry) (mail.Message, error) {
	for i := range s.ahead {
		if s.ahead[i].ID == e.email {
			m := s.ahead[i]
			s.ahead = s.ahead[i+1:]
			s.last = e.uid
			return m, nil
		}
	}
	s.ahead = nil
	i := s.index(e)
	follows := i > 0 && s.drop[i-1].uid == s.last
	s.last = e.uid
	if !follows {
		return s.cfg.Mailboxes.Message(ctx, s.account.ID, e.email)
	}
	uids := mail.UIDRange{First: e.uid, Last: s.drop[min(i+window, len(s.drop))-1].uid}
	for m, err := range s.cfg.Mailboxes.Messages(ctx, s.box.ID, uids) {
		if err != nil {
			return mail.Message{}, err
		}
		m.Summary = nil
		s.ahead = append(s.ahead, m.Message)
	}
	if len(s.ahead) == 0 || s.ahead[0].ID != e.email { // it was moved, or is gone
		return s.cfg.Mailboxes.Message(ctx, s.account.ID, e.email)
	}
	m := s.ahead[0]
	s.ahead = s.ahead[1:]
	return m, nil
}

// index is where a message stands in the list.
func (s *session) index(e *entry) int {
	i, _ := slices.BinarySearchFunc(s.drop, e.uid, func(have entry, uid uint32) int { return cmp.Compare(have.uid, uid) })
	return i
}

// onlyWriter and onlyReader hide other methods, so that copying goes through the buffer it is given.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// stuffer writes a message as lines of a multi-line answer (RFC 1939 3): a dot at the start of a line is doubled. A
// bare LF counts as the end of a line as well: clients that take it for one must not see a lone dot behind it.
type stuffer struct {
	w interface {
		io.Writer
		io.StringWriter
	}
	inLine bool // the next octet does not begin a line
	cr     bool // the last octet was a CR
	ragged bool // what was written does not end with CRLF
}

func (s *stuffer) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		rest := b[done:]
		if !s.inLine && rest[0] == '.' {
			if _, err := s.w.WriteString("."); err != nil {
				return done, err
			}
		}
		n := bytes.IndexByte(rest, '\n') + 1
		if n > 0 {
			s.ragged = !(n > 1 && rest[n-2] == '\r' || n == 1 && s.cr)
			s.inLine, s.cr = false, false
		} else {
			n = len(rest)
			s.inLine, s.cr, s.ragged = true, rest[n-1] == '\r', true
		}
		if _, err := s.w.Write(rest[:n]); err != nil {
			return done, err
		}
		done += n
	}
	return len(b), nil
}

// end closes the answer. A message that does not end with CRLF is given one.
func (s *stuffer) end() {
	if s.ragged {
		s.w.WriteString("\r\n")
	}
	s.w.WriteString(".\r\n")
}

// topReader ends a message after its header and some lines. Memory does not grow with a line.
type topReader struct {
	r      io.Reader
	lines  int  // of the body, still to come
	body   bool // past the header
	length int  // of the header line so far, without CR
	over   bool
}

func newTopReader(r io.Reader, lines int) *topReader { return &topReader{r: r, lines: lines} }

func (t *topReader) Read(b []byte) (int, error) {
	if t.over {
		return 0, io.EOF
	}
	n, err := t.r.Read(b)
	for i, c := range b[:n] {
		if t.next(c) {
			t.over = true
			return i + 1, nil
		}
	}
	return n, err
}

// next takes one octet and reports whether it was the last one wanted.
func (t *topReader) next(c byte) bool {
	switch {
	case c != '\n' && !t.body && c != '\r':
		t.length++
	case c != '\n':
	case t.body:
		t.lines--
		return t.lines == 0
	case t.length == 0: // the empty line after the header
		t.body = true
		return t.lines == 0
	default:
		t.length = 0
	}
	return false
}
