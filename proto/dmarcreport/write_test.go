package dmarcreport_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/dmarcreport"
)

// schema is RFC 9990 A: for each element its children, "!" in front of one that must be there, "*" behind one that may be there
// often; "sequence" first where the order counts. A list of words is what the text may be.
var schema = map[string]string{
	"feedback":                                         "sequence version !report_metadata !policy_published extension !record*",
	"feedback/version":                                 "=1.0",
	"feedback/report_metadata":                         "!org_name !email extra_contact_info !report_id !date_range error generator",
	"feedback/report_metadata/date_range":              "!begin !end",
	"feedback/policy_published":                        "!domain !p sp np adkim aspf discovery_method fo testing",
	"feedback/policy_published/p":                      "=none quarantine reject",
	"feedback/policy_published/sp":                     "=none quarantine reject",
	"feedback/policy_published/np":                     "=none quarantine reject",
	"feedback/policy_published/adkim":                  "=r s",
	"feedback/policy_published/aspf":                   "=r s",
	"feedback/policy_published/discovery_method":       "=psl treewalk",
	"feedback/policy_published/testing":                "=y n",
	"feedback/record":                                  "sequence !row !identifiers !auth_results",
	"feedback/record/row":                              "!source_ip !count !policy_evaluated",
	"feedback/record/row/policy_evaluated":             "sequence !disposition !dkim !spf reason*",
	"feedback/record/row/policy_evaluated/disposition": "=none pass quarantine reject",
	"feedback/record/row/policy_evaluated/dkim":        "=pass fail",
	"feedback/record/row/policy_evaluated/spf":         "=pass fail",
	"feedback/record/row/policy_evaluated/reason":      "!type comment",
	"feedback/record/row/policy_evaluated/reason/type": "=local_policy mailing_list other policy_test_mode trusted_forwarder",
	"feedback/record/identifiers":                      "!header_from envelope_from envelope_to",
	"feedback/record/auth_results":                     "sequence dkim* spf",
	"feedback/record/auth_results/dkim":                "!domain !selector !result human_result",
	"feedback/record/auth_results/dkim/result":         "=none pass fail policy neutral temperror permerror",
	"feedback/record/auth_results/spf":                 "!domain scope !result human_result",
	"feedback/record/auth_results/spf/scope":           "=mfrom",
	"feedback/record/auth_results/spf/result":          "=none pass fail softfail policy neutral temperror permerror",
}

// node is one element.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// validate checks an element against the schema.
func validate(n node, path string) error {
	rule, ok := schema[path]
	words, isText := strings.CutPrefix(rule, "=")
	switch {
	case n.XMLName.Space != dmarcreport.Namespace:
		return fmt.Errorf("%s is in namespace %q", path, n.XMLName.Space)
	case !ok || isText:
		if len(n.Nodes) > 0 || isText && !slices.Contains(strings.Fields(words), n.Text) {
			return fmt.Errorf("%s cannot have %q", path, n.Text)
		}
		return nil
	}
	rule, ordered := strings.CutPrefix(rule, "sequence ")
	position := -1
	count := map[string]int{}
	names := strings.Fields(strings.NewReplacer("!", "", "*", "").Replace(rule))
	for _, child := range n.Nodes {
		at := slices.Index(names, child.XMLName.Local)
		if at < 0 || ordered && at < position {
			return fmt.Errorf("%s cannot have %s here", path, child.XMLName.Local)
		}
		position = at
		count[child.XMLName.Local]++
		if err := validate(child, path+"/"+child.XMLName.Local); err != nil {
			return err
		}
	}
	for i, word := range strings.Fields(rule) {
		if n := count[names[i]]; n == 0 && word[0] == '!' || n > 1 && !strings.HasSuffix(word, "*") {
			return fmt.Errorf("%s has %d %s", path, n, names[i])
		}
	}
	return nil
}

