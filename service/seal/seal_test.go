package seal

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/message"
)

var day = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// memory keeps keys for a test.
type memory struct {
	mu   sync.Mutex
	keys []Key
	err  error
}

func (m *memory) Keys(_ context.Context, domain string) ([]Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Key
	for _, k := range m.keys {
		if domain == "" || k.Domain == domain {
			out = append(out, k)
		}
	}
	return out, m.err
}

func (m *memory) PutKeys(_ context.Context, keys []Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = append(m.keys, keys...)
	return m.err
}

func (m *memory) RemoveKey(context.Context, string, string) error { return m.err }

type fixed time.Time

func (f fixed) Now() time.Time                       { return time.Time(f) }
func (fixed) After(d time.Duration) <-chan time.Time { return time.After(d) }

// text is a body in memory.
type text string

func (t text) Open() (mail.BlobReader, error) { return textReader{strings.NewReader(string(t))}, nil }

type textReader struct{ *strings.Reader }

func (textReader) Close() error { return nil }

var keyPair = sync.OnceValues(func() ([]Key, error) {
	var keys []Key
	for _, a := range []Algorithm{Ed25519, RSA} {
		k, err := Generate("example.com", string(a[0])+"1", a, day)
		if err != nil {
			return nil, err
		}
		k.State = Active
		keys = append(keys, k)
	}
	return keys, nil
})

func pair(t testing.TB) []Key {
	t.Helper()
	keys, err := keyPair()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func sealer(t testing.TB, keys ...Key) *Sealer {
	t.Helper()
	return New(&memory{keys: keys}, fixed(day))
}

const plain = "From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: Lunch  and\r\n\tmore\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n" +
	"Message-ID: <1@example.com>\r\nList-Id: <l.example.com>\r\n\r\nHi Bob,  \r\n\r\nat noon?\t x\r\n.\r\n\r\n\r\n"

var messages = map[string]string{
	"plain":      plain,
	"no body":    "From: ann@example.com\r\nSubject: nothing\r\n\r\n",
	"no end":     "From: ann@example.com\r\n\r\nno line end",
	"8 bit":      "From: =?utf-8?q?=C3=84nn?= <ann@example.com>\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nGr\xc3\xbc\xc3\x9fe \xff\r\n",
	"subdomain":  "From: ann@mail.example.com\r\nTo: x@example.org\r\n\r\ntext\r\n",
	"twice":      "From: ann@example.com\r\nTo: a@example.org\r\nTo: b@example.org\r\nList-Unsubscribe: <x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nSender: s@example.com\r\n\r\ntext\r\n",
	"blank ends": "From: ann@example.com\r\n\r\n \r\n\t\r\n  \r\n",
	"long":       "From: ann@example.com\r\nReferences: " + strings.Repeat("<a-long-message-id@example.com>\r\n ", 50) + "<x>\r\n\r\n" + strings.Repeat("words and words and words. ", 3000) + "\r\n",
}

// go-msgauth, another implementation, believes what we sign, and no longer when a field is added. RFC 6376 5, RFC 8463 3.
func TestOthersBelieveIt(t *testing.T) {
	t.Parallel()
	keys := pair(t)
	records := recordsOf(t, keys)
	s := sealer(t, keys...)
	for name, msg := range messages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seal, err := s.Sign(context.Background(), Message{Body: text(msg)})
			if err != nil {
				t.Fatal(err)
			}
			if seal.Reason != "" || seal.Domain != "example.com" || len(seal.Selectors) != 2 || !strings.HasPrefix(seal.Selectors[0], "r1") {
				t.Fatalf("%+v", seal)
			}
			signed := string(seal.Fields) + msg
			verifyMsgauth(t, signed, records, true)
			verifyMsgauth(t, strings.Replace(signed, "From:", "Subject: added\r\nFrom:", 1), records, false)
			verifyMsgauth(t, string(seal.Fields)+"Reply-To: evil@example.org\r\n"+msg, records, false)
		})
	}
}

func verifyMsgauth(t *testing.T, signed string, records map[string]string, want bool) {
	t.Helper()
	all, err := dkim.VerifyWithOptions(strings.NewReader(signed), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		return []string{records[name]}, nil
	}})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d signatures, %v", len(all), err)
	}
	for _, v := range all {
		if (v.Err == nil) != want {
			t.Errorf("go-msgauth: %v, want %v\n%s", v.Err, want, signed[:min(len(signed), 1500)])
		}
	}
}

const dkimpy = `
import base64, json, sys, dkim
import nacl.signing
task = json.load(sys.stdin)
def dns(name, timeout=5):
    return task["Records"][name.decode().rstrip('.')].encode()
for name, message in sorted(task["Messages"].items()):
    d = dkim.DKIM(base64.b64decode(message))
    for i in range(2):
        if not d.verify(idx=i, dnsfunc=dns):
            print("not believed:", name, i)
print("done")
`

