package dns_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	wire "github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is a name server on loopback, UDP and TCP on one port, that does what its handler wants.
type hostile struct {
	addr     netip.AddrPort
	udp, tcp atomic.Int64 // questions that came in
}

// handler gets a question and sends whatever octets it likes; raw also over UDP is one datagram each.
type handler func(q *wire.Msg, network string, send func(...*wire.Msg))

func serve(t *testing.T, h handler) *hostile {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		tcp.Close()
		t.Fatal(err)
	}
	s := &hostile{addr: netip.MustParseAddrPort(tcp.Addr().String())}
	var all sync.WaitGroup
	all.Go(func() { s.packets(udp, h) })
	all.Go(func() {
		for {
			c, err := tcp.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				all.Go(func() { s.stream(c, h) })
			}
		}
	})
	t.Cleanup(func() {
		tcp.Close()
		udp.Close()
		all.Wait()
	})
	return s
}

func (s *hostile) packets(conn net.PacketConn, h handler) {
	buf := make([]byte, 4096)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(wire.Msg)
		if q.Unpack(buf[:n]) != nil {
			continue
		}
		s.udp.Add(1)
		h(q, "udp", func(replies ...*wire.Msg) {
			for _, r := range replies {
				if b, err := r.Pack(); err == nil {
					conn.WriteTo(b, peer)
				}
			}
		})
	}
}

func (s *hostile) stream(c net.Conn, h handler) {
	defer c.Close()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	q := new(wire.Msg)
	if _, err := io.ReadFull(c, buf); err != nil || q.Unpack(buf) != nil {
		return
	}
	s.tcp.Add(1)
	h(q, "tcp", func(replies ...*wire.Msg) {
		for _, r := range replies {
			if b, err := r.Pack(); err == nil {
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
			}
		}
	})
}

// reply makes a sound answer of zone-file lines; one that begins with "!" goes to the authority section.
func reply(q *wire.Msg, lines ...string) *wire.Msg {
	r := new(wire.Msg)
	r.SetReply(q)
	r.RecursionAvailable = true
	for _, line := range lines {
		section := &r.Answer
		if line[0] == '!' {
			section, line = &r.Ns, line[1:]
		}
		rr, err := wire.NewRR(line)
		if err != nil {
			panic(err)
		}
		*section = append(*section, rr)
	}
	return r
}

// client asks the given servers and is closed with the test. MX hosts of one preference stay as they came.
func client(t *testing.T, cfg dns.Config, servers ...netip.AddrPort) *dns.Client {
	t.Helper()
	cfg.Servers = servers
	if cfg.Shuffle == nil {
		cfg.Shuffle = func(int, func(i, j int)) {}
	}
	c := dns.New(cfg)
	t.Cleanup(func() { c.Close() })
	return c
}
