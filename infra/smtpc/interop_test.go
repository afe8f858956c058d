package smtpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	gosasl "github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// peer is a backend for emersion's server.
type peer struct {
	mu     sync.Mutex
	stored []kept
}

type kept struct {
	from, body string
	to         []string
	utf8       bool
	size       int64
}

type peerSession struct {
	p *peer
	m kept
}

func (p *peer) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &peerSession{p: p}, nil }

func (s *peerSession) AuthMechanisms() []string { return []string{"PLAIN"} }
func (s *peerSession) Auth(string) (gosasl.Server, error) {
	return gosasl.NewPlainServer(func(_, user, password string) error {
		if user != "alice" || password != "secret" {
			return gosmtp.ErrAuthFailed
		}
		return nil
	}), nil
}
func (s *peerSession) Reset()        { s.m = kept{} }
func (s *peerSession) Logout() error { return nil }
func (s *peerSession) Mail(from string, o *gosmtp.MailOptions) error {
	s.m = kept{from: from, utf8: o.UTF8, size: o.Size}
	return nil
}
func (s *peerSession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "unknown@") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "who is that"}
	}
	s.m.to = append(s.m.to, to)
	return nil
}
func (s *peerSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if bytes.Contains(b, []byte("spam")) {
		return &gosmtp.SMTPError{Code: 554, EnhancedCode: gosmtp.EnhancedCode{5, 7, 1}, Message: "no spam"}
	}
	s.m.body = string(b)
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.stored = append(s.p.stored, s.m)
	return nil
}

func startPeer(t *testing.T, lmtp bool) (*peer, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{}
	s := gosmtp.NewServer(p)
	s.Domain, s.LMTP, s.EnableSMTPUTF8, s.TLSConfig, s.MaxMessageBytes = "peer.test", lmtp, true, serverTLS(t), 1<<20
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return p, ln.Addr().String()
}

func connect(t *testing.T, addr string, opts Options) *Client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

const oddText = "Subject: odd\r\n\r\n.\r\n..\r\n.dot\r\n\r\n8-bit \xc3\xa4\r\n.\r\nend\r\n"

// Our client and emersion's server: STARTTLS, AUTH, pipelining, several messages.
func TestAgainstGoSMTP(t *testing.T) {
	t.Parallel()
	p, addr := startPeer(t, false)
	c := connect(t, addr, Options{Hello: "client.test"})
	if err := c.StartTLS(t.Context(), &tls.Config{InsecureSkipVerify: true}); err != nil { // the test made the certificate
		t.Fatal(err)
	}
	if err := c.Auth(t.Context(), sasl.NewPlainClient("", "alice", "wrong")); err == nil {
		t.Error("wrong password")
	}
	if err := c.Auth(t.Context(), sasl.NewPlainClient("", "alice", "secret")); err != nil {
		t.Error(err)
	}
	m := tx(oddText, "b@y", "unknown@y", "ü@müller.test")
	m.Size, m.Body8Bit = int64(len(oddText)), true
	r, err := c.Send(t.Context(), m)
	if err != nil || outcomes(r) != "250 550 250" || r.Rcpt[1].Enhanced != "5.1.1" || r.Rcpt[1].Text != "who is that" {
		t.Errorf("%s %v", outcomes(r), err)
	}
	if r, err = c.Send(t.Context(), tx("x", "unknown@y")); err != nil || outcomes(r) != "550" {
		t.Errorf("%s %v", outcomes(r), err)
	}
	if r, err = c.Send(t.Context(), tx("spam", "b@y")); err != nil || outcomes(r) != "554" {
		t.Errorf("%s %v", outcomes(r), err)
	}
	bare := tx("one\ntwo\rthree\r\n.\nfour", "b@y")
	if r, err = c.Send(t.Context(), bare); err != nil || outcomes(r) != "250" {
		t.Errorf("%s %v", outcomes(r), err)
	}
	var limit *LimitError
	large := tx("x", "b@y")
	large.Size = 2 << 20
	if _, err := c.Send(t.Context(), large); !errors.As(err, &limit) {
		t.Error(err)
	}
	c.Quit(t.Context())
	if len(p.stored) != 2 || p.stored[0].body != oddText || !p.stored[0].utf8 || len(p.stored[0].to) != 2 ||
		p.stored[1].body != "one\r\ntwo\r\nthree\r\n.\r\nfour\r\n" {
		t.Errorf("%+v", p.stored)
	}
}

func TestLMTPAgainstGoSMTP(t *testing.T) {
	t.Parallel()
	p, addr := startPeer(t, true)
	c := connect(t, addr, Options{LMTP: true})
	r, err := c.Send(t.Context(), tx(oddText, "b@y", "unknown@y", "c@y"))
	if err != nil || outcomes(r) != "250 550 250" || len(p.stored) != 1 {
		t.Errorf("%s %v %+v", outcomes(r), err, p.stored)
	}
	c.Quit(t.Context())
}

// crowd is a backend for our own server.
type crowd struct {
	mu   sync.Mutex
	body string
	to   int
}

type crowdSession struct {
	*crowd
	n int
}

func (c *crowd) NewSession(context.Context, *smtpd.Conn) (smtpd.Session, error) {
	return &crowdSession{crowd: c}, nil
}
func (s *crowdSession) Mail(context.Context, *smtp.Mail) error { return nil }
func (s *crowdSession) Rcpt(_ context.Context, r *smtp.Rcpt) error {
	if strings.HasPrefix(r.To.Local, "no") {
		return mail.Errorf(mail.NotFound, "nobody is called %s; %s", r.To.Local, strings.Repeat("words ", 50))
	}
	s.n++
	return nil
}
func (s *crowdSession) Data(_ context.Context, body io.Reader) (*smtp.Reply, error) {
	b, err := io.ReadAll(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.to = string(b), s.n
	return nil, err
}
func (s *crowdSession) Reset() { s.n = 0 }
func (s *crowdSession) Close() {}

// A thousand recipients, half of whom are refused at length, and a message of some megabytes, between our client and our
// server: neither waits for the other to read (RFC 2920 3.1).
func TestCrowd(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	b := &crowd{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := ln.Accept(); err == nil {
			smtpd.New(smtpd.Config{MaxRecipients: 2000}, b).Serve(t.Context(), conn)
		}
	}()
	c := connect(t, ln.Addr().String(), Options{})
	var addrs []string
	for i := range 1000 {
		addrs = append(addrs, fmt.Sprintf("yes%d@y", i), fmt.Sprintf("no%d@y", i))
	}
	text := strings.Repeat("some text\r\n.and a dot\r\n", 200_000)
	r, err := c.Send(t.Context(), tx(text, addrs...))
	if err != nil {
		t.Fatal(err)
	}
	for i := range addrs {
		if want := []int{250, 550}[i%2]; r.Outcome(i) == nil || r.Outcome(i).Code != want {
			t.Fatalf("%s: %v", addrs[i], r.Outcome(i))
		}
	}
	if b.body != text || b.to != 1000 {
		t.Errorf("%d octets for %d", len(b.body), b.to)
	}
	c.Quit(t.Context())
	<-done
}
