package dkimtext

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/message"
)

// sink is a hash that keeps what it was given.
type sink struct {
	hash.Hash
	bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) { return s.Buffer.Write(p) }
func (s *sink) Reset()                      { s.Buffer.Reset() }

func canonBody(c Canon, pieces ...string) string {
	s := &sink{Hash: sha256.New()}
	b := NewBody(c, s)
	for _, p := range pieces {
		b.Write([]byte(p)) //nolint:errcheck // never fails
	}
	b.Close()
	return s.String()
}

// RFC 6376 3.4.1 to RFC 6376 3.4.5: the examples there and the ends of bodies.
func TestCanonicalForms(t *testing.T) {
	t.Parallel()
	header := []struct{ in, simple, relaxed string }{
		{"A: X\r\n", "A: X\r\n", "a:X\r\n"},
		{"B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
		{"Empty:\r\n", "Empty:\r\n", "empty:\r\n"},
		{"Blank:  \r\n \r\n", "Blank:  \r\n \r\n", "blank:\r\n"},
		{"Bare: LF\n", "Bare: LF\r\n", "bare:LF\r\n"},
	}
	for _, c := range header {
		if got := string(AppendField(nil, Relaxed, []byte(c.in))); got != c.relaxed {
			t.Errorf("relaxed %q: %q, want %q", c.in, got, c.relaxed)
		}
		if c.in == "Blank:  \r\n \r\n" {
			continue // trailing line ends of a simple field are one CRLF; this one is no field a parser gives
		}
		if got := string(AppendField(nil, Simple, []byte(c.in))); got != c.simple {
			t.Errorf("simple %q: %q, want %q", c.in, got, c.simple)
		}
	}
	body := []struct{ in, simple, relaxed string }{
		{" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
		{"", "\r\n", ""},
		{"\r\n\r\n", "\r\n", ""},
		{"  \r\n\t\r\n", "  \r\n\t\r\n", ""},
		{"no end", "no end\r\n", "no end\r\n"},
		{"a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
		{"bare\nLF\n", "bare\r\nLF\r\n", "bare\r\nLF\r\n"},
		{"bare\rCR \r x\r", "bare\rCR \r x\r\r\n", "bare\rCR \r x\r\r\n"},
		{"\ttab", "\ttab\r\n", " tab\r\n"},
	}
	for _, c := range body {
		if got := canonBody(Simple, c.in); got != c.simple {
			t.Errorf("simple body %q: %q, want %q", c.in, got, c.simple)
		}
		if got := canonBody(Relaxed, c.in); got != c.relaxed {
			t.Errorf("relaxed body %q: %q, want %q", c.in, got, c.relaxed)
		}
	}
	long := strings.Repeat("word ", 5000)
	if got := canonBody(Simple, long, long); got != long+long+"\r\n" {
		t.Error("a long line is not hashed whole")
	}
}

// The empty bodies' hashes are those of RFC 6376 3.4.3 and RFC 6376 3.4.4.
func TestEmptyBodyHashes(t *testing.T) {
	t.Parallel()
	for c, want := range map[Canon]string{Simple: "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=", Relaxed: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="} {
		sum := sha256.New()
		NewBody(c, sum).Close()
		if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != want {
			t.Errorf("%s: %s, want %s", c, got, want)
		}
	}
}

// How writes are cut does not matter, and a slow, plain reading of RFC 6376 3.4.4 says the same.
func TestBodyInPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.StringMatching("[ab \t\r\n]{0,6}")).Draw(t, "pieces")
		whole := strings.Join(pieces, "")
		for _, c := range []Canon{Simple, Relaxed} {
			if a, b := canonBody(c, whole), canonBody(c, pieces...); a != b {
				t.Fatalf("%s %q in one piece: %q, in several: %q", c, whole, a, b)
			}
		}
		if got, want := canonBody(Relaxed, whole), plainRelaxed(whole); got != want {
			t.Fatalf("%q: %q, want %q", whole, got, want)
		}
	})
}

func plainRelaxed(s string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		var out strings.Builder
		for i := 0; i < len(line); {
			n := len(line[i:]) - len(strings.TrimLeft(line[i:], " \t"))
			switch {
			case n > 0 && i+n < len(line):
				out.WriteByte(' ')
			case n == 0:
				out.WriteByte(line[i])
				n = 1
			}
			i += n
		}
		lines = append(lines, out.String())
	}
	text := strings.TrimRight(strings.Join(lines, "\n"), "\n")
	if text == "" {
		return ""
	}
	return strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
}

