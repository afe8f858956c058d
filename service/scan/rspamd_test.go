package scan

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// fakeRspamd answers /checkv2 with a text, after it has read the message.
func fakeRspamd(t testing.TB, answer string, see func(*http.Request, string)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/checkv2" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		if see != nil {
			see(r, string(text))
		}
		io.WriteString(w, answer) //nolint:errcheck // the client says so
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const spam = `{"is_skipped":false,"score":16.25,"required_score":15.0,"action":"%s","thresholds":{"reject":15.0,"add header":6.0},
"symbols":{"BAYES_SPAM":{"name":"BAYES_SPAM","score":5.1,"metric_score":5.1,"options":["99.99%%"]},"R_SPF_ALLOW":{"name":"R_SPF_ALLOW","score":-0.2},
"MIME_GOOD":{"score":0.0}},"messages":%s,"message-id":"1@example.com","time_real":0.1,"milter":{"remove_headers":{"X-Spam":0}}}`

// TestRspamd: the envelope goes along, and each action of Rspamd becomes one of ours, with score and symbols told.
func TestRspamd(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]Action{"no action": Accept, "greylist": Accept, "add header": Junk, "rewrite subject": Junk, "quarantine": Junk,
		"soft reject": Defer, "reject": Refuse, "discard": Discard, "dance": Accept} {
		at := fakeRspamd(t, fmt.Sprintf(spam, action, "[]"), func(r *http.Request, text string) {
			h := r.Header
			if text != letter || h.Get("IP") != "192.0.2.1" || h.Get("Helo") != "mail.example.com" || h.Get("Hostname") != "mx.example.com" ||
				h.Get("From") != "ann@example.com" || h.Get("Queue-Id") != "trace1" || !slices.Equal(h["Rcpt"], []string{"bob@our.example", "cy@our.example"}) {
				t.Errorf("Rspamd was told %v", h)
			}
		})
		r := scan(t, chain(t, Config{Rspamd: at}), arriving(letter))
		if r.Action != want || r.Score != 16.25 || !strings.Contains(notes(r), "16.2 of 15.0 (BAYES_SPAM 5.1, R_SPF_ALLOW -0.2)") || !strings.Contains(notes(r), action) {
			t.Errorf("%s: %+v", action, r)
		}
		if (r.Err() != nil) != (want >= Defer) {
			t.Errorf("%s: %v", action, r.Err())
		}
	}
	r := scan(t, chain(t, Config{Rspamd: fakeRspamd(t, fmt.Sprintf(spam, "reject", `{"smtp_message":"Gtube pattern\r\n"}`), nil)}), arriving(letter))
	if r.Err() == nil || r.Err().Error() != "Gtube pattern" {
		t.Errorf("its own words: %v", r.Err())
	}
}

// TestRspamdSocket goes over a UNIX socket too.
func TestRspamdSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "rspamd.sock")
	s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, spam, "add header", "{}")
	})}
	done := make(chan struct{})
	l := listen(t, "unix", socket)
	go func() { defer close(done); s.Serve(l) }() //nolint:errcheck // it ends by Close
	defer func() { s.Close(); <-done }()
	if r := scan(t, chain(t, Config{Rspamd: "unix:" + socket}), arriving(letter)); r.Action != Junk {
		t.Errorf("%+v", r)
	}
}

// TestRspamdHostile: an answer that is none, too large, elsewhere or never costs no mail.
func TestRspamdHostile(t *testing.T) {
	t.Parallel()
	raw := func(text string) string {
		return serve(t, func(c net.Conn) {
			c.Read(make([]byte, 64)) //nolint:errcheck // part of the request is enough
			io.WriteString(c, text)  //nolint:errcheck // as it likes
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c) //nolint:errcheck // so that no reset loses the answer
		})
	}
	for name, c := range map[string]struct{ at, want string }{
		"no json":      {fakeRspamd(t, "<html>", nil), "cannot be understood"},
		"empty":        {fakeRspamd(t, "", nil), "cannot be understood"},
		"nothing said": {fakeRspamd(t, "{}", nil), "says nothing to do"},
		"error":        {fakeRspamd(t, `{"error":"no \u001b[31m memory"}`, nil), "no  [31m memory"},
		"deep":         {fakeRspamd(t, strings.Repeat(`{"symbols":`, 400_000), nil), "larger than"},
		"nested":       {fakeRspamd(t, strings.Repeat(`[`, 90_000), nil), "cannot be understood"},
		"large":        {fakeRspamd(t, `{"action":"`+strings.Repeat("x", 2<<20)+`"}`, nil), "larger than"},
		"elsewhere":    {raw("HTTP/1.1 302 Found\r\nLocation: http://198.51.100.1/\r\nContent-Length: 0\r\n\r\n"), "HTTP status 302"},
		"no http":      {raw("220 mail ESMTP\r\n"), "gave no answer"},
		"long header":  {raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)), "gave no answer"},
		"hangs":        {serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }), "it took too long"},
		"skipped":      {fakeRspamd(t, `{"is_skipped":true}`, nil), "passed the message over"},
	} {
		within := time.Minute
		if name == "hangs" {
			within = 300 * time.Millisecond
		}
		ch := chain(t, Config{Rspamd: strings.TrimPrefix(c.at, "http://"), Timeout: within})
		r := scan(t, ch, arriving(letter+strings.Repeat("x", 100_000)))
		if r.Action != Accept || !strings.Contains(notes(r), c.want) || strings.ContainsAny(notes(r), "\x1b\r") || len(notes(r)) > 600 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	m := arriving(letter)
	m.Helo, m.From, m.To = "a\r\nIP: 127.0.0.1", mail.Path("\"a\x00b\"@example.com"), slices.Repeat([]mail.Path{"x@our.example"}, 5000)
	r := scan(t, chain(t, Config{Rspamd: fakeRspamd(t, fmt.Sprintf(spam, "no action", "[]"), func(r *http.Request, _ string) {
		if r.Header.Get("IP") != "192.0.2.1" || r.Header.Get("Helo") != "aIP: 127.0.0.1" || len(r.Header["Rcpt"]) != rspamdRecipients {
			t.Errorf("Rspamd was told %q, %d recipients", r.Header.Get("Helo"), len(r.Header["Rcpt"]))
		}
	})}), m)
	if r.Action != Accept || strings.Contains(notes(r), "gave no") {
		t.Errorf("%+v", r)
	}
}

