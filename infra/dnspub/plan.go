package dnspub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dkimtext"
)

// value is the data of one record.
type value struct {
	text string // in one spelling, to be compared: as a zone file has it
	raw  string // as the provider spells it
}

// set is the records of one name and type.
type set struct {
	ttl    time.Duration
	values []value
}

// group is what is wanted for one name and type.
type group struct {
	name, typ string
	ttl       time.Duration
	values    []string
}

// edit is one set that is to be changed.
type edit struct {
	name, typ string
	ttl       time.Duration // of what is added
	old       set           // as it was seen
	remove    []value
	add       []string
	want      []string // the whole set afterwards
}

// mode is what is done with records.
type mode uint8

const (
	replace  mode = iota // these in the place of those that are there
	extend               // these beside those that are there
	withdraw             // not these
)

// grouped sorts records by name and type and brings them into one spelling. Errors are of kind Invalid.
func grouped(zone string, all []Record) ([]group, error) {
	if !isName(zone) {
		return nil, mail.Errorf(mail.Invalid, "%q is no domain that records can be published in", zone)
	}
	var out []group
	for _, r := range all {
		name, typ := strings.ToLower(strings.TrimSuffix(r.Name, ".")), strings.ToUpper(r.Type)
		if !isName(name) || name != zone && !strings.HasSuffix(name, "."+zone) {
			return nil, mail.Errorf(mail.Invalid, "the record at %q does not lie in %s, so it cannot be published there", r.Name, zone)
		}
		text, err := canonical(name, typ, r.Value)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(g group) bool { return g.name == name && g.typ == typ })
		if i < 0 {
			i = len(out)
			out = append(out, group{name: name, typ: typ, ttl: r.TTL})
		}
		if !slices.Contains(out[i].values, text) {
			out[i].values = append(out[i].values, text)
		}
	}
	return out, nil
}

// plan finds what has to be changed. refused tells of groups that cannot be; the others are planned all the same.
func plan(ctx context.Context, v view, groups []group, how mode) (edits []edit, refused error) {
	for _, g := range groups {
		if how == replace && g.typ == "CNAME" && len(g.values) > 1 {
			refused = errors.Join(refused, mail.Errorf(mail.Invalid, "%s can have one alias only", g.name))
			continue
		}
		e, err := g.edit(ctx, v, how)
		if err != nil {
			refused = errors.Join(refused, err)
			continue
		}
		if len(e.add)+len(e.remove) > 0 {
			edits = append(edits, e)
		}
	}
	return edits, refused
}

func (g group) edit(ctx context.Context, v view, how mode) (edit, error) {
	there, err := v.set(ctx, g.name, g.typ)
	if err != nil {
		return edit{}, mail.Errorf(mail.Unavailable, "it cannot be told which records of type %s are at %s: %w", g.typ, g.name, err)
	}
	e := edit{name: g.name, typ: g.typ, ttl: g.ttl, old: there}
	if len(there.values) > 0 && there.ttl > 0 {
		e.ttl = there.ttl // RFC 2181 5.2
	}
	for _, old := range there.values {
		wanted := slices.Contains(g.values, old.text)
		if how == withdraw && wanted || how == replace && !wanted && g.replaces(old.text) {
			e.remove = append(e.remove, old)
		} else {
			e.want = append(e.want, old.text)
		}
	}
	if how == withdraw {
		return e, nil
	}
	for _, text := range g.values {
		if !slices.Contains(e.want, text) {
			e.add, e.want = append(e.add, text), append(e.want, text)
		}
	}
	if len(e.add) > 0 {
		err = g.alone(ctx, v)
	}
	return e, err
}

// alone makes sure that no alias comes to stand beside other records. RFC 1034 3.6.2.
func (g group) alone(ctx context.Context, v view) error {
	others := []string{"CNAME"}
	if g.typ == "CNAME" {
		others = []string{"A", "AAAA", "MX", "TXT", "CAA", "SRV", "NS", "TLSA"}
	}
	for _, typ := range others {
		if typ == g.typ {
			continue
		}
		there, err := v.set(ctx, g.name, typ)
		if err != nil {
			return mail.Errorf(mail.Unavailable, "it cannot be told which records of type %s are at %s: %w", typ, g.name, err)
		}
		if len(there.values) > 0 {
			return inTheWay(g, typ)
		}
	}
	return nil
}

// replaces reports whether a value that is there makes room for the wanted ones. At names with an underscore everything is ours, and so is every
// type but TXT; else only a text of the same version.
func (g group) replaces(old string) bool {
	if g.typ != "TXT" || strings.HasPrefix(g.name, "_") || strings.Contains(g.name, "._") {
		return true
	}
	return slices.ContainsFunc(g.values, func(text string) bool { return version(text) != "" && version(text) == version(old) })
}

// version is the first word of a text, such as "v=spf1", when it is one: what tells texts of one name apart.
func version(quoted string) string {
	text := strings.TrimLeft(quoted, `" `)
	if i := strings.IndexAny(text, ` ;"`); i >= 0 {
		text = text[:i]
	}
	if text = strings.ToLower(text); strings.HasPrefix(text, "v=") {
		return text
	}
	return ""
}

func isName(n string) bool {
	_, ok := wire.IsDomainName(n)
	return ok && n != "" && !strings.ContainsAny(n, " \t\r\n\"\\;()$@")
}

// canonical brings the data of a record, as a zone file has it, into one spelling. Errors are of kind Invalid.
func canonical(name, typ, data string) (string, error) {
	bad := func() (string, error) {
		return "", mail.Errorf(mail.Invalid, "%q is no data of a %s record", data[:min(len(data), 80)], typ)
	}
	if strings.ContainsAny(data, "\r\n\x00") || len(data) > 16<<10 {
		return bad()
	}
	if typ == "TXT" && !strings.HasPrefix(data, `"`) {
		return dkimtext.Quoted(data), nil
	}
	rr, err := parse(name, typ, data, 0)
	if err != nil {
		return bad()
	}
	switch rr := rr.(type) {
	case *wire.TXT:
		text, err := joined(rr)
		if err != nil {
			return bad()
		}
		return dkimtext.Quoted(text), nil
	case *wire.CAA:
		return dataOf(rr), nil
	}
	return strings.ToLower(dataOf(rr)), nil
}

func dataOf(rr wire.RR) string { return strings.TrimPrefix(rr.String(), rr.Header().String()) }

var errData = errors.New("no data of that type")

func parse(name, typ, data string, ttl time.Duration) (wire.RR, error) {
	h := wire.RR_Header{Name: wire.Fqdn(name), Rrtype: wire.StringToType[typ], Class: wire.ClassINET, Ttl: uint32(ttl / time.Second)}
	rr, err := wire.NewRR(h.Name + " 0 IN " + typ + " " + data)
	if err != nil || rr == nil || h.Rrtype == 0 || rr.Header().Rrtype != h.Rrtype {
		return nil, errData
	}
	*rr.Header() = h
	return rr, nil
}

// joined is the text of a TXT record as it goes over the wire, without the escapes of zone files.
func joined(rr *wire.TXT) (string, error) {
	buf := make([]byte, wire.Len(rr)+64)
	end, err := wire.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return "", err
	}
	name, err := wire.PackDomainName(rr.Hdr.Name, make([]byte, 256), 0, nil, false)
	if err != nil {
		return "", err
	}
	var out []byte
	for at := name + 10; at < end; { // after type, class, TTL and length
		n := int(buf[at])
		if at+1+n > end {
			return "", errData
		}
		out = append(out, buf[at+1:at+1+n]...)
		at += 1 + n
	}
	return string(out), nil
}
