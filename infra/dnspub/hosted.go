package dnspub

import (
	"context"
	"strings"
	"time"

	"github.com/libdns/cloudflare"
	"github.com/libdns/desec"
	"github.com/libdns/gandi"
	"github.com/libdns/hetzner/v2"
	"github.com/libdns/libdns"
	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dkimtext"
)

// library is what libdns' providers can do.
type library interface {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordSetter
	libdns.RecordDeleter
}

// hosted speaks to a provider through libdns.
type hosted struct {
	lib library
	// make makes one edit, in the way that this provider's library and interface get right.
	make func(ctx context.Context, h *hosted, zone string, e edit) error
}

func newHosted(provider, secret string) (*hosted, error) {
	switch provider {
	case "cloudflare":
		return &hosted{lib: &cloudflare.Provider{APIToken: secret, HTTPClient: tlsaClient{}}, make: oneByOne}, nil
	case "hetzner":
		return &hosted{lib: hetzner.New(secret), make: newFirst}, nil
	case "desec":
		return &hosted{lib: &desec.Provider{Token: secret}, make: wholeSet}, nil
	case "gandi":
		return &hosted{lib: &gandi.Provider{BearerToken: secret}, make: gandiEdit}, nil
	}
	return nil, mail.Errorf(mail.Invalid, "%q is no DNS provider that we can publish through; use one of %s, or leave it empty and publish by hand",
		provider, strings.Join(Providers, ", "))
}

// listing is all of a zone.
type listing map[string]set

func (l listing) set(_ context.Context, name, typ string) (set, error) { return l[name+" "+typ], nil }

func (l listing) add(name, typ string, ttl time.Duration, raw string) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	typ = strings.ToUpper(typ)
	text := raw
	if typ == "TXT" {
		text = dkimtext.Quoted(plain(raw))
	} else if c, err := canonical(name, typ, raw); err == nil {
		text = c
	}
	key := name + " " + typ
	s := l[key]
	s.ttl = ttl
	s.values = append(s.values, value{text: text, raw: raw})
	l[key] = s
}

func (h *hosted) open(ctx context.Context, zone string) (view, error) {
	all, err := h.lib.GetRecords(ctx, zone)
	if err != nil {
		return nil, err
	}
	l := listing{}
	for _, r := range all {
		rr := r.RR()
		l.add(libdns.AbsoluteName(rr.Name, zone), rr.Type, rr.TTL, rr.Data)
	}
	return l, nil
}

func (h *hosted) apply(ctx context.Context, zone string, edits []edit) (int, error) {
	for i, e := range edits {
		if err := h.make(ctx, h, zone, e); err != nil {
			return i, err
		}
	}
	return len(edits), nil
}

