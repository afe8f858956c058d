package scan

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/proto/message"
)

// scripted is a connection whose other side says certain octets, whatever it hears.
type scripted struct {
	net.Conn
	says *bytes.Reader
}

func (s scripted) Read(p []byte) (int, error)       { return s.says.Read(p) }
func (scripted) Write(p []byte) (int, error)        { return len(p), nil }
func (scripted) Close() error                       { return nil }
func (scripted) SetDeadline(time.Time) error        { return nil }
func (s scripted) SetReadDeadline(time.Time) error  { return nil }
func (s scripted) SetWriteDeadline(time.Time) error { return nil }

// FuzzMilter: whatever comes in a milter's place, the conversation ends, with a result that can be used or an error.
func FuzzMilter(f *testing.F) {
	const negotiated = "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x00\x00"
	const goOn = "\x00\x00\x00\x01c"
	f.Add([]byte(negotiated + strings.Repeat(goOn, 10) + "\x00\x00\x00\x07hX-A\x001\x00" + goOn))
	f.Add([]byte(negotiated + strings.Repeat(goOn, 10) + "\x00\x00\x00\x09bnewbody!" + "\x00\x00\x00\x01a"))
	f.Add([]byte(negotiated + "\x00\x00\x00\x0fy550 5.7.1 gone\x00"))
	f.Add([]byte("\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, says []byte) {
		m := &oneMilter{at: endpoint{"tcp", "fuzz:1"}, cfg: Config{Timeout: time.Minute, Hostname: "mx.our.example"}}
		r, err := m.over(context.Background(), scripted{says: bytes.NewReader(says)}, arriving(letter))
		if err != nil {
			return
		}
		if strings.ContainsAny(r.Text+notes(r), "\r\x00") || r.Action >= Defer && r.Text == "" || len(notes(r)) > 20_000 {
			t.Errorf("%+v", r)
		}
		for _, added := range m.added {
			h, n := message.ParseHeader(append(message.FoldField(added[0], added[1]), "\r\n"...))
			if h.Len() != 1 || n == 0 {
				t.Errorf("the field %q makes %d fields", added, h.Len())
			}
		}
	})
}

// FuzzClamd: whatever clamd says is a result or an error.
func FuzzClamd(f *testing.F) {
	for _, s := range []string{"stream: OK\x00", "stream: Eicar-Test-Signature FOUND\x00", "INSTREAM size limit exceeded. ERROR\x00", "", " FOUND\x00", "stream: OK"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		answer, err := readAnswer(scripted{says: bytes.NewReader(says)})
		if err != nil || answer == "" {
			return
		}
		r, err := clamdResult(answer)
		if err == nil && (strings.ContainsAny(r.Text+notes(r), "\r\n\x00") || r.Action == Refuse && r.Err() == nil || len(r.Text) > 500) {
			t.Errorf("%q gives %+v", says, r)
		}
	})
}
