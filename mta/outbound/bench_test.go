package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/smtpc"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a transport in a small world: a zone, remotes by IP address, one message's body.
type bench struct {
	t       *testing.T
	config  Config
	remotes map[string]*remote // by IP address, or by host name for an override
	body    string
	prefix  string
	mu      sync.Mutex
	dialled []string
	tr      *Transport
}

func newBench(t *testing.T, zone string, remotes map[string]*remote) *bench {
	t.Helper()
	b := &bench{t: t, remotes: remotes, body: "Subject: hi\r\n\r\nhello\r\n.dot\r\n", prefix: "Received: by us\r\n"}
	static, err := dns.NewStatic(dns.StaticConfig{Zone: zone, Shuffle: func(int, func(int, int)) {}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range remotes {
		if r.addr == nil {
			r.start(t)
		}
	}
	dialer := &dns.Dialer{Resolver: static, Stagger: 5 * time.Second, Connect: b.connect, Overrides: map[string]string{}}
	for name, r := range remotes {
		if _, err := netip.ParseAddr(name); err != nil {
			dialer.Overrides[name] = r.addr.String()
		}
	}
	b.config = Config{Resolver: static, Dialer: dialer, Blobs: (*benchBlobs)(b), Hello: "us.example",
		Timeouts: Timeouts{Idle: time.Minute, Timeouts: waits(5 * time.Second)}}
	return b
}

// connect reaches a remote by the address the zone gave it, so that the transport sees that address.
func (b *bench) connect(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	b.mu.Lock()
	b.dialled = append(b.dialled, host)
	b.mu.Unlock()
	if r := b.remotes[host]; r != nil {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, r.addr.String())
		if err != nil {
			return nil, err
		}
		return &placed{Conn: c, at: &net.TCPAddr{IP: net.ParseIP(host), Port: 25}}, nil
	}
	for _, r := range b.remotes {
		if r.addr.String() == address {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}
	}
	return nil, fmt.Errorf("connection refused")
}

type placed struct {
	net.Conn
	at net.Addr
}

func (p *placed) RemoteAddr() net.Addr { return p.at }

func (b *bench) transport() *Transport {
	b.t.Helper()
	if b.tr == nil {
		var err error
		if b.tr, err = New(b.config); err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(b.tr.Close)
	}
	return b.tr
}

func waits(d time.Duration) smtpc.Timeouts {
	return smtpc.Timeouts{Greeting: d, Hello: d, Handshake: d, Mail: d, Rcpt: d, DataInit: d, DataBlock: d, DataEnd: d}
}

func (b *bench) job(to ...mail.Path) mail.Job {
	m := mail.Queued{ID: 1, Trace: "t1", From: "ann@here.example", Blob: 1, Prefix: []byte(b.prefix), Size: int64(len(b.prefix) + len(b.body))}
	for i, a := range to {
		m.Recipients = append(m.Recipients, mail.QueuedRecipient{N: i + 1, Address: a, Original: a, Route: a.Domain()})
	}
	return mail.Job{Route: to[0].Domain(), Message: m}
}

// attempt makes one attempt and tells each recipient's verdict: "bob: deferred 4.2.0 reason".
func (b *bench) attempt(to ...mail.Path) []string { return b.try(context.Background(), b.job(to...)) }

func (b *bench) try(ctx context.Context, job mail.Job) []string {
	b.t.Helper()
	verdicts := b.transport().Attempt(ctx, job)
	seen := map[int]mta.Verdict{}
	for _, v := range verdicts {
		if _, twice := seen[v.N]; twice {
			b.t.Errorf("two verdicts for recipient %d: %+v", v.N, verdicts)
		}
		seen[v.N] = v
	}
	var out []string
	for _, q := range job.Message.Recipients {
		v, ok := seen[q.N]
		if !ok {
			b.t.Errorf("no verdict for %s", q.Address)
			continue
		}
		local, _ := q.Address.Split()
		word := fmt.Sprintf("%s: %s %s %s", local, v.Outcome, v.Status, v.Reason)
		if v.Unspent {
			word += " UNSPENT"
		}
		if v.Unsure {
			word += " UNSURE"
		}
		out = append(out, word)
	}
	return out
}

// want compares verdicts with patterns, where "*" stands for anything.
func (b *bench) want(got []string, patterns ...string) {
	b.t.Helper()
	if len(got) != len(patterns) {
		b.t.Fatalf("got %d: %q", len(got), got)
	}
	for i, p := range patterns {
		if !matches(got[i], p) {
			b.t.Errorf("got  %s\nwant %s", got[i], p)
		}
	}
}

func matches(s, pattern string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for i, p := range parts[1:] {
		if i == len(parts)-2 {
			return strings.HasSuffix(s, p)
		}
		at := strings.Index(s, p)
		if at < 0 {
			return false
		}
		s = s[at+len(p):]
	}
	return s == ""
}

type benchBlobs bench

func (b *benchBlobs) Create(context.Context) (mail.BlobWriter, error) {
	return nil, mail.Errorf(mail.Unavailable, "nothing is written here")
}

func (b *benchBlobs) Open(_ context.Context, id mail.BlobID) (mail.BlobReader, error) {
	if id != 1 {
		return nil, mail.Errorf(mail.NotFound, "no such body")
	}
	return &benchBlob{strings.NewReader(b.body)}, nil
}

type benchBlob struct{ *strings.Reader }

func (b *benchBlob) Close() error { return nil }

var _ mail.BlobReader = (*benchBlob)(nil)
