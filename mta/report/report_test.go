package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/report"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/dmarcreport"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/tlsrpt"
	"github.com/postrider/postrider/service/judge"
	"github.com/postrider/postrider/testkit/town"
)

// dayClock stands still until it is set.
type dayClock struct{ now time.Time }

func (c *dayClock) Now() time.Time                       { return c.now }
func (c *dayClock) After(time.Duration) <-chan time.Time { return nil }

const zone = `
good.example. TXT "v=spf1 -all"
_smtp._tls.good.example. TXT "v=TLSRPTv1; rua=mailto:tls@good.example"
good.example._report._dmarc.else.example. TXT "v=DMARC1"
`

// world is a town that counts, and the day after.
type world struct {
	*town.Town
	clock  *dayClock
	ledger *report.Ledger
	sender *report.Sender
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Town: town.New(t), clock: &dayClock{now: time.Now().UTC()}}
	names, err := dns.NewStatic(dns.StaticConfig{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	w.ledger = report.NewLedger(w.Store, w.Store, w.clock, nil)
	w.sender = report.NewSender(report.SenderConfig{Notes: w.Store, Journal: w.Store, Poster: w.Intake, Resolver: names, Clock: w.clock, DMARC: true, TLS: true,
		From: func(context.Context) (addr.Address, error) {
			return addr.Address{Local: "postmaster", Domain: town.Domain}, nil
		}})
	return w
}

func (w *world) judged(t *testing.T, ip, domain string, rua ...string) {
	t.Helper()
	var list []dmarc.URI
	for _, r := range rua {
		u, ok := dmarc.ParseURI(r)
		if !ok {
			t.Fatalf("%s is no URI", r)
		}
		list = append(list, u)
	}
	w.ledger.Judged(judge.Report{Published: dmarcreport.Published{Domain: domain, P: "reject", Discovery: "treewalk", Testing: "n"}, Addresses: list,
		Row: dmarcreport.Row{Source: netip.MustParseAddr(ip), Count: 1, Disposition: "none", DKIM: "pass", SPF: "fail", HeaderFrom: domain}})
}

// queued gives the one message that waits, whole.
func (w *world) queued(t *testing.T) (mail.Queued, string) {
	t.Helper()
	q := w.Queue(t)
	if len(q) != 1 {
		t.Fatalf("the queue has %d messages, want one", len(q))
	}
	return q[0], w.Read(t, q[0].Prefix, q[0].Blob)
}

// opened parses a message and gives what opens its octets.
func opened(t *testing.T, text string) (*message.Part, report.Section) {
	t.Helper()
	scanner := message.NewScanner(message.Limits{})
	if _, err := io.WriteString(scanner, text); err != nil {
		t.Fatal(err)
	}
	return scanner.Finish(), func(off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(strings.NewReader(text), off, n)), nil
	}
}

func reader(clock mail.Clock, domains ...string) *report.Reader {
	return &report.Reader{Clock: clock, Serves: func(_ context.Context, d string) (bool, error) {
		for _, own := range domains {
			if d == own {
				return true, nil
			}
		}
		return false, nil
	}}
}

