package message_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/mail"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/postrider/postrider/proto/message"
)

// scan runs a message through a Scanner in pieces of n octets, 0 being all at once.
func scan(raw []byte, n int, lim message.Limits) *message.Part {
	s := message.NewScanner(lim)
	if n <= 0 {
		n = max(len(raw), 1)
	}
	for rest := raw; len(rest) > 0; {
		k := min(n, len(rest))
		_, _ = s.Write(rest[:k])
		rest = rest[k:]
	}
	return s.Finish()
}

// outline writes a tree with the octets of its leaves.
func outline(raw []byte, p *message.Part) string {
	text := p.MediaType + "/" + p.Subtype
	if p.Cut {
		text += "!"
	}
	if len(p.Children) == 0 {
		return text + fmt.Sprintf("%q:%d", raw[p.BodyOffset:p.End], p.Lines)
	}
	var kids []string
	for _, c := range p.Children {
		kids = append(kids, outline(raw, c))
	}
	return text + "(" + strings.Join(kids, " ") + ")"
}

// RFC 2046 5.1.1, RFC 2046 5.1.5, RFC 2046 5.2.1, RFC 2045 5.2
func TestScanner(t *testing.T) {
	t.Parallel()
	const mixed = "Content-Type: multipart/mixed; boundary=b\n\n"
	for in, want := range map[string]string{
		"":                                   `text/plain"":0`,
		"\n":                                 `text/plain"":0`,
		"body without header\n":              `text/plain"":0`,
		"A: 1\n\nx\ny":                       `text/plain"x\ny":1`,
		"A: 1\n\nx\ny\n":                     `text/plain"x\ny\n":2`,
		"Content-Type: text/html\n\n<p>\n":   `text/html"<p>\n":1`,
		"Content-Type: multipart/mixed\n\nx": `multipart/mixed"x":0`,
		mixed + "pre\n--b\nA: 1\n\none\n--b\n\ntwo\n\n--b--\npost\n": `multipart/mixed(text/plain"one":0 text/plain"two\n":1)`,
		mixed + "--b\n\none\n--b--":                                  `multipart/mixed(text/plain"one":0)`,
		mixed + "--b\n\none\n--b-- \t":                               `multipart/mixed(text/plain"one":0)`,
		mixed + "--b\n\none\n--b \t\n\ntwo":                          `multipart/mixed(text/plain"one":0 text/plain"two":0)`,
		mixed + "--b\n\none\n--bc\n--b-\n -- b\n---b\nx\n--b--":      `multipart/mixed(text/plain"one\n--bc\n--b-\n -- b\n---b\nx":5)`,
		mixed + "--b\n\none\n--b--\n--b\n\nnot a part\n":             `multipart/mixed(text/plain"one":0)`,
		mixed + "--b\nA: 1\n--b\n\n--b--":                            `multipart/mixed(text/plain"":0 text/plain"":0)`,
		mixed + "--b\n--b\n--b--":                                    `multipart/mixed(text/plain"":0 text/plain"":0)`,
		mixed + "--b":                                                `multipart/mixed"--b":0`,
		mixed + "--b\n\none\n--b\n":                                  `multipart/mixed(text/plain"one":0)`,
		mixed + "--b\n":                                              `multipart/mixed"--b\n":1`,
		mixed + "--b\nContent-Type: text/html":                       `multipart/mixed(text/html"":0)`,
		mixed + "no boundary at all":                                 `multipart/mixed"no boundary at all":0`,
		mixed + "--b--":                                              `multipart/mixed"--b--":0`,
		mixed + "--b\nContent-Type: multipart/alternative; boundary=\"b c\"\n\n--b c\n\none\n--b c\n\ntwo\n--b c--\n\n--b\n\nthree\n--b--\n": `multipart/mixed(multipart/alternative(text/plain"one":0 text/plain"two":0) text/plain"three":0)`,
		mixed + "--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\none\n--b\n\ntwo\n--bb\n\nnot\n--b--\n":                           `multipart/mixed(multipart/mixed(text/plain"one":0) text/plain"two\n--bb\n\nnot":3)`,
		mixed + "--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n--b--":                                     `multipart/mixed(multipart/mixed(text/plain"one":0) text/plain"two":0)`,
		"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b\nContent-Type: text/plain\n\ntwo\n--b--":                `multipart/digest(message/rfc822(text/plain"one":0) text/plain"two":0)`,
		"Content-Type: message/rfc822\n\nSubject: x\nContent-Type: message/rfc822\n\nSubject: y\n\none\n":                                    `message/rfc822(message/rfc822(text/plain"one\n":1))`,
		"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n":                                              `message/rfc822"U3ViamVjdDogeA==\n":1`,
		"Content-Type: message/global\n\nSubject: ü\n\none\n":                                                                                `message/global(text/plain"one\n":1)`,
		mixed + "--b\nContent-Type: message/rfc822\n\n--b\n\none\n--b--":                                                                     `multipart/mixed(message/rfc822(text/plain"":0) text/plain"one":0)`,
		mixed + "--b\nContent-Type: message/rfc822\n\nA: 1\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n\n--b--":                `multipart/mixed(message/rfc822(multipart/mixed(text/plain"one\n":1)))`,
		"Content-Type: multipart/mixed; boundary=" + strings.Repeat("x", 300) + "\n\n--" + strings.Repeat("x", 300) + "\n\none\n":            `multipart/mixed!"--` + strings.Repeat("x", 300) + `\n\none\n":3`,
		"Content-Type: multipart/mixed; boundary=-\n\n---\n\none\n-----\n":                                                                   `multipart/mixed(text/plain"one":0)`,
		"Content-Type: Image / JPEG; x=y\nContent-Type: text/html\n\n":                                                                       `image/jpeg"":0`,
		"Content-Type: nonsense\n\n": `application/octet-stream"":0`,
		"Content-Type: ;\n\n":        `text/plain"":0`,
		"A: 1\n \nB: 2\n\nx":         `text/plain"x":0`,
	} {
		for _, eol := range []string{"\n", "\r\n"} {
			raw := []byte(strings.ReplaceAll(in, "\n", eol))
			want := strings.ReplaceAll(want, `\n`, strings.Trim(fmt.Sprintf("%q", eol), `"`))
			for _, n := range []int{0, 1, 2, 3, 7} {
				if got := outline(raw, scan(raw, n, message.Limits{})); got != want {
					t.Errorf("%q in pieces of %d gives\n     %s\nwant %s", raw, n, got, want)
					break
				}
			}
		}
	}
}

