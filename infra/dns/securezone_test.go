package dns

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"
)

// A world of signed zones in memory, with a name server for all of them that recurses, adds signatures and proofs, and can be
// told to lie. It shares no decision with the code under test but the order of names.

var worldTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// worldZone is one zone.
type worldZone struct {
	name       string
	alg        uint8 // of its keys; 0: it is not signed
	nsec3      bool
	optOut     bool
	iterations uint16
	salt       string
	digest     uint8 // of the DS in its parent; 0 is SHA-256
	noDS       bool  // the parent has no DS for it
	from, till time.Time
	ksks, zsks []worldKey
	records    string // a line each

	rrs   map[string]map[uint16][]wire.RR
	sigs  map[string]map[uint16][]wire.RR
	chain []string // owners of NSEC records in order, or for NSEC3 the hashed owners
}

type worldKey struct {
	rr   *wire.DNSKEY
	priv crypto.Signer
}

var worldKeys sync.Map // "alg/n" -> worldKey without owner

// keyFor gives the nth key of an algorithm, made once for all tests.
func keyFor(t testing.TB, zone string, alg uint8, n int, flags uint16) worldKey {
	t.Helper()
	id := fmt.Sprint(alg, "/", n, "/", flags)
	once, _ := worldKeys.LoadOrStore(id, sync.OnceValue(func() worldKey {
		k := &wire.DNSKEY{Hdr: wire.RR_Header{Rrtype: wire.TypeDNSKEY, Class: wire.ClassINET, Ttl: 3600}, Flags: flags, Protocol: 3, Algorithm: alg}
		bits := map[uint8]int{wire.RSASHA1: 1024, wire.RSASHA256: 1024, wire.RSASHA512: 1024, wire.ECDSAP256SHA256: 256, wire.ECDSAP384SHA384: 384, wire.ED25519: 256}[alg]
		priv, err := k.Generate(bits)
		if err != nil {
			panic(err)
		}
		return worldKey{k, priv.(crypto.Signer)}
	}))
	k := once.(func() worldKey)()
	rr := *k.rr
	rr.Hdr.Name = zone
	return worldKey{&rr, k.priv}
}

// world is all zones, by name.
type world struct {
	t     testing.TB
	zones map[string]*worldZone
	order []*worldZone
	// twist changes an answer before it is sent; nil changes nothing.
	twist func(name string, qtype uint16, m *wire.Msg) (*wire.Msg, error)

	mu    sync.Mutex
	asked []string
	pack  *sync.Mutex // packing a message writes into its records, which all messages share
}

// newWorld signs zones, the root first in the list.
func newWorld(t testing.TB, zones ...worldZone) *world {
	t.Helper()
	w := &world{t: t, zones: map[string]*worldZone{}, pack: new(sync.Mutex)}
	for _, z := range zones {
		w.zones[z.name] = &z
		w.order = append(w.order, &z)
	}
	for _, z := range slices.Backward(w.order) { // children first: their parents need their keys
		w.build(z)
	}
	return w
}

// twisted is the same zones behind a name server that lies.
func (w *world) twisted(t testing.TB, twist func(string, uint16, *wire.Msg) (*wire.Msg, error)) *world {
	return &world{t: t, zones: w.zones, order: w.order, twist: twist, pack: w.pack}
}

func (w *world) build(z *worldZone) {
	w.t.Helper()
	z.rrs, z.sigs = map[string]map[uint16][]wire.RR{}, map[string]map[uint16][]wire.RR{}
	if z.from.IsZero() {
		z.from, z.till = worldTime.Add(-24*time.Hour), worldTime.Add(24*time.Hour)
	}
	w.add(z, z.name+" 300 IN SOA ns.test. host.test. 1 7200 3600 1209600 300")
	w.add(z, z.name+" 300 IN NS ns.test.")
	for line := range strings.Lines(z.records) {
		if line = strings.TrimSpace(line); line != "" {
			w.add(z, line)
		}
	}
	for _, c := range w.order {
		if c != z && w.zoneOf(parent(c.name)) == z {
			w.add(z, c.name+" 300 IN NS ns.test.")
			for _, ds := range w.dsOf(c) {
				z.put(ds)
			}
		}
	}
	if z.alg == 0 {
		return
	}
	if z.ksks == nil {
		z.ksks = []worldKey{keyFor(w.t, z.name, z.alg, 0, 257)}
	}
	if z.zsks == nil {
		z.zsks = []worldKey{keyFor(w.t, z.name, z.alg, 0, 256)}
	}
	for _, k := range append(slices.Clone(z.ksks), z.zsks...) {
		z.put(k.rr)
	}
	w.link(z)
	for name := range z.rrs {
		w.signName(z, name)
	}
}

