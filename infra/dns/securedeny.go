package dns

import (
	"slices"
	"strings"
	"time"

	wire "github.com/miekg/dns"
)

// denials are the verified NSEC and NSEC3 records of one zone in one answer: what they prove not to be there.
type denials struct {
	zone  string
	top   string // the zone's sort key
	spans []span // NSEC, by sort keys (RFC 4034 4)
	// NSEC3, by hashes (RFC 5155 3). All have the first one's iterations and salt (RFC 5155 8.2).
	hashed []span
	rounds uint16
	salt   string
	heavy  bool // more rounds than are done here
	hashes map[string]string
	ttl    time.Duration
	err    error // why the first record that does not count does not count; nil when none is there
}

// span says that nothing is between owner and next, and what is at the owner.
type span struct {
	owner, next string
	bits        []uint16
	optOut      bool // NSEC3: insecure delegations may be in between (RFC 5155 6)
}

func (s *span) has(t uint16) bool { return slices.Contains(s.bits, t) }

// cut reports that names below the owner are another zone's, or another tree's: the span says nothing about
// them (RFC 6840 4.1, RFC 6672 5.3.4.1, RFC 5155 8.3).
func (s *span) cut() bool {
	return s.has(wire.TypeNS) && !s.has(wire.TypeSOA) || s.has(wire.TypeDNAME)
}

// lacks reports that the owner has no records of a type and no alias in their place, on the word of the zone to ask about that
// type: for DS the one above a cut, for all others the one below it (RFC 6840 4.1, 4.3, 4.4).
func (s *span) lacks(qtype uint16) bool {
	switch {
	case s.has(qtype) || s.has(wire.TypeCNAME):
		return false
	case qtype == wire.TypeDS:
		return !s.has(wire.TypeSOA)
	}
	return !s.has(wire.TypeNS) || s.has(wire.TypeSOA)
}

// covers reports that a key lies between owner and next, in a ring whose beginning is top.
func (s *span) covers(key, top string) bool {
	if s.owner < s.next {
		return s.owner < key && key < s.next
	}
	return s.next == top && s.owner < key // the last of the zone
}

// denials verifies what of an authority section is the zone's.
func (w *work) denials(section []wire.RR, zone *trust) (*denials, error) {
	d := &denials{zone: zone.name, top: sortKey(zone.name), hashes: map[string]string{}, ttl: maxNegativeTTL}
	type id struct {
		name  string
		qtype uint16
	}
	seen := map[id]bool{}
	for _, rr := range section {
		h := rr.Header()
		at := id{h.Name, h.Rrtype}
		if h.Rrtype != wire.TypeNSEC && h.Rrtype != wire.TypeNSEC3 || seen[at] || !wire.IsSubDomain(zone.name, h.Name) {
			continue
		}
		sigs := signatures(section, h.Name, h.Rrtype)
		if by := claimed(sigs, h.Name, false); len(by) > 0 && !slices.Contains(by, zone.name) {
			continue // another zone's proof, of another step of an alias chain
		}
		if seen[at] = true; len(seen) > maxProofs {
			return nil, bogus("an answer of the zone %s brings more than %d proofs", show(zone.name), maxProofs)
		}
		rrs := rrset(section, h.Name, h.Rrtype)
		s, err := w.verify(rrs, sigs, zone)
		if err == nil && s.wild {
			err = bogus("a proof of the zone %s comes from a wildcard", show(zone.name))
		}
		if err != nil {
			if securityOf(err) != Bogus {
				return nil, err
			}
			if d.err == nil {
				d.err = err
			}
			continue
		}
		for _, rr := range rrs {
			d.add(rr)
		}
		d.ttl = min(d.ttl, s.ttl)
	}
	return d, nil
}

