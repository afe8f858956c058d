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

	"go.uber.org/goleak"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script plays a server over a pipe. Lines "S: text" are sent, lines "C: text" must come from the client (a final * stands for
// any rest), "TLS" shakes hands, "CLOSE" closes, "SILENCE" waits until the client hangs up. It gives the client's end.
func script(t *testing.T, text string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = client.Close()
		<-done
	})
	go func() {
		defer close(done)
		defer server.Close()
		conn := server
		r := bufio.NewReader(conn)
		for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
			word, rest, _ := strings.Cut(strings.TrimLeft(line, "\t"), " ")
			switch word {
			case "S:":
				if _, err := io.WriteString(conn, rest+"\r\n"); err != nil {
					t.Errorf("%s: %v", line, err)
					return
				}
			case "C:":
				got, err := r.ReadString('\n')
				got = strings.TrimSuffix(got, "\r\n")
				prefix, open := strings.CutSuffix(rest, "*")
				if err != nil || (got != rest && (!open || !strings.HasPrefix(got, prefix))) {
					t.Errorf("the client said %q %v, expected %q", got, err, rest)
					return
				}
			case "TLS":
				tc := tls.Server(conn, serverTLS(t))
				if err := tc.Handshake(); err != nil {
					t.Errorf("handshake: %v", err)
					return
				}
				conn, r = tc, bufio.NewReader(tc)
			case "":
			case "CLOSE":
				return
			case "SILENCE":
				_, _ = io.Copy(io.Discard, r)
				return
			default:
				t.Errorf("script line %q", line)
			}
		}
	}()
	return client
}

