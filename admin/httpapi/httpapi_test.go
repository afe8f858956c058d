package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server for the operator on a socket of its own until the test ends.
func serve(t *testing.T, op admin.Operator) (path string, stop func() error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "httpapi") // t.TempDir's names are too long for some systems' sockets
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "admin.sock")
	l, err := httpapi.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- httpapi.Serve(ctx, l, op, slog.New(slog.DiscardHandler)) }()
	stop = func() error { cancel(); err := <-done; done <- err; return err }
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	return path, stop
}

func dial(t *testing.T, path string) *httpapi.Client {
	t.Helper()
	c, err := httpapi.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// filled makes a value with something in every field.
func filled(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(1e9+*n), 0).UTC()))
	case v.Type() == reflect.TypeFor[netip.Prefix]():
		v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24")))
	case v.Type() == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(*n) * int64(time.Second))
	case v.Kind() == reflect.Struct:
		for _, f := range v.Fields() {
			filled(f, n)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"some": int64(*n)}))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprintf("text <&> %d", *n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanFloat():
		v.SetFloat(float64(*n) / 2)
	}
}

func full[T any]() (v T) {
	n := 0
	filled(reflect.ValueOf(&v).Elem(), &n)
	return v
}

// carried checks that an operation's request, reply and error arrive as they were given.
func carried[Q, A any](t *testing.T, f *fake, name string, do func(context.Context, Q) (A, error)) string {
	t.Helper()
	request, reply := full[Q](), full[A]()
	f.set(reply, nil)
	got, err := do(t.Context(), request)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if diff := cmp.Diff(any(request), f.asked()); diff != "" {
		t.Errorf("%s: the request changed on its way: %s", name, diff)
	}
	if diff := cmp.Diff(reply, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("%s: the reply changed on its way: %s", name, diff)
	}
	f.set(reply, &mail.Error{Kind: mail.Conflict, Text: "it is so; do this", Enhanced: "5.1.2", Err: errors.New("inside")})
	_, err = do(t.Context(), request)
	var e *mail.Error
	if !errors.As(err, &e) || e.Kind != mail.Conflict || e.Enhanced != "5.1.2" || e.Text != "it is so; do this: inside" {
		t.Errorf("%s: the error came as %#v", name, err)
	}
	return name
}

func TestEveryOperationIsCarried(t *testing.T) {
	t.Parallel()
	f := &fake{}
	path, _ := serve(t, f)
	c := dial(t, path)
	tested := map[string]bool{
		carried(t, f, "AddDomain", c.AddDomain):         true,
		carried(t, f, "Domains", c.Domains):             true,
		carried(t, f, "UpdateDomain", c.UpdateDomain):   true,
		carried(t, f, "RemoveDomain", c.RemoveDomain):   true,
		carried(t, f, "AddAccount", c.AddAccount):       true,
		carried(t, f, "Accounts", c.Accounts):           true,
		carried(t, f, "Account", c.Account):             true,
		carried(t, f, "UpdateAccount", c.UpdateAccount): true,
		carried(t, f, "SetPassword", c.SetPassword):     true,
		carried(t, f, "RemoveAccount", c.RemoveAccount): true,
		carried(t, f, "AddAlias", c.AddAlias):           true,
		carried(t, f, "Aliases", c.Aliases):             true,
		carried(t, f, "RemoveAlias", c.RemoveAlias):     true,
		carried(t, f, "Queued", c.Queued):               true,
		carried(t, f, "QueuedMessage", c.QueuedMessage): true,
		carried(t, f, "ActOnQueue", c.ActOnQueue):       true,
		carried(t, f, "Trace", c.Trace):                 true,
		carried(t, f, "Status", c.Status):               true,
		carried(t, f, "Compact", c.Compact):             true,
		carried(t, f, "Records", c.Records):             true,
		carried(t, f, "Publish", c.Publish):             true,
		carried(t, f, "Examine", c.Examine):             true,
		carried(t, f, "Keys", c.Keys):                   true,
		carried(t, f, "RotateKeys", c.RotateKeys):       true,
		carried(t, f, "Bans", c.Bans):                   true,
		carried(t, f, "Unban", c.Unban):                 true,
		carried(t, f, "Reports", c.Reports):             true,
		carried(t, f, "Alias", c.Alias):                 true,
		carried(t, f, "CheckAlias", c.CheckAlias):       true,
		carried(t, f, "UpdateAlias", c.UpdateAlias):     true,
		carried(t, f, "Charts", c.Charts):               true,
		carried(t, f, "Certificates", c.Certificates):   true,
		carried(t, f, "Nodes", c.Nodes):                 true,
		carried(t, f, "Limits", c.Limits):               true,
		carried(t, f, "Audit", c.Audit):                 true,
		carried(t, f, "Watch", func(ctx context.Context, r admin.Examination) (admin.Diagnosis, error) {
			return c.Watch(ctx, r, nil)
		}): true,
		carried(t, f, "Send", func(ctx context.Context, r admin.SendRequest) (admin.Sent, error) {
			return c.Send(ctx, r, strings.NewReader("a\r\nb"))
		}): true,
		carried(t, f, "Verify", func(ctx context.Context, r admin.VerifyRequest) (admin.VerifyReport, error) {
			return c.Verify(ctx, r, nil)
		}): true,
		carried(t, f, "Export", func(ctx context.Context, r admin.ExportRequest) (admin.Nothing, error) {
			return full[admin.Nothing](), c.Export(ctx, r, nil)
		}): true,
	}
	for m := range reflect.TypeFor[admin.Operator]().Methods() {
		if !tested[m.Name] {
			t.Errorf("nobody tests %s", m.Name)
		}
	}
	if f.message != "a\r\nb" {
		t.Errorf("the message came as %q", f.message)
	}
}

