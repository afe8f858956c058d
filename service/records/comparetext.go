package records

import (
	"crypto"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/mtasts"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// tag is what tells the texts at one name apart: their version in lower case, such as "v=spf1"; "" for one that has none.
func tag(text string) string {
	first := strings.TrimSpace(text)
	if i := strings.IndexAny(first, "; \t"); i >= 0 {
		first = first[:i]
	}
	if first = strings.ToLower(first); strings.HasPrefix(first, "v=") {
		return first
	}
	return ""
}

func quotedAll(texts []string) (out []string) {
	for _, t := range texts {
		out = append(out, dkimtext.Quoted(t))
	}
	return out
}

// texts compares TXT records: those of the same version, by what they mean.
func (c *comparison) texts(w wish, live []string) []Difference {
	var all, same []string
	want := w.want[0].Text()
	for _, v := range live {
		t := unquoted(v)
		all = append(all, t)
		if tag(t) == tag(want) {
			same = append(same, t)
		}
	}
	switch tag(want) {
	case "v=spf1":
		return c.spf(w, same)
	case "v=dkim1":
		return w.dkim(all)
	case "v=dmarc1":
		if strings.Contains(w.name, "._report._dmarc.") {
			return w.permission(same)
		}
		return w.dmarc(same)
	case "v=stsv1":
		return w.sts(all)
	case "v=tlsrptv1":
		return w.tlsrpt(all)
	}
	return w.exact(live)
}

// spf compares SPF records. RFC 7208 4.5: only one may be there.
func (c *comparison) spf(w wish, there []string) []Difference {
	const link = "docs/problems.md#spf"
	want := w.want[0]
	switch {
	case len(there) == 0:
		return []Difference{w.differ(Missing, nil, "There is no SPF record at "+w.name+", so others cannot tell our mail from forgeries.", publish(want), link)}
	case len(there) > 1:
		return []Difference{w.differ(Differs, quotedAll(there), fmt.Sprintf("There are %d SPF records at %s, and where there is more than one none of them counts.", len(there), w.name),
			"Put what they say into one record and take out the others: start from "+want.Value, link)}
	}
	if fault := c.spfFault(w.name, want.Text(), there[0]); fault != "" {
		return []Difference{w.differ(Differs, quotedAll(there), "The SPF record at "+w.name+" "+fault+".", publish(want), link)}
	}
	return nil
}

// spfFault says what is wrong with the one SPF record of a name, or nothing. What is behind include and redirect is for others to find out.
func (c *comparison) spfFault(name, want, there string) string {
	terms := strings.Fields(strings.ToLower(there))
	end := ""
	redirected := false
	for _, t := range terms {
		if strings.TrimLeft(t, "+-~?") == "all" {
			end = t
			break
		}
		redirected = redirected || strings.HasPrefix(t, "redirect=")
	}
	switch {
	case redirected && end == "":
		return ""
	case end == "all" || end == "+all":
		return "lets everybody send mail of this domain (+all)"
	case end == "" || end == "?all":
		return "does not say what becomes of mail from other hosts; it should end with -all"
	}
	for _, t := range strings.Fields(strings.ToLower(want)) {
		switch {
		case t == "v=spf1" || t == "-all" || slices.Contains(terms, t) || slices.Contains(terms, "+"+t):
		case (t == "mx" || t == "a") && c.named(name, terms):
		default:
			return fmt.Sprintf("does not have %q, so mail that we send fails", t)
		}
	}
	return ""
}

// named reports whether terms allow our host by another way: by its name, or all its addresses.
func (c *comparison) named(name string, terms []string) bool {
	var nets []netip.Prefix
	for _, t := range terms {
		t = strings.TrimPrefix(t, "+")
		switch {
		case t == "mx" && c.host != "", t == "mx:"+name, c.host != "" && t == "a:"+c.host, c.host == name && t == "a":
			return true
		case strings.HasPrefix(t, "ip4:"), strings.HasPrefix(t, "ip6:"):
			if p, err := netip.ParsePrefix(t[4:]); err == nil {
				nets = append(nets, p)
			} else if ip, err := netip.ParseAddr(t[4:]); err == nil {
				nets = append(nets, netip.PrefixFrom(ip, ip.BitLen()))
			}
		}
	}
	for _, ip := range c.addresses {
		if !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			return false
		}
	}
	return len(c.addresses) > 0
}

// dkim compares the record of a key. RFC 6376 3.6.2.2: only one may be there.
func (w wish) dkim(there []string) []Difference {
	const link = "docs/problems.md#dkim"
	want := w.want[0]
	differs := func(text string) []Difference {
		return []Difference{w.differ(Differs, quotedAll(there), text, publish(want), link)}
	}
	switch len(there) {
	case 0:
		return []Difference{w.differ(Missing, nil, "The DKIM key at "+w.name+" is not published, so signatures with it cannot be checked.", publish(want), link)}
	case 1:
	default:
		return differs(fmt.Sprintf("There are %d texts at %s, where only one DKIM key may be.", len(there), w.name))
	}
	key, err := dkimtext.ParseKey(there[0])
	if err != nil {
		return differs("What is published at " + w.name + " is no DKIM key: " + err.Error() + ".")
	}
	public, err := key.PublicKey()
	switch {
	case errors.Is(err, dkimtext.ErrRevoked):
		return differs("The DKIM key at " + w.name + " is published as revoked.")
	case err != nil:
		return differs("The DKIM key at " + w.name + " cannot be read; perhaps its text was cut or its parts were put together wrongly.")
	}
	ours, err := dkimtext.ParseKey(want.Text())
	if err != nil {
		return nil
	}
	own, err := ours.PublicKey()
	if err != nil {
		return nil
	}
	if equal, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !equal.Equal(own) {
		return differs("The DKIM key at " + w.name + " is another than the one we sign with.")
	}
	domain := w.name[strings.Index(w.name, "._domainkey.")+len("._domainkey."):]
	if err := key.For(&dkimtext.Signature{Algorithm: ours.Type + "-sha256", Domain: domain, Identity: "@" + domain}); err != nil {
		return differs("The DKIM key at " + w.name + " is published in a way that forbids its use: " + err.Error() + ".")
	}
	return nil
}

