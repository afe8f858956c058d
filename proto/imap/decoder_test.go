package imap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testLimits = Limits{Line: 4096, Literal: 4096, Depth: 8, Items: 200}

// read reads one command of input whole, as the server does. Asked tells how often leave was given to send a literal.
func read(input string, lim Limits) (h Head, a Args, d *Decoder, asked int) {
	d = NewDecoder(bufio.NewReaderSize(strings.NewReader(input), 16), lim, func() error { asked++; return nil })
	h = d.Head()
	if d.Err() == nil {
		if a = NewArgs(h.Name, h.UID); a == nil {
			d.Fail("unknown command")
		} else {
			a.Decode(d)
			if _, ok := a.(*Append); ok {
				readMessages(d)
			}
			d.End()
		}
	}
	return h, a, d, asked
}

func readMessages(d *Decoder) (all []string) {
	for {
		m, more := d.NextMessage()
		if !more {
			return all
		}
		b, _ := io.ReadAll(d.Message(m))
		d.MessageEnd(m)
		all = append(all, string(b))
	}
}

// TestCommands reads commands of RFC 9051 6, RFC 3501 6 and the extensions into their arguments.
func TestCommands(t *testing.T) {
	t.Parallel()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	set := func(r ...Range) NumSet { return NumSet{Ranges: r} }
	for _, c := range []struct {
		in   string
		want Args
	}{
		{"NOOP", &None{}},
		{`LOGIN "a\"b" {3+}` + "\r\nx\ry", &Login{`a"b`, "x\ry"}}, // a CR is no line end within a literal
		{"AUTHENTICATE plain =", &Authenticate{"PLAIN", []byte{}}},
		{"AUTHENTICATE PLAIN AGE=", &Authenticate{"PLAIN", []byte("\x00a")}},
		{"ENABLE CONDSTORE utf8=accept", &Enable{[]string{"CONDSTORE", "UTF8=ACCEPT"}}},
		{"SELECT inbox", &Select{Mailbox: "INBOX"}},
		{"SELECT Inbox/Sub (CONDSTORE)", &Select{Mailbox: "INBOX/Sub", CondStore: true}},
		{"SELECT b (QRESYNC (67890007 20050715194045000 41,43:211,214:541))", &Select{Mailbox: "b",
			QResync: &QResync{UIDValidity: 67890007, ModSeq: 20050715194045000, Known: set(Range{41, 41}, Range{43, 211}, Range{214, 541})}}},
		{"EXAMINE b (QRESYNC (1 2 1:9 (1,2 5,9)))", &Select{Mailbox: "b", QResync: &QResync{UIDValidity: 1, ModSeq: 2,
			Known: set(Range{1, 9}), Seqs: set(Range{1, 1}, Range{2, 2}), UIDs: set(Range{5, 5}, Range{9, 9})}}},
		{`CREATE "~peter/mail/&U,BTFw-/&ZeVnLIqe-"`, &Create{Mailbox: "~peter/mail/台北/日本語"}},
		{`CREATE MySent (USE (\Sent))`, &Create{Mailbox: "MySent", Use: []string{`\Sent`}}},
		{"RENAME a {1}\r\nb", &Rename{"a", "b"}},
		{"DELETE \"a b\"", &Mailbox{"a b"}},
		{`LIST "" %`, &List{Patterns: []string{"%"}}},
		{`LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a*" inbox) RETURN (CHILDREN STATUS (MESSAGES SIZE))`, &List{Extended: true,
			SelectSubscribed: true, SelectRecursive: true, Patterns: []string{"a*", "INBOX"}, ReturnChildren: true,
			ReturnStatus: []string{"MESSAGES", "SIZE"}}},
		{`LSUB "#news." "comp.mail.*"`, &LSub{"#news.", "comp.mail.*"}},
		{"STATUS b (uidnext MESSAGES uidnext)", &Status{"b", []string{"UIDNEXT", "MESSAGES"}}},
		{"ID (\"name\" NIL)", &ID{[]Field{{"name", ""}}}},
		{"UID EXPUNGE 3000:3002", &UIDExpunge{set(Range{3000, 3002})}},
		{"COPY 2:4 MEETING", &Copy{set(Range{2, 4}), "MEETING"}},
		{"UID MOVE $ MEETING", &Copy{NumSet{Saved: true}, "MEETING"}},
		{`STORE 2:4 +FLAGS (\Deleted $x)`, &Store{Set: set(Range{2, 4}), Op: StoreAdd, Flags: []string{`\Deleted`, "$x"}}},
		{`STORE * -flags.silent \Seen \Draft`, &Store{Set: set(Range{Star, Star}), Op: StoreRemove, Silent: true, Flags: []string{`\Seen`, `\Draft`}}},
		{"UID STORE 6:4 (UNCHANGEDSINCE 12121230045) FLAGS ()", &Store{Set: set(Range{4, 6}), Conditional: true, UnchangedSince: 12121230045}},
		{"FETCH 1 FULL", &Fetch{Set: set(Range{1, 1}), Items: []FetchItem{{Item: ItemFlags}, {Item: ItemInternalDate}, {Item: ItemSize},
			{Item: ItemEnvelope}, {Item: ItemBody}}}},
		{"FETCH 2:* (BODY[HEADER.FIELDS.NOT (DATE \"x\")] BODY.PEEK[4.2.HEADER]<0.20> BODY[1.MIME] RFC822.TEXT body)", &Fetch{
			Set: set(Range{2, Star}), Items: []FetchItem{
				{ItemSection, Section{Spec: SpecFieldsNot, Fields: []string{"DATE", "x"}}},
				{ItemSection, Section{Part: []uint32{4, 2}, Spec: SpecHeader, Peek: true, Partial: true, Count: 20}},
				{ItemSection, Section{Part: []uint32{1}, Spec: SpecMIME}},
				{ItemSection, Section{Legacy: "RFC822.TEXT", Spec: SpecText}},
				{Item: ItemBody}}}},
		{"UID FETCH 300:500 (BINARY.PEEK[1.2]<5.6> BINARY.SIZE[]) (CHANGEDSINCE 12345 VANISHED)", &Fetch{uid: true, Set: set(Range{300, 500}),
			Changed: true, ChangedSince: 12345, Vanished: true, Items: []FetchItem{
				{ItemBinary, Section{Part: []uint32{1, 2}, Peek: true, Partial: true, Offset: 5, Count: 6}}, {ItemBinarySize, Section{Peek: true}}}}},
		{"SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"", &Search{Key: SearchKey{Op: SearchAnd, Keys: []SearchKey{
			{Op: SearchFlag, Value: `\Flagged`}, {Op: SearchSince, Date: day(1994, 2, 1)},
			not(SearchKey{Op: SearchHeader, Field: "FROM", Value: "Smith"})}}}},
		{"SEARCH RETURN (SAVE MIN) charset utf-8 OR (2,4:* UNSEEN) MODSEQ \"/flags/\\\\draft\" all 62", &Search{Extended: true, Save: true,
			Min: true, Charset: "UTF-8", ModSeq: true, Key: SearchKey{Op: SearchAnd, Keys: []SearchKey{{Op: SearchOr, Keys: []SearchKey{
				{Op: SearchAnd, Keys: []SearchKey{{Op: SearchSeq, Set: set(Range{2, 2}, Range{4, Star})}, not(SearchKey{Op: SearchFlag, Value: `\Seen`})}},
				{Op: SearchModSeq, Number: 62}}}}}}},
		{"SEARCH RETURN () UID $ YOUNGER 60 LARGER 5 SENTBEFORE \"2-Mar-2020\"", &Search{Extended: true, All: true, Key: SearchKey{Op: SearchAnd,
			Keys: []SearchKey{{Op: SearchUID, Set: NumSet{Saved: true}}, {Op: SearchYounger, Number: 60}, {Op: SearchLarger, Number: 5},
				{Op: SearchSent, Field: "BEFORE", Date: day(2020, 3, 2)}}}}},
		{"GETQUOTA \"\"", &GetQuota{}},
		{"APPEND saved {3+}\r\nabc", &Append{"saved"}},
	} {
		_, got, d, _ := read("A1 "+c.in+"\r\n", testLimits)
		if d.Err() != nil {
			t.Errorf("%s: %v", c.in, d.Err())
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Errorf("%s:\n%s", c.in, diff)
		}
	}
}

