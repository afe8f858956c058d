package export

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mbox writes one file for each mailbox (RFC 4155), with the quoting of mboxrd: a line that begins with "From ", or with any number
// of ">" before that, gets one ">" more, so that it can be taken off again. Lines end in LF. Flags are in Status, X-Status and X-Keywords fields in
// front of each message, where mutt, Dovecot and Python look for them.
type mbox struct {
	w     *Writer
	taken unique
	path  string
	file  *os.File
	out   *bufio.Writer
}

func (b *mbox) mailbox(account string, box Mailbox) (string, error) {
	if b.taken == nil {
		b.taken = unique{}
	}
	path := b.taken.name(filepath.Join(account, filepath.FromSlash(pathName(box.Name))) + ".mbox")
	b.path = filepath.Join(b.w.root, path)
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return path, err
	}
	f, err := os.OpenFile(b.path+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return path, err
	}
	b.file, b.out = f, bufio.NewWriterSize(f, 64<<10)
	return path, nil
}

// message appends a message. One that breaks off is cut away again.
func (b *mbox) message(m Message, r io.Reader) (kept bool, err error) {
	if err := b.out.Flush(); err != nil {
		return false, err
	}
	start, err := b.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, err
	}
	if err = b.write(m, r); err == nil {
		return false, nil
	}
	b.out.Reset(b.file)
	cut := b.file.Truncate(start)
	_, seek := b.file.Seek(start, io.SeekStart)
	return false, errors.Join(err, cut, seek)
}

func (b *mbox) write(m Message, r io.Reader) error {
	return writeMbox(b.out, m, r)
}

// writeMbox writes one message of an mbox.
func writeMbox(out *bufio.Writer, m Message, r io.Reader) error {
	out.WriteString("From MAILER-DAEMON " + m.Received.UTC().Format("Mon Jan _2 15:04:05 2006") + "\n" + status(m.Flags)) //nolint:errcheck // told by Flush
	if err := quote(out, r); err != nil {
		return err
	}
	out.WriteByte('\n') //nolint:errcheck // told by Flush
	return out.Flush()
}

// status gives flags as header fields.
func status(flags []string) string {
	has := func(f string) bool { return slices.Contains(flags, f) }
	s, x := "", ""
	if has(`\Seen`) {
		s = "R"
	}
	for _, f := range []struct{ flag, letter string }{{`\Answered`, "A"}, {`\Flagged`, "F"}, {`\Draft`, "T"}, {`\Deleted`, "D"}} {
		if has(f.flag) {
			x += f.letter
		}
	}
	out := "Status: " + s + "O\n" // O: not new
	if x != "" {
		out += "X-Status: " + x + "\n"
	}
	words := []string{}
	for _, f := range flags {
		if !strings.HasPrefix(f, `\`) {
			words = append(words, f)
		}
	}
	if len(words) > 0 {
		out += "X-Keywords: " + strings.Join(words, " ") + "\n"
	}
	return out
}

// quote copies a message as lines that end in LF, the last as well.
func quote(w *bufio.Writer, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	start, ended := true, true
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && err != io.EOF {
			return err
		}
		if len(line) > 0 {
			if start && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
				w.WriteByte('>') //nolint:errcheck // told below
			}
			start = line[len(line)-1] == '\n'
			ended = start
			if len(line) > 1 && start && line[len(line)-2] == '\r' {
				line = append(line[:len(line)-2], '\n')
			} else if len(line) > 1 && line[len(line)-1] == '\r' && errors.Is(err, bufio.ErrBufferFull) {
				line = line[:len(line)-1] // it may belong to the LF behind it
				if e := in.UnreadByte(); e != nil {
					return e
				}
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
	}
	if !ended {
		w.WriteByte('\n') //nolint:errcheck // told by the next write
	}
	return nil
}

func (b *mbox) end() error {
	if b.file == nil {
		return nil
	}
	err := errors.Join(b.out.Flush(), b.file.Close())
	b.file = nil
	if err == nil {
		err = os.Rename(b.path+partSuffix, b.path)
	}
	return err
}
