package account_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/session"
	"github.com/postrider/postrider/ua/account"
)

// TestLogin logs in and out, and answers everybody who may not in the same words.
func TestLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	r := b.post("/api/login", m{"user": "Ann@ONE.example", "password": password})
	me := r.ok("login")
	c := r.set[account.Cookie]
	if c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 ||
		!strings.HasPrefix(c.Value, fmt.Sprint(w.ids["ann"], ".")) {
		t.Errorf("the cookie is %v", c)
	}
	if me["address"] != "ann@one.example" || me["name"] != "ANN" || me["account"] != fmt.Sprint("A", w.ids["ann"]) || me["admin"] != true || me["hostname"] != host ||
		me["version"] != "1.2.3" || me["secondFactor"] != false || me["programs"] != true || me["passkeys"] != 0.0 || !slices.Equal(list(me["features"]), []string{"import"}) {
		t.Errorf("me is %v", me)
	}
	if got := b.get("/api/me").ok("me"); fmt.Sprint(got) != fmt.Sprint(me) {
		t.Errorf("me is %v at the login and %v then", me, got)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if !strings.HasPrefix(r.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("it may run something")
	}
	if got := w.guard.since(); got != "attempt ann@one.example, succeeded ann@one.example" {
		t.Errorf("the guard was told %s", got)
	}
	first := b.cookies[account.Cookie]
	b.post("/api/login", m{"user": "ann", "password": password, "remember": true}).ok("login again")
	old := w.browser()
	old.cookies[account.Cookie] = first
	old.get("/api/me").refused("the session before", 401, "unauthenticated")
	r = b.post("/api/logout", m{})
	r.ok("logout")
	if r.set[account.Cookie] == nil || r.set[account.Cookie].MaxAge >= 0 {
		t.Error("the cookie stays")
	}
	b.get("/api/me").refused("after the logout", 401, "unauthenticated")
}

// A name that does not exist, a wrong password and a disabled account are one answer.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(mail.UpdateAccount{Account: mail.Account{ID: w.ids["bob"], Address: "bob@one.example", Disabled: true}})
	phone := w.login("ann").post("/api/app-passwords/add", m{"label": "phone", "scopes": []string{"imap", "jmap"}}).ok("app password")["password"].(string)
	seen := map[string]bool{}
	for _, in := range []m{
		{"user": "nobody@one.example", "password": password}, {"user": "ann@one.example", "password": "wrong"}, {"user": "ann@one.example", "password": ""},
		{"user": "bob@one.example", "password": password}, {"user": "", "password": ""}, {"user": "@@", "password": "x"}, {"user": "x@far.example", "password": "x"},
		{"user": "ann@one.example", "password": phone},                    // an app password never opens the webmail
		{"user": "ann@one.example", "password": strings.Repeat("x", 1e5)}, // nor does a long one take long
		{"user": "ann@one.example", "password": "wrong", "code": "123456"},
		{"user": strings.Repeat("x", 1e5), "password": "x"},
	} {
		b := w.browser()
		w.guard.since()
		r := b.post("/api/login", in)
		r.refused(fmt.Sprintf("%.60v", fmt.Sprint(in)), 401, "unauthenticated")
		seen[r.body] = true
		if got := w.guard.since(); strings.Count(got, "attempt ") != 1 || strings.Count(got, "failed ") != 1 {
			t.Errorf("the guard was told %.200s", got)
		}
	}
	if len(seen) != 1 {
		t.Errorf("strangers are told %v", seen)
	}
	w.guard.refuse = &mail.Error{Kind: mail.TooMany, Text: "try again in 15 minutes"}
	w.browser().post("/api/login", m{"user": "ann", "password": password}).refused("when the guard lets nobody try", 429, "too_many")
	if strings.Contains(w.log.String(), password) || strings.Contains(w.log.String(), phone) {
		t.Error("a password is in the log")
	}
}

