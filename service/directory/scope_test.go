package directory_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/service/directory"
)

// hand is a clock that a test sets.
type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (h *hand) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// owner is ann with a password, a clock and who may change her credentials.
type owner struct {
	store     *store.Store
	clock     *hand
	auth      *directory.Authenticator
	passwords *directory.Passwords
	id        mail.AccountID
}

func newOwner(t *testing.T) *owner {
	t.Helper()
	o := &owner{clock: &hand{now: epoch}}
	o.store = storeAt(t, o.clock)
	commit(t, o.store, mail.AddDomain{Domain: mail.Domain{Name: "one.example"}})
	o.id = commit(t, o.store, mail.AddAccount{
		Account: mail.Account{Address: "ann@one.example"}, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}},
	}).Results[0].Account
	o.passwords = &directory.Passwords{Directory: o.store, Journal: o.store, Clock: o.clock}
	if err := o.passwords.Set(t.Context(), o.id, "correct horse", nil); err != nil {
		t.Fatal(err)
	}
	o.auth = directory.NewAuthenticator(o.store, o.clock, []byte("secret of the test"))
	return o
}

func (o *owner) app(t *testing.T, label string, scope mail.Scope, expires time.Time) string {
	t.Helper()
	shown, _, err := o.passwords.AddApp(t.Context(), o.id, label, scope, expires)
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

// ways are how somebody logs in to a view.
func ways(t *testing.T, a *directory.Authenticator) map[string]func(password string) error {
	t.Helper()
	server := func(mechanism string) sasl.Server {
		s, err := a.SASL(t.Context(), mechanism, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return map[string]func(password string) error{
		"password": func(password string) error {
			_, err := a.Login(t.Context(), "ann@one.example", password, nil)
			return err
		},
		"PLAIN": func(password string) error {
			_, _, err := server(sasl.Plain).Next([]byte("\x00ann@one.example\x00" + password))
			return err
		},
		"SCRAM": func(password string) error {
			client, err := sasl.NewScramClient("ann@one.example", password, nil)
			if err != nil {
				return err
			}
			return play(server(sasl.ScramSHA256), client)
		},
	}
}

var everywhere = []mail.Scope{0, mail.ScopeIMAP, mail.ScopePOP3, mail.ScopeSMTP, mail.ScopeJMAP, mail.ScopeWeb}

// TestScopes lets each credential be used where its scope says and nowhere else, until it expires, in each way to log in. RFC 4616 2,
// RFC 5802 5.
func TestScopes(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	phone := o.app(t, "phone", mail.ScopeIMAP|mail.ScopeSMTP, epoch.Add(time.Hour))
	try := func(what, password string, where []mail.Scope, but ...string) {
		t.Helper()
		for _, scope := range everywhere {
			for way, login := range ways(t, o.auth.For(scope)) {
				if slices.Contains(but, way) {
					continue
				}
				if err := login(password); (err == nil) != slices.Contains(where, scope) {
					t.Errorf("%s by %s, scope %d: %v", what, way, scope, err)
				}
			}
		}
	}
	try("the own password", "correct horse", everywhere)
	// SCRAM speaks for one credential, which is the own password while that may be used.
	try("an app password", phone, []mail.Scope{0, mail.ScopeIMAP, mail.ScopeSMTP}, "SCRAM")
	try("without its blanks", strings.ToUpper(strings.ReplaceAll(phone, " ", "")), []mail.Scope{0, mail.ScopeIMAP, mail.ScopeSMTP}, "SCRAM")

	if err := o.passwords.SetScope(t.Context(), o.id, mail.ScopeWeb); err != nil {
		t.Fatal(err)
	}
	try("the own password, for the web", "correct horse", []mail.Scope{0, mail.ScopeWeb})
	try("an app password instead", phone, []mail.Scope{mail.ScopeIMAP, mail.ScopeSMTP}, "password", "PLAIN")
	try("an app password by password", phone, []mail.Scope{0, mail.ScopeIMAP, mail.ScopeSMTP}, "SCRAM")

	if err := o.passwords.Set(t.Context(), o.id, "battery staple", nil); err != nil {
		t.Fatal(err)
	}
	try("a new password keeps the scope", "battery staple", []mail.Scope{0, mail.ScopeWeb})
	o.clock.pass(time.Hour)
	try("an expired app password", phone, nil)
	if err := o.passwords.SetScope(t.Context(), o.id, 0); err != nil {
		t.Fatal(err)
	}
	try("the scope restored", "battery staple", everywhere)
}

// An app password never opens the webmail, not even one that was given the scope by other means.
func TestWebIsForTheOwnPassword(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	shown := o.app(t, "all", mail.ScopeWeb|mail.ScopeIMAP, time.Time{})
	if _, err := o.auth.For(mail.ScopeWeb).Login(t.Context(), "ann", shown, nil); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("an app password at the web: %v", err)
	}
	if _, err := o.auth.For(mail.ScopeIMAP).For(mail.ScopePOP3).Login(t.Context(), "ann", shown, nil); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("the view of a view has the later scope: %v", err)
	}
}

// A view has the guard that its Authenticator is given later, and a second factor counts there as the password does.
func TestGuardOfViews(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	view := o.auth.For(mail.ScopeWeb)
	peer := &net.TCPAddr{IP: net.ParseIP("192.0.2.7")}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"right", nil, "succeeded"},
		{"a wrong code", mail.Errorf(mail.Unauthenticated, "wrong"), "failed"},
		{"no code yet", mail.Errorf(mail.Denied, "needed"), ""},
	} {
		want := []string{"attempt 192.0.2.7 ann@one.example"}
		if c.want != "" {
			want = append(want, c.want+" 192.0.2.7 ann@one.example")
		}
		for way, login := range map[string]func() error{
			"LoginWith": func() error {
				_, err := view.LoginWith(t.Context(), "ann", "correct horse", peer, func(a mail.Account) error {
					if a.ID != o.id {
						t.Errorf("further is asked about %v", a)
					}
					return c.err
				})
				return err
			},
			"Try": func() error { return view.Try(t.Context(), "ann", peer, func() error { return c.err }) },
		} {
			w := &watch{}
			o.auth.Guard = w
			if err := login(); (err == nil) != (c.err == nil) || !slices.Equal(w.told, want) {
				t.Errorf("%s, %s: %v, the guard was told %q, want %q", way, c.name, err, w.told, want)
			}
		}
	}
	if _, err := view.LoginWith(t.Context(), "ann", "wrong", peer, func(mail.Account) error {
		t.Error("a wrong password goes further")
		return nil
	}); !mail.Is(err, mail.Unauthenticated) {
		t.Error(err)
	}
}

