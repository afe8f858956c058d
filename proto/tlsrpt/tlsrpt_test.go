package tlsrpt_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// RFC 8460 3.
func TestParseRecord(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		texts []string
		want  string
		err   error
	}{
		"mail":                 {[]string{"v=TLSRPTv1;rua=mailto:reports@example.com"}, "mailto:reports@example.com", nil},
		"https":                {[]string{"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"}, "https://reporting.example.com/v1/tlsrpt", nil},
		"both":                 {[]string{"v=TLSRPTv1 ; rua=mailto:a@example.com , https://r.example/ ;"}, "mailto:a@example.com https://r.example/", nil},
		"extension":            {[]string{"v=TLSRPTv1; x=y; rua=mailto:a@example.com; z"}, "mailto:a@example.com", nil},
		"others are discarded": {[]string{"v=spf1 -all", "v=TLSRPTv2; rua=mailto:b@example.com", "v=TLSRPTv1;rua=mailto:a@example.com", "v=TLSRPTv1"}, "mailto:a@example.com", nil},
		"bad URIs":             {[]string{"v=TLSRPTv1; rua=a@example.com,http://x/,mailto:,https:,https://u:p@x/,mailto:a@example.com"}, "mailto:a@example.com", nil},
		"two":                  {[]string{"v=TLSRPTv1;rua=mailto:a@example.com", "v=TLSRPTv1;rua=mailto:a@example.com"}, "", tlsrpt.ErrManyRecords},
		"none":                 {nil, "", tlsrpt.ErrNoRecord},
		"case":                 {[]string{"V=TLSRPTv1;rua=mailto:a@example.com"}, "", tlsrpt.ErrNoRecord},
		"no rua":               {[]string{"v=TLSRPTv1;"}, "", tlsrpt.ErrBadRecord},
		"the first rua counts": {[]string{"v=TLSRPTv1;rua=x;rua=mailto:a@example.com"}, "", tlsrpt.ErrBadRecord},
		"endless":              {[]string{"v=TLSRPTv1;rua=mailto:a@example.com" + strings.Repeat(" ", 9000)}, "", tlsrpt.ErrNoRecord},
	} {
		list, err := tlsrpt.ParseRecord(tc.texts)
		var got []string
		for _, u := range list {
			got = append(got, u.Text)
			if u.HTTPS() != strings.HasPrefix(u.Text, "https:") {
				t.Errorf("%s: %+v", name, u)
			}
		}
		if !errors.Is(err, tc.err) || strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	text, err := tlsrpt.FormatRecord("mailto:a@example.com", "https://r.example/x")
	if list, again := tlsrpt.ParseRecord([]string{text}); err != nil || again != nil || len(list) != 2 || list[0].Mailbox != (addr.Address{Local: "a", Domain: "example.com"}) {
		t.Errorf("%q: %+v, %v, %v", text, list, err, again)
	}
	for _, bad := range [][]string{{}, {"a@example.com"}, {"mailto:a@example.com", "mailto:a,b@x"}} {
		if text, err := tlsrpt.FormatRecord(bad...); err == nil {
			t.Errorf("%q became %q", bad, text)
		}
	}
	if got := tlsrpt.Name("example.com"); got != "_smtp._tls.example.com" {
		t.Error(got)
	}
}

var sample = tlsrpt.Report{
	Organization: "Company-X", Contact: "sts-reporting@company-x.example", ID: "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
	Begin: time.Date(2016, 4, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2016, 4, 1, 23, 59, 59, 0, time.UTC),
	Policies: []tlsrpt.PolicyResult{{
		Policy:     tlsrpt.Policy{Type: tlsrpt.PolicySTS, String: []string{"version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"}, Domain: "company-y.example", MX: []string{"*.mail.company-y.example"}},
		Successful: 5326, Failed: 303,
		Failures: []tlsrpt.Failure{
			{Type: tlsrpt.CertificateExpired, SendingIP: "2001:db8:abcd:0012::1", ReceivingMX: "mx1.mail.company-y.example", Sessions: 100},
			{Type: tlsrpt.STARTTLSNotSupported, SendingIP: "2001:db8:abcd:0013::1", ReceivingMX: "mx2.mail.company-y.example", ReceivingIP: "203.0.113.56", Sessions: 200, Information: "https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported"},
			{Type: tlsrpt.ValidationFailure, SendingIP: "198.51.100.62", ReceivingIP: "203.0.113.58", ReceivingMX: "mx-backup.mail.company-y.example", Sessions: 3, ReasonCode: "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"},
		},
	}},
}

