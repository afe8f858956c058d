package dmarcreport

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
)

// The media types of the attachment. RFC 9990 3.5.2.
const (
	MediaGzip = "application/gzip"
	MediaXML  = "text/xml"
)

// Name is what the name of an attachment tells. RFC 9990 3.5.2.
type Name struct {
	Receiver   string // who reports
	Domain     string // the domain of the policy
	Begin, End time.Time
	Unique     string // letters and digits; may be empty
	Extension  string // xml or xml.gz; of others also zip
}

// String writes the name; a report sent again has the same.
func (n Name) String() string {
	s := fmt.Sprintf("%s!%s!%d!%d", n.Receiver, n.Domain, n.Begin.Unix(), n.End.Unix())
	if n.Unique != "" {
		s += "!" + n.Unique
	}
	return s + "." + n.Extension
}

// FileName is the name of the attachment with a report. Of unique only letters and digits are taken. RFC 9990 3.5.2.
func FileName(r Report, receiver, unique string, compressed bool) string {
	n := Name{Receiver: receiver, Domain: r.Policy.Domain, Begin: r.Begin, End: r.End, Extension: "xml"}
	if compressed {
		n.Extension = "xml.gz"
	}
	n.Unique = strings.Map(func(c rune) rune {
		if isAlphanumeric(c) {
			return c
		}
		return -1
	}, unique)
	return n.String()
}

func isAlphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// ParseName reads the name of an attachment, with zip as extension too. RFC 9990 3.5.2.
func ParseName(s string) (n Name, ok bool) {
	for _, extension := range []string{"xml.gz", "xml.zip", "xml", "zip", "gz"} {
		rest, found := strings.CutSuffix(s, "."+extension)
		if !found {
			continue
		}
		parts := strings.Split(rest, "!")
		if len(s) > 1000 || len(parts) < 4 || len(parts) > 5 {
			return Name{}, false
		}
		n = Name{Extension: extension, Begin: seconds(parts[2]), End: seconds(parts[3])}
		var err, err2 error
		n.Receiver, err = addr.NormalDomain(parts[0])
		n.Domain, err2 = addr.NormalDomain(parts[1])
		if len(parts) == 5 {
			n.Unique = parts[4]
		}
		strange := strings.ContainsFunc(n.Unique, func(c rune) bool { return !isAlphanumeric(c) && c != '-' && c != '_' })
		return n, err == nil && err2 == nil && !strange && !n.Begin.IsZero() && !n.End.Before(n.Begin)
	}
	return Name{}, false
}

// ReportID makes the identifier of a report from what it is about, so that a report made again has the same. RFC 9990 3.5.1.
func ReportID(domain, receiver string, begin time.Time, unique string) string {
	id := strconv.FormatInt(begin.Unix(), 10) + "-" + domain
	if unique != "" {
		id += "." + unique
	}
	return id + "@" + receiver
}

// Subject is that of the mail. RFC 9990 3.5.2.
func Subject(domain, receiver, id string) string {
	return fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", domain, receiver, strings.Trim(id, "<>"))
}

// ParseSubject reads the subject of a report: domain and submitter as A-labels, and the identifier without brackets, which may be
// missing. Any case is taken. RFC 9990 3.5.2.
func ParseSubject(subject string) (domain, submitter, id string, ok bool) {
	words := strings.Fields(subject)
	if len(words) < 5 || len(subject) > 2000 || !strings.EqualFold(words[0]+" "+words[1], "Report Domain:") || !strings.EqualFold(words[3], "Submitter:") {
		return "", "", "", false
	}
	domain, err := addr.NormalDomain(words[2])
	submitter, err2 := addr.NormalDomain(words[4])
	if len(words) > 6 && strings.EqualFold(words[5], "Report-ID:") {
		id = strings.Trim(words[6], "<>")
	}
	return domain, submitter, id, err == nil && err2 == nil
}
