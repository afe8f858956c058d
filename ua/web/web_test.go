package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postrider/postrider/ua/web"
)

func ask(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	m, err := web.New()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w.Result()
}

func TestPages(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path   string
		status int
		kind   string
	}{
		{"/", 200, "text/html"},
		{"/mail/inbox/t1", 200, "text/html"},
		{"/settings/sessions", 200, "text/html"},
		{"/admin", 200, "text/html"},
		{"/worker.js", 200, "text/javascript"},
		{"/manifest.webmanifest", 200, "application/manifest+json"},
		{"/icon-192.png", 200, "image/png"},
		{"/frame.html", 200, "text/html"},
		{"/wp-login.php", 404, ""},
		{"/assets/none.js", 404, ""},
		{"/../web.go", 404, ""},
		{"/index.html", 200, "text/html"},
	} {
		resp := ask(t, "GET", tc.path)
		if resp.StatusCode != tc.status || !strings.HasPrefix(resp.Header.Get("Content-Type"), tc.kind) {
			t.Errorf("%s: %d %s, want %d %s", tc.path, resp.StatusCode, resp.Header.Get("Content-Type"), tc.status, tc.kind)
		}
	}
	if resp := ask(t, "POST", "/"); resp.StatusCode != 405 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

// Nothing inline may run, and the frame of a message may load nothing.
func TestPolicies(t *testing.T) {
	t.Parallel()
	page := ask(t, "GET", "/mail").Header.Get("Content-Security-Policy")
	if !strings.Contains(page, "script-src 'self';") || !strings.Contains(page, "default-src 'none'") || !strings.Contains(page, "frame-ancestors 'none'") {
		t.Errorf("the page's policy is %s", page)
	}
	frame := ask(t, "GET", "/frame.html")
	policy := frame.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") || strings.Contains(policy, "connect-src") {
		t.Errorf("the frame's policy is %s", policy)
	}
	if got := frame.Header.Get("X-Frame-Options"); got != "SAMEORIGIN" {
		t.Errorf("the frame may be framed by %s", got)
	}
	body, _ := io.ReadAll(ask(t, "GET", "/").Body)
	for _, bad := range []string{"<style", "onload=", "javascript:", "<script>"} {
		if strings.Contains(string(body), bad) {
			t.Errorf("the page has %q, which its own policy forbids", bad)
		}
	}
}

// What never changes is kept; the page itself is asked for each time. RFC 9110 13.1.2.
func TestCaching(t *testing.T) {
	t.Parallel()
	page := ask(t, "GET", "/")
	if got := page.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("the page: %s", got)
	}
	if again := ask(t, "GET", "/", "If-None-Match", page.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %d", again.StatusCode)
	}
	body, _ := io.ReadAll(page.Body)
	_, rest, ok := strings.Cut(string(body), `src="/assets/`)
	if !ok {
		t.Fatal("the page loads no script")
	}
	name, _, _ := strings.Cut(rest, `"`)
	script := ask(t, "GET", "/assets/"+name, "Accept-Encoding", "br, gzip")
	if got := script.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("the script: %s", got)
	}
	z, err := gzip.NewReader(script.Body)
	if err != nil {
		t.Fatal(err)
	}
	zipped, _ := io.ReadAll(z)
	plain, _ := io.ReadAll(ask(t, "GET", "/assets/"+name, "Accept-Encoding", "gzip;q=0").Body)
	if string(zipped) != string(plain) || len(plain) == 0 {
		t.Error("packed and plain differ")
	}
}