// TestRefusals shows that what is not well formed is told in a sentence, and that the next command is found behind it,
// also behind literals nobody wanted (RFC 7888 4).
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"\r\n", "expected a tag, found the end of the line"},
		{"A1\r\n", "expected a space, found the end of the line"},
		{"A1 NOOP \r\n", "expected the end of the command, found a space"},
		{"A1 NOOP\n", "lines end with CRLF, not with LF alone"},
		{"A1 NOOP\r x\r\n", "a CR without LF"},
		{"A+ NOOP\r\n", `expected a space, found "+"`},
		{"A1 FLY {3+}\r\nabc {2+}\r\n\r\n\r\n", "unknown command"},
		{"A1 UID NOOP\r\n", "unknown command"},
		{"A1 SELECT {9+}\r\n\r\nA9 NOOP\r\n", "a mailbox name cannot hold control characters"},
		{"A1 SELECT {99999+}\r\n" + strings.Repeat("x", 99999) + "\r\n", "the literals of a command can hold 4096 octets together"},
		{"A1 SELECT {99999}\r\n", "the literals of a command can hold 4096 octets together"},
		{"A1 SELECT {99999999999999999999999+\r\n", "a literal's size is too large"},
		{"A1 SELECT {3+} x\r\n", "expected the end of the line behind a literal's size"},
		{"A1 SELECT \"a\\nb\"\r\n", `only " and \ can follow a \ in a quoted string`},
		{"A1 SELECT \"\xff\"\r\n", "a mailbox name is neither ASCII nor UTF-8"},
		{"A1 SELECT \"a\x01b\"\r\n", "a mailbox name cannot hold control characters"},
		{"A1 SELECT a&b\r\n", `the mailbox name is not valid modified UTF-7 ("&" alone is written "&-")`},
		{"A1 FETCH 1 ((((((((((FLAGS))))))))))\r\n", `expected an item of FETCH, found "("`},
		{"A1 SEARCH ((((((((((ALL))))))))))\r\n", "more than 8 parentheses within one another"},
		{"A1 SEARCH NOT NOT NOT NOT NOT NOT NOT NOT NOT ALL\r\n", "more than 8 search keys within one another"},
		{"A1 SEARCH" + strings.Repeat(" ALL", 201) + "\r\n", "more than 200 items in one command"},
		{"A1 FETCH 1" + strings.Repeat(",1", 200) + " FLAGS\r\n", "more than 200 items in one command"},
		{"A1 FETCH 4294967296 FLAGS\r\n", "a message number is too large"},
		{"A1 FETCH 1 BODY[TEXT.1]\r\n", "TEXT.1 is not a section of a message"},
		{"A1 FETCH 1 BODY[1.]\r\n", `expected HEADER, TEXT or another section, found "]"`},
		{"A1 FETCH 1 BODY[MIME]\r\n", "MIME is not a section of a message"},
		{"A1 FETCH 1 BINARY[1.TEXT]\r\n", "only part numbers can stand in the brackets of BINARY"},
		{"A1 FETCH 1 FLAGS (VANISHED)\r\n", "VANISHED needs UID FETCH with CHANGEDSINCE"},
		{"A1 STORE 1 +FLAG (x)\r\n", "FLAG cannot be stored, only FLAGS can"},
		{"A1 SEARCH ON 32-Jan-2020\r\n", `"32-Jan-2020" is not a date as 1-Feb-1994`},
		{"A1 APPEND x \"yesterday\" {3}\r\n", `"yesterday" is not a date and time as " 1-Feb-1994 21:52:25 -0800"`},
		{"A1 LOGIN " + strings.Repeat("x", 5000) + " y\r\n", "the command line is longer than 4096 octets"},
		{"A1 AUTHENTICATE PLAIN a\r\n", "the response is not valid base64"},
	} {
		next := "A2 NOOP\r\n"
		d := NewDecoder(bufio.NewReaderSize(strings.NewReader(c.in+next), 16), testLimits, func() error { return nil })
		h := d.Head()
		if a := NewArgs(h.Name, h.UID); a != nil && d.Err() == nil {
			a.Decode(d)
			if _, ok := a.(*Append); ok {
				readMessages(d)
			}
			d.End()
		} else {
			d.Fail("unknown command")
		}
		var e *Error
		if !errors.As(d.Err(), &e) || !strings.Contains(e.Text, c.want) {
			t.Errorf("%.60q: %v, want %s", c.in, d.Err(), c.want)
		}
		if err := d.Recover(1 << 20); err != nil {
			t.Errorf("%.60q: Recover: %v", c.in, err)
			continue
		}
		rest, _ := io.ReadAll(d.r)
		if string(rest) != next {
			t.Errorf("%.60q: the next command is %.60q", c.in, rest)
		}
	}
}

