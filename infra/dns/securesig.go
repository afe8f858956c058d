package dns

import (
	"encoding/base64"
	"time"

	wire "github.com/miekg/dns"
)

// knownAlgorithm reports a signature algorithm that counts. RSA with SHA-1 (5, 7) does not any more (RFC 9905 2); Ed448
// (16) is not known here. A zone that has no other is insecure (RFC 4035 5.2, RFC 6840 5.2).
func knownAlgorithm(a uint8) bool {
	switch a {
	case wire.RSASHA256, wire.RSASHA512, wire.ECDSAP256SHA256, wire.ECDSAP384SHA384, wire.ED25519:
		return true
	}
	return false
}

// knownDigest reports a digest type of DS records that counts: SHA-1 (RFC 9904 keeps it for checking), SHA-256, SHA-384.
func knownDigest(d uint8) bool { return d == wire.SHA1 || d == wire.SHA256 || d == wire.SHA384 }

// key is a zone's key that may sign records.
type key struct {
	rr  *wire.DNSKEY
	tag uint16
}

// usable reports a key that can verify anything here: of a known algorithm, for zones, not revoked (RFC 5011 2.1),
// and of a length that is neither a joke nor a burden.
func usable(k *wire.DNSKEY) bool {
	const revoked = 1 << 7
	if !knownAlgorithm(k.Algorithm) || k.Protocol != 3 || k.Flags&wire.ZONE == 0 || k.Flags&revoked != 0 {
		return false
	}
	n := base64.StdEncoding.DecodedLen(len(k.PublicKey))
	switch k.Algorithm {
	case wire.RSASHA256, wire.RSASHA512:
		return n >= 128 && n <= 520 // 1024 to 4096 bits
	}
	return n >= 32 && n <= 99
}

// signed is what a verified signature says about a set of records.
type signed struct {
	labels int           // how many labels of the owner were signed
	wild   bool          // fewer than it has: a wildcard stands behind it
	ttl    time.Duration // how long the records may be kept (RFC 4035 5.3.3)
}

// verify checks the signatures over a set of records with a zone's keys. One good signature is enough (RFC 6840 5.11).
func (w *work) verify(rrs []wire.RR, sigs []*wire.RRSIG, zone *trust) (signed, error) {
	h := rrs[0].Header()
	what := "the " + wire.TypeToString[h.Rrtype] + " records of " + show(h.Name)
	fault := bogus("%s have no signature of the zone %s, which signs its records", what, show(zone.name))
	tries := 0
	for _, sig := range sigs {
		if wire.CanonicalName(sig.SignerName) != zone.name || !fits(sig, h.Name, zone.name) {
			continue
		}
		if err := w.inTime(sig, what); err != nil {
			fault = err
			continue
		}
		twins := 0
		for _, k := range zone.keys {
			if k.tag != sig.KeyTag || k.rr.Algorithm != sig.Algorithm {
				continue
			}
			if twins++; twins > maxTwins {
				break
			}
			if tries++; tries > maxTries {
				return signed{}, bogus("%s have too many signatures that are wrong", what)
			}
			if err := w.check(); err != nil {
				return signed{}, err
			}
			if sig.Verify(k.rr, rrs) == nil {
				return w.terms(rrs, sig), nil
			}
			fault = bogus("a signature of the zone %s over %s is wrong: they were changed, or signed wrongly", show(zone.name), what)
		}
		if twins == 0 && tries == 0 {
			fault = bogus("%s are signed with a key (tag %d, algorithm %d) that the zone %s does not have", what, sig.KeyTag, sig.Algorithm, show(zone.name))
		}
	}
	return signed{}, fault
}

// fits reports a signature that may stand over an owner at all (RFC 4035 5.3.1).
func fits(sig *wire.RRSIG, owner, zone string) bool {
	n := int(sig.Labels)
	return wire.IsSubDomain(zone, owner) && n <= labelCount(owner) && n >= wire.CountLabel(zone)
}

// labelCount is a name's labels as signatures count them: without the root and without a leading asterisk (RFC 4034 3.1.3).
func labelCount(name string) int {
	n := wire.CountLabel(name)
	if len(name) > 1 && name[0] == '*' && name[1] == '.' {
		n--
	}
	return n
}

// inTime checks a signature's dates, in the arithmetic of serial numbers (RFC 4034 3.1.5).
func (w *work) inTime(sig *wire.RRSIG, what string) error {
	now := uint32(w.now.Unix())
	if int32(sig.Expiration-now) < 0 {
		return bogus("a signature over %s expired on %s; this machine's clock says %s", what,
			w.date(sig.Expiration), w.now.UTC().Format(time.RFC3339))
	}
	if int32(now-sig.Inception) < 0 {
		return bogus("a signature over %s is not valid before %s; this machine's clock says %s", what,
			w.date(sig.Inception), w.now.UTC().Format(time.RFC3339))
	}
	return nil
}

// date is the time that a signature's 32 bits mean now.
func (w *work) date(stamp uint32) string {
	return w.now.Add(time.Duration(int32(stamp-uint32(w.now.Unix()))) * time.Second).UTC().Format(time.RFC3339)
}

// terms is what a good signature says.
func (w *work) terms(rrs []wire.RR, sig *wire.RRSIG) signed {
	ttl := min(seconds(sig.Hdr.Ttl), seconds(sig.OrigTtl), time.Duration(sig.Expiration-uint32(w.now.Unix()))*time.Second)
	for _, rr := range rrs {
		ttl = min(ttl, seconds(rr.Header().Ttl))
	}
	n := int(sig.Labels)
	return signed{labels: n, wild: n < labelCount(rrs[0].Header().Name), ttl: ttl}
}

// claimed lists the zones that sign a name's records as the signatures have it, the nearest first. strictly leaves the name itself out.
func claimed(sigs []*wire.RRSIG, name string, strictly bool) []string {
	var out []string
	for len(out) < maxSigners {
		best := ""
		for _, s := range sigs {
			z := wire.CanonicalName(s.SignerName)
			if wire.IsSubDomain(z, name) && !(strictly && z == name) && len(z) > len(best) && (len(out) == 0 || len(z) < len(out[len(out)-1])) {
				best = z
			}
		}
		if best == "" {
			return out
		}
		out = append(out, best)
	}
	return out
}