func TestAppPasswords(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	for label, kind := range map[string]mail.Kind{
		"": mail.Invalid, " x": mail.Invalid, "a/b": mail.Invalid, "a\nb": mail.Invalid, strings.Repeat("ä", 65): mail.Invalid, "\xff": mail.Invalid,
		"password": mail.Exists, "Password": mail.Exists,
	} {
		if _, _, err := o.passwords.AddApp(t.Context(), o.id, label, mail.ScopeIMAP, time.Time{}); !mail.Is(err, kind) {
			t.Errorf("label %q: %v", label, err)
		}
	}
	shown := o.app(t, strings.Repeat("ä", 64), mail.ScopeIMAP, time.Time{})
	if len(shown) != 19 || strings.Count(shown, " ") != 3 || directory.PlainSecret(shown) != strings.ReplaceAll(shown, " ", "") {
		t.Errorf("an app password looks like %q", shown)
	}
	if err := o.passwords.RemoveApp(t.Context(), o.id, "password"); !mail.Is(err, mail.Denied) {
		t.Errorf("the own password removed: %v", err)
	}
	if err := o.passwords.RemoveApp(t.Context(), o.id, "never"); !mail.Is(err, mail.NotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	for i := range 49 {
		o.app(t, fmt.Sprint("n", i), mail.ScopeIMAP, time.Time{})
	}
	if _, _, err := o.passwords.AddApp(t.Context(), o.id, "one more", mail.ScopeIMAP, time.Time{}); !mail.Is(err, mail.TooMany) {
		t.Errorf("the 51st: %v", err)
	}
	if err := o.passwords.RemoveApp(t.Context(), o.id, "n7"); err != nil {
		t.Error(err)
	}
	if _, err := o.auth.Login(t.Context(), "ann", shown, nil); err != nil {
		t.Errorf("the first of many: %v", err)
	}
}

func TestScopeNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names []string
		scope mail.Scope
		ok    bool
	}{
		{[]string{"imap"}, mail.ScopeIMAP, true},
		{[]string{"imap", "smtp", "imap"}, mail.ScopeIMAP | mail.ScopeSMTP, true},
		{[]string{"imap", "pop3", "smtp", "jmap"}, mail.ScopeIMAP | mail.ScopePOP3 | mail.ScopeSMTP | mail.ScopeJMAP, true},
		{nil, 0, false}, {[]string{"web"}, 0, false}, {[]string{"IMAP"}, 0, false}, {[]string{""}, 0, false},
	} {
		s, err := directory.ParseScope(c.names)
		if (err == nil) != c.ok || s != c.scope || err != nil && !mail.Is(err, mail.Invalid) {
			t.Errorf("%q: %v, %v", c.names, s, err)
		}
	}
	if got := directory.ScopeNames(0); !slices.Equal(got, []string{"imap", "pop3", "smtp", "jmap"}) {
		t.Errorf("the zero scope is %q", got)
	}
	if got := directory.ScopeNames(mail.ScopeWeb); !slices.Equal(got, []string{"web"}) {
		t.Errorf("the web's is %q", got)
	}
}

