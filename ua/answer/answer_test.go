package answer_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/answer"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]string{
		`{"a":1}`: "", `{"a":1,"b":2}`: "invalid", `{"a":1}{}`: "invalid", `{"a":1} x`: "invalid", `[]`: "invalid", ``: "invalid", `{"a":"x"}`: "invalid",
		`{"a":1` + strings.Repeat(" ", answer.MaxRequest) + `}`: "too-large",
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		var v struct{ A int }
		got := ""
		if err := answer.Read(httptest.NewRecorder(), r, &v); err != nil {
			got = mail.KindOf(err).String()
		}
		if got != kind {
			t.Errorf("%.20s: %q, want %q", body, got, kind)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"a":1}`))
	r.Header.Set("Content-Type", "text/plain")
	if err := answer.Read(httptest.NewRecorder(), r, &struct{ A int }{}); !mail.Is(err, mail.Invalid) {
		t.Errorf("a form's type: %v", err)
	}
}

func TestFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{mail.Errorf(mail.NotFound, "no such thing"), 404, `{"error":{"kind":"not_found","text":"no such thing"}}`},
		{mail.Errorf(mail.OverQuota, "full"), 507, `{"error":{"kind":"over_quota","text":"full"}}`},
		{mail.Errorf(mail.TooMany, "wait"), 429, `{"error":{"kind":"too_many","text":"wait"}}`},
		{errors.New("secret path"), 500, `{"error":{"kind":"internal","text":"internal error; the server's log says more"}}`},
	} {
		w := httptest.NewRecorder()
		answer.Fail(w, httptest.NewRequest("GET", "/", nil), nil, c.err)
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.body || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
	}
	for k := mail.Internal; k <= mail.Conflict; k++ {
		if s := answer.Status(k); s < 400 || http.StatusText(s) == "" {
			t.Errorf("%s is %d", k, s)
		}
	}
	w := httptest.NewRecorder()
	if answer.Only(w, httptest.NewRequest("PUT", "/", nil), "GET", "POST") || w.Code != 405 || w.Header().Get("Allow") != "GET, POST" || !answer.Only(w, httptest.NewRequest("HEAD", "/", nil), "GET") {
		t.Errorf("methods: %d %v", w.Code, w.Header())
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	if id, err := answer.Email("M17"); id != 17 || err != nil {
		t.Error(id, err)
	}
	if id, err := answer.Mailbox("F3"); id != 3 || err != nil {
		t.Error(id, err)
	}
	for _, s := range []string{"", "M", "M0", "M01", "M-1", "M+1", "F17", "17", "M99999999999999999999", "Mx", "M1x"} {
		if _, err := answer.Email(s); !mail.Is(err, mail.Invalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
