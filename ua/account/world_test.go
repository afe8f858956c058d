package account_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/factor"
	"github.com/postrider/postrider/service/session"
	"github.com/postrider/postrider/ua/account"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	host     = "mail.one.example"
	password = "correct horse"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

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

// watch is a Guard that writes down what it is told.
type watch struct {
	mu     sync.Mutex
	refuse error
	told   []string
}

func (w *watch) tell(what string, user mail.Path) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, what+" "+string(user))
}

func (w *watch) Attempt(_ context.Context, _ netip.Addr, user mail.Path) error {
	w.tell("attempt", user)
	return w.refuse
}
func (w *watch) Failed(_ context.Context, _ netip.Addr, user mail.Path)    { w.tell("failed", user) }
func (w *watch) Succeeded(_ context.Context, _ netip.Addr, user mail.Path) { w.tell("succeeded", user) }

// since gives what was told since it was last asked.
func (w *watch) since() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.told = nil }()
	return strings.Join(w.told, ", ")
}

type world struct {
	t       *testing.T
	store   *store.Store
	clock   *hand
	guard   *watch
	auth    *directory.Authenticator
	factors *factor.Service
	handler *account.Handler
	mux     *web.Mux
	ids     map[string]mail.AccountID
	log     lockedBuffer
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newWorld is a server for one.example with ann, who administers it, and bob.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: &hand{now: epoch}, guard: &watch{}, mux: web.NewMux(), ids: map[string]mail.AccountID{}}
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.store = s
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	passwords := &directory.Passwords{Directory: s, Journal: s, Clock: w.clock}
	w.auth = directory.NewAuthenticator(s, w.clock, []byte("secret of the test"))
	w.auth.Guard = w.guard
	w.factors = factor.New(factor.Config{Notes: s, Journal: s, Directory: s, Passwords: passwords, Secret: []byte("secret of the test"), Host: host,
		Origins: []string{"https://" + host}, Clock: w.clock, Log: log})
	w.handler = account.New(account.Config{
		Directory: s, Journal: s, Notes: s, Auth: w.auth, Passwords: passwords, Factors: w.factors,
		Sessions: &session.Sessions{Notes: s, Journal: s, Directory: s, Clock: w.clock},
		Services: account.Services{Host: host, IMAP: account.Port{Implicit: 993, StartTLS: 143}, SMTP: account.Port{StartTLS: 587}, Profile: "/setup/profile.mobileconfig", HTTPS: 8443},
		Hostname: host, Version: "1.2.3", Features: []string{"import"}, Clock: w.clock, Log: log,
	})
	w.handler.Register(w.mux, "")
	w.mux.Handle("", "/guarded", w.handler.Guarded(func(rw http.ResponseWriter, _ *http.Request, a mail.Account) { io.WriteString(rw, string(a.Address)) }))
	w.commit(mail.AddDomain{Domain: mail.Domain{Name: "one.example"}})
	for _, name := range []string{"ann", "bob"} {
		id := w.commit(mail.AddAccount{
			Account:   mail.Account{Address: mail.Path(name + "@one.example"), Name: strings.ToUpper(name), Admin: name == "ann"},
			Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}},
		}).Results[0].Account
		w.ids[name] = id
		if err := passwords.Set(t.Context(), id, password, nil); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) commit(c ...mail.Change) mail.Receipt {
	w.t.Helper()
	r, err := w.store.Commit(context.Background(), mail.ChangeSet{Changes: c})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// browser keeps cookies and sends what our page sends.
type browser struct {
	w       *world
	cookies map[string]string
	header  map[string]string // further, and "" takes one away
	agent   string
}

func (w *world) browser() *browser {
	return &browser{w: w, cookies: map[string]string{}, header: map[string]string{}, agent: "Browser/1"}
}

// reply is an answer.
type reply struct {
	t      *testing.T
	status int
	body   string
	header http.Header
	set    map[string]*http.Cookie
}

// request is what a browser would send.
func (b *browser) request(method, path, body string) *http.Request {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, "https://"+host+path, r)
	req.RemoteAddr = "192.0.2.7:4711"
	req.Header.Set("User-Agent", b.agent)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if method != "GET" {
		req.Header.Set("Origin", "https://"+host)
		req.Header.Set("X-Postrider", "1")
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range b.cookies {
		req.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	for k, v := range b.header {
		if v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	return req
}

func (b *browser) send(req *http.Request) reply {
	rec := httptest.NewRecorder()
	b.w.mux.ServeHTTP(rec, req)
	out := reply{b.w.t, rec.Code, rec.Body.String(), rec.Header(), map[string]*http.Cookie{}}
	for _, c := range rec.Result().Cookies() {
		out.set[c.Name] = c
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return out
}

func (b *browser) get(path string) reply { return b.send(b.request("GET", path, "")) }

func (b *browser) post(path string, body any) reply {
	return b.send(b.request("POST", path, text(b.w.t, body)))
}

func text(t *testing.T, body any) string {
	t.Helper()
	if s, ok := body.(string); ok {
		return s
	}
	j, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(j)
}

// m is a JSON object.
type m = map[string]any

// ok wants success and gives what was answered.
func (r reply) ok(what string) m {
	r.t.Helper()
	out := m{}
	switch r.status {
	case http.StatusNoContent:
		if r.body != "" {
			r.t.Errorf("%s: 204 with %q", what, r.body)
		}
	case http.StatusOK:
		if err := json.Unmarshal([]byte(r.body), &out); err != nil {
			r.t.Errorf("%s: %v in %q", what, err, r.body)
		}
	default:
		r.t.Errorf("%s: %d %s", what, r.status, r.body)
	}
	return out
}

// refused wants a refusal of a kind, and gives what is said of it.
func (r reply) refused(what string, status int, kind string) m {
	r.t.Helper()
	var out m
	_ = json.Unmarshal([]byte(r.body), &out)
	e, _ := out["error"].(m)
	if r.status != status || e["kind"] != kind || e["text"] == "" || e["text"] == nil {
		r.t.Errorf("%s: %d %s, want %d and %s", what, r.status, r.body, status, kind)
	}
	if r.header.Get("WWW-Authenticate") != "" || r.set[account.Cookie] != nil && r.set[account.Cookie].MaxAge >= 0 {
		r.t.Errorf("%s: refused, with %v", what, r.header)
	}
	return e
}

// login is ann's or bob's browser, logged in.
func (w *world) login(name string) *browser {
	w.t.Helper()
	b := w.browser()
	b.post("/api/login", m{"user": name + "@one.example", "password": password}).ok("login of " + name)
	w.guard.since()
	return b
}

// code is what an authenticator app shows, made by itself from RFC 6238.
func (w *world) code(secret string) string {
	w.t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		w.t.Fatal(err)
	}
	h := hmac.New(sha1.New, key)
	binary.Write(h, binary.BigEndian, w.clock.Now().Unix()/30)
	sum := h.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// strings are those of a list in a reply.
func list(v any) []string {
	var out []string
	items, _ := v.([]any)
	for _, i := range items {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func keys(v m) []string { return slices.Sorted(maps.Keys(v)) }
