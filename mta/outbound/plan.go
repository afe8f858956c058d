package outbound

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// target is one host a message may be offered to.
type target struct {
	host string     // a name, or an address as text
	ip   netip.Addr // the one address to use; invalid: any of the host's
	port uint16
	hop  Hop // its Security, Verify and credentials count
	way  way
	// guard is what must hold before a message goes there, for the message at hand. It is set once the host is about to be tried.
	guard *guard
}

// way is how we came to know that a host takes a domain's mail.
type way struct {
	domain string // the recipients'
	named  bool   // DNS named the host; else the operator, or the address itself
	// authentic: DNSSEC vouches for the names of the hosts. expanded is then what an alias at the domain led to.
	authentic bool
	expanded  string
}

// maxAsked bounds how many MX hosts' addresses are looked up in the search for our own.
const maxAsked = 10

// maxTried bounds how many hosts one attempt goes through, be it only to find that their records cannot be believed.
const maxTried = 20

// plan lists the hosts for a domain, best first, or tells why there are none.
func (t *Transport) plan(ctx context.Context, domain string) ([]target, *trouble) {
	hop := Hop{}
	if h := t.Routes.hop(domain); h != nil {
		hop = *h
	}
	port := hop.port(t.Port)
	if hop.Host != "" {
		ip, _ := netip.ParseAddr(hop.Host)
		return []target{{host: hop.Host, ip: ip, port: port, hop: hop, way: way{domain: domain}}}, nil
	}
	if domain == "" {
		return nil, refusal("5.1.3", "the address has no domain")
	}
	if literal, ok := strings.CutPrefix(domain, "["); ok { // RFC 5321 4.1.3
		literal = strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(literal), "]"), "ipv6:")
		ip, err := netip.ParseAddr(literal)
		switch {
		case err != nil:
			return nil, refusal("5.1.2", domain+" is not an IP address")
		case slices.Contains(t.Self.Addrs, ip):
			return nil, loops(domain)
		}
		return []target{{host: ip.String(), ip: ip, port: port, hop: hop, way: way{domain: domain}}}, nil
	}
	return t.exchangers(ctx, domain, port, hop)
}

// exchangers asks DNS. RFC 5321 5.1
func (t *Transport) exchangers(ctx context.Context, domain string, port uint16, hop Hop) ([]target, *trouble) {
	mx, err := t.Resolver.MX(ctx, domain)
	switch {
	case mail.Is(err, mail.Invalid):
		return nil, refusal("5.1.2", domain+" is not a domain name")
	case err != nil:
		return nil, &trouble{status: "4.4.3", reason: "the mail hosts of " + domain + " cannot be looked up now: " + err.Error(), unspent: calledOff(ctx)}
	}
	switch mx.Status {
	case dns.NoName:
		return nil, refusal("5.1.2", "the domain "+domain+" does not exist")
	case dns.Null: // RFC 7505 4.2
		return nil, refusal("5.1.10", "the domain "+domain+" says that it takes no mail (null MX)")
	case dns.NoData:
		return nil, refusal("5.4.4", "the domain "+domain+" has neither a mail host (MX) nor an address")
	case dns.Unusable:
		return nil, refusal("5.4.4", "the MX records of "+domain+" name no host")
	}
	hosts := t.upToSelf(ctx, mx.Value)
	if len(hosts) == 0 {
		return nil, loops(domain)
	}
	from := way{domain: domain, named: true, authentic: mx.Authentic}
	if mx.Authentic {
		from.expanded = mx.Name
	}
	out := make([]target, 0, len(hosts))
	for _, m := range hosts {
		out = append(out, target{host: m.Host, port: port, hop: hop, way: from})
	}
	return out, nil
}

func loops(domain string) *trouble {
	return refusal("5.4.6", "mail for "+domain+" loops: DNS names this very server as its mail host, but the domain is not set up here")
}

// upToSelf cuts the list where we are on it: hosts of our own preference and worse would only hand the mail back to us. RFC 5321 5.1
func (t *Transport) upToSelf(ctx context.Context, list []dns.MX) []dns.MX {
	for i, m := range list {
		if !t.isSelf(ctx, m.Host, i < maxAsked) {
			continue
		}
		return slices.DeleteFunc(slices.Clone(list), func(o dns.MX) bool { return o.Preference >= m.Preference })
	}
	return list
}

func (t *Transport) isSelf(ctx context.Context, host string, ask bool) bool {
	if strings.EqualFold(host, t.Hello) || slices.ContainsFunc(t.Self.Names, func(n string) bool { return strings.EqualFold(n, host) }) {
		return true
	}
	if len(t.Self.Addrs) == 0 || !ask {
		return false
	}
	addrs, err := t.Resolver.Addresses(ctx, host)
	return err == nil && slices.ContainsFunc(addrs.Value, func(a netip.Addr) bool { return slices.Contains(t.Self.Addrs, a) })
}
