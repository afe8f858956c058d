package jmap_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
	"github.com/postrider/postrider/testkit/town"
)

// open opens a WebSocket as the world's user.
func (w *world) open(t *testing.T, header http.Header) (*websocket.Conn, *http.Response) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Cookie") == "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(w.user+":"+town.Password)))
	}
	protocols := []string{"jmap"}
	if header.Get("X-No-Protocol") != "" {
		protocols = nil
	}
	conn, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(w.url, "http")+"/jmap/ws", &websocket.DialOptions{HTTPClient: w.client, HTTPHeader: header, Subprotocols: protocols})
	if err != nil {
		return nil, resp
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() }) //nolint:errcheck // a test's end
	return conn, resp
}

func send(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *websocket.Conn) (out map[string]any) {
	t.Helper()
	_, b, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return out
}

// TestSocket is the conversation of RFC 8887 4.4, and its errors (RFC 8887 4.3.4).
func TestSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, resp := w.open(t, nil)
	if c == nil || c.Subprotocol() != "jmap" {
		t.Fatal(resp)
	}
	core := `"using":["urn:ietf:params:jmap:core"]`
	for _, step := range [][2]string{
		{`{"@type":"Request","id":"R1",` + core + `,"methodCalls":[["Core/echo",{"hello":true,"high":5},"b3ff"]]}`,
			`{"@type":"Response","requestId":"R1","methodResponses":[["Core/echo",{"hello":true,"high":5},"b3ff"]],"sessionState":"{{*}}"}`},
		{"The quick brown fox jumps over the lazy dog.", `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notJSON","status":400,"detail":"{{*}}"}`},
		{`{"@type":"Request","id":"R2","using":["https://example.com/apis/foobar"],"methodCalls":[]}`,
			`{"@type":"RequestError","requestId":"R2","type":"urn:ietf:params:jmap:error:unknownCapability","status":400,"detail":"{{*}}"}`},
		{`{"@type":"Request","id":"R3",` + core + `}`, `{"@type":"RequestError","requestId":"R3","type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"{{*}}"}`},
		{`{"@type":"Nothing","id":"R4"}`, `{"@type":"RequestError","requestId":"R4","type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"{{*}}"}`},
		{`[]`, `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notRequest","status":400,"detail":"{{*}}"}`},
		{`{"@type":"Request",` + core + `,"createdIds":{},"methodCalls":[]}`, `{"@type":"Response","methodResponses":[],"sessionState":"{{*}}"}`},
		{`{"@type":"Request","id":"R5",` + core + `,"methodCalls":[` + strings.Repeat(`["a",{},""],`, 40) + `["a",{},""]]}`,
			`{"@type":"RequestError","requestId":"R5","type":"urn:ietf:params:jmap:error:limit","limit":"maxCallsInRequest","status":400,"detail":"{{*}}"}`},
	} {
		send(t, c, step[0])
		var want any
		if err := json.Unmarshal([]byte(step[1]), &want); err != nil {
			t.Fatal(err)
		}
		if diff := w.match("", want, any(receive(t, c))); diff != "" {
			t.Errorf("%.100s: %s", step[0], diff)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

// TestSocketPush: RFC 8887 4.3.5.
func TestSocketPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, _ := w.open(t, nil)
	echo := func() {
		send(t, c, `{"@type":"Request","id":"echo","using":["urn:ietf:params:jmap:core"],"methodCalls":[]}`)
		if got := receive(t, c); got["requestId"] != "echo" {
			t.Fatalf("between: %v", got)
		}
	}
	touch := func(on bool) {
		if _, err := w.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{mail.Subscribe{Account: w.IDs[ann], Mailbox: w.boxes(t)["Lists"], On: on}}}); err != nil {
			t.Fatal(err)
		}
	}
	touch(true)
	echo() // nothing is pushed that was not asked for
	send(t, c, `{"@type":"WebSocketPushEnable","dataTypes":["Mailbox"],"pushState":"x"}`)
	first := receive(t, c)
	changed := first["changed"].(map[string]any)[w.vars["account"]].(map[string]any)
	if first["@type"] != "StateChange" || len(changed) != 1 || changed["Mailbox"] == nil || first["pushState"] == "" {
		t.Fatalf("with an old state: %v", first)
	}
	touch(false)
	second := receive(t, c)
	if second["pushState"] == first["pushState"] || second["changed"].(map[string]any)[w.vars["account"]].(map[string]any)["Mailbox"] == changed["Mailbox"] {
		t.Errorf("%v after %v", second, first)
	}
	send(t, c, `{"@type":"WebSocketPushDisable"}`)
	echo()
	touch(true)
	echo()
	// What was missed is told when pushing begins again; from the newest state there is nothing to tell.
	state, err := json.Marshal(second["pushState"])
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, `{"@type":"WebSocketPushEnable","dataTypes":null,"pushState":`+string(state)+`}`)
	third := receive(t, c)
	if len(third["changed"].(map[string]any)[w.vars["account"]].(map[string]any)) < 5 {
		t.Errorf("all types: %v", third)
	}
	if state, err = json.Marshal(third["pushState"]); err != nil {
		t.Fatal(err)
	}
	send(t, c, `{"@type":"WebSocketPushEnable","pushState":`+string(state)+`}`)
	echo()
}

