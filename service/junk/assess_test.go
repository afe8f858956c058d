package junk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/service/judge"
)

// TestSigns: each sign has its sentence, and a good message has none but the proof that it is.
func TestSigns(t *testing.T) {
	t.Parallel()
	html := func(b string) func(*string, *Message) {
		return func(s *string, _ *Message) {
			*s = strings.Replace(*s, "\r\n\r\nShall we meet at noon?", "\r\nContent-Type: text/html\r\n\r\n"+b, 1)
		}
	}
	swap := func(old, with string) func(*string, *Message) {
		return func(s *string, _ *Message) { *s = strings.Replace(*s, old, with, 1) }
	}
	file := func(name string) func(*string, *Message) {
		return func(s *string, _ *Message) {
			head, text, _ := strings.Cut(*s, "\r\n\r\n")
			*s = head + "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + text + "\r\n--b\r\nContent-Type: application/octet-stream\r\n" +
				"Content-Disposition: attachment; filename=\"" + name + "\"\r\n\r\nx\r\n--b--\r\n"
		}
	}
	tx := func(f func(*Message)) func(*string, *Message) { return func(_ *string, m *Message) { f(m) } }
	for name, c := range map[string]struct {
		change func(*string, *Message)
		want   string // part of a sentence; "" none but the proof
	}{
		"good":          {func(*string, *Message) {}, ""},
		"no date":       {swap("Date: Tue, 24 Nov 2026 07:59:00 +0000\r\n", ""), "no Date field (+0.8)"},
		"no real date":  {swap("Tue, 24 Nov 2026 07:59:00 +0000", "yesterday"), "tells no date (+0.5)"},
		"future":        {swap("24 Nov 2026", "24 Nov 2031"), "in the future (+1.0)"},
		"past":          {swap("24 Nov 2026", "24 Nov 2020"), "a month ago (+0.5)"},
		"no id":         {swap("Message-ID", "X-ID"), "no Message-ID field (+0.8)"},
		"no from":       {swap("From:", "X-From:"), "no From field (+1.5)"},
		"two from":      {swap("To:", "From: x@example.net\r\nTo:"), "2 From fields (+2.0)"},
		"no address":    {swap("<ann@example.com>", ""), "no mail address (+1.0)"},
		"false name":    {swap("Ann Bell", "\"boss@bank.example\""), "shows the address boss@bank.example (+1.5)|but the message is from"},
		"own name":      {swap("Ann Bell", "\"ann@mail.example.com\""), ""},
		"to nobody":     {swap("To:", "X-To:"), "addressed to nobody (no To, no Cc) (+0.5)"},
		"no subject":    {swap("Subject: Lunch\r\n", ""), "no subject (+0.4)"},
		"capitals":      {swap("Lunch", "BUY THIS NOW"), "capitals only (+0.7)"},
		"cries":         {swap("Lunch", "Lunch!!!"), "3 exclamation marks (+0.5)"},
		"our name":      {tx(func(m *Message) { m.Helo = "MX.our.example." }), "our own name (+2.5)"},
		"localhost":     {tx(func(m *Message) { m.Helo = "localhost" }), "itself localhost (+1.5)"},
		"short name":    {tx(func(m *Message) { m.Helo = "user-pc" }), "no full name (+1.0)"},
		"address":       {tx(func(m *Message) { m.Helo = "[192.0.2.1]" }), "by its address instead of a name (+0.6)"},
		"false address": {tx(func(m *Message) { m.Helo = "[192.0.2.77]" }), "not its address (+2.0)"},
		"false v6":      {tx(func(m *Message) { m.Helo = "[IPv6:2001:db8::1]" }), "not its address (+2.0)"},
		"home":          {tx(func(m *Message) { m.Reverse, m.Evidence = "dsl-192-0-2-1.isp.example", Evidence{} }), "home connection (+1.0)"},
		"no name":       {tx(func(m *Message) { m.Evidence.IPRev = "permerror" }), "no name in the DNS (+1.2)"},
		"false reverse": {tx(func(m *Message) { m.Evidence.IPRev = "fail" }), "does not lead back to its address (+0.8)"},
		"spf fail":      {tx(func(m *Message) { m.Evidence.SPF = "fail" }), "may not send for it (SPF) (+1.5)"},
		"spf softfail":  {tx(func(m *Message) { m.Evidence.SPF = "softfail" }), "doubts that this client may send for it (SPF) (+0.7)"},
		"dmarc fail":    {tx(func(m *Message) { m.Evidence.DMARC, m.Evidence.Domain = "fail", "" }), "(DMARC) (+1.0)"},
		"broken dkim":   {tx(func(m *Message) { m.Evidence.DKIM, m.Evidence.Domain = "fail", "" }), "broken (DKIM) (+0.3)"},
		"temperror": {tx(func(m *Message) {
			m.Evidence = Evidence{SPF: "temperror", DKIM: "temperror", DMARC: "temperror", IPRev: "temperror"}
		}), ""},
		"program":         {file("setup.exe"), "is a program (+4.0)"},
		"disguise":        {file("invoice.pdf .exe"), "a program that pretends to be a document (+6.0)"},
		"macros":          {file("letter.docm"), "a document with macros (+1.5)"},
		"image of a disk": {file("parcel.ISO"), "of a kind that programs are hidden in (+2.0)"},
		"web page":        {file("login.html"), "is a web page (+1.0)"},
		"document":        {file("letter.pdf"), ""},
		"html":            {html("<p>" + strings.Repeat("A long and friendly text. ", 20) + "</p>"), "is HTML only (+0.4)"},
		"one picture":     {html("<img src=https://img.example.com/a.png>"), "hardly anything but pictures (+1.5)"},
		"bare link":       {swap("at noon?", "at http://198.51.100.7/x?"), "bare address 198.51.100.7 (+1.0)"},
		"number link":     {html(strings.Repeat("Long text. ", 30) + "<a href='http://3232235777/'>x</a>"), "bare address 3232235777 (+1.0)"},
		"false link": {html(strings.Repeat("Long text. ", 30) + "<a href='https://evil.example/x'><b>https://www.bank.example</b></a>"),
			"A link shows www.bank.example but leads to evil.example (+1.5)"},
		"true link": {html(strings.Repeat("Long text. ", 30) + "<a href='https://click.bank.example/x'>https://www.bank.example</a>"), "is HTML only"},
		"hidden":    {html(strings.Repeat("Long text. ", 30) + "<span style='font-size: 0px'>x</span>"), "nobody can see (+0.8)"},
		"test":      {swap("noon", gtube), "GTUBE"},
		"other answers": {func(s *string, m *Message) {
			*s, m.Evidence = "Reply-To: x@gmail.com\r\n"+*s, Evidence{}
		}, "free mailboxes (+1.0)"},
	} {
		text := plain
		m := from(text)
		c.change(&text, &m)
		m.Body, m.Summary = body(text), summary(text)
		s, err := filter(t, nil).Assess(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		why := strings.Join(slices.DeleteFunc(slices.Clone(s.Why), func(w string) bool { return strings.HasPrefix(w, "It is proven") }), "\n")
		ok := c.want == "" && why == ""
		for part := range strings.SplitSeq(c.want, "|") {
			part, points, _ := strings.Cut(part, " (+")
			ok = ok || c.want != "" && strings.Contains(why, part) && strings.Contains(why, points)
		}
		if !ok {
			t.Errorf("%s: %q, want %q", name, why, c.want)
		}
		if c.want == "" && s.Score > 0 {
			t.Errorf("%s: score %v", name, s.Score)
		}
	}
}

// TestEvidenceOf: an author is proven by DMARC, or where there is no policy by the very same domain.
func TestEvidenceOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v    judge.Verdict
		want string
	}{
		"dmarc":            {judge.Verdict{DMARC: dmarc.Verdict{Result: dmarc.Pass, Author: "a.example"}}, "a.example"},
		"dmarc fails":      {judge.Verdict{DMARC: dmarc.Verdict{Result: dmarc.Fail, Author: "a.example"}, SPF: judge.Finding{Result: "pass", Domain: "a.example"}}, ""},
		"spf of it":        {judge.Verdict{DMARC: dmarc.Verdict{Result: dmarc.None, Author: "a.example"}, SPF: judge.Finding{Result: "pass", Domain: "a.example"}}, "a.example"},
		"spf of another":   {judge.Verdict{DMARC: dmarc.Verdict{Result: dmarc.None, Author: "a.example"}, SPF: judge.Finding{Result: "pass", Domain: "b.example"}}, ""},
		"nothing at all":   {judge.Verdict{}, ""},
		"signature of it":  {judge.Verdict{DMARC: dmarc.Verdict{Result: dmarc.None, Author: "a.example"}, DKIM: []judge.Signature{{Finding: judge.Finding{Result: "pass", Domain: "a.example"}}}}, "a.example"},
		"broken signature": {judge.Verdict{DMARC: dmarc.Verdict{Result: dmarc.None, Author: "a.example"}, DKIM: []judge.Signature{{Finding: judge.Finding{Result: "fail", Domain: "a.example"}}}}, ""},
		"temperror":        {judge.Verdict{DMARC: dmarc.Verdict{Result: dmarc.TempError, Author: "a.example"}, SPF: judge.Finding{Result: "pass", Domain: "a.example"}}, ""},
	} {
		if got := EvidenceOf(&c.v); got.Domain != c.want {
			t.Errorf("%s: %q is proven, want %q", name, got.Domain, c.want)
		}
	}
}

