package account_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// app turns ann's codes on, and gives the secret and the recovery codes.
func (b *browser) app(in m) (secret string, recovery []string) {
	b.w.t.Helper()
	begun := b.post("/api/totp/begin", m{"password": password}).ok("begin")
	secret = begun["secret"].(string)
	if uri := begun["uri"].(string); !strings.Contains(uri, "secret="+secret) || !strings.HasPrefix(begun["qr"].(string), "<svg ") {
		b.w.t.Errorf("begun with %v", begun)
	}
	if in == nil {
		in = m{}
	}
	in["code"] = b.w.code(secret)
	recovery = list(b.post("/api/totp/confirm", in).ok("confirm")["recovery"])
	if len(recovery) != 10 {
		b.w.t.Errorf("recovery codes %q", recovery)
	}
	b.w.clock.pass(time.Minute)
	b.w.guard.since()
	return secret, recovery
}

// imap tries to log in as a mail program does.
func (w *world) imap(password string) error {
	_, err := w.auth.For(mail.ScopeIMAP).Login(w.t.Context(), "ann@one.example", password, nil)
	return err
}

// TestSecondFactor asks for a code behind the password (RFC 6238), takes each once, and counts wrong ones as wrong passwords.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.login("ann")
	ann.post("/api/totp/begin", m{"password": "wrong"}).refused("a wrong password", 403, "denied")
	ann.post("/api/totp/confirm", m{"code": "123456"}).refused("not begun", 404, "not_found")
	ann.post("/api/totp/remove", m{"password": password}).refused("not on", 404, "not_found")
	ann.post("/api/recovery/renew", m{"password": password}).refused("not on", 403, "denied")
	ann.post("/api/totp/begin", m{"password": password}).ok("begin")
	w.guard.since()
	ann.post("/api/totp/confirm", m{"code": "12"}).refused("a wrong code", 403, "denied")
	if got := w.guard.since(); got != "attempt ann@one.example, failed ann@one.example" {
		t.Errorf("of a wrong code the guard was told %s", got)
	}
	secret, recovery := ann.app(nil)
	if me := ann.get("/api/me").ok("me"); me["secondFactor"] != true || me["programs"] != false || me["recovery"] != 10.0 || !slices.Equal(list(me["ways"]), []string{"totp", "recovery"}) {
		t.Errorf("me is %v", me)
	}
	if err := w.imap(password); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("the password in a mail program: %v", err)
	}
	login := func(code string) reply {
		return w.browser().post("/api/login", m{"user": "ann", "password": password, "code": code})
	}
	r := w.browser().post("/api/login", m{"user": "ann", "password": password})
	if got := r.refused("without a code", 401, "second_factor"); !slices.Equal(list(got["ways"]), []string{"totp", "recovery"}) {
		t.Errorf("the ways are %v", got)
	}
	if got := w.guard.since(); got != "attempt ann@one.example" {
		t.Errorf("of a right password without its code the guard was told %s", got)
	}
	login("000000").refused("a wrong code", 401, "second_factor")
	if got := w.guard.since(); got != "attempt ann@one.example, failed ann@one.example" {
		t.Errorf("of a wrong code the guard was told %s", got)
	}
	code := w.code(secret)
	w.browser().post("/api/login", m{"user": "ann", "password": "wrong", "code": code}).refused("a wrong password with a right code", 401, "unauthenticated")
	login(code).ok("a right code")
	login(code).refused("the same again", 401, "second_factor")
	login(recovery[4]).ok("a recovery code")
	login(recovery[4]).refused("a used recovery code", 401, "second_factor")
	fresh := list(ann.post("/api/recovery/renew", m{"password": password}).ok("renew")["recovery"])
	login(recovery[5]).refused("an old recovery code", 401, "second_factor")
	login(strings.ToUpper(fresh[5])).ok("a new recovery code")

	phone := ann.post("/api/app-passwords/add", m{"label": "phone", "scopes": []string{"imap"}}).ok("app password")["password"].(string)
	if err := w.imap(phone); err != nil {
		t.Errorf("an app password in a mail program: %v", err)
	}
	ann.post("/api/programs", m{"password": "wrong", "programs": true}).refused("a wrong password", 403, "denied")
	ann.post("/api/programs", m{"password": password, "programs": true}).ok("programs may")
	if err := w.imap(password); err != nil {
		t.Errorf("the password, allowed to programs: %v", err)
	}
	ann.post("/api/programs", m{"password": password, "programs": false}).ok("programs may not")
	ann.post("/api/totp/remove", m{"password": "wrong"}).refused("a wrong password", 403, "denied")
	ann.post("/api/totp/remove", m{"password": password}).ok("remove")
	if err := w.imap(password); err != nil {
		t.Errorf("the password, once the factor is off: %v", err)
	}
	w.browser().post("/api/login", m{"user": "ann", "password": password}).ok("the password alone")
	ann.app(m{"programs": true})
	if me := ann.get("/api/me").ok("me"); me["programs"] != true {
		t.Errorf("with a word for programs: %v", me)
	}
	if err := w.imap(password); err != nil {
		t.Errorf("the password, with a word for programs: %v", err)
	}
	for _, secret := range []string{secret, recovery[0], code, password} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// begin asks for a challenge.
