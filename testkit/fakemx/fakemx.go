// Package fakemx is an SMTP server on loopback that does as a test's script says, and keeps what it was sent.
//
// It takes acts for recipients and domains (accept, refuse, greylist, hang, drop) from a test and mail from whatever the test runs. The
// engine is github.com/emersion/go-smtp, independent of ours. Invariants: acts for one pattern are used up in order and
// the last one stays; without any it accepts; a message counts as received exactly when it was answered with 250. For tests only.
package fakemx

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// Message is one that was accepted.
type Message struct {
	From  string
	To    []string // the recipients that were accepted, in order
	Data  []byte   // as it came, dot-stuffing undone
	Hello string
	TLS   bool
	UTF8  bool
	Body  string // the BODY parameter
	Size  int64  // the SIZE parameter
}

// Text is a message's data as a string, for tests that look into it.
func (m Message) Text() string { return string(m.Data) }

// String is the envelope, for failures.
func (m Message) String() string { return fmt.Sprintf("%s -> %s", m.From, strings.Join(m.To, ", ")) }

// Config says what the server offers.
type Config struct {
	Domain string      // of its greeting; "" is mx.test
	TLS    *tls.Config // nil offers no STARTTLS
	UTF8   bool        // offers SMTPUTF8
	Size   int64       // its SIZE limit; 0 is none
	LMTP   bool
}

// Server is a running fake. It stops with its test.
type Server struct {
	// Addr is where it listens.
	Addr netip.AddrPort

	mu       sync.Mutex
	acts     map[key][]Act
	received []Message
	arrived  chan struct{} // closed and made anew at each message
	sessions int
	tried    []string
}

// Start runs a server.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: netip.MustParseAddrPort(l.Addr().String()), acts: map[key][]Act{}, arrived: make(chan struct{})}
	engine := smtp.NewServer(smtp.BackendFunc(s.session))
	engine.Domain = cfg.Domain
	if cfg.Domain == "" {
		engine.Domain = "mx.test"
	}
	engine.TLSConfig = cfg.TLS
	engine.EnableSMTPUTF8 = cfg.UTF8
	engine.MaxMessageBytes = cfg.Size
	engine.LMTP = cfg.LMTP
	engine.ReadTimeout, engine.WriteTimeout = time.Minute, time.Minute
	engine.ErrorLog = log.New(io.Discard, "", 0) // dropped connections are its daily bread
	done := make(chan struct{})
	go func() {
		defer close(done)
		engine.Serve(l)
	}()
	t.Cleanup(func() {
		engine.Close()
		<-done
	})
	return s
}

// Stage is where an act happens.
type Stage uint8

// The stages.
const (
	Hello Stage = iota // at EHLO or HELO; its pattern is "*"
	Mail               // at MAIL FROM; the pattern is for the sender
	Rcpt               // at RCPT TO
	Data               // once the data has come in whole; the pattern is for any of the recipients
)

type key struct {
	stage   Stage
	pattern string
}

// On says what happens at a stage for an address, for a domain ("@a.test"), or for all ("*"): the more exact pattern
// counts. Acts are used up in order, the last one stays.
func (s *Server) On(stage Stage, pattern string, acts ...Act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts[key{stage, strings.ToLower(pattern)}] = acts
}

// next takes the act for the first of the addresses, then domains, that has one.
func (s *Server) next(stage Stage, addresses ...string) Act {
	var patterns, domains []string
	for _, a := range addresses {
		a = strings.ToLower(a)
		patterns = append(patterns, a)
		domains = append(domains, "@"+a[strings.LastIndexByte(a, '@')+1:])
	}
	patterns = append(append(patterns, domains...), "*")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range patterns {
		k := key{stage, p}
		if acts := s.acts[k]; len(acts) > 0 {
			if len(acts) > 1 {
				s.acts[k] = acts[1:]
			}
			return acts[0]
		}
	}
	return Accept()
}

// Received lists the messages accepted so far.
func (s *Server) Received() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// Tried lists every recipient that was named so far, accepted or not.
func (s *Server) Tried() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tried)
}

// Sessions tells how many clients said EHLO or HELO, counted anew after STARTTLS.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Await returns once n messages were accepted, and fails the test when that takes more than ten seconds.
func (s *Server) Await(t testing.TB, n int) []Message {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		arrived := s.arrived
		s.mu.Unlock()
		got := s.Received()
		if len(got) >= n {
			return got
		}
		select {
		case <-arrived:
		case <-timeout:
			t.Fatalf("fakemx: %d messages after ten seconds, want %d", len(got), n)
		}
	}
}

func (s *Server) keep(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, m)
	close(s.arrived)
	s.arrived = make(chan struct{})
}
