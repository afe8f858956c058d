package crash

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/test/lab"
)

// sink is the mail host of sink.example: it takes everything and notes in which life of the server it came.
type sink struct {
	addr netip.AddrPort
	life atomic.Int64 // counts the server's lives

	mu   sync.Mutex
	came map[string][]int64 // Message-ID to the lives it came in
}

func startSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{addr: netip.MustParseAddrPort(l.Addr().String()), came: map[string][]int64{}}
	var group sync.WaitGroup
	var open sync.Map
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(conn, true)
			group.Go(func() {
				defer open.Delete(conn)
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		group.Wait()
	})
	return s
}

func (s *sink) serve(conn net.Conn) {
	life := s.life.Load()
	r := textproto.NewReader(bufio.NewReader(conn))
	say := func(text string) { fmt.Fprintf(conn, "%s\r\n", text) }
	say("220 mx.sink.example")
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		switch strings.ToUpper(strings.Fields(line + " x")[0]) {
		case "EHLO":
			say("250-mx.sink.example\r\n250 8BITMIME")
		case "DATA":
			say("354 go on")
			var b bytes.Buffer
			if _, err := io.Copy(&b, r.DotReader()); err != nil {
				return
			}
			s.mu.Lock()
			id := lab.Field(b.Bytes(), "Message-ID")
			s.came[id] = append(s.came[id], life)
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 so be it")
		}
	}
}

// missing lists which of the messages have not come.
func (s *sink) missing(ids []string) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if len(s.came[id]) == 0 {
			list = append(list, id)
		}
	}
	return list
}

// duplicates counts messages that came again in a later life, as they may when the answer to the first was lost (RFC 5321 4.5.4.1);
// one that came twice in one life is a fault.
func (s *sink) duplicates(t testing.TB) (n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, lives := range s.came {
		seen := map[int64]bool{}
		for _, l := range lives {
			if seen[l] {
				t.Errorf("%s came twice to another host in one life of the server: %v", id, lives)
			}
			seen[l] = true
		}
		n += len(lives) - 1
	}
	return n
}

// strangers lists what came though nobody was told that it would.
func (s *sink) strangers(ids []string) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.came {
		if !slices.Contains(ids, id) {
			list = append(list, id)
		}
	}
	return list
}

// reset forgets what came.
func (s *sink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.came)
}
