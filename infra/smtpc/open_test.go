package smtpc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// What cannot be sent is refused before anything is said.
func TestRefusedBeforehand(t *testing.T) {
	t.Parallel()
	c := dial(t, `
		S: 220 mx
		C: EHLO localhost
		S: 250-mx
		S: 250 SIZE 10
		SILENCE`, Options{})
	var unsupported *UnsupportedError
	var limit *LimitError
	utf8 := tx("x", "b@y")
	utf8.UTF8 = true
	if _, err := c.Send(t.Context(), utf8); !errors.As(err, &unsupported) || unsupported.Extension != "SMTPUTF8" {
		t.Error(err)
	}
	if _, err := c.Send(t.Context(), tx("x", "ü@y")); !errors.As(err, &unsupported) || unsupported.Extension != "SMTPUTF8" {
		t.Error(err)
	}
	eight := tx("x", "b@y")
	eight.Body8Bit = true
	if _, err := c.Send(t.Context(), eight); !errors.As(err, &unsupported) || unsupported.Extension != "8BITMIME" {
		t.Error(err)
	}
	required := tx("x", "b@y")
	required.RequireTLS = true
	if _, err := c.Send(t.Context(), required); !errors.As(err, &unsupported) || unsupported.Extension != "REQUIRETLS" {
		t.Error(err)
	}
	large := tx("x", "b@y")
	large.Size = 11
	if _, err := c.Send(t.Context(), large); !errors.As(err, &limit) || limit.Limit != 10 {
		t.Error(err)
	}
	for _, bad := range []Transaction{
		tx("x"),
		{To: to("b@y")},
		{From: smtp.Path{Local: "a", Domain: "x>\r\nRCPT TO:<evil@x"}, To: to("b@y"), Body: text("x")},
		{From: smtp.Path{Local: "a\r\n", Domain: "x"}, To: to("b@y"), Body: text("x")},
		{To: []smtp.Rcpt{{To: smtp.Path{Local: "a", Domain: "x y"}}}, Body: text("x")},
		{To: []smtp.Rcpt{{}}, Body: text("x")},
	} {
		if _, err := c.Send(t.Context(), bad); !mail.Is(err, mail.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if c.Broken() {
		t.Error("broken")
	}
}

func TestOpening(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		command      string // of the CommandError, or
		during       string // of the ConnError
	}{
		{"refused", "S: 554 5.7.1 not you\nSILENCE", "greeting", ""},
		{"busy", "S: 421 busy\nSILENCE", "greeting", ""},
		{"silent", "CLOSE", "", "greeting"},
		{"no SMTP", "S: HTTP/1.1 200 OK\nSILENCE", "", "greeting"},
		{"EHLO refused for now", "S: 220 mx\nC: EHLO*\nS: 451 later\nSILENCE", "EHLO", ""},
		{"HELO refused too", "S: 220 mx\nC: EHLO*\nS: 500 what\nC: HELO*\nS: 550 no\nSILENCE", "HELO", ""},
		{"closed", "S: 220 mx\nC: EHLO*\nCLOSE", "", "EHLO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, err := New(t.Context(), script(t, c.script), Options{})
			if err == nil {
				defer client.Close()
				err = client.Hello(t.Context())
			}
			var refused *CommandError
			var failed *ConnError
			if c.command != "" && (!errors.As(err, &refused) || refused.Command != c.command) {
				t.Errorf("%v", err)
			}
			if c.during != "" && (!errors.As(err, &failed) || failed.During != c.during) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("HELO", func(t *testing.T) { // RFC 5321 3.2
		t.Parallel()
		c := dial(t, "S: 220 old\nC: EHLO localhost\nS: 502 what\nC: HELO localhost\nS: 250-old\nS: 250 PIPELINING\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye", Options{})
		if len(c.Ext) != 0 || c.Greeting.Text != "old" {
			t.Error(c.Ext, c.Greeting)
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Error(err)
		}
		c.Quit(t.Context())
	})
	t.Run("extensions", func(t *testing.T) {
		t.Parallel()
		c := dial(t, "S: 220 mx\nC: EHLO localhost\nS: 250-mx SIZE 5\nS: 250-size 10\nS: 250-AUTH=LOGIN\nS: 250-AUTH PLAIN\nS: 250 X", Options{})
		if fmt.Sprint(c.Ext) != "map[AUTH:LOGIN PLAIN SIZE:10 X:]" {
			t.Error(c.Ext)
		}
	})
	if _, err := New(t.Context(), script(t, "SILENCE"), Options{Hello: "a\r\nb"}); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
}

// RFC 5321 4.5.3.2: nothing is waited for without an end, and a cancelled context ends the wait at once.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, script string
		after        time.Duration
		unknown      bool
	}{
		{"greeting", "SILENCE", 5 * time.Minute, false},
		{"EHLO", "S: 220 mx\nC: EHLO*\nSILENCE", 5 * time.Minute, false},
		{"MAIL", bare + "C: MAIL*\nSILENCE", 5 * time.Minute, false},
		{"RCPT", bare + "C: MAIL*\nS: 250 ok\nC: RCPT*\nSILENCE", 5 * time.Minute, false},
		{"DATA", bare + "C: MAIL*\nS: 250 ok\nC: RCPT*\nS: 250 ok\nC: DATA\nSILENCE", 2 * time.Minute, false},
		{"end", bare + "C: MAIL*\nS: 250 ok\nC: RCPT*\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nSILENCE", 10 * time.Minute, true},
	}
	for _, c := range cases {
		for _, cancelled := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, cancelled), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					want := c.after
					if cancelled {
						want = time.Second
						time.AfterFunc(want, cancel)
					}
					client, err := New(ctx, script(t, c.script), Options{})
					if err == nil {
						defer client.Close()
						if err = client.Hello(ctx); err == nil {
							_, err = client.Send(ctx, tx("x", "b@y"))
						}
					}
					var failure *ConnError
					if !errors.As(err, &failure) || failure.Unknown != c.unknown {
						t.Errorf("%v", err)
					}
					if cancelled != errors.Is(err, context.Canceled) || cancelled == errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%v", err)
					}
					if took := time.Since(start); took != want {
						t.Errorf("took %v, want %v", took, want)
					}
				})
			})
		}
	}
}