func TestKindsSurvive(t *testing.T) {
	t.Parallel()
	f := &fake{}
	path, _ := serve(t, f)
	c := dial(t, path)
	for k := mail.Internal; k <= mail.Conflict; k++ {
		f.set(nil, mail.Errorf(k, "sentence %d", k))
		if _, err := c.Status(t.Context(), admin.Nothing{}); mail.KindOf(err) != k || err.Error() != fmt.Sprintf("sentence %d", k) {
			t.Errorf("%v came as %v: %v", k, mail.KindOf(err), err)
		}
	}
}

func TestSocketIsItsUsersAlone(t *testing.T) {
	t.Parallel()
	path, stop := serve(t, &fake{})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v", info.Mode())
	}
	if _, err := httpapi.Listen(path); !mail.Is(err, mail.Conflict) {
		t.Errorf("a second server: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := httpapi.Dial(t.Context(), path); !errors.Is(err, httpapi.ErrNotRunning) {
		t.Errorf("no server: %v", err)
	}
}

func TestDeadSocketIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "admin.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Skipf("no socket can be made here: %v", err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := httpapi.Dial(t.Context(), path); !errors.Is(err, httpapi.ErrNotRunning) {
		t.Errorf("a dead socket: %v", err)
	}
	l, err := httpapi.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := httpapi.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a listener took another's socket away: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	path := filepath.Join(dir, "admin.sock")
	if _, err := httpapi.Dial(t.Context(), path); !errors.Is(err, httpapi.ErrNotRunning) {
		if mail.Is(err, mail.Invalid) {
			t.Skip("this system has no way around the limit")
		}
		t.Errorf("no directory: %v", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := httpapi.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- httpapi.Serve(ctx, l, &fake{}, slog.New(slog.DiscardHandler)) }()
	c := dial(t, path)
	if _, err := c.Status(t.Context(), admin.Nothing{}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stayed: %v", err)
	}
}

// raw sends a request by hand and gives the status and body.
func raw(t *testing.T, path, request string) (int, string) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, request) //nolint:errcheck // the server may close before it has read all
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}

func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	path, _ := serve(t, &fake{})
	tests := []struct {
		name, request string
		code          int
		words         string
	}{
		{"unknown field", post("/v1/status", `{"colour":"red"}`), 400, `does not know the field \"colour\"`},
		{"no JSON", post("/v1/status", `hello`), 400, "not the JSON object it should be"},
		{"wrong type", post("/v1/domain/add", `{"name":5}`), 400, "not the JSON object it should be"},
		{"empty", post("/v1/status", ``), 400, "not the JSON object it should be"},
		{"more than one", post("/v1/status", `{} {}`), 400, "something follows"},
		{"too large", post("/v1/domain/add", `{"name":"`+strings.Repeat("x", 5<<20)+`"}`), 413, "larger than 4194304 octets"},
		{"unknown path", post("/v1/frobnicate", `{}`), 404, "no operation POST /v1/frobnicate"},
		{"wrong method", "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "no operation GET /v1/status"},
		{"send without a line", post("/v1/send", `{}`), 400, "must begin with a line"},
		{"send with an endless line", post("/v1/send", strings.Repeat("x", 300<<10)), 400, "must begin with a line"},
		{"send with a bad line", post("/v1/send", "{\"x\":1}\nbody"), 400, "does not know the field"},
		{"verify", post("/v1/verify", `[]`), 400, "not the JSON object it should be"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, body := raw(t, path, tt.request)
			if code != tt.code || !strings.Contains(body, tt.words) || !strings.HasPrefix(body, `{"error":{"kind":`) {
				t.Errorf("got %d %s", code, body)
			}
		})
	}
}

