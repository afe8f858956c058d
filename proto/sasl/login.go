package sasl

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// LOGIN has no RFC; the exchange is a name and a password, each asked for. Outlook and many devices know nothing else.
type loginServer struct {
	check PasswordCheck
	step  int // 0 nothing asked, 1 name asked, 2 password asked, 3 over
	user  string
	name  string
}

// NewLoginServer serves LOGIN. An initial response is taken as the name.
func NewLoginServer(check PasswordCheck) Server { return &loginServer{check: check} }

func (s *loginServer) Username() string { return s.name }

func (s *loginServer) Next(response []byte) ([]byte, bool, error) {
	if s.step == 0 && response == nil {
		s.step = 1
		return []byte("Username:"), false, nil
	}
	if s.step == 3 {
		return nil, false, ErrMalformed
	}
	if err := checkLoginField(response); err != nil {
		s.step = 3
		return nil, false, err
	}
	if s.step < 2 {
		s.user, s.step = string(response), 2
		return []byte("Password:"), false, nil
	}
	s.step = 3
	if err := s.check("", s.user, string(response)); err != nil {
		return nil, false, err
	}
	s.name = s.user
	return nil, true, nil
}

func checkLoginField(b []byte) error {
	switch {
	case len(b) > maxField:
		return ErrTooLong
	case len(b) == 0, bytes.IndexByte(b, 0) >= 0, !utf8.Valid(b):
		return ErrMalformed
	}
	return nil
}

type loginClient struct {
	name, password string
	step           int
}

// NewLoginClient is the client of LOGIN.
func NewLoginClient(name, password string) Client {
	return &loginClient{name: name, password: password}
}

func (c *loginClient) Start() (string, []byte, error) { return Login, nil, nil }

// Next answers by what is asked where the server says it in the usual words, else by order: some servers ask in their own words.
func (c *loginClient) Next(challenge []byte) ([]byte, error) {
	c.step++
	question := strings.ToLower(string(challenge))
	switch {
	case c.step == 1 && !strings.HasPrefix(question, "password"):
		return []byte(c.name), nil
	case c.step == 2 && !strings.HasPrefix(question, "user"):
		return []byte(c.password), nil
	}
	return nil, ErrMalformed
}

// Finish refuses a success that came before the password was asked for.
func (c *loginClient) Finish() error {
	if c.step != 2 {
		return ErrMalformed
	}
	return nil
}
