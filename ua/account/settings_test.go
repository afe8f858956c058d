package account_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
)

func TestAppPasswords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clients := directory.NewClients(w.store, w.store, w.clock, nil)
	w.auth.Uses = clients
	ann := w.login("ann")
	made := ann.post("/api/app-passwords/add", m{"label": "my phone", "scopes": []string{"smtp", "imap"}, "days": 30}).ok("add")
	if !slices.Equal(list(made["scopes"]), []string{"imap", "smtp"}) || made["expires"] != "2026-01-31T00:00:00Z" || len(made["password"].(string)) != 19 {
		t.Errorf("made is %v", made)
	}
	for _, c := range []struct {
		body, kind string
		status     int
	}{
		{`{"label":"my phone","scopes":["imap"]}`, "exists", 409}, {`{"label":"MY PHONE","scopes":["imap"]}`, "exists", 409}, {`{"label":"password","scopes":["imap"]}`, "exists", 409},
		{`{"label":"x","scopes":[]}`, "invalid", 400}, {`{"label":"x"}`, "invalid", 400}, {`{"label":"x","scopes":["web"]}`, "invalid", 400},
		{`{"label":"x","scopes":["imap"],"days":0}`, "invalid", 400}, {`{"label":"x","scopes":["imap"],"days":-1}`, "invalid", 400}, {`{"label":"x","scopes":["imap"],"days":99999}`, "invalid", 400},
		{`{"label":"","scopes":["imap"]}`, "invalid", 400}, {`{"label":"a/b","scopes":["imap"]}`, "invalid", 400}, {`{"label":"x","scopes":["imap"],"days":1.5}`, "invalid", 400},
	} {
		ann.post("/api/app-passwords/add", c.body).refused(c.body, c.status, c.kind)
	}
	ann.post("/api/app-passwords/add", m{"label": "all", "scopes": []string{"imap", "pop3", "smtp", "jmap"}}).ok("add another")
	phone := made["password"].(string)
	peer := &net.TCPAddr{IP: net.ParseIP("192.0.2.9"), Port: 1}
	ctx := directory.WithAgent(t.Context(), "Mail/3")
	if _, err := w.auth.For(mail.ScopeIMAP).Login(ctx, "ann", phone, peer); err != nil {
		t.Error(err)
	}
	if _, err := w.auth.For(mail.ScopePOP3).Login(ctx, "ann", phone, peer); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("for what it is not: %v", err)
	}
	written(t, w, clients, 2)
	var got []string
	for _, p := range ann.get("/api/app-passwords").ok("list")["passwords"].([]any) {
		p := p.(m)
		got = append(got, fmt.Sprint(p["label"], list(p["scopes"]), p["expires"], p["used"], p["password"]))
	}
	want := []string{"all[imap pop3 smtp jmap] <nil> <nil> <nil>", "my phone[imap smtp]2026-01-31T00:00:00Zmap[address:192.0.2.9 at:2026-01-01T00:00:00Z service:imap] <nil>"}
	if !slices.Equal(got, want) {
		t.Errorf("the list is\n%q, want\n%q", got, want)
	}
	seen := ann.get("/api/clients").ok("clients")["seen"].([]any)
	if len(seen) != 2 || fmt.Sprint(seen[0]) != "map[address:192.0.2.9 agent:Mail/3 at:2026-01-01T00:00:00Z label:my phone service:imap]" {
		t.Errorf("seen are %v", seen)
	}
	w.clock.pass(30 * 24 * time.Hour)
	if _, err := w.auth.For(mail.ScopeIMAP).Login(ctx, "ann", phone, peer); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("expired: %v", err)
	}
	ann = w.login("ann")
	w.login("bob").post("/api/app-passwords/remove", m{"label": "my phone"}).refused("of somebody else", 404, "not_found")
	ann.post("/api/app-passwords/remove", m{"label": "password"}).refused("the own password", 403, "denied")
	ann.post("/api/app-passwords/remove", m{"label": "my phone"}).ok("remove")
	ann.post("/api/app-passwords/remove", m{"label": "my phone"}).refused("remove again", 404, "not_found")
}

