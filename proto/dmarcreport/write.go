package dmarcreport

import (
	"bufio"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrIncomplete is given for a report that lacks what the schema asks for.
var ErrIncomplete = errors.New("a DMARC report needs a sender, an identifier, a time, a domain with its policy, and a row")

// Write writes the report as XML, compressed with gzip if asked. Values that the schema does not know are left out where it does not
// need them and replaced by the weakest where it does. RFC 9990 3.1.1, RFC 9990 A.
func (r Report) Write(w io.Writer, rows iter.Seq[Row], compressed bool) error {
	if r.Organization == "" || r.Email == "" || r.ID == "" || r.Begin.IsZero() || r.End.Before(r.Begin) || r.Policy.Domain == "" {
		return ErrIncomplete
	}
	var z *gzip.Writer
	if compressed {
		z = gzip.NewWriter(w)
		w = z
	}
	x := &writer{Writer: bufio.NewWriter(w)}
	x.raw(xml.Header + `<feedback xmlns="` + Namespace + "\">\n")
	x.text("version", "1.0")
	r.metadata(x)
	r.Policy.write(x)
	n := 0
	for row := range rows {
		row.write(x)
		n++
	}
	x.raw("</feedback>\n")
	if n == 0 {
		return ErrIncomplete
	}
	err := x.Flush()
	if err == nil && z != nil {
		err = z.Close()
	}
	return err
}

// writer writes elements; bufio keeps the first error for Flush.
type writer struct{ *bufio.Writer }

// raw and text rely on bufio keeping the first error.
func (x *writer) raw(s string) { _, _ = x.WriteString(s) }

func (x *writer) text(name, value string) {
	x.raw("<" + name + ">")
	_ = xml.EscapeText(x, []byte(plain(value)))
	x.raw("</" + name + ">\n")
}

func (x *writer) optional(name, value string) {
	if value != "" {
		x.text(name, value)
	}
}

// plain makes of a text one that XML can hold and a reader gives back: one line, cut.
func plain(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

func (r Report) metadata(x *writer) {
	x.raw("<report_metadata>\n")
	x.text("org_name", r.Organization)
	x.text("email", r.Email)
	x.optional("extra_contact_info", r.ExtraContact)
	x.text("report_id", r.ID)
	x.raw("<date_range>\n")
	x.text("begin", strconv.FormatInt(r.Begin.Unix(), 10))
	x.text("end", strconv.FormatInt(r.End.Unix(), 10))
	x.raw("</date_range>\n")
	x.optional("error", strings.Join(r.Errors, "; "))
	x.optional("generator", r.Generator)
	x.raw("</report_metadata>\n")
}

// The words of the schema (RFC 9990 A); the first of each is what stands in for a word it does not know.
var (
	policies     = []string{"none", "quarantine", "reject"}
	dispositions = []string{"none", "pass", "quarantine", "reject"}
	passFail     = []string{"fail", "pass"}
	modes        = []string{"r", "s"}
	yesNo        = []string{"n", "y"}
	methods      = []string{"treewalk", "psl"}
	reasons      = []string{Other, LocalPolicy, MailingList, PolicyTestMode, TrustedForwarder}
	dkimWords    = []string{"none", "pass", "fail", "policy", "neutral", "temperror", "permerror"}
	spfWords     = append([]string{"none", "softfail"}, dkimWords[1:]...)
)

func oneOf(words []string, s string) string {
	if slices.Contains(words, s) {
		return s
	}
	return words[0]
}

// known leaves out a word that the schema does not know.
func known(words []string, s string) string {
	if slices.Contains(words, s) {
		return s
	}
	return ""
}

func (p Published) write(x *writer) {
	x.raw("<policy_published>\n")
	x.text("domain", p.Domain)
	x.optional("discovery_method", known(methods, p.Discovery))
	x.text("p", oneOf(policies, p.P))
	x.optional("sp", known(policies, p.SP))
	x.optional("np", known(policies, p.NP))
	x.optional("fo", p.FO)
	x.optional("adkim", known(modes, p.ADKIM))
	x.optional("aspf", known(modes, p.ASPF))
	x.optional("testing", known(yesNo, p.Testing))
	x.raw("</policy_published>\n")
}

func (r Row) write(x *writer) {
	x.raw("<record>\n<row>\n")
	x.text("source_ip", r.Source.Unmap().WithZone("").String())
	x.text("count", strconv.FormatInt(max(0, r.Count), 10))
	x.raw("<policy_evaluated>\n")
	x.text("disposition", oneOf(dispositions, r.Disposition))
	x.text("dkim", oneOf(passFail, r.DKIM))
	x.text("spf", oneOf(passFail, r.SPF))
	for _, reason := range r.Reasons[:min(len(r.Reasons), maxReasons)] {
		x.raw("<reason>\n")
		x.text("type", oneOf(reasons, reason.Type))
		x.optional("comment", reason.Comment)
		x.raw("</reason>\n")
	}
	x.raw("</policy_evaluated>\n</row>\n<identifiers>\n")
	x.text("header_from", r.HeaderFrom)
	x.optional("envelope_from", r.EnvelopeFrom)
	x.optional("envelope_to", r.EnvelopeTo)
	x.raw("</identifiers>\n<auth_results>\n")
	for _, s := range r.Signatures[:min(len(r.Signatures), MaxSignatures)] {
		x.raw("<dkim>\n")
		x.text("domain", s.Domain)
		x.text("selector", s.Selector)
		x.text("result", oneOf(dkimWords, s.Result))
		x.optional("human_result", s.Human)
		x.raw("</dkim>\n")
	}
	for _, s := range r.SPFResults[:min(len(r.SPFResults), 1)] {
		x.raw("<spf>\n")
		x.text("domain", s.Domain)
		x.optional("scope", known([]string{"mfrom"}, s.Scope))
		x.text("result", oneOf(spfWords, s.Result))
		x.optional("human_result", s.Human)
		x.raw("</spf>\n")
	}
	x.raw("</auth_results>\n</record>\n")
}

// Day gives the span of the report that a moment belongs to: the day in UTC, to its last second. RFC 9990 3.1.1.4.
func Day(t time.Time) (begin, end time.Time) {
	begin = t.UTC().Truncate(24 * time.Hour)
	return begin, begin.Add(24*time.Hour - time.Second)
}
