package dns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	wire "github.com/miekg/dns"
	"golang.org/x/sync/singleflight"

	"github.com/postrider/postrider/mail"
)

// Security is what DNSSEC says about an answer (RFC 4033 5, RFC 4035 4.3).
type Security uint8

// The securities. Bogus and Indeterminate are temporary failures: they never mean that there is no such record.
const (
	Indeterminate Security = iota // it cannot be told now: a server did not answer, or the work had no end
	Bogus                         // the chain of signatures is broken, or a proof is missing
	Insecure                      // proven to be outside of what is signed: as good as DNS ever was
	Secure                        // signed, from a trust anchor down to the answer
)

// String names the security for logs.
func (s Security) String() string {
	names := [...]string{"indeterminate", "bogus", "insecure", "secure"}
	if int(s) < len(names) {
		return names[s]
	}
	return "indeterminate"
}

// Verdict is a checked answer.
type Verdict struct {
	Security Security
	Reason   string   // why it is not Secure, one sentence for people; "" when it is
	Status   Status   // Found, NoName or NoData; NoAnswer when Bogus or Indeterminate
	Name     string   // whose records they are, aliases followed; lower case, no dot at the end
	Records  []string // their data as in a zone file
	// OwnSecure is true when the records at the name that was asked for, an alias included, are secure, whatever
	// came after the alias (RFC 7672 2.2.2 wants to know).
	OwnSecure bool
	TTL       time.Duration // how long it may be kept from now on
}

// Validation says how answers are checked with DNSSEC. The zero value is right for the Internet.
type Validation struct {
	// Anchors are what is trusted from the start: DS records as a zone file has them (". IN DS 20326 8 2 e06d..."),
	// for the root, or for private domains below it; the nearest anchor above a name counts. Empty: the
	// root keys that IANA published.
	Anchors []string
	// Exempt are domains that are never checked, with all names below them (RFC 7646), such as private ones whose
	// public parent is signed.
	Exempt []string
	// Strict makes a name server that leaves signatures out a temporary failure from the start. Otherwise it is one once a
	// signed answer was seen; before that everything is Insecure, as with a resolver that knows nothing of DNSSEC.
	Strict bool
	// CacheOctets bounds what is kept of zones' keys and proofs; 0 is 4 MiB, below 0 nothing is kept.
	CacheOctets int
}

// validator checks answers, on top of a way to ask for them. It is safe for use by many at once. It keeps the keys of zones, not the
// answers.
type validator struct {
	ask     exchange
	clock   mail.Clock
	anchors map[string][]*wire.DS // by canonical name
	exempt  map[string]bool
	strict  bool
	heard   atomic.Bool // signatures of a trust anchor's zone have come through once
	trusts  trustCache
	flight  singleflight.Group
}

// exchange asks one question with the DO and CD bits set. Its errors are sentences without the question.
type exchange func(ctx context.Context, name string, qtype uint16) (*wire.Msg, error)

// rootAnchors are the keys of the root that IANA published, KSK-2017 and KSK-2024 (https://data.iana.org/root-anchors/).
var rootAnchors = []string{
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
}

const maxAnchors = 64

// newValidator makes a validator; clock nil is the machine's. Its errors are of kind Invalid.
func newValidator(cfg Validation, clock mail.Clock, ask exchange) (*validator, error) {
	if clock == nil {
		clock = mail.SystemClock{}
	}
	v := &validator{ask: ask, clock: clock, strict: cfg.Strict, anchors: map[string][]*wire.DS{}, exempt: map[string]bool{}}
	v.trusts.limit = cmpOr(cfg.CacheOctets, 4<<20)
	anchors := cfg.Anchors
	if len(anchors) == 0 {
		anchors = rootAnchors
	}
	if len(anchors) > maxAnchors {
		return nil, mail.Errorf(mail.Invalid, "there are %d DNSSEC trust anchors, more than %d", len(anchors), maxAnchors)
	}
	for _, a := range anchors {
		ds, err := parseAnchor(a)
		if err != nil {
			return nil, err
		}
		v.anchors[ds.Hdr.Name] = append(v.anchors[ds.Hdr.Name], ds)
	}
	for _, e := range cfg.Exempt {
		n, err := normal(e)
		if err != nil {
			return nil, err
		}
		v.exempt[wire.Fqdn(n)] = true
	}
	return v, nil
}

// parseAnchor reads a trust anchor that can be used.
func parseAnchor(line string) (*wire.DS, error) {
	rr, err := wire.NewRR(line)
	ds, ok := rr.(*wire.DS)
	if err != nil || !ok || len(line) > 1024 {
		return nil, mail.Errorf(mail.Invalid, "the DNSSEC trust anchor %q is not a DS record", cut(line))
	}
	ds.Hdr.Name = wire.CanonicalName(ds.Hdr.Name)
	if !knownAlgorithm(ds.Algorithm) || !knownDigest(ds.DigestType) {
		return nil, mail.Errorf(mail.Invalid, "the DNSSEC trust anchor of %q uses algorithm %d or digest %d, which is not known here",
			ds.Hdr.Name, ds.Algorithm, ds.DigestType)
	}
	return ds, nil
}

// distrust is an error with its security: Bogus or Indeterminate.
type distrust struct {
	security Security
	reason   string
	err      error
}

func (d *distrust) Error() string { return d.reason }
func (d *distrust) Unwrap() error { return d.err }

func bogus(format string, args ...any) error {
	return &distrust{security: Bogus, reason: fmt.Sprintf(format, args...)}
}

func unknown(err error, format string, args ...any) error {
	return &distrust{security: Indeterminate, reason: fmt.Sprintf(format, args...), err: err}
}

// securityOf is what an error of this file's functions says.
func securityOf(err error) Security {
	var d *distrust
	if errors.As(err, &d) {
		return d.security
	}
	return Indeterminate
}

// lookup checks what the name servers say to a question; name is normal. Its errors are of type *distrust.
func (v *validator) lookup(ctx context.Context, name string, qtype uint16) (finding, error) {
	w := &work{v: v, now: v.clock.Now(), queries: maxQueries, checks: maxChecks, hashes: maxHashes}
	return w.resolve(ctx, wire.CanonicalName(name), qtype)
}

// verdict is lookup's result for people and other packages.
func (v *validator) verdict(ctx context.Context, name string, qtype uint16) Verdict {
	f, err := v.lookup(ctx, name, qtype)
	if err != nil {
		return Verdict{Security: securityOf(err), Reason: err.Error()}
	}
	out := Verdict{Security: Insecure, Reason: f.reason, Status: f.status, Name: text(f.name), OwnSecure: f.ownSecure, TTL: f.ttl}
	if f.secure {
		out.Security = Secure
	}
	for _, rr := range f.rrs {
		out.Records = append(out.Records, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return out
}

// set is lookup's result as the resolver keeps it. Its errors are of kind Unavailable.
func (v *validator) set(ctx context.Context, name string, k kind) (set, error) {
	f, err := v.lookup(ctx, name, wireTypes[k])
	if err != nil {
		return set{}, unavailable(name, k, err)
	}
	s := set{name: text(f.name), authentic: f.secure, ttl: f.ttl, own: f.ownSecure, status: f.status}
	for _, rr := range f.rrs {
		s.add(rr, k)
	}
	if s.status == Found && len(s.mx)+len(s.addrs)+len(s.texts)+len(s.tlsa) == 0 {
		s.status = NoData // records that none can use
	}
	return s, nil
}
