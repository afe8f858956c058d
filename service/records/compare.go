package records

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// Kind is the kind of a difference.
type Kind string

// The kinds.
const (
	Missing     Kind = "missing"     // nothing of its kind is there
	Differs     Kind = "differs"     // something else is there, or more than one
	Superfluous Kind = "superfluous" // something is there beside it that does harm
	Unknown     Kind = "unknown"     // it cannot be told now
)

// Difference is one thing in the live DNS that is not as it should be.
type Difference struct {
	Kind   Kind     `json:"kind"`
	Record Record   `json:"record"`          // what is wanted; of Superfluous, and only there, what is to be taken out
	Found  []string `json:"found,omitempty"` // what is there, as in a zone file
	Text   string   `json:"text"`            // one sentence: what is wrong
	Remedy string   `json:"remedy"`          // one sentence: what to do
	Link   string   `json:"link"`            // the page that tells more
}

// Asker asks the live DNS; a dns.Client made with NewValidating does. qtype is a type as zone files have it.
type Asker interface {
	Check(ctx context.Context, name, qtype string) (dns.Verdict, error)
}

// Plain makes an Asker of any resolver. It cannot ask for SRV and CAA, about which Compare then says that it cannot be told.
func Plain(r dns.Resolver) Asker {
	if a, ok := r.(Asker); ok {
		return trying{a, plain{r}}
	}
	return plain{r}
}

// trying asks the second where the first does not take the question, as a dns.Client that does not validate.
type trying struct{ first, second Asker }

// Check implements Asker.
func (t trying) Check(ctx context.Context, name, qtype string) (dns.Verdict, error) {
	v, err := t.first.Check(ctx, name, qtype)
	if mail.Is(err, mail.Invalid) {
		return t.second.Check(ctx, name, qtype)
	}
	return v, err
}

type plain struct{ r dns.Resolver }

// Check implements Asker.
func (p plain) Check(ctx context.Context, name, qtype string) (dns.Verdict, error) {
	switch qtype {
	case "MX":
		a, err := p.r.MX(ctx, name)
		if err != nil {
			return dns.Verdict{}, err
		}
		var list []string
		for _, mx := range a.Value {
			list = append(list, fmt.Sprintf("%d %s.", mx.Preference, mx.Host))
		}
		switch a.Status {
		case dns.Implicit, dns.Unusable:
			return verdict(dns.NoData, a.Name), nil
		case dns.Null:
			return verdict(dns.Found, a.Name, "0 ."), nil
		}
		return verdict(a.Status, a.Name, list...), nil
	case "A", "AAAA":
		a, err := p.r.Addresses(ctx, name)
		if err != nil {
			return dns.Verdict{}, err
		}
		var list []string
		for _, ip := range a.Value {
			if ip.Is4() == (qtype == "A") {
				list = append(list, ip.String())
			}
		}
		if a.Status == dns.Found && list == nil {
			a.Status = dns.NoData
		}
		return verdict(a.Status, a.Name, list...), nil
	case "TXT":
		a, err := p.r.TXT(ctx, name)
		if err != nil {
			return dns.Verdict{}, err
		}
		return verdict(a.Status, a.Name, quotedAll(a.Value)...), nil
	case "PTR":
		a, err := p.r.PTR(ctx, addressOf(name))
		if err != nil {
			return dns.Verdict{}, err
		}
		return verdict(a.Status, a.Name, dotted(a.Value)...), nil
	case "TLSA":
		if t, ok := p.r.(dns.TLSAResolver); ok {
			a, err := t.TLSA(ctx, name)
			if err != nil {
				return dns.Verdict{}, err
			}
			var list []string
			for _, r := range a.Value {
				list = append(list, r.String())
			}
			return verdict(a.Status, a.Name, list...), nil
		}
	}
	return dns.Verdict{Reason: "this resolver cannot ask for " + qtype}, nil
}

func verdict(s dns.Status, name string, list ...string) dns.Verdict {
	return dns.Verdict{Security: dns.Insecure, Status: s, Name: name, Records: list}
}

// wish is the records that are compared with one answer.
type wish struct {
	name, typ string
	want      []Record
}

// comparison is one Compare.
type comparison struct {
	asker     Asker
	addresses []netip.Addr // of our host, as far as the records tell
	host      string       // that the records lead to
}

// atOnce bounds how many questions are under way.
const atOnce = 8

