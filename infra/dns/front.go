package dns

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
)

// kind is a type of record that mail asks for.
type kind uint8

const (
	kindMX kind = iota
	kindA
	kindAAAA
	kindTXT
	kindPTR
	kindTLSA
	kindCNAME // only in zones and answers, never asked for
)

func (k kind) String() string {
	return [...]string{"MX", "A", "AAAA", "TXT", "PTR", "TLSA", "CNAME"}[k]
}

// set is the records of one kind at one name, aliases followed. It is shared by all who ask: never changed.
type set struct {
	status    Status // Found, NoName, NoData
	name      string
	mx        []MX
	addrs     []netip.Addr
	texts     []string // TXT; PTR's names
	tlsa      []dane.Record
	authentic bool
	own       bool // what is at the name asked for is authentic
	ttl       time.Duration
}

// source answers one question of one kind; name is normal. Its errors are of kind Unavailable.
type source interface {
	ask(ctx context.Context, name string, k kind) (set, error)
}

// maxHosts bounds how many MX hosts of a domain are considered.
const maxHosts = 100

// front is what MX and the other questions mean, over any source.
type front struct {
	source
	shuffle func(n int, swap func(i, j int))
}

func answer[T any](s set, value T) Answer[T] {
	a := Answer[T]{Status: s.status, Name: s.name, Authentic: s.authentic, OwnAuthentic: s.own, TTL: s.ttl}
	if s.status == Found {
		a.Value = value
	}
	return a
}

// MX implements Resolver. RFC 5321 5.1, RFC 7505 3.
func (f *front) MX(ctx context.Context, domain string) (Answer[[]MX], error) {
	name, err := normal(domain)
	if err != nil {
		return Answer[[]MX]{}, err
	}
	s, err := f.ask(ctx, name, kindMX)
	if err != nil {
		return Answer[[]MX]{}, err
	}
	switch s.status {
	case Found:
		a := answer(s, f.order(s.mx))
		if len(a.Value) == 0 {
			a.Value, a.Status = nil, Unusable
			if len(s.mx) == 1 && s.mx[0].Host == "" {
				a.Status = Null
			}
		}
		return a, nil
	case NoData:
		return f.implicit(ctx, s)
	}
	return answer[[]MX](s, nil), nil
}

// order sorts usable hosts by preference, equals at random (RFC 5321 5.1).
func (f *front) order(all []MX) []MX {
	var out []MX
	for _, m := range all {
		if isHost(m.Host) { // a null among others does not count (RFC 7505 3)
			out = append(out, m)
		}
	}
	f.shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return out[:min(len(out), maxHosts)]
}

// implicit is the answer for a domain that exists without MX: its addresses stand in (RFC 5321 5.1).
func (f *front) implicit(ctx context.Context, none set) (Answer[[]MX], error) {
	addrs, err := f.Addresses(ctx, none.name)
	if err != nil {
		return Answer[[]MX]{}, err
	}
	a := Answer[[]MX]{Status: NoData, Name: none.name, Authentic: none.authentic && addrs.Authentic,
		OwnAuthentic: none.own && addrs.OwnAuthentic, TTL: min(none.ttl, addrs.TTL)}
	if addrs.Status == Found {
		a.Status = Implicit
		a.Value = []MX{{Host: none.name}}
	}
	return a, nil
}

// Addresses implements Resolver.
func (f *front) Addresses(ctx context.Context, host string) (Answer[[]netip.Addr], error) {
	name, err := normal(host)
	if err != nil {
		return Answer[[]netip.Addr]{}, err
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761 6.3: never asked outside
		return Answer[[]netip.Addr]{Status: Found, Name: name, TTL: time.Hour,
			Value: []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}}, nil
	}
	type reply struct {
		set
		err error
	}
	six := make(chan reply, 1) // room for one: the goroutine ends also when nobody takes it
	go func() {
		s, err := f.ask(ctx, name, kindAAAA)
		six <- reply{s, err}
	}()
	var v4, v6 reply
	v4.set, v4.err = f.ask(ctx, name, kindA)
	v6 = <-six
	switch {
	case v4.err != nil && v6.err != nil:
		return Answer[[]netip.Addr]{}, v4.err
	case v4.err != nil:
		return oneFamily(v6.set, v4.err)
	case v6.err != nil:
		return oneFamily(v4.set, v6.err)
	case v4.status == NoName && v6.status == NoName:
		a := answer[[]netip.Addr](v4.set, nil)
		a.Authentic, a.OwnAuthentic, a.TTL = v4.authentic && v6.authentic, v4.own && v6.own, min(v4.ttl, v6.ttl)
		return a, nil
	}
	a := Answer[[]netip.Addr]{Status: NoData, Name: v4.name, Value: slices.Concat(v6.addrs, v4.addrs),
		Authentic: v4.authentic && v6.authentic, OwnAuthentic: v4.own && v6.own, TTL: min(v4.ttl, v6.ttl)}
	if len(a.Value) > 0 {
		a.Status = Found
	}
	return a, nil
}

// oneFamily is the answer when the other family could not be asked: what is known, or the failure.
func oneFamily(known set, err error) (Answer[[]netip.Addr], error) {
	if known.status != Found {
		return Answer[[]netip.Addr]{}, err
	}
	a := answer(known, slices.Clone(known.addrs))
	a.Authentic, a.OwnAuthentic = false, false
	return a, nil
}

// TXT implements Resolver.
func (f *front) TXT(ctx context.Context, name string) (Answer[[]string], error) {
	n, err := normal(name)
	if err != nil {
		return Answer[[]string]{}, err
	}
	s, err := f.ask(ctx, n, kindTXT)
	if err != nil {
		return Answer[[]string]{}, err
	}
	return answer(s, slices.Clone(s.texts)), nil
}

// PTR implements Resolver.
func (f *front) PTR(ctx context.Context, ip netip.Addr) (Answer[[]string], error) {
	if !ip.IsValid() {
		return Answer[[]string]{}, mail.Errorf(mail.Invalid, "no address was given to look up")
	}
	s, err := f.ask(ctx, reverse(ip), kindPTR)
	if err != nil {
		return Answer[[]string]{}, err
	}
	return answer(s, slices.Clone(s.texts)), nil
}

// Exists implements Resolver.
func (f *front) Exists(ctx context.Context, domain string) (Existence, error) {
	mx, err := f.MX(ctx, domain)
	if err != nil {
		return Unknown, err
	}
	switch mx.Status {
	case Found, Implicit:
		return Reachable, nil
	case NoName:
		return Missing, nil
	case Null:
		return Refusing, nil
	}
	return Hostless, nil
}
