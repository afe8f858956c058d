package policyhost_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/policyhost"
	"github.com/postrider/postrider/proto/mtasts"
)

type domains []string

func (d domains) Serves(_ context.Context, domain string) (bool, error) {
	if domain == "broken.test" {
		return false, mail.Errorf(mail.Unavailable, "no directory")
	}
	for _, have := range d {
		if have == domain {
			return true, nil
		}
	}
	return false, nil
}

func host(log *slog.Logger) *policyhost.Host {
	return policyhost.New(policyhost.Config{
		Domains: domains{"example.test", "xn--mller-kva.test", "bad.test"}, Mode: mtasts.Enforce, MaxAge: time.Hour, Log: log,
		MX: func(_ context.Context, domain string) ([]string, error) {
			if domain == "bad.test" {
				return nil, nil
			}
			return []string{"MX1." + domain, "*.backup.test"}, nil
		},
	})
}

// RFC 8461 3.2, RFC 8461 3.3: the policy is at the well-known place of mta-sts.<domain>, as text/plain, and nowhere else.
func TestPolicyOverHTTP(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m := web.NewMux()
	host(slog.New(slog.NewTextHandler(&log, nil))).Register(m)
	for _, c := range []struct {
		method, host, path string
		code               int
		body               string
	}{
		{"GET", "mta-sts.example.test", policyhost.Path, 200, "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.test\r\nmx: *.backup.test\r\nmax_age: 3600\r\n"},
		{"GET", "MTA-STS.Example.TEST:443", policyhost.Path, 200, "version: STSv1"},
		{"HEAD", "mta-sts.example.test", policyhost.Path, 200, ""},
		{"GET", "mta-sts.xn--mller-kva.test", policyhost.Path, 200, "version: STSv1"},
		{"POST", "mta-sts.example.test", policyhost.Path, 405, "only be read"},
		{"GET", "example.test", policyhost.Path, 404, "nothing here"},
		{"GET", "mta-sts.example.test", "/", 404, "nothing here"},
		{"GET", "mta-sts.stranger.test", policyhost.Path, 404, "no policy"},
		{"GET", "mta-sts.-.test", policyhost.Path, 404, "no policy"},
		{"GET", "mta-sts.broken.test", policyhost.Path, 503, "now"},
		{"GET", "mta-sts.bad.test", policyhost.Path, 503, "now"},
	} {
		r := httptest.NewRequest(c.method, "https://x"+c.path, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		if w.Code != c.code || !strings.HasPrefix(w.Body.String(), c.body) && !strings.Contains(w.Body.String(), c.body) || c.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("%s %s%s: %d %q", c.method, c.host, c.path, w.Code, w.Body)
		}
		if kind := w.Header().Get("Content-Type"); c.code == 200 && !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("type %q", kind)
		}
	}
	if !strings.Contains(log.String(), "docs/problems.md#mta-sts") {
		t.Errorf("a policy that cannot be published is not explained: %s", log.String())
	}
}

// What is served is what Policy says, and what a sender reads; ID changes with it. RFC 8461 8.1.
func TestPolicyAndID(t *testing.T) {
	t.Parallel()
	h, ctx := host(nil), t.Context()
	p, err := h.Policy(ctx, "Example.test.")
	if err != nil || p.Mode != mtasts.Enforce || !p.Match("mx1.example.test") || !p.Match("a.backup.test") || p.Match("mx2.example.test") {
		t.Fatalf("%+v %v", p, err)
	}
	id, err := h.ID(ctx, "example.test")
	if err != nil || id != mtasts.ID(p) {
		t.Errorf("ID %q %v", id, err)
	}
	if _, err := mtasts.FormatRecord(id); err != nil {
		t.Error(err)
	}
	other, err := policyhost.New(policyhost.Config{Domains: domains{"example.test"}, MX: func(context.Context, string) ([]string, error) {
		return []string{"mx1.example.test"}, nil
	}}).Policy(ctx, "example.test")
	if err != nil || other.Mode != mtasts.Testing || other.MaxAge != 7*24*time.Hour || mtasts.ID(other) == id {
		t.Errorf("%+v %v", other, err)
	}
	for domain, kind := range map[string]mail.Kind{"stranger.test": mail.NotFound, "[192.0.2.1]": mail.NotFound, "": mail.NotFound, "bad.test": mail.Invalid, "broken.test": mail.Unavailable} {
		if _, err := h.Policy(ctx, domain); !mail.Is(err, kind) {
			t.Errorf("%q: %v", domain, err)
		}
	}
}
