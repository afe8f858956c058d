package scan

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// eicar is the test file of virus scanners, in two parts so that this source is none.
var eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-` + `STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// fakeClamd speaks INSTREAM as clamd does: chunks up to an empty one, then one answer that ends with NUL.
func fakeClamd(t testing.TB, limit int) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		if cmd, err := in.ReadString(0); err != nil || cmd != "zINSTREAM\x00" {
			t.Errorf("the command is %q, %v", cmd, err)
			return
		}
		var all []byte
		for {
			var size uint32
			if err := binary.Read(in, binary.BigEndian, &size); err != nil {
				t.Errorf("no length of a chunk: %v", err)
				return
			}
			if size == 0 {
				break
			}
			chunk := make([]byte, size)
			if _, err := io.ReadFull(in, chunk); err != nil {
				t.Error(err)
				return
			}
			if all = append(all, chunk...); limit > 0 && len(all) > limit {
				io.WriteString(conn, "INSTREAM size limit exceeded. ERROR\x00")
				return
			}
		}
		answer := "stream: OK\x00"
		if strings.Contains(string(all), eicar) {
			answer = "stream: Eicar-Test-Signature FOUND\x00"
		}
		io.WriteString(conn, answer)
	}
}

// TestClamd: clean mail passes, malware is refused in the session with its name, over TCP and over a UNIX socket, whatever the size.
func TestClamd(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "clamd.sock")
	serveOn(t, listen(t, "unix", socket), fakeClamd(t, 0))
	for _, at := range []string{serve(t, fakeClamd(t, 0)), socket, "unix:" + socket} {
		c := chain(t, Config{ClamAV: at})
		if r := scan(t, c, arriving(letter)); r.Action != Accept || r.Err() != nil || !strings.Contains(notes(r), "found nothing") {
			t.Errorf("clean: %+v", r)
		}
		r := scan(t, c, arriving(letter+strings.Repeat("x", 300_000)+eicar))
		if r.Action != Refuse || !mail.Is(r.Err(), mail.Denied) || !strings.Contains(r.Err().Error(), "Eicar-Test-Signature") {
			t.Errorf("malware: %+v", r)
		}
	}
	if r := scan(t, chain(t, Config{ClamAV: serve(t, fakeClamd(t, 1000))}), arriving(strings.Repeat("x", 2000))); r.Action != Accept || !strings.Contains(notes(r), "larger than its StreamMaxLength") {
		t.Errorf("too large: %+v", r)
	}
}

// TestClamdHostile: whatever answers in its place costs no mail and no time beyond the deadline; where it is required, mail is refused for now.
func TestClamdHostile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(net.Conn)
		want   string
	}{
		"nothing":    {func(net.Conn) {}, "gave no answer"},
		"hangs":      {func(c net.Conn) { io.Copy(io.Discard, c) }, "it took too long"},
		"deaf":       {hold, "it took too long"},
		"endless":    {func(c net.Conn) { flood(c, "stream: x") }, "no whole answer"},
		"nonsense":   {answer("HTTP/1.1 400 Bad Request\r\n\x1b[31m\x00"), "it answered"},
		"error":      {answer("stream: Can't allocate memory ERROR\x00"), "Can't allocate memory"},
		"half":       {answer("stream: Eicar-Te"), "it answered"},
		"long virus": {answer("stream: " + strings.Repeat("V", 3000) + " FOUND\x00"), "ClamAV found VVVV"},
	} {
		at := serve(t, c.answer)
		within := time.Minute
		if c.want == "it took too long" {
			within = 300 * time.Millisecond
		}
		r := scan(t, chain(t, Config{ClamAV: at, Timeout: within}), arriving(strings.Repeat("text ", 1_000_000)))
		if !strings.Contains(notes(r), c.want) || len(notes(r)) > 600 || strings.ContainsAny(notes(r), "\x00\x1b\r") {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "long virus" {
			continue
		}
		if r.Action != Accept {
			t.Errorf("%s: %s", name, r.Action)
		}
		r = scan(t, chain(t, Config{ClamAV: at, Timeout: within, Required: true}), arriving(letter))
		if r.Action != Defer || !mail.Is(r.Err(), mail.Unavailable) || !strings.Contains(r.Err().Error(), "try again later") {
			t.Errorf("%s, required: %+v", name, r)
		}
	}
	l := listen(t, "tcp", "127.0.0.1:0")
	l.Close()
	if r := scan(t, chain(t, Config{ClamAV: l.Addr().String()}), arriving(letter)); r.Action != Accept || !strings.Contains(notes(r), "refused") {
		t.Errorf("nobody there: %+v", r)
	}
}

// answer takes the whole stream and says something.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		drain(c)
		io.WriteString(c, text)
	}
}

// drain reads an INSTREAM to its end.
func drain(c net.Conn) {
	in := bufio.NewReader(c)
	in.ReadString(0) //nolint:errcheck // the rest shows it
	for {
		var size uint32
		if binary.Read(in, binary.BigEndian, &size) != nil || size == 0 {
			return
		}
		io.CopyN(io.Discard, in, int64(size))
	}
}

// hold reads nothing, and says so much that it cannot go on before the other side gives up.
func hold(c net.Conn) { io.Copy(c, zeros{}) } //nolint:errcheck // it ends when they do

// flood takes the stream and answers without end.
func flood(c net.Conn, text string) {
	drain(c)
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

// TestRealClamd asks Debian's clamd where it is installed and running on its socket.
func TestRealClamd(t *testing.T) {
	t.Parallel()
	const socket = "/run/clamav/clamd.ctl"
	if _, err := os.Stat(socket); err != nil {
		t.Skipf("no clamd listens on %s here: its answers are played by a fake", socket)
	}
	c := chain(t, Config{ClamAV: socket})
	if r := scan(t, c, arriving(letter)); r.Action != Accept {
		t.Errorf("clean: %+v", r)
	}
	if r := scan(t, c, arriving("From: a@example.com\r\n\r\n"+eicar)); r.Action != Refuse {
		t.Errorf("EICAR: %+v", r)
	}
}

// TestEndpoints reads addresses, and refuses what is none.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]endpoint{
		"127.0.0.1:3310": {"tcp", "127.0.0.1:3310"}, "[::1]:80": {"tcp", "[::1]:80"}, "/run/x": {"unix", "/run/x"}, "unix:/run/x": {"unix", "/run/x"},
		"localhost:1": {"tcp", "localhost:1"}, "": {}, "unix:": {}, "127.0.0.1": {}, ":25": {}, "a:99999": {}, "a:0": {}, "a:b": {},
	} {
		got, err := parseEndpoint("it", text)
		if got != want || (want == endpoint{}) != mail.Is(err, mail.Invalid) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, cfg := range []Config{{Rspamd: "http://127.0.0.1:1/path"}, {Rspamd: "http://user@127.0.0.1:1"}, {Rspamd: "nowhere"}, {ClamAV: "x"}, {Milters: []string{"x"}}, {Milters: make([]string, 17)}} {
		if _, err := New(cfg); !mail.Is(err, mail.Invalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if c, err := New(Config{}); err != nil || !c.Empty() {
		t.Error(c, err)
	} else if r, err := c.Scan(t.Context(), arriving(letter)); err != nil || fmt.Sprint(r) != fmt.Sprint(Result{}) {
		t.Error(r, err)
	}
}
