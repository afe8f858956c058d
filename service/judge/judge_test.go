package judge

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/authres"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/service/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var day = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

type fixed time.Time

func (f fixed) Now() time.Time                       { return time.Time(f) }
func (fixed) After(d time.Duration) <-chan time.Time { return time.After(d) }

// text is a body in memory.
type text string

func (t text) Open() (mail.BlobReader, error) { return textReader{strings.NewReader(string(t))}, nil }

type textReader struct{ *strings.Reader }

func (textReader) Close() error { return nil }

// keyring keeps keys for the Sealer.
type keyring []seal.Key

func (k keyring) Keys(_ context.Context, domain string) (out []seal.Key, err error) {
	for _, key := range k {
		if key.Domain == domain {
			out = append(out, key)
		}
	}
	return out, nil
}
func (keyring) PutKeys(context.Context, []seal.Key) error       { return nil }
func (keyring) RemoveKey(context.Context, string, string) error { return nil }

var makeKeys = sync.OnceValues(func() (keyring, error) {
	var ring keyring
	for _, c := range []struct{ domain, selector, a string }{{"example.com", "e", "ed25519"}, {"example.com", "r", "rsa"}, {"other.example", "o", "ed25519"}} {
		k, err := seal.Generate(c.domain, c.selector, seal.Algorithm(c.a), day)
		if err != nil {
			return nil, err
		}
		k.State = seal.Active
		ring = append(ring, k)
	}
	return ring, nil
})

