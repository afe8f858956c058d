package webapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/admin/webapi"
	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// operator notes what it is asked, and by whom; everything else of admin.Operator panics, so that nothing is asked unseen.
type operator struct {
	admin.Operator
	mu    sync.Mutex
	asked []string
	who   admin.Actor
	err   error
}

func note[A any](o *operator, ctx context.Context, what string) (a A, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, what)
	o.who, _ = audit.By(ctx)
	return a, o.err
}

func (o *operator) Status(ctx context.Context, _ admin.Nothing) (admin.Status, error) {
	return note[admin.Status](o, ctx, "status")
}

func (o *operator) Account(ctx context.Context, r admin.AccountName) (admin.AccountDetail, error) {
	return note[admin.AccountDetail](o, ctx, "show "+r.Address)
}

func (o *operator) RemoveAccount(ctx context.Context, r admin.AccountName) (admin.Account, error) {
	return note[admin.Account](o, ctx, "remove "+r.Address)
}

func (o *operator) RemoveDomain(ctx context.Context, r admin.DomainName) (admin.Domain, error) {
	return note[admin.Domain](o, ctx, "remove "+r.Name)
}

func (o *operator) Keys(ctx context.Context, r admin.DomainName) (admin.KeyList, error) {
	return note[admin.KeyList](o, ctx, "keys "+r.Name)
}

func (o *operator) SetPassword(ctx context.Context, r admin.PasswordChange) (admin.PasswordChanged, error) {
	return note[admin.PasswordChanged](o, ctx, "password "+r.Address)
}

func (o *operator) UpdateAccount(ctx context.Context, r admin.AccountUpdate) (admin.Account, error) {
	return note[admin.Account](o, ctx, "update "+r.Address)
}

func (o *operator) Verify(ctx context.Context, _ admin.VerifyRequest, progress func(admin.Progress)) (admin.VerifyReport, error) {
	progress(admin.Progress{Stage: "bodies", Done: 1, Total: 2})
	return note[admin.VerifyReport](o, ctx, "verify")
}

func (o *operator) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.asked) == 0 {
		return ""
	}
	return o.asked[len(o.asked)-1]
}

// guard stands for ua/account's: it knows one session.
func guard(a mail.Account) func(func(http.ResponseWriter, *http.Request, mail.Account)) http.Handler {
	return func(answer func(http.ResponseWriter, *http.Request, mail.Account)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Cookie") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			answer(w, r, a)
		})
	}
}

var ann = mail.Account{ID: 1, Address: "ann@example.test", Admin: true}

type page struct {
	op  *operator
	h   *webapi.Handler
	mux *web.Mux
	log *bytes.Buffer
}

func newPage(t *testing.T, a mail.Account, tail *obs.Tail) *page {
	t.Helper()
	p := &page{op: &operator{}, mux: web.NewMux(), log: new(bytes.Buffer)}
	p.h = webapi.New(webapi.Config{Operator: func() admin.Operator { return p.op }, Guarded: guard(a), Tail: tail, Log: slog.New(slog.NewTextHandler(p.log, nil))})
	p.h.Register(p.mux, "")
	t.Cleanup(p.h.End)
	return p
}

func (p *page) ask(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Cookie", "yes")
	r.RemoteAddr = "[::ffff:192.0.2.9]:1234"
	w := httptest.NewRecorder()
	p.mux.ServeHTTP(w, r)
	return w
}

// post asks for an operation and gives the status, and the kind and text of its error.
func (p *page) post(path, body string) (code int, kind, text string) {
	w := p.ask("POST", webapi.Prefix+path, body)
	var f struct{ Error httpapi.Failure }
	_ = json.Unmarshal(w.Body.Bytes(), &f) // a reply is none, and has no error
	return w.Code, f.Error.Kind, f.Error.Text
}

