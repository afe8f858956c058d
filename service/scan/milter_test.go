package scan

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/postrider/postrider/mail"
)

// acting is a milter that notes what it is told and does one thing.
type acting struct {
	milter.NoOpMilter
	at       string // the step at which it answers with: connect, helo, mail, rcpt, data, header, eoh, body, end
	with     *milter.Response
	rcpt     string // the recipient at which it answers
	add      [][2]string
	insert   [][2]string
	change   bool
	replace  int // octets of a new body
	envelope bool
	hold     string // why the message is to be set aside
	seen     *transcript
}

// transcript is what a milter was told.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (s *transcript) add(format string, args ...any) {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lines = append(s.lines, fmt.Sprintf(format, args...))
	}
}

func (a acting) step(name string) (*milter.Response, error) {
	if a.at == name {
		return a.with, nil
	}
	return milter.RespContinue, nil
}

func (a acting) Connect(host, family string, port uint16, addr string, m milter.Modifier) (*milter.Response, error) {
	a.seen.add("connect %s %s %d %s j=%s", host, family, port, addr, m.Get(milter.MacroMTAFQDN))
	return a.step("connect")
}

func (a acting) Helo(name string, _ milter.Modifier) (*milter.Response, error) {
	a.seen.add("helo %s", name)
	return a.step("helo")
}

func (a acting) MailFrom(from, _ string, _ milter.Modifier) (*milter.Response, error) {
	a.seen.add("mail %s", from)
	return a.step("mail")
}

func (a acting) RcptTo(to, _ string, m milter.Modifier) (*milter.Response, error) {
	a.seen.add("rcpt %s %s", to, m.Get(milter.MacroRcptHost))
	if a.rcpt != "" && a.rcpt != to {
		return milter.RespContinue, nil
	}
	return a.step("rcpt")
}

func (a acting) Data(milter.Modifier) (*milter.Response, error) { return a.step("data") }

func (a acting) Header(name, value string, _ milter.Modifier) (*milter.Response, error) {
	a.seen.add("header %s: %q", name, value)
	return a.step("header")
}

func (a acting) Headers(milter.Modifier) (*milter.Response, error) { return a.step("eoh") }

func (a acting) BodyChunk(chunk []byte, _ milter.Modifier) (*milter.Response, error) {
	a.seen.add("body %d %.20q", len(chunk), chunk)
	return a.step("body")
}

func (a acting) EndOfMessage(m milter.Modifier) (*milter.Response, error) {
	a.seen.add("end i=%s", m.Get(milter.MacroQueueId))
	for _, f := range a.add {
		if err := m.AddHeader(f[0], f[1]); err != nil {
			return nil, err
		}
	}
	for _, f := range a.insert {
		if err := m.InsertHeader(0, f[0], f[1]); err != nil {
			return nil, err
		}
	}
	if a.change {
		if err := m.ChangeHeader(1, "Subject", "[SPAM]"); err != nil {
			return nil, err
		}
	}
	if a.replace > 0 {
		if err := m.ReplaceBody(io.LimitReader(zeros{}, int64(a.replace))); err != nil {
			return nil, err
		}
	}
	if a.envelope {
		if err := m.AddRecipient("<spy@evil.example>", ""); err != nil {
			return nil, err
		}
	}
	if a.hold != "" {
		if err := m.Quarantine(a.hold); err != nil {
			return nil, err
		}
	}
	return a.step("end")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// stranger runs a milter by the library's server.
func stranger(t testing.TB, a acting) string {
	t.Helper()
	l := listen(t, "tcp", "127.0.0.1:0")
	s := milter.NewServer(milter.WithMilter(func() milter.Milter { return a }), milter.WithAction(milter.AllClientSupportedActionMasks))
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }() //nolint:errcheck // it ends by Close
	t.Cleanup(func() {
		s.Shutdown(context.Background()) //nolint:errcheck // it is the end
		<-done
	})
	return l.Addr().String()
}

