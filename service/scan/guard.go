package scan

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// Bounds on what a milter may send for one message, in octets.
const (
	maxPacket  = 256 << 10
	maxPackets = 1 << 20 // in all, apart from bodies
)

// replaceBody is the code of a packet with a new body.
const replaceBody = 'b'

// guard stands between a milter and the library that understands it: packets that are empty or too large end the conversation before any memory
// is given to them, new bodies are dropped as they come, and no deadline is later than the end of the whole scan.
type guard struct {
	net.Conn
	in  *bufio.Reader // of Conn
	end time.Time

	head     [5]byte // length and code of the packet under way
	pending  []byte  // of head, not handed on yet
	left     int64   // octets of the packet that follow
	total    int64
	replaced bool // the milter wanted a new body
}

// Read hands on whole packets' octets.
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(g.pending) == 0 && g.left == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if len(g.pending) > 0 {
		n := copy(p, g.pending)
		g.pending = g.pending[n:]
		return n, nil
	}
	n, err := g.in.Read(p[:min(int64(len(p)), g.left)])
	g.left -= int64(n)
	return n, err
}

// next reads the head of a packet, and drops one with a body.
func (g *guard) next() error {
	if _, err := io.ReadFull(g.in, g.head[:4]); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(g.head[:]))
	if size == 0 || size > maxPacket {
		return fmt.Errorf("it sent a packet of %d octets", size)
	}
	if _, err := io.ReadFull(g.in, g.head[4:]); err != nil {
		return err
	}
	if g.head[4] == replaceBody {
		g.replaced = true
		_, err := io.CopyN(io.Discard, g.in, size-1)
		return err
	}
	if g.total += size + 4; g.total > maxPackets {
		return fmt.Errorf("it sent more than %d octets", maxPackets)
	}
	g.pending, g.left = g.head[:], size-1
	return nil
}

func (g *guard) capped(t time.Time) time.Time {
	if t.IsZero() || t.After(g.end) {
		return g.end
	}
	return t
}

// SetDeadline implements net.Conn.
func (g *guard) SetDeadline(t time.Time) error { return g.Conn.SetDeadline(g.capped(t)) }

// SetReadDeadline implements net.Conn.
func (g *guard) SetReadDeadline(t time.Time) error { return g.Conn.SetReadDeadline(g.capped(t)) }

// SetWriteDeadline implements net.Conn.
func (g *guard) SetWriteDeadline(t time.Time) error { return g.Conn.SetWriteDeadline(g.capped(t)) }
