package tlsrpt

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postrider/postrider/proto/message"
)

// The media types of a report, and of the mail that carries it. RFC 8460 5.3, RFC 6522 3.
const (
	MediaJSON  = "application/tlsrpt+json"
	MediaGzip  = "application/tlsrpt+gzip"
	ReportType = "tlsrpt" // multipart/report; report-type=tlsrpt
)

// ErrIncomplete is given for a report that lacks what it must have.
var ErrIncomplete = errors.New("a TLS report needs an identifier, an organization, a time and a policy")

// Write writes the report as JSON, compressed with gzip if asked (RFC 8460 5.2 prefers it). A report too large
// to be read by Read is refused with ErrTooLarge.
func (r Report) Write(w io.Writer, compressed bool) error {
	if r.ID == "" || r.Organization == "" || r.Begin.IsZero() || r.End.Before(r.Begin) || len(r.Policies) == 0 {
		return ErrIncomplete
	}
	if len(r.Policies) > MaxPolicies {
		return ErrTooLarge
	}
	raw, err := json.Marshal(r.wire())
	if err != nil || !compressed {
		if err == nil {
			_, err = w.Write(raw)
		}
		return err
	}
	z := gzip.NewWriter(w)
	if _, err := z.Write(raw); err != nil {
		return err
	}
	return z.Close()
}

// FileName is the name of the attachment. unique, which may be empty, tells reports apart that would have the same. RFC 8460 5.1.
func FileName(r Report, submitter, domain, unique string, compressed bool) string {
	name := fmt.Sprintf("%s!%s!%d!%d", submitter, domain, r.Begin.Unix(), r.End.Unix())
	if unique = strings.Map(alphanumeric, unique); unique != "" {
		name += "!" + unique
	}
	if compressed {
		return name + ".json.gz"
	}
	return name + ".json"
}

func alphanumeric(r rune) rune {
	if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
		return r
	}
	return -1
}

// Subject is that of the mail. RFC 8460 5.3.
func Subject(domain, submitter, id string) string {
	return fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", domain, submitter, strings.Trim(id, "<>"))
}

// MailFields gives the header fields that mark the mail as a report, in final form. The mail itself must not be held up by the
// TLS policy it reports on, and must carry an aligned DKIM signature of the submitter. RFC 8460 5.3, RFC 8460 3.
func MailFields(domain, submitter, id string) (h message.Header) {
	h.Append("Subject", Subject(domain, submitter, id))
	h.Append("TLS-Report-Domain", domain)
	h.Append("TLS-Report-Submitter", submitter)
	return h
}

// IsReport reports whether the header of a mail says that it carries a TLS report, and on which domain. RFC 8460 5.3.
func IsReport(h *message.Header) (domain, submitter string, ok bool) {
	mediaType, subtype, params := message.ParseContentType(h.Get("Content-Type"))
	ok = mediaType == "multipart" && subtype == "report" && strings.EqualFold(message.ParamValue(params, "report-type"), ReportType) ||
		mediaType+"/"+subtype == MediaJSON || mediaType+"/"+subtype == MediaGzip
	return strings.TrimSpace(h.Get("TLS-Report-Domain")), strings.TrimSpace(h.Get("TLS-Report-Submitter")), ok
}
