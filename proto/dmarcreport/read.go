package dmarcreport

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/message"
)

// Bounds on the XML.
const (
	maxDepth   = 32
	maxToken   = 64 << 10 // octets of one tag, text or comment
	maxText    = 1 << 10  // octets kept of one element's text
	maxReasons = 32       // of one row
	maxErrors  = 16
	maxIdle    = 10_000 // tokens without a row; one with MaxSignatures has a third of it
)

// Read reads a report and hands each row to row, in order, before it reads on; an error of row ends the reading and is given back. The Report
// is whole when Read returns; what came before an error is returned with it. skipped counts the rows without a
// readable address or a number of messages. Elements of other namespaces are passed over (RFC 9990 5), unknown words are kept as they are (cut and in
// lower case). The errors are ErrTooLarge, ErrNotReport, that of row and those of r. RFC 9990 3.1.1.
func Read(r io.Reader, lim Limits, row func(Row) error) (rep Report, skipped int, err error) {
	lim = lim.withDefaults()
	body, err := open(r, lim)
	if err != nil {
		return Report{}, 0, err
	}
	in := &metered{r: bufio.NewReader(body)}
	dec := xml.NewDecoder(in)
	dec.Strict = true
	dec.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		if !message.KnownCharset(charset) {
			return nil, notReport("its charset %.40q is not known", charset)
		}
		return message.CharsetReader(charset, r), nil
	}
	p := parser{rep: &rep, emit: row, rows: lim.Rows}
	for !p.done {
		in.left = maxToken
		token, err := dec.RawToken()
		if err == nil {
			err = p.token(token)
		}
		if err != nil {
			return rep, p.skipped, p.name(err, in.err)
		}
	}
	return rep, p.skipped, p.complete()
}

// metered bounds how much is read for one token, which the decoder holds in memory.
type metered struct {
	r    *bufio.Reader
	left int
	err  error // of the reader below, for the decoder rewraps some
}

func (m *metered) ReadByte() (byte, error) {
	if m.left--; m.left < 0 {
		m.err = fmt.Errorf("%w: one piece of the XML has more than %d octets", ErrTooLarge, maxToken)
		return 0, m.err
	}
	c, err := m.r.ReadByte()
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return c, err
}

// Read is used in place of ReadByte where the document is in another charset.
func (m *metered) Read(p []byte) (int, error) {
	for i := range p {
		c, err := m.ReadByte()
		if err != nil {
			return i, err
		}
		p[i] = c
	}
	return len(p), nil
}

// parser follows the elements. It reads raw tokens and matches tags itself: names are few and nesting is bounded.
type parser struct {
	rep     *Report
	emit    func(Row) error
	rows    int // that may still come
	skipped int
	idle    int // tokens since the last row
	done    bool

	open    []string // names of the open elements, with their prefix
	path    string   // their local names, joined: feedback/record/row
	prefix  string   // of the root, which the elements of the schema share
	foreign int      // depth at which an element of another namespace began; 0: none
	text    []byte
	row     Row
	bad     bool // the row lacks an address or a number
	found   bool // metadata were found
	wrapped bool // the root stands inside a schema element, as one old generator has it
}

// name gives the error of Read for one that the decoder or the parser gave.
func (p *parser) name(err, below error) error {
	if below != nil {
		return below
	}
	var syntax *xml.SyntaxError
	if errors.Is(err, io.EOF) || errors.As(err, &syntax) {
		return notReport("the XML is broken: %w", err)
	}
	return err
}

func (p *parser) token(t xml.Token) error {
	if p.idle++; p.idle > maxIdle {
		return fmt.Errorf("%w: more than %d pieces of XML make no row", ErrTooLarge, maxIdle)
	}
	switch t := t.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		return p.end(t)
	case xml.CharData:
		if room := maxText - len(p.text); p.foreign == 0 && room > 0 {
			p.text = append(p.text, t[:min(len(t), room)]...)
		}
	case xml.Directive:
		return notReport("it has a document type declaration")
	}
	return nil
}

// start opens an element. RFC 9990 3.1.1.1: the root is feedback, in the namespace, or in none as RFC 7489 had it.
func (p *parser) start(t xml.StartElement) error {
	full := t.Name.Space + ":" + t.Name.Local
	switch {
	case len(p.open) == 0 && t.Name.Local == "schema" && !p.wrapped:
		p.wrapped = true
		return nil
	case len(p.open) == 0 && t.Name.Local != "feedback":
		return notReport("its root is %.40q, not feedback", t.Name.Local)
	case len(p.open) == 0:
		p.prefix = t.Name.Space
	case len(p.open) == maxDepth:
		return fmt.Errorf("%w: its elements are nested more than %d deep", ErrTooLarge, maxDepth)
	}
	p.open = append(p.open, full)
	p.text = p.text[:0]
	if p.foreign == 0 && (t.Name.Space != p.prefix || len(p.open) > 1 && otherNamespace(t.Attr)) {
		p.foreign = len(p.open)
	}
	if p.foreign > 0 {
		return nil
	}
	if p.path != "" {
		p.path += "/"
	}
	p.path += t.Name.Local
	switch p.path {
	case "feedback/record":
		p.row, p.bad = Row{}, false
	case "feedback/record/row/policy_evaluated/reason":
		if len(p.row.Reasons) < maxReasons {
			p.row.Reasons = append(p.row.Reasons, Reason{})
		}
	case "feedback/record/auth_results/dkim":
		if len(p.row.Signatures) < MaxSignatures {
			p.row.Signatures = append(p.row.Signatures, Signature{})
		}
	case "feedback/record/auth_results/spf":
		if len(p.row.SPFResults) < maxReasons {
			p.row.SPFResults = append(p.row.SPFResults, SPFResult{})
		}
	}
	return nil
}