func dial(t *testing.T, text string, opts Options) *Client {
	t.Helper()
	c, err := New(t.Context(), script(t, text), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func to(addrs ...string) []smtp.Rcpt {
	var list []smtp.Rcpt
	for _, a := range addrs {
		p, _ := smtp.ParsePath(a)
		list = append(list, smtp.Rcpt{To: p})
	}
	return list
}

func text(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

func tx(body string, addrs ...string) Transaction {
	return Transaction{From: smtp.Path{Local: "a", Domain: "x"}, To: to(addrs...), Body: text(body)}
}

func outcomes(r Result) string {
	var list []string
	for i := range r.Rcpt {
		if o := r.Outcome(i); o == nil {
			list = append(list, "nil")
		} else {
			list = append(list, fmt.Sprint(o.Code))
		}
	}
	return strings.Join(list, " ")
}

// hello is the opening of most scripts.
const pipelining = `
	S: 220 mx
	C: EHLO localhost
	S: 250-mx
	S: 250-PIPELINING
	S: 250-SIZE 1000
	S: 250-8BITMIME
	S: 250-SMTPUTF8
	S: 250 DSN
`

const bare = `
	S: 220 mx
	C: EHLO localhost
	S: 250 mx
`

// What the client says and makes of the answers, with and without PIPELINING (RFC 5321 4.1.1, RFC 2920 3.1).
func TestSend(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, script string
		tx           Transaction
		opts         Options
		want         string // the outcomes
		broken       bool
	}{
		{name: "pipelined", script: pipelining + `
			C: MAIL FROM:<a@x> SIZE=6
			C: RCPT TO:<b@y>
			C: RCPT TO:<c@y>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 550 5.1.1 unknown
			S: 354 go
			C: text
			C: .
			S: 250 2.0.0 queued`,
			tx:   Transaction{From: smtp.Path{Local: "a", Domain: "x"}, To: to("b@y", "c@y"), Body: text("text\r\n"), Size: 6},
			want: "250 550"},
		{name: "one by one", script: bare + `
			C: MAIL FROM:<a@x>
			S: 250 ok
			C: RCPT TO:<b@y>
			S: 451 later
			C: RCPT TO:<c@y>
			S: 250 ok
			C: DATA
			S: 354 go
			C: ..dot
			C: end
			C: .
			S: 554 5.7.1 spam`, tx: tx(".dot\nend", "b@y", "c@y"), want: "451 554"},
		{name: "sender refused, one by one", script: bare + `
			C: MAIL FROM:<a@x>
			S: 550 5.7.1 no`, tx: tx("x", "b@y"), want: "550"},
		{name: "sender refused, pipelined", script: pipelining + `
			C: MAIL FROM:<a@x>
			C: RCPT TO:<b@y>
			C: DATA
			S: 550 5.7.1 no
			S: 503 what
			S: 503 what`, tx: tx("x", "b@y"), want: "550"},
		{name: "all refused, pipelined", script: pipelining + `
			C: MAIL FROM:<a@x>
			C: RCPT TO:<b@y>
			C: DATA
			S: 250 ok
			S: 550 5.1.1 unknown
			S: 554 nobody`, tx: tx("x", "b@y"), want: "550"},
		{name: "all refused, pipelined, and 354 nevertheless", script: pipelining + `
			C: MAIL FROM:<a@x>
			C: RCPT TO:<b@y>
			C: DATA
			S: 250 ok
			S: 550 5.1.1 unknown
			S: 354 go
			C: .
			S: 554 nobody`, tx: tx("x", "b@y"), want: "550"},
		{name: "all refused, one by one", script: bare + `
			C: MAIL FROM:<a@x>
			S: 250 ok
			C: RCPT TO:<b@y>
			S: 550 5.1.1 unknown`, tx: tx("x", "b@y"), want: "550"},
		{name: "DATA refused", script: bare + `
			C: MAIL FROM:<a@x>
			S: 250 ok
			C: RCPT TO:<b@y>
			S: 250 ok
			C: DATA
			S: 451 4.3.1 disk`, tx: tx("x", "b@y"), want: "451"},
		{name: "421 to MAIL", script: pipelining + `
			C: MAIL FROM:<a@x>
			C: RCPT TO:<b@y>
			C: DATA
			S: 421 4.3.2 stopping
			CLOSE`, tx: tx("x", "b@y"), want: "421", broken: true},
		{name: "421 to the message", script: bare + `
			C: MAIL FROM:<a@x>
			S: 250 ok
			C: RCPT TO:<b@y>
			S: 250 ok
			C: DATA
			S: 354 go
			C: x
			C: .
			S: 421 4.3.2 stopping
			CLOSE`, tx: tx("x", "b@y"), want: "421", broken: true},
		{name: "goes on after refusing the sender", script: pipelining + `
			C: MAIL FROM:<a@x>
			C: RCPT TO:<b@y>
			C: DATA
			S: 550 no
			S: 250 ok
			S: 354 go`, tx: tx("x", "b@y"), want: "550", broken: true},
		{name: "all parameters", script: pipelining + `
			C: MAIL FROM:<> SIZE=2 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e
			C: RCPT TO:<ü@y> NOTIFY=NEVER ORCPT=rfc822;q@z
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 354 go
			C: ä
			C: .
			S: 250 ok`,
			tx: Transaction{To: []smtp.Rcpt{{To: smtp.Path{Local: "ü", Domain: "y"}, Notify: smtp.NotifyNever, ORcpt: "rfc822;q@z"}},
				Size: 2, Body8Bit: true, Ret: "HDRS", EnvID: "e", Body: text("ä\r\n")}, want: "250"},
		{name: "no parameter that was not offered", script: bare + `
			C: MAIL FROM:<>
			S: 250 ok
			C: RCPT TO:<b@y>
			S: 250 ok
			C: DATA
			S: 354 go
			C: ä
			C: .
			S: 250 ok`,
			tx: Transaction{To: []smtp.Rcpt{{To: smtp.Path{Local: "b", Domain: "y"}, Notify: smtp.NotifyNever, ORcpt: "rfc822;q@z"}},
				Size: 2, Body8Bit: true, Force8Bit: true, Ret: "HDRS", EnvID: "e", Body: text("ä\r\n")}, want: "250"},
		{name: "LMTP", opts: Options{LMTP: true}, script: `
			S: 220 mx
			C: LHLO localhost
			S: 250-mx
			S: 250 PIPELINING
			C: MAIL FROM:<a@x>
			C: RCPT TO:<b@y>
			C: RCPT TO:<c@y>
			C: RCPT TO:<d@y>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 550 unknown
			S: 250 ok
			S: 354 go
			C: x
			C: .
			S: 250 b
			S: 452 d is full`, tx: tx("x", "b@y", "c@y", "d@y"), want: "250 550 452"}, // RFC 2033 4.2
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := dial(t, c.script, c.opts)
			r, err := client.Send(t.Context(), c.tx)
			if err != nil || outcomes(r) != c.want {
				t.Errorf("%s %v, want %s", outcomes(r), err, c.want)
			}
			if client.Broken() != c.broken {
				t.Errorf("broken is %v", client.Broken())
			}
		})
	}
}

