package smtpd

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// fakeBackend is policy for tests: what it does hangs on the local parts of addresses and on words of the body.
type fakeBackend struct {
	t      testing.TB
	lmtp   bool // sessions answer for each recipient
	noAuth bool

	mu       sync.Mutex
	stored   []storedMessage
	failures []error // what reading a body ended with, when not with io.EOF
	sessions int
	closed   int
	resets   int
	opened   int
	required int // of these, with REQUIRETLS
}

type storedMessage struct {
	from, body, with, user string
	to                     []string
}

func (b *fakeBackend) NewSession(_ context.Context, c *Conn) (Session, error) {
	if c.Remote != nil && c.Remote.String() == "refused" {
		return nil, mail.Errorf(mail.Denied, "not you")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions++
	s := &fakeSession{b: b, c: c}
	switch {
	case b.lmtp:
		return &lmtpSession{s}, nil
	case b.noAuth:
		return s, nil
	}
	return &authSession{s}, nil
}

type fakeSession struct {
	b      *fakeBackend
	c      *Conn
	from   string
	to     []string
	closed bool
}

func (s *fakeSession) Mail(_ context.Context, m *smtp.Mail) error {
	switch m.From.Local {
	case "denied":
		return mail.Errorf(mail.Denied, "you may not send here")
	case "panic":
		panic("handler")
	case "login":
		return mail.Errorf(mail.Unauthenticated, "log in first")
	case "shut":
		return smtp.Errorf(421, "4.7.0", "go away")
	}
	s.from = m.From.String()
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.opened++
	if m.RequireTLS {
		s.b.required++
	}
	return nil
}

func (s *fakeSession) Rcpt(_ context.Context, r *smtp.Rcpt) error {
	switch r.To.Local {
	case "unknown":
		return mail.Errorf(mail.NotFound, "no such mailbox: %s", r.To)
	case "full":
		return &mail.Error{Kind: mail.OverQuota, Text: "mailbox is full", Enhanced: "4.2.2"}
	case "busy":
		return errors.New("disk on fire")
	case "moved":
		s.to = append(s.to, r.To.String())
		return smtp.Errorf(251, "2.1.5", "will forward")
	}
	s.to = append(s.to, r.To.String())
	return nil
}

func (s *fakeSession) Data(ctx context.Context, body io.Reader) (*smtp.Reply, error) {
	switch s.from {
	case "early@x":
		return nil, mail.Errorf(mail.Denied, "refused before it was read")
	case "lazy@x":
		return nil, nil
	case "panicdata@x":
		panic("in the middle")
	case "wait@x":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var text strings.Builder
	var err error
	if s.from == "slowly@x" {
		_, err = io.Copy(&text, struct{ io.Reader }{body})
	} else {
		_, err = io.Copy(&text, body)
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if err != nil {
		s.b.failures = append(s.b.failures, err)
		return nil, err
	}
	if strings.Contains(text.String(), "refuse me") {
		return nil, smtp.Errorf(554, "5.7.1", "refused for its content")
	}
	s.b.stored = append(s.b.stored, storedMessage{from: s.from, body: text.String(), to: s.to, with: s.c.With(), user: s.c.AuthUser})
	if strings.Contains(text.String(), "own words") {
		return smtp.Errorf(250, "2.6.0", "kept as number 1"), nil
	}
	return nil, nil
}

func (s *fakeSession) Reset() {
	s.from, s.to = "", nil
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.resets++
}

func (s *fakeSession) Close() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if s.closed {
		s.b.t.Error("session closed twice")
	}
	s.closed = true
	s.b.closed++
}

// authSession knows alice with the password "secret", and a mallory whose account is locked.
type authSession struct{ *fakeSession }

func (s *authSession) config() sasl.Config {
	return sasl.Config{Check: func(_, user, password string) error {
		switch {
		case user == "trouble":
			return mail.Errorf(mail.Unavailable, "the directory is away")
		case user == "broken":
			return errors.New("secret detail")
		case user == "mallory" && password == "secret":
			return mail.Errorf(mail.Denied, "your account is locked")
		case user != "alice" || password != "secret":
			return mail.Errorf(mail.Unauthenticated, "no")
		}
		return nil
	}, Lookup: func(string) (sasl.Stored, error) { return sasl.DeriveStored("secret", []byte("salt"), 4096) },
		Bindings: []sasl.Binding{{Type: sasl.TLSExporter}}}
}

func (s *authSession) Mechanisms() []string { return s.config().Mechanisms() }

func (s *authSession) Authenticate(_ context.Context, mechanism string) (sasl.Server, error) {
	cfg := s.config()
	if s.c.TLS != nil {
		cfg.Bindings = s.c.Bindings()
	}
	return cfg.NewServer(mechanism)
}

func (s *authSession) Authenticated(user string) {
	if user != s.c.AuthUser {
		s.b.t.Errorf("authenticated as %q, the connection says %q", user, s.c.AuthUser)
	}
}

// lmtpSession refuses recipients called "later" after the message.
type lmtpSession struct{ *fakeSession }

func (s *lmtpSession) DataLMTP(ctx context.Context, body io.Reader) ([]*smtp.Reply, error) {
	to := s.to
	r, err := s.Data(ctx, body)
	if err != nil {
		return nil, err
	}
	list := make([]*smtp.Reply, len(to))
	for i := range list {
		list[i] = r
		if strings.HasPrefix(to[i], "later@") {
			list[i] = smtp.Errorf(452, "4.2.2", "mailbox is full now")
		}
	}
	return list, nil
}
