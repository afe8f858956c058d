package dns

import (
	"context"
	"slices"
	"time"

	wire "github.com/miekg/dns"
)

// finding is what is known about a question after all aliases: secure, or insecure with the reason. What is neither is an error.
type finding struct {
	status    Status // Found, NoName, NoData
	name      string // canonical
	rrs       []wire.RR
	secure    bool
	ownSecure bool // the first step is secure
	reason    string
	ttl       time.Duration
}

// step is one name's part of a finding.
type step struct {
	finding
	target string // it is an alias of this one
}

// resolve follows a name to its records, checking each step (RFC 4035 5).
func (w *work) resolve(ctx context.Context, name string, qtype uint16) (finding, error) {
	f := finding{secure: true, ttl: maxTTL}
	var msg *wire.Msg
	var err error
	at := name
	for hop := 0; hop <= maxAliases; hop++ {
		var s step
		ok := false
		if msg != nil && (hasSOA(msg) || speaksOf(msg, at, qtype)) { // what came with the alias, if it is complete
			if s, err = w.step(ctx, msg, at, qtype); err == nil {
				ok = true
			} else if w.queries <= 0 || ctx.Err() != nil {
				return finding{}, err
			}
		}
		if !ok {
			if msg, err = w.query(ctx, at, qtype); err != nil {
				return finding{}, err
			}
			if s, err = w.step(ctx, msg, at, qtype); err != nil {
				return finding{}, err
			}
		}
		if hop == 0 {
			f.ownSecure = s.secure
		}
		if f.secure && !s.secure {
			f.secure, f.reason = false, s.reason
		}
		f.ttl = min(f.ttl, s.ttl)
		if s.target == "" {
			f.status, f.name, f.rrs = s.status, at, s.rrs
			return f, nil
		}
		at = s.target
	}
	return finding{}, unknown(errAliases, "%s: %v", show(name), errAliases)
}

// speaksOf reports that a message has the records asked for at a name, or an alias there.
func speaksOf(msg *wire.Msg, name string, qtype uint16) bool {
	return len(rrset(msg.Answer, name, qtype)) > 0 || len(rrset(msg.Answer, name, wire.TypeCNAME)) > 0
}

// step checks what a message says about one name.
func (w *work) step(ctx context.Context, msg *wire.Msg, name string, qtype uint16) (step, error) {
	if rrs := rrset(msg.Answer, name, qtype); len(rrs) > 0 {
		return w.positive(ctx, msg, rrs)
	}
	if qtype == wire.TypeCNAME || qtype == wire.TypeDS && len(rrset(msg.Answer, name, wire.TypeCNAME)) == 0 {
		return w.negative(ctx, msg, name, qtype)
	}
	rrs := rrset(msg.Answer, name, wire.TypeCNAME)
	if len(signatures(msg.Answer, name, wire.TypeCNAME)) == 0 {
		// An alias without a signature is what the server made of an alias for a whole tree: that one is checked (RFC 6672 5.3.1).
		if s, ok, err := w.tree(ctx, msg, name); ok || err != nil {
			return s, err
		}
	}
	switch {
	case several(rrs):
		return step{}, bogus("%s is an alias (CNAME) of several names at once", show(name))
	case len(rrs) > 0:
		s, err := w.positive(ctx, msg, rrs)
		s.target = wire.CanonicalName(rrs[0].(*wire.CNAME).Target)
		return s, err
	}
	return w.negative(ctx, msg, name, qtype)
}

// several reports records that are not all the same one.
func several(rrs []wire.RR) bool {
	return slices.ContainsFunc(rrs, func(rr wire.RR) bool { return !wire.IsDuplicate(rr, rrs[0]) })
}

// tree checks a DNAME above a name and does its substitution (RFC 6672 2.2).
func (w *work) tree(ctx context.Context, msg *wire.Msg, name string) (step, bool, error) {
	for n := name; n != "."; {
		n = parent(n)
		rrs := rrset(msg.Answer, n, wire.TypeDNAME)
		if len(rrs) == 0 {
			continue
		}
		if several(rrs) {
			return step{}, true, bogus("%s is an alias (DNAME) of several trees at once", show(n))
		}
		s, err := w.positive(ctx, msg, rrs)
		to := name[:len(name)-len(n)] + wire.CanonicalName(rrs[0].(*wire.DNAME).Target)
		if n == "." {
			to = name + wire.CanonicalName(rrs[0].(*wire.DNAME).Target)
		}
		if _, ok := wire.IsDomainName(to); !ok {
			return step{}, true, bogus("the alias (DNAME) at %s makes a name of %s that is too long", show(n), show(name))
		}
		s.target = to
		return s, true, err
	}
	return step{}, false, nil
}