// RFC 6376 3.5, RFC 6376 6.1.1: what makes a signature unusable.
func TestParseSignatureRefuses(t *testing.T) {
	t.Parallel()
	const good = "v=1; a=rsa-sha256; d=example.com; s=s; h=from:to; bh=AAAA; b=AAAA"
	if _, err := ParseSignature(good + ";"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"v=1; ", "", "v= is missing"},
		{"v=1", "v=2", "version"},
		{"; b=AAAA", "", "b= is missing"},
		{"from:to", "to", "From"},
		{"from:to", "from::to", "name that is none"},
		{"d=example.com", "d=", "no domain"},
		{"d=example.com", "d=[192.0.2.1]", "no domain"},
		{"d=example.com", "d=example.com; d=example.com", "twice"},
		{"s=s", "s=s; i=joe@example.org", "another domain"},
		{"s=s", "s=s; i=joe@notexample.com", "another domain"},
		{"s=s", "s=s; c=nowsp", "canonical"},
		{"s=s", "s=s; q=http", "no way"},
		{"s=s", "s=s; t=200; x=100", "before it was made"},
		{"s=s", "s=s; t=yesterday", "no time"},
		{"s=s", "s=s; l=-1", "no length"},
		{"b=AAAA", "b=A*A", "Base64"},
		{"s=s", "junk", "no tag"},
		{"from:to", "from" + strings.Repeat(":x", MaxNames), "too many"},
		{"s=s", "s=s; z=" + strings.Repeat("x", MaxSignature), "longer"},
		{"s=s", "s=s" + tooManyTags(), "too many tags"},
	} {
		if _, err := ParseSignature(strings.Replace(good, c.old, c.new, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v, want %q", c.new, err, c.want)
		}
	}
}

func tooManyTags() string {
	var s strings.Builder
	for i := range 100 {
		s.WriteString("; x" + strings.Repeat("y", i) + "=1")
	}
	return s.String()
}

