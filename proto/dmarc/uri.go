package dmarc

import (
	"net/url"
	"strings"

	"github.com/postrider/postrider/proto/addr"
)

// URI is a place reports are to be sent to (RFC 9989 4.6).
type URI struct {
	Scheme string // in lower case; all but mailto are for the caller to pass over
	Text   string // as in the record, without the obsolete limit on the size (RFC 9989 4.8)
	// Host is the domain that would receive the reports, as A-labels in lower case; empty where the URI names none.
	Host string
	// Mailbox is the address of a mailto URI, else zero.
	Mailbox addr.Address
}

// Mailto makes the URI that asks for reports to an address.
func Mailto(a addr.Address) (URI, bool) {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@+"
	const hex = "0123456789ABCDEF"
	text := a.String()
	if host, err := addr.NormalDomain(a.Domain); err == nil && !strings.HasPrefix(host, "[") {
		text = addr.QuoteLocal(a.Local) + "@" + host
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return ParseURI("mailto:" + b.String())
}

// ParseURI reads one URI of rua or ruf.
func ParseURI(text string) (u URI, ok bool) {
	const maxURI = 2 << 10
	text = dropSize(strings.Trim(text, " \t"))
	if text == "" || len(text) > maxURI || strings.ContainsAny(text, " ,;!\t\"<>\\^`{|}") {
		return URI{}, false
	}
	p, err := url.Parse(text)
	if err != nil || p.Scheme == "" {
		return URI{}, false
	}
	u = URI{Scheme: strings.ToLower(p.Scheme), Text: text}
	if u.Scheme != "mailto" {
		u.Host, _ = addr.NormalDomain(p.Hostname())
		return u, p.Opaque != "" || p.Host != "" || p.Path != ""
	}
	box, err := url.PathUnescape(p.Opaque)
	if err != nil {
		return URI{}, false
	}
	if u.Mailbox, err = addr.Parse(box); err != nil {
		return URI{}, false
	}
	u.Host, err = addr.NormalDomain(u.Mailbox.Domain)
	return u, err == nil && !strings.HasPrefix(u.Host, "[")
}

// dropSize takes off the limit on the size that RFC 7489 had behind a URI: `!10m`.
func dropSize(text string) string {
	before, size, ok := strings.Cut(text, "!")
	if !ok {
		return text
	}
	digits := strings.TrimRight(strings.ToLower(size), "kmgt")
	if len(size)-len(digits) > 1 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return text
	}
	return before
}

// uris reads the value of rua or ruf; what is no URI is passed over (RFC 9990 3.5).
func (r *Record) uris(t tag) (list []URI) {
	for item := range strings.SplitSeq(t.value, ",") {
		u, ok := ParseURI(item)
		switch {
		case !ok:
			r.fault("the tag %s has %q, which is no address for reports (it should look like mailto:someone@example.com)", t.name, clip(item))
		case len(list) == MaxURIs:
			r.fault("the tag %s has more than %d addresses; the rest is passed over", t.name, MaxURIs)
			return list
		default:
			list = append(list, u)
		}
	}
	return list
}

func joinURIs(list []URI) string {
	texts := make([]string, len(list))
	for i, u := range list {
		texts[i] = u.Text
	}
	return strings.Join(texts, ",")
}