func (d *denials) add(rr wire.RR) {
	switch rr := rr.(type) {
	case *wire.NSEC:
		d.spans = append(d.spans, span{owner: sortKey(rr.Hdr.Name), next: sortKey(rr.NextDomain), bits: rr.TypeBitMap})
	case *wire.NSEC3:
		const sha1Text = 32 // octets of a hash in base 32
		label, _, _ := strings.Cut(rr.Hdr.Name, ".")
		if rr.Hash != wire.SHA1 || rr.Flags > 1 || len(label) != sha1Text || len(rr.NextDomain) != sha1Text || parent(rr.Hdr.Name) != d.zone {
			return // RFC 5155 8.1, 8.2
		}
		if rr.Iterations > maxIterations {
			d.heavy = true
			return
		}
		if len(d.hashed) == 0 {
			d.rounds, d.salt = rr.Iterations, rr.Salt
		}
		if rr.Iterations == d.rounds && rr.Salt == d.salt {
			d.hashed = append(d.hashed, span{owner: strings.ToUpper(label), next: strings.ToUpper(rr.NextDomain), bits: rr.TypeBitMap, optOut: rr.Flags == 1})
		}
	}
}

// proof is what denials say about a question.
type proof struct {
	status Status // NoName, NoData; NoAnswer: nothing is proven
	open   bool   // as far as insecure delegations go it is not proven (opt-out)
}

const heavyReason = "the zone hashes names more often than is done here (RFC 9276), so what it lacks cannot be checked"

// denies tells what is proven about a name and type.
func (d *denials) denies(w *work, name string, qtype uint16) (proof, error) {
	if p := d.denyPlain(name, qtype); p.status != NoAnswer {
		return p, nil
	}
	return d.denyHashed(w, name, qtype)
}

// denyPlain is denies with NSEC (RFC 4035 5.4).
func (d *denials) denyPlain(name string, qtype uint16) proof {
	key := sortKey(name)
	if s := d.at(d.spans, key); s != nil {
		return noData(s, qtype)
	}
	s := d.over(key)
	if s == nil {
		return proof{}
	}
	if strings.HasPrefix(s.next, key) {
		return proof{status: NoData} // there are names below it alone
	}
	star := d.encloser(s, key) + "*\x00"
	if at := d.at(d.spans, star); at != nil {
		return noData(at, qtype)
	}
	if s = d.over(star); s == nil {
		return proof{}
	}
	if strings.HasPrefix(s.next, star) {
		return proof{status: NoData}
	}
	return proof{status: NoName}
}

// noData is what a span says about a type at its owner. NXNAME is how some zones say that the owner does not exist (RFC 9824 3.1).
func noData(s *span, qtype uint16) proof {
	switch {
	case s.has(wire.TypeNXNAME) && !s.has(qtype):
		return proof{status: NoName}
	case s.lacks(qtype):
		return proof{status: NoData}
	}
	return proof{}
}

func (d *denials) at(spans []span, key string) *span {
	for i := range spans {
		if spans[i].owner == key {
			return &spans[i]
		}
	}
	return nil
}

// over finds the NSEC span that a key does not exist in.
func (d *denials) over(key string) *span {
	for i := range d.spans {
		s := &d.spans[i]
		if s.covers(key, d.top) && strings.HasPrefix(key, d.top) && !(s.cut() && strings.HasPrefix(key, s.owner)) {
			return s
		}
	}
	return nil
}

// encloser is the sort key of the closest name above a key that exists, told by the span over it (RFC 4035 5.4).
func (d *denials) encloser(s *span, key string) string {
	a, b := shared(s.owner, key), shared(s.next, key)
	if len(b) > len(a) {
		return b
	}
	return a
}

// shared is the labels that two sort keys have in common, from the root.
func shared(a, b string) string {
	end := 0
	for i := 0; i < min(len(a), len(b)) && a[i] == b[i]; i++ {
		if a[i] == 0 {
			end = i + 1
		}
	}
	return a[:end]
}

// hash is a name's NSEC3 hash.
func (d *denials) hash(w *work, name string) (string, error) {
	if h, ok := d.hashes[name]; ok {
		return h, nil
	}
	if w.hashes--; w.hashes < 0 {
		return "", unknown(errWork, "checking DNSSEC of %s took more than %d hashes of names", show(d.zone), maxHashes)
	}
	h := wire.HashName(name, wire.SHA1, d.rounds, d.salt)
	d.hashes[name] = h
	return h, nil
}

// matched finds the NSEC3 span at a name, covered the one over it.
func (d *denials) matched(w *work, name string) (*span, error) {
	h, err := d.hash(w, name)
	if err != nil {
		return nil, err
	}
	return d.at(d.hashed, h), nil
}