// RFC 6376 3.6.1, RFC 8301 3.2, RFC 8463 4: key records.
func TestParseKey(t *testing.T) {
	t.Parallel()
	sig := &Signature{Algorithm: RSASHA256, Domain: "example.com", Identity: "@sub.example.com"}
	for _, c := range []struct{ text, want string }{
		{"v=DKIM1; p=", "revoked"},
		{"k=ed25519; p=AAAA", "of type ed25519"},
		{"p=AAAA; h=sha1", "hash"},
		{"p=AAAA; s=tlsrpt", "not for mail"},
		{"p=AAAA; t=s", "subdomains"},
		{"p=AAAA; s=email:*; h=sha1 : sha256; t=y; n=note", ""},
		{"p=AAAA; v=DKIM1", "version"},
		{"v=DKIM2; p=AAAA", "version"},
		{"v=DKIM1; k=rsa", "no key"},
		{"p=?", "Base64"},
		{"p=AAAA; p=AAAA", "twice"},
		{strings.Repeat("x", MaxRecord+1), "longer"},
	} {
		k, err := ParseKey(c.text)
		if err == nil {
			err = k.For(sig)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.40s: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestKeySizes(t *testing.T) {
	t.Parallel()
	record := func(bits int) Key {
		// A modulus of the right size is enough: only its length is looked at before use.
		n := make([]byte, bits/8)
		n[0], n[len(n)-1] = 0x80, 1
		k, err := KeyOf(rsaKey(n))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseKey(k.String())
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	for bits, want := range map[int]error{512: ErrTooSmall, 1016: ErrTooSmall, 1024: nil, 2048: nil, 4096: nil, 4104: ErrTooLarge, 16384: ErrTooLarge} {
		if _, err := record(bits).PublicKey(); !errors.Is(err, want) {
			t.Errorf("%d bits: %v, want %v", bits, err, want)
		}
	}
	if _, err := (Key{Type: Ed25519, Public: make([]byte, 31)}).PublicKey(); err == nil {
		t.Error("a short Ed25519 key was taken")
	}
	if _, err := (Key{Type: "dsa", Public: make([]byte, 31)}).PublicKey(); err == nil {
		t.Error("an unknown type of key was taken")
	}
}

// RFC 1035 3.3.14: strings of a TXT record have at most 255 octets.
func TestStrings(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 254, 255, 256, 510, 511, 800} {
		text := strings.Repeat("x", n)
		all := Strings(text)
		if strings.Join(all, "") != text {
			t.Errorf("%d: the strings are not the text", n)
		}
		for i, s := range all {
			if len(s) > 255 || len(s) == 0 && n > 0 {
				t.Errorf("%d: string %d has %d octets", n, i, len(s))
			}
		}
	}
	if got, want := Quoted(`a"b\`+strings.Repeat("c", 252)), `"a\"b\\`+strings.Repeat("c", 251)+`" "c"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What is written is read as the same, and lines keep to RFC 5322 2.1.1.
func TestSignatureRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.StringMatching("[a-z][a-z0-9]{0,30}")
		s := Signature{
			Algorithm: rapid.SampledFrom([]string{RSASHA256, Ed25519SHA256}).Draw(t, "a"), HeaderCanon: Relaxed,
			BodyCanon: rapid.SampledFrom([]Canon{Simple, Relaxed}).Draw(t, "c"), Length: -1,
			Domain: label.Draw(t, "d") + ".example", Selector: label.Draw(t, "s"),
			Headers:  append([]string{"From"}, rapid.SliceOfN(rapid.StringMatching("[A-Za-z-]{1,40}"), 0, 40).Draw(t, "h")...),
			BodyHash: rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "bh"), Data: rapid.SliceOfN(rapid.Byte(), 0, 512).Draw(t, "b"),
			Time: time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "t"), 0).UTC(),
		}
		s.Identity = "@" + label.Draw(t, "i") + "." + s.Domain
		field := s.Format()
		got, err := ParseSignature(string(field[len(FieldName)+1:]))
		if err != nil {
			t.Fatalf("%v\n%s", err, field)
		}
		if len(s.Data) == 0 {
			s.Data = got.Data
		}
		if d := cmp.Diff(s, got); d != "" {
			t.Fatal(d)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(string(field), "\r\n"), "\r\n") {
			if len(line) > 100 || strings.TrimSpace(line) == "" {
				t.Fatalf("a line of %d octets: %q", len(line), line)
			}
		}
		// b= is the only difference that the digest does not see.
		f := NewFields()
		empty := s
		empty.Data = nil
		if f.Digest(&s, field) != f.Digest(&s, empty.Format()) {
			t.Fatal("the digest depends on b=")
		}
	})
}

