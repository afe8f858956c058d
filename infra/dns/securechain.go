package dns

import (
	"context"
	"errors"
	"strings"
	"time"

	wire "github.com/miekg/dns"
)

// enclosing finds the zone that a name is in, as far as what is signed goes: from the nearest trust anchor down, cut by cut,
// to the name itself or to the first insecure zone (RFC 4035 5).
func (w *work) enclosing(ctx context.Context, name string) (*trust, error) {
	anchor := name
	for w.v.anchors[anchor] == nil {
		if w.v.exempt[anchor] {
			return &trust{standing: openAt, name: anchor, reason: show(anchor) + " is exempt from DNSSEC here", ttl: maxTrustTTL}, nil
		}
		if anchor == "." {
			return &trust{standing: openAt, name: anchor, reason: "no DNSSEC trust anchor is above " + show(name), ttl: maxTrustTTL}, nil
		}
		anchor = parent(anchor)
	}
	zone, err := w.cut(ctx, nil, anchor)
	if err != nil || zone.standing == openAt {
		return zone, err
	}
	for _, n := range below(anchor, name) {
		at, err := w.cut(ctx, zone, n)
		if err != nil || at.standing == openAt {
			return at, err
		}
		if at.standing == signedAt {
			zone = at
		}
	}
	return zone, nil
}

// cut tells what a name is, given the signed zone above it (nil: it is a trust anchor); from the cache, or together with
// whoever needs the same right now.
func (w *work) cut(ctx context.Context, above *trust, name string) (*trust, error) {
	for range 3 {
		if t := w.v.trusts.get(name, w.now); t != nil {
			return t, t.err
		}
		var led *work // what is left to this question's work, when it was the one to do it
		done := w.v.flight.DoChan(name, func() (any, error) {
			own := *w
			led = &own
			return own.settle(ctx, above, name), nil
		})
		var t *trust
		select {
		case r := <-done:
			t = r.Val.(*trust)
		case <-ctx.Done():
			return nil, unknown(ctx.Err(), "checking DNSSEC of %s took too long", show(name))
		}
		if led != nil {
			*w = *led
			return t, t.err
		}
		// What stopped another question's work need not stop this one.
		if t.err == nil || securityOf(t.err) == Bogus || !errors.Is(t.err, errWork) && !errors.Is(t.err, context.Canceled) && !errors.Is(t.err, context.DeadlineExceeded) {
			return t, t.err
		}
	}
	return nil, unknown(nil, "checking DNSSEC of %s took too long", show(name))
}

// settle finds out what a name is and remembers it.
func (w *work) settle(ctx context.Context, above *trust, name string) *trust {
	var t *trust
	var err error
	if above == nil {
		t, err = w.anchored(ctx, name)
	} else {
		t, err = w.delegation(ctx, above, name)
	}
	if err != nil {
		t = &trust{name: name, err: err}
		if securityOf(err) != Bogus {
			return t // a server that does not answer may answer the next one who asks
		}
		t.ttl = bogusTTL
	}
	w.v.trusts.put(t, w.now)
	return t
}

// kept bounds how long a trust is kept; a signature's end has been taken into account before.
func trustTTL(ttl time.Duration) time.Duration { return min(max(ttl, minTrustTTL), maxTrustTTL) }

// anchored gets the keys of a zone with a trust anchor.
func (w *work) anchored(ctx context.Context, name string) (*trust, error) {
	msg, err := w.query(ctx, name, wire.TypeDNSKEY)
	if err != nil {
		return nil, err
	}
	if len(signatures(msg.Answer, name, wire.TypeDNSKEY)) == 0 && !w.v.strict && !w.v.heard.Load() {
		return &trust{standing: openAt, name: name, ttl: bogusTTL,
			reason: "the name servers that were asked hand on no DNSSEC signatures, so nothing can be checked"}, nil
	}
	t, err := w.keys(msg, name, w.v.anchors[name])
	if err == nil {
		w.v.heard.Store(true)
		t.ttl = trustTTL(t.ttl)
	}
	return t, err
}

// delegation asks the zone above about a name: does another zone begin there, and is it signed?
func (w *work) delegation(ctx context.Context, above *trust, name string) (*trust, error) {
	msg, err := w.query(ctx, name, wire.TypeDS)
	if err != nil {
		return nil, err
	}
	if rrs := rrset(msg.Answer, name, wire.TypeDS); len(rrs) > 0 {
		s, err := w.verify(rrs, signatures(msg.Answer, name, wire.TypeDS), above)
		if err != nil {
			return nil, err
		}
		if s.wild {
			return nil, bogus("the DS records of %s come from a wildcard", show(name))
		}
		return w.child(ctx, name, rrs, s.ttl)
	}
	if s, ok := w.aliased(msg, above, name); ok {
		return &trust{standing: noCut, name: name, ttl: trustTTL(s.ttl)}, nil // an alias is not a cut
	}
	d, err := w.denials(msg.Ns, above)
	if err != nil {
		return nil, err
	}
	open, reason, err := d.delegation(w, name)
	if err != nil {
		return nil, err
	}
	t := &trust{standing: noCut, name: name, ttl: trustTTL(min(d.ttl, negativeTTL(msg)))}
	if open {
		t.standing, t.reason = openAt, reason
	}
	return t, nil
}