// TestWaitingLiteral shows that a refused literal that waits for leave ends its command (RFC 9051 7.6): it is not sent.
func TestWaitingLiteral(t *testing.T) {
	t.Parallel()
	_, _, d, asked := read("A1 LOGIN {5}\r\nhello {9999}\r\nA2 NOOP\r\n", testLimits)
	if asked != 1 || d.Err() == nil {
		t.Fatalf("asked %d times, %v", asked, d.Err())
	}
	if err := d.Recover(0); err != nil || !d.Ended() {
		t.Error(err)
	}
	if rest, _ := io.ReadAll(d.r); string(rest) != "A2 NOOP\r\n" {
		t.Errorf("left: %q", rest)
	}
}

// TestRecoverBound shows that no more than a bound is passed over.
func TestRecoverBound(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"A1 FLY {999999999+}\r\n", "A1 FLY {99999999999999999999999999+}\r\n", "A1 FLY " + strings.Repeat("x", 5000)} {
		_, _, d, _ := read(in, testLimits)
		var e *Error
		if err := d.Recover(1000); !errors.As(err, &e) || !e.Limit {
			t.Errorf("%.30q: %v", in, err)
		}
	}
	_, _, d, _ := read("A1 FLY {9+}\r\nabc", testLimits)
	if err := d.Recover(1000); !errors.Is(err, io.EOF) {
		t.Errorf("a client that vanishes in a literal: %v", err)
	}
}

