package fakemx_test

import (
	stdtls "crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/testkit/fakemx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// send sends one message and gives the reply's code, or -1 for a dropped connection.
func send(t *testing.T, s *fakemx.Server, from string, to ...string) int {
	t.Helper()
	c, err := smtp.Dial(s.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.SendMail(from, to, strings.NewReader("Subject: x\r\n\r\n.dot\r\n"))
	var reply *smtp.SMTPError
	switch {
	case err == nil:
		return 250
	case errors.As(err, &reply):
		return reply.Code
	}
	return -1
}

func TestActs(t *testing.T) {
	t.Parallel()
	s := fakemx.Start(t, fakemx.Config{})
	s.On(fakemx.Rcpt, "grey@a.test", fakemx.Greylist(2)...)
	s.On(fakemx.Rcpt, "@refused.test", fakemx.Refuse())
	s.On(fakemx.Rcpt, "one@refused.test", fakemx.Accept())
	s.On(fakemx.Mail, "bad@x.test", fakemx.Reply(554, [3]int{5, 7, 1}, "not you"))
	s.On(fakemx.Data, "@late.test", fakemx.Defer())
	s.On(fakemx.Data, "drop@a.test", fakemx.DropAfter(5), fakemx.Drop(), fakemx.Accept())
	s.On(fakemx.Rcpt, "gone@a.test", fakemx.Drop())
	for i, tc := range []struct {
		from, to string
		want     int
	}{
		{"a@x.test", "grey@A.test", 451}, {"a@x.test", "grey@a.test", 451}, {"a@x.test", "grey@a.test", 250}, {"a@x.test", "grey@a.test", 250},
		{"a@x.test", "b@refused.test", 550}, {"a@x.test", "one@refused.test", 250}, {"bad@x.test", "b@a.test", 554}, {"", "b@late.test", 451},
		{"a@x.test", "drop@a.test", -1}, {"a@x.test", "drop@a.test", -1}, {"a@x.test", "drop@a.test", 250}, {"a@x.test", "gone@a.test", -1},
	} {
		if got := send(t, s, tc.from, tc.to); got != tc.want {
			t.Errorf("%d: %s -> %s: %d, want %d", i, tc.from, tc.to, got, tc.want)
		}
	}
	got := s.Await(t, 4)
	if len(got) != 4 || got[0].String() != "a@x.test -> grey@a.test" || got[0].Text() != "Subject: x\r\n\r\n.dot\r\n" || got[0].TLS {
		t.Errorf("received %v", got)
	}
	if n := len(s.Tried()); n != 11 || s.Sessions() != 12 {
		t.Errorf("%d recipients in %d sessions", n, s.Sessions())
	}
}

func TestTLSAndHold(t *testing.T) {
	t.Parallel()
	k, err := tls.Open(tls.KeeperConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s := fakemx.Start(t, fakemx.Config{TLS: k.Server(tls.MX), Domain: "other.test", UTF8: true})
	release := make(chan struct{})
	s.On(fakemx.Hello, "*", fakemx.Accept().Hold(release))
	done := make(chan error, 1)
	go func() {
		c, err := smtp.DialStartTLS(s.Addr.String(), &stdtls.Config{InsecureSkipVerify: true})
		if err == nil {
			defer c.Close()
			err = c.SendMail("a@x.test", []string{"b@y.test", "c@y.test"}, strings.NewReader("x\r\n"))
		}
		done <- err
	}()
	if len(s.Received()) != 0 {
		t.Error("received before the release")
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if m := s.Await(t, 1)[0]; !m.TLS || len(m.To) != 2 {
		t.Errorf("received %+v", m)
	}
}
