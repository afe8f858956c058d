package sasl

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/scram"
)

const (
	// maxScram bounds one SCRAM message: names, a nonce and a proof fit many times over.
	maxScram = 4096
	// minIterations is the floor of RFC 7677 4.
	minIterations = 4096
	// maxIterations bounds the work that a server can ask of our client (about a third of a second).
	maxIterations = 1_000_000
)

// DeriveStored computes what a server keeps for a password (RFC 5802 3). The password goes through SASLprep where that
// is possible and is used as it is where it is not, as clients do. At least 4096 iterations and a salt are demanded.
func DeriveStored(password string, salt []byte, iterations int) (Stored, error) {
	if iterations < minIterations || iterations > maxIterations || len(salt) == 0 || password == "" {
		return Stored{}, fmt.Errorf("sasl: SCRAM needs a password, a salt and %d to %d iterations", minIterations, maxIterations)
	}
	client, err := newScramClient("user", password)
	if err != nil {
		return Stored{}, err
	}
	c, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return Stored{}, fmt.Errorf("sasl: deriving SCRAM keys: %w", err)
	}
	return Stored{Salt: bytes.Clone(salt), Iterations: iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey}, nil
}

func newScramClient(name, password string) (*scram.Client, error) {
	client, err := scram.SHA256.NewClient(name, password, "")
	if err != nil {
		client, err = scram.SHA256.NewClientUnprepped(name, password, "")
	}
	if err != nil {
		return nil, fmt.Errorf("sasl: SCRAM client: %w", err)
	}
	return client, nil
}

type scramServer struct {
	lookup    StoredLookup
	lookupErr error
	bindings  []Binding
	plus      bool
	conv      *scram.ServerConversation
	step      int // 0 nothing, 1 asked for the first message, 2 challenge sent, 3 verifier sent, 4 over
	name      string
}

// NewScramServer serves SCRAM-SHA-256, or the PLUS variant with plus. bindings are those of the connection; where there are
// any, the PLUS variant counts as announced, and a client that believes otherwise is being deceived (RFC 5802 6).
func NewScramServer(lookup StoredLookup, bindings []Binding, plus bool) (Server, error) {
	if plus && len(bindings) == 0 {
		return nil, fmt.Errorf("%w: %s needs a channel binding", ErrUnknownMechanism, ScramSHA256Plus)
	}
	return &scramServer{lookup: lookup, bindings: bindings, plus: plus}, nil
}

func (s *scramServer) Username() string { return s.name }

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	step := s.step
	s.step = 4 // every way out below that goes on says so
	switch {
	case step == 0 && response == nil:
		s.step = 1
		return []byte{}, false, nil
	case step >= 4:
		return nil, false, ErrMalformed
	case len(response) > maxScram:
		return nil, false, ErrTooLong
	case !utf8.Valid(response), bytes.IndexByte(response, 0) >= 0:
		return nil, false, ErrMalformed
	case step == 3:
		if len(response) != 0 {
			return nil, false, ErrMalformed
		}
		s.name = s.conv.Username()
		return nil, true, nil
	case step == 2:
		return s.final(string(response))
	}
	return s.first(string(response))
}

// first handles client-first-message (RFC 5802 5).
func (s *scramServer) first(message string) ([]byte, bool, error) {
	bound := strings.HasPrefix(message, "p=")
	if bound != s.plus {
		return nil, false, ErrBinding
	}
	server, err := scram.SHA256.NewServer(s.credentials)
	if err != nil {
		return nil, false, fmt.Errorf("sasl: SCRAM server: %w", err)
	}
	binding, ok := s.pick(message)
	if bound && !ok {
		return nil, false, ErrBinding
	}
	if s.plus {
		s.conv = server.NewConversationWithChannelBindingRequired(binding)
	} else {
		s.conv = server.NewConversationWithChannelBinding(binding)
	}
	challenge, err := s.conv.Step(message)
	switch {
	case s.lookupErr != nil:
		return nil, false, s.lookupErr
	case err != nil && challenge == scram.ErrServerDoesSupportChannelBinding:
		return nil, false, ErrBinding
	case err != nil:
		return nil, false, ErrMalformed
	}
	if z := s.conv.AuthzID(); z != "" && z != s.conv.Username() {
		// Nobody is asked whether one user may act as another, so nobody may.
		return nil, false, ErrRefused
	}
	s.step = 2
	return []byte(challenge), false, nil
}

