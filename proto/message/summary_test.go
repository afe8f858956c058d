package message_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/message"
)

// checkSummary checks that a tree survives being stored.
func checkSummary(t testing.TB, root *message.Part) {
	t.Helper()
	b := message.Encode(root)
	back, err := message.Decode(b)
	if err != nil {
		t.Fatalf("%v for %q", err, b)
	}
	env, err := message.DecodeEnvelope(b)
	if err != nil || !reflect.DeepEqual(env, back.Envelope) {
		t.Fatalf("the envelope alone differs: %+v, %+v, %v", env, back.Envelope, err)
	}
	// A location is a pointer, so times are compared by what they tell.
	root.Walk(normalTime)
	back.Walk(normalTime)
	if !reflect.DeepEqual(root, back) {
		t.Fatalf("the tree came back different:\n%+v\n%+v", root, back)
	}
	if again := message.Encode(back); !bytes.Equal(b, again) {
		t.Fatalf("the tree that came back is stored differently")
	}
}

func normalTime(p *message.Part) bool {
	if p.Envelope != nil && !p.Envelope.Time.IsZero() {
		if _, offset := p.Envelope.Time.Zone(); offset == 0 {
			p.Envelope.Time = p.Envelope.Time.UTC()
		} else {
			p.Envelope.Time = p.Envelope.Time.In(time.FixedZone("", offset))
		}
	}
	return true
}

func drawPart(t *rapid.T, from int64, depth int) *message.Part {
	str := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "text", "plain", "utf-8", "example.com"}))
	list := func(n int) (out []message.Param) {
		for range rapid.IntRange(0, n).Draw(t, "n") {
			out = append(out, message.Param{Name: str.Draw(t, "name"), Value: str.Draw(t, "value")})
		}
		return out
	}
	size := rapid.Int64Range(0, 1<<40)
	p := &message.Part{HeaderOffset: from + size.Draw(t, "header"), Lines: size.Draw(t, "lines"), MediaType: str.Draw(t, "type"), Subtype: str.Draw(t, "subtype"), Params: list(3),
		Encoding: str.Draw(t, "encoding"), ID: str.Draw(t, "id"), Description: str.Draw(t, "description"), MD5: str.Draw(t, "md5"), Disposition: str.Draw(t, "disposition"),
		DispositionParams: list(2), Location: str.Draw(t, "location"), Cut: rapid.Bool().Draw(t, "cut")}
	p.BodyOffset = p.HeaderOffset + size.Draw(t, "size")
	p.End = p.BodyOffset + size.Draw(t, "body")
	for range rapid.IntRange(0, 2).Draw(t, "languages") {
		p.Language = append(p.Language, str.Draw(t, "language"))
	}
	if rapid.Bool().Draw(t, "envelope") {
		p.Envelope = drawEnvelope(t, str)
	}
	if depth < 4 {
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			p.Children = append(p.Children, drawPart(t, p.BodyOffset, depth+1))
		}
	}
	return p
}

func drawEnvelope(t *rapid.T, str *rapid.Generator[string]) *message.Envelope {
	list := func() (out []message.Address) {
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			out = append(out, message.Address{Name: str.Draw(t, "name"), Route: str.Draw(t, "route"), Mailbox: str.Draw(t, "mailbox"), Host: str.Draw(t, "host"),
				Kind: message.AddressKind(rapid.IntRange(0, 2).Draw(t, "kind"))})
		}
		return out
	}
	e := &message.Envelope{Date: str.Draw(t, "date"), Subject: str.Draw(t, "subject"), From: list(), Sender: list(), ReplyTo: list(), To: list(), Cc: list(), Bcc: list(),
		InReplyTo: str.Draw(t, "reply"), MessageID: str.Draw(t, "id"), Received: rapid.IntRange(0, 100).Draw(t, "received")}
	if rapid.Bool().Draw(t, "time") {
		e.Time = time.Unix(rapid.Int64Range(-1e9, 1e11).Draw(t, "sec"), 0).In(time.FixedZone("", 60*rapid.IntRange(-1439, 1439).Draw(t, "zone")))
	}
	for range rapid.IntRange(0, 2).Draw(t, "references") {
		e.References = append(e.References, str.Draw(t, "reference"))
	}
	return e
}

// sameEnvelope checks that a reader, whatever it read before, gives what DecodeEnvelope gives.
func sameEnvelope(t interface{ Fatalf(string, ...any) }, r *message.EnvelopeReader, b []byte) {
	want, wantErr := message.DecodeEnvelope(b)
	got, err := r.Read(b)
	if err != wantErr || (got == nil) != (want == nil) {
		t.Fatalf("the reader gives %v, %v in place of %v, %v", got, err, want, wantErr)
	}
	if got == nil {
		return
	}
	if a, b := message.Encode(&message.Part{Envelope: got}), message.Encode(&message.Part{Envelope: want}); !bytes.Equal(a, b) {
		t.Fatalf("the reader gives %+v in place of %+v", got, want)
	}
}

