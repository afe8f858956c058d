package inbound

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/postrider/postrider/infra/dns"
)

// Names tells what an address calls itself and which addresses a name has (infra/dns).
type Names interface {
	PTR(ctx context.Context, ip netip.Addr) (dns.Answer[[]string], error)
	Addresses(ctx context.Context, host string) (dns.Answer[[]netip.Addr], error)
}

// Bounds of the search for a client's name: it decorates the trace field, so mail does not wait long for it.
const (
	nameDeadline = 5 * time.Second
	nameWait     = 500 * time.Millisecond
	maxNames     = 3
)

// reverse is the search for one client's name, made while the client speaks.
type reverse struct {
	done chan struct{}
	name string // valid once done is closed
	stop context.CancelFunc
}

// lookUp starts the search. It is nil for an address whose name tells nothing.
func lookUp(names Names, addr net.Addr) *reverse {
	t, ok := addr.(*net.TCPAddr)
	if !ok || names == nil {
		return nil
	}
	ip, ok := netip.AddrFromSlice(t.IP)
	if ip = ip.Unmap(); !ok || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), nameDeadline)
	r := &reverse{done: make(chan struct{}), stop: stop}
	go func() {
		defer close(r.done)
		defer stop()
		r.name = verifiedName(ctx, names, ip)
	}()
	return r
}

// verifiedName is a name of ip that has ip among its addresses (RFC 8601 3, iprev), or "".
func verifiedName(ctx context.Context, names Names, ip netip.Addr) string {
	ptr, err := names.PTR(ctx, ip)
	if err != nil {
		return ""
	}
	for _, name := range ptr.Value[:min(len(ptr.Value), maxNames)] {
		forward, err := names.Addresses(ctx, name)
		if err == nil && slices.Contains(forward.Value, ip) {
			return name
		}
	}
	return ""
}

// wait gives the name if it is found soon.
func (r *reverse) wait() string {
	if r == nil {
		return ""
	}
	select {
	case <-r.done:
		return r.name
	default:
	}
	timer := time.NewTimer(nameWait)
	defer timer.Stop()
	select {
	case <-r.done:
		return r.name
	case <-timer.C:
		return ""
	}
}

// end gives the search up and waits for it.
func (r *reverse) end() {
	if r != nil {
		r.stop()
		<-r.done
	}
}
