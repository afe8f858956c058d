package dns

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// StaticConfig says what a Static knows.
type StaticConfig struct {
	// Zone is the records, one a line: a name, a type and its data, as a zone file has them but with every name written out;
	// "#" or ";" starts a comment. TTL, class and the dot at the end of names may stand there and may be left out.
	//
	//	example.test      MX    10 mx.example.test
	//	mx.example.test   A     127.0.0.1
	//	mx.example.test   AAAA  ::1
	//	example.test      TXT   "v=spf1 mx -all"
	//	www.example.test  CNAME mx.example.test
	//	quiet.test        MX    0 .
	//	127.0.0.1         PTR   mx.example.test
	//	broken.test       FAIL
	//
	// An address before PTR stands for its name under in-addr.arpa or ip6.arpa. FAIL makes every question
	// about the name a temporary failure.
	Zone string
	// Zones are the domains it answers for, with all names below them: what is not in Zone does not exist there. Empty: all of DNS.
	Zones []string
	// Next is asked about all other names. Required exactly when Zones is not empty.
	Next Resolver
	// Shuffle orders MX hosts of one preference; nil is math/rand/v2's.
	Shuffle func(n int, swap func(i, j int))
}

// Static is a Resolver that answers from its configuration: for laboratories without DNS, and for a few names in front of it.
// Its answers are never Authentic: nobody signed them.
type Static struct {
	own   front
	zone  zone
	zones []string
	next  Resolver
}

var _ Resolver = (*Static)(nil)

// staticTTL is how long callers may keep a Static's answers.
const staticTTL = time.Minute

// NewStatic reads the zone. Its errors are of kind Invalid and name the line.
func NewStatic(cfg StaticConfig) (*Static, error) {
	if (len(cfg.Zones) == 0) != (cfg.Next == nil) {
		return nil, mail.Errorf(mail.Invalid, "static DNS zones and a resolver for all other names belong together")
	}
	s := &Static{next: cfg.Next}
	for _, z := range cfg.Zones {
		n, err := normal(z)
		if err != nil {
			return nil, err
		}
		s.zones = append(s.zones, n)
	}
	var err error
	if s.zone, err = parseZone(cfg.Zone); err != nil {
		return nil, err
	}
	for name, rec := range s.zone {
		if outside := cmpOr(cmpIf(!s.covers(name), name), cmpIf(rec.alias != "" && !s.covers(rec.alias), rec.alias)); outside != "" {
			return nil, mail.Errorf(mail.Invalid, "static DNS record for %s: %s is in none of the static zones", name, outside)
		}
	}
	if cfg.Shuffle == nil {
		cfg.Shuffle = rand.Shuffle
	}
	s.own = front{source: s.zone, shuffle: cfg.Shuffle}
	return s, nil
}

func cmpIf(cond bool, s string) string {
	if cond {
		return s
	}
	return ""
}

// covers reports whether a name is for this resolver to answer.
func (s *Static) covers(name string) bool {
	if len(s.zones) == 0 {
		return true
	}
	n := text(name)
	return slices.ContainsFunc(s.zones, func(z string) bool { return n == z || strings.HasSuffix(n, "."+z) })
}

// at is who answers for a name.
func (s *Static) at(name string) Resolver {
	if s.covers(name) {
		return &s.own
	}
	return s.next
}

// MX implements Resolver.
func (s *Static) MX(ctx context.Context, domain string) (Answer[[]MX], error) {
	return s.at(domain).MX(ctx, domain)
}

// Addresses implements Resolver.
func (s *Static) Addresses(ctx context.Context, host string) (Answer[[]netip.Addr], error) {
	return s.at(host).Addresses(ctx, host)
}

// TXT implements Resolver.
func (s *Static) TXT(ctx context.Context, name string) (Answer[[]string], error) {
	return s.at(name).TXT(ctx, name)
}

// PTR implements Resolver.
func (s *Static) PTR(ctx context.Context, ip netip.Addr) (Answer[[]string], error) {
	if !ip.IsValid() {
		return s.own.PTR(ctx, ip)
	}
	return s.at(reverse(ip)).PTR(ctx, ip)
}

// Exists implements Resolver.
func (s *Static) Exists(ctx context.Context, domain string) (Existence, error) {
	return s.at(domain).Exists(ctx, domain)
}

// ask implements source.
func (z zone) ask(ctx context.Context, name string, k kind) (set, error) {
	if err := ctx.Err(); err != nil {
		return set{}, interrupted(name, k, err)
	}
	at := name
	for range maxAliases {
		rec := z[at]
		switch {
		case rec == nil && z.hasBelow(at):
			return set{status: NoData, name: at, ttl: staticTTL}, nil // an empty name between two others (RFC 8020 2)
		case rec == nil:
			return set{status: NoName, name: at, ttl: staticTTL}, nil
		case rec.fail:
			return set{}, unavailable(name, k, errors.New("the static zone says FAIL"))
		case rec.alias != "":
			at = rec.alias
			continue
		}
		return rec.set(at, k), nil
	}
	return set{}, unavailable(name, k, errAliases)
}
