package netlab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Publish puts records into the zones they belong to, as an administrator does who was handed a fragment of a zone file: each set of records
// in it takes the place of what the zone had under that name and type. Names without a dot at the end count from the root. Whoever
// signs the zone signs them.
func (d *DNS) Publish(ctx context.Context, fragment string) error {
	updates := map[*madeZone]*dns.Msg{}
	var order []*madeZone
	removed := map[string]bool{}
	p := dns.NewZoneParser(strings.NewReader(fragment), ".", "")
	p.SetDefaultTTL(ttl)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		h := rr.Header()
		z := zoneOf(dns.CanonicalName(h.Name), d.zones)
		if h.Rrtype == dns.TypeDS || h.Rrtype == dns.TypeNS {
			z = parentOf(dns.CanonicalName(h.Name), d.zones)
		}
		if z == nil || z.file == "" || z.fixed() {
			return fmt.Errorf("the zone of %s cannot be changed", h.Name)
		}
		m := updates[z]
		if m == nil {
			m = new(dns.Msg)
			m.SetUpdate(z.name)
			updates[z] = m
			order = append(order, z)
		}
		if set := fmt.Sprint(dns.CanonicalName(h.Name), h.Rrtype); !removed[set] {
			removed[set] = true
			m.RemoveRRset([]dns.RR{rr})
		}
		m.Insert([]dns.RR{rr})
	}
	if err := p.Err(); err != nil {
		return err
	}
	if len(order) == 0 {
		return fmt.Errorf("there are no records in %q", fragment)
	}
	for _, z := range order {
		if err := d.update(ctx, updates[z]); err != nil {
			return err
		}
	}
	return nil
}

// Remove takes all records of a type away from a name.
func (d *DNS) Remove(ctx context.Context, name, qtype string) error {
	name, t := dns.CanonicalName(name), dns.StringToType[strings.ToUpper(qtype)]
	z := zoneOf(name, d.zones)
	if t == dns.TypeDS {
		z = parentOf(name, d.zones)
	}
	if t == 0 || z == nil {
		return fmt.Errorf("there are no records %s of %s", qtype, name)
	}
	m := new(dns.Msg)
	m.SetUpdate(z.name)
	m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: name, Rrtype: t, Class: dns.ClassINET}}})
	return d.update(ctx, m)
}

// Trust is what a zone's parent says about its key.
type Trust int

// Kinds of trust.
const (
	Right Trust = iota // the parent names the zone's key
	None               // it names none: the zone is insecure
	Wrong              // it names another: the zone is bogus
)

// SetDS changes what a zone's parent says about the zone's key. The resolvers know it at once.
func (d *DNS) SetDS(ctx context.Context, zone string, trust Trust) error {
	z := zoneOf(dns.CanonicalName(zone), d.zones)
	if z == nil || z.name != dns.CanonicalName(zone) || !z.signed() {
		return fmt.Errorf("%s is no signed zone of the lab", zone)
	}
	key := z.ksk
	var err error
	if trust == Wrong {
		if key, err = makeKey(d.lab.Dir, z.name, dns.ZONE|dns.SEP); err != nil {
			return err
		}
	}
	if trust == None {
		err = d.Remove(ctx, zone, "DS")
	} else {
		err = d.Publish(ctx, dsOf(key.rr))
	}
	if err != nil {
		return err
	}
	return d.Flush(ctx, zone)
}

func (d *DNS) update(ctx context.Context, m *dns.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	key := dns.Fqdn(d.KeyName)
	m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
	r, err := d.exchange(ctx, "tcp", addrDNS, m, map[string]string{key: d.KeySecret})
	if err != nil {
		return fmt.Errorf("update of %s: %w", m.Question[0].Name, err)
	}
	if r.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("update of %s: %s\n%s", m.Question[0].Name, dns.RcodeToString[r.Rcode], m)
	}
	return nil
}