func keys(t testing.TB) keyring {
	t.Helper()
	ring, err := makeKeys()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

const msg = "From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: Lunch\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nAt noon?\r\n"

func signed(t testing.TB, m string, now time.Time) string {
	t.Helper()
	s, err := seal.New(keys(t), fixed(now)).Sign(context.Background(), seal.Message{Body: text(m)})
	if err != nil || s.Fields == nil {
		t.Fatal(err, s.Reason)
	}
	return string(s.Fields) + m
}

// base are the records of a good domain.
func base(t testing.TB) map[string]string {
	t.Helper()
	z := map[string]string{
		"TXT example.com": "v=spf1 ip4:192.0.2.1 -all", "TXT _dmarc.example.com": "v=DMARC1; p=reject; rua=mailto:d@example.com",
		"PTR 192.0.2.1": "mx.example.com", "A mx.example.com": "192.0.2.1", "PTR 192.0.2.66": "liar.example.com", "A liar.example.com": "192.0.2.1",
		"TXT evil.example": "v=spf1 +all", "TXT quarantine.example": "v=spf1 -all", "TXT _dmarc.quarantine.example": "v=DMARC1; p=quarantine",
		"TXT none.example": "v=spf1 -all", "TXT _dmarc.none.example": "v=DMARC1; p=none", "TXT plain.example": "v=spf1 -all", "TXT mx.example.com": "v=spf1 a -all",
	}
	for _, k := range keys(t) {
		r, err := k.Record()
		if err != nil {
			t.Fatal(err)
		}
		z["TXT "+r.Name] = r.Text
	}
	return z
}

// resolver answers from records; "FAIL" is a failure, "TWO" doubles a record.
func resolver(t testing.TB, z map[string]string, change ...string) *dns.Static {
	t.Helper()
	var lines []string
	for _, c := range change {
		name, value, _ := strings.Cut(c, "=>")
		z[name] = value
	}
	for name, value := range z {
		rtype, owner, _ := strings.Cut(name, " ")
		two := strings.HasPrefix(value, "TWO ")
		value = strings.TrimPrefix(value, "TWO ")
		switch {
		case value == "":
			continue
		case value == "FAIL":
			lines = append(lines, owner+" FAIL")
			continue
		case rtype == "TXT":
			value = dkimtext.Quoted(value)
		}
		lines = append(lines, owner+" "+rtype+" "+value)
		if two {
			lines = append(lines, owner+" TXT \"second\"")
		}
	}
	s, err := dns.NewStatic(dns.StaticConfig{Zone: strings.Join(lines, "\n")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func judge(r Resolver, p Policy) *Judge {
	return New(Config{Resolver: r, Clock: fixed(day), Hostname: "mx.our.example", Policy: p})
}

func tx(m string) Transaction {
	return Transaction{IP: netip.MustParseAddr("192.0.2.1"), Helo: "mx.example.com", From: "ann@example.com", To: "our.example", Body: text(m)}
}

func from(ip, sender, m string) Transaction {
	x := tx(m)
	x.IP, x.From = netip.MustParseAddr(ip), mail.Path(sender)
	return x
}

func words(v Verdict) string {
	out := []string{v.IPRev.Result, v.SPF.Result}
	for _, s := range v.DKIM {
		out = append(out, s.Result)
	}
	return strings.Join(append(out, string(v.DMARC.Result), string(v.Decision)), " ")
}

func spoof(domain string) string {
	return strings.Replace(msg, "ann@example.com", "ann@"+domain, 1)
}

// What is found and what is decided, case by case. RFC 8601 2.7, RFC 9989 5.3.
func TestCases(t *testing.T) {
	t.Parallel()
	strict := Policy{HonourReject: true}
	good := signed(t, msg, day)
	oneSignature := func(change ...string) string { // only the Ed25519 one, changed
		i := strings.Index(good, "DKIM-Signature: v=1; a=ed25519")
		return strings.NewReplacer(change...).Replace(good[i:])
	}
	for _, c := range []struct {
		name   string
		tx     Transaction
		policy Policy
		zone   []string
		want   string // iprev, SPF, DKIM..., DMARC, decision
		says   string
	}{
		{"all is well", tx(good), strict, nil, "pass pass pass pass pass accept", "192.0.2.1 may send mail for example.com"},
		{"unsigned but its own host", tx(msg), strict, nil, "pass pass pass accept", "no signature"},
		{"forwarded", from("192.0.2.66", "ann@example.com", good), strict, nil, "fail fail pass pass pass accept", "may not send"},
		{"forged", from("192.0.2.66", "x@evil.example", msg), strict, nil, "fail pass fail refuse", "wants mail in its name that fails refused"},
		{"forged, reject not honoured", from("192.0.2.66", "x@evil.example", msg), Policy{}, nil, "fail pass fail junk", "our policy sets it aside"},
		{"forged, signed by another", from("192.0.2.66", "x@evil.example", strings.Replace(signed(t, spoof("other.example"), day), "ann@other.example", "ann@example.com", 1)),
			strict, nil, "fail pass fail fail refuse", "header was changed"},
		{"forged, from a trusted forwarder", from("192.0.2.66", "x@evil.example", msg), Policy{HonourReject: true, Forwarders: []netip.Prefix{netip.MustParsePrefix("192.0.2.64/28")}},
			nil, "fail pass fail accept", "forwards mail for our users"},
		{"quarantine", from("192.0.2.66", "x@evil.example", spoof("quarantine.example")), strict, nil, "fail pass fail junk", "set aside"},
		{"quarantine ignored", from("192.0.2.66", "x@evil.example", spoof("quarantine.example")), Policy{IgnoreQuarantine: true}, nil, "fail pass fail accept", "passes over"},
		{"p=none", from("192.0.2.66", "x@evil.example", spoof("none.example")), strict, nil, "fail pass fail accept", "No policy"},
		{"testing owner", from("192.0.2.66", "x@evil.example", msg), strict, []string{"TXT _dmarc.example.com=>v=DMARC1; p=reject; t=y"}, "fail pass fail junk", "set aside"},
		{"no policy, SPF fails", from("192.0.2.66", "x@plain.example", spoof("plain.example")), strict, nil, "fail fail none accept", "No policy"},
		{"no policy, SPF fails, strict", from("192.0.2.66", "x@plain.example", spoof("plain.example")), Policy{JunkSPFFail: true}, nil, "fail fail none junk", "nothing else speaks"},
		{"null sender", from("192.0.2.1", "", good), strict, nil, "pass pass pass pass pass accept", "mx.example.com"},
		{"null sender, HELO lies", from("192.0.2.66", "", msg), strict, nil, "fail fail fail refuse", "mx.example.com says"},
		{"two authors", from("192.0.2.66", "x@evil.example", "From: a@evil.example\r\n"+msg), strict, nil, "fail pass fail refuse", ""},
		{"list changed the text", from("192.0.2.66", "l@evil.example", good+"-- \r\nthe list\r\n"), strict, nil, "fail pass fail fail fail refuse", "text was changed"},
		{"DMARC record cannot be asked", from("192.0.2.66", "x@evil.example", msg), strict, []string{"TXT _dmarc.example.com=>FAIL"}, "fail pass temperror accept", "cannot be told now"},
		{"key cannot be asked", from("192.0.2.66", "x@evil.example", oneSignature()), strict, []string{"TXT e._domainkey.example.com=>FAIL"}, "fail pass temperror temperror accept", "fetched now"},
		{"SPF cannot be asked", from("192.0.2.1", "ann@example.com", msg), strict, []string{"TXT example.com=>FAIL"}, "pass temperror temperror accept", "cannot be checked now"},
		{"PTR cannot be asked", tx(good), strict, []string{"PTR 192.0.2.1=>", "TXT 1.2.0.192.in-addr.arpa=>FAIL"}, "temperror pass pass pass pass accept", "looked up now"},
		{"no PTR", from("192.0.2.9", "ann@example.com", good), strict, nil, "permerror fail pass pass pass accept", "no name in the DNS"},
		{"key revoked", tx(oneSignature()), strict, []string{"TXT e._domainkey.example.com=>v=DKIM1; p="}, "pass pass permerror pass accept", "revoked"},
		{"key gone", tx(oneSignature()), strict, []string{"TXT e._domainkey.example.com=>"}, "pass pass permerror pass accept", "no key at e._domainkey.example.com"},
		{"two keys", tx(oneSignature()), strict, []string{"TXT e._domainkey.example.com=>TWO v=DKIM1; p="}, "pass pass permerror pass accept", "more than one record"},
		{"no key but text", tx(oneSignature()), strict, []string{"TXT e._domainkey.example.com=>hello"}, "pass pass permerror pass accept", "no tag"},
		{"other type of key", tx(oneSignature()), strict, []string{"TXT e._domainkey.example.com=>v=DKIM1; k=rsa; p=AAAA"}, "pass pass permerror pass accept", "of type rsa"},
		{"giant record", tx(oneSignature()), strict, []string{"TXT e._domainkey.example.com=>v=DKIM1; p=" + strings.Repeat("A", 20000)}, "pass pass permerror pass accept", "longer than"},
		{"small key", tx(oneSignature("ed25519-sha256", "rsa-sha256")), strict, []string{"TXT e._domainkey.example.com=>" + rsaRecord(t, 768)}, "pass pass policy pass accept", "fewer than 1024"},
		{"16k key", tx(oneSignature("ed25519-sha256", "rsa-sha256")), strict, []string{"TXT e._domainkey.example.com=>" + rsaRecord(t, 16384)}, "pass pass policy pass accept", "more than 4096"},
		{"SHA-1", tx(oneSignature("ed25519-sha256", "rsa-sha1")), strict, nil, "pass pass policy pass accept", "SHA-1"},
		{"unknown algorithm", tx(oneSignature("ed25519-sha256", "dilithium-sha3")), strict, nil, "pass pass neutral pass accept", "not known"},
		{"expired", tx(oneSignature("; i=", "; x=1795507199; i=", "t=1795507200", "t=1000000000")), strict, nil, "pass pass policy pass accept", "it ended at"},
		{"from the future", tx(signed(t, msg, day.AddDate(0, 0, 2))), strict, nil, "pass pass policy policy pass accept", "in the future"},
		{"a clock a little ahead", tx(signed(t, msg, day.Add(time.Hour))), strict, nil, "pass pass pass pass pass accept", ""},
		{"malformed", tx(oneSignature("v=1", "v=9")), strict, nil, "pass pass neutral pass accept", "version"},
		{"From unsigned", tx(oneSignature("h=From:From:", "h=")), strict, nil, "pass pass permerror pass accept", "From field"},
		{"only a part is signed", tx(oneSignature("; i=", "; l=3; i=") + "advertisement\r\n"), strict, nil, "pass pass policy pass accept", "only the first 3 octets"},
		{"field added", tx("Reply-To: x@evil.example\r\n" + good), strict, nil, "pass pass fail fail pass accept", "header was changed"},
		{"no text, no end of header", tx("From: ann@example.com"), strict, nil, "pass pass pass accept", ""},
		{"no author", tx("Subject: x\r\n\r\n"), strict, nil, "pass pass none accept", "names no author"},
		{"too large a header", tx("From: ann@example.com\r\n" + good[:strings.Index(good, "\r\nFrom:")+2] + "X: " + strings.Repeat("x", 300<<10) + "\r\n\r\n"), strict, nil,
			"pass pass neutral neutral pass accept", "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := judge(resolver(t, base(t), c.zone...), c.policy).Judge(context.Background(), c.tx)
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(v.Notes, "\n")
			if words(v) != c.want || !strings.Contains(notes, c.says) {
				t.Errorf("%s, want %s; notes, want %q:\n%s", words(v), c.want, c.says, notes)
			}
			consistent(t, &v)
		})
	}
}

// consistent checks what is true of every verdict.
func consistent(t *testing.T, v *Verdict) {
	t.Helper()
	name, value, _ := strings.Cut(string(v.Field), ":")
	f, err := authres.Parse(value)
	if name != authres.Name || err != nil || f.ID != "mx.our.example" || f.Skipped > 0 {
		t.Errorf("%v %+v\n%s", err, f, v.Field)
	}
	got := map[string]string{}
	for _, r := range f.Results {
		got[r.Method] = r.Value
	}
	if got["spf"] != v.SPF.Result || got["dmarc"] != string(v.DMARC.Result) || got["iprev"] != v.IPRev.Result || got["dkim"] == "" {
		t.Errorf("the field says other things than the verdict:\n%s", v.Field)
	}
	if (v.Decision == Refuse) != (v.Refusal() != nil) || v.Refusal() != nil && !mail.Is(v.Refusal(), mail.Denied) {
		t.Errorf("%s: refusal %v", v.Decision, v.Refusal())
	}
	if judged := v.DMARC.PolicyDomain != "" && (v.DMARC.Result == dmarc.Pass || v.DMARC.Result == dmarc.Fail); judged != (v.Report != nil) {
		t.Errorf("report %+v for DMARC %s", v.Report, v.DMARC.Result)
	}
	if v.Report != nil {
		want := map[Decision]string{Accept: "none", Junk: "quarantine", Refuse: "reject"}[v.Decision]
		if got := v.Report.Row.Disposition; got != want && !(v.DMARC.Result == dmarc.Pass && got == "pass") {
			t.Errorf("the report says %q was done, and %s was", got, v.Decision)
		}
	}
	for _, n := range v.Notes {
		if len(n) > 1200 || strings.ContainsAny(n, "\r\n") || !strings.HasSuffix(n, ".") {
			t.Errorf("note %q", n)
		}
	}
}

// rsaRecord is a record of a key of any size. Nothing is ever verified with it.
func rsaRecord(t *testing.T, bits int) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	k, err := dkimtext.KeyOf(&rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return k.String()
}

// The row for reports. RFC 9990 3.1.1.7.
func TestReport(t *testing.T) {
	t.Parallel()
	v, err := judge(resolver(t, base(t)), Policy{}).Judge(context.Background(), from("192.0.2.66", "x@evil.example", signed(t, msg, day)+"more\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := v.Report.Row
	if r.Source.String() != "192.0.2.66" || r.Disposition != "quarantine" || r.DKIM != "fail" || r.SPF != "fail" || r.HeaderFrom != "example.com" || r.EnvelopeFrom != "evil.example" ||
		r.EnvelopeTo != "our.example" || len(r.Signatures) != 2 || r.Signatures[0].Selector == "" || r.SPFResults[0].Result != "pass" || len(r.Reasons) != 1 || r.Reasons[0].Type != "local_policy" {
		t.Errorf("%+v", r)
	}
	if v.Report.Published.Domain != "example.com" || v.Report.Published.P != "reject" || len(v.Report.Addresses) != 1 {
		t.Errorf("%+v", v.Report)
	}
}

// Fields that claim to be ours are counted and said. RFC 8601 5.
func TestForged(t *testing.T) {
	t.Parallel()
	v, err := judge(resolver(t, base(t)), Policy{}).Judge(context.Background(), tx("Authentication-Results: MX.our.example; spf=pass\r\nAuthentication-Results: else.example; spf=pass\r\n"+msg))
	if err != nil || v.Forged != 1 || !strings.Contains(strings.Join(v.Notes, " "), "claim to be ours") {
		t.Errorf("%d %v %q", v.Forged, err, v.Notes)
	}
}

// A prefix that came with the message is part of what was signed.
func TestPrefix(t *testing.T) {
	t.Parallel()
	whole := signed(t, msg, day)
	at := strings.Index(whole, "\r\nFrom:") + 2
	x := tx(whole[at:])
	x.Prefix = []byte(whole[:at])
	x.Reverse = "known.example.com"
	v, err := judge(resolver(t, base(t), "PTR 192.0.2.1=>"), Policy{}).Judge(context.Background(), x)
	if err != nil || words(v) != "pass pass pass pass pass accept" || v.IPRev.Domain != "known.example.com" {
		t.Errorf("%s %v", words(v), err)
	}
}

// silent never answers about some names, and counts questions.
type silent struct {
	*dns.Static
	about    func(name string) bool
	stubborn chan struct{} // not nil: it does not even listen to ctx

	mu    sync.Mutex
	asked map[string]int
}

func (s *silent) wait(ctx context.Context, name string) error {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[name]++
	s.mu.Unlock()
	if !s.about(name) {
		return nil
	}
	if s.stubborn != nil {
		<-s.stubborn
		return mail.Errorf(mail.Unavailable, "late")
	}
	<-ctx.Done()
	return mail.Errorf(mail.Unavailable, "time is up")
}

func (s *silent) TXT(ctx context.Context, n string) (a dns.Answer[[]string], err error) {
	if err = s.wait(ctx, n); err != nil {
		return a, err
	}
	return s.Static.TXT(ctx, n)
}

func (s *silent) Addresses(ctx context.Context, n string) (a dns.Answer[[]netip.Addr], err error) {
	if err = s.wait(ctx, n); err != nil {
		return a, err
	}
	return s.Static.Addresses(ctx, n)
}

func (s *silent) PTR(ctx context.Context, ip netip.Addr) (a dns.Answer[[]string], err error) {
	if err = s.wait(ctx, ip.String()); err != nil {
		return a, err
	}
	return s.Static.PTR(ctx, ip)
}

// A resolver that never answers costs the one deadline, and never the message.
func TestResolverNeverAnswers(t *testing.T) {
	t.Parallel()
	good := signed(t, msg, day)
	zone := resolver(t, base(t))
	for _, stubborn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &silent{Static: zone, about: func(string) bool { return true }}
			if stubborn {
				s.stubborn = make(chan struct{})
				defer close(s.stubborn)
			}
			start := time.Now()
			v, err := judge(s, Policy{HonourReject: true, JunkSPFFail: true}).Judge(context.Background(), tx(good))
			if took := time.Since(start); err != nil || took != DefaultWithin {
				t.Errorf("stubborn %v: %v after %v", stubborn, err, took)
			}
			if got := words(v); got != "temperror temperror temperror temperror temperror accept" {
				t.Error(got)
			}
			consistent(t, &v)
			start = time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, err := judge(s, Policy{}).Judge(ctx, tx(good)); err != nil || time.Since(start) > time.Second {
				t.Errorf("the caller's deadline: %v after %v", err, time.Since(start))
			}
		})
	}
}

// Whose own servers are slow does not escape the policy of the domain that is forged.
func TestSlowSenderBuysNothing(t *testing.T) {
	t.Parallel()
	zone := resolver(t, base(t))
	forged := strings.Replace(signed(t, spoof("other.example"), day), "ann@other.example", "ann@example.com", 1)
	synctest.Test(t, func(t *testing.T) {
		s := &silent{Static: zone, about: func(n string) bool {
			return strings.Contains(n, "evil.example") || strings.Contains(n, "other.example") || n == "192.0.2.66"
		}}
		v, err := judge(s, Policy{HonourReject: true}).Judge(context.Background(), from("192.0.2.66", "x@evil.example", forged))
		if err != nil || words(v) != "temperror temperror temperror fail refuse" {
			t.Errorf("%s %v", words(v), err)
		}
	})
}

// 100 signatures: ten are looked at, the author's among them wherever it stands; each key is asked for once.
func TestManySignatures(t *testing.T) {
	t.Parallel()
	good := signed(t, msg, day)
	var many strings.Builder
	for i := range 98 {
		fmt.Fprintf(&many, "DKIM-Signature: v=1; a=rsa-sha256; d=d%d.evil.example; s=s; h=from; bh=AAAA; b=AAAA\r\n", i)
	}
	s := &silent{Static: resolver(t, base(t)), about: func(string) bool { return false }}
	v, err := judge(s, Policy{}).Judge(context.Background(), from("192.0.2.66", "x@evil.example", many.String()+good))
	if err != nil || v.DMARC.Result != dmarc.Pass || len(v.DKIM) != MaxSignatures || v.Signatures != 100 {
		t.Errorf("%s %v", words(v), err)
	}
	consistent(t, &v)
	n := 0
	s.mu.Lock()
	for name, times := range s.asked {
		if strings.Contains(name, "_domainkey") {
			n++
			if times > 1 {
				t.Errorf("%s was asked for %d times", name, times)
			}
		}
	}
	s.mu.Unlock()
	if n != MaxSignatures {
		t.Errorf("%d keys were asked for", n)
	}
	// The same signature a hundred times is one question and ten checks.
	s.mu.Lock()
	s.asked = nil
	s.mu.Unlock()
	field := good[:strings.Index(good, "DKIM-Signature: v=1; a=ed")]
	if v, err = judge(s, Policy{}).Judge(context.Background(), tx(strings.Repeat(field, 300)+msg)); err != nil || len(v.DKIM) != MaxSignatures || v.Signatures != 300 {
		t.Errorf("%s %v", words(v), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked["r._domainkey.example.com"] != 1 {
		t.Errorf("asked %d times", s.asked["r._domainkey.example.com"])
	}
}

var errDisk = errors.New("disk")

type failing struct {
	after string
	open  bool
}

func (f failing) Open() (mail.BlobReader, error) {
	if f.open {
		return nil, errDisk
	}
	return &failingReader{textReader{strings.NewReader(f.after)}}, nil
}

type failingReader struct{ textReader }

func (f *failingReader) Read(p []byte) (int, error) {
	if f.Len() == 0 {
		return 0, errDisk
	}
	return f.Reader.Read(p)
}

// A body that cannot be read is an error wherever it ends, never a verdict.
func TestBodyFails(t *testing.T) {
	t.Parallel()
	j := judge(resolver(t, base(t)), Policy{})
	for _, f := range []failing{{open: true}, {after: "From: a@exam"}, {after: signed(t, msg, day)}} {
		x := tx("")
		x.Body = f
		if _, err := j.Judge(context.Background(), x); !errors.Is(err, errDisk) {
			t.Errorf("%q: %v", f.after, err)
		}
	}
}

// RFC 6376 A.2 with the key of RFC 6376 C, RFC 8463 A.3, and spoilt copies of them.
func TestExamplesOfOthers(t *testing.T) {
	t.Parallel()
	zone := resolver(t, map[string]string{
		"TXT brisbane._domainkey.example.com":          "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
		"TXT brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		"TXT test._domainkey.football.example.com":     "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
	})
	for name, want := range map[string]string{
		"rfc6376-A.2.eml": "pass", "rfc6376-A.2-body_modified.eml": "fail", "rfc6376-A.2-header_subject_modified.eml": "fail", "rfc6376-A.2-ill_formed-missing_v.eml": "neutral",
		"rfc8463-A.3.eml": "pass pass", "rfc8463-A.3-key_algo_mismatch.eml": "permerror permerror",
	} {
		b, err := os.ReadFile("../../../shared/data/dkim-messages/" + name)
		if err != nil {
			t.Skip("../shared/data/dkim-messages is absent: signed mails by others")
		}
		m := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
		v, err := judge(zone, Policy{}).Judge(context.Background(), from("192.0.2.1", "joe@football.example.com", m))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range v.DKIM {
			got = append(got, s.Result)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q\n%s", name, got, want, strings.Join(v.Notes, "\n"))
		}
	}
}

// A signed message with a change anywhere means the same to another implementation.
func TestAgreesWithAnother(t *testing.T) {
	t.Parallel()
	z := base(t)
	r := resolver(t, z)
	good := signed(t, msg, time.Now().Truncate(time.Second))
	j := New(Config{Resolver: r, Clock: mail.SystemClock{}, Hostname: "mx.our.example"})
	rapid.Check(t, func(t *rapid.T) {
		m := good
		if at := rapid.IntRange(-1, len(m)-1).Draw(t, "at"); at >= 0 {
			with := rapid.SampledFrom([]string{"", " ", "x", "\r\n ", "\r\n", "\t", ";", "=", ":"}).Draw(t, "with")
			m = m[:at] + with + m[at+rapid.IntRange(0, 1).Draw(t, "cut"):]
		}
		if strings.Contains(strings.ReplaceAll(m, "\r\n", ""), "\r") || strings.Contains(strings.ReplaceAll(m, "\r\n", ""), "\n") || !strings.Contains(m, "\r\n\r\n") {
			return // bare line ends are read in different ways; no mail comes in with them
		}
		v, err := j.Judge(context.Background(), tx(m))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := dkim.VerifyWithOptions(strings.NewReader(m), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
			if z["TXT "+name] == "" {
				return nil, errors.New("none")
			}
			return []string{z["TXT "+name]}, nil
		}})
		if err == nil && len(theirs) > len(v.DKIM) {
			return // the other one takes folds and spaces around the name of a field that none may have
		}
		if err != nil || len(theirs) != len(v.DKIM) {
			t.Fatalf("%d signatures, %d to the other (%v)\n%s", len(v.DKIM), len(theirs), err, m)
		}
		for i, s := range v.DKIM {
			if (s.Result == "pass") != (theirs[i].Err == nil) {
				t.Fatalf("%s (%s), to the other %v\n%s", s.Result, s.Reason, theirs[i].Err, m)
			}
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AAAA; b=AAAA\r\nFrom: a@example.com\r\n\r\nx\r\n", "mx.example.com", "a@example.com")
	f.Add("From: a@b, c@d\nFrom: <\x00@>\r\nAuthentication-Results: mx.our.example; x\r\n", "[192.0.2.1]", "")
	f.Fuzz(func(t *testing.T, m, helo, sender string) {
		x := from("192.0.2.1", sender, m)
		x.Helo = helo
		r, err := dns.NewStatic(dns.StaticConfig{Zone: "example.com TXT \"v=spf1 exists:%{l}.%{h}.example.com -all\"\n_dmarc.example.com TXT \"v=DMARC1; p=reject\""})
		if err != nil {
			t.Fatal(err)
		}
		v, err := judge(r, Policy{HonourReject: true}).Judge(context.Background(), x)
		if err != nil || v.Decision == "" {
			t.Fatal(err)
		}
		if _, value, _ := strings.Cut(string(v.Field), ":"); value != "" {
			if got, err := authres.Parse(value); err != nil || got.ID != "mx.our.example" {
				t.Fatalf("%v\n%s", err, v.Field)
			}
		}
	})
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