// RFC 2045 6, RFC 2045 7, RFC 2045 8, RFC 2183 2, RFC 3282 2, RFC 3501 7.4.2
func TestPartFields(t *testing.T) {
	t.Parallel()
	raw := "Content-Type: image/PNG; name=x\nContent-Transfer-Encoding: BASE64 (really)\nContent-ID: <i@d>\nContent-Description: =?utf-8?q?a?=\n b\n" +
		"Content-MD5: abc=\nContent-Disposition: Inline; filename*=utf-8''%C3%BC\nContent-Language: de, en-GB (x)\nContent-Location: http://x\nContent-Foo: x\n" +
		"Content-ID: <second@d>\n\n"
	p := scan([]byte(raw), 0, message.Limits{})
	want := &message.Part{BodyOffset: int64(len(raw)), End: int64(len(raw)), MediaType: "image", Subtype: "png", Params: []message.Param{{Name: "name", Value: "x"}}, Encoding: "base64",
		ID: "<i@d>", Description: "=?utf-8?q?a?= b", MD5: "abc=", Disposition: "inline", DispositionParams: []message.Param{{Name: "filename", Value: "ü"}},
		Language: []string{"de", "en-GB"}, Location: "http://x", Envelope: &message.Envelope{}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("%+v\nwant %+v", p, want)
	}
	if p.Filename() != "ü" || p.Attachment() {
		t.Error("file name or attachment is wrong")
	}
}

// RFC 3501 7.4.2
func TestEnvelope(t *testing.T) {
	t.Parallel()
	raw := "Received: a\nReceived: b\nDate: Tue, 1 Jul 2003 10:52:37 +0200\nSubject: =?utf-8?q?a?=\n\tb\nFrom: Ann <a@b>\nSender: s@b\nReply-To: r@b\nTo: t@b\nCc: c@b\nBcc: x@b\n" +
		"Message-ID: <1@b>\nIn-Reply-To: <0@b>\nReferences: <r1@b>\n <r2@b>\nSubject: second\n\n"
	s := message.NewScanner(message.Limits{})
	_, _ = io.WriteString(s, raw)
	if !s.HeaderDone() {
		t.Error("the end of the header was not seen")
	}
	e := s.Finish().Envelope
	one := func(box, name string) []message.Address {
		return []message.Address{{Mailbox: box, Host: "b", Name: name}}
	}
	at, _ := message.ParseDate("Tue, 1 Jul 2003 10:52:37 +0200")
	want := &message.Envelope{Date: "Tue, 1 Jul 2003 10:52:37 +0200", Time: at, Subject: "=?utf-8?q?a?=\tb", From: one("a", "Ann"), Sender: one("s", ""), ReplyTo: one("r", ""),
		To: one("t", ""), Cc: one("c", ""), Bcc: one("x", ""), MessageID: "<1@b>", InReplyTo: "<0@b>", References: []string{"r1@b", "r2@b"}, Received: 2}
	if !e.Time.Equal(want.Time) {
		t.Errorf("time %v", e.Time)
	}
	e.Time = want.Time
	if !reflect.DeepEqual(e, want) {
		t.Errorf("%+v\nwant %+v", e, want)
	}
	h := s.Header()
	if h.Count("received") != 2 || h.Has("Return-Path") {
		t.Error("the header of the scanner is wrong")
	}
}

