package netlab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Shape is how a zone is signed, or broken.
type Shape int

// The shapes of zones.
const (
	Signed   Shape = iota // with NSEC
	Hashed                // signed, with NSEC3 (RFC 9276: no salt, no more iterations)
	OptOut                // signed, with NSEC3 that leaves out unsigned delegations (RFC 5155 6)
	Unsigned              // and no DS in its parent
	Island                // signed, but no DS in its parent
	Expired               // its signatures were good until two days ago
	Early                 // its signatures will be good from the day after tomorrow
	WrongKey              // its parent names another key
	Tampered              // records that say "genuine" were changed to "tampered" after it was signed
	Lame                  // its name server knows nothing of it
	Silent                // its name server never answers
)

// Zone is one zone of the lab's DNS.
type Zone struct {
	Name    string // "our.example"; "" is the root
	Shape   Shape
	Records string // in the form of a zone file, relative to the zone; neither SOA nor NS
}

// ttl of the lab's own records, in seconds: short, so that a change is seen.
const ttl = 2

// madeZone is a zone while the DNS is set up.
type madeZone struct {
	Zone
	name     string // with the dot at the end
	ksk, zsk zoneKey
	ds       string // for its parent; "" is none
	file     string // that named loads; "" when nobody serves the zone
}

type zoneKey struct {
	rr   *dns.DNSKEY
	file string // without its ending
}

func (z *madeZone) signed() bool {
	switch z.Shape {
	case Unsigned, Lame, Silent:
		return false
	}
	return true
}

// fixed reports a zone that stays as it is: a server that signed it would mend it.
func (z *madeZone) fixed() bool {
	return z.Shape == Expired || z.Shape == Early || z.Shape == Tampered
}

// makeKeys makes a zone's keys in the form that BIND reads, and the DS record.
func (z *madeZone) makeKeys(dir string) error {
	if !z.signed() {
		return nil
	}
	var err error
	if z.ksk, err = makeKey(dir, z.name, dns.ZONE|dns.SEP); err != nil {
		return err
	}
	if z.zsk, err = makeKey(dir, z.name, dns.ZONE); err != nil {
		return err
	}
	named := z.ksk
	switch z.Shape {
	case Island:
		return nil
	case WrongKey:
		if named, err = makeKey(dir, z.name, dns.ZONE|dns.SEP); err != nil {
			return err
		}
	}
	z.ds = dsOf(named.rr)
	return nil
}

func dsOf(key *dns.DNSKEY) string {
	ds := key.ToDS(dns.SHA256)
	ds.Hdr.Ttl = ttl
	return ds.String()
}

func makeKey(dir, zone string, flags uint16) (zoneKey, error) {
	k := &dns.DNSKEY{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: ttl}, Flags: flags, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := k.Generate(256)
	if err != nil {
		return zoneKey{}, err
	}
	file := filepath.Join(dir, fmt.Sprintf("K%s+%03d+%05d", zone, k.Algorithm, k.KeyTag()))
	if err := os.WriteFile(file+".key", []byte(k.String()+"\n"), 0o644); err != nil {
		return zoneKey{}, err
	}
	// BIND signs only with keys that say since when.
	text := k.PrivateKeyString(private) + "Created: 20200101000000\nPublish: 20200101000000\nActivate: 20200101000000\n"
	return zoneKey{k, file}, os.WriteFile(file+".private", []byte(text), 0o600)
}

// The lab's only authoritative name server, one that never answers, and one that refuses: it is a resolver.
const (
	nameServer   = "ns.nic.test."
	silentServer = "ns.silent.nic.test."
	lameServer   = "ns.lame.nic.test."
)

// text is the zone file before it is signed; all are the zones of the lab.
func (z *madeZone) text(all []*madeZone) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL %d\n@ IN SOA %s hostmaster.nic.test. 1 3600 900 86400 1\n@ IN NS %s\n", z.name, ttl, nameServer, nameServer)
	if z.signed() {
		fmt.Fprintf(&b, "%s\n%s\n", z.ksk.rr, z.zsk.rr)
	}
	for _, c := range all {
		if c == z || parentOf(c.name, all) != z {
			continue
		}
		at := nameServer
		switch c.Shape {
		case Silent:
			at = silentServer
		case Lame:
			at = lameServer
		}
		fmt.Fprintf(&b, "%s IN NS %s\n%s\n", c.name, at, c.ds)
	}
	if z.name == "." {
		b.WriteString(glue())
	}
	b.WriteString(z.Records + "\n")
	return b.String()
}

// parentOf is the nearest zone above a zone, or the zone that a name is in.
func parentOf(name string, all []*madeZone) *madeZone { return nearestZone(name, all, false) }

func zoneOf(name string, all []*madeZone) *madeZone { return nearestZone(name, all, true) }

func nearestZone(name string, all []*madeZone, itself bool) (best *madeZone) {
	for _, z := range all {
		if dns.IsSubDomain(z.name, name) && (itself || z.name != name) && (best == nil || len(z.name) > len(best.name)) {
			best = z
		}
	}
	return best
}

// write writes and signs a zone in dir.
func (z *madeZone) write(ctx context.Context, dir string, all []*madeZone) error {
	if z.Shape == Lame || z.Shape == Silent {
		return nil
	}
	file := filepath.Join(dir, "zone."+z.name)
	z.file = file
	if err := os.WriteFile(file, []byte(z.text(all)), 0o644); err != nil || !z.signed() {
		return err
	}
	const day = 24 * time.Hour
	from, till := -day, 20*day
	switch z.Shape {
	case Expired:
		from, till = -30*day, -2*day
	case Early:
		from, till = 2*day, 20*day
	}
	stamp := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("20060102150405") }
	args := []string{"-P", "-q", "-K", dir, "-o", z.name, "-f", file + ".signed", "-s", stamp(from), "-e", stamp(till)}
	switch z.Shape {
	case Hashed:
		args = append(args, "-3", "-", "-H", "0")
	case OptOut:
		args = append(args, "-3", "-", "-H", "0", "-A")
	}
	args = append(args, "-k", z.ksk.file, file, z.zsk.file)
	cmd := exec.CommandContext(ctx, "dnssec-signzone", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("dnssec-signzone %s: %w\n%s", z.name, err, out)
	}
	z.file += ".signed"
	if z.Shape != Tampered {
		return nil
	}
	b, err := os.ReadFile(z.file)
	if err != nil {
		return err
	}
	changed := strings.ReplaceAll(string(b), "genuine", "tampered")
	if changed == string(b) {
		return fmt.Errorf("the zone %s is to be tampered with, and has nothing that says \"genuine\"", z.name)
	}
	return os.WriteFile(z.file, []byte(changed), 0o644)
}