func TestSendStreams(t *testing.T) {
	t.Parallel()
	f := &fake{}
	path, _ := serve(t, f)
	c := dial(t, path)
	text := strings.Repeat("0123456789abcde\n", 1<<16)
	if _, err := c.Send(t.Context(), admin.SendRequest{To: make([]string, 1000)}, iotest.HalfReader(strings.NewReader(text))); err != nil {
		t.Fatal(err)
	}
	if f.message != text {
		t.Errorf("%d octets of %d arrived", len(f.message), len(text))
	}
}

// A message that breaks off on its way must never count as whole.
func TestSendThatBreaksOff(t *testing.T) {
	t.Parallel()
	f := &fake{}
	path, _ := serve(t, f)
	c := dial(t, path)
	broken := io.MultiReader(strings.NewReader("half a mess"), iotest.ErrReader(errors.New("the disk has gone")))
	_, err := c.Send(t.Context(), admin.SendRequest{}, broken)
	if err == nil {
		t.Error("half a message was taken for a whole one")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.request != nil {
		t.Errorf("the operation went on with %q", f.message)
	}
}

func TestVerifyTellsProgress(t *testing.T) {
	t.Parallel()
	f := &fake{verify: func(_ context.Context, progress func(admin.Progress)) (admin.VerifyReport, error) {
		for i := range 3 {
			progress(admin.Progress{Stage: "bodies", Done: int64(i), Total: 3})
		}
		return admin.VerifyReport{Damage: []string{"one"}}, nil
	}}
	path, _ := serve(t, f)
	var got []int64
	r, err := dial(t, path).Verify(t.Context(), admin.VerifyRequest{}, func(p admin.Progress) { got = append(got, p.Done) })
	if err != nil || len(r.Damage) != 1 || len(got) != 3 || got[2] != 2 {
		t.Errorf("got %+v, %v, %v", r, got, err)
	}
}

// TestEveryOperationHasARoute: the table and the interface say the same, and a path stands there once.
func TestEveryOperationHasARoute(t *testing.T) {
	t.Parallel()
	paths := map[string]bool{}
	for _, r := range httpapi.Routes() {
		paths[r.Path] = true
	}
	if n := reflect.TypeFor[admin.Operator]().NumMethod(); len(paths) != n || len(httpapi.Routes()) != n {
		t.Errorf("%d operations have %d routes with %d paths", n, len(httpapi.Routes()), len(paths))
	}
}

// whoami is an operator that tells who asks.
type whoami struct {
	fake
	who chan admin.Actor
}

func (w *whoami) Status(ctx context.Context, _ admin.Nothing) (admin.Status, error) {
	a, _ := audit.By(ctx)
	w.who <- a
	return admin.Status{}, nil
}

// TestActor: who asks over the socket is known by the process at its other end.
func TestActor(t *testing.T) {
	t.Parallel()
	w := &whoami{who: make(chan admin.Actor, 1)}
	path, _ := serve(t, w)
	if _, err := dial(t, path).Status(t.Context(), admin.Nothing{}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-w.who, (admin.Actor{Way: audit.WaySocket, Name: audit.User(os.Getuid())}); got != want {
		t.Errorf("asked by %+v, want %+v", got, want)
	}
}

func TestWatchTellsFindings(t *testing.T) {
	t.Parallel()
	path, _ := serve(t, &fake{})
	var got []admin.Progress
	if _, err := dial(t, path).Watch(t.Context(), admin.Examination{}, func(p admin.Progress) { got = append(got, p) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Stage != "one.test" || got[0].Finding == nil || got[0].Finding.Text != "no" {
		t.Errorf("told %+v", got)
	}
}

// Who goes away is not worked for any longer.
func TestVerifyEndsWithItsClient(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	f := &fake{verify: func(ctx context.Context, progress func(admin.Progress)) (admin.VerifyReport, error) {
		progress(admin.Progress{Stage: "bodies"})
		<-ctx.Done()
		close(ended)
		return admin.VerifyReport{}, ctx.Err()
	}}
	path, _ := serve(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := dial(t, path).Verify(ctx, admin.VerifyRequest{}, func(admin.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestServerThatStops(t *testing.T) {
	t.Parallel()
	path, stop := serve(t, &fake{})
	c := dial(t, path)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context(), admin.Nothing{}); !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "has just stopped") {
		t.Errorf("got %v", err)
	}
}

// Another server's answer, or half of one, is an error that can be understood.
func TestStrangeReplies(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{
		"half":     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
		"nothing":  "",
		"no JSON":  "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nhi",
		"no words": "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "httpapi")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = bufio.NewReader(conn).Peek(1)
					_, _ = io.Copy(conn, bytes.NewReader([]byte(reply)))
					_ = conn.Close()
				}
			}()
			c := dial(t, path)
			if _, err := c.Status(t.Context(), admin.Nothing{}); err == nil || err.Error() == "" || mail.Is(err, mail.NotFound) {
				t.Errorf("got %v", err)
			}
			_ = l.Close()
			<-done
		})
	}
}
