package app_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/infra/config"
)

// send brings a message from kim to ann.
func send(t *testing.T, at, message string) {
	t.Helper()
	c, err := smtp.Dial(at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := io.WriteCloser(nil)
	for _, step := range []func() error{
		func() error { return c.Mail("kim@far.example") },
		func() error { return c.Rcpt("ann@one.example") },
		func() (err error) { w, err = c.Data(); return err },
		func() error { _, err := io.WriteString(w, message); return err },
		func() error { return w.Close() },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestJMAP: mail that comes in over SMTP is pushed to who listens, and read by who asks, over HTTPS with the account's password. RFC 8620 2, RFC 8620 7.3.
func TestJMAP(t *testing.T) {
	t.Parallel()
	c := small(t)
	c.Listen.HTTPS = config.Addresses{"127.0.0.1:0"}
	c.Doctor.Every, c.DKIM.Enabled = 0, false
	const password = "correct horse battery"
	op, closer, err := app.OpenOffline(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.AddAccount(t.Context(), admin.NewAccount{Address: "ann@one.example", Password: password, CreateDomain: true}); err != nil {
		t.Fatal(err)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	err = serve(t, c, func(a app.Addresses) {
		at := map[string]string{}
		for _, l := range a {
			at[l.Service] = l.Address
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a self-made certificate
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", at["https"])
			}}}
		ask := func(method, path, body string) *http.Response {
			req, err := http.NewRequestWithContext(t.Context(), method, "https://mx.one.example"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("ann@one.example", password)
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		read := func(resp *http.Response) string {
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		if session := read(ask("GET", "/.well-known/jmap", "")); !strings.Contains(session, `"name":"ann@one.example"`) {
			t.Fatalf("the session is %s", session)
		}
		events := ask("GET", "/jmap/events?types=*&closeafter=state&ping=0", "")
		defer events.Body.Close()
		pushed := make(chan string, 1)
		go func() {
			text := ""
			for in := bufio.NewScanner(events.Body); in.Scan(); {
				text += in.Text() + "\n"
			}
			pushed <- text
		}()
		send(t, at["smtp"], "From: kim@far.example\r\nSubject: pushed\r\n\r\ntext\r\n")
		filed := time.Now()
		select {
		case text := <-pushed:
			if !strings.Contains(text, `"Email"`) {
				t.Errorf("what was pushed is %q", text)
			}
			t.Logf("pushed within %s of the 250", time.Since(filed))
		case <-time.After(10 * time.Second):
			t.Error("nothing was pushed")
		}
		const call = `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[["Email/query",{"accountId":%q,"filter":{"subject":"pushed"}},"q"],` +
			`["Email/get",{"accountId":%[1]q,"#ids":{"resultOf":"q","name":"Email/query","path":"/ids"},"properties":["subject","from"]},"g"]]}`
		if got := read(ask("POST", "/jmap/api", fmt.Sprintf(call, "A1"))); !strings.Contains(got, `"subject":"pushed"`) || !strings.Contains(got, `"email":"kim@far.example"`) {
			t.Errorf("the answer is %s", got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