func (w *world) dsOf(c *worldZone) []wire.RR {
	var out []wire.RR
	if c.noDS || c.alg == 0 {
		return nil
	}
	for _, k := range c.ksks {
		ds := k.rr.ToDS(cmp.Or(c.digest, wire.SHA256))
		ds.Hdr.Ttl = 300
		out = append(out, ds)
	}
	return out
}

func (w *world) add(z *worldZone, line string) {
	w.t.Helper()
	rr, err := wire.NewRR(line)
	if err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
	z.put(rr)
}

func (z *worldZone) put(rr wire.RR) {
	h := rr.Header()
	h.Name = wire.CanonicalName(h.Name)
	if z.rrs[h.Name] == nil {
		z.rrs[h.Name], z.sigs[h.Name] = map[uint16][]wire.RR{}, map[uint16][]wire.RR{}
	}
	z.rrs[h.Name][h.Rrtype] = append(z.rrs[h.Name][h.Rrtype], rr)
}

// cutAt reports a name where another zone begins.
func (z *worldZone) cutAt(name string) bool {
	return name != z.name && z.rrs[name] != nil && z.rrs[name][wire.TypeNS] != nil
}

// link makes the NSEC or NSEC3 records.
func (w *world) link(z *worldZone) {
	names := map[string]string{} // NSEC: owner -> sort key; NSEC3: owner -> hash
	for name := range z.rrs {
		if z.nsec3 && z.optOut && z.cutAt(name) && z.rrs[name][wire.TypeDS] == nil {
			continue
		}
		names[name] = sortKey(name)
		for n := name; z.nsec3 && n != z.name; n = parent(n) {
			names[n] = "" // empty non-terminals too
		}
	}
	if z.nsec3 {
		w.linkHashed(z, names)
		return
	}
	for name := range names {
		z.chain = append(z.chain, name)
	}
	slices.SortFunc(z.chain, func(a, b string) int { return strings.Compare(sortKey(a), sortKey(b)) })
	for i, name := range z.chain {
		z.put(&wire.NSEC{Hdr: wire.RR_Header{Name: name, Rrtype: wire.TypeNSEC, Class: wire.ClassINET, Ttl: 300},
			NextDomain: z.chain[(i+1)%len(z.chain)], TypeBitMap: z.bits(name, wire.TypeRRSIG, wire.TypeNSEC)})
	}
}

func (w *world) linkHashed(z *worldZone, names map[string]string) {
	byHash := map[string]string{}
	for name := range names {
		h := wire.HashName(name, wire.SHA1, z.iterations, z.salt)
		byHash[h] = name
		z.chain = append(z.chain, h)
	}
	slices.Sort(z.chain)
	flags := uint8(0)
	if z.optOut {
		flags = 1
	}
	for i, h := range z.chain {
		name := byHash[h]
		var bits []uint16
		if z.rrs[name] != nil {
			bits = z.bits(name)
			if !z.cutAt(name) || z.rrs[name][wire.TypeDS] != nil {
				bits = append(bits, wire.TypeRRSIG)
				slices.Sort(bits)
			}
		}
		z.put(&wire.NSEC3{Hdr: wire.RR_Header{Name: wire.CanonicalName(h + "." + strings.TrimPrefix(z.name, ".")), Rrtype: wire.TypeNSEC3, Class: wire.ClassINET, Ttl: 300},
			Hash: wire.SHA1, Flags: flags, Iterations: z.iterations, SaltLength: uint8(len(z.salt) / 2), Salt: z.salt,
			HashLength: 20, NextDomain: z.chain[(i+1)%len(z.chain)], TypeBitMap: bits})
	}
}

func (z *worldZone) bits(name string, more ...uint16) []uint16 {
	for t := range z.rrs[name] {
		more = append(more, t)
	}
	slices.Sort(more)
	return more
}

// signName signs what the zone has to sign at a name.
func (w *world) signName(z *worldZone, name string) {
	w.t.Helper()
	for t, rrs := range z.rrs[name] {
		if z.cutAt(name) && t != wire.TypeDS && t != wire.TypeNSEC {
			continue
		}
		keys := z.zsks
		if t == wire.TypeDNSKEY {
			keys = z.ksks
		}
		for _, k := range keys {
			z.sigs[name][t] = append(z.sigs[name][t], w.sign(z, k, rrs))
		}
	}
}

