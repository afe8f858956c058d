package jmap_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/town"
)

// TestSession reads the session resource (RFC 8620 2) and holds it to what is true: no VacationResponse, the limits of the configuration.
func TestSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *jmap.Config) { c.Limits.Calls = 7 })
	resp := w.request(t, "GET", "/.well-known/jmap", "", nil)
	var s struct {
		Capabilities    map[string]map[string]any
		Accounts        map[string]struct{ AccountCapabilities map[string]map[string]any }
		PrimaryAccounts map[string]string
		Username        string
		APIURL          string `json:"apiUrl"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.Status, err)
	}
	if s.Username != ann || s.APIURL != w.url+"/jmap/api" || s.Capabilities["urn:ietf:params:jmap:core"]["maxCallsInRequest"] != 7.0 ||
		s.Accounts[w.vars["account"]].AccountCapabilities["urn:ietf:params:jmap:mail"]["maxMailboxesPerEmail"] != nil ||
		s.Accounts[w.vars["account"]].AccountCapabilities["urn:ietf:params:jmap:submission"]["maxDelayedSend"] != 365*86400.0 ||
		s.PrimaryAccounts["urn:ietf:params:jmap:mail"] != w.vars["account"] {
		t.Errorf("session: %+v", s)
	}
	for name := range s.Capabilities {
		if strings.Contains(name, "vacation") {
			t.Errorf("%s is offered", name)
		}
	}
	nobody := newWorld(t, func(c *jmap.Config) { c.Submit = nil })
	if status, text := nobody.post(t, `{"using":["urn:ietf:params:jmap:submission"],"methodCalls":[]}`); status != 400 {
		t.Errorf("submission is taken though nobody sends: %s", text)
	}
}

// TestStrangers are sent away: with 401 and a sentence (RFC 8620 8.2), or to TLS.
func TestStrangers(t *testing.T) {
	t.Parallel()
	var tried []string
	w := newWorld(t, func(c *jmap.Config) { c.Login = watched{c.Login, &tried} })
	for _, path := range []string{"/.well-known/jmap", "/jmap/events?types=*&closeafter=no&ping=0", "/jmap/download/A1/R1/x"} {
		for _, password := range []string{"", "wrong"} {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", w.url+path, nil)
			if password != "" {
				r.SetBasicAuth(ann, password)
			}
			resp, err := w.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close() //nolint:errcheck // read whole
			if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic") || !strings.Contains(string(text), `"detail":"`) {
				t.Errorf("%s with %q: %s %s", path, password, resp.Status, text)
			}
		}
	}
	if len(tried) != 3 || !strings.HasPrefix(tried[0], "127.0.0.1:") {
		t.Errorf("the guard of logins was told %q, want three of 127.0.0.1", tried)
	}
	w = newWorld(t, func(c *jmap.Config) { c.CleartextAuth = false })
	if resp := w.request(t, "GET", "/.well-known/jmap", "", nil); resp.StatusCode != 403 {
		t.Errorf("a password without TLS: %s", resp.Status)
	}
	w = newWorld(t, func(c *jmap.Config) { c.Login = slowed{} })
	if resp := w.request(t, "GET", "/.well-known/jmap", "", nil); resp.StatusCode != 429 {
		t.Errorf("too many attempts: %s", resp.Status)
	}
}

// watched notes who tries.
type watched struct {
	real  jmap.Login
	tried *[]string
}

func (l watched) Login(ctx context.Context, user, password string, peer net.Addr) (mail.Account, error) {
	*l.tried = append(*l.tried, peer.String())
	return l.real.Login(ctx, user, password, peer)
}

type slowed struct{}

func (slowed) Login(context.Context, string, string, net.Addr) (mail.Account, error) {
	return mail.Account{}, mail.Errorf(mail.TooMany, "too many attempts; wait a minute")
}

