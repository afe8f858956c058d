package records

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/infra/dns"
)

// exchangers compares MX records: which hosts, not in which order. RFC 5321 5.1.
func (c *comparison) exchangers(w wish, live []string) (out []Difference) {
	const link = "docs/problems.md#mx"
	var hosts []string
	for _, v := range live {
		hosts = append(hosts, hostOf(v))
	}
	want := w.want[0]
	ours := hostOf(want.Value)
	switch {
	case len(live) == 0:
		return []Difference{w.differ(Missing, nil, "There is no MX record for "+w.name+", so other hosts do not know where its mail goes.", publish(want), link)}
	case slices.Equal(hosts, []string{""}):
		// RFC 7505 3
		return []Difference{w.differ(Differs, live, w.name+" says that it takes no mail (its MX record names no host).", publish(want), link)}
	case !slices.Contains(hosts, ours):
		return []Difference{w.differ(Differs, live, fmt.Sprintf("Mail for %s goes to %s and not to this host.", w.name, strings.Join(hosts, ", ")), publish(want), link)}
	}
	for i, h := range hosts {
		if h == ours || slices.ContainsFunc(w.want, func(r Record) bool { return hostOf(r.Value) == h }) {
			continue
		}
		extra := want
		extra.Value = live[i]
		out = append(out, Difference{Kind: Superfluous, Record: extra, Found: live, Link: link,
			Text:   fmt.Sprintf("Mail for %s may also go to %s, which is not this host.", w.name, cmpEmpty(h)),
			Remedy: "Take out that MX record, unless that host hands the mail on to this one."})
	}
	return out
}

func cmpEmpty(h string) string {
	if h == "" {
		return "no host at all"
	}
	return h
}

// hosts compares addresses, of one family. Where none is wanted of the other, none may be there: mail would be sent to it.
func (c *comparison) hosts(ctx context.Context, w wish, live []string) (out []Difference) {
	const link = "docs/problems.md#mx"
	there := addresses(live)
	for _, r := range w.want {
		ip, err := netip.ParseAddr(r.Value)
		if err == nil && slices.Contains(there, ip) {
			continue
		}
		d := Difference{Kind: Missing, Record: r, Found: live, Link: link, Remedy: publish(r),
			Text: fmt.Sprintf("%s does not lead to %s, at which this host is reached.", w.name, r.Value)}
		if len(live) > 0 {
			d.Kind = Differs
		}
		out = append(out, d)
	}
	out = append(out, c.stray(w, w.typ, there)...)
	other := "AAAA"
	if w.typ == other {
		other = "A"
	}
	if slices.ContainsFunc(c.addresses, func(ip netip.Addr) bool { return ip.Is4() == (other == "A") }) {
		return out
	}
	more, unknown := c.ask(ctx, w, w.name, other)
	return append(append(out, unknown...), c.stray(w, other, addresses(more))...)
}

// stray tells of addresses that do not lead here.
func (c *comparison) stray(w wish, typ string, there []netip.Addr) (out []Difference) {
	for _, ip := range there {
		if slices.Contains(c.addresses, ip) {
			continue
		}
		extra := w.want[0]
		extra.Type, extra.Value = typ, ip.String()
		out = append(out, Difference{Kind: Superfluous, Record: extra, Found: []string{ip.String()}, Link: "docs/problems.md#mx",
			Text:   fmt.Sprintf("%s also leads to %s, at which this host is not known to be reached; mail that is sent there does not come here.", w.name, ip),
			Remedy: fmt.Sprintf("Take out the %s record, or make this host reachable at that address.", typ)})
	}
	return out
}

func addresses(values []string) (out []netip.Addr) {
	for _, v := range values {
		if ip, err := netip.ParseAddr(v); err == nil {
			out = append(out, ip)
		}
	}
	return out
}

// alias looks where a name leads. By what way (an alias, or addresses) does not matter.
func (c *comparison) alias(ctx context.Context, w wish) []Difference {
	link := "docs/problems.md#autoconfig"
	if strings.HasPrefix(w.name, "mta-sts.") {
		link = "docs/problems.md#mta-sts"
	}
	want := w.want[0]
	var there []string
	for _, typ := range []string{"A", "AAAA"} {
		v, err := c.asker.Check(ctx, w.name, typ)
		if err == nil && v.Status != dns.NoAnswer && strings.EqualFold(strings.TrimSuffix(v.Name, "."), hostOf(want.Value)) {
			return nil
		}
		live, unknown := c.ask(ctx, w, w.name, typ)
		if unknown != nil {
			return unknown
		}
		there = append(there, live...)
	}
	if len(there) == 0 {
		return []Difference{w.differ(Missing, nil, w.name+" leads nowhere.", publish(want), link)}
	}
	for _, ip := range addresses(there) {
		if len(c.addresses) > 0 && !slices.Contains(c.addresses, ip) {
			return []Difference{w.differ(Differs, there, fmt.Sprintf("%s leads to %s and not to this host.", w.name, ip), publish(want), link)}
		}
	}
	return nil
}

// services compares SRV records: host and port. RFC 6186 3.4.
func (c *comparison) services(w wish, live []string) []Difference {
	const link = "docs/problems.md#autoconfig"
	want := w.want[0]
	port, target := srv(want.Value)
	if len(live) == 0 {
		return []Difference{w.differ(Missing, nil, "The SRV record of "+w.name+" is missing, by which mail programs find this service.", publish(want), link)}
	}
	for _, v := range live {
		if p, t := srv(v); t == target && (p == port || target == "") {
			continue
		}
		if target == "" {
			return []Difference{w.differ(Differs, live, w.name+" names a host for a service that is not offered.", publish(want), link)}
		}
		return []Difference{w.differ(Differs, live, fmt.Sprintf("%s leads mail programs to %q and not to port %d of %s.", w.name, v, port, target), publish(want), link)}
	}
	return nil
}