// A transaction that was left open is ended before the next.
func TestResetBetween(t *testing.T) {
	t.Parallel()
	c := dial(t, bare+`
		C: MAIL FROM:<a@x>
		S: 250 ok
		C: RCPT TO:<b@y>
		S: 550 unknown
		C: RSET
		S: 250 ok
		C: MAIL FROM:<a@x>
		S: 250 ok
		C: RCPT TO:<c@y>
		S: 250 ok
		C: DATA
		S: 354 go
		C: x
		C: .
		S: 250 2.0.0 kept
		C: MAIL FROM:<a@x>
		S: 250 ok
		C: RCPT TO:<c@y>
		S: 550 unknown
		C: RSET
		S: 500 what
		SILENCE`, Options{})
	for i, want := range []string{"550", "250", "550"} {
		addr := "c@y"
		if i == 0 {
			addr = "b@y"
		}
		if r, err := c.Send(t.Context(), tx("x", addr)); err != nil || outcomes(r) != want {
			t.Errorf("%d: %s %v", i, outcomes(r), err)
		}
	}
	var failure *ConnError
	if _, err := c.Send(t.Context(), tx("x", "c@y")); !errors.As(err, &failure) || failure.During != "RSET" || !c.Broken() {
		t.Errorf("%v", err)
	}
	if _, err := c.Send(t.Context(), tx("x", "c@y")); !errors.As(err, &failure) {
		t.Errorf("a broken connection was used: %v", err)
	}
}

// brokenBody fails in the middle.
type brokenBody struct{ err error }

func (b brokenBody) Read(p []byte) (int, error) {
	if len(p) > 4 && b.err != nil {
		return copy(p, "text"), b.err
	}
	return 0, b.err
}
func (brokenBody) Close() error { return nil }