// RFC 3501 6.4.5
func TestSection(t *testing.T) {
	t.Parallel()
	raw := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\nSubject: two\n\ntwo\n--b\nContent-Type: message/rfc822\n\n" +
		"Content-Type: multipart/mixed; boundary=c\n\n--c\n\nthree\n--c\nContent-Type: multipart/mixed; boundary=d\n\n--d\n\nfour\n--d--\n--c--\n--b--\n"
	root := scan([]byte(raw), 0, message.Limits{})
	for _, c := range []struct {
		path []int
		want string
	}{
		{nil, `multipart/mixed`}, {[]int{1}, `text/plain"one":0`}, {[]int{2}, `message/rfc822(text/plain"two":0)`}, {[]int{2, 1}, `text/plain"two":0`},
		{[]int{3, 1}, `text/plain"three":0`}, {[]int{3, 2}, `multipart/mixed(text/plain"four":0)`}, {[]int{3, 2, 1}, `text/plain"four":0`},
		{[]int{0}, ""}, {[]int{4}, ""}, {[]int{1, 1}, ""}, {[]int{2, 2}, ""}, {[]int{2, 1, 1}, ""}, {[]int{3, 3}, ""}, {[]int{-1}, ""},
	} {
		got := ""
		if p := root.Section(c.path...); p != nil {
			got = outline([]byte(raw), p)
		}
		if got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("section %v is %s, want %s", c.path, got, c.want)
		}
	}
	simple := scan([]byte("A: 1\n\nx"), 0, message.Limits{})
	if simple.Section(1) != simple || simple.Section(2) != nil || simple.Section(1, 1) != nil {
		t.Error("a simple message is its own part 1 and has no other")
	}
	inner := scan([]byte("Content-Type: message/rfc822\n\nA: 1\n\nx"), 0, message.Limits{})
	if inner.Section(1) != inner || inner.Section(1, 1) != inner.Children[0] {
		t.Error("a message in a message is part 1.1")
	}
	if a, b := scan([]byte("Content-Type: multipart/mixed\n\nx"), 0, message.Limits{}).Announced(); a+"/"+b != "application/octet-stream" {
		t.Errorf("a multipart without parts is announced as %s/%s", a, b)
	}
}