// The example of RFC 8460 B and reports from the wild.
func TestReadOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "data", "tlsrpt")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the shared test data is absent: ", err)
	}
	read := func(name string) tlsrpt.Report {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := tlsrpt.Read(f, tlsrpt.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return r
	}
	if diff := cmp.Diff(sample, read("rfc8460.json")); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"mail.ru.json", "smtp_tls.json"} {
		if r := read(name); len(r.Policies) == 0 || r.Policies[0].Policy.Domain == "" || r.Begin.IsZero() {
			t.Errorf("%s: %+v", name, r)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "google.com_smtp_tls_report.eml"))
	if err != nil {
		t.Fatal(err)
	}
	head, _ := message.ParseHeader(raw)
	if domain, submitter, ok := tlsrpt.IsReport(&head); !ok || domain != "cardinalhealth.ca" || submitter != "google.com" {
		t.Errorf("the mail: %q, %q, %v", domain, submitter, ok)
	}
	s := message.NewScanner(message.Limits{})
	if _, err := s.Write(raw); err != nil {
		t.Fatal(err)
	}
	found := false
	s.Finish().Walk(func(p *message.Part) bool {
		if p.MediaType+"/"+p.Subtype == tlsrpt.MediaGzip {
			found = true
			r, err := tlsrpt.Read(message.DecodeTransfer("base64", bytes.NewReader(raw[p.BodyOffset:p.End])), tlsrpt.Limits{})
			if err != nil || r.Organization != "Google Inc." || len(r.Policies) == 0 {
				t.Errorf("the attachment: %+v, %v", r, err)
			}
		}
		return true
	})
	if !found {
		t.Error("the report has no attachment")
	}
}

const minimal = `{"organization-name":"x","date-range":{"start-datetime":"2026-11-24T00:00:00Z","end-datetime":"2026-11-24T23:59:59Z"},"contact-info":"","report-id":"1","policies":[%s]}`

// What others write differently, and what is no report. RFC 8460 4.4.
func TestReadOddities(t *testing.T) {
	t.Parallel()
	const policy = `{"policy":{"policy-type":"sts","policy-string":%s,"policy-domain":"a.example","mx-host":%s},"summary":{"total-successful-session-count":%s,"total-failure-session-count":0},"failure-details":%s}`
	one := func(str, mx, count, failures string) string {
		return fmt.Sprintf(minimal, fmt.Sprintf(policy, str, mx, count, failures))
	}
	for text, want := range map[string]error{
		one(`"x"`, `"mx"`, "1", "[]"):               nil,
		one(`["x"]`, `["mx","my"]`, "1", "null"):    nil,
		one(`null`, `null`, "-5", "[{}]"):           nil,
		"\xef\xbb\xbf" + one(`[]`, `[]`, "1", "[]"): nil,
		one(`[1]`, `[]`, "1", "[]"):                 tlsrpt.ErrNotReport,
		one(`[]`, `[]`, `"1"`, "[]"):                tlsrpt.ErrNotReport,
		one(`[]`, `[]`, "1", "{}"):                  tlsrpt.ErrNotReport,
		fmt.Sprintf(minimal, ""):                    tlsrpt.ErrNotReport,
		"":                                          tlsrpt.ErrNotReport,
		"[]":                                        tlsrpt.ErrNotReport,
		"{":                                         tlsrpt.ErrNotReport,
		"\x1f\x8b":                                  tlsrpt.ErrNotReport,
		"\x1f\x8bxxxxxxxxxxxxxxxx":                  tlsrpt.ErrNotReport,
		strings.Repeat("[", 1<<20):                  tlsrpt.ErrNotReport,
		`{"policies":` + strings.Repeat("[", 1<<20):                                                        tlsrpt.ErrNotReport,
		fmt.Sprintf(minimal, strings.TrimSuffix(strings.Repeat("{},", tlsrpt.MaxPolicies+1), ",")):         tlsrpt.ErrTooLarge,
		one(`[]`, `[]`, "1", "["+strings.TrimSuffix(strings.Repeat("{},", tlsrpt.MaxFailures+1), ",")+"]"): tlsrpt.ErrTooLarge,
		one("["+strings.TrimSuffix(strings.Repeat(`"",`, tlsrpt.MaxTexts+1), ",")+"]", `[]`, "1", "[]"):    tlsrpt.ErrTooLarge,
	} {
		r, err := tlsrpt.Read(strings.NewReader(text), tlsrpt.Limits{})
		if !errors.Is(err, want) || err == nil && (len(r.Policies) != 1 || r.Policies[0].Successful < 0) {
			t.Errorf("%.80q: %+v, %v, want %v", text, r, err, want)
		}
	}
	if _, err := tlsrpt.Read(iotest.ErrReader(io.ErrClosedPipe), tlsrpt.Limits{}); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, tlsrpt.ErrNotReport) {
		t.Errorf("the error of the reader is lost: %v", err)
	}
}

