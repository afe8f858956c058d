package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/testkit/fakedns"
)

const short = 400 * time.Millisecond

func hasty(cfg *Config) { cfg.Deadline = short }

// bounded looks at everything and fails when that takes more than a few deadlines, or a memory that depends on what others send.
func bounded(t *testing.T, c *clinic) Report {
	t.Helper()
	d := c.doctor()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	r, err := d.Examine(context.Background(), domain, nil)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := time.Since(begun); took > 3*d.cfg.Deadline+30*time.Second { // checks run side by side; the machine may be slow
		t.Errorf("it took %s", took)
	}
	if grown := int64(after.TotalAlloc) - int64(before.TotalAlloc); grown > 256<<20 {
		t.Errorf("it took %d octets", grown)
	}
	wellFormed(t, r)
	return r
}

func faultsOf(r Report, check string) (n int) {
	for _, f := range r.Findings {
		if f.Check == check && f.Level == Fault {
			n++
		}
	}
	return n
}

// A name server that never answers costs one deadline, and is the only fault: what could not be told is noted.
func TestSilentDNS(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.dns.Resolver = dead{}
	c.facts.Ports = nil // which answer, but on a slow machine not within so short a deadline
	c.config = hasty
	r := bounded(t, c)
	for _, f := range r.Findings {
		if f.Level == Fault && f.Check != "resolver" {
			t.Errorf("a fault without an answer: %s", f.Text)
		}
	}
	if faultsOf(r, "resolver") != 1 {
		t.Errorf("the resolver is not found out:\n%s", show(r, Note))
	}
}

// The same over the wire, with a socket that takes questions and gives nothing.
func TestSilentNameServer(t *testing.T) {
	t.Parallel()
	hole, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	client := dns.New(dns.Config{Servers: []netip.AddrPort{netip.MustParseAddrPort(hole.LocalAddr().String())}, Timeout: 100 * time.Millisecond, Rounds: 1})
	defer client.Close()
	c := newClinic(t)
	c.dns.Resolver = client
	c.config = func(cfg *Config) { cfg.Deadline = 2 * time.Second }
	if r := bounded(t, c); faultsOf(r, "resolver") != 1 || faultsOf(r, "spf") != 0 {
		t.Errorf("\n%s", show(r, Note))
	}
}

// Servers that say nothing, too much, or go on for ever.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	endless := func(piece string) func(net.Conn) {
		return func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, piece); err != nil {
					return
				}
			}
		}
	}
	for name, with := range map[string]func(net.Conn){
		"silence":       func(conn net.Conn) { io.Copy(io.Discard, conn) },
		"endless line":  endless(strings.Repeat("2", 8<<10)),
		"endless reply": endless("220-" + strings.Repeat("x", 400) + "\r\n"),
		"endless zeros": endless("\x00\x00\x00\x00"),
		"hangs up":      func(conn net.Conn) {},
		"garbage": func(conn net.Conn) {
			conn.Write([]byte{0x16, 3, 1, 255, 255, 0, 13, 10, 1, 2, 3})
			io.Copy(io.Discard, conn)
		},
		"drip":           func(conn net.Conn) { fmt.Fprint(conn, "220-a\r\n"); io.Copy(io.Discard, conn) },
		"silent EHLO":    func(conn net.Conn) { fmt.Fprint(conn, "220 mail.example.test\r\n"); io.Copy(io.Discard, conn) },
		"early STARTTLS": func(conn net.Conn) { early(conn) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			c.config = hasty
			c.serve = map[uint16]func(net.Conn){}
			for _, p := range c.facts.Ports {
				c.serve[p.Number] = with
			}
			c.dials["198.51.100.5:25"] = listen(t, with)
			r := bounded(t, c)
			if faultsOf(r, "port")+faultsOf(r, "starttls") == 0 {
				t.Errorf("nothing is wrong with the ports:\n%s", show(r, OK))
			}
		})
	}
}

// early says something between its consent to TLS and the handshake, which must not count. RFC 3207 4.2.
func early(conn net.Conn) {
	fmt.Fprint(conn, "220 mail.example.test\r\n")
	buf := make([]byte, 100)
	conn.Read(buf)
	fmt.Fprint(conn, "250-mail.example.test\r\n250 STARTTLS\r\n")
	conn.Read(buf)
	fmt.Fprint(conn, "220 go\r\n250 mail.example.test says more\r\n")
	io.Copy(io.Discard, conn)
}

// Pages without end, slow ones, heads without end, redirects to themselves.
func TestHostilePages(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]http.HandlerFunc{
		"endless page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			piece := []byte(strings.Repeat("mx: a.test\n", 1000))
			for {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		},
		"silent page": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"slow page": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"endless head": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 5000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 100))
			}
		},
		"in circles": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			c.config = hasty
			c.web.handle = handle
			r := bounded(t, c)
			if faultsOf(r, "mta-sts") != 1 {
				t.Errorf("the policy is not found out:\n%s", show(r, OK))
			}
		})
	}
}

// Answers as large as the DNS has them: many records, long texts, loops of includes and aliases. RFC 7208 4.6.4.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	var zone strings.Builder
	for i := range 60 {
		fmt.Fprintf(&zone, "example.test. MX %d h%d.example.test.\nh%d.example.test. CNAME h%d.example.test.\n", i, i, i, (i+1)%60)
		fmt.Fprintf(&zone, "_dmarc.example.test. TXT \"v=DMARC1; p=none; rua=mailto:a%d@b%d.other.test\"\n", i, i)
		fmt.Fprintf(&zone, "%s TXT \"v=DKIM1; p=%s\"\n", keyName(0)+".", strings.Repeat("A", 60+i))
	}
	var uris []string
	for i := range 30 {
		uris = append(uris, fmt.Sprintf("mailto:a%d@b%d.other.test", i, i))
	}
	fmt.Fprintf(&zone, "example.test. TXT \"v=spf1 include:example.test redirect=example.test \x07\"\n")
	fmt.Fprintf(&zone, "%s PTR %s.\n", "10.2.0.192.in-addr.arpa.", host)
	for i := range 40 {
		fmt.Fprintf(&zone, "%s PTR n%d.other.test.\n", "10.2.0.192.in-addr.arpa.", i)
	}
	fmt.Fprintf(&zone, "_smtp._tls.example.test. TXT \"v=TLSRPTv1; rua=%s\"\n", strings.Join(uris[:8], ","))
	fmt.Fprintf(&zone, "_mta-sts.example.test. TXT \"v=STSv1; id=%s\"\n", strings.Repeat("9", 200))
	server := fakedns.Start(t, zone.String())
	client := dns.New(dns.Config{Servers: []netip.AddrPort{server.Addr}, Timeout: 10 * time.Second, Rounds: 1})
	defer client.Close()
	c := newClinic(t)
	c.dns.Resolver = client
	c.config = func(cfg *Config) { cfg.Deadline = 30 * time.Second }
	r := bounded(t, c)
	for _, f := range r.Findings {
		if len(f.Text) > maxText+10 || strings.ContainsAny(f.Text, "\x00\x07\x1b\n") {
			t.Errorf("a sentence with what others wrote: %q", f.Text)
		}
	}
	of := map[string]int{}
	for _, f := range r.Findings {
		of[f.Check]++
	}
	for check, n := range of {
		if n > maxPerTest {
			t.Errorf("%d findings of %s", n, check)
		}
	}
	if faultsOf(r, "dmarc") != 1 || faultsOf(r, "spf") != 1 || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == "mx" && f.Level > OK }) {
		t.Errorf("\n%s", show(r, Note))
	}
}
