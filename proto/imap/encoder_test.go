package imap

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/proto/message"
)

func testEncoder(out *string, utf8 bool) (*Encoder, func()) {
	var b strings.Builder
	w := bufio.NewWriter(&b)
	e := NewEncoder(w)
	e.UTF8 = utf8
	return e, func() { _ = w.Flush(); *out = b.String() }
}

func encode(utf8 bool, f func(e *Encoder)) (out string) {
	e, flush := testEncoder(&out, utf8)
	f(e)
	flush()
	return out
}

// TestEncoder shows single values (RFC 9051 4.3, RFC 9051 9).
func TestEncoder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got, want string
	}{
		{encode(false, func(e *Encoder) { e.String(`a"\b`) }), `"a\"\\b"`},
		{encode(false, func(e *Encoder) { e.String("ü") }), "{2}\r\nü"},
		{encode(true, func(e *Encoder) { e.String("ü") }), `"ü"`},
		{encode(true, func(e *Encoder) { e.String("\xff") }), "{1}\r\n\xff"},
		{encode(true, func(e *Encoder) { e.String("a\r\nb") }), "{4}\r\na\r\nb"},
		{encode(true, func(e *Encoder) { e.String("a\x00b") }), `"ab"`},
		{encode(true, func(e *Encoder) { e.NString("") }), "NIL"},
		{encode(false, func(e *Encoder) { e.Mailbox("Entwürfe") }), "Entw&APw-rfe"},
		{encode(true, func(e *Encoder) { e.Mailbox("Entwürfe") }), `"Entwürfe"`},
		{encode(false, func(e *Encoder) { e.Mailbox("nil") }), `"nil"`},
		{encode(false, func(e *Encoder) { e.Mailbox("a b") }), `"a b"`},
		{encode(false, func(e *Encoder) { e.Text("a\r\nb ü\xff") }), "a  b ??"},
		{encode(true, func(e *Encoder) { e.Text("ü") }), "ü"},
		{encode(true, func(e *Encoder) { e.Text("") }), "-"},
		{encode(true, func(e *Encoder) { e.DateTime(time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 5400))) }), `" 3-Feb-2026 04:05:06 +0130"`},
		{encode(true, func(e *Encoder) {
			e.Section(ItemSection, Section{Part: []uint32{1, 2}, Spec: SpecFieldsNot, Fields: []string{"a", "b c"}, Partial: true, Offset: 7})
		}), `BODY[1.2.HEADER.FIELDS.NOT (a "b c")]<7>`},
		{encode(true, func(e *Encoder) { e.Section(ItemBinarySize, Section{Part: []uint32{1}}) }), `BINARY.SIZE[1]`},
		{encode(true, func(e *Encoder) { e.Envelope(nil) }), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestEnvelopeASCII shows that nothing beyond ASCII is in ENVELOPE and BODYSTRUCTURE for a client that did not ask for it, and
// that nothing in them can end the line (RFC 9051 7.5.2).
func TestEnvelopeASCII(t *testing.T) {
	t.Parallel()
	raw := "ü\r\n* BAD \x00\xff\""
	list := []message.Address{{Name: raw, Route: raw, Mailbox: raw, Host: raw}, {Kind: message.AddressGroupStart, Mailbox: raw}, {Kind: message.AddressGroupEnd}}
	env := &message.Envelope{Date: raw, Subject: raw, From: list, InReplyTo: raw, MessageID: raw}
	params := []message.Param{{Name: raw, Value: raw}}
	root := &message.Part{MediaType: "multipart", Subtype: raw, Params: params, Children: []*message.Part{
		{MediaType: raw, Subtype: raw, Params: params, Encoding: raw, ID: raw, Description: raw, MD5: raw, Disposition: raw, DispositionParams: params,
			Language: []string{raw, raw}, Location: raw},
		{MediaType: "message", Subtype: "rfc822", Children: []*message.Part{{MediaType: "text", Subtype: "plain", Envelope: env}}},
	}}
	for _, utf8 := range []bool{false, true} {
		out := encode(utf8, func(e *Encoder) { e.Envelope(env).Structure(root, true).Structure(root, false) })
		for i := range len(out) {
			if out[i] == 0 || !utf8 && out[i] >= 0x80 {
				t.Fatalf("octet %#x at %d of %q", out[i], i, out)
			}
		}
		// As a client reads it: one value, nothing behind it.
		d := NewDecoder(bufio.NewReader(strings.NewReader("("+out+")\r\n")), Limits{Line: 1 << 20, Literal: 1 << 20, Depth: 20, Items: 1000}, func() error { return nil })
		readValue(d)
		if !d.End() {
			t.Errorf("%v in %q", d.Err(), out)
		}
	}
}

// readValue reads nested lists of strings, numbers and NIL.
func readValue(d *Decoder) {
	b, ok := d.peek()
	switch {
	case !ok:
	case b == '(':
		d.Open()
		for d.Err() == nil && !d.Next(')') {
			readValue(d)
			d.Accept(' ')
		}
		d.Close()
	case b == '"' || b == '{':
		d.rawString("a value")
	default:
		d.Atom("a value")
	}
}

func BenchmarkEnvelope(b *testing.B) {
	who := []message.Address{{Name: "Ann Example", Mailbox: "ann", Host: "example.net"}}
	env := &message.Envelope{Date: "Mon, 2 Nov 2026 10:11:12 +0000", Subject: "quarterly report for the meeting", From: who, To: append(who, who...), Cc: who,
		MessageID: "<1234567890.abcdef@example.net>"}
	e := NewEncoder(bufio.NewWriterSize(io.Discard, 16<<10))
	b.ReportAllocs()
	for b.Loop() {
		e.Envelope(env)
	}
}