// The bounds of the design against messages made to exhaust a parser.
func TestBombs(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		return b.String()
	}
	many := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: text/html\n\nx\n", 5000) + "--b--\n"
	rfc822 := strings.Repeat("Content-Type: message/rfc822\n\n", 5000)
	fields := strings.Repeat("X: y\n", 200000) + "\nbody"
	wide := "To: " + strings.Repeat("a,", 100000) + "\n\nbody"
	heavy := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Description: "+strings.Repeat("x", 10000)+"\n\nx\n", 500) + "--b--\n"
	envelopes := "Content-Type: multipart/digest; boundary=b\n\n" + strings.Repeat("--b\n\nTo: "+strings.Repeat("a,", 10000)+"\n\nx\n", 500) + "--b--\n"
	endless := "Subject: " + strings.Repeat("x", 1<<20) + "\nTo: a@b\n\nbody"
	for name, raw := range map[string]string{"nested": nested(2000), "many parts": many, "messages": rfc822, "fields": fields, "addresses": wide, "descriptions": heavy, "envelopes": envelopes, "one line": endless} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p := scan([]byte(raw), 4096, message.Limits{})
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("%s: %d octets allocated for %d", name, grown, len(raw))
		}
		parts, depth, cut := 0, 0, false
		var walk func(*message.Part, int)
		walk = func(p *message.Part, d int) {
			parts, depth, cut = parts+1, max(depth, d), cut || p.Cut
			for _, c := range p.Children {
				walk(c, d+1)
			}
		}
		walk(p, 0)
		if parts > 1001 || depth > 50 || !cut || p.End != int64(len(raw)) {
			t.Errorf("%s: %d parts, depth %d, cut %v, end %d of %d", name, parts, depth, cut, p.End, len(raw))
		}
		if size := len(message.Encode(p)); size > 1<<20 {
			t.Errorf("%s: a summary of %d octets", name, size)
		}
		checkTree(t, []byte(raw), p)
	}
	// Behind a header that is too large the body is found all the same.
	if got := outline([]byte(endless), scan([]byte(endless), 100, message.Limits{})); got != `text/plain!"body":0` {
		t.Errorf("one endless line: %.200s", got)
	}
	if e := scan([]byte(endless), 100, message.Limits{}).Envelope; e.Subject != "" || len(e.To) != 0 {
		t.Errorf("one endless line: what is kept depends on more than the limit: %.100q", e.Subject)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	raw := []byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b\n\nthree\n--b--\n")
	want := `multipart/mixed!(text/plain"one":0 application/octet-stream!"\ntwo\n--b\n\nthree\n--b--\n":6)`
	if got := outline(raw, scan(raw, 3, message.Limits{MaxParts: 2})); got != want {
		t.Errorf("two parts: %s", got)
	}
	if got := outline(raw, scan(raw, 3, message.Limits{MaxDepth: 1})); !strings.HasPrefix(got, `multipart/mixed!"--b`) {
		t.Errorf("no depth: %s", got)
	}
	if got := scan(raw, 3, message.Limits{MaxHeader: 10}); got.MediaType != "text" || !got.Cut || got.BodyOffset != int64(bytes.Index(raw, []byte("\n\n"))+2) {
		t.Errorf("small header: %+v", got)
	}
}

func TestFinished(t *testing.T) {
	t.Parallel()
	s := message.NewScanner(message.Limits{})
	root := s.Finish()
	if _, err := s.Write([]byte("x")); !errors.Is(err, message.ErrFinished) || s.Finish() != root {
		t.Errorf("a finished scanner: %v", err)
	}
}

// checkTree checks the promises of Part.
func checkTree(t testing.TB, raw []byte, root *message.Part) {
	t.Helper()
	if root.HeaderOffset != 0 || root.End != int64(len(raw)) || root.Envelope == nil {
		t.Fatalf("the root does not span the message: %+v", root)
	}
	root.Walk(func(p *message.Part) bool {
		if p.HeaderOffset < 0 || p.BodyOffset < p.HeaderOffset || p.End < p.BodyOffset || p.End > int64(len(raw)) {
			t.Fatalf("offsets are out of order: %+v of %d", p, len(raw))
		}
		if want := bytes.Count(raw[p.BodyOffset:p.End], []byte("\n")); p.Lines != int64(want) {
			t.Fatalf("%d lines, want %d: %+v", p.Lines, want, p)
		}
		at := p.BodyOffset
		for _, c := range p.Children {
			if c.HeaderOffset < at || c.End > p.End {
				t.Fatalf("a child lies outside its parent: %+v in %+v", c, p)
			}
			at = c.End
		}
		if p.MediaType == "" || p.Subtype == "" || p.Encoding == "" {
			t.Fatalf("a type is missing: %+v", p)
		}
		return true
	})
}

func corpus(t testing.TB) map[string][]byte {
	return sharedFiles(t, "mime", "eai", "arf", "ham-spam", "dkim-messages", "dkim-mimekit")
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for name, raw := range corpus(t) {
		root := scan(raw, 0, message.Limits{})
		checkTree(t, raw, root)
		sizes := []int{1 + random.IntN(8), 1 + random.IntN(1000)}
		if len(raw) < 20000 {
			sizes = append(sizes, 1)
		}
		for _, n := range sizes {
			if got := scan(raw, n, message.Limits{}); !reflect.DeepEqual(got, root) {
				t.Errorf("%s: pieces of %d give another tree", name, n)
			}
		}
		checkSummary(t, root)
		root.Facts()
		for range 5 {
			cut := raw[:random.IntN(len(raw)+1)]
			checkTree(t, cut, scan(cut, 1+random.IntN(100), message.Limits{}))
		}
	}
}