// positive checks records that were given.
func (w *work) positive(ctx context.Context, msg *wire.Msg, rrs []wire.RR) (step, error) {
	h := rrs[0].Header()
	sigs := signatures(msg.Answer, h.Name, h.Rrtype)
	fault := bogus("the %s records of %s have no signature, but its zone is signed", wire.TypeToString[h.Rrtype], show(h.Name))
	for _, signer := range claimed(sigs, h.Name, h.Rrtype == wire.TypeDS) {
		zone, err := w.enclosing(ctx, signer)
		if err != nil {
			return step{}, err
		}
		if zone.standing == openAt {
			return insecure(zone, Found, h.Name, rrs), nil
		}
		if zone.name != signer {
			fault = bogus("the %s records of %s are signed by %s, which is no signed zone", wire.TypeToString[h.Rrtype], show(h.Name), show(signer))
			continue
		}
		s, err := w.verified(msg, rrs, sigs, zone)
		if err == nil || securityOf(err) != Bogus {
			return s, err
		}
		fault = err
	}
	zone, err := w.owner(ctx, h.Name, h.Rrtype)
	switch {
	case err != nil:
		return step{}, err
	case zone.standing == openAt:
		return insecure(zone, Found, h.Name, rrs), nil
	}
	return step{}, fault
}

// owner is the zone that a name's records of a type are in: DS records are above the cut.
func (w *work) owner(ctx context.Context, name string, qtype uint16) (*trust, error) {
	if qtype == wire.TypeDS {
		name = parent(name)
	}
	return w.enclosing(ctx, name)
}

// verified checks records of a signed zone.
func (w *work) verified(msg *wire.Msg, rrs []wire.RR, sigs []*wire.RRSIG, zone *trust) (step, error) {
	h := rrs[0].Header()
	s, err := w.verify(rrs, sigs, zone)
	if err != nil {
		return step{}, err
	}
	out := step{finding: finding{status: Found, name: h.Name, rrs: rrs, secure: true, ttl: s.ttl}}
	if !s.wild {
		return out, nil
	}
	d, err := w.denials(msg.Ns, zone)
	if err != nil {
		return step{}, err
	}
	open, err := d.noCloser(w, h.Name, s.labels)
	if err != nil {
		return step{}, err
	}
	out.ttl = min(out.ttl, d.ttl)
	if open {
		out.secure, out.reason = false, "the answer for "+show(h.Name)+" comes from a wildcard that the zone does not fully vouch for"
	}
	return out, nil
}

// insecure is a step outside of what is signed.
func insecure(zone *trust, status Status, name string, rrs []wire.RR) step {
	s := step{finding: finding{status: status, name: name, rrs: rrs, reason: zone.reason, ttl: min(maxTTL, zone.ttl)}}
	if len(rrs) > 0 {
		s.ttl = maxTTL
	}
	for _, rr := range rrs {
		s.ttl = min(s.ttl, seconds(rr.Header().Ttl))
	}
	return s
}

// negative checks that a name has no records of a type.
func (w *work) negative(ctx context.Context, msg *wire.Msg, name string, qtype uint16) (step, error) {
	said := NoData
	if msg.Rcode == wire.RcodeNameError {
		said = NoName
	}
	var sigs []*wire.RRSIG
	for _, rr := range msg.Ns {
		if s, ok := rr.(*wire.RRSIG); ok && (s.TypeCovered == wire.TypeNSEC || s.TypeCovered == wire.TypeNSEC3) {
			sigs = append(sigs, s)
		}
	}
	fault := bogus("%s is said to have no %s records, but its zone is signed and the proof is missing", show(name), wire.TypeToString[qtype])
	for _, signer := range claimed(sigs, name, qtype == wire.TypeDS) {
		zone, err := w.enclosing(ctx, signer)
		if err != nil {
			return step{}, err
		}
		if zone.standing == openAt {
			return w.absent(insecure(zone, said, name, nil), msg), nil
		}
		if zone.name != signer {
			continue
		}
		s, err := w.denied(msg, name, qtype, zone)
		if err == nil || securityOf(err) != Bogus {
			return s, err
		}
		fault = err
	}
	zone, err := w.owner(ctx, name, qtype)
	switch {
	case err != nil:
		return step{}, err
	case zone.standing == openAt:
		return w.absent(insecure(zone, said, name, nil), msg), nil
	}
	return step{}, fault
}

// absent bounds how long the lack of records is remembered (RFC 2308 5).
func (w *work) absent(s step, msg *wire.Msg) step {
	s.ttl = min(s.ttl, negativeTTL(msg))
	return s
}

// denied checks a signed zone's proof.
func (w *work) denied(msg *wire.Msg, name string, qtype uint16, zone *trust) (step, error) {
	d, err := w.denials(msg.Ns, zone)
	if err != nil {
		return step{}, err
	}
	p, err := d.denies(w, name, qtype)
	if err != nil {
		return step{}, err
	}
	s := step{finding: finding{status: p.status, name: name, secure: !p.open, ttl: d.ttl}}
	switch {
	case p.status != NoAnswer && p.open:
		s.reason = "the zone " + show(zone.name) + " leaves unsigned zones out of its proofs (opt-out), and " + show(name) + " could be one"
	case p.status != NoAnswer:
	case d.heavy:
		s.status, s.secure, s.reason = NoData, false, heavyReason
		if msg.Rcode == wire.RcodeNameError {
			s.status = NoName
		}
	case d.err != nil:
		return step{}, d.err
	default:
		return step{}, bogus("%s is said to have no %s records, but what the zone %s sends does not prove it", show(name), wire.TypeToString[qtype], show(zone.name))
	}
	return w.absent(s, msg), nil
}
