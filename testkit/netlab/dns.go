package netlab

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// DNS is the name server that has all zones, and the resolvers.
type DNS struct {
	*Host
	// Anchor is the DS record of the root's key: what to trust.
	Anchor string
	// Plain is a resolver that looks for answers from the root down and checks nothing; Checking one that checks
	// signatures, and says so with the AD bit.
	Plain, Checking netip.Addr
	// Key lets its holder change every zone (RFC 2136 with TSIG, hmac-sha256).
	KeyName, KeySecret string

	resolver *Host
	zones    []*madeZone
}

// Addresses of the lab's own hosts.
var (
	addrDNS       = netip.MustParseAddr("192.0.2.2")
	addrDNS6      = netip.MustParseAddr("2001:db8:2::2")
	addrPlain     = netip.MustParseAddr("192.0.2.53")
	addrChecking  = netip.MustParseAddr("192.0.2.54")
	addrResolver6 = netip.MustParseAddr("2001:db8:2::53")
	addrCA        = netip.MustParseAddr("192.0.2.80")
	addrCA6       = netip.MustParseAddr("2001:db8:2::80")
)

// groundZones are those that every lab has. The reverse of all its addresses is in arpa.
func groundZones() []Zone {
	return []Zone{
		{Name: ""},
		{Name: "arpa", Records: ptr(addrDNS, nameServer) + ptr(addrDNS6, nameServer) + ptr(addrCA, acmeHost+".") + ptr(addrCA6, acmeHost+".")},
		{Name: "example", Shape: Hashed},
		// Well-known block lists, which know nobody but their test entry (RFC 5782 5).
		{Name: "org", Shape: OptOut, Records: "2.0.0.127.zen.spamhaus A 127.0.0.2\n2.0.0.127.b.barracudacentral A 127.0.0.2\n"},
		{Name: "net", Shape: Unsigned, Records: "2.0.0.127.bl.spamcop A 127.0.0.2\n"},
		{Name: "test", Records: glue() + fmt.Sprintf("%s. A %s\n%s. AAAA %s\n", acmeHost, addrCA, acmeHost, addrCA6)},
	}
}

// glue is where the name servers are.
func glue() string {
	return fmt.Sprintf("%s A %s\n%s AAAA %s\n%s A %s\n", nameServer, addrDNS, nameServer, addrDNS6, silentServer, Nowhere) + fmt.Sprintf("%s A %s\n", lameServer, addrChecking)
}

// ptr is the record that gives an address its name.
func ptr(a netip.Addr, name string) string {
	reverse, err := dns.ReverseAddr(a.String())
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s IN PTR %s\n", reverse, name)
}

// startDNS makes the hosts dns and resolver; zones come beside the lab's own.
func (l *Lab) startDNS(ctx context.Context, zones []Zone) (*DNS, error) {
	if err := l.need("named", "dnssec-signzone", "unbound", "unbound-control"); err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	d := &DNS{Plain: addrPlain, Checking: addrChecking, KeyName: "lab", KeySecret: base64.StdEncoding.EncodeToString(secret)}
	var err error
	if d.Host, err = l.addHost(HostSpec{Name: "dns", Addresses: []netip.Addr{addrDNS, addrDNS6}, Resolver: addrPlain}); err != nil {
		return nil, err
	}
	for _, z := range append(groundZones(), zones...) {
		d.zones = append(d.zones, &madeZone{Zone: z, name: dns.CanonicalName(z.Name)})
	}
	if err := d.sign(ctx); err != nil {
		return nil, err
	}
	if err := d.serve(ctx); err != nil {
		return nil, err
	}
	return d, d.resolve(ctx)
}