// A gzip of zeros, and of one endless string, cost no more than the limit. RFC 8460 5.2.
func TestReadBombs(t *testing.T) { // not in parallel: it measures what is allocated
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	block := bytes.Repeat([]byte{' '}, 1<<20)
	for range 24 {
		if _, err := z.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, lim := range map[string]tlsrpt.Limits{"decoded": {Decoded: 1 << 20}, "encoded": {Encoded: 1000}, "defaults": {}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := tlsrpt.Read(bytes.NewReader(bomb.Bytes()), lim)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, tlsrpt.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if lim.Decoded > 0 && after.TotalAlloc-before.TotalAlloc > 10<<20 {
			t.Errorf("%s: %d octets were allocated", name, after.TotalAlloc-before.TotalAlloc)
		}
	}
	if _, err := tlsrpt.Read(strings.NewReader(strings.Repeat("x", 5<<20)), tlsrpt.Limits{}); !errors.Is(err, tlsrpt.ErrTooLarge) {
		t.Errorf("plain: %v", err)
	}
}

func genReport(t *rapid.T) tlsrpt.Report {
	text := rapid.StringN(0, 20, -1)
	list := func(name string) []string {
		if all := rapid.SliceOfN(text, 0, 3).Draw(t, name); len(all) > 0 {
			return all
		}
		return nil
	}
	count := rapid.Int64Range(0, 1<<40)
	begin := time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "begin"), 0).UTC()
	r := tlsrpt.Report{Organization: "o" + text.Draw(t, "o"), Contact: text.Draw(t, "c"), ID: "i" + text.Draw(t, "i"), Begin: begin, End: begin.Add(24 * time.Hour)}
	for range rapid.IntRange(1, 3).Draw(t, "policies") {
		p := tlsrpt.PolicyResult{Policy: tlsrpt.Policy{Type: rapid.SampledFrom([]tlsrpt.PolicyType{tlsrpt.PolicySTS, tlsrpt.PolicyTLSA, tlsrpt.PolicyNone}).Draw(t, "type"), String: list("string"), Domain: text.Draw(t, "domain"), MX: list("mx")}, Successful: count.Draw(t, "ok"), Failed: count.Draw(t, "fail")}
		for range rapid.IntRange(0, 3).Draw(t, "failures") {
			p.Failures = append(p.Failures, tlsrpt.Failure{Type: tlsrpt.TLSAInvalid, SendingIP: text.Draw(t, "ip"), ReceivingMX: text.Draw(t, "rmx"), ReceivingEHL: text.Draw(t, "helo"), ReceivingIP: text.Draw(t, "rip"), Sessions: count.Draw(t, "n"), Information: text.Draw(t, "info"), ReasonCode: text.Draw(t, "code")})
		}
		r.Policies = append(r.Policies, p)
	}
	return r
}

