// Package fakedns is a real name server on loopback, over UDP and TCP, that answers from a zone text.
//
// It takes zone-file lines (RFC 1035 5) from a test and hands answers to whatever resolver the test runs, over the wire, independent
// of package infra/dns. Invariants: it claims to recurse and follows its own aliases; a name it does not know
// does not exist (NXDOMAIN with an SOA), one that it knows without the type has no data; what does not fit a datagram is
// cut short and comes over TCP. For tests only.
package fakedns

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Server is a running name server. It stops with its test.
type Server struct {
	// Addr is where it listens, UDP and TCP.
	Addr netip.AddrPort

	mu        sync.Mutex
	zone      map[string][]dns.RR
	fails     map[string]int // name -> rcode
	authentic bool
	questions []string
}

// Start runs a server with a zone: lines such as "a.test. 300 IN MX 10 mx.a.test.". TTL and class may be left out.
func Start(t testing.TB, zone string) *Server {
	t.Helper()
	s := &Server{fails: map[string]int{}}
	s.SetZone(t, zone)
	tcp, udp := listen(t)
	s.Addr = netip.MustParseAddrPort(udp.LocalAddr().String())
	var started, ended sync.WaitGroup
	for _, d := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		d.Handler = dns.HandlerFunc(s.answer)
		started.Add(1)
		d.NotifyStartedFunc = started.Done
		ended.Go(func() { d.ActivateAndServe() })
		t.Cleanup(func() { d.Shutdown() })
	}
	started.Wait()
	t.Cleanup(func() { // runs before the two above
		tcp.Close()
		udp.Close()
		ended.Wait()
	})
	return s
}

// listen finds a port that is free for both.
func listen(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	var err error
	for range 20 {
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			continue
		}
		var udp net.PacketConn
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	t.Fatalf("fakedns: %v", err)
	return nil, nil
}

// SetZone replaces all records.
func (s *Server) SetZone(t testing.TB, zone string) {
	t.Helper()
	records := map[string][]dns.RR{}
	parser := dns.NewZoneParser(strings.NewReader("$ORIGIN .\n$TTL 300\n"+zone+"\n"), ".", "zone of "+t.Name())
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		name := dns.CanonicalName(rr.Header().Name)
		records[name] = append(records[name], rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatalf("fakedns: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone = records
}

// Fail makes every question about a name fail with SERVFAIL, until Mend.
func (s *Server) Fail(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[dns.CanonicalName(name)] = dns.RcodeServerFailure
}

// Mend ends Fail.
func (s *Server) Mend(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fails, dns.CanonicalName(name))
}

// Authentic makes it claim that DNSSEC vouches for all its answers (the AD bit).
func (s *Server) Authentic(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.authentic = on
}

// Questions lists what was asked so far, as "MX a.test.", in order.
func (s *Server) Questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.questions...)
}

func (s *Server) answer(w dns.ResponseWriter, q *dns.Msg) {
	r := s.reply(q)
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		r.Truncate(size)
	}
	w.WriteMsg(r) // the client may be gone
}

func (s *Server) reply(q *dns.Msg) *dns.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := new(dns.Msg)
	r.SetReply(q)
	r.RecursionAvailable = true
	if len(q.Question) != 1 {
		r.Rcode = dns.RcodeFormatError
		return r
	}
	qu := q.Question[0]
	s.questions = append(s.questions, fmt.Sprintf("%s %s", dns.TypeToString[qu.Qtype], dns.CanonicalName(qu.Name)))
	r.AuthenticatedData = s.authentic
	name := dns.CanonicalName(qu.Name)
	for range 10 {
		if rcode := s.fails[name]; rcode != 0 {
			r.Rcode, r.Answer = rcode, nil
			return r
		}
		alias := ""
		for _, rr := range s.zone[name] {
			c, isAlias := rr.(*dns.CNAME)
			if rr.Header().Rrtype == qu.Qtype || isAlias {
				r.Answer = append(r.Answer, dns.Copy(rr))
			}
			if isAlias && qu.Qtype != dns.TypeCNAME {
				alias = dns.CanonicalName(c.Target)
			}
		}
		if alias == "" {
			break
		}
		name = alias
	}
	if n := len(r.Answer); n == 0 || r.Answer[n-1].Header().Rrtype != qu.Qtype {
		r.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.", Mbox: "host.", Minttl: 60}}
		if !s.exists(name) {
			r.Rcode = dns.RcodeNameError
		}
	}
	return r
}

// exists reports a name that has records, or names below it (RFC 8020 2).
func (s *Server) exists(name string) bool {
	for n := range s.zone {
		if n == name || strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}
