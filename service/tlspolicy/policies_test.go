package tlspolicy

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/tls"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

const kept = "enforce mx.there.example"

// RFC 8461 3.3, RFC 8460 4.3.2.2: what counts as a policy that was fetched, and how everything else is called. A policy at hand counts
// on whatever the web server does, and what a hostile one does has an end.
func TestFetch(t *testing.T) {
	t.Parallel()
	reply := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if kind != "" {
				w.Header().Set("Content-Type", kind)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, c := range []struct {
		name  string
		serve http.HandlerFunc
		cert  certificate
		conn  func(net.Conn)
		want  string
	}{
		{name: "good", serve: text(enforced), want: kept},
		{name: "lines end with LF", serve: text(strings.ReplaceAll(enforced, "\r", "")), want: kept},
		{name: "testing", serve: text(strings.Replace(enforced, "enforce", "testing", 1)), want: "testing mx.there.example"},
		{name: "none", serve: text("version: STSv1\nmode: none\nmax_age: 86400\n"), want: "none "},
		{name: "TLS 1.2", serve: text(enforced), cert: certificate{maxServed: tls.VersionTLS12}, want: kept},
		{name: "another media type", serve: reply(200, "text/html", enforced), want: "none sts-policy-fetch-error"},
		{name: "no media type that reads", serve: reply(200, "text/plain; charset", enforced), want: "none sts-policy-fetch-error"},
		{name: "not found", serve: reply(404, "text/plain", enforced), want: "none sts-policy-fetch-error"},
		{name: "another 2xx", serve: reply(203, "text/plain", enforced), want: "none sts-policy-fetch-error"},
		{name: "broken", serve: reply(500, "text/plain", enforced), want: "none sts-policy-fetch-error"},
		{name: "no policy", serve: text("<html>hello</html>"), want: "none sts-policy-invalid"},
		{name: "empty", serve: text(""), want: "none sts-policy-invalid"},
		{name: "too large", serve: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, enforced); err != nil {
					return
				}
			}
		}, want: "none sts-policy-invalid"},
		{name: "packed", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, enforced)
			_ = z.Close()
		}, want: "none sts-policy-invalid"},
		{name: "redirected", serve: func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/.well-known/") {
				http.Redirect(w, r, "/other", http.StatusMovedPermanently)
				return
			}
			text(enforced)(w, r)
		}, want: "none sts-policy-fetch-error"},
		{name: "silent", serve: hang, want: "none sts-policy-fetch-error"},
		{name: "never done", serve: func(w http.ResponseWriter, r *http.Request) {
			text(enforced[:20])(w, r)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // returning would end the text as if it were whole
		}, want: "none sts-policy-fetch-error"},
		{name: "cut off", serve: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			text(enforced)(w, r)
		}, want: "none sts-policy-fetch-error"},
		{name: "endless header", serve: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
			text(enforced)(w, r)
		}, want: "none sts-policy-fetch-error"},
		{name: "wrong name", serve: text(enforced), cert: certificate{name: "there.example"}, want: "none sts-webpki-invalid"},
		{name: "expired", serve: text(enforced), cert: certificate{notAfter: clock.Start.Add(-time.Minute)}, want: "none sts-webpki-invalid"},
		{name: "nobody's certificate", serve: text(enforced), cert: certificate{stranger: true}, want: "none sts-webpki-invalid"},
		{name: "old TLS", serve: text(enforced), cert: certificate{maxServed: tls.VersionTLS11}, want: "none sts-policy-fetch-error"},
		{name: "no TLS", conn: func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\n") }, want: "none sts-policy-fetch-error"},
		{name: "hung up", conn: func(net.Conn) {}, want: "none sts-policy-fetch-error"},
		{name: "no handshake", conn: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, want: "none sts-policy-fetch-error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.cert)
			w.config.Within = time.Second
			w.web.take(c.conn)
			w.web.set(c.serve)
			w.want(w.open(), there, c.want)

			_, bad := strings.CutPrefix(c.want, "none sts-")
			if !bad {
				return
			}
			w = newWorld(t, certificate{})
			w.want(w.open(), there, kept)
			again := newWorld(t, c.cert) // the same domain's web server, later
			again.config.Within = time.Second
			again.web.take(c.conn)
			again.web.set(c.serve)
			again.notes.notes = w.notes.notes
			again.zone.set(there, "v=STSv1; id=2")
			again.want(again.open(), there, kept+strings.TrimPrefix(c.want, "none"))
		})
	}
}