// aliased reports that the zone has an alias at a name, or above it one for the whole tree.
func (w *work) aliased(msg *wire.Msg, zone *trust, name string) (signed, bool) {
	for n := name; ; n = parent(n) {
		qtype := wire.TypeDNAME
		if n == name {
			qtype = wire.TypeCNAME
		}
		if rrs := rrset(msg.Answer, n, qtype); len(rrs) > 0 {
			if s, err := w.verify(rrs, signatures(msg.Answer, n, qtype), zone); err == nil {
				return s, true
			}
		}
		if n == zone.name || n == "." {
			return signed{}, false
		}
	}
}

// child gets the keys of a zone that the zone above vouches for.
func (w *work) child(ctx context.Context, name string, rrs []wire.RR, ttl time.Duration) (*trust, error) {
	var ds []*wire.DS
	sha2 := false
	for _, rr := range rrs[:min(len(rrs), maxDS)] {
		if d := rr.(*wire.DS); knownAlgorithm(d.Algorithm) && knownDigest(d.DigestType) {
			ds = append(ds, d)
			sha2 = sha2 || d.DigestType != wire.SHA1
		}
	}
	if len(ds) == 0 { // RFC 4035 5.2, RFC 6840 5.2
		return &trust{standing: openAt, name: name, ttl: trustTTL(ttl), reason: "the zone " + show(name) +
			" is signed with nothing but algorithms that are not known here"}, nil
	}
	if sha2 { // RFC 4509 3: the weaker ones do not count beside the stronger
		strong := ds[:0]
		for _, d := range ds {
			if d.DigestType != wire.SHA1 {
				strong = append(strong, d)
			}
		}
		ds = strong
	}
	msg, err := w.query(ctx, name, wire.TypeDNSKEY)
	if err != nil {
		return nil, err
	}
	t, err := w.keys(msg, name, ds)
	if err == nil {
		t.ttl = trustTTL(min(t.ttl, ttl))
	}
	return t, err
}

// keys checks a zone's DNSKEY records: a key that a DS record names must have signed them all (RFC 4035 5.2).
func (w *work) keys(msg *wire.Msg, name string, ds []*wire.DS) (*trust, error) {
	rrs := rrset(msg.Answer, name, wire.TypeDNSKEY)
	if len(rrs) == 0 {
		return nil, bogus("the zone %s should be signed, but no DNSKEY records of it are to be had", show(name))
	}
	all := &trust{standing: signedAt, name: name}
	odd := map[string]bool{} // keys that cannot be used here
	for i, rr := range rrs {
		k := rr.(*wire.DNSKEY)
		if i >= maxKeys {
			return nil, bogus("the zone %s has more than %d keys", show(name), maxKeys)
		}
		if usable(k) {
			all.keys = append(all.keys, key{k, k.KeyTag()})
		} else {
			odd[k.PublicKey] = true
		}
	}
	entry := &trust{standing: signedAt, name: name}
	oddOnes := 0
	for _, d := range ds {
		if digested, err := w.digested(d, rrs); err != nil {
			return nil, err
		} else if digested == nil {
			continue
		} else if odd[digested.PublicKey] {
			oddOnes++
		} else {
			entry.keys = append(entry.keys, key{digested, d.KeyTag})
		}
	}
	if len(entry.keys) == 0 {
		if oddOnes > 0 && oddOnes == len(ds) {
			all.standing, all.keys, all.ttl = openAt, nil, time.Hour
			all.reason = "the zone " + show(name) + " is signed with nothing but keys of a kind or length that is not known here"
			return all, nil
		}
		return nil, bogus("the zone above %s names a key (DS) that the zone does not have", show(name))
	}
	s, err := w.verify(rrs, signatures(msg.Answer, name, wire.TypeDNSKEY), entry)
	if err != nil {
		return nil, err
	}
	all.ttl = s.ttl
	return all, nil
}

// digested finds the key that a DS record names.
func (w *work) digested(d *wire.DS, rrs []wire.RR) (*wire.DNSKEY, error) {
	twins := 0
	for _, rr := range rrs {
		k := rr.(*wire.DNSKEY)
		if k.Algorithm != d.Algorithm || k.KeyTag() != d.KeyTag {
			continue
		}
		if twins++; twins > maxTwins {
			break
		}
		if err := w.check(); err != nil {
			return nil, err
		}
		if own := k.ToDS(d.DigestType); own != nil && strings.EqualFold(own.Digest, d.Digest) {
			return k, nil
		}
	}
	return nil, nil
}
