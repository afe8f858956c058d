package directory_test

import (
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/service/directory"
)

func withPassword(t *testing.T, password string) (*directory.Authenticator, func(...mail.Change) mail.Receipt, mail.AccountID) {
	t.Helper()
	s := newStore(t)
	commit(t, s, mail.AddDomain{Domain: mail.Domain{Name: "one.example"}})
	id := commit(t, s, mail.AddAccount{
		Account:   mail.Account{Address: "ann@one.example"},
		Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}},
	}).Results[0].Account
	c, err := directory.NewCredential(password)
	if err != nil {
		t.Fatal(err)
	}
	c.Account = id
	commit(t, s, mail.PutCredential{Credential: c})
	a := directory.NewAuthenticator(s, mail.SystemClock{}, []byte("secret of the test"))
	return a, func(c ...mail.Change) mail.Receipt { return commit(t, s, c...) }, id
}

func TestLogin(t *testing.T) {
	t.Parallel()
	a, do, id := withPassword(t, "correct horse")
	for _, c := range []struct {
		user, password string
		ok             bool
	}{
		{"ann@one.example", "correct horse", true},
		{"Ann@ONE.example", "correct horse", true},
		{"ann", "correct horse", true}, // one domain: the bare name means it
		{"ann@one.example", "correct horse", true},
		{"ann@one.example", "Correct horse", false},
		{"ann@one.example", "", false},
		{"nobody@one.example", "correct horse", false},
		{"", "", false},
		{"ann@one.example\x00", "correct horse", false},
	} {
		account, err := a.Login(t.Context(), c.user, c.password, nil)
		switch {
		case c.ok && (err != nil || account.ID != id):
			t.Errorf("%q with %q: %v, %v", c.user, c.password, account, err)
		case !c.ok && !mail.Is(err, mail.Unauthenticated):
			t.Errorf("%q with %q: error is %v, want unauthenticated", c.user, c.password, err)
		}
	}
	// A changed password is the only right one at once, whatever is remembered of the old.
	fresh, err := directory.NewCredential("battery staple")
	if err != nil {
		t.Fatal(err)
	}
	fresh.Account = id
	do(mail.PutCredential{Credential: fresh})
	if _, err := a.Login(t.Context(), "ann", "correct horse", nil); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := a.Login(t.Context(), "ann", "battery staple", nil); err != nil {
		t.Errorf("the new password: %v", err)
	}
	do(mail.UpdateAccount{Account: mail.Account{ID: id, Address: "ann@one.example", Disabled: true}})
	if _, err := a.Login(t.Context(), "ann", "battery staple", nil); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("a disabled account: %v", err)
	}
}

// TestSCRAM runs RFC 5802 exchanges against stored credentials (RFC 7677), with right, wrong and unknown names.
func TestSCRAM(t *testing.T) {
	t.Parallel()
	a, _, _ := withPassword(t, "correct horse")
	for _, c := range []struct {
		user, password string
		ok             bool
	}{{"ann@one.example", "correct horse", true}, {"ann@one.example", "wrong", false}, {"nobody@one.example", "correct horse", false}} {
		client, err := sasl.NewScramClient(c.user, c.password, nil)
		if err != nil {
			t.Fatal(err)
		}
		server, err := a.SASL(t.Context(), sasl.ScramSHA256, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, response, err := client.Start()
		for range 5 {
			if err != nil {
				break
			}
			var challenge []byte
			var done bool
			if challenge, done, err = server.Next(response); done || err != nil {
				break
			}
			response, err = client.Next(challenge)
		}
		if (err == nil && server.Username() != "") != c.ok {
			t.Errorf("%q with %q: %v, name %q", c.user, c.password, err, server.Username())
		}
	}
}

func TestCredentialBounds(t *testing.T) {
	t.Parallel()
	if _, err := directory.NewCredential(""); !mail.Is(err, mail.Invalid) {
		t.Errorf("an empty password: %v", err)
	}
	if _, err := directory.NewCredential(string(make([]byte, 2000))); !mail.Is(err, mail.Invalid) {
		t.Errorf("a password of 2000 octets: %v", err)
	}
}