// RFC 8461 3.1, RFC 8461 5.1: without a sound record there is no policy, and nobody's web server is asked; but one at hand counts on.
func TestRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		texts []string
	}{
		{"none", nil}, {"something else", []string{"v=spf1 -all"}}, {"two", []string{"v=STSv1; id=2", "v=STSv1; id=3"}},
		{"broken", []string{"v=STSv1; id=hä"}}, {"no answer", []string{"FAIL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, certificate{})
			w.want(w.open(), there, kept)
			w.zone.set(there, c.texts...)
			w.zone.set("other.example", c.texts...)
			p := w.open()
			w.want(p, "other.example", "none")
			w.want(p, there, kept)
			if hits := w.web.hits.Load(); hits != 1 {
				t.Errorf("%d fetches", hits)
			}
			w.clock.Advance(8 * 24 * time.Hour) // RFC 8461 3.2: beyond max_age
			w.want(p, there, "none")
		})
	}
}

// No domain, or an address literal, has a policy.
func TestNoDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	p := w.open()
	for _, domain := range []string{"", "[192.0.2.1]", "[ipv6:2001:db8::1]"} {
		w.want(p, domain, "none")
	}
	if w.zone.asked() != 0 {
		t.Error("the DNS was asked")
	}
}

// A message costs no query while the DNS's answer lasts, and no fetch while the policy is fresh.
func TestMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	p := w.open()
	for range 100 {
		w.want(p, there, kept)
		w.want(p, "other.example", "none")
	}
	if q, hits := w.zone.asked(), w.web.hits.Load(); q != 2 || hits != 1 {
		t.Errorf("%d queries, %d fetches", q, hits)
	}
	w.clock.Advance(6 * time.Minute)
	w.want(p, there, kept)
	if q, hits := w.zone.asked(), w.web.hits.Load(); q != 3 || hits != 1 {
		t.Errorf("later: %d queries, %d fetches", q, hits)
	}
	if w.notes.writes != 1 {
		t.Errorf("%d writes", w.notes.writes)
	}
}

// Other nodes, and the next start, know what one has fetched.
func TestShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	one, two := w.open(), w.open()
	w.want(one, there, kept)
	w.want(two, there, kept)
	if hits := w.web.hits.Load(); hits != 1 {
		t.Errorf("%d fetches", hits)
	}
	// A new policy that one node fetched is the other's without a fetch.
	w.zone.set(there, "v=STSv1; id=2")
	w.web.set(text(strings.Replace(enforced, "enforce", "testing", 1)))
	w.clock.Advance(6 * time.Minute)
	w.want(one, there, "testing mx.there.example")
	w.want(two, there, "testing mx.there.example")
	if hits := w.web.hits.Load(); hits != 2 {
		t.Errorf("%d fetches", hits)
	}
}

// RFC 8461 3.3: a policy is fetched anew before it expires, mail not waiting for it, and what fails changes nothing.
func TestRefreshBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	p := w.open()
	w.want(p, there, kept)
	go1 := make(chan struct{})
	w.web.set(func(rw http.ResponseWriter, r *http.Request) {
		<-go1
		text(strings.Replace(enforced, "mx.", "mx2.", 1))(rw, r)
	})
	w.clock.Advance(25 * time.Hour)
	w.want(p, there, kept)
	close(go1)
	settle(p)
	w.want(p, there, "enforce mx2.there.example")
	w.web.set(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) })
	for range 6 {
		w.clock.Advance(23 * time.Hour)
		_, _, _ = p.Policy(t.Context(), there)
		settle(p)
	}
	w.want(p, there, "enforce mx2.there.example sts-policy-fetch-error")
	w.clock.Advance(2 * 24 * time.Hour)
	w.want(p, there, "none sts-policy-fetch-error")
}

// RFC 8461 3.3: a fetch that failed is not made again at once, however much mail there is.
func TestFailureIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	w.web.set(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) })
	p := w.open()
	for range 50 {
		w.want(p, there, "none sts-policy-fetch-error")
	}
	if hits := w.web.hits.Load(); hits != 1 {
		t.Errorf("%d fetches", hits)
	}
	w.clock.Advance(5*time.Minute + time.Second)
	w.web.set(text(enforced))
	w.want(p, there, kept)
}

// However many messages come at once for a domain never met, it is looked up once.
func TestOneFetchAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	come, go1 := make(chan struct{}, 100), make(chan struct{})
	w.web.set(func(rw http.ResponseWriter, r *http.Request) {
		come <- struct{}{}
		<-go1
		text(enforced)(rw, r)
	})
	p := w.open()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { w.want(p, there, kept) })
	}
	<-come
	close(go1)
	all.Wait()
	if hits := w.web.hits.Load(); hits != 1 {
		t.Errorf("%d fetches", hits)
	}
}

// A message that does not wait any longer waits in the queue: it is not sent as if there were no policy. The fetch goes on, for the next one.
func TestMessageThatWaitsNoLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	come, go1 := make(chan struct{}, 1), make(chan struct{})
	w.web.set(func(rw http.ResponseWriter, r *http.Request) {
		come <- struct{}{}
		<-go1
		text(enforced)(rw, r)
	})
	p := w.open()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-come
		cancel()
	}()
	if _, _, err := p.Policy(ctx, there); !mail.Is(err, mail.Unavailable) {
		t.Errorf("got %v", err)
	}
	close(go1)
	settle(p)
	w.want(p, there, kept)
}

