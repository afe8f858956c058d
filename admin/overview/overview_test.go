package overview_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/admin/overview"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/limits"
)

// store keeps notes in memory.
type store struct {
	mu    sync.Mutex
	notes map[[2]string]mail.Note
	fail  error
}

func newStore() *store { return &store{notes: map[[2]string]mail.Note{}} }

func (s *store) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return mail.Receipt{}, s.fail
	}
	for _, c := range set.Changes {
		switch c := c.(type) {
		case mail.PutNote:
			s.notes[[2]string{c.Note.Kind, c.Note.Key}] = c.Note
		case mail.RemoveNote:
			delete(s.notes, [2]string{c.Kind, c.Key})
		case mail.CountNote:
			n := s.notes[[2]string{c.Kind, c.Key}]
			s.notes[[2]string{c.Kind, c.Key}] = mail.Note{Kind: c.Kind, Key: c.Key, N: n.N + c.By, Expires: c.Expires}
		}
	}
	return mail.Receipt{}, nil
}

func (s *store) Note(_ context.Context, kind, key string) (mail.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.notes[[2]string{kind, key}]
	if !ok {
		return n, mail.Errorf(mail.NotFound, "no note")
	}
	return n, nil
}

func (s *store) Notes(_ context.Context, q mail.NoteQuery) (out []mail.Note, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(s.notes), func(a, b [2]string) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) })
	for _, k := range keys {
		if k[0] == q.Kind && strings.HasPrefix(k[1], q.Prefix) && k[1] > q.After && (q.Limit == 0 || len(out) < q.Limit) {
			out = append(out, s.notes[k])
		}
	}
	return out, nil
}

func (s *store) has(kind, key string) bool {
	_, err := s.Note(context.Background(), kind, key)
	return err == nil
}

// fixed is a clock that stands still.
type fixed time.Time

func (f fixed) Now() time.Time                     { return time.Time(f) }
func (fixed) After(time.Duration) <-chan time.Time { return nil }

var today = time.Date(2026, 11, 24, 23, 30, 0, 0, time.FixedZone("", -3600)) // 25 November, 00:30 UTC

// TestHeartbeat: nodes see one another, a lost one shows as lost, one that stops is gone, and mail is counted by day, once.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var mu sync.Mutex
		count := map[string]int64{"in": 3, "junk": 1, "unknown": 9}
		node := func(name string, volumes func() map[string]int64) *overview.Overview {
			return overview.New(overview.Config{Journal: s, Notes: s, Clock: mail.SystemClock{}, Self: overview.Self{Name: name, Hostname: "mx.test", Version: "1", Started: time.Now(),
				Serving: true, Volumes: volumes, Connections: func() map[string]int64 { return map[string]int64{"smtp": 2} },
				Listening: func() []overview.Listener {
					return []overview.Listener{{Service: "imaps", Address: "x:993"}, {Service: "smtp", Address: "x:25"}, {Service: "submission", Address: "x:587"}, {Service: "imap", Address: "x:143"}}
				}}})
		}
		a := node("a", func() map[string]int64 { mu.Lock(); defer mu.Unlock(); return maps.Clone(count) })
		b := node("b", nil)
		ctxA, stopA := context.WithCancel(context.Background())
		ctxB, stopB := context.WithCancel(context.Background())
		var runs sync.WaitGroup
		runs.Go(func() { a.Run(ctxA) })
		runs.Go(func() { b.Run(ctxB) })
		synctest.Wait()
		day := time.Now().UTC().Format("20060102")
		nodes, err := a.Nodes(t.Context())
		if err != nil || len(nodes) != 2 || !nodes[0].This || !nodes[0].Alive || nodes[1].This || !nodes[1].Alive || nodes[1].Name != "b" {
			t.Fatalf("%+v, %v", nodes, err)
		}
		if n := nodes[1]; !slices.Equal(n.Roles, []string{"maa", "msa", "mta"}) || n.Load.Goroutines == 0 || n.Load.Memory <= 0 || n.Load.CPUs == 0 || n.Load.Connections["smtp"] != 2 || len(n.Listening) != 4 {
			t.Errorf("%+v", n)
		}
		mu.Lock()
		count["in"] = 5
		mu.Unlock()
		s.mu.Lock()
		s.fail = errors.New("no disk") // this beat is lost; the next has its counts
		s.mu.Unlock()
		<-time.After(45 * time.Second) // the bubble's clock, not the machine's
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		<-time.After(30 * time.Second)
		synctest.Wait()
		if n, _ := s.Note(t.Context(), "volume", day+"/in"); n.N != 5 {
			t.Errorf("%d came in", n.N)
		}
		if n, _ := s.Note(t.Context(), "volume", day+"/junk"); n.N != 1 || s.has("volume", day+"/unknown") {
			t.Errorf("%d were junk", n.N)
		}
		// b dies: its note stays.
		s.mu.Lock()
		s.fail = errors.New("no disk")
		stopB()
		s.mu.Unlock()
		synctest.Wait()
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		<-time.After(2 * time.Minute)
		if nodes, err = a.Nodes(t.Context()); err != nil || len(nodes) != 2 || nodes[1].Alive {
			t.Errorf("a lost node: %+v, %v", nodes, err)
		}
		mu.Lock()
		count["in"] = 6
		mu.Unlock()
		stopA()
		runs.Wait()
		if n, _ := s.Note(context.Background(), "volume", day+"/in"); n.N != 6 || s.has("node", "a") || !s.has("node", "b") {
			t.Errorf("after the end %d were counted", n.N)
		}
	})
}