// sign makes keys and signs all zones, two at a time.
func (d *DNS) sign(ctx context.Context) error {
	for _, z := range d.zones {
		if err := z.makeKeys(d.Dir); err != nil {
			return err
		}
	}
	d.Anchor = d.zones[0].ds
	errs := make([]error, len(d.zones))
	slots := make(chan struct{}, 2)
	var all sync.WaitGroup
	for i, z := range d.zones {
		all.Go(func() {
			slots <- struct{}{}
			errs[i] = z.write(ctx, d.Dir, d.zones)
			<-slots
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// serve starts named. It signs what is changed with the keys in its directory.
func (d *DNS) serve(ctx context.Context) error {
	var b strings.Builder
	fmt.Fprintf(&b, `options {
	directory %q; key-directory %q; managed-keys-directory %q; session-keyfile none; pid-file none; lock-file none;
	listen-on { any; }; listen-on-v6 { any; };
	recursion no; notify no; dnssec-validation no; empty-zones-enable no; allow-transfer { none; };
	dnssec-policy none; max-journal-size unlimited;
};
controls { };
logging { channel all { stderr; severity info; print-time yes; print-category yes; }; category default { all; }; };
key %q { algorithm hmac-sha256; secret %q; };
`, d.Dir, d.Dir, d.Dir, d.KeyName, d.KeySecret)
	for _, z := range d.zones {
		if z.file == "" {
			continue
		}
		change := fmt.Sprintf("allow-update { key %q; };", d.KeyName)
		if z.fixed() {
			change = "" // else named would sign it anew
		}
		fmt.Fprintf(&b, "zone %q { type primary; file %q; %s };\n", z.name, z.file, change)
	}
	conf := filepath.Join(d.Dir, "named.conf")
	if err := os.WriteFile(conf, []byte(b.String()), 0o644); err != nil {
		return err
	}
	program, err := d.lab.copyOf("named")
	if err != nil {
		return err
	}
	p, err := d.start("named", program, "-g", "-n", "1", "-c", conf)
	if err != nil {
		return err
	}
	return p.answers(ctx, addrDNS)
}

// resolve starts both resolvers.
func (d *DNS) resolve(ctx context.Context) error {
	h, err := d.lab.addHost(HostSpec{Name: "resolver", Addresses: []netip.Addr{addrPlain, addrChecking, addrResolver6}, Resolver: addrPlain})
	if err != nil {
		return err
	}
	d.resolver = h
	files := map[string]string{
		"root.hints": fmt.Sprintf(". 3600000 IN NS %s\n%s 3600000 IN A %s\n", nameServer, nameServer, addrDNS),
		"anchor":     d.Anchor + "\n",
		"plain":      unboundConf(h.Dir, addrPlain, "iterator", ""),
		"checking":   unboundConf(h.Dir, addrChecking, "validator iterator", fmt.Sprintf("  trust-anchor-file: %q\n", h.Dir+"/anchor")),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(h.Dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	program, err := d.lab.copyOf("unbound")
	if err != nil {
		return err
	}
	var started []*Process
	for _, name := range []string{"plain", "checking"} {
		p, err := h.start("unbound-"+name, program, "-d", "-p", "-c", filepath.Join(h.Dir, name))
		if err != nil {
			return err
		}
		started = append(started, p)
	}
	return errors.Join(started[0].answers(ctx, addrPlain), started[1].answers(ctx, addrChecking))
}

// unboundConf is a resolver's configuration. What Unbound knows of names and addresses for documentation and tests is turned off, and
// nothing is kept for longer than the lab's own records live.
func unboundConf(dir string, at netip.Addr, modules, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `server:
  interface: %s
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  username: ""
  chroot: ""
  directory: %q
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  val-log-level: 2
  num-threads: 1
  root-hints: %q
  module-config: %q
  cache-max-ttl: %d
  cache-max-negative-ttl: 1
  val-bogus-ttl: 1
  infra-host-ttl: 5
  aggressive-nsec: no
%s`, at, dir, dir+"/root.hints", modules, ttl, more)
	for _, zone := range []string{"test.", "2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa.", "113.0.203.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa."} {
		fmt.Fprintf(&b, "  local-zone: %q nodefault\n", zone)
	}
	fmt.Fprintf(&b, "remote-control:\n  control-enable: yes\n  control-interface: %q\n  control-use-cert: no\n", control(dir, at))
	return b.String()
}

func control(dir string, at netip.Addr) string { return filepath.Join(dir, "control-"+at.String()) }

// Flush has the resolvers forget what they know of a zone and all below it. They keep for a minute that a zone was bogus.
func (d *DNS) Flush(ctx context.Context, zone string) error {
	for _, at := range []netip.Addr{d.Plain, d.Checking} {
		if _, err := d.resolver.run(ctx, "unbound-control", "-s", control(d.resolver.Dir, at), "flush_zone", dns.Fqdn(zone)); err != nil {
			return err
		}
	}
	return nil
}

// answers waits until a name server knows the root.
func (p *Process) answers(ctx context.Context, at netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return await(ctx, p.Name+" answers", func(ctx context.Context) error {
		q := new(dns.Msg)
		q.SetQuestion(".", dns.TypeSOA)
		r, err := p.host.exchange(ctx, "udp", at, q, nil)
		if err == nil && len(r.Answer) == 0 {
			err = fmt.Errorf("it says %s", dns.RcodeToString[r.Rcode])
		}
		return errors.Join(err, p.Ended())
	})
}

// exchange asks a name server from the host. keys are TSIG's.
func (h *Host) exchange(ctx context.Context, network string, server netip.Addr, q *dns.Msg, keys map[string]string) (*dns.Msg, error) {
	c, err := h.dialOne(ctx, network, netip.AddrPortFrom(server, 53).String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	limit := time.Now().Add(2 * time.Second)
	if end, ok := ctx.Deadline(); ok && network != "udp" {
		limit = end
	}
	c.SetDeadline(limit)
	conn := &dns.Conn{Conn: c, TsigSecret: keys, UDPSize: 4096}
	if err := conn.WriteMsg(q); err != nil {
		return nil, err
	}
	return conn.ReadMsg()
}