func TestWithoutData(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"DKIM-Signature: bh=x; b = a b\r\n c ; xb=1": "DKIM-Signature: bh=x; b =; xb=1",
		"D: xb=1; i=b=x; b=\r\n\tabc\r\n":            "D: xb=1; i=b=x; b=",
		"D: a=b":                                     "D: a=b",
		"D":                                          "D",
	} {
		if got := string(withoutData([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// RFC 6376 5.4.2: fields of one name are taken from the last upwards, and names beyond count nothing.
func TestDigestPicksFromTheEnd(t *testing.T) {
	t.Parallel()
	digest := func(names []string, header string) [32]byte {
		h, _ := message.ParseHeader([]byte(header))
		s := &Signature{Headers: names, HeaderCanon: Relaxed}
		return NewFields(&h).Digest(s, []byte("DKIM-Signature: b="))
	}
	want := sha256.Sum256([]byte("x:2\r\nx:1\r\ny:3\r\ndkim-signature:b="))
	if digest([]string{"x", "X", "x", "y", "Z"}, "X: 1\r\nx: 2\r\nY: 3\r\n") != want {
		t.Error("the wrong fields were hashed")
	}
	if digest([]string{"x", "x", "x", "y"}, "X: 0\r\nX: 1\r\nx: 2\r\nY: 3\r\n") == want {
		t.Error("an added field makes no difference although it was signed away")
	}
}

// The signed mails of RFC 8463 A.3, RFC 6376 A.2 (with another key) and of others verify, and no longer when a word is changed.
func TestOthersSignatures(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../../../shared/data/dkim/*.txt")
	if len(files) == 0 {
		t.Skip("../shared/data/dkim is absent: signed mails by others")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			records, msg, _ := strings.Cut(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n\n")
			keys := map[string]string{}
			for line := range strings.SplitSeq(records, "\n") {
				name, record, _ := strings.Cut(line, " ")
				keys[name] = record
			}
			msg = strings.ReplaceAll(msg, "\n", "\r\n")
			h, size := message.ParseHeader([]byte(msg))
			n := 0
			for f := range h.Named(FieldName) {
				n++
				s, err := ParseSignature(f.Value())
				if err != nil {
					t.Fatal(err)
				}
				if err := verify(&s, f.Raw(), &h, msg[size:], keys[s.KeyName()]); err != nil {
					t.Errorf("%s: %v", s.KeyName(), err)
				}
				if err := verify(&s, f.Raw(), &h, "x"+msg[size:], keys[s.KeyName()]); err == nil {
					t.Errorf("%s: a changed body verifies", s.KeyName())
				}
				h.Set("From", "x@example.net")
				if err := verify(&s, f.Raw(), &h, msg[size:], keys[s.KeyName()]); err == nil {
					t.Errorf("%s: another author verifies", s.KeyName())
				}
				h, _ = message.ParseHeader([]byte(msg))
			}
			if n == 0 {
				t.Error("no signature found")
			}
		})
	}
}

func verify(s *Signature, own []byte, h *message.Header, body, record string) error {
	k, err := ParseKey(record)
	if err != nil {
		return err
	}
	if err := k.For(s); err != nil {
		return err
	}
	pub, err := k.PublicKey()
	if err != nil {
		return err
	}
	sum := sha256.New()
	b := NewBody(s.BodyCanon, sum)
	b.Write([]byte(body)) //nolint:errcheck // never fails
	b.Close()
	if !bytes.Equal(sum.Sum(nil), s.BodyHash) {
		return errors.New("body hash")
	}
	digest := NewFields(h).Digest(s, own)
	switch p := pub.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(p, crypto.SHA256, digest[:], s.Data)
	case ed25519.PublicKey:
		if !ed25519.Verify(p, digest[:], s.Data) {
			return errors.New("ed25519")
		}
	}
	return nil
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := KeyOf(pub)
	if err != nil {
		t.Fatal(err)
	}
	k.Testing, k.Strict, k.Hashes, k.Services = true, true, []string{"sha256"}, []string{"email"}
	again, err := ParseKey(k.String())
	if d := cmp.Diff(k, again); d != "" || err != nil {
		t.Error(err, d)
	}
	if _, err := KeyOf("key"); err == nil {
		t.Error("a string was taken for a key")
	}
}

func FuzzSignature(f *testing.F) {
	f.Add("v=1; a=rsa-sha256; d=example.com; s=s; h=from:to; bh=AAAA; b=AAAA")
	f.Add("v=1;a=ed25519-sha256;c=relaxed/simple;d=B\xc3\xbccher.example;s=\xc3\xa4;h=From;bh=AA==;b=A A A A;i=@x.xn--bcher-kva.example;l=12;t=1;x=2;q=dns/txt")
	f.Add("b=;=;b")
	f.Fuzz(func(t *testing.T, value string) {
		s, err := ParseSignature(value)
		withoutData([]byte(FieldName + ":" + value))
		if err != nil {
			return
		}
		again, err := ParseSignature(string(s.Format()[len(FieldName)+1:]))
		if err != nil {
			t.Fatalf("%v\n%s", err, s.Format())
		}
		again.Length = s.Length
		again.Data, again.BodyHash = s.Data, s.BodyHash
		if d := cmp.Diff(s, again); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	f.Add("v=DKIM1; h=sha256; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDn7EiK3r/vRRde; t=s:y")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			return
		}
		if pub, err := k.PublicKey(); err == nil {
			if _, err := KeyOf(pub); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func rsaKey(modulus []byte) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
}

func BenchmarkBodyRelaxed(b *testing.B) {
	body := []byte(strings.Repeat("These are words of a line that has about seventy-eight octets in it, yes.\r\n", 270))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		sum := sha256.New()
		c := NewBody(Relaxed, sum)
		c.Write(body) //nolint:errcheck // never fails
		c.Close()
		sum.Sum(nil)
	}
}