func reply(t testing.TB, code uint16, text string) *milter.Response {
	t.Helper()
	r, err := milter.RejectWithCodeAndReason(code, text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMilterHears: a milter is told the whole transaction as an MTA tells it, header fields as they stand.
func TestMilterHears(t *testing.T) {
	t.Parallel()
	seen := &transcript{}
	big := strings.Repeat("0123456789abcdef", 10_000)
	r := scan(t, chain(t, Config{Milters: []string{stranger(t, acting{seen: seen})}}), arriving(letter+big))
	if r.Action != Accept || len(r.Notes) != 0 {
		t.Errorf("%+v", r)
	}
	want := []string{"connect mx.example.com tcp4 0 192.0.2.1 j=mx.our.example", "helo mail.example.com", "mail ann@example.com",
		"rcpt bob@our.example our.example", "rcpt cy@our.example our.example", `header From: "Ann <ann@example.com>"`, `header To: "bob@our.example"`,
		`header Subject: "a\n folded one"`, `body 65535 "At noon?\r\n0123456789"`, "body 65535", "body 28940", "end i=trace1"}
	got := strings.Join(seen.lines, "\n")
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("the milter was not told %q:\n%s", w, got)
		}
	}
	if strings.Contains(got, "nameless") {
		t.Errorf("the milter was told a line that is no field:\n%s", got)
	}
}

// TestMilterAnswers: what a milter answers, at whatever step, becomes an action.
func TestMilterAnswers(t *testing.T) {
	t.Parallel()
	steps := []string{"connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "end"}
	for _, step := range steps {
		for name, c := range map[string]struct {
			with *milter.Response
			want Action
			text string
		}{
			"accept":  {milter.RespAccept, Accept, ""},
			"discard": {milter.RespDiscard, Discard, ""},
			"reject":  {milter.RespReject, Refuse, "refuses the message"},
			"temp":    {milter.RespTempFail, Defer, "try again later"},
			"reply":   {reply(t, 554, "5.7.9 Not in\nthis house"), Refuse, "Not in this house"},
			"later":   {reply(t, 450, "Greylisted"), Defer, "Greylisted"},
		} {
			r := scan(t, chain(t, Config{Milters: []string{stranger(t, acting{at: step, with: c.with})}}), arriving(letter))
			want := c.want
			if name == "discard" && (step == "connect" || step == "helo") {
				want = Accept // it means nothing there
			}
			if r.Action != want || !strings.Contains(r.Text, c.text) || (r.Err() != nil) != (want >= Defer) {
				t.Errorf("%s at %s: %+v", name, step, r)
			}
			if name == "reply" && r.Enhanced != "5.7.9" {
				t.Errorf("%s at %s: status %s", name, step, r.Enhanced)
			}
		}
	}
	r := scan(t, chain(t, Config{Milters: []string{stranger(t, acting{at: "rcpt", rcpt: "cy@our.example", with: milter.RespReject})}}), arriving(letter))
	if r.Action != Accept || !strings.Contains(notes(r), "refused 1 of 2 recipients") {
		t.Errorf("one recipient: %+v", r)
	}
}

// TestMilterChanges: fields are put in front, nothing else is changed, and a note says so.
func TestMilterChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a      acting
		want   Action
		prefix string
		note   string
	}{
		"added":      {acting{add: [][2]string{{"X-A", "1"}, {"X-B", "2"}}}, Accept, "X-A: 1\r\nX-B: 2\r\n", ""},
		"in front":   {acting{add: [][2]string{{"X-A", "1"}}, insert: [][2]string{{"X-B", "2"}, {"X-C", "3"}}}, Accept, "X-C: 3\r\nX-B: 2\r\nX-A: 1\r\n", ""},
		"folded":     {acting{add: [][2]string{{"X-A", "one\n\ttwo"}}}, Accept, "X-A: one two\r\n", ""},
		"injecting":  {acting{add: [][2]string{{"X-A", "one\nBcc: evil@example.com"}}}, Accept, "X-A: one Bcc: evil@example.com\r\n", ""},
		"set aside":  {acting{hold: "looks odd"}, Junk, "", "wants the message set aside: looks odd"},
		"rewritten":  {acting{replace: 300_000}, Accept, "", "a stored body is never rewritten"},
		"subject":    {acting{change: true}, Accept, "", "wanted to change the field Subject"},
		"recipients": {acting{envelope: true}, Accept, "", "wanted to change the envelope"},
	} {
		r := scan(t, chain(t, Config{Milters: []string{stranger(t, c.a)}}), arriving(letter))
		if r.Action != c.want || strings.ReplaceAll(string(r.Prefix), "\t", " ") != c.prefix || !strings.Contains(notes(r), c.note) || c.note == "" && len(r.Notes) > 0 {
			t.Errorf("%s: %+v with %q", name, r, r.Prefix)
		}
	}
	var many [][2]string
	for i := range 200 {
		many = append(many, [2]string{fmt.Sprintf("X-%d", i), strings.Repeat("v", 500)})
	}
	if r := scan(t, chain(t, Config{Milters: []string{stranger(t, acting{add: many})}}), arriving(letter)); strings.Count(string(r.Prefix), "X-") != maxAdded || !strings.Contains(notes(r), "150 header fields too many") {
		t.Errorf("many: %d, %s", strings.Count(string(r.Prefix), "X-"), notes(r))
	}
}