func (b *browser) begin(path string, in m) (string, options) {
	b.w.t.Helper()
	r := b.post(path, in)
	r.ok("begin " + path)
	var out struct {
		ID      string  `json:"id"`
		Options options `json:"options"`
	}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil || out.ID == "" || out.Options.Challenge == "" {
		b.w.t.Errorf("%s gives %s, %v", path, r.body, err)
	}
	return out.ID, out.Options
}

// passkey registers one.
func (b *browser) passkey(a *authenticator, label string) m {
	b.w.t.Helper()
	id, o := b.begin("/api/passkeys/begin", m{"password": password})
	return b.post("/api/passkeys/finish", m{"id": id, "label": label, "credential": a.register(o)}).ok("finish")
}

// use logs in with a passkey.
func (b *browser) use(a *authenticator) reply {
	b.w.t.Helper()
	id, o := b.begin("/api/login/passkey/begin", m{})
	return b.post("/api/login/passkey/finish", m{"id": id, "credential": a.assert(o)})
}

// TestPasskeys registers passkeys, logs in with them alone, and takes no challenge twice (W3C Web Authentication 7.1, 7.2).
func TestPasskeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.login("ann")
	key := newAuthenticator(t)
	ann.post("/api/passkeys/begin", m{"password": "wrong"}).refused("a wrong password", 403, "denied")
	id, o := ann.begin("/api/passkeys/begin", m{"password": password})
	if o.RP.ID != host || o.User.Name != "ann@one.example" || o.AuthenticatorSelection.ResidentKey != "required" || o.AuthenticatorSelection.UserVerification != "preferred" || o.Attestation != "none" {
		t.Errorf("the options are %+v", o)
	}
	answer := key.register(o)
	bob := w.login("bob")
	bob.post("/api/passkeys/finish", m{"id": id, "label": "x", "credential": answer}).refused("ann's challenge, answered by bob", 403, "denied")
	for _, label := range []string{"", strings.Repeat("x", 65), "a\u0000b"} {
		ann.post("/api/passkeys/finish", m{"id": id, "label": label, "credential": answer}).refused("label "+label, 400, "invalid")
	}
	ann.post("/api/passkeys/finish", m{"id": id, "label": "x", "credential": m{"id": "x"}}).refused("no credential", 400, "invalid")
	ann.post("/api/passkeys/finish", m{"id": id + "x", "label": "x", "credential": answer}).refused("another challenge", 403, "denied")
	made := ann.post("/api/passkeys/finish", m{"id": id, "label": "my key", "credential": answer}).ok("finish")
	if made["label"] != "my key" || made["used"] != nil || len(list(made["recovery"])) != 10 {
		t.Errorf("made is %v", made)
	}
	ann.post("/api/passkeys/finish", m{"id": id, "label": "my key", "credential": answer}).refused("the same again", 400, "invalid")
	ann.post("/api/passkeys/finish", m{"id": id, "label": "other", "credential": newAuthenticator(t).register(o)}).refused("the challenge again", 403, "denied")
	if _, o := ann.begin("/api/passkeys/begin", m{"password": password}); len(o.ExcludeCredentials) != 1 {
		t.Errorf("the passkeys that are there: %v", o.ExcludeCredentials)
	}
	second := newAuthenticator(t)
	second.count = 0 // one that does not count
	if made := ann.passkey(second, "second"); made["recovery"] != nil {
		t.Error("the second passkey makes new recovery codes")
	}

	w.clock.pass(time.Minute)
	w.guard.since()
	for range 2 {
		for _, k := range []*authenticator{key, second} {
			b := w.browser()
			if me := b.use(k).ok("a login with a passkey"); me["address"] != "ann@one.example" || me["passkeys"] != 2.0 {
				t.Errorf("me is %v", me)
			}
			if got := w.guard.since(); got != "attempt ann@one.example, succeeded ann@one.example" {
				t.Errorf("the guard was told %s", got)
			}
		}
	}
	b := w.browser()
	id, o = b.begin("/api/login/passkey/begin", m{})
	if o.RPID != host || len(o.AllowCredentials) != 0 || o.UserVerification != "preferred" {
		t.Errorf("the options are %+v", o)
	}
	assertion := key.assert(o)
	b.post("/api/login/passkey/finish", m{"id": id, "credential": assertion}).ok("an answer")
	key.count++
	again := key.assert(o)
	w.browser().post("/api/login/passkey/finish", m{"id": id, "credential": again}).refused("another answer to it", 401, "unauthenticated")
	passkeys := ann.get("/api/passkeys").ok("passkeys")["passkeys"].([]any)
	if len(passkeys) != 2 || passkeys[0].(m)["used"] == nil {
		t.Errorf("the passkeys are %v", passkeys)
	}

	// With a passkey, a password alone is not enough any more.
	r := w.browser().post("/api/login", m{"user": "ann", "password": password})
	if got := r.refused("the password alone", 401, "second_factor"); !slices.Equal(list(got["ways"]), []string{"passkey", "recovery"}) {
		t.Errorf("the ways are %v", got)
	}
	w.browser().post("/api/login", m{"user": "ann", "password": password, "code": list(made["recovery"])[0]}).ok("with a recovery code")
	if err := w.imap(password); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("the password in a mail program: %v", err)
	}
	bob.post("/api/passkeys/remove", m{"id": made["id"], "password": password}).refused("ann's passkey, removed by bob", 404, "not_found")
	ann.post("/api/passkeys/remove", m{"id": made["id"], "password": "wrong"}).refused("a wrong password", 403, "denied")
	ann.post("/api/passkeys/remove", m{"id": made["id"], "password": password}).ok("remove")
	w.browser().use(key).refused("a removed passkey", 401, "unauthenticated")
	left := ann.get("/api/passkeys").ok("passkeys")["passkeys"].([]any)
	ann.post("/api/passkeys/remove", m{"id": left[0].(m)["id"], "password": password}).ok("remove the last")
	w.browser().post("/api/login", m{"user": "ann", "password": password}).ok("the password alone")
	if err := w.imap(password); err != nil {
		t.Errorf("the password in a mail program, without a factor: %v", err)
	}
}