// dkimpy, another implementation, believes it.
func TestDkimpyBelievesIt(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import dkim, nacl.signing").Run() != nil {
		t.Skip("dkimpy is absent: tools/install-test-deps.sh python3-dkim python3-nacl")
	}
	keys := pair(t)
	s := sealer(t, keys...)
	signed := map[string][]byte{}
	for name, msg := range messages {
		seal, err := s.Sign(context.Background(), Message{Body: text(msg)})
		if err != nil {
			t.Fatal(err)
		}
		signed[name] = append(seal.Fields, msg...)
	}
	task, err := json.Marshal(map[string]any{"Records": recordsOf(t, keys), "Messages": signed})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", dkimpy)
	cmd.Stdin = bytes.NewReader(task)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "done" {
		t.Errorf("%v %s", err, out)
	}
}

func recordsOf(t testing.TB, keys []Key) map[string]string {
	t.Helper()
	records := map[string]string{}
	for _, k := range keys {
		r, err := k.Record()
		if err != nil {
			t.Fatal(err)
		}
		records[r.Name] = r.Text
	}
	return records
}

// RFC 8463 A.2, RFC 8463 A.3: with the private key there, our digest of the message there gets the signature there.
func TestRFC8463Example(t *testing.T) {
	t.Parallel()
	const published = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n" +
		" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n" +
		" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
	const msg = "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\n" +
		"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n" +
		"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	sig, err := dkimtext.ParseSignature(published[len("DKIM-Signature:"):])
	if err != nil {
		t.Fatal(err)
	}
	h, _ := message.ParseHeader([]byte(msg))
	digest := dkimtext.NewFields(&h).Digest(&sig, []byte(published))
	if got := ed25519.Sign(key, digest[:]); !bytes.Equal(got, sig.Data) {
		t.Errorf("signature %x, want %x", got, sig.Data)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Import("Football.Example.COM", "brisbane", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), day)
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Record()
	if want := (Record{"brisbane._domainkey.football.example.com", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}); err != nil || r != want {
		t.Errorf("%+v %v, want %+v", r, err, want)
	}
	// And the whole message, signed by us with that key, has the body hash of the example.
	k.State = Active
	seal, err := sealer(t, k).Sign(context.Background(), Message{Body: text(msg)})
	if err != nil || !strings.Contains(string(seal.Fields), "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=") {
		t.Errorf("%s %v", seal.Fields, err)
	}
}