// TestVanishing shows what a client that vanishes within a command looks like.
func TestVanishing(t *testing.T) {
	t.Parallel()
	whole := "A1 APPEND INBOX (\\Seen) \" 1-Feb-1994 21:52:25 -0800\" {5+}\r\nhello\r\n"
	for i := range len(whole) {
		_, _, d, _ := read(whole[:i], testLimits)
		if !errors.Is(d.Err(), io.ErrUnexpectedEOF) {
			t.Errorf("after %q: %v", whole[:i], d.Err())
		}
	}
	if _, _, d, _ := read(whole, testLimits); d.Err() != nil {
		t.Error(d.Err())
	}
}

// TestAppendMessages reads several messages (RFC 3502), and UTF8 (RFC 9755 4).
func TestAppendMessages(t *testing.T) {
	t.Parallel()
	in := "A1 APPEND b (\\Seen) {3}\r\nabc \" 1-Feb-1994 21:52:25 -0800\" ~{2+}\r\n\x00x UTF8 (~{1+}\r\ny)\r\n"
	d := NewDecoder(bufio.NewReader(strings.NewReader(in)), testLimits, func() error { return nil })
	d.Head()
	new(Append).Decode(d)
	got := readMessages(d)
	if !d.End() || fmt.Sprintf("%q", got) != `["abc" "\x00x" "y"]` {
		t.Errorf("%q, %v", got, d.Err())
	}
}

// TestSASLResponse reads what follows AUTHENTICATE (RFC 9051 6.2.2).
func TestSASLResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in     string
		want   string
		cancel bool
		fails  bool
	}{{"AGE=\r\n", "\x00a", false, false}, {"\r\n", "", false, false}, {"*\r\n", "", true, false}, {"a b\r\n", "", false, true}, {"=\r\n", "", false, false}} {
		d := NewDecoder(bufio.NewReader(strings.NewReader(c.in)), testLimits, nil)
		got, cancel := d.SASLResponse()
		if string(got) != c.want && !c.fails || cancel != c.cancel || (d.Err() != nil) != c.fails {
			t.Errorf("%q: %q %v %v", c.in, got, cancel, d.Err())
		}
	}
}
