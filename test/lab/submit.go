package lab

import (
	"crypto/tls"
	"net"
	"net/smtp"
	"testing"
	"time"
)

// Submit hands in a message over TLS with the standard library's client.
func (s *Server) Submit(t testing.TB, user, password string, to []string, raw []byte) {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: Patience}, "tcp", s.Addr(Submissions), s.CA.ClientTLS(s.Spec.Hostname))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, s.Spec.Hostname)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", user, password, s.Spec.Hostname)); err != nil {
		t.Fatal(err)
	}
	if err := Transaction(c, user, to, raw); err != nil {
		t.Fatalf("submission of %s: %v", Field(raw, "Subject"), err)
	}
	if err := c.Quit(); err != nil {
		t.Errorf("QUIT: %v", err)
	}
}

// Transaction sends one message on an open connection.
func Transaction(c *smtp.Client, from string, to []string, raw []byte) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	return w.Close()
}