func TestNodeWithoutAName(t *testing.T) {
	t.Parallel()
	nodes, err := overview.New(overview.Config{Clock: fixed(today), Self: overview.Self{Hostname: "mx.test", Serving: true, Roles: []string{"mta"}}}).Nodes(t.Context())
	if err != nil || len(nodes) != 1 || nodes[0].Name == "" || nodes[0].Load.Uptime != 0 || !slices.Equal(nodes[0].Roles, []string{"mta"}) || nodes[0].Listening == nil {
		t.Errorf("%+v, %v", nodes, err)
	}
}

func TestOfOutcomes(t *testing.T) {
	t.Parallel()
	got := overview.OfOutcomes(map[string]int64{"delivered": 1, "relayed": 2, "bounced": 3, "rejected": 4, "accepted": 5})
	if diff := cmp.Diff(map[string]int64{"in": 1, "out": 2, "bounced": 3, "refused": 4}, got); diff != "" {
		t.Error(diff)
	}
}

func charts(t *testing.T, s *store, days int, reports map[string][]overview.Report) overview.Charts {
	t.Helper()
	o := overview.New(overview.Config{Journal: s, Notes: s, Clock: fixed(today)})
	c, err := o.Charts(t.Context(), days, func(_ context.Context, kind string, limit int) ([]overview.Report, error) {
		return reports[kind][:min(len(reports[kind]), limit)], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCharts(t *testing.T) {
	t.Parallel()
	s := newStore()
	for key, n := range map[string]int64{"20261121/in": 9, "20261122/in": 1, "20261125/in": 4, "20261124/junk": 2, "20261124/strange": 5, "20261125": 7, "20261126/in": 8} {
		s.notes[[2]string{"volume", key}] = mail.Note{Kind: "volume", Key: key, N: n}
	}
	begin := func(day int) time.Time { return time.Date(2026, 11, day, 1, 0, 0, 0, time.UTC) }
	c := charts(t, s, 4, map[string][]overview.Report{
		"dmarc": {
			{Organization: "one", Begin: begin(22), Passed: 5, Failed: 1, Details: []overview.ReportDetail{{Subject: "192.0.2.1", Count: 5, Result: "pass"}, {Subject: "192.0.2.2", Count: 1, Result: "fail"}}},
			{Organization: "two", Begin: begin(25), Passed: 2, Details: []overview.ReportDetail{{Subject: "192.0.2.1", Count: 2, Result: "pass"}}, Cut: true},
			{Organization: "old", Begin: begin(21), Passed: 100},
			{Organization: "future", Begin: begin(26), Passed: 100},
		},
		"tls": {{Organization: "one", Begin: begin(23), Failed: 3, Details: []overview.ReportDetail{{Count: 3, Result: "certificate-expired"}}}},
	})
	line := func(name, result string, counts ...int64) overview.ChartLine {
		l := overview.ChartLine{Name: name, Result: result, Counts: counts}
		for _, n := range counts {
			l.Total += n
		}
		return l
	}
	want := overview.Charts{
		Days: []string{"2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25"},
		DMARC: overview.ReportChart{Reports: 2, Passed: line("passed", "", 5, 0, 0, 2), Failed: line("failed", "", 1, 0, 0, 0), Cut: true,
			Sources: []overview.ChartLine{line("192.0.2.1", "pass", 5, 0, 0, 2), line("192.0.2.2", "fail", 1, 0, 0, 0)},
			Senders: []overview.ChartLine{line("one", "", 6, 0, 0, 0), line("two", "", 0, 0, 0, 2)}},
		TLS: overview.ReportChart{Reports: 1, Passed: line("passed", "", 0, 0, 0, 0), Failed: line("failed", "", 0, 3, 0, 0),
			Sources: []overview.ChartLine{line("", "certificate-expired", 0, 3, 0, 0)}, Senders: []overview.ChartLine{line("one", "", 0, 3, 0, 0)}},
		Volumes: []overview.ChartLine{line("in", "", 1, 0, 0, 4), line("out", "", 0, 0, 0, 0), line("bounced", "", 0, 0, 0, 0), line("refused", "", 0, 0, 0, 0), line("junk", "", 0, 0, 2, 0)},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if c := charts(t, s, 0, nil); len(c.Days) != 30 || c.Days[29] != "2026-11-25" || c.DMARC.Sources == nil {
		t.Errorf("%+v", c)
	}
	for _, days := range []int{-1, 401} {
		if _, err := overview.New(overview.Config{Clock: fixed(today)}).Charts(t.Context(), days, nil); !mail.Is(err, mail.Invalid) {
			t.Errorf("%d days: %v", days, err)
		}
	}
}

// TestChartsAreBounded: whatever strangers report, so many lines are told apart, and nothing is left out of the sums.
func TestChartsAreBounded(t *testing.T) {
	t.Parallel()
	var hostile []overview.Report
	for i := range 5000 {
		r := overview.Report{Organization: fmt.Sprint("org", i), Begin: today, Passed: 4}
		for j := range 4 {
			r.Details = append(r.Details, overview.ReportDetail{Subject: fmt.Sprint("host", i, "-", j), Count: 1, Result: fmt.Sprint("r", j)})
		}
		hostile = append(hostile, r)
	}
	c := charts(t, newStore(), 400, map[string][]overview.Report{"dmarc": hostile})
	if !c.DMARC.Cut || c.DMARC.Reports != 1000 || len(c.DMARC.Sources) != 21 || len(c.DMARC.Senders) != 21 {
		t.Fatalf("%d reports, %d sources, %d senders", c.DMARC.Reports, len(c.DMARC.Sources), len(c.DMARC.Senders))
	}
	var all int64
	for _, l := range c.DMARC.Sources {
		all += l.Total
	}
	if rest := c.DMARC.Sources[20]; !rest.Rest || rest.Name != "" || all != 4000 {
		t.Errorf("%+v, %d in all", rest, all)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := newStore()
	put := func(kind, key string, n int64) {
		s.notes[[2]string{kind, key}] = mail.Note{Kind: kind, Key: key, N: n}
	}
	put(limits.KindSent, "1/20261125", 9)
	put(limits.KindSent, "1/20261124", 10) // yesterday
	put(limits.KindSent, "2/20261125", 4)
	put(limits.KindSent, "3/20261125", 10) // removed
	put(limits.KindSent, "x/20261125", 10)
	put(limits.KindSentNew, "2/20261125", 3)
	for i := range 2500 { // of others, over several pages
		put(limits.KindSent, fmt.Sprintf("%d/20261125", 1000+i), 1)
	}
	accounts := []mail.Account{{ID: 1, Address: "ann@example.test", Quota: 100, Used: 50}, {ID: 2, Address: "bob@example.test", Quota: 100, Used: 49}, {ID: 4, Address: "carol@example.test", Used: 1 << 40}}
	o := overview.New(overview.Config{Journal: s, Notes: s, Clock: fixed(today)})
	set := overview.LimitSettings{AccountRecipientsPerDay: 10, AccountNewRecipientsPerDay: 5}
	got, err := o.Limits(t.Context(), set, accounts)
	want := overview.LimitReport{Set: set, Near: []overview.Near{
		{Address: "ann@example.test", What: overview.NearRecipients, Used: 9, Most: 10, Share: 0.9},
		{Address: "bob@example.test", What: overview.NearNewRecipients, Used: 3, Most: 5, Share: 0.6},
		{Address: "ann@example.test", What: overview.NearQuota, Used: 50, Most: 100, Share: 0.5}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err = o.Limits(t.Context(), overview.LimitSettings{}, nil); err != nil || len(got.Near) != 0 || got.Near == nil {
		t.Errorf("%+v, %v", got, err)
	}
	var many []mail.Account
	for i := range 300 {
		many = append(many, mail.Account{ID: mail.AccountID(i), Address: mail.Path(fmt.Sprint(i, "@x.test")), Quota: 10, Used: 10})
	}
	if got, err = o.Limits(t.Context(), overview.LimitSettings{}, many); err != nil || len(got.Near) != 100 || !got.Cut {
		t.Errorf("%d near, %v", len(got.Near), err)
	}
}

var _ overview.Certifier = (*tls.Keeper)(nil)

// keeper shows what it is told to.
type keeper struct {
	chains      [][]*x509.Certificate
	names       []tls.NameState
	development bool
}

func (k keeper) Chains() [][]*x509.Certificate { return k.chains }
func (k keeper) Names() []tls.NameState        { return k.names }
func (k keeper) Development() bool             { return k.development }

func chain(t *testing.T, until time.Time, names ...string) []*x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Authority"}, CommonName: "R1"}, NotBefore: until.AddDate(0, 0, -90), NotAfter: until, DNSNames: names,
		IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{leaf}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	until := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	o := overview.New(overview.Config{Clock: fixed(today)})
	got := o.Certificates(keeper{
		chains: [][]*x509.Certificate{chain(t, until, "file.test"), chain(t, until, "Acme.test"), chain(t, today.AddDate(0, 0, -1), "old.test"), nil},
		names:  []tls.NameState{{Name: "acme.test", Until: until, Trouble: "busy"}, {Name: "new.test", Trouble: "not in the DNS yet"}, {Name: "file.test", Until: until.Add(time.Hour)}},
	}).Certificates
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	if c := got[0]; c.Renewal != overview.RenewedByFile || c.Next != nil || c.Trouble != "" || c.Issuer != "Authority, R1" || !slices.Equal(c.Names, []string{"file.test", "192.0.2.1"}) || c.Expired {
		t.Errorf("%+v", c)
	}
	if c := got[1]; c.Renewal != overview.RenewedByACME || !c.Next.Equal(until.AddDate(0, 0, -30)) || c.Trouble != "busy" || !c.Until.Equal(until) {
		t.Errorf("%+v", c)
	}
	if !got[2].Expired {
		t.Errorf("%+v", got[2])
	}
	if c := got[3]; !slices.Equal(c.Names, []string{"new.test"}) || c.Until != nil || c.Trouble == "" || c.Renewal != overview.RenewedByACME {
		t.Errorf("%+v", c)
	}
	if got = o.Certificates(keeper{chains: [][]*x509.Certificate{chain(t, until, "localhost")}, development: true}).Certificates; got[0].Renewal != overview.RenewedByDevelopment {
		t.Errorf("%+v", got)
	}
}