// TestBodyFails: an error of the body is the caller's to hear, and no program's fault.
func TestBodyFails(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"rspamd": {Rspamd: fakeRspamdLoose(t)}, "clamd": {ClamAV: serve(t, drain)}, "milter": {Milters: []string{stranger(t, acting{})}},
	} {
		m := arriving(letter)
		m.Body = failing{}
		cfg.Timeout = time.Minute
		if r, err := chain(t, cfg).Scan(t.Context(), m); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func fakeRspamdLoose(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // it breaks
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestBeside: all programs are asked at once, the severest counts, and what was found by all is told. A caller that goes away ends it.
func TestBeside(t *testing.T) {
	t.Parallel()
	c := chain(t, Config{
		Rspamd: fakeRspamd(t, fmt.Sprintf(spam, "add header", "[]"), nil), ClamAV: serve(t, fakeClamd(t, 0)),
		Milters: []string{stranger(t, acting{add: [][2]string{{"X-Seen", "yes"}}})}, Required: true,
	})
	if r := scan(t, c, arriving(letter)); r.Action != Junk || string(r.Prefix) != "X-Seen: yes\r\n" || len(r.Notes) != 2 {
		t.Errorf("%+v", r)
	}
	if r := scan(t, c, arriving(letter+eicar)); r.Action != Refuse || !strings.Contains(notes(r), "Eicar") {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(c.Name(), "Rspamd at 127.0.0.1") || !strings.Contains(c.Name(), "ClamAV at ") || !strings.Contains(c.Name(), "milters at ") {
		t.Error(c.Name())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := c.Scan(ctx, arriving(letter)); !mail.Is(err, mail.Unavailable) {
		t.Errorf("%+v, %v", r, err)
	}
	// One refusal is enough: nobody waits for a program that hangs.
	began := time.Now()
	slow := chain(t, Config{ClamAV: serve(t, fakeClamd(t, 0)), Rspamd: serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }), Timeout: 30 * time.Second})
	if r := scan(t, slow, arriving(letter+eicar)); r.Action != Refuse || len(r.Notes) != 1 || time.Since(began) > 10*time.Second {
		t.Errorf("%+v after %v", r, time.Since(began))
	}
}

// TestRealRspamd asks Debian's Rspamd where it is running.
func TestRealRspamd(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/run/rspamd"); err != nil {
		t.Skip("no Rspamd runs here: its answers are played by a fake")
	}
	c := chain(t, Config{Rspamd: "http://127.0.0.1:11333"})
	r := scan(t, c, arriving("From: a@example.com\r\nTo: b@our.example\r\nSubject: test\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"))
	if r.Action != Refuse {
		t.Errorf("GTUBE: %+v", r)
	}
}

func FuzzRspamd(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(spam, "reject", `{"smtp_message":"x"}`)))
	f.Add([]byte(`{"is_skipped":true}`))
	f.Add([]byte(`{"action":"add header","score":1e308,"symbols":{"":{"score":-1e308}}}`))
	f.Add([]byte(`[{}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := parseVerdict(text)
		if err != nil {
			if strings.ContainsAny(clean(err.Error(), 200), "\r\n\x00") {
				t.Errorf("error %q", err)
			}
			return
		}
		if v.Action == "" && !v.Skipped {
			t.Errorf("%q is taken", text)
		}
		r := v.result()
		if len(notes(r)) > 3000 || strings.ContainsAny(notes(r)+r.Text, "\r\x00\x1b") || r.Action >= Defer && r.Err() == nil {
			t.Errorf("%q gives %+v", text, r)
		}
	})
}