// TestBadPasskeys refuses copies, wrong keys, other sites, other users and late answers, and counts them.
func TestBadPasskeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.login("ann")
	key := newAuthenticator(t)
	ann.passkey(key, "key")
	clone := *key
	w.browser().use(key).ok("the passkey")
	w.browser().use(key).ok("the passkey")
	for _, c := range []struct {
		name string
		with func(a *authenticator)
		fail bool // it counts as a wrong password
	}{
		{"a copy", func(a *authenticator) { a.count = clone.count }, true},
		{"another key", func(a *authenticator) { a.key = newAuthenticator(t).key }, true},
		{"another credential", func(a *authenticator) { a.id = []byte("another credential") }, true},
		{"another site", func(a *authenticator) { a.origin = "https://evil.example" }, true},
		{"another port", func(a *authenticator) { a.origin = "https://" + host + ":8443" }, true},
		{"without TLS", func(a *authenticator) { a.origin = "http://" + host }, true},
		{"another party", func(a *authenticator) { a.rp = "evil.example" }, true},
		{"another user", func(a *authenticator) { a.handle = []byte{0, 0, 0, 0, 0, 0, 0, byte(w.ids["bob"])} }, true},
		{"nobody", func(a *authenticator) { a.handle = nil }, true},
		{"somebody who is not here", func(a *authenticator) { a.handle = []byte{0xff, 0, 0, 0, 0, 0, 0, 1} }, true},
	} {
		bad := *key
		c.with(&bad)
		w.guard.since()
		w.browser().use(&bad).refused(c.name, 401, "unauthenticated")
		if got := w.guard.since(); strings.Contains(got, "failed") != c.fail || strings.Contains(got, "succeeded") {
			t.Errorf("%s: the guard was told %s", c.name, got)
		}
	}
	w.guard.refuse = mail.Errorf(mail.TooMany, "later")
	w.browser().use(key).refused("when the guard lets nobody try", 429, "too_many")
	w.guard.refuse = nil

	b := w.browser()
	id, o := b.begin("/api/login/passkey/begin", m{})
	w.clock.pass(5 * time.Minute)
	b.post("/api/login/passkey/finish", m{"id": id, "credential": key.assert(o)}).refused("a late answer", 401, "unauthenticated")
	b.post("/api/login/passkey/finish", m{"id": "x", "credential": key.assert(o)}).refused("no challenge", 401, "unauthenticated")
	_, first := b.begin("/api/login/passkey/begin", m{})
	id, _ = b.begin("/api/login/passkey/begin", m{})
	b.post("/api/login/passkey/finish", m{"id": id, "credential": key.assert(first)}).refused("the answer to another challenge", 401, "unauthenticated")
	for _, c := range []string{`null`, `"x"`, `{}`, `{"id":"x","rawId":"x","type":"public-key","response":{}}`} {
		id, _ = b.begin("/api/login/passkey/begin", m{})
		b.post("/api/login/passkey/finish", fmt.Sprintf(`{"id":%q,"credential":%s}`, id, c)).refused(c, 400, "invalid")
	}
	id, _ = ann.begin("/api/passkeys/begin", m{"password": password})
	b.post("/api/login/passkey/finish", m{"id": id, "credential": key.assert(o)}).refused("a challenge of a registration", 401, "unauthenticated")

	// Whether somebody is here and has passkeys is told to nobody.
	for _, user := range []string{"", "ann", "bob@one.example", "nobody@one.example", "@@"} {
		if _, o := b.begin("/api/login/passkey/begin", m{"user": user}); len(o.AllowCredentials) != 0 {
			t.Errorf("%q is told %v", user, o.AllowCredentials)
		}
	}
	id, o = b.begin("/api/login/passkey/begin", m{"user": "bob"})
	b.post("/api/login/passkey/finish", m{"id": id, "credential": key.assert(o)}).refused("ann's passkey for bob", 403, "denied")
	id, o = b.begin("/api/login/passkey/begin", m{"user": "Ann@One.example"})
	b.post("/api/login/passkey/finish", m{"id": id, "credential": key.assert(o)}).ok("ann's passkey for ann")
	w.commit(mail.UpdateAccount{Account: mail.Account{ID: w.ids["ann"], Address: "ann@one.example", Disabled: true}})
	w.browser().use(key).refused("of a disabled account", 401, "unauthenticated")
}

