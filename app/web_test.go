package app_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/infra/config"
)

// get reads a page of a host, wherever its name leads.
func get(t *testing.T, at, url string) (int, string) {
	t.Helper()
	c := http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a self-made certificate
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", at)
			}}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b) + resp.Header.Get("Location")
}

// TestWeb: the MTA-STS policy and the settings of our domains are served over HTTPS, the rest leads there, and the figures stand apart.
func TestWeb(t *testing.T) {
	t.Parallel()
	c := small(t)
	c.Listen.HTTP, c.Listen.HTTPS, c.Listen.Metrics = config.Addresses{"127.0.0.1:0"}, config.Addresses{"127.0.0.1:0"}, config.Addresses{"127.0.0.1:0"}
	c.Doctor.Every, c.DKIM.Enabled = 0, false
	err := serve(t, c, func(a app.Addresses) {
		at := map[string]string{}
		for _, l := range a {
			at[l.Service] = l.Address
		}
		for _, tt := range []struct {
			service, url string
			code         int
			want         string
		}{
			{"https", "https://mta-sts.one.example/.well-known/mta-sts.txt", 404, ""}, // not ours yet
			{"http", "http://mx.one.example/setup", 308, "https://mx.one.example"},
			{"https", "https://mx.one.example/setup", 200, "<html"},
			{"https", "https://mx.one.example/", 200, `<div id="app">`},
			{"https", "https://mx.one.example/mail/x", 200, `<div id="app">`},
			{"https", "https://mx.one.example/api/me", 401, "not logged in"},
			{"https", "https://mx.one.example/nowhere", 404, "nothing here"},
			{"metrics", "http://x/metrics", 200, `postrider_connections{service="smtp"} 0`},
			{"metrics", "http://x/", 404, ""},
		} {
			code, body := get(t, at[tt.service], tt.url)
			if code != tt.code && (tt.code != 308 || code/100 != 3) || !strings.Contains(body, tt.want) {
				t.Errorf("%s: %d %s", tt.url, code, body)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKeys: a new domain has its keys at once, and its records can be told by a system that does not run.
func TestKeys(t *testing.T) {
	t.Parallel()
	c := small(t)
	c.Listen.SMTP, c.Doctor.Every = config.Addresses{":25"}, 0
	op, closer, err := app.OpenOffline(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if d, err := op.AddDomain(t.Context(), admin.NewDomain{Name: "one.example"}); err != nil || len(d.Warnings) > 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	keys, err := op.Keys(t.Context(), admin.DomainName{Name: "one.example"})
	if err != nil || len(keys.Keys) != 4 {
		t.Errorf("%+v, %v", keys, err)
	}
	list, err := op.Records(t.Context(), admin.RecordsFor{Name: "one.example", Addresses: []string{"192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, r := range list.Records {
		text.WriteString(r.Name + " " + r.Type + " " + r.Value + "\n")
	}
	if _, err := op.RemoveDomain(t.Context(), admin.DomainName{Name: "one.example"}); err != nil {
		t.Fatal(err)
	}
	if _, err := op.AddDomain(t.Context(), admin.NewDomain{Name: "one.example"}); err != nil {
		t.Fatal(err)
	}
	if fresh, err := op.Keys(t.Context(), admin.DomainName{Name: "one.example"}); err != nil || len(fresh.Keys) != 4 || fresh.Keys[0].Record == keys.Keys[0].Record {
		t.Errorf("a domain that was given up kept its keys: %+v, %v", fresh, err)
	}
	for _, want := range []string{"one.example MX 10 mx.one.example.", "mx.one.example A 192.0.2.1", `one.example TXT "v=spf1 mx -all"`, "_dmarc.one.example TXT", "._domainkey.one.example TXT \"v=DKIM1; k=ed25519"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not among\n%s", want, &text)
		}
	}
}