// records makes what libdns wants of data in its own spelling.
func (e edit) records(zone string, data ...string) ([]libdns.Record, error) {
	var out []libdns.Record
	for _, d := range data {
		r, err := libdns.RR{Name: libdns.RelativeName(e.name, zone), Type: e.typ, TTL: e.ttl, Data: d}.Parse()
		if err != nil {
			return nil, mail.Errorf(mail.Invalid, "the %s record of %s cannot be published: %w", e.typ, e.name, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func (h *hosted) append(ctx context.Context, zone string, e edit, data ...string) error {
	recs, err := e.records(zone, data...)
	if err == nil && len(recs) > 0 {
		_, err = h.lib.AppendRecords(ctx, zone, recs)
	}
	return err
}

func (h *hosted) delete(ctx context.Context, zone string, e edit, data ...string) error {
	recs, err := e.records(zone, data...)
	if err == nil && len(recs) > 0 {
		_, err = h.lib.DeleteRecords(ctx, zone, recs)
	}
	return err
}

// spelled gives what is there in the spelling that finds it again: texts in quotes.
func spelled(typ string, values []value) (out []string) {
	for _, v := range values {
		raw := v.raw
		if typ == "TXT" && !strings.HasPrefix(raw, `"`) {
			raw = `"` + raw + `"`
		}
		out = append(out, raw)
	}
	return out
}

// oneByOne is for Cloudflare. Where one record takes the place of one, it is rewritten; else the old ones go first, because the library takes all
// SRV records of a name for the one to be deleted.
func oneByOne(ctx context.Context, h *hosted, zone string, e edit) error {
	if len(e.old.values) == 1 && len(e.remove) == 1 && len(e.add) == 1 {
		recs, err := e.records(zone, e.add...)
		if err == nil {
			_, err = h.lib.SetRecords(ctx, zone, recs)
		}
		return err
	}
	if err := h.delete(ctx, zone, e, spelled(e.typ, e.remove)...); err != nil {
		return err
	}
	return h.append(ctx, zone, e, e.add...)
}

// newFirst is for Hetzner: the library's SetRecords deletes a set before it makes it anew, and fails where there was none.
func newFirst(ctx context.Context, h *hosted, zone string, e edit) error {
	if e.typ == "CNAME" {
		if err := h.delete(ctx, zone, e, spelled(e.typ, e.remove)...); err != nil {
			return err
		}
		return h.append(ctx, zone, e, e.add...)
	}
	if err := h.append(ctx, zone, e, e.add...); err != nil {
		return err
	}
	return h.delete(ctx, zone, e, spelled(e.typ, e.remove)...)
}

// wholeSet is for deSEC, which takes whole sets. The library cannot delete a text of several strings, so that a set of them is made small before
// it is deleted.
func wholeSet(ctx context.Context, h *hosted, zone string, e edit) error {
	want := e.want
	if len(want) == 0 && e.typ == "TXT" {
		want = []string{`"removed"`}
	}
	var data []string
	for _, text := range want {
		if e.typ == "TXT" {
			text = plain(text)
		}
		data = append(data, text)
	}
	if len(data) > 0 {
		recs, err := e.records(zone, data...)
		if err != nil {
			return err
		}
		if _, err := h.lib.SetRecords(ctx, zone, recs); err != nil || len(e.want) > 0 {
			return err
		}
		return h.delete(ctx, zone, e, data...)
	}
	return h.delete(ctx, zone, e, spelled(e.typ, e.remove)...)
}

// gandiEdit is for Gandi, whose library compares data as the provider spells it, but the last of a set without the quotes around it.
func gandiEdit(ctx context.Context, h *hosted, zone string, e edit) error {
	if e.typ != "CNAME" {
		if err := h.append(ctx, zone, e, e.add...); err != nil {
			return err
		}
	}
	left := len(e.old.values)
	if e.typ != "CNAME" {
		left += len(e.add)
	}
	for _, v := range e.remove {
		raw := v.raw
		if left == 1 {
			raw = strings.Trim(raw, `"`)
		}
		// Not through Parse: it would take the quotes of other types for its own.
		rr := libdns.RR{Name: libdns.RelativeName(e.name, zone), Type: e.typ, TTL: e.ttl, Data: raw}
		if _, err := h.lib.DeleteRecords(ctx, zone, []libdns.Record{rr}); err != nil {
			return err
		}
		left--
	}
	if e.typ == "CNAME" {
		return h.append(ctx, zone, e, e.add...)
	}
	return nil
}

// plain is a text as one string, of what a provider shows: bare, in quotes, or in several quoted strings whose outermost quotes may be cut off.
func plain(raw string) string {
	if !strings.HasPrefix(raw, `"`) && !strings.Contains(raw, `" "`) {
		return raw
	}
	if !strings.HasPrefix(raw, `"`) {
		raw = `"` + raw + `"`
	}
	rr, err := parse("x", "TXT", raw, 0)
	if err != nil {
		return raw
	}
	if txt, ok := rr.(*wire.TXT); ok {
		if s, err := joined(txt); err == nil {
			return s
		}
	}
	return raw
}
