package dns

import (
	"encoding/hex"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/proto/dane"
)

// Bounds on what servers say about how long an answer is good.
const (
	maxTTL         = 24 * time.Hour
	maxNegativeTTL = time.Hour // RFC 2308 5 suggests one to three hours
)

// maxAliases bounds the alias chain within one answer.
const maxAliases = 16

// read takes what an answer says about a name. more is true when the answer ends at an alias whose target must be asked
// for anew; it is in set.name then.
func read(r *wire.Msg, name string, k kind) (s set, more bool, err error) {
	s = set{name: name, ttl: maxTTL}
	aliases := map[string]*wire.CNAME{}
	for _, rr := range r.Answer {
		if cname, ok := rr.(*wire.CNAME); ok {
			aliases[owner(cname.Hdr)] = cname
		}
	}
	steps := 0
	for a := aliases[s.name]; a != nil; a = aliases[s.name] {
		if steps++; steps > maxAliases {
			return set{}, false, errAliases
		}
		s.name = text(a.Target)
		s.ttl = min(s.ttl, seconds(a.Hdr.Ttl))
	}
	for _, rr := range r.Answer {
		if h := rr.Header(); owner(*h) == s.name && h.Class == wire.ClassINET && s.add(rr, k) {
			s.status = Found
			s.ttl = min(s.ttl, seconds(h.Ttl))
		}
	}
	switch {
	case s.status == Found:
	case r.Rcode == wire.RcodeNameError:
		s.status = NoName
	case steps > 0 && !hasSOA(r):
		return s, true, nil // the server gave the alias alone
	default:
		s.status = NoData
	}
	if s.status != Found {
		s.ttl = min(s.ttl, negativeTTL(r))
	}
	return s, false, nil
}

// add takes a record of the kind asked for.
func (s *set) add(rr wire.RR, k kind) bool {
	switch rr := rr.(type) {
	case *wire.MX:
		if k == kindMX {
			s.mx = append(s.mx, MX{Host: text(rr.Mx), Preference: rr.Preference})
			return true
		}
	case *wire.A:
		if ip, ok := addrFrom(rr.A); ok && k == kindA {
			s.addrs = append(s.addrs, ip)
			return true
		}
	case *wire.AAAA:
		if ip, ok := addrFrom(rr.AAAA); ok && k == kindAAAA {
			s.addrs = append(s.addrs, ip)
			return true
		}
	case *wire.TXT:
		if k == kindTXT {
			s.texts = append(s.texts, unescape(rr.Txt))
			return true
		}
	case *wire.TLSA:
		if data, err := hex.DecodeString(rr.Certificate); err == nil && k == kindTLSA {
			s.tlsa = append(s.tlsa, dane.Record{Usage: dane.Usage(rr.Usage), Selector: dane.Selector(rr.Selector), Matching: dane.Matching(rr.MatchingType), Data: data})
			return true
		}
	case *wire.PTR:
		if name := text(rr.Ptr); k == kindPTR && isName(name) {
			s.texts = append(s.texts, name)
			return true
		}
	}
	return false
}

func owner(h wire.RR_Header) string { return text(h.Name) }

// text is a name as this package writes it. The root is "".
func text(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func seconds(ttl uint32) time.Duration { return min(time.Duration(ttl)*time.Second, maxTTL) }

func hasSOA(r *wire.Msg) bool {
	for _, rr := range r.Ns {
		if _, ok := rr.(*wire.SOA); ok {
			return true
		}
	}
	return false
}

// negativeTTL is how long "no" may be kept (RFC 2308 5): without an SOA not at all.
func negativeTTL(r *wire.Msg) time.Duration {
	for _, rr := range r.Ns {
		if soa, ok := rr.(*wire.SOA); ok {
			return min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl), maxNegativeTTL)
		}
	}
	return 0
}

// unescape joins a TXT record's strings and undoes the library's zone-file escapes (\DDD, \"), so that the octets are
// those of the wire.
func unescape(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		for i := 0; i < len(p); i++ {
			switch {
			case p[i] != '\\' || i+1 == len(p):
				b.WriteByte(p[i])
			case i+3 < len(p) && digits(p[i+1:i+4]):
				b.WriteByte((p[i+1]-'0')*100 + (p[i+2]-'0')*10 + p[i+3] - '0')
				i += 3
			default:
				i++
				b.WriteByte(p[i])
			}
		}
	}
	return b.String()
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