// The form of what we write: aligned, oversigned, folded.
func TestField(t *testing.T) {
	t.Parallel()
	seal, err := sealer(t, pair(t)...).Sign(context.Background(), Message{Body: text(messages["subdomain"]), Prefix: []byte("Date: now\r\nList-Id: <x>\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := message.ParseHeader(seal.Fields)
	for f := range h.All() {
		s, err := dkimtext.ParseSignature(f.Value())
		if err != nil {
			t.Fatal(err)
		}
		if s.Domain != "example.com" || s.Identity != "@mail.example.com" || !s.Time.Equal(day) || s.HeaderCanon != dkimtext.Relaxed || s.BodyCanon != dkimtext.Relaxed {
			t.Errorf("%+v", s)
		}
		if got, want := strings.Join(s.Headers, ":"), "From:From:To:To:Cc:Subject:Date:Date:Message-ID:Reply-To:In-Reply-To:References:MIME-Version:Content-Type:Content-Transfer-Encoding:List-Id"; got != want {
			t.Errorf("h=%s, want %s", got, want)
		}
	}
	if h.Len() != 2 {
		t.Errorf("%d fields", h.Len())
	}
	for line := range strings.SplitSeq(string(seal.Fields), "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d octets: %s", len(line), line)
		}
	}
}

func TestUnsigned(t *testing.T) {
	t.Parallel()
	keys := pair(t)
	waiting := keys[0]
	waiting.State, waiting.Domain = Published, "wait.example"
	s := sealer(t, keys[0], keys[1], waiting)
	for msg, want := range map[string]string{
		"Subject: x\r\n\r\n":                              "does not name one domain",
		"From: a@example.com, b@example.org\r\n\r\n":      "does not name one domain",
		"From: a@example.com\r\nFrom: b@evil.org\r\n\r\n": "does not name one domain",
		"From: a@[192.0.2.1]\r\n\r\n":                     "does not name one domain",
		"From: a@example.org\r\n\r\n":                     "no active DKIM key for example.org",
		"From: a@notexample.com\r\n\r\n":                  "no active DKIM key",
		"From: a@wait.example\r\n\r\n":                    "no active DKIM key",
		"From: a@com\r\n\r\n":                             "no active DKIM key",
	} {
		seal, err := s.Sign(context.Background(), Message{Body: text(msg)})
		if err != nil || seal.Fields != nil || !strings.Contains(seal.Reason, want) {
			t.Errorf("%q: %+v %v, want %q", msg, seal, err, want)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	good := pair(t)[0]
	broken := good
	broken.Private = "secret"
	mixed := good
	mixed.Algorithm = RSA
	for _, k := range []Key{broken, mixed} {
		_, err := sealer(t, k).Sign(context.Background(), Message{Body: text(plain)})
		if !mail.Is(err, mail.Internal) || strings.Contains(err.Error(), k.Private) {
			t.Errorf("%v", err)
		}
	}
	if _, err := New(&memory{err: mail.Errorf(mail.Unavailable, "down")}, fixed(day)).Sign(context.Background(), Message{Body: text(plain)}); !mail.Is(err, mail.Unavailable) {
		t.Errorf("%v", err)
	}
	if _, err := sealer(t, good).Sign(context.Background(), Message{Body: failing{}}); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	if _, err := sealer(t, good).Sign(context.Background(), Message{Body: text("From: a@example.com\r\nX: " + strings.Repeat("x", 300<<10) + "\r\n\r\n")}); !mail.Is(err, mail.TooLarge) {
		t.Errorf("%v", err)
	}
}

var errDisk = errors.New("disk")

type failing struct{}

func (failing) Open() (mail.BlobReader, error) { return failingReader{textReader{}}, nil }

type failingReader struct{ textReader }

func (failingReader) Read([]byte) (int, error) { return 0, errDisk }
func (failingReader) Close() error             { return nil }

func TestGenerateAndMatch(t *testing.T) {
	t.Parallel()
	for _, k := range pair(t) {
		r, err := k.Record()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Strings() {
			if len(s) > 255 {
				t.Errorf("a string of %d octets", len(s))
			}
		}
		if !strings.HasPrefix(r.Zone(), k.Selector+`._domainkey.example.com. IN TXT "v=DKIM1; k=`) {
			t.Error(r.Zone())
		}
		if !k.Matches([]string{r.Text}) || !k.Matches([]string{strings.ReplaceAll(r.Text, "; ", ";") + ";n=note"}) {
			t.Error("its own record does not match")
		}
		for _, texts := range [][]string{nil, {r.Text, r.Text}, {"v=DKIM1; p="}, {"v=spf1"}, {r.Text + "; t=s"}, {strings.Replace(r.Text, "p=", "p=AA", 1)}} {
			if k.Matches(texts) {
				t.Errorf("%q matches", texts)
			}
		}
	}
	if pair(t)[0].Matches([]string{mustRecord(t, pair(t)[1])}) {
		t.Error("another key's record matches")
	}
	for _, c := range []struct{ domain, selector, a string }{{"[192.0.2.1]", "s", "rsa"}, {"", "s", "rsa"}, {"example.com", "a b", "rsa"}, {"example.com", "s", "dsa"},
		{strings.Repeat("abcdefg.", 30) + "com", "selector", "rsa"}} {
		if _, err := Generate(c.domain, c.selector, Algorithm(c.a), day); !mail.Is(err, mail.Invalid) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if k, err := Generate("Bücher.example", "S1", Ed25519, day); err != nil || k.Domain != "xn--bcher-kva.example" || k.Selector != "s1" || k.State != Published {
		t.Errorf("%v %v", k, err)
	}
	if _, err := Import("example.com", "s", "no key", day); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
	imported, err := Import("example.com", "s9", pair(t)[1].Private, day)
	if err != nil || imported.Algorithm != RSA {
		t.Error(imported, err)
	}
}

func mustRecord(t *testing.T, k Key) string {
	t.Helper()
	r, err := k.Record()
	if err != nil {
		t.Fatal(err)
	}
	return r.Text
}

// However a key is printed or logged, its secret is not shown.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	k := pair(t)[0]
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k)
	shown := fmt.Sprintf("%v %+v %#v %s", k, k, k, k) + log.String()
	if strings.Contains(shown, "PRIVATE") || strings.Contains(shown, k.Private[30:60]) {
		t.Error(shown)
	}
}

// Signing holds nothing of the body: the same memory for a small and a large one.
func TestMemoryDoesNotGrow(t *testing.T) {
	s := sealer(t, pair(t)[0])
	use := func(octets int) int64 {
		msg := text("From: ann@example.com\r\n\r\n" + strings.Repeat("words and words.\r\n", octets/18))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := s.Sign(context.Background(), Message{Body: msg}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return int64(after.TotalAlloc - before.TotalAlloc)
	}
	if small, large := use(1<<10), use(4<<20); large > small+64<<10 {
		t.Errorf("%d octets for 1 KiB, %d for 4 MiB", small, large)
	}
}

func BenchmarkSign20KB(b *testing.B) {
	msg := text("From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: x\r\nDate: y\r\nMessage-ID: <1@example.com>\r\n\r\n" +
		strings.Repeat("These are words of a line that has about seventy-eight octets in it, yes.\r\n", 270))
	keys := pair(b)
	for name, list := range map[string][]Key{"both": keys, "ed25519": keys[:1], "rsa2048": keys[1:]} {
		b.Run(name, func(b *testing.B) {
			s := sealer(b, list...)
			start := cpu()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(context.Background(), Message{Body: msg}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// What an RSA signature costs by itself: the bound on the benchmark above.
func BenchmarkRSA2048Alone(b *testing.B) {
	signer, err := parsePrivate(pair(b)[1].Private)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	start := cpu()
	for b.Loop() {
		if _, err := signer.Sign(nil, digest, crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