// TestDMARC: a day's messages become one report, sent once the day is over, by one of two nodes, with nothing lost in between. What was sent
// is read by the other side. RFC 9990 3, RFC 9990 3.5.
func TestDMARC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.judged(t, "192.0.2.1", "good.example", "mailto:d@good.example", "mailto:x@foreign.example", "mailto:y@else.example")
	}
	w.ledger.Write(t.Context())
	w.judged(t, "192.0.2.1", "good.example", "mailto:d@good.example", "mailto:x@foreign.example", "mailto:y@else.example")
	w.judged(t, "2001:db8::1", "good.example", "mailto:d@good.example", "mailto:x@foreign.example", "mailto:y@else.example")
	w.judged(t, "192.0.2.1", "silent.example")
	w.ledger.Write(t.Context())
	if n, err := w.sender.Send(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d reports were sent before the day was over, %v", n, err)
	}
	begin := w.clock.now
	w.clock.now = begin.Add(24 * time.Hour)
	for _, want := range []int{1, 0} {
		if n, err := w.sender.Send(t.Context()); n != want || err != nil {
			t.Fatalf("%d reports, want %d, %v", n, want, err)
		}
	}
	q, text := w.queued(t)
	if !q.From.IsNull() || len(q.Recipients) != 2 || q.Recipients[0].Address != "d@good.example" || q.Recipients[1].Address != "y@else.example" {
		t.Errorf("it goes from %q to %+v", q.From, q.Recipients)
	}
	for _, want := range []string{"Subject: Report Domain: good.example Submitter: one.example", "From: postmaster@one.example", "Auto-Submitted: auto-generated", "one.example!good.example!"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	root, open := opened(t, text)
	changes, notes := reader(w.clock, "good.example").Read(t.Context(), root, open)
	if len(changes) != 1 || len(notes) != 1 || !strings.Contains(notes[0], "5 passed, 0 failed") {
		t.Fatalf("read as %+v, %q", changes, notes)
	}
	w.Do(t, changes...)
	w.Do(t, changes...) // sent again: the same report
	list, err := report.List(t.Context(), w.Store, "", "good.example", 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if r := list[0]; r.Kind != "dmarc" || r.Organization != "one.example" || r.Passed != 5 || len(r.Sources) != 2 || r.Sources[0].Messages != 4 || r.Policy != "p=reject" ||
		r.Begin.Format(time.DateOnly) != begin.Format(time.DateOnly) {
		t.Errorf("%+v", r)
	}
}

// TestTLS: RFC 8460 4, RFC 8460 5.3: sessions of a day are one report, which no TLS policy holds up.
func TestTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := tlsrpt.Policy{Type: tlsrpt.PolicySTS, Domain: "good.example", MX: []string{"*.good.example"}}
	w.ledger.Session("good.example", p, nil)
	w.ledger.Session("good.example", p, &tlsrpt.Failure{Type: tlsrpt.CertificateExpired, ReceivingMX: "mx.good.example"})
	w.ledger.Session("silent.example", tlsrpt.Policy{Type: tlsrpt.PolicyNone, Domain: "silent.example"}, nil)
	w.ledger.Write(t.Context())
	w.ledger.Session("good.example", p, &tlsrpt.Failure{Type: tlsrpt.CertificateExpired, ReceivingMX: "mx.good.example"})
	w.ledger.Write(t.Context())
	w.clock.now = w.clock.now.Add(24 * time.Hour)
	if n, err := w.sender.Send(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d reports, %v", n, err)
	}
	q, text := w.queued(t)
	if q.TLS != mail.TLSOptional || !strings.Contains(text, "TLS-Report-Domain: good.example") || !strings.Contains(text, "report-type=tlsrpt") {
		t.Errorf("%+v\n%s", q, text)
	}
	root, open := opened(t, text)
	changes, notes := reader(w.clock, "good.example").Read(t.Context(), root, open)
	if len(changes) != 1 || len(notes) != 1 {
		t.Fatalf("read as %+v, %q", changes, notes)
	}
	w.Do(t, changes...)
	list, err := report.List(t.Context(), w.Store, "tls", "", 0)
	if err != nil || len(list) != 1 || list[0].Passed != 1 || list[0].Failed != 2 || len(list[0].Failures) != 1 || list[0].Failures[0].Sessions != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestPutOff: what cannot be sent now keeps its counts; who must not be told takes them away.
func TestPutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.judged(t, "192.0.2.1", "good.example", "mailto:d@good.example")
	w.judged(t, "192.0.2.1", "shy.example", "mailto:d@foreign.example") // that host never agreed
	w.ledger.Write(t.Context())
	w.clock.now = w.clock.now.Add(24 * time.Hour)
	failing := *w.sender
	failing.Poster = failingPoster{}
	if n, err := failing.Send(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	notes, err := w.Store.Notes(t.Context(), mail.NoteQuery{Kind: "dmarc-day"})
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0].Key, "good.example") {
		t.Errorf("%+v, %v", notes, err)
	}
	if n, err := w.sender.Send(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

type failingPoster struct{}

func (failingPoster) Post(context.Context, mail.Envelope, func(io.Writer) error) (mail.Posting, error) {
	return mail.Posting{}, mail.Errorf(mail.Unavailable, "not now")
}

// TestFull: a day with more kinds of mail than a note holds goes on counting those it knows, and the report says that more came.
func TestFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, _ := dmarc.ParseURI("mailto:d@good.example")
	for i := range 8000 {
		w.ledger.Judged(judge.Report{Published: dmarcreport.Published{Domain: "good.example", P: "none"}, Addresses: []dmarc.URI{u},
			Row: dmarcreport.Row{Source: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Count: 1, DKIM: "fail", SPF: "fail", Disposition: "none",
				HeaderFrom: strings.Repeat("x", 50) + ".good.example"}})
	}
	w.ledger.Write(t.Context())
	notes, err := w.Store.Notes(t.Context(), mail.NoteQuery{Kind: "dmarc-day"})
	if err != nil || len(notes) != 1 || len(notes[0].Value) > mail.MaxNote || !bytes.Contains(notes[0].Value, []byte(`"Missed":`)) {
		t.Errorf("%d notes, %v", len(notes), err)
	}
}

