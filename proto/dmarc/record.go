package dmarc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds on one record; what is beyond is refused (text) or passed over with a fault (tags, addresses).
const (
	MaxRecord = 16 << 10 // octets
	MaxTags   = 64
	MaxURIs   = 16 // of each of rua and ruf
)

// Policy is what the owner of a domain asks to be done with mail that fails. The empty Policy is an absent tag.
type Policy string

// The policies of RFC 9989 4.7.
const (
	PolicyNone       Policy = "none"
	PolicyQuarantine Policy = "quarantine"
	PolicyReject     Policy = "reject"
)

// Weaker is the policy one level below, which is applied while the owner is testing (tag t, RFC 9989 4.7).
func (p Policy) Weaker() Policy {
	if p == PolicyReject {
		return PolicyQuarantine
	}
	return PolicyNone
}

// rank orders policies by how strict they are.
func (p Policy) rank() int {
	return slices.Index([]Policy{PolicyNone, PolicyQuarantine, PolicyReject}, p)
}

// Suffix is the value of the tag psd: whether the domain of a record is a public suffix.
type Suffix byte

// The values of psd (RFC 9989 4.7).
const (
	SuffixUnknown Suffix = 'u' // the tree walk decides; this is the default
	SuffixYes     Suffix = 'y' // a public suffix: what stands below belongs to others
	SuffixNo      Suffix = 'n' // the organizational domain of itself and of all below
)

// Options says which failure reports are asked for (tag fo, RFC 9989 4.7). It counts only where ruf is given.
type Options struct {
	Any  bool // 1: any mechanism failed to give an aligned pass; else only when all failed (0, the default)
	DKIM bool // d: a signature failed, aligned or not
	SPF  bool // s: SPF failed, aligned or not
}

// String writes the options as the value of fo.
func (o Options) String() string {
	s := "0"
	if o.Any {
		s = "1"
	}
	if o.DKIM {
		s += ":d"
	}
	if o.SPF {
		s += ":s"
	}
	return s
}

// Record is a DMARC policy record. Tags that are absent or not understood have their defaults.
type Record struct {
	Policy      Policy // p
	Subdomain   Policy // sp; empty where absent
	NonExistent Policy // np; empty where absent
	Suffix      Suffix // psd
	Testing     bool   // t=y
	StrictDKIM  bool   // adkim=s
	StrictSPF   bool   // aspf=s
	Options     Options
	Aggregate   []URI // rua
	Failure     []URI // ruf
	// Unusable says why the record asks for nothing: its policy is missing or wrong and no address for reports saves it
	// (RFC 9989 4.10.1). Empty for a usable record. An unusable one still has its place in the tree walk.
	Unusable string
	// NoPolicy is set where there is no p at all, as in the records that only permit reports.
	NoPolicy bool
	// Faults are the things that were passed over, one sentence each, for the owner (doctor, the error element of reports).
	Faults []string
}

// ErrNotRecord is given for a text that is no DMARC record at all: it does not start with v=DMARC1.
var ErrNotRecord = errors.New("the text is no DMARC record: it does not start with v=DMARC1")

// Parse reads the text of one TXT record, its strings joined. The only error is ErrNotRecord: a text that starts as it
// should is a record whatever follows, with defaults for what is wrong in it (RFC 9989 4.8).
func Parse(text string) (Record, error) {
	r := Record{Suffix: SuffixUnknown}
	tags, ok := splitTags(text)
	if !ok {
		return Record{}, ErrNotRecord
	}
	seen := map[string]bool{}
	wrong := "" // policy tags with a value that is none
	for _, t := range tags {
		switch {
		case t.name == "":
			r.fault("%q is no tag", clip(t.value))
		case seen[t.name]:
			r.fault("the tag %s is given twice; the first counts", clip(t.name))
		default:
			seen[t.name] = true
			if !r.set(t) {
				wrong = t.name
			}
		}
	}
	r.settle(seen["p"], wrong)
	return r, nil
}