// Where a transaction fails decides whether it may be sent again (RFC 1047, RFC 5321 4.2.5).
func TestFailures(t *testing.T) {
	t.Parallel()
	const open = bare + `
		C: MAIL FROM:<a@x>
		S: 250 ok
		C: RCPT TO:<b@y>
		S: 250 ok
		C: DATA
		S: 354 go
`
	long := strings.Repeat("a long line of text that must be sent in many blocks\r\n", 2000)
	cases := []struct {
		name, script string
		tx           Transaction
		during       string
		unknown      bool
		want         string
	}{
		{"at MAIL", bare + "C: MAIL*\nCLOSE", tx("x", "b@y"), "MAIL", false, "nil"},
		{"at RCPT", bare + "C: MAIL*\nS: 250 ok\nC: RCPT*\nCLOSE", tx("x", "b@y"), "RCPT", false, "nil"},
		{"421 at RCPT", bare + "C: MAIL*\nS: 250 ok\nC: RCPT*\nS: 421 too many\nCLOSE", tx("x", "b@y", "c@y"), "RCPT", false, "421 nil"},
		{"at DATA", bare + "C: MAIL*\nS: 250 ok\nC: RCPT*\nS: 250 ok\nC: DATA\nCLOSE", tx("x", "b@y"), "DATA", false, "nil"},
		{"in the message", open + "C: a long*\nCLOSE", tx(long, "b@y"), "message", false, "nil"},
		{"behind the message", open + "C: x\nC: .\nCLOSE", tx("x", "b@y"), "message", true, "nil"},
		{"nonsense behind the message", open + "C: x\nC: .\nS: hello\nCLOSE", tx("x", "b@y"), "message", true, "nil"},
		{"DATA answered with 250", bare + "C: MAIL*\nS: 250 ok\nC: RCPT*\nS: 250 ok\nC: DATA\nS: 250 ok\nCLOSE", tx("x", "b@y"), "DATA", false, "nil"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := dial(t, c.script, Options{})
			r, err := client.Send(t.Context(), c.tx)
			var failure *ConnError
			if !errors.As(err, &failure) || failure.During != c.during || failure.Unknown != c.unknown || !client.Broken() {
				t.Errorf("%#v, broken %v", err, client.Broken())
			}
			if outcomes(r) != c.want {
				t.Errorf("outcomes %s, want %s", outcomes(r), c.want)
			}
		})
	}
	t.Run("LMTP, one verdict missing", func(t *testing.T) {
		t.Parallel()
		client := dial(t, "S: 220 mx\nC: LHLO*\nS: 250 mx\nC: MAIL*\nS: 250 ok\nC: RCPT*\nS: 250 ok\nC: RCPT*\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok\nCLOSE",
			Options{LMTP: true})
		r, err := client.Send(t.Context(), tx("x", "b@y", "c@y"))
		var failure *ConnError
		if !errors.As(err, &failure) || !failure.Unknown || outcomes(r) != "250 nil" {
			t.Errorf("%s %v", outcomes(r), err)
		}
	})
	t.Run("the body", func(t *testing.T) {
		t.Parallel()
		damaged := mail.Errorf(mail.Unavailable, "pack is damaged")
		client := dial(t, open+"C: texttext*\nCLOSE", Options{})
		bad := tx("", "b@y")
		n := 0
		bad.Body = func() (io.ReadCloser, error) {
			n++
			return brokenBody{damaged}, nil
		}
		// The script sees no more than "text" and the end of the connection: the end of data never comes.
		client2 := dial(t, open+"SILENCE", Options{})
		_, err := client2.Send(t.Context(), bad)
		if !errors.Is(err, damaged) || !mail.Is(err, mail.Unavailable) || !client2.Broken() || n != 1 {
			t.Errorf("%v, broken %v, opened %d times", err, client2.Broken(), n)
		}
		bad.Body = func() (io.ReadCloser, error) { return nil, damaged }
		client3 := dial(t, pipelining+"SILENCE", Options{})
		if r, err := client3.Send(t.Context(), bad); !errors.Is(err, damaged) || r.Mail != nil || client3.Broken() {
			t.Errorf("%v, broken %v", err, client3.Broken())
		}
		bad.Body = text("texttext and more")
		if _, err := client.Send(t.Context(), bad); err == nil {
			t.Error("no error from a connection that was closed")
		}
	})
}

// A server that closes in the middle of a message often said why.
func TestEarlyRefusal(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for _, reply := range []string{"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"} {
			_, _ = io.WriteString(conn, reply)
			_, _ = r.ReadString('\n')
		}
		_, _ = io.WriteString(conn, "552 5.3.4 too large\r\n")
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.CopyN(io.Discard, r, 1<<20)
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), conn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := c.Send(t.Context(), tx(strings.Repeat("text\r\n", 8<<20), "b@y"))
	<-done
	// The reset may overtake the reply; what must not be is a claim that the message may have been taken.
	var failure *ConnError
	if err == nil && outcomes(r) != "552" || err != nil && (!errors.As(err, &failure) || failure.Unknown) {
		t.Errorf("%s %v", outcomes(r), err)
	}
}
