package sasl

import (
	"errors"
	"fmt"
	"slices"
)

// The names of the mechanisms, as protocols announce them.
const (
	Plain           = "PLAIN"
	Login           = "LOGIN"
	ScramSHA256     = "SCRAM-SHA-256"
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS"
)

// The failures of an exchange. Anything else a Server returns came from its callback and is passed on unchanged.
var (
	// ErrMalformed says that the peer's message does not follow the mechanism's syntax or order.
	ErrMalformed = errors.New("sasl: malformed message")
	// ErrTooLong says that the peer's message is over its bound.
	ErrTooLong = errors.New("sasl: message too long")
	// ErrRefused says that the proof did not hold. It never tells which part was wrong.
	ErrRefused = errors.New("sasl: name or secret is wrong")
	// ErrBinding says that the channel binding is missing, of another type, or does not match: the connection
	// may be intercepted, or the client was led to a weaker mechanism than the server offers.
	ErrBinding = errors.New("sasl: channel binding does not match")
	// ErrUnknownMechanism is for a mechanism that this configuration does not offer.
	ErrUnknownMechanism = errors.New("sasl: mechanism not offered")
)

// Server is the server's side of one exchange. It is used once, by one goroutine.
type Server interface {
	// Next takes the client's message and gives the challenge to send. The first call passes nil when the
	// client sent no initial response; an empty initial response is an empty slice that is not nil. When done,
	// the exchange succeeded and there is nothing more to send. After an error the exchange is over.
	Next(response []byte) (challenge []byte, done bool, err error)
	// Username is the identity to act as, once the exchange is done; before that, and after an error, it is empty.
	Username() string
}

// PasswordCheck decides whether username's password is right and whether username may act as authzid (empty: as
// itself). Any error refuses; it is handed to the engine unchanged, so a temporary trouble can be told from a wrong password.
type PasswordCheck func(authzid, username, password string) error

// Stored is what a server keeps to check SCRAM-SHA-256 proofs: no password can be got back from it, but
// ServerKey and StoredKey are secrets all the same.
type Stored struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// StoredLookup gives what is stored for a user. For an unknown user the caller should give a made-up Stored whose
// salt is always the same for that name, so that the answer does not tell who exists; an error refuses.
type StoredLookup func(username string) (Stored, error)

// Config says what an engine can offer on one connection.
type Config struct {
	Check    PasswordCheck // nil: no PLAIN, no LOGIN
	Lookup   StoredLookup  // nil: no SCRAM
	Bindings []Binding     // of the TLS connection; empty: no PLUS variant
}

// Mechanisms lists what the configuration can serve, strongest first.
func (c Config) Mechanisms() []string {
	var names []string
	if c.Lookup != nil {
		if len(c.Bindings) > 0 {
			names = append(names, ScramSHA256Plus)
		}
		names = append(names, ScramSHA256)
	}
	if c.Check != nil {
		names = append(names, Plain, Login)
	}
	return names
}

// NewServer starts an exchange of the named mechanism, in upper case, or fails with ErrUnknownMechanism.
func (c Config) NewServer(mechanism string) (Server, error) {
	if !slices.Contains(c.Mechanisms(), mechanism) {
		return nil, fmt.Errorf("%w: %q", ErrUnknownMechanism, mechanism)
	}
	switch mechanism {
	case Plain:
		return NewPlainServer(c.Check), nil
	case Login:
		return NewLoginServer(c.Check), nil
	default:
		return NewScramServer(c.Lookup, c.Bindings, mechanism == ScramSHA256Plus)
	}
}
