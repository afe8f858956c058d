package dane_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/postrider/postrider/proto/dane"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate; by nil signs itself.
func issue(t testing.TB, by *signer, change func(*x509.Certificate)) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), Subject: pkix.Name{CommonName: "x"}}
	change(c)
	up, upKey := c, key
	if by != nil {
		up, upKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, up, &key.PublicKey, upKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert, key}
}

func ca(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.Subject.CommonName = true, true, x509.KeyUsageCertSign, name
	}
}

func leaf(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// rec makes a record for a certificate.
func rec(u Usage, s Selector, m Matching, c *x509.Certificate) Record {
	part := c.Raw
	if s == SPKI {
		part = c.RawSubjectPublicKeyInfo
	}
	switch m {
	case SHA256:
		sum := sha256.Sum256(part)
		part = sum[:]
	case SHA512:
		sum := sha512.Sum512(part)
		part = sum[:]
	}
	return Record{u, s, m, part}
}

// RFC 6698 2.1, RFC 7671 5, RFC 7672 3.1, 3.2.
func TestCheck(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, ca("root"))
	mid := issue(t, root, ca("mid"))
	own := issue(t, mid, leaf("mx.example.com", "*.wild.example.com"))
	old := issue(t, mid, func(c *x509.Certificate) {
		c.DNSNames, c.NotBefore, c.NotAfter = []string{"mx.example.com"}, now.Add(-2*time.Hour), now.Add(-time.Hour)
	})
	common := issue(t, mid, func(c *x509.Certificate) { c.Subject.CommonName = "mx.example.com" })
	stranger := issue(t, nil, ca("root"))
	chain := []*x509.Certificate{own.cert, mid.cert, root.cert}
	with := func(first *x509.Certificate, rest ...*x509.Certificate) []*x509.Certificate {
		return append([]*x509.Certificate{first}, rest...)
	}
	mx, foreign := []string{"mx.example.com"}, []string{"mx.example.net", "example.net"}
	for name, tc := range map[string]struct {
		records []Record
		chain   []*x509.Certificate
		names   []string
		want    Match
	}{
		"no certificate":                      {[]Record{Own(own.cert)}, nil, mx, NoCertificate},
		"3 1 1":                               {[]Record{Own(own.cert)}, chain, mx, Matched},
		"3 1 2":                               {[]Record{rec(DANEEE, SPKI, SHA512, own.cert)}, chain, mx, Matched},
		"3 1 0":                               {[]Record{rec(DANEEE, SPKI, Full, own.cert)}, chain, mx, Matched},
		"3 0 1":                               {[]Record{rec(DANEEE, Cert, SHA256, own.cert)}, chain, mx, Matched},
		"3 0 0":                               {[]Record{rec(DANEEE, Cert, Full, own.cert)}, chain, mx, Matched},
		"3 1 1, another name":                 {[]Record{Own(own.cert)}, chain, foreign, Matched},
		"3 1 1, expired":                      {[]Record{Own(old.cert)}, with(old.cert), mx, Matched},
		"3 1 1 of another key":                {[]Record{Own(old.cert)}, chain, mx, Mismatched},
		"3 1 1 of the issuer":                 {[]Record{Own(mid.cert)}, chain, mx, Mismatched},
		"3 1 1, one of two":                   {[]Record{Own(old.cert), Own(own.cert)}, chain, mx, Matched},
		"2 0 1 of the root":                   {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain, mx, Matched},
		"2 1 1 of the issuer":                 {[]Record{rec(DANETA, SPKI, SHA256, mid.cert)}, chain, mx, Matched},
		"2 1 1 of the issuer, root not shown": {[]Record{rec(DANETA, SPKI, SHA256, mid.cert)}, chain[:2], mx, Matched},
		"2 0 1 of a root not shown":           {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain[:2], mx, Mismatched},
		"2 0 0 of a root not shown":           {[]Record{rec(DANETA, Cert, Full, root.cert)}, chain[:2], mx, Matched},
		"2 0 1 of the server itself":          {[]Record{rec(DANETA, Cert, SHA256, own.cert)}, chain, mx, Mismatched},
		"2 0 1, another name":                 {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain, foreign, WrongName},
		"2 0 1, no name":                      {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain, nil, WrongName},
		"2 0 1, wildcard":                     {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain, []string{"A.wild.example.com."}, Matched},
		"2 0 1, wildcard for two labels":      {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain, []string{"b.a.wild.example.com"}, WrongName},
		"2 0 1, wildcard for none":            {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain, []string{"wild.example.com"}, WrongName},
		"2 0 1, second name":                  {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, chain, append(slices.Clone(foreign), "MX.example.com"), Matched},
		"2 0 1, common name alone":            {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, with(common.cert, mid.cert, root.cert), mx, Matched},
		"2 0 1, expired":                      {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, with(old.cert, mid.cert, root.cert), mx, Expired},
		"2 0 1, shown but not the issuer":     {[]Record{rec(DANETA, Cert, SHA256, stranger.cert)}, with(own.cert, mid.cert, stranger.cert), mx, Untrusted},
		"2 0 1, the issuer left out":          {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, with(own.cert, root.cert), mx, Untrusted},
		"TA fails, EE agrees":                 {[]Record{rec(DANETA, Cert, SHA256, stranger.cert), Own(own.cert)}, chain, foreign, Matched},
		"0 and 1 do not count":                {[]Record{rec(PKIXTA, Cert, SHA256, root.cert), rec(PKIXEE, SPKI, SHA256, own.cert)}, chain, mx, Mismatched},
		"the stronger digest counts":          {[]Record{Own(own.cert), rec(DANEEE, SPKI, SHA512, old.cert)}, chain, mx, Mismatched}, // RFC 7671 9
		"not of another selector":             {[]Record{Own(own.cert), rec(DANEEE, Cert, SHA512, old.cert)}, chain, mx, Matched},
		"a whole key beside a digest":         {[]Record{rec(DANEEE, SPKI, Full, own.cert), rec(DANEEE, SPKI, SHA512, old.cert)}, chain, mx, Matched},
		"a long chain":                        {[]Record{rec(DANETA, Cert, SHA256, root.cert)}, append(with(own.cert), slices.Repeat(with(mid.cert), 100)...), mx, Mismatched},
		"no records":                          {nil, chain, mx, Mismatched},
	} {
		if got := Check(tc.records, tc.chain, tc.names, now); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// RFC 7672 3.1, RFC 7671 4: what cannot authenticate is unusable.
func TestUsable(t *testing.T) {
	t.Parallel()
	c := issue(t, nil, leaf("a.example")).cert
	for u := range Usage(6) {
		for s := range Selector(4) {
			for m := range Matching(5) {
				r := rec(u, s, m, c)
				want := (u == DANETA || u == DANEEE) && s <= SPKI && m <= SHA512
				if got := r.Usable(); got != want {
					t.Errorf("%d %d %d: %v", u, s, m, got)
				}
				r.Data = r.Data[:len(r.Data)-1]
				if r.Usable() {
					t.Errorf("%d %d %d with an octet missing", u, s, m)
				}
			}
		}
	}
}

// Every row of Decide and Require.
func TestDecide(t *testing.T) {
	t.Parallel()
	good := Record{DANEEE, SPKI, SHA256, make([]byte, 32)}
	odd := Record{PKIXEE, SPKI, SHA256, make([]byte, 32)}
	sets := map[string][]Record{"none": nil, "unusable": {odd}, "usable": {odd, good}}
	want := func(mx, addr, tlsa Standing, set string) (Plan, Result) {
		switch {
		case mx == Failed, addr == Failed:
			return PutOff, "dnssec-invalid"
		case mx != Secure || addr != Secure:
			return Opportunistic, ""
		}
		switch fmt.Sprint(tlsa, set) {
		case fmt.Sprint(Secure, "usable"):
			return Enforce, ""
		case fmt.Sprint(Secure, "unusable"):
			return Encrypt, "tlsa-invalid"
		case fmt.Sprint(Failed, "none"), fmt.Sprint(Failed, "unusable"), fmt.Sprint(Failed, "usable"):
			return PutOff, "dnssec-invalid"
		}
		return Opportunistic, ""
	}
	for mx := range Secure + 1 {
		for addr := range Secure + 1 {
			for tlsa := range Secure + 1 {
				for set, records := range sets {
					f := Facts{mx, addr, tlsa, records}
					plan, result := Decide(f)
					if p, r := want(mx, addr, tlsa, set); p != plan || r != result {
						t.Errorf("%d %d %d %s: %s %q, want %s %q", mx, addr, tlsa, set, plan, result, p, r)
					}
					must, why := Require(f)
					if (must == Enforce) != (plan == Enforce) || must != Enforce && (must != PutOff || why == "") {
						t.Errorf("required, %d %d %d %s: %s %q", mx, addr, tlsa, set, must, why)
					}
				}
			}
		}
	}
}

// Every row of Finish.
func TestFinish(t *testing.T) {
	t.Parallel()
	none, failed := Session{}, Session{Offered: true}
	done := func(m Match) Session { return Session{true, true, m} }
	for _, tc := range []struct {
		plan   Plan
		s      Session
		action Action
		result Result
	}{
		{PutOff, none, Leave, ""}, {PutOff, done(Matched), Leave, ""},
		{Opportunistic, none, Send, "starttls-not-supported"}, {Opportunistic, failed, Plain, "validation-failure"},
		{Opportunistic, done(Mismatched), Send, ""}, {Opportunistic, done(Matched), Send, ""},
		{Encrypt, none, Leave, "starttls-not-supported"}, {Encrypt, failed, Leave, "validation-failure"}, {Encrypt, done(Mismatched), Send, "tlsa-invalid"},
		{Enforce, none, Leave, "starttls-not-supported"}, {Enforce, failed, Leave, "validation-failure"}, {Enforce, done(Matched), Send, ""},
		{Enforce, done(Mismatched), Leave, "certificate-not-trusted"}, {Enforce, done(Untrusted), Leave, "certificate-not-trusted"},
		{Enforce, done(WrongName), Leave, "certificate-host-mismatch"}, {Enforce, done(Expired), Leave, "certificate-expired"},
		{Enforce, done(NoCertificate), Leave, "validation-failure"},
	} {
		action, result := Finish(tc.plan, tc.s)
		if action != tc.action || result != tc.result {
			t.Errorf("%s %+v: %d %q, want %d %q", tc.plan, tc.s, action, result, tc.action, tc.result)
		}
	}
}

// RFC 7672 2.2.2, 2.2.3, 3.2.2.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		host, expanded string
		own, secure    bool
		want           string
	}{
		{"MX.example.", "mx.example", true, true, "[mx.example]"},
		{"mx.example", "host.example", true, true, "[host.example mx.example]"},
		{"mx.example", "host.example", true, false, "[mx.example]"},
		{"mx.example", "mx.example", false, false, "[]"},
		{"mx.example", "host.example", false, false, "[]"},
	} {
		if got := fmt.Sprint(Bases(tc.host, tc.expanded, tc.own, tc.secure)); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
	if got := fmt.Sprint(References("MX.example.", "example", "")); got != "[mx.example example]" {
		t.Error(got)
	}
	if got := fmt.Sprint(References("example", "Example.", "other.example")); got != "[example other.example]" {
		t.Error(got)
	}
	if got := OwnerName("mx.example", 25); got != "_25._tcp.mx.example" {
		t.Error(got)
	}
}

// RFC 6698 2.1, 2.2.
func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"3 1 1 AB cd": "3 1 1 abcd", " 255 7\t9 00 ": "255 7 9 00"} {
		if r, err := Parse(in); err != nil || r.String() != want {
			t.Errorf("%q: %v %v", in, r, err)
		}
	}
	for _, bad := range []string{"", "3 1 1", "3 1 1 abc", "3 1 x ab", "256 1 1 ab", "-1 1 1 ab", "3 1 1 xy", "3 1 1 " + strings.Repeat("ab", 65533), strings.Repeat("3", 1<<20)} {
		if r, err := Parse(bad); !errors.Is(err, ErrRecord) || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v %v", bad, r, err)
		}
	}
	for _, bad := range [][]byte{nil, {3, 1, 1}, make([]byte, 65536)} {
		if _, err := ParseWire(bad); !errors.Is(err, ErrRecord) {
			t.Errorf("%d octets: %v", len(bad), err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := Record{Usage(rapid.Byte().Draw(t, "u")), Selector(rapid.Byte().Draw(t, "s")), Matching(rapid.Byte().Draw(t, "m")), rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "d")}
		a, errA := Parse(r.String())
		b, errB := ParseWire(r.Wire())
		if errA != nil || errB != nil || !bytes.Equal(a.Wire(), r.Wire()) || !bytes.Equal(b.Wire(), r.Wire()) {
			t.Fatalf("%v: %v %v %v %v", r, a, errA, b, errB)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
	f.Add("2 0 0 30 82")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil || !bytes.Equal(again.Wire(), r.Wire()) {
			t.Fatalf("%q: %v, then %v %v", s, r, again, err)
		}
		r.Usable()
	})
}

func FuzzParseWire(f *testing.F) {
	f.Add([]byte("\x03\x01\x0112345678901234567890123456789012"))
	f.Add([]byte("\x02\x00\x00\x30\x82"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseWire(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.Wire(), b) {
			t.Fatalf("%x: %v", b, r)
		}
		if len(Select([]Record{r, r})) > 0 != r.Usable() {
			t.Fatal(r)
		}
	})
}