const listZone = `
1.2.0.192.ip.list.example A 127.0.0.2
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip.list.example A 127.0.0.4
1.2.0.192.error.list.example A 127.255.255.254
1.2.0.192.closed.list.example A 127.0.0.1
1.2.0.192.wild.list.example A 203.0.113.9
1.2.0.192.good.list.example A 127.0.5.1
1.2.0.192.down.list.example FAIL
evil.example.names.list.example A 127.0.1.2
example.com.names.list.example A 127.0.1.255
`

// TestLists: addresses and domains are looked for as RFC 5782 2.1, 2.2 and 2.4 say; only 127.0.0.0/8 counts, refusals and failures add nothing
// and are told.
func TestLists(t *testing.T) {
	t.Parallel()
	links := strings.Replace(plain, "at noon?", "at https://www.Evil.example/x and http://shop.evil.example/?", 1)
	for name, c := range map[string]struct {
		lists, domains []string
		ip             string
		text           string
		points         float64
		want           string
	}{
		"listed":       {lists: []string{"ip.list.example=4"}, points: 4, want: "192.0.2.1 is listed by ip.list.example (+4.0)."},
		"v6":           {lists: []string{"ip.list.example=4"}, ip: "2001:db8::1", points: 4, want: "2001:db8::1 is listed by"},
		"not listed":   {lists: []string{"ip.list.example=4"}, ip: "192.0.2.2"},
		"private":      {lists: []string{"down.list.example=4"}, ip: "127.0.0.1"},
		"error code":   {lists: []string{"error.list.example=4"}, want: "error.list.example does not serve our resolver"},
		"closed":       {lists: []string{"closed.list.example=4"}, want: "docs/problems.md#resolver"},
		"wild":         {lists: []string{"wild.list.example=4"}},
		"good senders": {lists: []string{"good.list.example=-2"}, points: -2, want: "192.0.2.1 is listed by good.list.example (-2.0)."},
		"failing":      {lists: []string{"down.list.example=4", "ip.list.example=1"}, points: 1, want: "down.list.example did not answer in time and was not counted."},
		"domains":      {domains: []string{"names.list.example=3"}, text: links, points: 3, want: "evil.example is listed by names.list.example (+3.0)."},
		"author only":  {domains: []string{"names.list.example=3"}, want: "names.list.example does not serve"},
	} {
		lists, err := ParseLists(c.lists)
		if err != nil {
			t.Fatal(err)
		}
		domains, err := ParseLists(c.domains)
		if err != nil {
			t.Fatal(err)
		}
		f := filter(t, func(cfg *Config) { cfg.Resolver, cfg.Lists, cfg.DomainLists = static(t, listZone), lists, domains })
		m := from(plain)
		if c.text != "" {
			m.Body, m.Summary = body(c.text), summary(c.text)
		}
		if c.ip != "" {
			m.IP = netip.MustParseAddr(c.ip)
		}
		s, err := f.Assess(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		why := strings.Join(s.Why, "\n")
		if math.Abs(s.Score+0.5-c.points) > 1e-9 || !strings.Contains(why, c.want) || c.want == "" && strings.Contains(why, "list") {
			t.Errorf("%s: %v by %q, want %v by %q", name, s.Score+0.5, why, c.points, c.want)
		}
	}
}

// deaf is a resolver that never answers.
type deaf struct{ heeds bool }

func (d deaf) Addresses(ctx context.Context, _ string) (dns.Answer[[]netip.Addr], error) {
	if d.heeds {
		<-ctx.Done()
		return dns.Answer[[]netip.Addr]{}, mail.Errorf(mail.Unavailable, "no answer")
	}
	time.Sleep(time.Hour)
	return dns.Answer[[]netip.Addr]{}, errors.New("no answer")
}

// TestDeadline: a resolver that never answers delays a message by one deadline for all lists, and adds nothing; also one that does not heed it.
func TestDeadline(t *testing.T) {
	for _, d := range []deaf{{true}, {false}} {
		synctest.Test(t, func(t *testing.T) {
			f := filter(t, func(c *Config) {
				c.Resolver, c.Within = d, 2*time.Second
				c.Lists, c.DomainLists = []List{{"a.example", 4}, {"b.example", 4}}, []List{{"c.example", 4}}
			})
			began := time.Now()
			s, err := f.Assess(t.Context(), from(plain))
			if took := time.Since(began); err != nil || took > 2*time.Second {
				t.Errorf("it took %v: %v", took, err)
			}
			if why := strings.Join(s.Why, " "); s.Score > 0 || strings.Count(why, "did not answer in time") != 3 {
				t.Errorf("%v: %s", s.Score, why)
			}
			time.Sleep(time.Hour) // until the one that does not heed anything is done
		})
	}
}

// TestParseLists refuses what is no list.
func TestParseLists(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "zen.example", "=4", "zen.example=", "zen.example=x", "zen.example=NaN", "zen.example=1e300", "a b=3", "zen.example=4=5", "[1.2.3.4]=3"} {
		if got, err := ParseLists([]string{bad}); !mail.Is(err, mail.Invalid) {
			t.Errorf("%q is %v, %v", bad, got, err)
		}
	}
	if got, err := ParseLists([]string{"Zen.Example. = -2.5"}); err != nil || got[0] != (List{"zen.example", -2.5}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestHostile: messages that want to be much work are not, and whatever is in them the sentences stay short.
func TestHostile(t *testing.T) {
	t.Parallel()
	head := "From: a@example.com\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n"
	for name, text := range map[string]string{
		"tags":        head + strings.Repeat("<div>", 100_000),
		"attributes":  head + "<a " + strings.Repeat("x=y ", 100_000) + ">",
		"one tag":     head + "<a href='" + strings.Repeat("x", 1<<18),
		"links":       head + strings.Repeat("<a href=http://a"+strings.Repeat("b", 50)+".example>x</a>", 20_000),
		"words":       "From: a@example.com\r\n\r\n" + strings.Repeat("word ", 400_000),
		"one word":    "From: a@example.com\r\n\r\n" + strings.Repeat("w", 2<<20),
		"base64":      "From: a@example.com\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("AAAA", 1<<18),
		"parts":       "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 20_000),
		"fields":      strings.Repeat("From: a@example.com\r\n", 30_000) + "\r\nx",
		"addresses":   "From: " + strings.Repeat("a@example.com, ", 20_000) + "\r\n\r\nx",
		"controls":    "From: \"a\x00\x1b[31m@evil.example\" <b@example.com>\r\nSubject: \x01\r\n\r\nhttp://\x00\xff.example/",
		"nothing":     "",
		"bad charset": "Content-Type: text/plain; charset=" + strings.Repeat("x", 1000) + "\r\n\r\n\xff\xfe",
	} {
		m := from(text)
		m.Summary = nil
		m.Helo = strings.Repeat("h\x1b", 500)
		began := time.Now()
		s, err := filter(t, nil).Assess(t.Context(), m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if len(s.Tokens) > MaxTokens+1 || len(s.Why) > maxWhy {
			t.Errorf("%s: %d words, %d sentences", name, len(s.Tokens), len(s.Why))
		}
		for _, w := range s.Why {
			if len(w) > 500 || strings.ContainsAny(w, "\x00\x1b\r\n") {
				t.Errorf("%s: sentence %q", name, w)
			}
		}
	}
}

// TestText: what people see is what is read.
func TestText(t *testing.T) {
	t.Parallel()
	for html, want := range map[string]string{
		"<p>V<b>i</b>a<!-- x -->gra</p>":              "viagra",
		"<td>one</td><td>two</td>":                    "one two",
		"<script>var x='evil'</script>seen":           "seen",
		"<style>p { color: red }</style>seen":         "seen",
		"caf&eacute; &#8203;bar":                      "café bar",
		"<title>title</title><body>text":              "title text",
		"soft&shy;hyphen":                             "softhyphen",
		"<img alt='no' src=x>yes":                     "yes",
		"<noscript>hidden</noscript>seen":             "seen",
		"<a href='https://a.example/'>label</a> next": "label next",
	} {
		c := content{markup: maxMarkup}
		c.strip(strings.NewReader(html))
		got, expect := newWordSet(), newWordSet()
		got.text(classText, c.text)
		expect.text(classText, []byte(want))
		if !slices.Equal(got.list, expect.list) {
			t.Errorf("%s is read as %q, want %q", html, c.text, want)
		}
	}
}

// TestWords cuts texts of several scripts.
func TestWords(t *testing.T) {
	t.Parallel()
	count := func(text string) int {
		w := newWordSet()
		w.text(classText, []byte(text))
		return len(w.list)
	}
	for text, want := range map[string]int{
		"one two two ONE":        2,
		"a an 12345 x1":          0,
		"$100 abc123":            2,
		"日本語":                    2,
		"日本 語":                   1,
		"Grüße GRÜSSE":           2,
		strings.Repeat("x", 200): 0,
		"สวัสดี":                 5,
		"don't":                  1,
		"\xff\xfe bad \xc3":      1,
	} {
		if got := count(text); got != want {
			t.Errorf("%q has %d words, want %d", text, got, want)
		}
	}
}

// TestHosts finds where links lead.
func TestHosts(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"http://WWW.Example.com/x":         "www.example.com",
		"https://user:pw@evil.example:81/": "evil.example",
		"//cdn.example.com":                "cdn.example.com",
		"http://bank.example\\@x.example/": "bank.example",
		"http://[2001:db8::1]/":            "",
		"http://bücher.example/":           "xn--bcher-kva.example",
		"mailto:a@example.com":             "",
		"javascript:alert(1)":              "",
		"http://":                          "",
		"http://localhost/":                "",
		"ftp://files.example.com.":         "files.example.com",
		"cid:part1@example.com":            "",
	} {
		c := content{}
		c.link(link)
		got := ""
		if len(c.hosts) > 0 {
			got = c.hosts[0]
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", link, got, want)
		}
	}
}

// TestBodyFails: an error of reading the body is the caller's to hear.
func TestBodyFails(t *testing.T) {
	t.Parallel()
	m := from(plain)
	m.Body = failing{}
	if _, err := filter(t, nil).Assess(t.Context(), m); err == nil {
		t.Error("a body that cannot be read has no error")
	}
}

type failing struct{}

func (failing) Open() (mail.BlobReader, error) { return failingReader{bodyReader{}}, nil }

type failingReader struct{ bodyReader }

func (failingReader) Size() int64                       { return 1000 }
func (failingReader) Read([]byte) (int, error)          { return 0, errors.New("the disk is gone") }
func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is gone") }

// TestRefusal refuses in the session from the score on that is configured.
func TestRefusal(t *testing.T) {
	t.Parallel()
	f := filter(t, func(c *Config) { c.Refuse = 10 })
	if err := f.Refusal(mail.Suspicion{Score: 9.9}); err != nil {
		t.Error(err)
	}
	err := f.Refusal(mail.Suspicion{Score: 10, Why: []string{"It is junk (+10.0)."}})
	if !mail.Is(err, mail.Denied) || !strings.Contains(err.Error(), "It is junk") || !strings.Contains(err.Error(), "docs/problems.md#lands-in-spam") {
		t.Error(err)
	}
	if err := filter(t, nil).Refusal(mail.Suspicion{Score: 1000}); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte("Content-Type: text/html\r\n\r\n<a href='http://a.example/'>www.b.example</a>"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-16\r\n\r\n\xff\xfe<\x00\r\n--b--"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := from(string(text))
		flt, err := New(Config{Clock: fixed(day)})
		if err != nil {
			t.Fatal(err)
		}
		a, err := flt.Assess(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		if b := tokensOf(t, string(text)); !slices.Equal(a.Tokens[:len(a.Tokens)-1], b) {
			t.Error("the words of a message change from one reading to the next")
		}
		if len(a.Tokens) > MaxTokens+1 || math.IsNaN(a.Score) {
			t.Errorf("%d words, score %v", len(a.Tokens), a.Score)
		}
	})
}

// big is a message of about 20 KB, as newsletters are.
func big() string {
	var b strings.Builder
	b.WriteString(strings.Replace(plain[:strings.Index(plain, "\r\n\r\n")], "Lunch", "News of the week", 1))
	b.WriteString("\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n")
	for i := range 150 {
		fmt.Fprintf(&b, "This is sentence %d of word%d and more of it.\r\n", i, i*7)
	}
	b.WriteString("\r\n--b\r\nContent-Type: text/html\r\n\r\n<html><body>\r\n")
	for i := range 150 {
		fmt.Fprintf(&b, "<p>This is <b>sentence</b> %d of <a href=\"https://www.site%d.example/p\">word%d</a></p>\r\n", i, i%20, i*7)
	}
	b.WriteString("</body></html>\r\n--b--\r\n")
	return b.String()
}

func BenchmarkAssess(b *testing.B) {
	f := filter(b, nil)
	text := big()
	m := from(text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Assess(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