// Slow web servers of some do not make the policies of others be forgotten.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	w.config.Fetches, w.config.Within = 1, 500*time.Millisecond
	w.zone.set("other.example", "v=STSv1; id=1")
	come := make(chan struct{}, 1)
	w.web.set(func(_ http.ResponseWriter, r *http.Request) {
		come <- struct{}{}
		<-r.Context().Done()
	})
	p := w.open()
	p.turns <- struct{}{} // all are taken
	w.want(p, "other.example", "error unavailable")
	w.want(p, "third.example", "none") // has no record, so nothing is to be fetched
	<-p.turns
	w.want(p, "other.example", "none sts-policy-fetch-error")
	<-come
}

// What cannot be read is not as nothing; what reads as no policy is.
func TestNotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	w.notes.broken = true
	p := w.open()
	w.want(p, there, "error unavailable")
	w.notes.broken = false
	for _, value := range []string{"", "{", `{"id":"1"}`, `{"id":"1","mode":"enforce","max_age":1000,"fetched":"2026-03-01T12:00:00Z"}`, `{"id":"1","mode":"none","max_age":-5,"fetched":"2026-03-01T12:00:00Z"}`} {
		w.notes.notes["mta-sts/there.example"] = mail.Note{Kind: "mta-sts", Key: there, Value: []byte(value), Expires: w.clock.Now().Add(time.Hour)}
		w.want(w.open(), there, kept)
	}
	// A policy that cannot be kept counts all the same.
	w = newWorld(t, certificate{})
	w.web.set(func(rw http.ResponseWriter, r *http.Request) {
		w.notes.mu.Lock()
		w.notes.broken = true
		w.notes.mu.Unlock()
		text(enforced)(rw, r)
	})
	p = w.open()
	w.want(p, there, kept)
	w.want(p, there, kept)
}

// RFC 8461 10.2: policies are kept fresh without mail, of domains that got some lately.
func TestRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	w.web.set(text(strings.Replace(enforced, "604800", "31536000", 1)))
	p := w.open()
	w.want(p, there, kept)
	p.Refresh(t.Context())
	if hits := w.web.hits.Load(); hits != 1 {
		t.Errorf("fresh: %d fetches", hits)
	}
	for day := range 40 {
		w.clock.Advance(24*time.Hour + time.Minute)
		w.web.set(text(strings.Replace(strings.Replace(enforced, "604800", "31536000", 1), "mx.", "mx"+strconv.Itoa(day)+".", 1)))
		p.Refresh(t.Context())
	}
	if hits := w.web.hits.Load(); hits != 1+31-1 {
		t.Errorf("%d fetches in 40 days", hits)
	}
	// Mail makes it one of those again.
	w.want(p, there, "enforce mx29.there.example")
	settle(p)
	w.want(p, there, "enforce mx39.there.example")
	w.clock.Advance(25 * time.Hour)
	hits := w.web.hits.Load()
	p.Refresh(t.Context())
	if w.web.hits.Load() != hits+1 {
		t.Error("not refreshed")
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	p := w.open()
	w.want(p, there, kept)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	fetched := make(chan struct{}, 10)
	w.web.set(func(rw http.ResponseWriter, r *http.Request) {
		text(enforced)(rw, r)
		fetched <- struct{}{}
	})
	running.Go(func() { p.Run(ctx) })
	w.clock.Await(t, 1)
	w.clock.Advance(25 * time.Hour)
	<-fetched
	cancel()
	running.Wait()
}

// Whatever domains publish, memory has a bound; what is left out is in the notes.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := memory{limit: 20000}
	for i := range 1000 {
		m.put(&known{domain: "d" + strconv.Itoa(i) + ".example"})
		m.put(&known{domain: "d0.example", id: "x"})
	}
	if m.used > m.limit || len(m.domains) > 33 || m.recent.Len() != len(m.domains) || m.get("d0.example").id != "x" || m.get("d5.example") != nil {
		t.Errorf("%d octets, %d domains, %d in a row", m.used, len(m.domains), m.recent.Len())
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certificate{})
	p := w.open()
	w.want(p, there, kept)
	p.Close()
	w.want(p, there, kept)
	w.want(p, "other.example", "error unavailable")
	if _, err := New(Config{}); !mail.Is(err, mail.Invalid) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkKnown(b *testing.B) {
	p := &Policies{cfg: Config{Clock: mail.SystemClock{}}, memory: memory{limit: 1 << 20}}
	now := time.Now()
	p.memory.put(&known{domain: there, asked: now, till: now.Add(time.Hour)})
	b.ReportAllocs()
	for b.Loop() {
		if policy, _, err := p.Policy(b.Context(), there); policy != nil || err != nil {
			b.Fatal(policy, err)
		}
	}
}
