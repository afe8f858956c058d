package jmap

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
)

// FuzzDraft describes messages (RFC 8621 4.6): what is taken makes a message with the fields that were given and no others.
func FuzzDraft(f *testing.F) {
	f.Add([]byte(`{"from":[{"name":"A\r\nBcc: x","email":"a@b.example"}],"subject":"a\r\nB: c","header:X-A":" a\r\n b","bodyValues":{"1":{"value":"x\r\n.\r\n"}},"textBody":[{"partId":"1"}]}`))
	f.Add([]byte(`{"header:To:asGroupedAddresses":[{"name":"g\n","addresses":[]}],"header:X-B:asURLs:all":[["http://a"]],"bodyValues":{"1":{"value":"é"}},"bodyStructure":{"type":"multipart/mixed","subParts":[{"partId":"1","cid":"a>\r\nb","name":"ü\"\r\n","disposition":"inline","language":["de\r\nx"],"location":"\r\n\r\nz"}]}}`))
	f.Add([]byte(`{"messageId":["a>\r\n<b"],"sentAt":"2020-01-01T00:00:00+01:00","attachments":[{"blobId":"R1","type":"a/b;c=\r\nd"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if wire.CheckJSON(b) != nil {
			return
		}
		a, err := decodeObject(b)
		if err != nil {
			return
		}
		d := &draft{}
		if d.read(&wire.Reader{Args: a}) != nil || hasBlob(d.root) {
			return
		}
		c := &call{visit: &visit{s: New(Config{}), account: mail.Account{Address: "ann@one.example"}}, ctx: context.Background()}
		if c.complete(d) != nil {
			return
		}
		want := map[string]bool{"content-type": true, "content-transfer-encoding": true, "content-disposition": true, "content-id": true,
			"content-language": true, "content-location": true}
		for _, h := range []*message.Header{&d.header, &d.root.header} {
			for f := range h.All() {
				want[strings.ToLower(f.Name())] = true
			}
		}
		var out bytes.Buffer
		if c.write(&out, d) != nil {
			return
		}
		h, _ := message.ParseHeader(out.Bytes())
		for f := range h.All() {
			if !want[strings.ToLower(f.Name())] {
				t.Fatalf("a field %q came of it:\n%s", f.Raw(), out.Bytes())
			}
		}
		if strings.Contains(strings.ReplaceAll(out.String(), "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(out.String(), "\r\n", ""), "\r") {
			t.Fatalf("a bare line end:\n%q", out.Bytes())
		}
	})
}

func hasBlob(p *draftPart) bool {
	for _, k := range p.kids {
		if hasBlob(k) {
			return true
		}
	}
	return p.blobID != ""
}

// FuzzHeaderProp asks for any property of any header (RFC 8621 4.1.2): the answer is JSON in UTF-8.
func FuzzHeaderProp(f *testing.F) {
	f.Add("header:From:asGroupedAddresses:all", []byte("From: a: b <c@d>;, <e@f>\r\n\r\n"))
	f.Add("header:List-Post:asURLs", []byte("List-Post: <a> (b) <c\r\n"))
	f.Add("header:X\x00:asRaw", []byte("X: \xff\x00\r\n y"))
	f.Fuzz(func(t *testing.T, prop string, b []byte) {
		p, ok := parseHeaderProp(prop)
		if !ok {
			return
		}
		h, _ := message.ParseHeader(b)
		text, err := json.Marshal(p.value(&h))
		if err != nil || !utf8.Valid(text) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzText takes the text out of HTML and looks for words.
func FuzzText(f *testing.F) {
	f.Add("<p>a&lt;b<style>x</style>c<!-- d -->e", "b \"c e")
	f.Add("<head><", "'")
	f.Fuzz(func(t *testing.T, text, query string) {
		plain := squeeze(stripTags(text), 100)
		if n := utf8.RuneCountInString(plain); n > 100 {
			t.Fatalf("%d characters", n)
		}
		var words [][]rune
		for _, w := range terms(query) {
			if w == "" {
				t.Fatal("an empty term")
			}
			words = append(words, []rune(w))
		}
		got := marked([]rune(plain), marks([]rune(plain), words))
		if strings.ContainsAny(strings.ReplaceAll(strings.ReplaceAll(got, "<mark>", ""), "</mark>", ""), "<>") {
			t.Fatalf("HTML came of it: %q", got)
		}
	})
}

// TestStripTagsIsLinear gives it what once took the square of its length.
func TestStripTagsIsLinear(t *testing.T) {
	t.Parallel()
	for _, s := range []string{strings.Repeat("<style></style>", 200_000), strings.Repeat("<style>", 400_000), strings.Repeat("<!--", 400_000), strings.Repeat("<", 1<<20)} {
		if got := strings.TrimSpace(stripTags(s)); got != "" {
			t.Errorf("%d octets of tags give %.50q", len(s), got)
		}
	}
}