// TestUpload goes up and comes down again (RFC 8620 6), and what lies or is too long does not.
func TestUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *jmap.Config) {
		c.Limits.Upload, c.Limits.UploadsHeld, c.Limits.Request = 200_000, 500_000, 100_000
	})
	up := func(body string) (int, map[string]any) {
		resp := w.request(t, "POST", "/jmap/upload/"+w.vars["account"]+"/", "text/plain; charset=utf-8", strings.NewReader(body))
		var o map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, o
	}
	long := strings.Repeat("0123456789", 20_000)
	var first string
	for i, body := range []string{"", "hello", long} {
		status, o := up(body)
		if status != 201 || o["size"] != float64(len(body)) || o["type"] != "text/plain" || o["accountId"] != w.vars["account"] {
			t.Fatalf("%d octets: %d %v", len(body), status, o)
		}
		resp := w.request(t, "GET", fmt.Sprintf("/jmap/download/%s/%s/caf%%C3%%A9.txt?accept=text/html", w.vars["account"], o["blobId"]), "", nil)
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != body || resp.Header.Get("Content-Type") != "text/html" || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") ||
			!strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%d octets came down as %d (%v): %v", len(body), len(got), err, resp.Header)
		}
		if i == 1 {
			first = o["blobId"].(string)
		}
	}
	if status, o := up(long + "x"); status != 413 || o["limit"] != "maxSizeUpload" {
		t.Errorf("too long: %d %v", status, o)
	}
	// One that does not say how long it is, and never ends.
	resp := w.request(t, "POST", "/jmap/upload/"+w.vars["account"]+"/", "", io.LimitReader(zeros{}, 1<<20))
	if resp.StatusCode != 413 {
		t.Errorf("without end: %s", resp.Status)
	}
	// The oldest goes when there is no room.
	if status, _ := up(long); status != 201 {
		t.Fatal(status)
	}
	if status, _ := up(long); status != 201 {
		t.Fatal(status)
	}
	if resp := w.request(t, "GET", "/jmap/download/"+w.vars["account"]+"/"+first+"/x", "", nil); resp.StatusCode != 404 {
		t.Errorf("the oldest upload is there: %s", resp.Status)
	}
	for _, path := range []string{"/jmap/download/A99/R1/x", "/jmap/download/" + w.vars["account"] + "/R99/x", "/jmap/download/" + w.vars["account"] + "/U../x", "/jmap/nothing", "/jmap/download/x"} {
		if resp := w.request(t, "GET", path, "", nil); resp.StatusCode != 404 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if resp := w.request(t, "POST", "/jmap/upload/A99/", "", strings.NewReader("x")); resp.StatusCode != 404 {
		t.Errorf("upload to another account: %s", resp.Status)
	}
	if resp := w.request(t, "GET", "/jmap/api", "", nil); resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET of the API: %s", resp.Status)
	}
	if status, text := w.post(t, `{"using":[],"methodCalls":[],"x":"`+strings.Repeat("x", 100_000)+`"}`); status != 400 || !strings.Contains(string(text), "maxSizeRequest") {
		t.Errorf("a request that is too long: %d %s", status, text)
	}
	if resp := w.request(t, "POST", "/jmap/api", "text/plain", strings.NewReader(`{"using":[],"methodCalls":[]}`)); resp.StatusCode != 400 {
		t.Errorf("a request of another type: %s", resp.Status)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUploadThatLies announces more than it sends: it is refused, and leaves nothing.
func TestUploadThatLies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, _ := http.NewRequest("POST", "http://x/", nil) //nolint:noctx // for its header alone
	r.SetBasicAuth(ann, town.Password)
	fmt.Fprintf(c, "POST /jmap/upload/%s/ HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 1000\r\n\r\nshort", w.vars["account"], r.Header.Get("Authorization"))
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("%s, want 400", resp.Status)
	}
}

// TestConcurrency holds an account to its number of requests (RFC 8620 2 maxConcurrentRequests).
func TestConcurrency(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	entered := make(chan struct{}, 1)
	w := newWorld(t, func(c *jmap.Config) {
		c.Limits.Concurrent = 1
		c.Accounts = gated{c.Accounts, gate, entered}
	})
	ask := `{` + using + `,"methodCalls":[["Mailbox/get",{"accountId":"` + w.vars["account"] + `","ids":null},"0"]]}`
	var wait sync.WaitGroup
	wait.Go(func() {
		if status, text := w.post(t, ask); status != 200 {
			t.Errorf("the first: %d %s", status, text)
		}
	})
	<-entered
	if status, text := w.post(t, ask); status != 429 || !strings.Contains(string(text), "maxConcurrentRequests") {
		t.Errorf("the second: %d %s", status, text)
	}
	close(gate)
	wait.Wait()
	if status, _ := w.post(t, ask); status != 200 {
		t.Errorf("the third: %d", status)
	}
}

