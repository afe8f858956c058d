package dns

import (
	"context"
	"net/netip"
	"time"
)

// Resolver asks the domain name system. Names are ASCII, with or without the dot at the end, in any letter case; another
// name is an error of kind Invalid. What cannot be told now is an error of kind Unavailable. Results belong to the caller.
type Resolver interface {
	// MX lists where mail for a domain goes, best first; hosts of one preference come in random order (RFC 5321 5.1).
	// A domain without MX that has an address is its own, implicit MX. Status tells Null, Unusable and NoData apart.
	MX(ctx context.Context, domain string) (Answer[[]MX], error)
	// Addresses lists a host's addresses, IPv4 and IPv6 mixed as the servers gave them, IPv6 first. When one of the
	// two families cannot be asked now, the other one alone is the answer, if it has any; it is not Authentic then.
	Addresses(ctx context.Context, host string) (Answer[[]netip.Addr], error)
	// TXT lists a name's texts, the strings of each record joined.
	TXT(ctx context.Context, name string) (Answer[[]string], error)
	// PTR lists the names an address claims to have. They prove nothing before Addresses says the same.
	PTR(ctx context.Context, ip netip.Addr) (Answer[[]string], error)
	// Exists tells whether a domain can be sent mail at all, as far as DNS says.
	Exists(ctx context.Context, domain string) (Existence, error)
}

// Status is what kind of answer an Answer is.
type Status uint8

// The kinds of answers. Only Found, and for MX also Implicit, come with a value.
const (
	NoAnswer Status = iota // the zero Answer, which comes with an error
	Found
	NoName   // the name does not exist (NXDOMAIN)
	NoData   // the name exists and has no such record; for MX: and no address either
	Implicit // MX only: none, but the domain has an address; Value is the domain itself (RFC 5321 5.1)
	Null     // MX only: the domain says that it takes no mail (RFC 7505 3)
	Unusable // MX only: there are records, and none names a host (RFC 5321 5.1: an error, not a reason to try A)
)

// String names the status for logs.
func (s Status) String() string {
	names := [...]string{"no-answer", "found", "no-name", "no-data", "implicit", "null", "unusable"}
	if int(s) < len(names) {
		return names[s]
	}
	return "no-answer"
}

// Answer is what the domain name system says to one question.
type Answer[T any] struct {
	Status    Status
	Value     T
	Name      string // whose records they are, once aliases (CNAME) were followed; lower case, no dot at the end
	Authentic bool   // DNSSEC vouches for it, negative answers included
	// OwnAuthentic is true when DNSSEC vouches for what is at the name asked for, be it an alias whose target it does not
	// vouch for (RFC 7672 2.2.2).
	OwnAuthentic bool
	TTL          time.Duration // how long it may be kept from now on; 0: not at all
}

// MX is one host that takes a domain's mail.
type MX struct {
	Host       string // lower case, no dot at the end; never an IP address
	Preference uint16 // lower is better
}

// Existence is what DNS says about a domain as a destination of mail.
type Existence uint8

// The existences.
const (
	Unknown   Existence = iota // with an error: cannot tell now
	Reachable                  // has MX or an address
	Missing                    // the name does not exist
	Refusing                   // says that it takes no mail (null MX)
	Hostless                   // exists, but has neither MX nor address, or only MX records that name no host
)

// String names the existence for logs.
func (e Existence) String() string {
	names := [...]string{"unknown", "reachable", "missing", "refusing", "hostless"}
	if int(e) < len(names) {
		return names[e]
	}
	return "unknown"
}