// What is written is read as the same. RFC 8460 4.4, RFC 8460 5.2.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := genReport(t)
		var b bytes.Buffer
		if err := want.Write(&b, rapid.Bool().Draw(t, "gzip")); err != nil {
			t.Fatal(err)
		}
		got, err := tlsrpt.Read(bufio.NewReader(&b), tlsrpt.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
	for _, bad := range []tlsrpt.Report{{}, {ID: "1", Organization: "x", Begin: sample.End, End: sample.Begin, Policies: sample.Policies}} {
		if err := bad.Write(io.Discard, false); !errors.Is(err, tlsrpt.ErrIncomplete) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// Sessions are counted, equal failures joined, and a stored day taken up again. RFC 8460 4.1, RFC 8460 4.2, RFC 8460 4.2.1, RFC 8460 4.2.2.
func TestTally(t *testing.T) {
	t.Parallel()
	begin, end := tlsrpt.Day(time.Date(2026, 11, 24, 3, 0, 0, 0, time.FixedZone("", 4*3600)))
	if begin != time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) || end != time.Date(2026, 11, 23, 23, 59, 59, 0, time.UTC) {
		t.Errorf("%v to %v", begin, end)
	}
	sts, none := tlsrpt.Policy{Type: tlsrpt.PolicySTS, Domain: "a.example", String: []string{"x"}}, tlsrpt.Policy{Type: tlsrpt.PolicyNone, Domain: "a.example"}
	bad := tlsrpt.Failure{Type: tlsrpt.CertificateExpired, ReceivingMX: "mx"}
	var day tlsrpt.Tally
	if !day.Empty() {
		t.Error("a new tally is not empty")
	}
	day.Success(sts)
	day.Fail(sts, bad)
	stored := day.Report(tlsrpt.Report{Organization: "us", ID: "1", Begin: begin, End: end})
	var again tlsrpt.Tally
	again.Merge(stored)
	again.Fail(sts, bad)
	again.Fail(sts, tlsrpt.Failure{Type: tlsrpt.CertificateExpired, ReceivingMX: "my", Sessions: 4, ReasonCode: strings.Repeat("x", 1000)})
	again.Success(none)
	want := []tlsrpt.PolicyResult{
		{Policy: sts, Successful: 1, Failed: 6, Failures: []tlsrpt.Failure{{Type: tlsrpt.CertificateExpired, ReceivingMX: "mx", Sessions: 2}, {Type: tlsrpt.CertificateExpired, ReceivingMX: "my", Sessions: 4, ReasonCode: strings.Repeat("x", 300)}}},
		{Policy: none, Successful: 1},
	}
	if diff := cmp.Diff(want, again.Report(stored).Policies); diff != "" {
		t.Error(diff)
	}
	if stored.Policies[0].Failures[0].Sessions != 1 {
		t.Error("a report changed after it was made")
	}
	for i := range tlsrpt.MaxPolicies + 5 {
		again.Success(tlsrpt.Policy{Domain: fmt.Sprint(i)})
	}
	for i := range tlsrpt.MaxFailures + 5 {
		again.Fail(sts, tlsrpt.Failure{ReasonCode: fmt.Sprint(i)})
	}
	full := again.Report(stored)
	if err := full.Write(io.Discard, true); err != nil || full.Policies[0].Failed != int64(6+tlsrpt.MaxFailures+5) || len(full.Policies[0].Failures) != tlsrpt.MaxFailures || len(full.Policies) != tlsrpt.MaxPolicies {
		t.Errorf("a full tally: %v, %d failed", err, full.Policies[0].Failed)
	}
}

// The pieces of the mail. RFC 8460 5.1, RFC 8460 5.3.
func TestMail(t *testing.T) {
	t.Parallel()
	if got := tlsrpt.FileName(sample, "mail.sndr.example.com", "rcpt.example.net", "a-1!", true); got != "mail.sndr.example.com!rcpt.example.net!1459468800!1459555199!a1.json.gz" {
		t.Error(got)
	}
	if got := tlsrpt.FileName(sample, "s.example", "d.example", "", false); got != "s.example!d.example!1459468800!1459555199.json" {
		t.Error(got)
	}
	h := tlsrpt.MailFields("d.example", "s.example", "<735ff.e317+bf22029@mailer.example>")
	want := "Subject: Report Domain: d.example Submitter: s.example Report-ID:\r\n <735ff.e317+bf22029@mailer.example>\r\nTLS-Report-Domain: d.example\r\nTLS-Report-Submitter: s.example\r\n"
	if got := string(h.Bytes()); got != want {
		t.Errorf("%q", got)
	}
	h.Append("Content-Type", `multipart/report; report-type="TLSRPT"; boundary=x`)
	if d, s, ok := tlsrpt.IsReport(&h); !ok || d != "d.example" || s != "s.example" {
		t.Errorf("%q, %q, %v", d, s, ok)
	}
	h.Set("Content-Type", "multipart/report; report-type=delivery-status")
	if _, _, ok := tlsrpt.IsReport(&h); ok {
		t.Error("a delivery report is taken for a TLS report")
	}
}

// RFC 8460 4.4.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := sample.Write(&b, false); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := tlsrpt.Read(bytes.NewReader(raw), tlsrpt.Limits{Decoded: 1 << 20})
		if err != nil {
			return
		}
		var day tlsrpt.Tally
		day.Merge(r)
		if len(day.Report(r).Policies) > tlsrpt.MaxPolicies {
			t.Fatal("more policies than the bound")
		}
		r.Organization, r.Begin, r.End = "x", sample.Begin, sample.End
		if err := r.Write(io.Discard, true); err != nil {
			t.Fatal(err)
		}
	})
}

// RFC 8460 3.
func FuzzRecord(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:a@example.com,https://x.example/y")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := tlsrpt.ParseRecord([]string{text})
		if err != nil {
			return
		}
		texts := make([]string, len(list))
		for i, u := range list {
			texts[i] = u.Text
		}
		if _, err := tlsrpt.FormatRecord(texts...); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