// TestOrigin takes what comes from our own pages, and nothing else that rides on the cookie.
func TestOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const (
		fine, unknown, foreign = 200, 401, 403
	)
	for _, c := range []struct {
		name      string
		header    map[string]string
		get, post int
	}{
		{"our page", nil, fine, 204},
		{"typed by hand", map[string]string{"Sec-Fetch-Site": "none", "Origin": ""}, fine, 204},
		{"an old browser", map[string]string{"Sec-Fetch-Site": ""}, fine, 204},
		{"a program with the cookie", map[string]string{"Sec-Fetch-Site": "", "Origin": ""}, fine, 204},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, foreign, foreign},
		{"a neighbour", map[string]string{"Sec-Fetch-Site": "same-site"}, foreign, foreign},
		{"another origin, an old browser", map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example"}, foreign, foreign},
		{"no TLS there", map[string]string{"Sec-Fetch-Site": "", "Origin": "http://" + host}, foreign, 204}, // HSTS: RFC 6797
		{"another port", map[string]string{"Sec-Fetch-Site": "", "Origin": "https://" + host + ":8443"}, foreign, foreign},
		{"a sandbox", map[string]string{"Sec-Fetch-Site": "", "Origin": "null"}, foreign, foreign},
		{"without the header", map[string]string{"X-Postrider": ""}, fine, foreign},
		{"with another header", map[string]string{"X-Postrider": "yes"}, fine, foreign},
		{"with its own authorization", map[string]string{"Authorization": "Basic eDp5"}, unknown, unknown},
	} {
		b := w.login("ann")
		maps := b.header
		for k, v := range c.header {
			maps[k] = v
		}
		if r := b.get("/api/me"); r.status != c.get {
			t.Errorf("%s: GET gives %d %s, want %d", c.name, r.status, r.body, c.get)
		}
		if r := b.get("/guarded"); r.status != c.get || c.get == fine && r.body != "ann@one.example" {
			t.Errorf("%s: a guarded GET gives %d %s, want %d", c.name, r.status, r.body, c.get)
		}
		want := c.post
		if want == 204 {
			want = fine
		}
		if r := b.post("/guarded", "x"); r.status != want {
			t.Errorf("%s: a guarded POST gives %d %s, want %d", c.name, r.status, r.body, want)
		}
		if r := b.post("/api/sessions/end", m{"others": true}); r.status != c.post {
			t.Errorf("%s: POST gives %d %s, want %d", c.name, r.status, r.body, c.post)
		}
		login := c.post
		switch login {
		case 204, unknown:
			login = fine
		}
		if r := b.post("/api/login", m{"user": "ann", "password": password}); r.status != login {
			t.Errorf("%s: a login gives %d %s, want %d", c.name, r.status, r.body, login)
		}
	}
	// Without TLS nothing is offered.
	b := w.login("ann")
	for _, path := range []string{"/api/me", "/guarded"} {
		req := b.request("GET", path, "")
		req.TLS = nil
		b.send(req).refused("without TLS", 403, "denied")
	}
	req := b.request("POST", "/api/login", text(t, m{"user": "ann", "password": password}))
	req.TLS = nil
	b.send(req).refused("a login without TLS", 403, "denied")
}

// TestSessionHook is what other doors ask: who it is, nobody, or somebody else's page.
func TestSessionHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.login("bob")
	if a, ok, err := w.handler.Session(b.request("GET", "/jmap/events", "")); err != nil || !ok || a.ID != w.ids["bob"] {
		t.Errorf("%v, %v, %v", a, ok, err)
	}
	b.header["Sec-Fetch-Site"] = "cross-site"
	if _, ok, err := w.handler.Session(b.request("GET", "/jmap/ws", "")); ok || !mail.Is(err, mail.Denied) {
		t.Errorf("of another site: %v, %v", ok, err)
	}
	if _, ok, err := w.handler.Session(w.browser().request("GET", "/jmap/session", "")); ok || err != nil {
		t.Errorf("of nobody: %v, %v", ok, err)
	}
	stranger := w.browser()
	stranger.cookies[account.Cookie] = "1.rubbish"
	if _, ok, err := w.handler.Session(stranger.request("GET", "/jmap/session", "")); ok || err != nil {
		t.Errorf("with rubbish: %v, %v", ok, err)
	}
	stranger.get("/guarded").refused("with rubbish", 401, "unauthenticated")
}

func TestSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, other, his := w.login("ann"), w.browser(), w.login("bob")
	other.agent = "Telephone/2"
	w.clock.pass(time.Minute)
	r := other.post("/api/login", m{"user": "ann", "password": password, "remember": true})
	r.ok("login")
	if r.set[account.Cookie].MaxAge <= 0 {
		t.Error("it is not remembered")
	}
	sessions := func(b *browser) (ids, agents []string, current string) {
		for _, s := range b.get("/api/sessions").ok("sessions")["sessions"].([]any) {
			s := s.(m)
			ids, agents = append(ids, s["id"].(string)), append(agents, s["agent"].(string))
			if s["current"] == true {
				current += s["agent"].(string)
			}
			if s["address"] != "192.0.2.7" {
				t.Errorf("a session is %v", s)
			}
		}
		return ids, agents, current
	}
	ids, agents, current := sessions(mine)
	if !slices.Equal(agents, []string{"Telephone/2", "Browser/1"}) || current != "Browser/1" {
		t.Errorf("sessions of %q, this is %q", agents, current)
	}
	his.post("/api/sessions/end", m{"ids": ids}).ok("bob ends sessions by ann's ids")
	other.get("/api/me").ok("ann's session, which bob cannot end")
	mine.post("/api/sessions/end", m{"ids": ids[:1]}).ok("ann ends one")
	other.get("/api/me").refused("the one that was ended", 401, "unauthenticated")
	his.post("/api/sessions/end", m{"others": true}).ok("bob ends his others")
	mine.get("/api/me").ok("ann's session, which is not one of bob's others")
	for _, in := range []string{`{}`, `{"ids":[]}`, `{"ids":["x"]}`, `{"ids":["` + ids[0] + `"],"others":true}`, `{"ids":["../` + ids[0] + `"]}`} {
		mine.post("/api/sessions/end", in).refused(in, 400, "invalid")
	}
	// A session of one account's number with the other's token is nobody's.
	mixed := w.browser()
	_, token, _ := strings.Cut(mine.cookies[account.Cookie], ".")
	mixed.cookies[account.Cookie] = fmt.Sprint(w.ids["bob"], ".", token)
	mixed.get("/api/me").refused("a foreign session", 401, "unauthenticated")
	w.clock.pass(session.Idle)
	mine.get("/api/me").refused("an expired session", 401, "unauthenticated")
	w.commit(mail.UpdateAccount{Account: mail.Account{ID: w.ids["bob"], Address: "bob@one.example", Disabled: true}})
	his.get("/api/me").refused("of a disabled account", 401, "unauthenticated")
}

func TestPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, other := w.login("ann"), w.login("ann")
	mine.post("/api/password", m{"old": "wrong", "new": "battery staple"}).refused("a wrong old one", 403, "denied")
	if got := w.guard.since(); got != "attempt ann@one.example, failed ann@one.example" {
		t.Errorf("the guard was told %s", got)
	}
	mine.post("/api/password", m{"old": password, "new": "short"}).refused("a short one", 400, "invalid")
	mine.post("/api/password", m{"old": password, "new": strings.Repeat("x", 2000)}).refused("an endless one", 400, "invalid")
	other.get("/api/me").ok("before the change")
	w.clock.pass(time.Hour)
	mine.post("/api/password", m{"old": password, "new": "battery staple"}).ok("the change")
	mine.get("/api/me").ok("the session that changed it")
	other.get("/api/me").refused("the other session", 401, "unauthenticated")
	w.browser().post("/api/login", m{"user": "ann", "password": password}).refused("the old password", 401, "unauthenticated")
	w.browser().post("/api/login", m{"user": "ann", "password": "battery staple"}).ok("the new password")
}

// TestRequests refuses what is not a request of our page, before it does anything.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.login("ann")
	for _, c := range []struct {
		body, kind string
		status     int
	}{
		{`{"user":"ann"`, "invalid", 400}, {`[]`, "invalid", 400}, {`{"user":1}`, "invalid", 400}, {`{"user":"ann","password":"x","admin":true}`, "invalid", 400},
		{`{"user":"a"} {"user":"b"}`, "invalid", 400}, {`{"user":"a"}x`, "invalid", 400}, {``, "invalid", 400}, {` `, "invalid", 400},
		{`{"user":"` + strings.Repeat("x", 1<<20) + `"}`, "too_large", 413}, {strings.Repeat(`{"user":`, 20_000), "invalid", 400},
	} {
		w.browser().post("/api/login", c.body).refused(fmt.Sprintf("%.30q", c.body), c.status, c.kind)
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset"} {
		b.header["Content-Type"] = kind
		b.post("/api/logout", m{}).refused("of type "+kind, 400, "invalid")
	}
	b.header = map[string]string{"Content-Type": "application/json; charset=utf-8"}
	if r := b.send(b.request("DELETE", "/api/settings", "{}")); r.status != 405 || r.header.Get("Allow") != "GET, PUT" {
		t.Errorf("another method: %d, %v", r.status, r.header)
	}
	if r := b.get("/api/logout"); r.status != 405 {
		t.Errorf("a GET that would log out: %d", r.status)
	}
	b.get("/api/nothing").refused("a path that is none", 404, "not_found")
	b.get("/api/me").ok("still logged in")
	if r := b.send(b.request("HEAD", "/api/me", "")); r.status != 200 {
		t.Errorf("HEAD: %d", r.status)
	}
	for _, path := range []string{"/api/me", "/api/sessions", "/api/app-passwords", "/api/passkeys", "/api/settings", "/api/clients", "/api/correspondents"} {
		w.browser().get(path).refused(path, 401, "unauthenticated")
	}
	for _, path := range []string{"/api/logout", "/api/password", "/api/sessions/end", "/api/app-passwords/add", "/api/app-passwords/remove", "/api/programs", "/api/totp/begin", "/api/totp/confirm",
		"/api/totp/remove", "/api/recovery/renew", "/api/passkeys/begin", "/api/passkeys/finish", "/api/passkeys/remove"} {
		w.browser().post(path, m{}).refused(path, 401, "unauthenticated")
	}
}