// otherNamespace reports whether an element below the root changes the default namespace.
func otherNamespace(attrs []xml.Attr) bool {
	return slices.ContainsFunc(attrs, func(a xml.Attr) bool {
		return a.Name.Space == "" && a.Name.Local == "xmlns" && a.Value != Namespace && a.Value != ""
	})
}

func (p *parser) end(t xml.EndElement) error {
	last := len(p.open) - 1
	if last < 0 || p.open[last] != t.Name.Space+":"+t.Name.Local {
		return notReport("the XML is broken: </%.40s> ends what is not open", t.Name.Local)
	}
	var err error
	switch {
	case p.foreign == 0:
		err = p.element(strings.Join(strings.Fields(strings.ToValidUTF8(string(p.text), "?")), " "))
		p.path = strings.TrimSuffix(strings.TrimSuffix(p.path, t.Name.Local), "/")
	case p.foreign == last+1:
		p.foreign = 0
	}
	p.open, p.text = p.open[:last], p.text[:0]
	p.done = last == 0
	return err
}

// element takes the text of the element that ends.
func (p *parser) element(text string) error {
	if rest, ok := strings.CutPrefix(p.path, "feedback/record"); ok {
		if rest == "" {
			return p.endRow()
		}
		p.rowElement(strings.TrimPrefix(rest, "/"), text)
		return nil
	}
	r := p.rep
	switch p.path {
	case "feedback/version":
		r.Version = text
	case "feedback/report_metadata/org_name":
		r.Organization, p.found = text, true
	case "feedback/report_metadata/email":
		r.Email = text
	case "feedback/report_metadata/extra_contact_info":
		r.ExtraContact = text
	case "feedback/report_metadata/report_id":
		r.ID, p.found = text, true
	case "feedback/report_metadata/error":
		if len(r.Errors) < maxErrors && text != "" {
			r.Errors = append(r.Errors, text)
		}
	case "feedback/report_metadata/generator":
		r.Generator = text
	case "feedback/report_metadata/date_range/begin":
		r.Begin = seconds(text)
	case "feedback/report_metadata/date_range/end":
		r.End = seconds(text)
	default:
		if field, ok := strings.CutPrefix(p.path, "feedback/policy_published/"); ok {
			r.Policy.set(field, text)
		}
	}
	return nil
}

// seconds reads seconds since 1970; some senders add a fraction. What cannot be read gives the zero time. RFC 9990 3.1.1.4.
func seconds(text string) time.Time {
	text, _, _ = strings.Cut(text, ".")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func (p *Published) set(field, text string) {
	word := strings.ToLower(text)
	switch field {
	case "domain":
		p.Domain = word
	case "discovery_method":
		p.Discovery = word
	case "p":
		p.P = word
	case "sp":
		p.SP = word
	case "np":
		p.NP = word
	case "adkim":
		p.ADKIM = word
	case "aspf":
		p.ASPF = word
	case "fo":
		p.FO = word
	case "testing":
		p.Testing = word
	case "pct":
		p.Percent = word
	}
}

// rowElement takes an element of a record; path is relative to it.
func (p *parser) rowElement(path, text string) {
	r := &p.row
	word := strings.ToLower(text)
	switch path {
	case "row/source_ip":
		ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
		p.bad = p.bad || err != nil
		r.Source = ip.WithZone("").Unmap()
	case "row/count":
		n, err := strconv.ParseInt(text, 10, 64)
		p.bad = p.bad || err != nil || n < 0
		r.Count = max(0, n)
	case "row/policy_evaluated/disposition":
		r.Disposition = word
	case "row/policy_evaluated/dkim":
		r.DKIM = word
	case "row/policy_evaluated/spf":
		r.SPF = word
	case "identifiers/header_from":
		r.HeaderFrom = word
	case "identifiers/envelope_from":
		r.EnvelopeFrom = word
	case "identifiers/envelope_to":
		r.EnvelopeTo = word
	default:
		r.partElement(path, text, word)
	}
}

// partElement takes an element of the parts that may be repeated.
func (r *Row) partElement(path, text, word string) {
	if n := len(r.Reasons); n > 0 {
		switch last := &r.Reasons[n-1]; path {
		case "row/policy_evaluated/reason/type":
			last.Type = word
		case "row/policy_evaluated/reason/comment":
			last.Comment = text
		}
	}
	if n := len(r.Signatures); n > 0 {
		switch last := &r.Signatures[n-1]; path {
		case "auth_results/dkim/domain":
			last.Domain = word
		case "auth_results/dkim/selector":
			last.Selector = text
		case "auth_results/dkim/result":
			last.Result = word
		case "auth_results/dkim/human_result":
			last.Human = text
		}
	}
	if n := len(r.SPFResults); n > 0 {
		switch last := &r.SPFResults[n-1]; path {
		case "auth_results/spf/domain":
			last.Domain = word
		case "auth_results/spf/scope":
			last.Scope = word
		case "auth_results/spf/result":
			last.Result = word
		case "auth_results/spf/human_result":
			last.Human = text
		}
	}
}

func (p *parser) endRow() error {
	p.idle = 0
	if p.rows--; p.rows < 0 {
		return fmt.Errorf("%w: it has too many rows", ErrTooLarge)
	}
	if p.bad || !p.row.Source.IsValid() || p.row.Count == 0 {
		p.skipped++
		return nil
	}
	return p.emit(p.row)
}

// complete checks that what a report must have was there.
func (p *parser) complete() error {
	if !p.found || p.rep.Policy.Domain == "" {
		return notReport("it does not say who reports, or on which domain")
	}
	return nil
}
