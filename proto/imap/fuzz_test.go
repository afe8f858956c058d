package imap

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzCommand reads anything as commands: each is understood, or refused and passed over, and none costs more than the limits say.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		"a LOGIN {3+}\r\nabc {1}\r\nd\r\nb SELECT x (QRESYNC (1 2 3:4 (5 6)))\r\n",
		"a UID FETCH 1:*,$ (BODY.PEEK[1.2.HEADER.FIELDS (a \"b\")]<1.2> BINARY[] FLAGS) (CHANGEDSINCE 3 VANISHED)\r\n",
		"a SEARCH RETURN (MIN SAVE) CHARSET UTF-8 OR (NOT 1:3) UID 4 HEADER x {2+}\r\nyy SENTON 1-Feb-2000\r\n",
		"a APPEND &AOQ- (\\Seen) \" 1-Feb-1994 21:52:25 -0800\" ~{3+}\r\nabc UTF8 (~{1+}\r\nx)\r\n",
		"a STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Deleted x)\r\na LIST (SUBSCRIBED) \"\" (% *) RETURN (STATUS (SIZE))\r\n",
		"((((((((((\r\na ID (\"a\" NIL)\r\na CREATE b (USE (\\Sent))\r\na FLY {4+}\r\n\r\n\r\n\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r := bufio.NewReaderSize(strings.NewReader(in), 16)
		lim := Limits{Line: 300, Literal: 100, Depth: 4, Items: 30}
		for range len(in) + 1 {
			if _, err := r.Peek(1); err != nil {
				return
			}
			d := NewDecoder(r, lim, func() error { return nil })
			h := d.Head()
			if a := NewArgs(h.Name, h.UID); a != nil && d.Err() == nil {
				a.Decode(d)
				if _, ok := a.(*Append); ok {
					readMessages(d)
				}
				d.End()
			} else {
				d.Fail("unknown")
			}
			if d.line > lim.Line || d.literal > lim.Literal {
				t.Fatalf("%d octets of line and %d of literals", d.line, d.literal)
			}
			var e *Error
			if err := d.Err(); err != nil && !errors.As(err, &e) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%v is no error of this package", err)
			}
			if err := d.Recover(1 << 20); err != nil {
				return
			}
			if !d.Ended() {
				t.Fatal("not at the end of the command")
			}
		}
		t.Fatal("more commands than octets")
	})
}

// FuzzMailbox reads anything as a mailbox name: what is taken has one spelling and can be told to the client again.
func FuzzMailbox(f *testing.F) {
	for _, s := range []string{"INBOX", "&U,BTFw-", "&2D3eAA-", "a&-b", "Entw\u00fcrfe", "&", "inbox/x"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, in string, utf8 bool) {
		name, err := DecodeMailbox(in, utf8)
		if err != nil {
			return
		}
		spelt := name
		if !utf8 {
			spelt = EncodeUTF7(name)
		}
		again, err := DecodeMailbox(spelt, utf8)
		if err != nil || again != name {
			t.Fatalf("%q is %q, which comes back as %q, %v", in, name, again, err)
		}
		if Match(name, name, "/") != true {
			t.Fatalf("%q does not match itself", name)
		}
	})
}