// TestMiltersInTurn: each sees what those before it put in front; whoever refuses is the last; one that is not there does not keep the others
// from being heard.
func TestMiltersInTurn(t *testing.T) {
	t.Parallel()
	seen, never := &transcript{}, &transcript{}
	gone := listen(t, "tcp", "127.0.0.1:0")
	gone.Close()
	first := stranger(t, acting{add: [][2]string{{"X-First", "1"}}})
	second := stranger(t, acting{seen: seen, add: [][2]string{{"X-Second", "2"}}})
	r := scan(t, chain(t, Config{Milters: []string{first, gone.Addr().String(), second}}), arriving(letter))
	if string(r.Prefix) != "X-Second: 2\r\nX-First: 1\r\n" || len(r.Notes) != 1 || !strings.Contains(notes(r), "gave no answer") {
		t.Errorf("%+v with %q", r, r.Prefix)
	}
	if got := strings.Join(seen.lines, "\n"); !strings.Contains(got, `header X-First: "1"`) {
		t.Errorf("the second was not told what the first added:\n%s", got)
	}
	r = scan(t, chain(t, Config{Milters: []string{first, gone.Addr().String(), stranger(t, acting{seen: never})}, Required: true}), arriving(letter))
	if r.Action != Defer || len(never.lines) != 0 || !mail.Is(r.Err(), mail.Unavailable) {
		t.Errorf("%+v, the third heard %q", r, never.lines)
	}
}

// TestMilterHostile: what pretends to be a milter can neither crash us, nor fill memory, nor take more time than there is.
func TestMilterHostile(t *testing.T) {
	t.Parallel()
	packet := func(code byte, data string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))) + string(code) + data
	}
	negotiated := packet('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x00\x00")
	say := func(texts ...string) func(net.Conn) {
		return func(c net.Conn) {
			for _, s := range texts {
				io.WriteString(c, s) //nolint:errcheck // as it likes
			}
			io.Copy(io.Discard, c) //nolint:errcheck // until we go
		}
	}
	for name, c := range map[string]struct {
		do   func(net.Conn)
		want string
	}{
		"closes":         {func(net.Conn) {}, "gave no answer"},
		"hangs":          {say(), "it took too long"},
		"empty packet":   {say("\x00\x00\x00\x00"), "a packet of 0 octets"},
		"huge packet":    {say("\x1f\xff\xff\xffO"), "a packet of 536870911 octets"},
		"no negotiation": {say(packet('c', "")), "unexpected code"},
		"old version":    {say(packet('O', "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")), "unsupported protocol version"},
		"short":          {say(packet('O', "\x00")), "unexpected data size"},
		"hangs later":    {say(negotiated), "it took too long"},
		"unknown answer": {say(negotiated, packet('Z', "")), "unexpected code"},
		"bad reply":      {say(negotiated, packet('y', "xyz not a reply\x00")), "malformed"},
		"progress": {func(c net.Conn) {
			io.WriteString(c, negotiated) //nolint:errcheck // as below
			text := strings.Repeat(packet('p', ""), 1000)
			for {
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
			}
		}, "it sent more than 1048576 octets"},
		"endless body": {func(c net.Conn) {
			io.WriteString(c, negotiated) //nolint:errcheck // as below
			text := packet('b', strings.Repeat("x", 60_000))
			for {
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
			}
		}, "it took too long"},
		"half a packet": {func(c net.Conn) { io.WriteString(c, "\x00\x00\x00\x0dO\x00") }, "gave no answer"},
	} {
		within := time.Minute
		if c.want == "it took too long" {
			within = 500 * time.Millisecond
		}
		r := scan(t, chain(t, Config{Milters: []string{serve(t, c.do)}, Timeout: within}), arriving(letter))
		if r.Action != Accept || !strings.Contains(notes(r), c.want) || len(r.Prefix) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	m := arriving("A: b\x00c\r\nLong: " + strings.Repeat("x", 200_000) + "\r\n\r\n\x00")
	m.Helo, m.Reverse, m.IP = "he\x00lo", "", m.IP.Next().Prev()
	if r := scan(t, chain(t, Config{Milters: []string{stranger(t, acting{})}}), m); r.Action != Accept || len(r.Notes) > 0 {
		t.Errorf("octets that are no text: %+v", r)
	}
}
