package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// mboxBuffer is how much of a file is looked at at once; a line that is longer is no beginning of a message.
const mboxBuffer = 64 << 10

// mboxReader parts an mbox into messages (RFC 4155), as mboxrd and mboxo quote them. A message begins at a line "From … time year" at the start or
// behind an empty line; that empty line is not part of the message before.
type mboxReader struct {
	in      *bufio.Reader
	count   int64     // octets read
	date    time.Time // of the line that began the current message
	begun   bool      // a line "From " was read, whose message is next
	inside  bool      // a message is being read
	start   bool      // what comes next begins a line
	blank   bool      // the line before was empty
	held    []byte    // an empty line that may belong to the file
	spare   []byte    // where it is held
	out     []byte    // of the current message, not given yet
	ended   bool
	problem error
}

func newMboxReader(r io.Reader) *mboxReader {
	return &mboxReader{in: bufio.NewReaderSize(r, mboxBuffer), start: true, blank: true}
}

// Next goes to the next message, and passes over what was not read of the current one. io.EOF: there is none.
func (m *mboxReader) Next() (received time.Time, err error) {
	if m.inside {
		if _, err := io.Copy(io.Discard, m); err != nil {
			return time.Time{}, err
		}
	}
	for !m.begun {
		if m.ended {
			return time.Time{}, io.EOF
		}
		if err := m.line(); err != nil {
			return time.Time{}, err
		}
		m.out = m.out[:0] // before the first message stands nothing that counts
	}
	m.begun, m.inside, m.held = false, true, nil
	m.out = m.out[:0]
	return m.date, nil
}

// Read gives the current message.
func (m *mboxReader) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		if !m.inside || m.begun || m.ended {
			m.inside = false
			return 0, io.EOF
		}
		if m.problem != nil {
			return 0, m.problem
		}
		if err := m.line(); err != nil {
			m.problem = err
			return 0, err
		}
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// line reads a line, or a piece of a long one, into out.
func (m *mboxReader) line() error {
	line, err := m.in.ReadSlice('\n')
	m.count += int64(len(line))
	switch {
	case errors.Is(err, io.EOF):
		m.ended = true
	case err != nil && !errors.Is(err, bufio.ErrBufferFull):
		return err
	}
	if len(line) == 0 {
		return nil
	}
	whole := line[len(line)-1] == '\n'
	atStart := m.start
	m.start = whole
	if atStart && m.blank && (whole || m.ended) {
		if date, ok := fromLine(line); ok {
			m.begun, m.date, m.held, m.blank = true, date, nil, false
			return nil
		}
	}
	m.out = append(m.out[:0], m.held...)
	m.held = nil
	if m.blank = atStart && len(bytes.TrimRight(line, "\r\n")) == 0; m.blank {
		m.spare = append(m.spare[:0], line...)
		m.held = m.spare
		return nil
	}
	if atStart && line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
		line = line[1:]
	}
	m.out = append(m.out, line...)
	return nil
}

// fromLine reads "From sender date". What has no time and no year behind the sender is text that begins with the word.
func fromLine(line []byte) (time.Time, bool) {
	rest, ok := bytes.CutPrefix(line, []byte("From "))
	if !ok || len(line) > 1000 {
		return time.Time{}, false
	}
	text := strings.TrimSpace(string(rest))
	if t, ok := message.ParseDate(text); ok && !strings.Contains(text, "@") {
		return t, true
	}
	_, date, ok := strings.Cut(text, " ")
	if !ok {
		return time.Time{}, false
	}
	date = strings.TrimSpace(date)
	if !strings.Contains(date, ":") || !hasYear(date) {
		return time.Time{}, false
	}
	t, ok := message.ParseDate(date)
	if words := strings.Fields(date); !ok && len(words) == 6 && strings.ContainsAny(words[4][:1], "+-") { // Google puts the zone before the year
		words[4], words[5] = words[5], words[4]
		t, _ = message.ParseDate(strings.Join(words, " "))
	}
	return t, true
}

func hasYear(s string) bool {
	for word := range strings.FieldsSeq(s) {
		if len(word) == 4 && (word[:2] == "19" || word[:2] == "20") && strings.Trim(word, "0123456789") == "" {
			return true
		}
	}
	return false
}

// maxPeek is how much of a header is looked at for flags.
const maxPeek = 32 << 10