func (d *denials) covered(w *work, name string) (*span, error) {
	h, err := d.hash(w, name)
	if err != nil {
		return nil, err
	}
	for i := range d.hashed {
		s := &d.hashed[i]
		if s.owner < s.next && s.owner < h && h < s.next || s.owner >= s.next && (h > s.owner || h < s.next) {
			return s, nil
		}
	}
	return nil, nil
}

// closest proves the closest name above one that exists: it, and the span over the next closer name (RFC 5155 8.3).
func (d *denials) closest(w *work, name string) (encloser string, over *span, err error) {
	for n := wire.CountLabel(name) - 1; n >= wire.CountLabel(d.zone); n-- {
		s, err := d.matched(w, up(name, n))
		if err != nil {
			return "", nil, err
		}
		if s == nil {
			continue
		}
		if s.cut() {
			return "", nil, nil
		}
		over, err = d.covered(w, up(name, n+1))
		return up(name, n), over, err
	}
	return "", nil, nil
}

// denyHashed is denies with NSEC3 (RFC 5155 8.4 to 8.7).
func (d *denials) denyHashed(w *work, name string, qtype uint16) (proof, error) {
	if len(d.hashed) == 0 || !wire.IsSubDomain(d.zone, name) {
		return proof{}, nil
	}
	if s, err := d.matched(w, name); err != nil || s != nil {
		if err != nil {
			return proof{}, err
		}
		return noData(s, qtype), nil
	}
	encloser, over, err := d.closest(w, name)
	if err != nil || over == nil {
		return proof{}, err
	}
	star := "*." + strings.TrimPrefix(encloser, ".")
	at, err := d.matched(w, star)
	if err != nil {
		return proof{}, err
	}
	if at != nil {
		p := noData(at, qtype)
		p.open = over.optOut
		return p, nil
	}
	no, err := d.covered(w, star)
	switch {
	case err != nil:
		return proof{}, err
	case no != nil:
		return proof{status: NoName, open: over.optOut}, nil
	case qtype == wire.TypeDS && over.optOut:
		return proof{status: NoData, open: true}, nil
	}
	return proof{}, nil
}

// delegation tells whether a name, which has no DS records, is a cut all the same: then the zone there is insecure (RFC 4035 5.2).
func (d *denials) delegation(w *work, name string) (open bool, reason string, err error) {
	reason = "the zone " + show(name) + " is not signed: " + show(d.zone) + " proves that there is no DS record for it"
	lost := bogus("the zone %s does not prove that %s has no DS records", show(d.zone), show(name))
	if d.err != nil {
		lost = d.err
	}
	if d.heavy {
		return true, heavyReason, nil
	}
	at := d.at(d.spans, sortKey(name))
	if at == nil && d.over(sortKey(name)) != nil {
		return false, "", nil
	}
	var over *span
	if at == nil && len(d.hashed) > 0 {
		if at, err = d.matched(w, name); err != nil {
			return false, "", err
		}
		if at == nil {
			if _, over, err = d.closest(w, name); err != nil {
				return false, "", err
			}
		}
	}
	switch {
	case at != nil && !at.has(wire.TypeDS) && !at.has(wire.TypeSOA):
		return at.has(wire.TypeNS), reason, nil
	case over != nil && over.optOut: // RFC 5155 8.9
		return true, "the zone " + show(d.zone) + " leaves unsigned zones such as " + show(name) + " out of its proofs (opt-out)", nil
	case over != nil:
		return false, "", nil
	}
	return false, "", lost
}

// noCloser proves that a name answered from a wildcard has no records of its own, nor a wildcard nearer to it; labels is what the signature says
// about where the wildcard stands (RFC 4035 5.3.4, RFC 5155 8.8).
func (d *denials) noCloser(w *work, name string, labels int) (open bool, err error) {
	key := sortKey(name)
	if s := d.over(key); s != nil && !strings.HasPrefix(s.next, key) && strings.Count(d.encloser(s, key), "\x00") == labels {
		return false, nil
	}
	if d.heavy {
		return true, nil
	}
	if len(d.hashed) > 0 {
		over, err := d.covered(w, up(name, labels+1))
		if err != nil || over != nil {
			return over != nil && over.optOut, err
		}
	}
	if d.err != nil {
		return false, d.err
	}
	return false, bogus("the answer for %s comes from a wildcard, and the zone %s does not prove that it may", show(name), show(d.zone))
}