func genReport(t *rapid.T, sound bool) (dmarcreport.Report, []dmarcreport.Row) {
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(strings.Fields(rapid.StringOfN(rapid.RuneFrom([]rune("abc <>&'\"]é\u2028-.")), 0, 12, -1).Draw(t, "text")), " ")
	})
	some := rapid.Custom(func(t *rapid.T) string { return "x" + text.Draw(t, "rest") })
	name := rapid.StringMatching(`[a-z]{1,5}(\.[a-z]{1,5}){0,2}`)
	pick := func(label string, words ...string) string {
		if !sound {
			words = append(words, "hardfail", "", "\x00<")
		}
		return rapid.SampledFrom(words).Draw(t, label)
	}
	if !sound {
		text = rapid.String()
		some = rapid.Custom(func(t *rapid.T) string { return "x" + text.Draw(t, "rest") })
	}
	r := dmarcreport.Report{Version: "1.0", Organization: some.Draw(t, "org"), Email: some.Draw(t, "email"), ExtraContact: text.Draw(t, "contact"), ID: some.Draw(t, "id"), Begin: time.Unix(rapid.Int64Range(1, 1<<35).Draw(t, "begin"), 0).UTC(), Generator: text.Draw(t, "generator"),
		Policy: dmarcreport.Published{Domain: name.Draw(t, "domain"), Discovery: pick("method", "", "psl", "treewalk"), P: pick("p", "none", "quarantine", "reject"), SP: pick("sp", "", "none", "reject"), NP: pick("np", "", "quarantine"), ADKIM: pick("adkim", "", "r", "s"), ASPF: pick("aspf", "", "r", "s"), FO: "0:d", Testing: pick("t", "", "y", "n")}}
	r.End = r.Begin.Add(24 * time.Hour)
	if e := text.Draw(t, "error"); e != "" {
		r.Errors = []string{e}
	}
	var rows []dmarcreport.Row
	for range rapid.IntRange(1, 3).Draw(t, "rows") {
		ip := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip4")))
		if rapid.Bool().Draw(t, "v6") {
			ip = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip6"))).Unmap()
		}
		row := dmarcreport.Row{Source: ip, Count: rapid.Int64Range(1, 1<<50).Draw(t, "count"), Disposition: pick("disposition", "none", "pass", "quarantine", "reject"), DKIM: pick("dkim", "pass", "fail"), SPF: pick("spf", "pass", "fail"), HeaderFrom: name.Draw(t, "from"), EnvelopeFrom: name.Draw(t, "mailfrom"), EnvelopeTo: name.Draw(t, "to")}
		for range rapid.IntRange(0, 2).Draw(t, "reasons") {
			row.Reasons = append(row.Reasons, dmarcreport.Reason{Type: pick("reason", "local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"), Comment: text.Draw(t, "comment")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "signatures") {
			row.Signatures = append(row.Signatures, dmarcreport.Signature{Domain: name.Draw(t, "d"), Selector: text.Draw(t, "s"), Result: pick("result", "none", "pass", "fail", "policy", "neutral", "temperror", "permerror"), Human: text.Draw(t, "human")})
		}
		if rapid.Bool().Draw(t, "spf?") {
			row.SPFResults = []dmarcreport.SPFResult{{Domain: name.Draw(t, "domain"), Scope: pick("scope", "", "mfrom"), Result: pick("spf", "none", "pass", "softfail", "temperror"), Human: text.Draw(t, "human")}}
		}
		rows = append(rows, row)
	}
	return r, rows
}

func write(t interface{ Fatal(...any) }, r dmarcreport.Report, rows []dmarcreport.Row, compressed bool) []byte {
	var b bytes.Buffer
	if err := r.Write(&b, slices.Values(rows), compressed); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is written is read as the same. RFC 9990 3.1.1.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want, wantRows := genReport(t, true)
		got, rows, skipped, err := read(bytes.NewReader(write(t, want, wantRows, rapid.Bool().Draw(t, "gzip"))), dmarcreport.Limits{})
		if err != nil || skipped > 0 {
			t.Fatalf("%d skipped, %v", skipped, err)
		}
		if diff := cmp.Diff(want, got) + cmp.Diff(wantRows, rows, compareIP); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Whatever a report holds, it is written as the schema wants it, and read again. RFC 9990 A, RFC 9990 3.1.1.1, RFC 9990 3.1.1.2.
func TestSchema(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, rows := genReport(t, rapid.Bool().Draw(t, "sound"))
		raw := write(t, r, rows, false)
		var root node
		if err := xml.Unmarshal(raw, &root); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if err := validate(root, "feedback"); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if _, got, skipped, err := read(bytes.NewReader(raw), dmarcreport.Limits{}); err != nil || skipped > 0 || len(got) != len(rows) {
			t.Fatalf("%s: %d rows, %d skipped, %v", raw, len(got), skipped, err)
		}
	})
	// The validator itself can fail.
	for _, text := range []string{`<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"/>`, strings.Replace(sample, "<p>quarantine</p>", "<p>x</p>", 1), strings.Replace(sample, "<email>r@example.org</email>", "", 1), sample} {
		var root node
		if err := xml.Unmarshal([]byte(text), &root); err != nil || validate(root, "feedback") == nil {
			t.Errorf("%.60s passes: %v", text, err) // the sample has an extension, which we never write
		}
	}
	r, rows := sampleReport()
	for name, change := range map[string]func(*dmarcreport.Report){
		"organization": func(r *dmarcreport.Report) { r.Organization = "" }, "email": func(r *dmarcreport.Report) { r.Email = "" }, "id": func(r *dmarcreport.Report) { r.ID = "" },
		"begin": func(r *dmarcreport.Report) { r.Begin = time.Time{} }, "end": func(r *dmarcreport.Report) { r.End = r.Begin.Add(-1) }, "domain": func(r *dmarcreport.Report) { r.Policy.Domain = "" },
	} {
		bad := r
		change(&bad)
		if err := bad.Write(io.Discard, slices.Values(rows), true); !errors.Is(err, dmarcreport.ErrIncomplete) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if err := r.Write(io.Discard, slices.Values([]dmarcreport.Row(nil)), false); !errors.Is(err, dmarcreport.ErrIncomplete) {
		t.Errorf("without rows: %v", err)
	}
}

// RFC 9990 3.1.1.9, RFC 9990 3.1.1.5, RFC 9990 3.1.3, RFC 9990 3.1.6.
func TestRowOf(t *testing.T) {
	t.Parallel()
	record, err := dmarc.Parse("v=DMARC1; p=reject; sp=quarantine; t=y; adkim=s; fo=1")
	if err != nil {
		t.Fatal(err)
	}
	want := dmarcreport.Published{Domain: "example.com", Discovery: "treewalk", P: "reject", SP: "quarantine", ADKIM: "s", ASPF: "r", FO: "1", Testing: "y"}
	if diff := cmp.Diff(want, dmarcreport.PublishedOf(dmarc.Verdict{PolicyDomain: "example.com", Record: record})); diff != "" {
		t.Error(diff)
	}
	pass := dmarc.Verdict{Result: dmarc.Pass, Author: "a.example.com", Organization: "example.com", Published: "reject", Wish: "none", AlignedDKIM: true, DKIMDomain: "example.com"}
	fail := dmarc.Verdict{Result: dmarc.Fail, Author: "a.example.com", Published: "reject", Wish: "reject"}
	monitored, tested := pass, fail
	monitored.Published = "none"
	tested.Wish, tested.Tested = "quarantine", true
	for name, tc := range map[string]struct {
		verdict     dmarc.Verdict
		message     dmarcreport.Message
		disposition string
		reasons     []dmarcreport.Reason
	}{
		"pass":                 {pass, dmarcreport.Message{Applied: "none"}, "pass", nil},
		"pass, monitored":      {monitored, dmarcreport.Message{Applied: "none"}, "none", nil},
		"pass, yet quarantine": {pass, dmarcreport.Message{Applied: "quarantine"}, "quarantine", []dmarcreport.Reason{{Type: "local_policy"}}},
		"reject":               {fail, dmarcreport.Message{Applied: "reject"}, "reject", nil},
		"a mailing list":       {fail, dmarcreport.Message{Applied: "none", Why: dmarcreport.Reason{Type: "mailing_list", Comment: "x"}}, "none", []dmarcreport.Reason{{Type: "mailing_list", Comment: "x"}}},
		"weaker":               {fail, dmarcreport.Message{Applied: "quarantine"}, "quarantine", []dmarcreport.Reason{{Type: "local_policy"}}},
		"testing":              {tested, dmarcreport.Message{Applied: "quarantine"}, "quarantine", []dmarcreport.Reason{{Type: "policy_test_mode"}}},
		"testing, weaker":      {tested, dmarcreport.Message{Applied: "none"}, "none", []dmarcreport.Reason{{Type: "policy_test_mode"}, {Type: "local_policy"}}},
	} {
		r := dmarcreport.RowOf(tc.verdict, tc.message)
		if diff := cmp.Diff(tc.reasons, r.Reasons); r.Disposition != tc.disposition || diff != "" || r.Count != 1 || r.HeaderFrom != "a.example.com" || (r.DKIM == "pass") != tc.verdict.AlignedDKIM || r.SPF != "fail" {
			t.Errorf("%s: %+v %s", name, r, diff)
		}
	}
	m := dmarcreport.Message{Source: netip.MustParseAddr("192.0.2.1"), SPF: dmarcreport.SPFResult{Domain: "x.example", Result: "pass"}, Signatures: []dmarcreport.Signature{{Domain: "z.example", Result: "fail"}, {Domain: "y.example", Result: "pass"}, {Domain: "b.example.com", Result: "pass"}, {Domain: "A.example.com", Result: "pass"}}}
	for i := range 200 {
		m.Signatures = append(m.Signatures, dmarcreport.Signature{Domain: fmt.Sprint(i), Result: "fail"})
	}
	r := dmarcreport.RowOf(pass, m)
	var domains []string
	for _, s := range r.Signatures[:4] {
		domains = append(domains, s.Domain)
	}
	if strings.Join(domains, " ") != "A.example.com b.example.com y.example z.example" || len(r.Signatures) != dmarcreport.MaxSignatures || r.SPFResults[0].Scope != "mfrom" {
		t.Errorf("signatures %q, %+v", domains, r.SPFResults)
	}
}

// Equal rows are one; a full tally says so. RFC 9990 3.1.1.7, RFC 9990 3.1.
func TestTally(t *testing.T) {
	t.Parallel()
	_, rows := sampleReport()
	var day dmarcreport.Tally
	other := rows[0]
	other.Reasons = []dmarcreport.Reason{{Type: "other", Comment: "b"}}
	other.Count = 1
	if !day.Add(rows[0]) || !day.Add(other) || !day.Add(rows[0]) || day.Len() != 2 {
		t.Fatalf("%d rows", day.Len())
	}
	if got := slices.Collect(day.Rows()); got[0].Count != 246 || got[1].Count != 1 {
		t.Errorf("%+v", got)
	}
	for i := 0; day.Len() < dmarcreport.MaxRows; i++ {
		day.Add(dmarcreport.Row{Source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Count: 1})
	}
	if day.Add(dmarcreport.Row{Count: 1}) || !day.Add(other) || day.Len() != dmarcreport.MaxRows {
		t.Error("a full tally takes more rows, or no more numbers")
	}
	begin, end := dmarcreport.Day(time.Date(2026, 11, 24, 3, 0, 0, 0, time.FixedZone("", 4*3600)))
	if begin != time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) || end.Sub(begin) != 24*time.Hour-time.Second {
		t.Errorf("%v to %v", begin, end)
	}
}