// TestHostile: nothing that strangers attach is an error, or is kept unless it is a report on a domain of ours.
func TestHostile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attach := func(name, media, body string) string {
		return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: " + media + "; name=\"" + name + "\"\r\n\r\n" + body + "\r\n--b--\r\n"
	}
	name := "a.example!one.example!1!2.xml"
	bomb := "<?xml version=\"1.0\"?><feedback>" + strings.Repeat("<a>", 10_000)
	foreign := "<feedback><report_metadata><org_name>o</org_name><email>e@o.example</email><report_id>1</report_id><date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>" +
		"<policy_published><domain>foreign.example</domain><p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated><disposition>none</disposition>" +
		"<dkim>fail</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>foreign.example</header_from></identifiers><auth_results/></record></feedback>"
	for what, tt := range map[string]struct {
		text    string
		changes int
		said    bool
	}{
		"no report":          {attach("holiday.zip", "application/zip", "PK"), 0, false},
		"a broken one":       {attach(name, "text/xml", "<feedback>"), 0, true},
		"a bomb":             {attach(name, "text/xml", bomb), 0, true},
		"an entity":          {attach(name, "text/xml", `<!DOCTYPE x [<!ENTITY a "b">]><feedback>&a;</feedback>`), 0, true},
		"about others":       {attach(name, "text/xml", foreign), 0, false},
		"about us":           {attach(name, "text/xml", strings.ReplaceAll(foreign, "foreign.example", "one.example")), 1, true},
		"TLS, broken":        {attach("x", "application/tlsrpt+json", "{"), 0, true},
		"TLS without domain": {attach("x", "application/tlsrpt+json", `{"report-id":"1","policies":[{"policy":{}}]}`), 0, true},
	} {
		root, open := opened(t, tt.text)
		changes, notes := reader(w.clock, "one.example").Read(t.Context(), root, open)
		if len(changes) != tt.changes || len(notes) > 0 != tt.said {
			t.Errorf("%s: %+v, %q", what, changes, notes)
		}
	}
	// Many of them, and a reading that fails.
	var many strings.Builder
	many.WriteString("Content-Type: multipart/mixed; boundary=b\r\n\r\n")
	for range 50 {
		fmt.Fprintf(&many, "--b\r\nContent-Type: text/xml; name=%q\r\n\r\n<feedback>\r\n", name)
	}
	many.WriteString("--b--\r\n")
	root, open := opened(t, many.String())
	if _, notes := reader(w.clock, "one.example").Read(t.Context(), root, open); len(notes) > 4 {
		t.Errorf("%d attachments were read", len(notes))
	}
	if changes, _ := reader(w.clock, "one.example").Read(t.Context(), root, func(int64, int64) (io.ReadCloser, error) { return nil, errors.New("gone") }); len(changes) != 0 {
		t.Error("read what cannot be opened")
	}
}
