package jmap_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/maa/jmap/webpush"
	"github.com/postrider/postrider/mail"
)

// hurried is a clock on which waiting takes a hundredth.
type hurried struct{ mail.SystemClock }

func (hurried) After(d time.Duration) <-chan time.Time { return time.After(d / 100) }

// pushService is a push service on loopback. It answers with the statuses it was given, and then with 201.
type pushService struct {
	*httptest.Server
	got chan pushMessage

	mu       sync.Mutex
	statuses []int
}

type pushMessage struct {
	path   string
	header http.Header
	body   []byte
	at     time.Time
}

func newPushService(t *testing.T) *pushService {
	t.Helper()
	p := &pushService{got: make(chan pushMessage, 100)}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		status := http.StatusCreated
		if len(p.statuses) > 0 {
			status, p.statuses = p.statuses[0], p.statuses[1:]
		}
		p.mu.Unlock()
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "20")
		}
		w.WriteHeader(status)
		p.got <- pushMessage{r.URL.Path, r.Header, body, at}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pushService) answer(statuses ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statuses = statuses
}

// next waits for a message that is no encrypted one.
func (p *pushService) next(t *testing.T) (m pushMessage, o map[string]any) {
	t.Helper()
	select {
	case m = <-p.got:
	case <-time.After(10 * time.Second):
		t.Fatal("no push message came")
	}
	if m.header.Get("Content-Encoding") == "" {
		if err := json.Unmarshal(m.body, &o); err != nil {
			t.Fatalf("%s: %v", m.body, err)
		}
	}
	return m, o
}