// Compare looks for records in the live DNS and tells what is not as it should be, in the order of the records. It ends with ctx; what could not be
// asked by then is Unknown. What means the same is no difference: order, spelling, further mechanisms in an SPF record, a stricter policy.
func Compare(ctx context.Context, a Asker, want []Record) []Difference {
	c := comparison{asker: a}
	for _, r := range want {
		switch r.Type {
		case "A", "AAAA":
			if ip, err := netip.ParseAddr(r.Value); err == nil {
				c.addresses = append(c.addresses, ip)
			}
		case "MX":
			c.host = hostOf(r.Value)
		}
	}
	wishes := wishesOf(want)
	found := make([][]Difference, len(wishes))
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, w := range wishes {
		slots <- struct{}{}
		all.Go(func() {
			found[i] = c.one(ctx, w)
			<-slots
		})
	}
	all.Wait()
	return slices.Concat(found...)
}

func wishesOf(want []Record) (out []wish) {
	for _, r := range want {
		// One name and type is one question, but two texts of different kinds at a name are two wishes.
		i := slices.IndexFunc(out, func(w wish) bool {
			return w.name == r.Name && w.typ == r.Type && (r.Type != "TXT" || tag(w.want[0].Text()) == tag(r.Text()))
		})
		if i < 0 {
			i = len(out)
			out = append(out, wish{name: r.Name, typ: r.Type})
		}
		out[i].want = append(out[i].want, r)
	}
	return out
}

// one compares one wish.
func (c *comparison) one(ctx context.Context, w wish) []Difference {
	if w.typ == "CNAME" {
		return c.alias(ctx, w)
	}
	if w.typ == "CAA" {
		return c.authority(ctx, w)
	}
	live, unknown := c.ask(ctx, w, w.name, w.typ)
	if unknown != nil {
		return unknown
	}
	switch w.typ {
	case "MX":
		return c.exchangers(w, live)
	case "A", "AAAA":
		return c.hosts(ctx, w, live)
	case "TXT":
		return c.texts(w, live)
	case "TLSA":
		return c.keys(w, live)
	case "SRV":
		return c.services(w, live)
	case "PTR":
		return c.reverse(w, live)
	}
	return w.exact(live)
}

// ask gives what is there, or the difference that it cannot be told.
func (c *comparison) ask(ctx context.Context, w wish, name, qtype string) (live []string, unknown []Difference) {
	v, err := c.asker.Check(ctx, name, qtype)
	if err == nil && v.Status != dns.NoAnswer {
		return v.Records, nil
	}
	reason, link := v.Reason, "docs/problems.md#resolver"
	if err != nil {
		reason = err.Error()
	}
	remedy := "Look whether the resolver that this host asks answers, and the name servers of the domain do."
	if v.Security == dns.Bogus {
		link, remedy = "docs/problems.md#dnssec", "Mend the signatures of the zone (DNSSEC): until then nobody who checks them sees any of it."
	}
	return nil, []Difference{w.differ(Unknown, nil, fmt.Sprintf("It cannot be told which records of type %s are at %s: %s.", qtype, name, strings.TrimSuffix(reason, ".")),
		remedy, link)}
}

// differ makes a difference about the first record of the wish.
func (w wish) differ(k Kind, found []string, text, remedy, link string) Difference {
	return Difference{Kind: k, Record: w.want[0], Found: found, Text: text, Remedy: remedy, Link: link}
}

// publish is the remedy that most have.
func publish(r Record) string {
	if r.Zone == "" {
		return fmt.Sprintf("Ask whoever is in charge of %s to publish there: %s %s", r.Name, r.Type, r.Value)
	}
	return fmt.Sprintf("Publish this record: %s. %s %s", r.Name, r.Type, r.Value)
}

// exact is for types that nothing more is known of: the same data, in any order.
func (w wish) exact(live []string) (out []Difference) {
	for _, r := range w.want {
		if slices.ContainsFunc(live, func(v string) bool { return strings.EqualFold(v, r.Value) }) {
			continue
		}
		d := Difference{Kind: Missing, Record: r, Found: live, Text: fmt.Sprintf("The %s record of %s is missing.", r.Type, r.Name), Remedy: publish(r)}
		if len(live) > 0 {
			d.Kind, d.Text = Differs, fmt.Sprintf("The %s record of %s is not the one it should be.", r.Type, r.Name)
		}
		out = append(out, d)
	}
	return out
}

// hostOf is the last word of a value as a name: lower case, without the last dot.
func hostOf(value string) string {
	f := strings.Fields(value)
	if len(f) == 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(f[len(f)-1], "."))
}

func dotted(names []string) (out []string) {
	for _, n := range names {
		out = append(out, strings.TrimSuffix(n, ".")+".")
	}
	return out
}
