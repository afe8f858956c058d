package sasl

import (
	"bytes"
	"unicode/utf8"
)

// maxField bounds each of authzid, name and password. RFC 4616 2 asks for room for 255 octets of each; passwords that are
// access tokens are longer.
const maxField = 2048

type plainServer struct {
	check  PasswordCheck
	asked  bool
	closed bool
	name   string
}

// NewPlainServer serves PLAIN (RFC 4616).
func NewPlainServer(check PasswordCheck) Server { return &plainServer{check: check} }

func (s *plainServer) Username() string { return s.name }

func (s *plainServer) Next(response []byte) ([]byte, bool, error) {
	if s.closed {
		return nil, false, ErrMalformed
	}
	if response == nil && !s.asked {
		s.asked = true
		return []byte{}, false, nil
	}
	s.closed = true
	authzid, name, password, err := parsePlain(response)
	if err != nil {
		return nil, false, err
	}
	if err := s.check(authzid, name, password); err != nil {
		return nil, false, err
	}
	s.name = name
	if authzid != "" {
		s.name = authzid
	}
	return nil, true, nil
}

// parsePlain splits `[authzid] NUL authcid NUL passwd` (RFC 4616 2).
func parsePlain(message []byte) (authzid, name, password string, err error) {
	if len(message) > 3*maxField+2 {
		return "", "", "", ErrTooLong
	}
	parts := bytes.Split(message, []byte{0})
	if len(parts) != 3 || !utf8.Valid(message) {
		return "", "", "", ErrMalformed
	}
	for _, p := range parts {
		if len(p) > maxField {
			return "", "", "", ErrTooLong
		}
	}
	if len(parts[1]) == 0 || len(parts[2]) == 0 {
		return "", "", "", ErrMalformed
	}
	return string(parts[0]), string(parts[1]), string(parts[2]), nil
}

type plainClient struct{ authzid, name, password string }

// NewPlainClient is the client of PLAIN. authzid is empty to act as name.
func NewPlainClient(authzid, name, password string) Client {
	return &plainClient{authzid, name, password}
}

func (c *plainClient) Start() (string, []byte, error) {
	message := []byte(c.authzid + "\x00" + c.name + "\x00" + c.password)
	if _, _, _, err := parsePlain(message); err != nil {
		return "", nil, err
	}
	return Plain, message, nil
}

// Next answers an empty challenge only: a server that did not take the initial response asks for it that way, but the
// engine sends it once; any further question is a server that plays a game of its own.
func (c *plainClient) Next([]byte) ([]byte, error) { return nil, ErrMalformed }

func (c *plainClient) Finish() error { return nil }
