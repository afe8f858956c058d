package inbound_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/inbound"
	"github.com/postrider/postrider/mta/report"
	"github.com/postrider/postrider/service/judge"
	"github.com/postrider/postrider/testkit/dialog"
	"github.com/postrider/postrider/testkit/town"
)

// world is who may send for whom: good.example says 192.0.2.1 and wants the rest refused, soft.example wants it set aside.
const world = `
good.example. TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.good.example. TXT "v=DMARC1; p=reject; rua=mailto:d@good.example"
soft.example. TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.soft.example. TXT "v=DMARC1; p=quarantine"
plain.example. A 192.0.2.9
mx.good.example. A 192.0.2.1
1.2.0.192.in-addr.arpa. PTR mx.good.example.
`

// reports remembers what it was told.
type reports struct {
	mu   sync.Mutex
	rows []judge.Report
}

func (r *reports) Judged(j judge.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, j)
}

// judged is port 25 of a town that judges, for a client at an address.
func judged(t *testing.T, w *town.Town, ip string, r *reports) dialog.Runner {
	t.Helper()
	zone, err := dns.NewStatic(dns.StaticConfig{Zone: world})
	if err != nil {
		t.Fatal(err)
	}
	door := &inbound.Door{Intake: w.Intake, Resolver: w.People, Names: zone, Log: w.Log, Reports: r, Trusted: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		Reader: &report.Reader{Serves: w.People.Serves, Clock: mail.SystemClock{}},
		Judge: judge.New(judge.Config{Resolver: zone, Clock: mail.SystemClock{}, Hostname: town.Host, Within: 5 * time.Second,
			Policy: judge.Policy{HonourReject: true, JunkSPFFail: true}})}
	srv := smtpd.New(smtpd.Config{Hostname: town.Host}, door)
	return town.Door(func(ctx context.Context, c net.Conn) {
		srv.Serve(ctx, from{c, &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}})
	})
}

// TestJudged: what is proven is filed with our word on it, above our trace field (RFC 8601 5), and the trail says why it was believed.
func TestJudged(t *testing.T) {
	t.Parallel()
	w, r := town.New(t), &reports{}
	deliver(t, judged(t, w, "192.0.2.1", r), "kim@good.example", []string{"ann@one.example"}, "From: kim@good.example", "Subject: hello", "", "text")
	got := w.Mail(t, "ann@one.example", "INBOX")
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	field, trace := strings.Index(got[0], "Authentication-Results: "+town.Host+";"), strings.Index(got[0], "Received: from")
	if field < 0 || field > trace {
		t.Errorf("our word does not stand above the trace:\n%s", got[0])
	}
	for _, want := range []string{"spf=pass", "dmarc=pass", "iprev=pass", "(mx.good.example"} {
		if !strings.Contains(got[0], want) {
			t.Errorf("it lacks %s:\n%s", want, got[0])
		}
	}
	var said string
	for _, e := range w.Trail(t, "ann@one.example") {
		if e.Outcome == mail.Accepted {
			said = e.Reason
		}
	}
	if !strings.Contains(said, "SPF pass: ") || !strings.Contains(said, "Accept: ") {
		t.Errorf("the trail says %q", said)
	}
	if len(r.rows) != 1 || len(r.rows[0].Addresses) != 1 {
		t.Errorf("told for reports: %+v", r.rows)
	}
}

// TestRefused: what a domain's owner wants refused is refused in the session, with the reason, and counted for their report. RFC 9989 8, RFC 7372 3.4.
func TestRefused(t *testing.T) {
	t.Parallel()
	w, r := town.New(t), &reports{}
	judged(t, w, "203.0.113.5", r).Run(t, "refused", "S: /220 .*/\nC: EHLO liar.example\nS~ /250 .*/\nC: MAIL FROM:<kim@good.example>\nS: /250 .*/\n"+
		"C: RCPT TO:<ann@one.example>\nS: /250 .*/\nC: DATA\nS: /354 .*/\nC: From: kim@good.example\nC: \nC: buy\nC: .\nS: /550 5\\.7\\.26 .*good\\.example.*/\nC: QUIT\nS: /221 .*/\n")
	if got := w.Mail(t, "ann@one.example", "INBOX"); len(got) != 0 {
		t.Errorf("it was filed:\n%s", got[0])
	}
	if len(r.rows) != 1 {
		t.Errorf("told for reports: %+v", r.rows)
	}
}

// TestUnproven: mail for elsewhere whose sender failed authentication never sends a report back to them.
func TestUnproven(t *testing.T) {
	t.Parallel()
	for from, unproven := range map[string]bool{"kim@soft.example": true, "kim@plain.example": false} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			w := town.New(t)
			deliver(t, judged(t, w, "203.0.113.5", &reports{}), from, []string{"away@one.example"}, "From: "+from, "", "text")
			if q := w.Queue(t); len(q) != 1 || q[0].Unproven != unproven || q[0].Answerable() == unproven {
				t.Errorf("the queue holds %+v", q)
			}
		})
	}
}

// TestTrusted: a network that is trusted is not examined.
func TestTrusted(t *testing.T) {
	t.Parallel()
	w, r := town.New(t), &reports{}
	deliver(t, judged(t, w, "198.51.100.7", r), "kim@good.example", []string{"ann@one.example"}, "From: kim@good.example", "", "text")
	if got := w.Mail(t, "ann@one.example", "INBOX"); len(got) != 1 || strings.Contains(got[0], "Authentication-Results") || len(r.rows) != 0 {
		t.Errorf("it was examined: %q, %+v", got, r.rows)
	}
}

// TestReportsAreRead: a report about a domain of ours is kept by the commit that files the mail it came in, where its sender is proven.
func TestReportsAreRead(t *testing.T) {
	t.Parallel()
	const xml = "<feedback><report_metadata><org_name>good</org_name><email>e@good.example</email><report_id>1</report_id><date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>" +
		"<policy_published><domain>one.example</domain><p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>none</disposition>" +
		"<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>one.example</header_from></identifiers><auth_results/></record></feedback>"
	for ip, want := range map[string]int{"192.0.2.1": 1, "192.0.2.2": 0} {
		w := town.New(t)
		d := judged(t, w, ip, &reports{})
		from := map[int]string{1: "kim@good.example", 0: "kim@plain.example"}[want]
		deliver(t, d, from, []string{"ann@one.example"}, "From: "+from, "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "text", "--b",
			`Content-Type: application/xml; name="good.example!one.example!1!2.xml"`, "", xml, "--b--")
		notes, err := w.Store.Notes(t.Context(), mail.NoteQuery{Kind: "dmarc-report"})
		if err != nil || len(notes) != want {
			t.Errorf("from %s: %d reports, %v", from, len(notes), err)
		}
	}
}