// pick chooses the binding of the type that the client names, or any when it names none: the library then
// only needs to know that there is one.
func (s *scramServer) pick(message string) (scram.ChannelBinding, bool) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(message, "p="), ",")
	for _, b := range s.bindings {
		if b.Type == kind || !strings.HasPrefix(message, "p=") {
			return scram.ChannelBinding{Type: scram.ChannelBindingType(b.Type), Data: b.Data}, true
		}
	}
	return scram.ChannelBinding{}, false
}

func (s *scramServer) credentials(username string) (scram.StoredCredentials, error) {
	if username == "" {
		s.lookupErr = ErrMalformed
		return scram.StoredCredentials{}, ErrMalformed
	}
	st, err := s.lookup(username)
	if err == nil && (len(st.Salt) == 0 || st.Iterations < 1 || len(st.StoredKey) != 32 || len(st.ServerKey) != 32) {
		err = ErrRefused
	}
	if err != nil {
		s.lookupErr = err
		return scram.StoredCredentials{}, err
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(st.Salt), Iters: st.Iterations},
		StoredKey:  st.StoredKey, ServerKey: st.ServerKey,
	}, nil
}

// final handles client-final-message and sends the server's own proof.
func (s *scramServer) final(message string) ([]byte, bool, error) {
	verifier, err := s.conv.Step(message)
	switch {
	case err != nil && verifier == scram.ErrChannelBindingsDontMatch:
		return nil, false, ErrBinding
	case err != nil && verifier == "":
		return nil, false, ErrMalformed
	case err != nil, !s.conv.Valid():
		return nil, false, ErrRefused
	}
	s.step = 3
	return []byte(verifier), false, nil
}

type scramClient struct {
	conv      *scram.ClientConversation
	mechanism string
	step      int
}

// NewScramClient is the client of SCRAM-SHA-256, or of the PLUS variant when a binding is given. It checks that the server
// knows the password too, and refuses fewer than 4096 iterations and absurdly many.
func NewScramClient(name, password string, binding *Binding) (Client, error) {
	client, err := newScramClient(name, password)
	if err != nil {
		return nil, err
	}
	if binding == nil {
		return &scramClient{conv: client.NewConversation(), mechanism: ScramSHA256}, nil
	}
	cb := scram.ChannelBinding{Type: scram.ChannelBindingType(binding.Type), Data: binding.Data}
	return &scramClient{conv: client.NewConversationWithChannelBinding(cb), mechanism: ScramSHA256Plus}, nil
}

func (c *scramClient) Start() (string, []byte, error) {
	first, err := c.conv.Step("")
	if err != nil {
		return "", nil, fmt.Errorf("sasl: SCRAM: %w", err)
	}
	return c.mechanism, []byte(first), nil
}

func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	c.step++
	if len(challenge) > maxScram {
		return nil, ErrTooLong
	}
	if c.step == 1 {
		if err := checkIterations(string(challenge)); err != nil {
			return nil, err
		}
	}
	if c.step > 2 {
		return nil, ErrMalformed
	}
	answer, err := c.conv.Step(string(challenge))
	if err != nil {
		return nil, fmt.Errorf("sasl: SCRAM: the server's answer: %w", err)
	}
	return []byte(answer), nil
}

// checkIterations refuses a count of iterations that would keep us busy for long, before any is done.
func checkIterations(challenge string) error {
	for field := range strings.SplitSeq(challenge, ",") {
		if count, ok := strings.CutPrefix(field, "i="); ok {
			if n, err := strconv.Atoi(count); err != nil || n > maxIterations {
				return fmt.Errorf("%w: %d SCRAM iterations at most", ErrMalformed, maxIterations)
			}
		}
	}
	return nil
}

func (c *scramClient) Finish() error {
	if !c.conv.Valid() {
		return errors.New("sasl: the server reported success without proving that it knows the password")
	}
	return nil
}
