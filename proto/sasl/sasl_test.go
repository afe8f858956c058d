package sasl

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
	"pgregory.net/rapid"
)

var errWrong = errors.New("callback: wrong")

// checkAlice knows alice/secret, who may also act as the shared box.
func checkAlice(authzid, username, password string) error {
	if username != "alice" || password != "secret" || (authzid != "" && authzid != "alice" && authzid != "shared") {
		return errWrong
	}
	return nil
}

func storedFor(t testing.TB, password string) Stored {
	t.Helper()
	st, err := DeriveStored(password, []byte("0123456789abcdef"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func lookupAlice(t testing.TB) StoredLookup {
	st := storedFor(t, "secret")
	return func(name string) (Stored, error) {
		if name != "alice" {
			return Stored{}, errWrong
		}
		return st, nil
	}
}

var binding = Binding{Type: TLSExporter, Data: []byte("the connection's own 32 octets..")}

// run plays both sides against each other and gives the error of the server, then of the client.
func run(s Server, c Client) (serverErr, clientErr error) {
	_, message, err := c.Start()
	if err != nil {
		return nil, err
	}
	for range 10 {
		challenge, done, err := s.Next(message)
		if err != nil {
			return err, nil
		}
		if done {
			return nil, c.Finish()
		}
		if message, err = c.Next(challenge); err != nil {
			return nil, err
		}
		if message == nil {
			message = []byte{}
		}
	}
	return errors.New("no end"), nil
}

// Both sides together: RFC 4616 2, RFC 5802 3, RFC 7677 3.
func TestBothSides(t *testing.T) {
	t.Parallel()
	scramClient := func(name, password string, b *Binding) Client {
		c, err := NewScramClient(name, password, b)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	other := Binding{Type: TLSExporter, Data: []byte("somebody else's connection")}
	endPoint := Binding{Type: TLSServerEndPoint, Data: []byte("hash of a certificate")}
	cases := []struct {
		name      string
		mechanism string
		bindings  []Binding
		client    Client
		want      error
		user      string
	}{
		{"plain", Plain, nil, NewPlainClient("", "alice", "secret"), nil, "alice"},
		{"plain as another", Plain, nil, NewPlainClient("shared", "alice", "secret"), nil, "shared"},
		{"plain not allowed as", Plain, nil, NewPlainClient("bob", "alice", "secret"), errWrong, ""},
		{"plain wrong", Plain, nil, NewPlainClient("", "alice", "Secret"), errWrong, ""},
		{"login", Login, nil, NewLoginClient("alice", "secret"), nil, "alice"},
		{"login wrong", Login, nil, NewLoginClient("alice", "s"), errWrong, ""},
		{"scram", ScramSHA256, nil, scramClient("alice", "secret", nil), nil, "alice"},
		{"scram over TLS", ScramSHA256, []Binding{binding}, scramClient("alice", "secret", nil), nil, "alice"},
		{"scram wrong", ScramSHA256, nil, scramClient("alice", "Secret", nil), ErrRefused, ""},
		{"scram unknown", ScramSHA256, nil, scramClient("bob", "secret", nil), errWrong, ""},
		{"plus", ScramSHA256Plus, []Binding{binding}, scramClient("alice", "secret", &binding), nil, "alice"},
		{"plus, second type", ScramSHA256Plus, []Binding{binding, endPoint}, scramClient("alice", "secret", &endPoint), nil, "alice"},
		{"plus intercepted", ScramSHA256Plus, []Binding{binding}, scramClient("alice", "secret", &other), ErrBinding, ""},
		{"plus, unknown type", ScramSHA256Plus, []Binding{binding}, scramClient("alice", "secret", &endPoint), ErrBinding, ""},
		{"plus without binding", ScramSHA256Plus, []Binding{binding}, scramClient("alice", "secret", nil), ErrBinding, ""},
		{"binding under the plain name", ScramSHA256, []Binding{binding}, scramClient("alice", "secret", &binding), ErrBinding, ""},
	}
	for _, c := range cases {
		cfg := Config{Check: checkAlice, Lookup: lookupAlice(t), Bindings: c.bindings}
		s, err := cfg.NewServer(c.mechanism)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		serverErr, clientErr := run(s, c.client)
		if !errors.Is(serverErr, c.want) || (c.want == nil && clientErr != nil) {
			t.Errorf("%s: server %v, client %v; want %v", c.name, serverErr, clientErr, c.want)
		}
		if s.Username() != c.user {
			t.Errorf("%s: user %q, want %q", c.name, s.Username(), c.user)
		}
	}
}

// A client that says it would have used a binding, had the server offered one, was deceived: RFC 5802 6.
func TestDowngradeIsNoticed(t *testing.T) {
	t.Parallel()
	client, err := scram.SHA256.NewClient("alice", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := client.NewConversationAdvertisingChannelBinding().Step("")
	for _, c := range []struct {
		bindings []Binding
		want     error
	}{{nil, nil}, {[]Binding{binding}, ErrBinding}} {
		s, err := NewScramServer(lookupAlice(t), c.bindings, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Next([]byte(first)); !errors.Is(err, c.want) {
			t.Errorf("bindings %v: %v, want %v", c.bindings, err, c.want)
		}
	}
}

// The known exchange of RFC 7677 3.
func TestScramVector(t *testing.T) {
	t.Parallel()
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	st, err := DeriveStored("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(salt), Iters: 4096},
			StoredKey: st.StoredKey, ServerKey: st.ServerKey}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	server.WithNonceGenerator(func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" })
	conv := server.NewConversation()
	s := &scramServer{conv: conv, step: 2}
	if _, err := conv.Step("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"); err != nil {
		t.Fatal(err)
	}
	v, done, err := s.Next([]byte("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	if err != nil || done || string(v) != "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Fatalf("%q %v %v", v, done, err)
	}
	if s.Username() != "" {
		t.Error("a name before the end")
	}
	if _, done, err := s.Next([]byte{}); !done || err != nil || s.Username() != "user" {
		t.Errorf("%v %v %q", done, err, s.Username())
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxField+1)
	cases := []struct {
		mechanism string
		messages  []string
		want      error
	}{
		{Plain, []string{""}, ErrMalformed},
		{Plain, []string{"alice\x00secret"}, ErrMalformed},
		{Plain, []string{"\x00alice\x00"}, ErrMalformed},
		{Plain, []string{"\x00\x00secret"}, ErrMalformed},
		{Plain, []string{"\x00alice\x00secret\x00"}, ErrMalformed},
		{Plain, []string{"\x00alice\x00\xff\xfe"}, ErrMalformed},
		{Plain, []string{"\x00alice\x00" + long}, ErrTooLong},
		{Plain, []string{"\x00" + strings.Repeat(long, 4) + "\x00s"}, ErrTooLong},
		{Login, []string{""}, ErrMalformed},
		{Login, []string{long}, ErrTooLong},
		{Login, []string{"alice", long}, ErrTooLong},
		{Login, []string{"alice", "a\x00b"}, ErrMalformed},
		{ScramSHA256, []string{""}, ErrMalformed},
		{ScramSHA256, []string{"n,,n=,r=abc"}, ErrMalformed},
		{ScramSHA256, []string{"n,,m=x,n=alice,r=abc"}, ErrMalformed},
		{ScramSHA256, []string{"n,a=bob,n=alice,r=abc"}, ErrRefused},
		{ScramSHA256, []string{"n,,n=al=ice,r=abc"}, ErrMalformed},
		{ScramSHA256, []string{"n,,n=alice,r=abc", "c=biws,r=abc,p=AAAA"}, ErrRefused},
		{ScramSHA256, []string{"n,,n=alice,r=abc", "garbage"}, ErrMalformed},
		{ScramSHA256, []string{"n,,n=alice,r=" + strings.Repeat("x", maxScram)}, ErrTooLong},
	}
	for i, c := range cases {
		s, err := Config{Check: checkAlice, Lookup: lookupAlice(t)}.NewServer(c.mechanism)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, m := range c.messages {
			_, _, last = s.Next([]byte(m))
		}
		if !errors.Is(last, c.want) {
			t.Errorf("case %d: %v, want %v", i, last, c.want)
		}
		if _, done, err := s.Next([]byte("\x00alice\x00secret")); err == nil || done || s.Username() != "" {
			t.Errorf("case %d: went on after an error", i)
		}
	}
}

func TestOffered(t *testing.T) {
	t.Parallel()
	full := Config{Check: checkAlice, Lookup: lookupAlice(t), Bindings: []Binding{binding}}
	if got := strings.Join(full.Mechanisms(), " "); got != "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" {
		t.Error(got)
	}
	for _, m := range []string{"CRAM-MD5", "plain", "", ScramSHA256Plus} {
		if _, err := (Config{Check: checkAlice, Lookup: full.Lookup}).NewServer(m); !errors.Is(err, ErrUnknownMechanism) {
			t.Errorf("%q: %v", m, err)
		}
	}
}

// Our client against servers that cheat or ask for too much.
func TestClientBounds(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"i=4095", "i=1000001", "i=99999999999999999999", "i=-1", "i=4096x"} {
		c, err := NewScramClient("alice", "secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, first, err := c.Start()
		if err != nil {
			t.Fatal(err)
		}
		_, nonce, _ := bytes.Cut(first, []byte("r="))
		if _, err := c.Next([]byte("r=" + string(nonce) + "x,s=AAAA," + challenge)); err == nil {
			t.Errorf("%s was taken", challenge)
		}
	}
	c, _ := NewScramClient("alice", "secret", nil)
	if _, _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if c.Finish() == nil {
		t.Error("success without the server's proof")
	}
	if NewLoginClient("a", "b").Finish() == nil {
		t.Error("LOGIN: success before the password")
	}
	if _, err := NewPlainClient("", "a", "b").Next(nil); err == nil {
		t.Error("PLAIN answered a question")
	}
	if _, _, err := NewPlainClient("", "a\x00", "b").Start(); err == nil {
		t.Error("PLAIN sent a NUL")
	}
}

func TestDeriveStoredBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		password, salt string
		n              int
	}{{"", "s", 4096}, {"p", "", 4096}, {"p", "s", 4095}, {"p", "s", maxIterations + 1}} {
		if _, err := DeriveStored(c.password, []byte(c.salt), c.n); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	// SASLprep makes a non-breaking space plain (RFC 4013 2.1); a password it cannot prepare is used as it is.
	a, b := storedFor(t, "a\u00a0b"), storedFor(t, "a b")
	if !bytes.Equal(a.StoredKey, b.StoredKey) {
		t.Error("password was not prepared")
	}
	storedFor(t, "\u0007bell")
}

// Any name and password that can be derived can be proven, and no other password can.
func TestScramProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z=,@.]{1,20}`).Draw(t, "name")
		password := rapid.StringMatching(`[ -~äß€]{1,20}`).Draw(t, "password")
		st, err := DeriveStored(password, []byte("salt"), 4096)
		if err != nil {
			t.Fatal(err)
		}
		lookup := func(n string) (Stored, error) {
			if n != name {
				return Stored{}, errWrong
			}
			return st, nil
		}
		for _, tried := range []string{password, password + "x"} {
			s, _ := NewScramServer(lookup, nil, false)
			c, err := NewScramClient(name, tried, nil)
			if err != nil {
				t.Fatal(err)
			}
			serverErr, clientErr := run(s, c)
			if ok := serverErr == nil && clientErr == nil; ok != (tried == password) {
				t.Fatalf("%q for %q: %v %v", tried, password, serverErr, clientErr)
			}
		}
	})
}

// No sequence of messages makes a server succeed without the secret, panic, or go on after its end.
func FuzzServer(f *testing.F) {
	f.Add(uint8(0), []byte("\x00alice\x00pass"), []byte(""))
	f.Add(uint8(1), []byte("alice"), []byte("pass"))
	f.Add(uint8(2), []byte("n,,n=alice,r=abc"), []byte("c=biws,r=abc,p=AAAA"))
	f.Add(uint8(3), []byte("p=tls-exporter,,n=alice,r=abc"), []byte("c=biws,r=abc,p=AAAA"))
	lookup := lookupAlice(f)
	f.Fuzz(func(t *testing.T, which uint8, first, second []byte) {
		cfg := Config{Check: func(_, _, p string) error {
			if p == "" {
				t.Error("empty password was asked about")
			}
			return errWrong
		}, Lookup: lookup, Bindings: []Binding{binding}}
		names := cfg.Mechanisms()
		s, err := cfg.NewServer(names[int(which)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range [][]byte{first, second, {}, {}} {
			if _, done, _ := s.Next(m); done || s.Username() != "" {
				t.Fatalf("success with %q %q", first, second)
			}
		}
	})
}
