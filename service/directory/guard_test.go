package directory_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
)

// watch is a Guard that writes down what it is told.
type watch struct {
	refuse error
	told   []string
}

func (w *watch) Attempt(_ context.Context, ip netip.Addr, user mail.Path) error {
	w.told = append(w.told, fmt.Sprint("attempt ", ip, " ", user))
	return w.refuse
}

func (w *watch) Failed(_ context.Context, ip netip.Addr, user mail.Path) {
	w.told = append(w.told, fmt.Sprint("failed ", ip, " ", user))
}

func (w *watch) Succeeded(_ context.Context, ip netip.Addr, user mail.Path) {
	w.told = append(w.told, fmt.Sprint("succeeded ", ip, " ", user))
}

// play runs a SASL exchange as the doors do.
func play(server sasl.Server, client sasl.Client) error {
	_, response, err := client.Start()
	for range 6 {
		if err != nil {
			return err
		}
		challenge, done, err := server.Next(response)
		if done || err != nil {
			return err
		}
		if response, err = client.Next(challenge); err != nil {
			return err
		}
	}
	return errors.New("no end")
}

// TestGuard asks the guard before each secret and tells it each outcome, once, for every way to log in and every spelling of the name.
func TestGuard(t *testing.T) {
	t.Parallel()
	a, _, _ := withPassword(t, "correct horse")
	peer := &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7"), Port: 4711}
	ways := map[string]func(user, password string) error{
		"password": func(user, password string) error {
			_, err := a.Login(t.Context(), user, password, peer)
			return err
		},
		"SCRAM": func(user, password string) error {
			client, err := sasl.NewScramClient(user, password, nil)
			if err != nil {
				return err
			}
			server, err := a.SASL(t.Context(), sasl.ScramSHA256, nil, peer)
			if err != nil {
				return err
			}
			return play(server, client)
		},
		"PLAIN": func(user, password string) error {
			server, err := a.SASL(t.Context(), "plain", nil, peer)
			if err != nil {
				return err
			}
			_, _, err = server.Next([]byte("\x00" + user + "\x00" + password))
			return err
		},
		"LOGIN": func(user, password string) error {
			server, err := a.SASL(t.Context(), sasl.Login, nil, peer)
			if err != nil {
				return err
			}
			for _, s := range []string{"", user, password} {
				if s == "" {
					_, _, err = server.Next(nil)
				} else {
					_, _, err = server.Next([]byte(s))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	later := &mail.Error{Kind: mail.TooMany, Text: "try again in 15 minutes"}
	for name, login := range ways {
		for _, c := range []struct {
			user, password, known string
			right                 bool
		}{
			{"Ann@ONE.example", "correct horse", "ann@one.example", true},
			{"ann", "correct horse", "ann@one.example", true},
			{"ann", "wrong", "ann@one.example", false},
			{"Nobody@one.example", "wrong", "nobody@one.example", false},
			{"NO@body@", "wrong", "no@body@", false}, // no address: as it was given
		} {
			w := &watch{}
			a.Guard = w
			err := login(c.user, c.password)
			want := []string{"attempt 192.0.2.7 " + c.known, "failed 192.0.2.7 " + c.known}
			if c.right {
				want[1] = "succeeded 192.0.2.7 " + c.known
			}
			if (err == nil) != c.right || !slices.Equal(w.told, want) {
				t.Errorf("%s of %q: %v, the guard was told %q, want %q", name, c.user, err, w.told, want)
			}
			w = &watch{refuse: later}
			a.Guard = w
			if err := login(c.user, c.password); !errors.Is(err, later) || len(w.told) != 1 {
				t.Errorf("%s of %q, refused by the guard: %v, it was told %q", name, c.user, err, w.told)
			}
		}
	}
	// Without an address nobody is asked; a name alone is no attempt.
	w := &watch{refuse: later}
	a.Guard = w
	for _, peer := range []net.Addr{nil, &net.UnixAddr{Name: "/run/x"}} {
		if _, err := a.Login(t.Context(), "ann", "correct horse", peer); err != nil {
			t.Errorf("from %v: %v", peer, err)
		}
	}
	if _, err := a.Account(t.Context(), "ann"); err != nil || len(w.told) != 0 {
		t.Errorf("%v, the guard was told %q", err, w.told)
	}
}

// TestGuardUncertain tells the guard nothing of an attempt whose outcome nobody knows.
func TestGuardUncertain(t *testing.T) {
	t.Parallel()
	a, _, _ := withPassword(t, "correct horse")
	w := &watch{}
	a.Guard = w
	peer := &net.TCPAddr{IP: net.ParseIP("192.0.2.7")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := a.Login(ctx, "ann@one.example", "wrong", peer)
	if failed := slices.Contains(w.told, "failed 192.0.2.7 ann@one.example"); err == nil || failed != mail.Is(err, mail.Unauthenticated) {
		t.Errorf("after %v the guard was told %q", err, w.told)
	}
	server, err := a.SASL(t.Context(), sasl.ScramSHA256, nil, peer)
	if err != nil {
		t.Fatal(err)
	}
	w.told = nil
	if _, _, err := server.Next([]byte("n,,n=ann@one.example,r=abc")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Next([]byte("rubbish")); err == nil {
		t.Error("rubbish is no proof")
	}
	if len(w.told) != 1 {
		t.Errorf("after an exchange that broke off the guard was told %q", w.told)
	}
}