// written waits until so many clients are.
func written(t *testing.T, w *world, c *directory.Clients, n int) {
	t.Helper()
	done := make(chan struct{})
	ctx, cancel := contextOf(t)
	go func() { defer close(done); c.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for ctx.Err() == nil {
		notes, err := w.store.Notes(ctx, mail.NoteQuery{Kind: directory.KindClient})
		if err != nil {
			t.Fatal(err)
		}
		if len(notes) == n {
			return
		}
	}
	t.Fatalf("%d clients are never written", n)
}

// TestSettings keeps the page's settings, and tells a device that another was faster.
func TestSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.login("ann"), w.login("bob")
	put := func(b *browser, version, settings string) reply {
		return b.send(b.request("PUT", "/api/settings", fmt.Sprintf(`{"version":%q,"settings":%s}`, version, settings)))
	}
	if r := ann.get("/api/settings"); strings.TrimSpace(r.body) != `{"version":"","settings":{}}` {
		t.Errorf("at first %s", r.body)
	}
	put(ann, "x", `{}`).refused("a version that never was", 409, "conflict")
	v1 := put(ann, "", `{ "theme": "dark", "n": [1, 2] }`).ok("the first")["version"].(string)
	put(ann, "", `{"theme":"light"}`).refused("another device, which knows of none", 409, "conflict")
	if r := ann.get("/api/settings"); strings.TrimSpace(r.body) != fmt.Sprintf(`{"version":%q,"settings":{"theme":"dark","n":[1,2]}}`, v1) {
		t.Errorf("then %s", r.body)
	}
	v2 := put(ann, v1, `{"theme":"light"}`).ok("the second")["version"].(string)
	if v2 == v1 || v2 == "" {
		t.Errorf("the versions are %q and %q", v1, v2)
	}
	put(ann, v1, `{"theme":"blue"}`).refused("a version that was", 409, "conflict")
	for _, s := range []string{`[]`, `null`, `"x"`, `1`, `true`} {
		put(ann, v2, s).refused(s, 400, "invalid")
	}
	put(ann, v2, `{"x":"`+strings.Repeat("x", 256<<10)+`"}`).refused("too many", 413, "too_large")
	put(ann, v2, `{"x":"`+strings.Repeat("x", (256<<10)-8)+`"}`).ok("as many as can be")
	if r := bob.get("/api/settings"); strings.TrimSpace(r.body) != `{"version":"","settings":{}}` {
		t.Errorf("bob has %s", r.body)
	}
}

// TestClients tells what programs need to be told (RFC 8314 3: TLS from the first octet is first).
func TestClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.login("ann").get("/api/clients").ok("clients")
	got := fmt.Sprintf("%v %v %v %v %v %v %v", c["imap"], c["smtp"], c["pop3"], c["host"], c["user"], c["profile"], c["seen"])
	want := "map[port:993 tls:implicit] map[port:587 tls:starttls] <nil> " + host + " ann@one.example /setup/profile.mobileconfig?email=ann%40one.example []"
	if got != want || !strings.HasPrefix(c["qr"].(string), "<svg ") {
		t.Errorf("clients are %s, want %s", got, want)
	}
	if got := keys(c); !slices.Equal(got, []string{"host", "imap", "profile", "qr", "seen", "smtp", "user"}) {
		t.Errorf("the fields are %q", got)
	}
}

func TestCorrespondents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.login("ann")
	if r := ann.get("/api/correspondents"); strings.TrimSpace(r.body) != `{"people":[]}` {
		t.Errorf("at first %s", r.body)
	}
	count := func(id mail.AccountID, address, value string, by int64) mail.Change {
		return mail.CountNote{Kind: "correspondent", Key: fmt.Sprint(id, "/", address), By: by, Account: id, Value: []byte(value)}
	}
	var all []mail.Change
	for i := range 2100 {
		all = append(all, count(w.ids["ann"], fmt.Sprintf("p%04d@far.example", i), `{"name":""}`, 1))
	}
	w.commit(append(all, count(w.ids["ann"], "kim@far.example", `{"name":"Kim"}`, 7), count(w.ids["ann"], "odd@far.example", `rubbish`, 3), count(w.ids["bob"], "eve@far.example", `{}`, 99))...)
	people := ann.get("/api/correspondents").ok("people")["people"].([]any)
	if len(people) != 2000 || fmt.Sprint(people[:3]) != "[map[count:7 email:kim@far.example name:Kim] map[count:3 email:odd@far.example name:] map[count:1 email:p0000@far.example name:]]" {
		t.Errorf("%d people, first %v", len(people), people[:min(3, len(people))])
	}
}