// A passkey that does not look who holds it stands behind the password and not instead of it.
func TestUnverifiedPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.login("ann")
	key := newAuthenticator(t)
	key.verifies = false
	ann.passkey(key, "key")
	w.guard.since()
	w.browser().use(key).refused("alone", 403, "denied")
	if got := w.guard.since(); got != "attempt ann@one.example" {
		t.Errorf("the guard was told %s", got)
	}
	b := w.browser()
	b.post("/api/login", m{"user": "ann", "password": password}).refused("the password alone", 401, "second_factor")
	step := b.cookies["__Host-postrider-step"]
	if step == "" {
		t.Fatalf("the cookies are %v", b.cookies)
	}
	b.get("/api/me").refused("a step is no session", 401, "unauthenticated")
	b.use(key).ok("behind the password")
	if b.cookies["__Host-postrider-step"] != "" {
		t.Error("the step stays")
	}
	w.clock.pass(5 * time.Minute)
	b = w.browser()
	b.cookies["__Host-postrider-step"] = step
	b.use(key).refused("long after the password", 403, "denied")
	bob := w.login("bob")
	other := newAuthenticator(t)
	bob.passkey(other, "bob's")
	b = w.browser()
	b.post("/api/login", m{"user": "bob", "password": password}).refused("bob's password", 401, "second_factor")
	b.use(key).refused("behind somebody else's password", 403, "denied")
}

func TestMostPasskeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.login("ann")
	for i := range 20 {
		ann.passkey(newAuthenticator(t), fmt.Sprint("key ", i))
	}
	ann.post("/api/passkeys/begin", m{"password": password}).refused("the 21st", 429, "too_many")
}