func (w *world) sign(z *worldZone, k worldKey, rrs []wire.RR) *wire.RRSIG {
	w.t.Helper()
	s := &wire.RRSIG{Hdr: wire.RR_Header{Ttl: rrs[0].Header().Ttl}, Algorithm: k.rr.Algorithm, KeyTag: k.rr.KeyTag(), SignerName: z.name,
		Inception: uint32(z.from.Unix()), Expiration: uint32(z.till.Unix())}
	if err := s.Sign(k.priv, rrs); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// zoneOf is the zone that has a name.
func (w *world) zoneOf(name string) *worldZone {
	for {
		if z := w.zones[name]; z != nil {
			return z
		}
		name = parent(name)
	}
}

// ask is the name server.
func (w *world) ask(_ context.Context, name string, qtype uint16) (*wire.Msg, error) {
	w.mu.Lock()
	w.asked = append(w.asked, text(name)+"/"+wire.TypeToString[qtype])
	w.mu.Unlock()
	m := new(wire.Msg)
	m.SetQuestion(name, qtype)
	m.Response, m.RecursionAvailable = true, true
	at := wire.CanonicalName(name)
	w.pack.Lock()
	for range 8 {
		if at = w.answer(m, at, qtype); at == "" {
			break
		}
	}
	packed, err := m.Pack() // as a stranger sees it
	w.pack.Unlock()
	if err != nil {
		return nil, err
	}
	m = new(wire.Msg)
	if err := m.Unpack(packed); err != nil {
		return nil, err
	}
	if w.twist != nil {
		return w.twist(wire.CanonicalName(name), qtype, m)
	}
	return m, nil
}

// questions are those asked since the last time.
func (w *world) questions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

// answer adds what the right zone says about one name, and gives the next name of an alias chain.
func (w *world) answer(m *wire.Msg, at string, qtype uint16) string {
	z := w.zoneOf(at)
	if qtype == wire.TypeDS && at == z.name && at != "." {
		z = w.zoneOf(parent(at))
	}
	node, from := z.rrs[at], at
	if node == nil && !z.exists(at) {
		for n := parent(at); ; n = parent(n) {
			if d := z.rrs[n][wire.TypeDNAME]; d != nil {
				m.Answer = append(append(m.Answer, d...), z.sigs[n][wire.TypeDNAME]...)
				to := strings.TrimSuffix(at, n) + d[0].(*wire.DNAME).Target
				m.Answer = append(m.Answer, &wire.CNAME{Hdr: wire.RR_Header{Name: at, Rrtype: wire.TypeCNAME, Class: wire.ClassINET, Ttl: 300}, Target: to})
				return to
			}
			if z.exists(n) {
				from = "*." + strings.TrimPrefix(n, ".")
				break
			}
		}
		if node = z.rrs[from]; node != nil {
			w.deny(m, z, at, false)
		}
	}
	put := func(t uint16) {
		for _, rr := range append(slices.Clone(node[t]), z.sigs[from][t]...) {
			rr = wire.Copy(rr)
			rr.Header().Name = at
			m.Answer = append(m.Answer, rr)
		}
	}
	switch {
	case node[qtype] != nil:
		put(qtype)
		return ""
	case node[wire.TypeCNAME] != nil:
		put(wire.TypeCNAME)
		return wire.CanonicalName(node[wire.TypeCNAME][0].(*wire.CNAME).Target)
	}
	m.Ns = append(append(m.Ns, z.rrs[z.name][wire.TypeSOA]...), z.sigs[z.name][wire.TypeSOA]...)
	switch {
	case from != at && node == nil:
		m.Rcode = wire.RcodeNameError
		w.deny(m, z, at, true)
	case from != at:
		w.prove(m, z, from)
		w.deny(m, z, at, false)
	default:
		w.prove(m, z, at)
	}
	return ""
}

// exists reports a name with records, or with names below it.
func (z *worldZone) exists(name string) bool {
	for n := range z.rrs {
		if h := z.rrs[n]; wire.IsSubDomain(name, n) && (len(h) > 1 || h[wire.TypeNSEC3] == nil) {
			return true
		}
	}
	return false
}

func (m *worldZone) send(msg *wire.Msg, name string, t uint16) {
	if rrs := m.rrs[name][t]; rrs != nil && !slices.Contains(msg.Ns, rrs[0]) {
		msg.Ns = append(append(msg.Ns, rrs...), m.sigs[name][t]...)
	}
}

// prove adds the record at a name, or over it.
func (w *world) prove(m *wire.Msg, z *worldZone, name string) {
	if z.alg == 0 {
		return
	}
	if !z.nsec3 {
		i, ok := slices.BinarySearchFunc(z.chain, name, func(a, b string) int { return strings.Compare(sortKey(a), sortKey(b)) })
		if !ok {
			i += len(z.chain) - 1
		}
		z.send(m, z.chain[i%len(z.chain)], wire.TypeNSEC)
		return
	}
	i, ok := slices.BinarySearch(z.chain, wire.HashName(name, wire.SHA1, z.iterations, z.salt))
	if !ok {
		if name != z.name && !z.exists(name) || z.optOut && z.rrs[name] != nil {
			w.deny(m, z, name, false)
		}
		i += len(z.chain) - 1
	}
	z.send(m, wire.CanonicalName(z.chain[i%len(z.chain)]+"."+strings.TrimPrefix(z.name, ".")), wire.TypeNSEC3)
}

// deny adds the proof that a name does not exist, with that of its wildcard where asked.
func (w *world) deny(m *wire.Msg, z *worldZone, name string, wildcard bool) {
	if z.alg == 0 {
		return
	}
	encloser, next := parent(name), name
	hashed := func(n string) bool {
		_, ok := slices.BinarySearch(z.chain, wire.HashName(n, wire.SHA1, z.iterations, z.salt))
		return ok
	}
	for !z.exists(encloser) || z.nsec3 && !hashed(encloser) {
		encloser, next = parent(encloser), encloser
	}
	if !z.nsec3 {
		w.prove(m, z, name)
	} else {
		at := func(n string) {
			i, ok := slices.BinarySearch(z.chain, wire.HashName(n, wire.SHA1, z.iterations, z.salt))
			if !ok {
				i += len(z.chain) - 1
			}
			z.send(m, wire.CanonicalName(z.chain[i%len(z.chain)]+"."+strings.TrimPrefix(z.name, ".")), wire.TypeNSEC3)
		}
		at(encloser)
		at(next)
		if wildcard {
			at("*." + strings.TrimPrefix(encloser, "."))
		}
		return
	}
	if wildcard {
		w.prove(m, z, "*."+strings.TrimPrefix(encloser, "."))
	}
}

// anchors are the root's keys as trust anchors.
func (w *world) anchors() []string {
	var out []string
	for _, ds := range w.dsOf(w.order[0]) {
		out = append(out, ds.String())
	}
	return out
}

// fixed is a clock that stands.
type fixed struct{ time.Time }

func (f fixed) Now() time.Time                         { return f.Time }
func (f fixed) After(d time.Duration) <-chan time.Time { return time.After(d) }

// validator makes one that trusts this world's root.
func (w *world) validator(change ...func(*Validation)) *validator {
	w.t.Helper()
	cfg := Validation{Anchors: w.anchors()}
	for _, c := range change {
		c(&cfg)
	}
	v, err := newValidator(cfg, fixed{worldTime}, w.ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// verdict asks a new validator one question and gives the answer in one line.
func (w *world) verdict(question string, change ...func(*Validation)) string {
	w.t.Helper()
	return say(w.t, w.validator(change...), question)
}

// say asks "name TYPE" and writes the verdict as "secure found 192.0.2.1" or "bogus".
func say(t testing.TB, v *validator, question string) string {
	t.Helper()
	name, kind, _ := strings.Cut(question, " ")
	got := v.verdict(context.Background(), wire.Fqdn(name), wire.StringToType[kind])
	if (got.Reason == "") != (got.Security == Secure) {
		t.Errorf("%s: %v with the reason %q", question, got.Security, got.Reason)
	}
	if got.Status == NoAnswer {
		return got.Security.String()
	}
	return strings.TrimSpace(got.Security.String() + " " + got.Status.String() + " " + strings.Join(got.Records, ", "))
}

// reason is why the answer to a question is not secure.
func (w *world) reason(question string) string {
	name, kind, _ := strings.Cut(question, " ")
	return w.validator().verdict(context.Background(), wire.Fqdn(name), wire.StringToType[kind]).Reason
}

var errSilent = errors.New("does not answer in time")