// set takes one tag. It is false for a policy that is none of the known ones.
func (r *Record) set(t tag) bool {
	value := strings.ToLower(t.value)
	switch t.name {
	case "p":
		return r.policy(&r.Policy, t)
	case "sp":
		return r.policy(&r.Subdomain, t)
	case "np":
		return r.policy(&r.NonExistent, t)
	case "psd":
		if value == "y" || value == "n" || value == "u" {
			r.Suffix = Suffix(value[0])
			return true
		}
	case "t":
		if value == "y" || value == "n" {
			r.Testing = value == "y"
			return true
		}
	case "adkim", "aspf":
		if value == "r" || value == "s" {
			if t.name == "adkim" {
				r.StrictDKIM = value == "s"
			} else {
				r.StrictSPF = value == "s"
			}
			return true
		}
	case "fo":
		var ok bool
		if r.Options, ok = parseOptions(value); ok {
			return true
		}
	case "rua":
		r.Aggregate = r.uris(t)
		return true
	case "ruf":
		r.Failure = r.uris(t)
		return true
	case "pct", "rf", "ri":
		r.fault("the tag %s is no longer used", t.name)
		return true
	default:
		return true // RFC 9989 4.7: unknown tags are passed over
	}
	r.fault("the tag %s has the value %q, which it cannot have; its default counts", t.name, clip(t.value))
	return true
}

func (r *Record) policy(to *Policy, t tag) bool {
	p := Policy(strings.ToLower(t.value))
	if p.rank() < 0 {
		r.fault("the tag %s is %q, which is none of none, quarantine and reject", t.name, clip(t.value))
		return false
	}
	*to = p
	return true
}

// settle applies RFC 9989 4.10.1: a missing or wrong policy is none if reports are asked for, else the record is not used.
func (r *Record) settle(hasPolicy bool, wrong string) {
	r.NoPolicy = !hasPolicy
	if hasPolicy && wrong == "" {
		return
	}
	if wrong == "" {
		wrong = "p"
		r.fault("the tag p is missing")
	}
	r.Policy, r.Subdomain, r.NonExistent = PolicyNone, "", ""
	if len(r.Aggregate) == 0 {
		r.Unusable = fmt.Sprintf("the tag %s of the DMARC record is missing or wrong, and there is no rua", wrong)
	}
}

func (r *Record) fault(format string, args ...any) {
	const enough = 16
	if len(r.Faults) < enough {
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}

// parseOptions reads the value of fo (RFC 9989 4.8); what breaks its grammar leaves the default.
func parseOptions(value string) (o Options, ok bool) {
	seen := map[string]bool{}
	for item := range strings.SplitSeq(value, ":") {
		item = strings.Trim(item, " \t")
		if seen[item] || !slices.Contains([]string{"0", "1", "d", "s"}, item) {
			return Options{}, false
		}
		seen[item] = true
	}
	if seen["0"] && seen["1"] {
		return Options{}, false
	}
	return Options{Any: seen["1"], DKIM: seen["d"], SPF: seen["s"]}, true
}

// tag is one tag=value of a record, both trimmed, the name in lower case; without a name for what has no such form.
type tag struct{ name, value string }

// splitTags cuts a record into its tags behind the version; ok is false where the version is not its start. RFC 9989 4.8.
func splitTags(text string) (tags []tag, ok bool) {
	if len(text) > MaxRecord || text == "" || strings.ToLower(text[:1]) != "v" {
		return nil, false
	}
	first, rest, _ := strings.Cut(text, ";")
	version := parseTag(first)
	if version.name != "v" || version.value != "DMARC1" {
		return nil, false
	}
	for rest != "" && len(tags) < MaxTags {
		var one string
		one, rest, _ = strings.Cut(rest, ";")
		if strings.Trim(one, " \t") != "" {
			tags = append(tags, parseTag(one))
		}
	}
	return tags, true
}

func parseTag(s string) tag {
	name, value, ok := strings.Cut(s, "=")
	name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
	wrong := func(r rune) bool { return r < 'a' || r > 'z' }
	if !ok || name == "" || value == "" || strings.ContainsFunc(name, wrong) {
		return tag{value: s}
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return tag{value: s}
		}
	}
	return tag{name, value}
}

// String writes the record as one would publish it. Defaults are left out; Faults and Unusable are not in it.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString("v=DMARC1")
	add := func(name, value string, when bool) {
		if when {
			b.WriteString("; " + name + "=" + value)
		}
	}
	add("p", string(r.Policy), r.Policy.rank() >= 0 && !r.NoPolicy)
	add("sp", string(r.Subdomain), r.Subdomain.rank() >= 0)
	add("np", string(r.NonExistent), r.NonExistent.rank() >= 0)
	add("psd", string(rune(r.Suffix)), r.Suffix == SuffixYes || r.Suffix == SuffixNo)
	add("t", "y", r.Testing)
	add("adkim", "s", r.StrictDKIM)
	add("aspf", "s", r.StrictSPF)
	add("fo", r.Options.String(), r.Options != Options{})
	add("rua", joinURIs(r.Aggregate), len(r.Aggregate) > 0)
	add("ruf", joinURIs(r.Failure), len(r.Failure) > 0)
	return b.String()
}

// clip shortens what a stranger wrote, for a sentence.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