func srv(value string) (port int, target string) {
	f := strings.Fields(value)
	if len(f) != 4 {
		return -1, value
	}
	port, err := strconv.Atoi(f[2])
	if err != nil {
		return -1, value
	}
	return port, hostOf(value)
}

// keys compares TLSA records: each of ours, and none of a certificate that is gone. RFC 7671 8.1.
func (c *comparison) keys(w wish, live []string) (out []Difference) {
	const link = "docs/problems.md#dane"
	have := map[string]bool{}
	for _, v := range live {
		have[tlsa(v)] = true
	}
	want := map[string]bool{}
	for _, r := range w.want {
		want[tlsa(r.Value)] = true
		if have[tlsa(r.Value)] {
			continue
		}
		d := Difference{Kind: Missing, Record: r, Found: live, Link: link, Remedy: publish(r), Text: "The TLSA record of the mail host's certificate is missing at " + w.name + "."}
		if len(live) > 0 {
			d.Kind, d.Text = Differs, "The TLSA records at "+w.name+" do not know the mail host's certificate: hosts that check them will not send mail here."
		}
		out = append(out, d)
	}
	for _, v := range live {
		if !want[tlsa(v)] && strings.HasPrefix(tlsa(v), "3 ") {
			extra := w.want[0]
			extra.Value = v
			out = append(out, Difference{Kind: Superfluous, Record: extra, Found: live, Link: link, Text: "A TLSA record at " + w.name + " is of a certificate that is not in use.",
				Remedy: "Take it out, unless it is of a key that will be used next: TLSA " + v})
		}
	}
	return out
}

func tlsa(v string) string {
	f := strings.Fields(strings.ToLower(v))
	if len(f) < 4 {
		return v
	}
	return strings.Join(f[:3], " ") + " " + strings.Join(f[3:], "")
}

// reverse compares the names of an address.
func (c *comparison) reverse(w wish, live []string) []Difference {
	const link = "docs/problems.md#no-ptr"
	want := w.want[0]
	if slices.ContainsFunc(live, func(v string) bool { return hostOf(v) == hostOf(want.Value) }) {
		return nil
	}
	ip := addressOf(w.name)
	remedy := fmt.Sprintf("Set the reverse (PTR, rDNS) of %s to %s where you rent that address: a page of the host's provider, not your DNS.", ip, hostOf(want.Value))
	if len(live) == 0 {
		return []Difference{w.differ(Missing, nil, fmt.Sprintf("The address %s has no name (PTR record), and many hosts refuse mail from such.", ip), remedy, link)}
	}
	return []Difference{w.differ(Differs, live, fmt.Sprintf("The address %s has the name %s and not that of the mail host, %s; many hosts distrust that.",
		ip, strings.TrimSuffix(live[0], "."), hostOf(want.Value)), remedy, link)}
}

// addressOf is the inverse of Reverse; the zero Addr for another name.
func addressOf(name string) netip.Addr {
	if rest, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		labels := strings.Split(rest, ".")
		slices.Reverse(labels)
		ip, _ := netip.ParseAddr(strings.Join(labels, "."))
		return ip
	}
	rest, ok := strings.CutSuffix(name, ".ip6.arpa")
	labels := strings.Split(rest, ".")
	if !ok || len(labels) != 32 {
		return netip.Addr{}
	}
	slices.Reverse(labels)
	var b strings.Builder
	for i, l := range labels {
		if i > 0 && i%4 == 0 {
			b.WriteByte(':')
		}
		b.WriteString(l)
	}
	ip, _ := netip.ParseAddr(b.String())
	return ip
}

// authority compares CAA records. What counts is the nearest set above a name. RFC 8659 3.
func (c *comparison) authority(ctx context.Context, w wish) []Difference {
	const link = "docs/problems.md#certificate"
	want := w.want[0]
	_, ca, account := caa(want.Value)
	for name := w.name; strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") {
		live, unknown := c.ask(ctx, w, name, "CAA")
		if unknown != nil {
			return unknown
		}
		if len(live) == 0 {
			continue
		}
		restricted, ours := false, false
		for _, v := range live {
			tag, who, uri := caa(v)
			if tag != "issue" {
				continue
			}
			restricted = true
			// A record without an account lets all accounts of the authority.
			ours = ours || who == ca && (uri == "" || account == "" || uri == account)
		}
		switch {
		case ours:
			return nil
		case restricted:
			return []Difference{w.differ(Differs, live, fmt.Sprintf("The CAA records of %s do not let %s issue certificates to this server, so they cannot be renewed.", name, ca),
				publish(want), link)}
		}
		break
	}
	return []Difference{w.differ(Missing, nil, "No CAA record says who may issue certificates for "+w.name+", so every authority may.", publish(want), link)}
}

// caa reads a CAA record as a zone file has it. RFC 8659 4.1, RFC 8657 3.
func caa(v string) (tag, issuer, account string) {
	f := strings.SplitN(strings.TrimSpace(v), " ", 3)
	if len(f) != 3 {
		return "", "", ""
	}
	issuer, params, _ := strings.Cut(unquoted(f[2]), ";")
	for p := range strings.SplitSeq(params, ";") {
		if k, value, ok := strings.Cut(strings.TrimSpace(p), "="); ok && strings.EqualFold(strings.TrimSpace(k), "accounturi") {
			account = strings.TrimSpace(value)
		}
	}
	return strings.ToLower(f[1]), strings.ToLower(strings.TrimSpace(issuer)), account
}