// TestClients writes down a login once an hour for each label, service and address, and never lets one wait.
func TestClients(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	c := directory.NewClients(o.store, o.store, o.clock, nil)
	o.auth.Uses = c
	phone := o.app(t, "my phone", mail.ScopeIMAP, time.Time{})
	imap, web := o.auth.For(mail.ScopeIMAP), o.auth.For(mail.ScopeWeb)
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	ctx := directory.WithAgent(t.Context(), strings.Repeat("Mail/1 ", 50))
	login := func(a *directory.Authenticator, password, ip string) {
		t.Helper()
		if _, err := a.Login(ctx, "ann", password, at(ip)); err != nil {
			t.Fatal(err)
		}
	}
	login(imap, phone, "192.0.2.1")
	login(imap, phone, "192.0.2.1")
	login(web, "correct horse", "192.0.2.2")
	login(o.auth, "correct horse", "192.0.2.2") // no view: nobody knows what it was for
	if _, err := web.Login(ctx, "ann", "wrong", at("192.0.2.3")); err == nil {
		t.Fatal("a wrong password is right")
	}
	server, err := imap.SASL(ctx, sasl.ScramSHA256, nil, at("192.0.2.4"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := sasl.NewScramClient("ann", "correct horse", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := play(server, client); err != nil {
		t.Fatal(err)
	}
	if n := c.Waiting(); n != 3 {
		t.Errorf("%d uses wait to be written, want 3", n)
	}
	seen := func() string {
		t.Helper()
		c.Drain(t.Context())
		list, err := directory.ClientsOf(t.Context(), o.store, o.id)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, k := range list {
			fmt.Fprintf(&b, "%s %s %s %d %s\n", k.Label, k.Service, k.Address, len(k.Agent), k.At.Sub(epoch))
		}
		return b.String()
	}
	if got, want := seen(), "my phone imap 192.0.2.1 200 0s\npassword imap 192.0.2.4 200 0s\npassword web 192.0.2.2 200 0s\n"; got != want {
		t.Errorf("seen:\n%swant:\n%s", got, want)
	}
	// Another process that does not know of the first writes nothing anew either.
	other := directory.NewClients(o.store, o.store, o.clock, nil)
	o.clock.pass(time.Minute)
	other.Used(directory.Use{Account: o.id, Label: "my phone", Service: mail.ScopeIMAP, Address: at("192.0.2.1").(*net.TCPAddr).AddrPort().Addr().Unmap()})
	other.Drain(t.Context())
	if got := seen(); !strings.HasPrefix(got, "my phone imap 192.0.2.1 200 0s\n") {
		t.Errorf("within the hour: %s", got)
	}
	o.clock.pass(time.Hour)
	login(imap, phone, "192.0.2.9")
	if got := seen(); !strings.HasPrefix(got, "my phone imap 192.0.2.9 200 1h1m0s\n") {
		t.Errorf("an hour later: %s", got)
	}
	if err := o.passwords.RemoveApp(t.Context(), o.id, "my phone"); err != nil {
		t.Fatal(err)
	}
	if got := seen(); strings.Contains(got, "phone") {
		t.Errorf("after its password is gone: %s", got)
	}
}

// More uses than can be written are dropped at once, and Run ends with its context.
func TestClientsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := directory.NewClients(nil, nil, &hand{now: epoch}, nil)
		for i := range 1000 {
			c.Used(directory.Use{Account: mail.AccountID(i + 1), Label: "x", Service: mail.ScopeIMAP})
		}
		if n := c.Waiting(); n != 256 {
			t.Errorf("%d wait", n)
		}
		idle := directory.NewClients(nil, nil, &hand{now: epoch}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { idle.Run(ctx); close(done) }()
		synctest.Wait()
		cancel()
		<-done
	})
}
