package smtpc

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// RFC 4954 4.
func TestAuth(t *testing.T) {
	t.Parallel()
	const ehlo = "S: 220 mx\nC: EHLO localhost\nS: 250-mx\nS: 250 AUTH PLAIN LOGIN SCRAM-SHA-256\n"
	plain := func() sasl.Client { return sasl.NewPlainClient("", "alice", "secret") }
	long := func() sasl.Client { return sasl.NewPlainClient("", "alice", strings.Repeat("s", 500)) }
	login := func() sasl.Client { return sasl.NewLoginClient("alice", "secret") }
	scram := func() sasl.Client {
		c, err := sasl.NewScramClient("alice", "secret", nil)
		if err != nil {
			t.Error(err)
		}
		return c
	}
	cases := []struct {
		name, script string
		client       sasl.Client
		opts         Options
		check        func(error) bool
	}{
		{"plain", ehlo + "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 ok", plain(), Options{AllowCleartextAuth: true},
			func(err error) bool { return err == nil }},
		{"long secret", ehlo + "C: AUTH PLAIN\nS: 334 \nC: AGFsaWNlAHNzc3Nzc3Nzc3Nz*\nS: 235 ok", long(), Options{AllowCleartextAuth: true},
			func(err error) bool { return err == nil }},
		{"login", ehlo + "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YWxpY2U=\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok", login(),
			Options{AllowCleartextAuth: true}, func(err error) bool { return err == nil }},
		{"in the clear", ehlo + "SILENCE", plain(), Options{}, func(err error) bool { return mail.Is(err, mail.Denied) }},
		{"not offered", "S: 220 mx\nC: EHLO*\nS: 250 mx\nSILENCE", plain(), Options{AllowCleartextAuth: true},
			func(err error) bool { var u *UnsupportedError; return errors.As(err, &u) }},
		{"refused", ehlo + "C: AUTH PLAIN*\nS: 535 5.7.8 no", plain(), Options{AllowCleartextAuth: true},
			func(err error) bool {
				var r *smtp.Reply
				return errors.As(err, &r) && r.Code == 535 && r.Text == "no"
			}},
		{"odd question", ehlo + "C: AUTH PLAIN*\nS: 334 cGFzc3dvcmQ=\nC: *\nS: 501 ok", plain(), Options{AllowCleartextAuth: true},
			func(err error) bool { return mail.Is(err, mail.Unauthenticated) }},
		{"no base64", ehlo + "C: AUTH SCRAM*\nS: 334 %%%\nC: *\nS: 501 ok", scram(), Options{},
			func(err error) bool { return mail.Is(err, mail.Unauthenticated) }},
		{"server without proof", ehlo + "C: AUTH SCRAM*\nS: 235 come in", scram(), Options{},
			func(err error) bool { return mail.Is(err, mail.Unauthenticated) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := dial(t, c.script, c.opts).Auth(t.Context(), c.client); !c.check(err) {
				t.Error(err)
			}
		})
	}
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	const ehlo = "S: 220 mx\nC: EHLO localhost\nS: 250-mx\nS: 250 STARTTLS\n"
	insecure := &tls.Config{InsecureSkipVerify: true} // the test made the certificate itself
	t.Run("works", func(t *testing.T) {
		t.Parallel()
		c := dial(t, ehlo+"C: STARTTLS\nS: 220 go\nTLS\nC: EHLO localhost\nS: 250-mx\nS: 250 X\nC: NOOP\nS: 250 ok\nSILENCE", Options{})
		if err := c.StartTLS(t.Context(), insecure); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(c.Ext) != "map[X:]" || c.TLS() == nil { // RFC 3207 4.2
			t.Error(c.Ext, c.TLS())
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Error(err)
		}
		var u *UnsupportedError
		if err := c.StartTLS(t.Context(), insecure); !errors.As(err, &u) {
			t.Error(err)
		}
	})
	t.Run("REQUIRETLS", func(t *testing.T) { // RFC 8689 4.2.1
		t.Parallel()
		c := dial(t, ehlo+"C: STARTTLS\nS: 220 go\nTLS\nC: EHLO localhost\nS: 250-mx\nS: 250 REQUIRETLS\n"+
			"C: MAIL FROM:<a@x> REQUIRETLS\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok\nSILENCE", Options{})
		if err := c.StartTLS(t.Context(), insecure); err != nil {
			t.Fatal(err)
		}
		m := tx("x\r\n", "b@y")
		m.RequireTLS = true
		if r, err := c.Send(t.Context(), m); err != nil || outcomes(r) != "250" {
			t.Errorf("%s %v", outcomes(r), err)
		}
	})
	t.Run("REQUIRETLS that was offered in the clear only", func(t *testing.T) {
		t.Parallel()
		c := dial(t, "S: 220 mx\nC: EHLO localhost\nS: 250-mx\nS: 250 REQUIRETLS\nSILENCE", Options{})
		m := tx("x\r\n", "b@y")
		m.RequireTLS = true
		var unsupported *UnsupportedError
		if _, err := c.Send(t.Context(), m); !errors.As(err, &unsupported) || unsupported.Extension != "REQUIRETLS" {
			t.Error(err)
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		t.Parallel()
		client, server := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer server.Close()
			_ = tls.Server(server, serverTLS(t)).Handshake()
		}()
		_, err := New(t.Context(), tls.Client(client, &tls.Config{ServerName: "mx.test"}), Options{})
		var failure *ConnError
		var unknownCA *tls.CertificateVerificationError
		if !errors.As(err, &failure) || failure.During != "TLS handshake" || !errors.As(err, &unknownCA) {
			t.Error(err)
		}
		<-served
	})
	t.Run("answers in the clear", func(t *testing.T) { // RFC 3207 6
		t.Parallel()
		client, server := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer server.Close()
			r := bufio.NewReader(server)
			for _, reply := range []string{"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250 evil\r\n"} {
				_, _ = io.WriteString(server, reply)
				_, _ = r.ReadString('\n')
			}
		}()
		c, err := New(t.Context(), client, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Hello(t.Context()); err != nil {
			t.Fatal(err)
		}
		var failure *ConnError
		if err := c.StartTLS(t.Context(), insecure); !errors.As(err, &failure) || c.TLS() != nil || !c.Broken() {
			t.Error(err)
		}
		c.Close()
		<-served
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		c := dial(t, ehlo+"C: STARTTLS\nS: 454 4.7.0 no certificate\nC: RSET\nS: 250 ok\nSILENCE", Options{})
		var refused *CommandError
		if err := c.StartTLS(t.Context(), insecure); !errors.As(err, &refused) || !refused.Reply.Temporary() {
			t.Error(err)
		}
		if err := c.Reset(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