// newPushWorld is a world that pushes.
func newPushWorld(t *testing.T, p *pushService) (*world, *webpush.Key) {
	t.Helper()
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(u.Host)
	resolver, err := dns.NewStatic(dns.StaticConfig{Zone: "push.example A 127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate())
	client := outward.NewClient(outward.ClientConfig{
		Dialer: outward.NewDialer(outward.Config{Resolver: resolver, Ports: []uint16{443, at.Port()}, Exempt: []netip.Prefix{netip.PrefixFrom(at.Addr(), 32)}}),
		Agent:  "test", TLS: &tls.Config{RootCAs: roots},
	})
	var key *webpush.Key
	w := newWorld(t, func(c *jmap.Config) {
		if key, err = webpush.LoadKey(t.Context(), c.Notes, c.Journal); err != nil {
			t.Fatal(err)
		}
		c.Push, c.Clock = webpush.New(webpush.Config{Client: client, Key: key, Subject: "mailto:postmaster@one.example"}), hurried{}
	})
	t.Cleanup(client.Close)
	w.runPush(t)
	return w, key
}

// runPush runs the pusher until the test ends, or what it gives is called.
func (w *world) runPush(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.RunPush(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (w *world) touch(t *testing.T, on bool) {
	t.Helper()
	if _, err := w.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{mail.Subscribe{Account: w.IDs[ann], Mailbox: w.boxes(t)["Lists"], On: on}}}); err != nil {
		t.Fatal(err)
	}
}

// noAccount is call for methods that have no accountId.
func (w *world) noAccount(t *testing.T, method, args string) (out map[string]any) {
	t.Helper()
	status, text := w.post(t, `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["`+method+`",`+args+`,"0"]]}`)
	var resp struct {
		MethodResponses [][]json.RawMessage `json:"methodResponses"`
	}
	if err := json.Unmarshal(text, &resp); err != nil || status != 200 || json.Unmarshal(resp.MethodResponses[0][1], &out) != nil {
		t.Fatalf("%d %s", status, text)
	}
	return out
}

// subscribe makes a subscription and verifies it (RFC 8620 7.2.2).
func (w *world) subscribe(t *testing.T, p *pushService, path, types string) string {
	t.Helper()
	made := w.noAccount(t, "PushSubscription/set", fmt.Sprintf(`{"create":{"k":{"deviceClientId":"a889-ffea-910","url":"%s%s","types":%s}}}`, p.URL, path, types))
	created, ok := made["created"].(map[string]any)
	if !ok {
		t.Fatal(made)
	}
	id := created["k"].(map[string]any)["id"].(string)
	m, o := p.next(t)
	for o["@type"] == "StateChange" { // to another subscription
		m, o = p.next(t)
	}
	if o["@type"] != "PushVerification" || o["pushSubscriptionId"] != id || m.path != path || len(o["verificationCode"].(string)) < 22 || m.header.Get("TTL") == "" {
		t.Fatalf("%+v %v", m, o)
	}
	set := w.noAccount(t, "PushSubscription/set", fmt.Sprintf(`{"update":{"%s":{"verificationCode":"%s"}}}`, id, o["verificationCode"]))
	if set["notUpdated"] != nil {
		t.Fatal(set)
	}
	return id
}

// TestPush is the example of RFC 8620 7.2, and what comes after it.
func TestPush(t *testing.T) {
	t.Parallel()
	p := newPushService(t)
	w, key := newPushWorld(t, p)
	// RFC 9749 3: the key is in the session.
	var session struct{ Capabilities map[string]map[string]any }
	if err := json.NewDecoder(w.request(t, "GET", "/.well-known/jmap", "", nil).Body).Decode(&session); err != nil || session.Capabilities["urn:ietf:params:jmap:webpush-vapid"]["applicationServerKey"] != key.Public() {
		t.Errorf("%v %v", err, session)
	}
	made := w.noAccount(t, "PushSubscription/set", fmt.Sprintf(`{"create":{"4f29":{"deviceClientId":"a889-ffea-910","url":"%s/one","types":null}}}`, p.URL))
	one := made["created"].(map[string]any)["4f29"].(map[string]any)
	if expires, err := time.Parse(time.RFC3339, one["expires"].(string)); err != nil || time.Until(expires) > 30*24*time.Hour || time.Until(expires) < 7*24*time.Hour {
		t.Errorf("it expires %v", one["expires"])
	}
	if keys, told := one["keys"]; keys != nil || !told || made["accountId"] != nil || made["newState"] != nil {
		t.Error(made)
	}
	_, verification := p.next(t)
	w.touch(t, true) // may be told once the subscription is verified, and not before
	id := one["id"].(string)
	var verified time.Time
	for _, code := range []string{"wrong", "", verification["verificationCode"].(string)} {
		fine := code == verification["verificationCode"]
		verified = time.Now()
		set := w.noAccount(t, "PushSubscription/set", fmt.Sprintf(`{"update":{"%s":{"verificationCode":"%s"}}}`, id, code))
		if (set["notUpdated"] == nil) != fine || !fine && set["notUpdated"].(map[string]any)[id].(map[string]any)["type"] != "invalidProperties" {
			t.Errorf("code %q: %v", code, set)
		}
	}
	got := w.noAccount(t, "PushSubscription/get", `{"ids":["`+id+`","P9"]}`)
	list := got["list"].([]any)
	if len(list) != 1 || len(list[0].(map[string]any)) != 5 || list[0].(map[string]any)["verificationCode"] != verification["verificationCode"] || got["notFound"].([]any)[0] != "P9" || got["state"] != nil {
		t.Errorf("%v", got)
	}
	if got := w.noAccount(t, "PushSubscription/get", `{"ids":null,"properties":["url"]}`); got["type"] != "forbidden" {
		t.Errorf("the url is asked for: %v", got)
	}
	mailOnly := w.subscribe(t, p, "/two", `["Email","ContactCard"]`)

	// One of the two is told of a mailbox that changes, both of mail.
	state := func(o map[string]any) map[string]any {
		return o["changed"].(map[string]any)[w.vars["account"]].(map[string]any)
	}
	w.Do(t, mail.CountNote{Kind: "jmap-state", Key: w.vars["account"] + "/Identity", By: 1, Account: w.IDs[ann]})
	w.eventually(t, p, "/one", func(m pushMessage, o map[string]any) bool {
		if o["@type"] != "StateChange" || m.header.Get("TTL") != "86400" || m.header.Get("Topic") == "" || m.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(m.header.Get("Authorization"), "vapid t=") {
			t.Errorf("%+v %v", m.header, o)
		}
		if m.at.Before(verified) {
			t.Error("a change was told before the subscription was verified (RFC 8620 7.2)")
		}
		return state(o)["Identity"] != nil
	}, func() { w.touch(t, false) })
	w.must(t, "ContactCard/set", map[string]any{"create": map[string]any{"k": map[string]any{"addressBookIds": map[string]any{"B1": true}}}})
	w.eventually(t, p, "/two", func(_ pushMessage, o map[string]any) bool {
		for kind := range state(o) {
			if kind != "Email" && kind != "ContactCard" {
				t.Errorf("%s is told to who did not ask for it", kind)
			}
		}
		return state(o)["ContactCard"] != nil
	}, nil)
	// 410 ends a subscription (RFC 8030 7.3).
	w.noAccount(t, "PushSubscription/set", `{"destroy":["`+id+`"]}`)
	p.answer(slices.Repeat([]int{http.StatusGone}, 20)...)
	w.must(t, "ContactCard/set", map[string]any{"create": map[string]any{"k": map[string]any{"addressBookIds": map[string]any{"B1": true}}}})
	for there := true; there; {
		there = len(w.noAccount(t, "PushSubscription/get", `{"ids":["`+mailOnly+`"]}`)["list"].([]any)) > 0
	}
}

// eventually waits for a message to a path that is as it should be. prod is done before.
func (w *world) eventually(t *testing.T, p *pushService, path string, fits func(m pushMessage, o map[string]any) bool, prod func()) {
	t.Helper()
	if prod != nil {
		prod()
	}
	for {
		if m, o := p.next(t); m.path == path && o["@type"] == "StateChange" && fits(m, o) {
			return
		}
	}
}

// TestPushLater: what a push service cannot take now it is sent later, with what has changed since, and not before it asked for it (RFC 8620 7.2,
// RFC 9110 10.2.3).
func TestPushLater(t *testing.T) {
	t.Parallel()
	p := newPushService(t)
	w, _ := newPushWorld(t, p)
	w.subscribe(t, p, "/one", `["Mailbox","ContactCard"]`)
	p.answer(http.StatusTooManyRequests, http.StatusServiceUnavailable)
	w.must(t, "ContactCard/set", map[string]any{"create": map[string]any{"k": map[string]any{"addressBookIds": map[string]any{"B1": true}}}})
	first, o := p.next(t)
	if o["@type"] != "StateChange" {
		t.Fatal(o)
	}
	w.touch(t, true)
	second, _ := p.next(t)
	if waited := second.at.Sub(first.at); waited < 190*time.Millisecond { // 20 s of the hurried clock
		t.Errorf("it was sent again after %v", waited)
	}
	_, o = p.next(t)
	changed := o["changed"].(map[string]any)[w.vars["account"]].(map[string]any)
	if changed["Mailbox"] == nil || changed["ContactCard"] == nil {
		t.Errorf("%v", changed)
	}
}

// TestPushOne: of two nodes one pushes, and the other when that one is gone.
func TestPushOne(t *testing.T) {
	t.Parallel()
	p := newPushService(t)
	w, _ := newPushWorld(t, p)
	w.subscribe(t, p, "/one", `["ContactCard"]`)
	stop := w.runPush(t) // the second waits
	card := func() {
		w.must(t, "ContactCard/set", map[string]any{"create": map[string]any{"k": map[string]any{"addressBookIds": map[string]any{"B1": true}}}})
	}
	card()
	_, first := p.next(t)
	card()
	_, second := p.next(t)
	if fmt.Sprint(first) == fmt.Sprint(second) {
		t.Errorf("%v was pushed twice", first)
	}
	stop()
}

// TestPushRefused: what no subscription is made of.
func TestPushRefused(t *testing.T) {
	t.Parallel()
	p := newPushService(t)
	w, _ := newPushWorld(t, p)
	good := func(change string) string {
		o := map[string]any{}
		if err := json.Unmarshal([]byte(`{"deviceClientId":"x","url":"`+p.URL+`/x"}`), &o); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(change), &o); err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(o)
		return string(b)
	}
	for change, property := range map[string]string{
		`{"url":"http://push.example/"}`: "url", `{"url":"https://10.0.0.1/"}`: "url", `{"url":"https://[::1]/"}`: "url", `{"url":"https://localhost/"}`: "url",
		`{"url":"https://169.254.169.254/latest"}`: "url", `{"url":"https://[64:ff9b::7f00:1]/"}`: "url", `{"url":"https://push.example:25/"}`: "url", `{"url":"https://a:b@push.example/"}`: "url",
		`{"deviceClientId":""}`: "deviceClientId", `{"verificationCode":"x"}`: "verificationCode", `{"expires":"2001-01-01T00:00:00Z"}`: "expires", `{"id":"P1"}`: "id",
		`{"keys":{"p256dh":"x","auth":"y"}}`: "keys", `{"colour":"red"}`: "colour",
	} {
		out := w.noAccount(t, "PushSubscription/set", `{"create":{"k":`+good(change)+`}}`)
		failed, ok := out["notCreated"].(map[string]any)["k"].(map[string]any)
		if !ok || failed["type"] != "invalidProperties" || !slices.Contains(failed["properties"].([]any), any(property)) {
			t.Errorf("%s: %v", change, out)
		}
	}
	for n := range 21 {
		out := w.noAccount(t, "PushSubscription/set", `{"create":{"k":`+good(fmt.Sprintf(`{"deviceClientId":"d%d"}`, n))+`}}`)
		if (out["notCreated"] == nil) != (n < 20) {
			t.Fatalf("the %d. of one person: %v", n+1, out)
		}
	}
	if out := w.noAccount(t, "PushSubscription/set", `{"ifInState":"x"}`); out["type"] != "invalidArguments" {
		t.Error(out)
	}
	nobody := newWorld(t, nil)
	if out := nobody.noAccount(t, "PushSubscription/get", `{}`); out["type"] != "unknownMethod" {
		t.Errorf("where nobody pushes: %v", out)
	}
	// Another person sees and changes none of them.
	w.user = "bob@one.example"
	if out := w.noAccount(t, "PushSubscription/get", `{"ids":null}`); len(out["list"].([]any)) != 0 {
		t.Errorf("bob sees %v", out)
	}
}

// TestPushEncrypted: with keys, what is sent is not readable on its way (RFC 8620 7.2; webpush has the proof that the device can read it).
func TestPushEncrypted(t *testing.T) {
	t.Parallel()
	p := newPushService(t)
	w, _ := newPushWorld(t, p)
	out := w.noAccount(t, "PushSubscription/set", fmt.Sprintf(`{"create":{"k":{"deviceClientId":"x","url":"%s/e","expires":"2100-01-01T00:00:00Z",
		"keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}}`, p.URL))
	told := out["created"].(map[string]any)["k"].(map[string]any)
	if _, there := told["keys"]; there || told["expires"] == nil {
		t.Errorf("%v", told)
	}
	m, _ := p.next(t)
	if m.header.Get("Content-Encoding") != "aes128gcm" || strings.Contains(string(m.body), "PushVerification") || len(m.body) < 86 {
		t.Errorf("%v %q", m.header, m.body)
	}
}
