package outward

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// Config says what may be reached. Resolver is required.
type Config struct {
	Resolver dns.Resolver
	// Ports that connections may go to; empty: 80 and 443.
	Ports []uint16
	// Exempt are networks that may be reached although they are not of the public internet: for tests and laboratories.
	Exempt []netip.Prefix
	// Refuse are networks that may not be reached although they are: the operator's own that trust their neighbours.
	Refuse []netip.Prefix
	// ConnectTimeout is for one address; 0: 10 s.
	ConnectTimeout time.Duration
	// Connect opens one connection, to an address that was checked; nil: the machine's TCP, which checks it again.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// Dialer opens connections to the outside alone. It is safe for concurrent use.
type Dialer struct {
	cfg Config
	dns *dns.Dialer
}

// NewDialer makes a dialer.
func NewDialer(cfg Config) *Dialer {
	if len(cfg.Ports) == 0 {
		cfg.Ports = []uint16{80, 443}
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	d := &Dialer{cfg: cfg}
	d.dns = &dns.Dialer{Resolver: publicOnly{cfg.Resolver, d}, Timeout: cfg.ConnectTimeout, Connect: d.connect}
	return d
}

// Allowed reports whether an address may be connected to.
func (d *Dialer) Allowed(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" {
		return false
	}
	plain := ip.Unmap()
	if within(d.cfg.Refuse, plain) {
		return false
	}
	return within(d.cfg.Exempt, plain) || Public(ip)
}

// Dial connects to a host, given as a name or an address in any spelling a person may have typed, at the first of its addresses that answers.
// Denied when all of its addresses, or the port, are not to be reached; Invalid for what is no host; otherwise as dns.Dialer's.
func (d *Dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	h, err := d.check(host, port)
	if err != nil {
		return nil, err
	}
	return d.dns.Dial(ctx, h.String(), port)
}

// Check says whether Dial would try at all, as far as can be told without asking anybody.
func (d *Dialer) Check(host string, port uint16) error {
	_, err := d.check(host, port)
	return err
}

// check looks at what can be told without asking anybody.
func (d *Dialer) check(host string, port uint16) (Host, error) {
	h, err := ParseHost(host)
	switch {
	case err != nil:
		return h, err
	case !slices.Contains(d.cfg.Ports, port):
		return h, mail.Errorf(mail.Denied, "connections to port %d are not made from here", port)
	case h.Name == "" && !d.Allowed(h.Addr):
		return h, inside(h.String())
	}
	return h, nil
}

func inside(what string) error {
	return mail.Errorf(mail.Denied, "%s is not an address of the public internet, and others are not connected to from here", what)
}

// DialContext is Dial for those who have "host:port", as http.Transport.
func (d *Dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "%q is not a host with a port", cut(address))
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "%q is not a port", cut(text))
	}
	return d.Dial(ctx, host, uint16(port))
}

// connect is the last step: every connection passes here with the address that it goes to.
func (d *Dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if err := d.checkPeer(address); err != nil {
		return nil, err
	}
	if d.cfg.Connect != nil {
		return d.cfg.Connect(ctx, network, address)
	}
	nd := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return d.checkPeer(address) }}
	return nd.DialContext(ctx, network, address)
}

func (d *Dialer) checkPeer(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !d.Allowed(ap.Addr()) || !slices.Contains(d.cfg.Ports, ap.Port()) {
		return inside(cut(address))
	}
	return nil
}

// publicOnly leaves out of a resolver's answers what may not be connected to.
type publicOnly struct {
	dns.Resolver
	d *Dialer
}

// Addresses implements dns.Resolver.
func (r publicOnly) Addresses(ctx context.Context, host string) (dns.Answer[[]netip.Addr], error) {
	a, err := r.Resolver.Addresses(ctx, host)
	if err != nil || a.Status != dns.Found {
		return a, err
	}
	found := len(a.Value)
	a.Value = slices.DeleteFunc(slices.Clone(a.Value), func(ip netip.Addr) bool { return !r.d.Allowed(ip) })
	if found > 0 && len(a.Value) == 0 {
		return a, mail.Errorf(mail.Denied, "%s leads to no address of the public internet, and others are not connected to from here", host)
	}
	return a, nil
}
