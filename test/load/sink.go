package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// sink takes mail as smtp-sink does, counts it and throws it away. Every address it listens on may be slow.
type sink struct {
	fast, slow atomic.Int64 // messages taken
	mu         sync.Mutex
	listeners  []net.Listener
	conns      map[net.Conn]bool
	closed     bool
}

func newSink() *sink { return &sink{conns: map[net.Conn]bool{}} }

// listen opens a free port of a loopback address, each reply to come after pause, and gives host and port.
func (s *sink) listen(ip string, pause time.Duration) (string, error) {
	l, err := net.Listen("tcp4", ip+":0")
	if err != nil {
		return "", err
	}
	s.listeners = append(s.listeners, l)
	go s.accept(l, pause)
	return l.Addr().String(), nil
}

func (s *sink) accept(l net.Listener, pause time.Duration) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // close
		}
		s.mu.Lock()
		if s.closed {
			conn.Close()
		} else {
			s.conns[conn] = true
			go s.serve(conn, pause)
		}
		s.mu.Unlock()
	}
}

func (s *sink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.Close()
	}
}

// serve speaks SMTP with PIPELINING until the client leaves.
func (s *sink) serve(conn net.Conn, pause time.Duration) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	in := bufio.NewReaderSize(conn, 16<<10)
	out := bufio.NewWriterSize(conn, 1<<10)
	reply := func(text string) bool {
		if pause > 0 {
			time.Sleep(pause) // the slowness that is asked for
		}
		if _, err := out.WriteString(text); err != nil {
			return false
		}
		return in.Buffered() > 0 || out.Flush() == nil
	}
	if !reply("220 sink\r\n") {
		return
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil || len(line) < 4 {
			return
		}
		answer := "250 2.0.0 ok\r\n"
		switch string(bytes.ToUpper(line[:4])) {
		case "EHLO":
			answer = "250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
		case "QUIT":
			reply("221 2.0.0 bye\r\n")
			return
		case "DATA":
			if !reply("354 go on\r\n") || skipBody(in) != nil {
				return
			}
			if pause > 0 {
				s.slow.Add(1)
			} else {
				s.fast.Add(1)
			}
		}
		if !reply(answer) {
			return
		}
	}
}

// skipBody reads to the line of one dot.
func skipBody(in *bufio.Reader) error {
	start := true
	for {
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			start = false
			continue
		}
		if err == io.EOF {
			return fmt.Errorf("the client left inside a message")
		}
		if err != nil {
			return err
		}
		if start && len(line) == 3 && line[0] == '.' {
			return nil
		}
		start = true
	}
}