// strength orders policies.
var strength = []dmarc.Policy{dmarc.PolicyNone, dmarc.PolicyQuarantine, dmarc.PolicyReject}

// dmarc compares policies. RFC 9989 4.10: where there are several, none counts.
func (w wish) dmarc(there []string) []Difference {
	const link = "docs/problems.md#dmarc"
	want := w.want[0]
	differs := func(text string) []Difference {
		return []Difference{w.differ(Differs, quotedAll(there), text, publish(want), link)}
	}
	switch len(there) {
	case 0:
		return []Difference{w.differ(Missing, nil, "There is no DMARC record at "+w.name+"; large providers distrust domains without one.", publish(want), link)}
	case 1:
	default:
		return differs(fmt.Sprintf("There are %d DMARC records at %s, and where there is more than one none of them counts.", len(there), w.name))
	}
	live, err := dmarc.Parse(there[0])
	ours, errOurs := dmarc.Parse(want.Text())
	switch {
	case errOurs != nil:
		return nil
	case err != nil:
		return differs("The DMARC record at " + w.name + " cannot be read.")
	case live.Unusable != "":
		return differs("The DMARC record at " + w.name + " cannot be used: " + strings.TrimSuffix(live.Unusable, ".") + ".")
	case len(live.Faults) > 0:
		return differs("The DMARC record at " + w.name + " has a fault: " + strings.TrimSuffix(live.Faults[0], ".") + ".")
	case slices.Index(strength, live.Policy) < slices.Index(strength, ours.Policy):
		return differs(fmt.Sprintf("The DMARC record at %s asks for %q where %q is wanted, so forgeries are treated more kindly.", w.name, live.Policy, ours.Policy))
	case live.Testing && !ours.Testing:
		return differs("The DMARC record at " + w.name + " says that it is only a test (t=y).")
	}
	for _, u := range ours.Aggregate {
		if !slices.ContainsFunc(live.Aggregate, func(v dmarc.URI) bool { return strings.EqualFold(v.Text, u.Text) }) {
			return differs("The DMARC record at " + w.name + " does not have reports sent to " + u.Text + ".")
		}
	}
	return nil
}

// permission compares the record that lets reports go to another domain. RFC 9990 4.
func (w wish) permission(there []string) []Difference {
	if len(there) > 0 {
		return nil
	}
	return []Difference{w.differ(Missing, nil, "The record at "+w.name+" is missing, without which DMARC reports are not sent to another domain.", publish(w.want[0]), "docs/problems.md#reports")}
}

// sts compares the records that tell of an MTA-STS policy. RFC 8461 3.1.
func (w wish) sts(there []string) []Difference {
	const link = "docs/problems.md#mta-sts"
	want := w.want[0]
	own, err := mtasts.ParseRecord([]string{want.Text()})
	if err != nil {
		return nil
	}
	id, err := mtasts.ParseRecord(there)
	switch {
	case errors.Is(err, mtasts.ErrNoRecord):
		return []Difference{w.differ(Missing, nil, "No record at "+w.name+" tells that there is an MTA-STS policy.", publish(want), link)}
	case err != nil:
		return []Difference{w.differ(Differs, quotedAll(there), "The MTA-STS record at "+w.name+" cannot be used: "+err.Error()+".", publish(want), link)}
	case id != own:
		return []Difference{w.differ(Differs, quotedAll(there), "The MTA-STS record at "+w.name+" is of another policy than the one we serve, so senders may keep an old one.", publish(want), link)}
	}
	return nil
}

// tlsrpt compares where TLS reports go. RFC 8460 3.
func (w wish) tlsrpt(there []string) []Difference {
	const link = "docs/problems.md#reports"
	want := w.want[0]
	own, err := tlsrpt.ParseRecord([]string{want.Text()})
	if err != nil {
		return nil
	}
	uris, err := tlsrpt.ParseRecord(there)
	switch {
	case errors.Is(err, tlsrpt.ErrNoRecord):
		return []Difference{w.differ(Missing, nil, "No record at "+w.name+" tells where TLS failures are to be reported.", publish(want), link)}
	case err != nil:
		return []Difference{w.differ(Differs, quotedAll(there), "The TLSRPT record at "+w.name+" cannot be used: "+err.Error()+".", publish(want), link)}
	}
	for _, u := range own {
		if !slices.Contains(uris, u) {
			return []Difference{w.differ(Differs, quotedAll(there), "The TLSRPT record at "+w.name+" has TLS failures reported to somebody else.", publish(want), link)}
		}
	}
	return nil
}
