package tlsrpt

import (
	"errors"
	"net/url"
	"strings"

	"github.com/postrider/postrider/proto/addr"
)

// Name gives the name whose TXT record asks for the reports on a domain. RFC 8460 3.
func Name(domain string) string { return "_smtp._tls." + domain }

// Bounds on one record.
const (
	maxRecord = 8 << 10
	maxURIs   = 8
)

// Errors of ParseRecord; each means that no report is wanted. RFC 8460 3.
var (
	ErrNoRecord    = errors.New("the domain has no TLSRPT record")
	ErrManyRecords = errors.New("the domain has more than one TLSRPT record, so none of them counts")
	ErrBadRecord   = errors.New("the TLSRPT record names no address for reports (it should look like v=TLSRPTv1; rua=mailto:someone@example.com)")
)

// URI is a place to send reports to: a mailbox, or a URL to post to.
type URI struct {
	Text    string       // as in the record
	Mailbox addr.Address // of mailto, else zero
}

// HTTPS reports whether the report is to be posted rather than mailed. RFC 8460 5.4.
func (u URI) HTTPS() bool { return u.Mailbox.IsZero() }

// ParseRecord reads the TXT records found at Name, the strings of each joined, and gives where reports are wanted. What is
// no TLSRPT record is passed over, and so are unknown fields and URIs of other kinds. RFC 8460 3.
func ParseRecord(texts []string) ([]URI, error) {
	record := ""
	for _, text := range texts {
		version, _, more := strings.Cut(text, ";")
		if !more || strings.TrimRight(version, " \t") != "v=TLSRPTv1" || len(text) > maxRecord {
			continue
		}
		if record != "" {
			return nil, ErrManyRecords
		}
		record = text
	}
	if record == "" {
		return nil, ErrNoRecord
	}
	_, fields, _ := strings.Cut(record, ";")
	for field := range strings.SplitSeq(fields, ";") {
		// Of two rua the first counts: the grammar has one.
		if value, ok := strings.CutPrefix(strings.Trim(field, " \t"), "rua="); ok {
			if list := parseURIs(value); len(list) > 0 {
				return list, nil
			}
			break
		}
	}
	return nil, ErrBadRecord
}

func parseURIs(value string) (list []URI) {
	for item := range strings.SplitSeq(value, ",") {
		if u, ok := ParseURI(item); ok && len(list) < maxURIs {
			list = append(list, u)
		}
	}
	return list
}

// ParseURI reads one URI of rua: mailto or https.
func ParseURI(text string) (URI, bool) {
	text = strings.Trim(text, " \t")
	if text == "" || len(text) > 2<<10 || strings.ContainsAny(text, " ,;!\t\"<>\\^`{|}") {
		return URI{}, false
	}
	p, err := url.Parse(text)
	if err != nil {
		return URI{}, false
	}
	switch strings.ToLower(p.Scheme) {
	case "https":
		return URI{Text: text}, p.Hostname() != "" && p.User == nil
	case "mailto":
		box, err := url.PathUnescape(p.Opaque)
		if err != nil {
			return URI{}, false
		}
		a, err := addr.Parse(box)
		return URI{Text: text, Mailbox: a}, err == nil && !a.IsZero()
	}
	return URI{}, false
}

// FormatRecord writes the record of a domain that wants reports; each URI must be one that ParseURI takes. RFC 8460 3.
func FormatRecord(uris ...string) (string, error) {
	for _, u := range uris {
		if _, ok := ParseURI(u); !ok {
			return "", ErrBadRecord
		}
	}
	if len(uris) == 0 || len(uris) > maxURIs {
		return "", ErrBadRecord
	}
	return "v=TLSRPTv1; rua=" + strings.Join(uris, ","), nil
}