// Deviations from the standard library, by file.
var standardDeviates = map[string]string{
	"mime/4_stalwart_mail-parser-001.eml.eml":        "it misses a boundary behind a bare LF, once it has seen a CRLF",
	"mime/Thunderbird-multipart-alternative.eml.eml": "lines end in CRLF, boundary lines in LF: it leaves half of the CRLF to the part",
	"mime/MimeKit-simple.mbox.txt-1.eml":             "multiparts in each other with the same boundary: it looks at the outermost only",
	"mime/2_stalwart_mail-parser-005.eml.eml":        "the inner boundary is the outer one with -- behind it: it takes the inner one for the outer one's end",
}

// Where the standard library reads a message without complaint, we must see the same parts.
func TestCorpusAgainstStandardLibrary(t *testing.T) {
	t.Parallel()
	compared := 0
	for name, raw := range sharedFiles(t, "mime", "ham-spam") {
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			continue
		}
		mediaType, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
		if _, ok := standardDeviates[name]; ok || err != nil || !strings.HasPrefix(mediaType, "multipart/") || params["boundary"] == "" {
			continue
		}
		var bodies [][]byte
		r := multipart.NewReader(m.Body, params["boundary"])
		for {
			var p *multipart.Part
			if p, err = r.NextRawPart(); err != nil {
				break
			}
			body, readErr := io.ReadAll(p)
			if readErr != nil {
				err = readErr
				break
			}
			bodies = append(bodies, body)
		}
		if !errors.Is(err, io.EOF) || len(bodies) == 0 {
			continue
		}
		compared++
		root := scan(raw, 0, message.Limits{})
		if len(root.Children) != len(bodies) {
			t.Errorf("%s: %d parts, the standard library has %d", name, len(root.Children), len(bodies))
			continue
		}
		for i, c := range root.Children {
			if !bytes.Equal(raw[c.BodyOffset:c.End], bodies[i]) {
				t.Errorf("%s: part %d differs from what the standard library reads: %.100q, %.100q", name, i+1, raw[c.BodyOffset:c.End], bodies[i])
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d messages were compared", compared)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"), uint8(3))
	f.Add([]byte("Content-Type: multipart/digest; boundary=b\n\n--b\n\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n--b\n--bb--"), uint8(1))
	f.Add([]byte("Content-Type: message/rfc822\n\nTo: a:b,c;\n\n"), uint8(2))
	f.Fuzz(func(t *testing.T, raw []byte, n uint8) {
		lim := message.Limits{MaxHeader: 2000, MaxParts: 20, MaxDepth: 6, MaxText: 3000}
		root := scan(raw, 0, lim)
		checkTree(t, raw, root)
		if got := scan(raw, int(n), lim); !reflect.DeepEqual(got, root) {
			t.Fatalf("pieces of %d give another tree", n)
		}
		checkSummary(t, root)
		root.Facts()
	})
}

const benchHeader = "Return-Path: <ann@example.org>\r\nReceived: from mail.example.org (mail.example.org [192.0.2.1])\r\n\tby mx.example.com (Postrider) with ESMTPS id 0123456789\r\n" +
	"\tfor <bo@example.com>; Tue, 24 Nov 2026 10:00:00 +0000\r\nDKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from:to:subject;\r\n\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n" +
	"\tb=abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\r\nFrom: Ann Lee <ann@example.org>\r\nTo: Bo Ek <bo@example.com>, \"Team, The\" <team@example.com>\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from Ann\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <20261124100000.1234@example.org>\r\n" +
	"In-Reply-To: <20261123100000.1234@example.com>\r\nReferences: <20261122100000.1@example.com> <20261123100000.1234@example.com>\r\nMIME-Version: 1.0\r\n"

func benchmarkScan(b *testing.B, raw []byte) {
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		s := message.NewScanner(message.Limits{})
		_, _ = s.Write(raw)
		s.Finish()
	}
}

func BenchmarkScanPlain4KB(b *testing.B) {
	text := benchHeader + "Content-Type: text/plain; charset=utf-8\r\n\r\n"
	benchmarkScan(b, []byte(text+strings.Repeat("Some words in a line of a mail as people write them.\r\n", 60)))
}

func BenchmarkScanMultipart1MB(b *testing.B) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	benchmarkScan(b, []byte(benchHeader+"Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\nhello\r\n--=_b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"+
		strings.Repeat(line, 13000)+"--=_b--\r\n"))
}

func BenchmarkScanCorpus(b *testing.B) {
	files := sharedFiles(b, "ham-spam")
	total := 0
	for _, raw := range files {
		total += len(raw)
	}
	b.SetBytes(int64(total))
	for b.Loop() {
		for _, raw := range files {
			scan(raw, 32<<10, message.Limits{})
		}
	}
}