// TestEntitlement: no route says anything to those who may not administer.
func TestEntitlement(t *testing.T) {
	t.Parallel()
	paths := []string{"/log", "/v1/frobnicate", "/"}
	for _, r := range httpapi.Routes() {
		paths = append(paths, r.Path)
	}
	right, disabled := ann, ann
	right.Admin, disabled.Disabled = false, true
	for _, path := range paths {
		for name, a := range map[string]mail.Account{"no right": right, "disabled": disabled, "nobody": {}} {
			p := newPage(t, a, obs.NewTail(1))
			for _, method := range []string{"GET", "POST"} {
				w := p.ask(method, webapi.Prefix+path, "{}")
				if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"kind":"denied"`) || !strings.Contains(w.Body.String(), "may not administer") {
					t.Errorf("%s, %s %s: %d %s", name, method, path, w.Code, w.Body)
				}
			}
			if p.op.last() != "" {
				t.Errorf("%s, %s: the operator was asked", name, path)
			}
		}
		p := newPage(t, ann, nil)
		r := httptest.NewRequest("POST", webapi.Prefix+path, strings.NewReader("{}"))
		w := httptest.NewRecorder()
		if p.mux.ServeHTTP(w, r); w.Code != http.StatusUnauthorized || p.op.last() != "" {
			t.Errorf("without a session, %s: %d", path, w.Code)
		}
	}
}

// TestRoutes: every route of the socket is here but those that move mail, and looks at its request in the same way.
func TestRoutes(t *testing.T) {
	t.Parallel()
	p := newPage(t, ann, nil)
	for _, r := range httpapi.Routes() {
		code, kind, text := p.post(r.Path, `{"no such field":1}`)
		want := http.StatusBadRequest
		if r.Path == httpapi.PathSend || r.Path == httpapi.PathExport {
			want = http.StatusNotFound
		}
		if code != want || want == http.StatusBadRequest && (kind != "invalid" || !strings.Contains(text, "no such field")) {
			t.Errorf("%s: %d %s %s", r.Path, code, kind, text)
		}
		for _, body := range []string{"", "null", "[]", "{", `{} {}`, `{"confirm":5}`, `"x"`} {
			if code, kind, _ := p.post(r.Path, body); code != want || kind != map[int]string{400: "invalid", 404: "not_found"}[want] {
				t.Errorf("%s with %q: %d %s", r.Path, body, code, kind)
			}
		}
		if w := p.ask("GET", webapi.Prefix+r.Path, ""); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", r.Path, w.Code)
		}
	}
	for _, path := range []string{"/v1/status", "/v1/verify", "/v1/alias/add"} { // each way of reading a request
		if code, kind, _ := p.post(path, `{"x":"`+strings.Repeat("x", httpapi.MaxRequest)+`"}`); code != 413 || kind != "too_large" {
			t.Errorf("%s with much: %d %s", path, code, kind)
		}
	}
	if p.op.last() != "" {
		t.Errorf("the operator was asked: %s", p.op.last())
	}
	if n := p.h.MaxBody(nil); n != httpapi.MaxRequest {
		t.Errorf("bodies of %d octets", n)
	}
}

// TestWhoAsks: the operation is told, for its record.
func TestWhoAsks(t *testing.T) {
	t.Parallel()
	p := newPage(t, ann, nil)
	w := p.ask("POST", webapi.Prefix+"/v1/status", "{}")
	if w.Code != 200 || p.op.last() != "status" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if want := (admin.Actor{Way: audit.WayWeb, Name: "ann@example.test", From: "192.0.2.9"}); p.op.who != want {
		t.Errorf("asked by %+v", p.op.who)
	}
}

func TestDangerousActs(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		path, asked, words string
	}{
		`{"address":"bob@example.test"}`:                                                           {httpapi.PathAccountRemove, "", "once more"},
		`{"address":"bob@example.test","confirm":"bob"}`:                                           {httpapi.PathAccountRemove, "", "once more"},
		`{"address":"bob@example.test","confirm":"Bob@Example.test"}`:                              {httpapi.PathAccountRemove, "remove bob@example.test", ""},
		`{"address":"bob@example.test","Confirm":"bob@example.test"}`:                              {httpapi.PathAccountRemove, "", "does not know the field"},
		`{"address":"","confirm":""}`:                                                              {httpapi.PathAccountRemove, "", "once more"},
		`{"address":"<ANN@example.test>","confirm":"ann@example.test"}`:                            {httpapi.PathAccountRemove, "", "your own account"},
		`{"address":"bob@example.test","Address":"ann@example.test","confirm":"bob@example.test"}`: {httpapi.PathAccountRemove, "remove bob@example.test", ""},
		`{"address":"bob@example.test" }`:                                                          {"/v1/account/show", "show bob@example.test", ""},
		`{"name":"Example.test"}`:                                                                  {httpapi.PathDomainRemove, "", "once more"},
		`{"name":"Example.test","confirm":"example.test."}`:                                        {httpapi.PathDomainRemove, "remove Example.test", ""},
		`{"name":"Example.test" }`:                                                                 {"/v1/dkim/list", "keys Example.test", ""},
		`{"address":"bob@example.test","password":"x"}`:                                            {httpapi.PathAccountPassword, "", "once more"},
		`{"address":"bob@example.test","password":"x","confirm":"bob@example.test"}`:               {httpapi.PathAccountPassword, "password bob@example.test", ""},
		`{"address":"ann@example.test","password":"x","confirm":"ann@example.test"}`:               {httpapi.PathAccountPassword, "", "in your settings"},
		`{"address":"ann@example.test","admin":false}`:                                             {httpapi.PathAccountUpdate, "", "your own right"},
		`{"address":"Ann@EXAMPLE.test","disabled":true}`:                                           {httpapi.PathAccountUpdate, "", "your own account"},
		`{"address":"ann@example.test","admin":true,"disabled":false,"name":"Ann"}`:                {httpapi.PathAccountUpdate, "update ann@example.test", ""},
		`{"address":"bob@example.test","admin":false,"disabled":true}`:                             {httpapi.PathAccountUpdate, "update bob@example.test", ""},
	} {
		p := newPage(t, ann, nil)
		code, kind, text := p.post(want.path, body)
		if p.op.last() != want.asked || want.words == "" != (code == 200) || !strings.Contains(text, want.words) {
			t.Errorf("%s %s: asked %q, answered %d %s %s", want.path, body, p.op.last(), code, kind, text)
		}
	}
}

// TestErrors: kinds are spelt as on the web, and what is inside goes to the log.
func TestErrors(t *testing.T) {
	t.Parallel()
	for k := mail.Internal; k <= mail.Conflict; k++ {
		p := newPage(t, ann, nil)
		p.op.err = mail.Errorf(k, "the sentence: %w", errors.New("pack 7"))
		code, kind, text := p.post("/v1/status", "{}")
		if code != httpapi.Status(k) || kind != strings.ReplaceAll(k.String(), "-", "_") {
			t.Errorf("%v: %d %s", k, code, kind)
		}
		inside := k == mail.Internal
		if strings.Contains(text, "pack 7") == inside || strings.Contains(p.log.String(), "pack 7") != inside {
			t.Errorf("%v: told %q, logged %q", k, text, p.log)
		}
	}
}

func TestVerifyTellsProgress(t *testing.T) {
	t.Parallel()
	p := newPage(t, ann, nil)
	w := p.ask("POST", webapi.Prefix+"/v1/verify", `{"quick":true}`)
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if w.Code != 200 || len(lines) != 2 || !strings.Contains(lines[0], `"progress":{"stage":"bodies"`) || !strings.Contains(lines[1], `"reply":`) || !w.Flushed {
		t.Errorf("%d %q", w.Code, lines)
	}
	p.op.err = mail.Errorf(mail.OverQuota, "no room")
	if w = p.ask("POST", webapi.Prefix+"/v1/verify", `{}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"error":{"kind":"over_quota","text":"no room"}`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLogThatIsNotFollowed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for path, want := range map[string]int{"/log?level=loud": 400, "/log?text=" + long: 400, "/log?role=" + long: 400, "/log": 503} {
		if w := newPage(t, ann, nil).ask("GET", webapi.Prefix+path, ""); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	tail := obs.NewTail(1)
	if w := newPage(t, ann, tail).ask("POST", webapi.Prefix+"/log", ""); w.Code != 404 {
		t.Errorf("POST: %d", w.Code)
	}
	for range obs.MaxReaders {
		defer tail.Follow(0).Close()
	}
	if w := newPage(t, ann, tail).ask("GET", webapi.Prefix+"/log", ""); w.Code != 429 {
		t.Errorf("one too many: %d", w.Code)
	}
}

// follower reads events as a browser does.
type follower struct {
	t    *testing.T
	resp *http.Response
	r    *bufio.Reader
}

func (p *page) follow(t *testing.T, server *httptest.Server, query, lastID string) *follower {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+webapi.Prefix+"/log"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "yes")
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &follower{t, resp, bufio.NewReader(resp.Body)}
}

// texts reads events until n lines of the log were there.
func (f *follower) texts(n int) (texts []string) {
	f.t.Helper()
	for len(texts) < n {
		line, err := f.r.ReadString('\n')
		if err != nil {
			f.t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var l obs.Line
			if err := json.Unmarshal([]byte(data), &l); err != nil {
				f.t.Fatal(err)
			}
			texts = append(texts, fmt.Sprintf("%d %s %s: %s", l.Seq, l.Level, l.Role, l.Text))
		}
	}
	return texts
}

func TestLog(t *testing.T) {
	t.Parallel()
	tail := obs.NewTail(10)
	log := slog.New(tail.Handler(slog.NewTextHandler(io.Discard, nil)))
	p := newPage(t, ann, tail)
	server := httptest.NewServer(p.mux)
	defer server.Close()
	obs.Role(log, "mta/inbound").Info("before")
	log.Warn("too")
	all := p.follow(t, server, "", "")
	few := p.follow(t, server, "?level=warn&role=mta&text=late", "")
	again := p.follow(t, server, "", "1")
	obs.Role(log, "mta/outbound").Error("Later")
	obs.Role(log, "msa").Error("Later")
	obs.Role(log, "mta").Info("late")
	log.Error("end", "role", "mta", "password", "hunter2", "x", "too late")
	if got := strings.Join(all.texts(6), "; "); got != "1 info mta/inbound: before; 2 warn : too; 3 error mta/outbound: Later; 4 error msa: Later; 5 info mta: late; 6 error mta: end" {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(few.texts(2), "; "); got != "3 error mta/outbound: Later; 6 error mta: end" {
		t.Errorf("got %s", got)
	}
	if got := again.texts(1); got[0] != "2 warn : too" {
		t.Errorf("got %v", got)
	}
	p.h.End()
	for _, f := range []*follower{all, few, again} {
		rest, err := io.ReadAll(f.r)
		if err != nil || strings.Contains(string(rest), "hunter2") {
			t.Errorf("the end: %q, %v", rest, err)
		}
	}
}

// TestLogIsFollowedForAWhile: then its reader has to be let in anew. Meanwhile there are signs of life.
func TestLogIsFollowedForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, ann, obs.NewTail(1))
		begun := time.Now()
		w := p.ask("GET", webapi.Prefix+"/log", "")
		if took := time.Since(begun); took != 10*time.Minute {
			t.Errorf("it took %v", took)
		}
		if n := strings.Count(w.Body.String(), ": here"); n < 20 || !strings.HasPrefix(w.Body.String(), "retry: ") {
			t.Errorf("%d signs of life", n)
		}
	})
}

// TestLogTellsWhatIsLost: a reader that cannot keep up knows.
func TestLogTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	tail := obs.NewTail(1)
	log := slog.New(tail.Handler(slog.NewTextHandler(io.Discard, nil)))
	p := newPage(t, ann, tail)
	w := &stuck{ResponseRecorder: httptest.NewRecorder(), at: make(chan struct{}), on: make(chan struct{})}
	r := httptest.NewRequest("GET", webapi.Prefix+"/log", nil)
	r.Header.Set("Cookie", "yes")
	done := make(chan struct{})
	go func() { defer close(done); p.mux.ServeHTTP(w, r) }()
	<-w.at
	for range 2000 {
		log.Info("flood")
	}
	close(w.on)
	<-w.told
	p.h.End()
	<-done
	if !strings.Contains(w.Body.String(), "event: lost\ndata: {\"lines\":1") {
		t.Error("nobody tells what is lost")
	}
}

// stuck is a client that takes nothing for a while.
type stuck struct {
	*httptest.ResponseRecorder
	once   sync.Once
	at, on chan struct{}
	told   chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	s.once.Do(func() { s.told = make(chan struct{}); close(s.at); <-s.on })
	n, err := s.ResponseRecorder.Write(b)
	if bytes.Contains(b, []byte("event: lost")) {
		close(s.told)
	}
	return n, err
}