// RFC 9990 3.5.1, RFC 9990 3.5.2.
func TestNames(t *testing.T) {
	t.Parallel()
	r := dmarcreport.Report{Begin: time.Unix(1013662812, 0).UTC(), End: time.Unix(1013749130, 0).UTC(), Policy: dmarcreport.Published{Domain: "example.com"}}
	if got := dmarcreport.FileName(r, "mail.receiver.example", "", true); got != "mail.receiver.example!example.com!1013662812!1013749130.xml.gz" {
		t.Error(got)
	}
	if got := dmarcreport.FileName(r, "r.example", "a-1!/", false); got != "r.example!example.com!1013662812!1013749130!a1.xml" {
		t.Error(got)
	}
	for name, want := range map[string]dmarcreport.Name{
		"mail.receiver.example!example.com!1013662812!1013749130.xml.gz": {Receiver: "mail.receiver.example", Domain: "example.com", Begin: r.Begin, End: r.End, Extension: "xml.gz"},
		"R.example!b\u00fccher.example!1013662812!1013749130!x1.zip":     {Receiver: "r.example", Domain: "xn--bcher-kva.example", Begin: r.Begin, End: r.End, Unique: "x1", Extension: "zip"},
		"r.example!example.com!1013662812!1013749130.xml":                {Receiver: "r.example", Domain: "example.com", Begin: r.Begin, End: r.End, Extension: "xml"},
		"r.example!example.com!1013749130!1013662812.xml":                {},
		"r.example!example.com!x!1013662812.xml":                         {},
		"!example.com!1013662812!1013749130.xml":                         {},
		"r.example!example.com!1013662812.xml":                           {},
		"r.example!example.com!1013662812!1013749130!../x.xml":           {},
		"report.pdf": {}, "": {},
	} {
		got, ok := dmarcreport.ParseName(name)
		if ok != (want.Receiver != "") || ok && got != want {
			t.Errorf("%q: %+v, %v", name, got, ok)
		}
	}
	id := dmarcreport.ReportID("example.com", "r.example", r.Begin, "7")
	if id != "1013662812-example.com.7@r.example" {
		t.Error(id)
	}
	subject := dmarcreport.Subject("example.com", "r.example", id)
	if domain, submitter, again, ok := dmarcreport.ParseSubject(subject); subject != "Report Domain: example.com Submitter: r.example Report-ID: <"+id+">" || !ok || domain != "example.com" || submitter != "r.example" || again != id {
		t.Errorf("%q: %q, %q, %q, %v", subject, domain, submitter, again, ok)
	}
	for text, want := range map[string]bool{"Report domain: a.example\r\n  Submitter: b.example": true, "report DOMAIN: a.example submitter: b.example report-id: x": true, "Report domain: a submitter b": false, "Report Domain: a..b Submitter: c Report-ID: d": false, "": false} {
		if _, _, _, ok := dmarcreport.ParseSubject(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}

// RFC 9990 3.1.1, RFC 9990 8.1.
func FuzzRead(f *testing.F) {
	r, rows := sampleReport()
	f.Add([]byte(sample))
	f.Add(write(f, r, rows, true))
	f.Add(zipped(f, "r.xml", sample))
	f.Fuzz(func(t *testing.T, raw []byte) {
		lim := dmarcreport.Limits{Decoded: 1 << 20, Rows: 100}
		rep, rows, _, err := read(bytes.NewReader(raw), lim)
		if err != nil || len(rows) == 0 {
			return
		}
		rep.Organization, rep.Email, rep.ID = "x"+rep.Organization, "x"+rep.Email, "x"+rep.ID
		rep.Begin, rep.End = time.Unix(1, 0), time.Unix(2, 0)
		_, again, skipped, err := read(bytes.NewReader(write(t, rep, rows, false)), dmarcreport.Limits{})
		if err != nil || skipped > 0 || len(again) != len(rows) {
			t.Fatalf("%d rows became %d, %d skipped: %v", len(rows), len(again), skipped, err)
		}
	})
}

// RFC 9990 3.5.2.
func FuzzName(f *testing.F) {
	f.Add("mail.receiver.example!example.com!1013662812!1013749130!x1.xml.gz")
	f.Fuzz(func(t *testing.T, name string) {
		if n, ok := dmarcreport.ParseName(name); ok {
			if again, ok := dmarcreport.ParseName(n.String()); !ok || again != n {
				t.Fatalf("%q: %+v became %+v", name, n, again)
			}
		}
	})
}