func TestSummaryRoundTrip(t *testing.T) {
	t.Parallel()
	var reader message.EnvelopeReader
	rapid.Check(t, func(t *rapid.T) {
		root := drawPart(t, 0, 0)
		b := message.Encode(root)
		back, err := message.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		root.Walk(normalTime)
		back.Walk(normalTime)
		if !reflect.DeepEqual(root, back) {
			t.Fatalf("the tree came back different:\n%+v\n%+v", root, back)
		}
		sameEnvelope(t, &reader, b)
		b2 := bytes.Clone(b)
		clear(b)
		if again := message.Encode(back); !bytes.Equal(again, b2) {
			t.Fatal("the tree depends on the octets it was decoded from")
		}
	})
}

// The format is stored for years: what version 1 wrote must be read for ever.
func TestSummaryFormat(t *testing.T) {
	t.Parallel()
	const raw = "From: Ann <a@example.com>\r\nDate: Tue, 1 Jul 2003 10:52:37 +0200\r\nSubject: x\r\n\r\nbody\r\n"
	const stored = "\x01=<Tue, 1 Jul 2003 10:52:37 +0200\x01\xaa\xaf\x8a\xf0\a\xc0p\x02x\x01\x01\x00\x06Ann\x02a\xb1\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x9e\x01\f\x02\x01\x03\x00K"
	root := scan([]byte(raw), 0, message.Limits{})
	if got := string(message.Encode(root)); got != stored {
		t.Errorf("stored as %q", got)
	}
	back, err := message.Decode([]byte(stored))
	if err != nil || back.Envelope.From[0].Host != "example.com" || back.Subtype != "plain" || back.Size() != 6 {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestDamagedSummary(t *testing.T) {
	t.Parallel()
	root := scan([]byte(benchHeader+"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Language: de\n\nx\n--b--"), 0, message.Limits{})
	good := message.Encode(root)
	for n := range good {
		if _, err := message.Decode(good[:n]); err == nil {
			t.Errorf("%d of %d octets were taken for a summary", n, len(good))
		}
	}
	if _, err := message.Decode(append(bytes.Clone(good), 0)); err == nil {
		t.Error("an octet too many was taken")
	}
	if _, err := message.Decode(append([]byte{2}, good[1:]...)); err == nil {
		t.Error("a later version was taken")
	}
	if _, err := message.DecodeEnvelope(nil); err == nil {
		t.Error("nothing was taken for an envelope")
	}
	// Nesting deeper than any scanner makes.
	deep := append([]byte{1, 0}, 0xe8, 0x07)
	deep = append(deep, bytes.Repeat([]byte("\x80\x01\x00\x00\x00\x00\x01\x03\x00K\x01"), 1000)...)
	if _, err := message.Decode(deep); err == nil {
		t.Error("endless nesting was taken")
	}
}

func FuzzSummary(f *testing.F) {
	f.Add(message.Encode(scan([]byte(benchHeader+"\r\nbody"), 0, message.Limits{})))
	f.Add(message.Encode(scan([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-ID: <x>\n\n--b\nContent-Type: message/rfc822\n\nTo: a:b;\n\n--b--"), 0, message.Limits{})))
	f.Fuzz(func(t *testing.T, b []byte) {
		var reader message.EnvelopeReader
		for range 2 {
			sameEnvelope(t, &reader, b)
		}
		_, envErr := message.DecodeEnvelope(b)
		root, err := message.Decode(b)
		if err != nil {
			return
		}
		if envErr != nil {
			t.Fatalf("the tree is read, its envelope is not: %v", envErr)
		}
		again := message.Encode(root)
		if back, err := message.Decode(again); err != nil || !bytes.Equal(message.Encode(back), again) {
			t.Fatalf("what was decoded cannot be stored again: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, raw := range map[string]string{
		"plain": benchHeader + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("x\r\n", 1000),
		"mixed": benchHeader + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=x\r\n\r\nx\r\n", 3) + "--b--",
	} {
		stored := message.Encode(scan([]byte(raw), 0, message.Limits{}))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := message.Decode(stored); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(stored)), "octets")
		})
		b.Run(name+"/envelope", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := message.DecodeEnvelope(stored); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/reader", func(b *testing.B) {
			b.ReportAllocs()
			var r message.EnvelopeReader
			for b.Loop() {
				if _, err := r.Read(stored); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