// mboxFlags reads the flags of a message of an mbox, and takes off the fields in front that only the file has: those that service/export, and
// many others, write there.
func mboxFlags(r io.Reader) ([]string, io.Reader) {
	in := bufio.NewReaderSize(r, maxPeek)
	var flags []string
	found := false
	for _, name := range []string{"Status", "X-Status", "X-Keywords"} {
		top, _ := in.Peek(1024)
		end := bytes.IndexByte(top, '\n')
		if end < 0 || len(top) <= len(name) || !strings.EqualFold(string(top[:len(name)+1]), name+":") || len(top) > end+1 && (top[end+1] == ' ' || top[end+1] == '\t') {
			continue
		}
		flags = append(flags, statusFlags(name, string(top[len(name)+1:end]))...)
		in.Discard(end + 1) //nolint:errcheck // it is buffered
		found = true
	}
	if found {
		return flags, in
	}
	top, _ := in.Peek(maxPeek)
	h, _ := message.ParseHeader(top)
	for _, name := range []string{"Status", "X-Status", "X-Keywords"} {
		flags = append(flags, statusFlags(name, h.Get(name))...)
	}
	return flags, in
}

// statusFlags reads the value of one of the fields.
func statusFlags(name, value string) []string {
	out := []string{}
	if name == "X-Keywords" {
		for word := range strings.FieldsSeq(value) {
			if !strings.HasPrefix(word, `\`) {
				out = append(out, word)
			}
		}
		return out
	}
	for _, c := range value {
		switch c {
		case 'R':
			out = append(out, `\Seen`)
		case 'A':
			out = append(out, `\Answered`)
		case 'F':
			out = append(out, `\Flagged`)
		case 'T':
			out = append(out, `\Draft`)
		case 'D':
			out = append(out, `\Deleted`)
		}
	}
	return out
}

// addMbox brings the messages of an mbox into the current mailbox. done tells how many octets are through.
func addMbox(ctx context.Context, d *Deposit, what string, r io.Reader, done func(int64)) error {
	m := newMboxReader(r)
	for n := 1; ; n++ {
		received, err := m.Next()
		switch {
		case errors.Is(err, io.EOF) && n == 1 && m.count > 0:
			d.Failed(what, "no message begins in it")
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		flags, text := mboxFlags(m)
		if labels := gmailLabels(text); labels != nil {
			f, marks := gmailFolder(labels)
			flags = append(flags, marks...)
			if err := d.Folder(ctx, f); err != nil {
				return err
			}
		}
		if err := d.Add(ctx, Message{What: fmt.Sprintf("%s, message %d", what, n), Flags: flags, Received: received}, text); err != nil {
			return err
		}
		if m.problem != nil {
			return m.problem
		}
		done(m.count)
	}
}

// gmailLabels reads the labels of Google's export, which has all mail in one file; nil where there are none.
func gmailLabels(r io.Reader) []string {
	in, ok := r.(*bufio.Reader)
	if !ok {
		return nil
	}
	top, _ := in.Peek(2048)
	if !bytes.Contains(top, []byte("X-Gmail-Labels:")) {
		return nil
	}
	h, _ := message.ParseHeader(top)
	out := []string{}
	for label := range strings.SplitSeq(h.Text("X-Gmail-Labels"), ",") {
		if label = strings.Trim(label, " \t\""); label != "" {
			out = append(out, label)
		}
	}
	return out
}

// gmailFolder is where a message with these labels is put, and its flags. Labels are many and mailboxes one: the first that counts most wins.
func gmailFolder(labels []string) (Folder, []string) {
	f, own := Folder{Name: "Archive", Use: mail.UseArch}, ""
	flags, seen := []string{}, true
	placed := false
	place := func(name string, use mail.SpecialUse) { f, placed = Folder{Name: name, Use: use}, true }
	for _, label := range labels {
		switch l := strings.ToLower(label); {
		case l == "trash":
			place("Trash", mail.UseTrash)
		case l == "spam":
			place("Junk", mail.UseJunk)
		case l == "drafts":
			place("Drafts", mail.UseDrafts)
			flags = append(flags, `\Draft`)
		case l == "inbox" && !placed:
			place(mail.Inbox, mail.UseInbox)
		case l == "sent" && !placed:
			place("Sent", mail.UseSent)
		case l == "unread":
			seen = false
		case l == "starred":
			flags = append(flags, `\Flagged`)
		case l == "opened", l == "archived", l == "important", l == "chat", strings.HasPrefix(l, "category "):
		case own == "":
			own = label
		}
	}
	if seen {
		flags = append(flags, `\Seen`)
	}
	if !placed && own != "" {
		f = Folder{Name: own, Use: useOf(own)}
	}
	return f, flags
}