// TestSocketDoor: who is not let in, and why (RFC 6455 10.2, RFC 8887 4.1).
func TestSocketDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *jmap.Config) { c.Limits.Sockets = 1 })
	for _, c := range []struct {
		header http.Header
		status int
	}{
		{http.Header{"Origin": {"https://evil.example"}}, 403}, {http.Header{"Origin": {"null"}}, 403}, {http.Header{"Origin": {strings.Replace(w.url, "http", "https", 1)}}, 403},
		{http.Header{"X-No-Protocol": {"1"}}, 400}, {http.Header{"Cookie": {"x=y"}}, 401},
	} {
		if _, resp := w.open(t, c.header); resp == nil || resp.StatusCode != c.status {
			t.Errorf("%v: %v, want %d", c.header, resp, c.status)
		}
	}
	first, _ := w.open(t, http.Header{"Origin": {w.url}})
	if first == nil {
		t.Fatal("our own page is not let in")
	}
	if _, resp := w.open(t, nil); resp == nil || resp.StatusCode != 429 {
		t.Errorf("one too many: %v", resp)
	}
	if resp := w.request(t, "GET", "/jmap/ws", "", nil); resp.StatusCode != 400 && resp.StatusCode != 426 {
		t.Errorf("no WebSocket at all: %s", resp.Status)
	}
	if err := first.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

// TestSocketBounds: a message that is too long, one that is no text, more requests than may run.
func TestSocketBounds(t *testing.T) {
	t.Parallel()
	gate, entered := make(chan struct{}), make(chan struct{}, 1)
	w := newWorld(t, func(c *jmap.Config) {
		c.Limits.Concurrent, c.Limits.Request = 1, 1000
		c.Accounts = gated{c.Accounts, gate, entered}
	})
	c, _ := w.open(t, nil)
	ask := `{"@type":"Request","id":"%s",` + using + `,"methodCalls":[["Mailbox/get",{"accountId":"` + w.vars["account"] + `","ids":[]},"0"]]}`
	send(t, c, fmt.Sprintf(ask, "A"))
	<-entered
	send(t, c, fmt.Sprintf(ask, "B"))
	if got := receive(t, c); got["requestId"] != "B" || got["limit"] != "maxConcurrentRequests" || got["status"] != 429.0 {
		t.Errorf("the second: %v", got)
	}
	close(gate)
	if got := receive(t, c); got["requestId"] != "A" || got["@type"] != "Response" {
		t.Errorf("the first: %v", got)
	}
	ends := func(code websocket.StatusCode) {
		t.Helper()
		var why websocket.CloseError
		if _, _, err := c.Read(t.Context()); !errors.As(err, &why) || why.Code != code {
			t.Errorf("%v, want %d", err, code)
		}
	}
	send(t, c, `{"x":"`+strings.Repeat("x", 2000)+`"}`)
	if got := receive(t, c); got["limit"] != "maxSizeRequest" || got["requestId"] != nil {
		t.Errorf("too long: %v", got)
	}
	ends(websocket.StatusMessageTooBig)
	c, _ = w.open(t, nil)
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	ends(websocket.StatusUnsupportedData)
}

// TestSocketEnds: with the session, and with the server.
func TestSocketEnds(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	ticks := clock.At(town.Epoch)
	var w *world
	w = newWorld(t, func(c *jmap.Config) {
		people := c.Accounts
		c.Clock = ticks
		c.Session = func(r *http.Request) (mail.Account, bool, error) {
			if cookie, err := r.Cookie("session"); err != nil || cookie.Value != "ann" || gone.Load() {
				return mail.Account{}, false, nil
			}
			a, err := people.Account(r.Context(), w.IDs[ann])
			return a, err == nil, err
		}
	})
	closes := func(c *websocket.Conn) websocket.StatusCode {
		t.Helper()
		var why websocket.CloseError
		if _, _, err := c.Read(t.Context()); !errors.As(err, &why) {
			t.Errorf("%v, want a reason", err)
		}
		return why.Code
	}
	cookie := http.Header{"Cookie": {"session=ann"}}
	c, resp := w.open(t, cookie.Clone())
	if c == nil {
		t.Fatal(resp)
	}
	other, _ := w.open(t, nil) // by password: it stays
	got, last := make(chan websocket.StatusCode, 1), make(chan websocket.StatusCode, 1)
	go func() { got <- closes(c) }()
	go func() { last <- closes(other) }()
	const waits = 2 // of each: for the next ping, and for the next look at the session
	ticks.Await(t, 2*waits)
	gone.Store(true)
	ticks.Advance(time.Minute)
	if code := <-got; code != websocket.StatusPolicyViolation {
		t.Errorf("the session's end: %d", code)
	}
	w.server.End()
	if code := <-last; code != websocket.StatusGoingAway {
		t.Errorf("the server's end: %d", code)
	}
}