type gated struct {
	jmap.Accounts
	gate    chan struct{}
	entered chan struct{}
}

func (g gated) Account(ctx context.Context, id mail.AccountID) (mail.Account, error) {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	<-g.gate
	return g.Accounts.Account(ctx, id)
}

// events reads an event source line by line.
func (w *world) events(t *testing.T, query, last string) *bufio.Scanner {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/jmap/events?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(ann, town.Password)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() }) //nolint:errcheck // a test's end
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	return lines
}

// next reads the data of the next event of a kind.
func next(t *testing.T, lines *bufio.Scanner, kind string) string {
	t.Helper()
	event := ""
	for lines.Scan() {
		if e, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = e
		}
		if d, ok := strings.CutPrefix(lines.Text(), "data: "); ok && event == kind {
			return d
		}
	}
	t.Fatalf("no event %s: %v", kind, lines.Err())
	return ""
}

// TestEvents: a change shows within 100 ms in an event source (RFC 8620 7.3), and what was missed when it is opened again.
func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	lines := w.events(t, "types=*&closeafter=no&ping=0", "")
	mailOnly := w.events(t, "types=Email,Card&closeafter=state&ping=0", "")
	start := time.Now()
	box := w.boxes(t)["Lists"]
	if _, err := w.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{mail.Subscribe{Account: w.IDs[ann], Mailbox: box, On: true}}}); err != nil {
		t.Fatal(err)
	}
	var change struct {
		Type    string `json:"@type"`
		Changed map[string]map[string]string
	}
	if err := json.Unmarshal([]byte(next(t, lines, "state")), &change); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	state := w.must(t, "Mailbox/get", map[string]any{"ids": []string{}})["state"]
	if change.Type != "StateChange" || change.Changed[w.vars["account"]]["Mailbox"] != state || change.Changed[w.vars["account"]]["Email"] != state {
		t.Errorf("%+v, want state %v", change, state)
	}
	if change.Changed[w.vars["account"]]["EmailDelivery"] != "" {
		t.Error("a subscription is told as new mail")
	}
	w.file(t, mail.Inbox, "Subject: new\n\ntext\n", 0, town.Epoch)
	w.bus.Publish(mail.Topic{Kind: mail.TopicAccount, Account: w.IDs[ann]})
	if err := json.Unmarshal([]byte(next(t, lines, "state")), &change); err != nil || change.Changed[w.vars["account"]]["EmailDelivery"] == "" {
		t.Errorf("new mail is not told as such (RFC 8621 1.5): %v %v", change, err)
	}
	if took > 100*time.Millisecond && !testing.Short() {
		t.Logf("the change took %v to show (bar: 100 ms on a quiet machine)", took)
	}
	state = w.must(t, "Mailbox/get", map[string]any{"ids": []string{}})["state"]
	if data := next(t, mailOnly, "state"); strings.Contains(data, "Mailbox") || strings.Contains(data, "Card") || !strings.Contains(data, "Email") {
		t.Errorf("asked for Email alone: %s", data)
	}
	for mailOnly.Scan() { // it closes after a state
	}
	if err := mailOnly.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if data := next(t, w.events(t, "types=Email&closeafter=no&ping=0", "1"), "state"); !strings.Contains(data, fmt.Sprint(state)) {
		t.Errorf("what was missed: %s", data)
	}
	for _, query := range []string{"", "types=*&closeafter=maybe&ping=0", "types=*&closeafter=no&ping=x"} {
		if resp := w.request(t, "GET", "/jmap/events?"+query, "", nil); resp.StatusCode != 400 {
			t.Errorf("%q: %s", query, resp.Status)
		}
	}
	w.server.End() // ends what is open
	for lines.Scan() {
	}
}
