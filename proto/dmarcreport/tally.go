package dmarcreport

import (
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/proto/dmarc"
)

// MaxRows bounds the rows of one Tally.
const MaxRows = 50_000

// Tally counts the messages that one report tells of. All must have the same Published: another record, or another domain, is
// another report (RFC 9990 3.1, RFC 9990 3.1.2). It is a plain value for one goroutine at a time.
type Tally struct {
	rows  []Row
	index map[string]int
}

// Add counts a row: with an equal one, if there is one. It is false where the Tally is full; the report is due then, and the
// row was not counted.
func (t *Tally) Add(r Row) bool {
	key := r.key()
	if i, ok := t.index[key]; ok {
		t.rows[i].Count += r.Count
		return true
	}
	if len(t.rows) >= MaxRows {
		return false
	}
	if t.index == nil {
		t.index = map[string]int{}
	}
	t.index[key] = len(t.rows)
	t.rows = append(t.rows, r)
	return true
}

// Len is the number of rows.
func (t *Tally) Len() int { return len(t.rows) }

// Rows gives the rows in the order they came first.
func (t *Tally) Rows() iter.Seq[Row] { return slices.Values(t.rows) }

// key is equal for rows that differ only in their number: every text quoted, every list with its length.
func (r Row) key() string {
	b := make([]byte, 0, 256)
	add := func(texts ...string) {
		for _, s := range texts {
			b = append(strconv.AppendQuote(b, s), ' ')
		}
	}
	add(r.Source.String(), r.Disposition, r.DKIM, r.SPF, r.HeaderFrom, r.EnvelopeFrom, r.EnvelopeTo, strconv.Itoa(len(r.Reasons)), strconv.Itoa(len(r.Signatures)))
	for _, x := range r.Reasons {
		add(x.Type, x.Comment)
	}
	for _, x := range r.Signatures {
		add(x.Domain, x.Selector, x.Result, x.Human)
	}
	for _, x := range r.SPFResults {
		add(x.Domain, x.Scope, x.Result, x.Human)
	}
	return string(b)
}

// Message is what a Row needs to know beside the verdict.
type Message struct {
	Source       netip.Addr
	EnvelopeFrom string // the domain of MAIL FROM; empty for the null sender
	EnvelopeTo   string // the domain of the recipient; may be empty
	// Applied is what we did, in the words of the policy, and Why the reason where it is not what the owner asked for; without one,
	// local_policy is given.
	Applied    dmarc.Policy
	Why        Reason
	Signatures []Signature // in any order
	SPF        SPFResult   // zero: not checked
}

// RowOf makes the row for one message that a policy applies to. RFC 9990 3.1.1.9, RFC 9990 3.1.3.
func RowOf(v dmarc.Verdict, m Message) Row {
	r := Row{Source: m.Source, Count: 1, Disposition: string(m.Applied), DKIM: word(v.AlignedDKIM), SPF: word(v.AlignedSPF), HeaderFrom: v.Author, EnvelopeFrom: m.EnvelopeFrom, EnvelopeTo: m.EnvelopeTo}
	if v.Result == dmarc.Pass && m.Applied == dmarc.PolicyNone && v.Published != dmarc.PolicyNone {
		r.Disposition = "pass" // the policy would have been enforced
	}
	if v.Tested {
		r.Reasons = append(r.Reasons, Reason{Type: PolicyTestMode})
	}
	if m.Applied != v.Wish {
		if m.Why.Type == "" {
			m.Why.Type = LocalPolicy
		}
		r.Reasons = append(r.Reasons, m.Why)
	}
	r.Signatures = slices.Clone(m.Signatures)
	slices.SortStableFunc(r.Signatures, func(a, b Signature) int { return a.rank(v) - b.rank(v) })
	r.Signatures = r.Signatures[:min(len(r.Signatures), MaxSignatures)]
	if m.SPF != (SPFResult{}) {
		m.SPF.Scope = "mfrom"
		r.SPFResults = []SPFResult{m.SPF}
	}
	return r
}

// rank orders signatures as RFC 9990 3.1.3 prefers them.
func (s Signature) rank(v dmarc.Verdict) int {
	domain := strings.ToLower(s.Domain)
	switch {
	case s.Result != "pass":
		return 3
	case domain == v.Author:
		return 0
	case domain == v.DKIMDomain || v.Organization != "" && (domain == v.Organization || strings.HasSuffix(domain, "."+v.Organization)):
		return 1
	}
	return 2
}

func word(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}

// PublishedOf gives the policy a verdict was made by. RFC 9990 3.1.1.5.
func PublishedOf(v dmarc.Verdict) Published {
	mode := map[bool]string{false: "r", true: "s"}
	return Published{
		Domain: v.PolicyDomain, Discovery: "treewalk", P: string(v.Record.Policy), SP: string(v.Record.Subdomain), NP: string(v.Record.NonExistent),
		ADKIM: mode[v.Record.StrictDKIM], ASPF: mode[v.Record.StrictSPF], FO: v.Record.Options.String(), Testing: map[bool]string{false: "n", true: "y"}[v.Record.Testing],
	}
}
