package dns

import (
	"context"
	"errors"
	"time"

	wire "github.com/miekg/dns"
)

// Bounds on the work for one question, so that no zone can make it endless (CVE-2023-50387, CVE-2023-50868). An honest answer from
// nothing cached takes about ten queries and twenty signatures.
const (
	maxQueries    = 40  // questions sent
	maxChecks     = 128 // signatures verified, and keys digested for DS records
	maxHashes     = 256 // names hashed for NSEC3, each of up to maxIterations rounds
	maxIterations = 100 // RFC 9276 3.2: more make the answer insecure
	maxTries      = 8   // signatures verified for one set of records
	maxTwins      = 4   // keys of one tag and algorithm
	maxKeys       = 32  // keys of one zone that are looked at
	maxDS         = 16  // DS records of one zone that are looked at
	maxProofs     = 24  // NSEC and NSEC3 records of one zone in one answer that are looked at
	maxSigners    = 2   // zones that claim to have signed one set of records
)

// Bounds on how long things are kept.
const (
	maxTrustTTL = 24 * time.Hour
	minTrustTTL = 5 * time.Second  // so that zero does not repeat the whole chain within one delivery
	bogusTTL    = 30 * time.Second // RFC 4035 4.7: a short memory of what failed
)

// work is the state of one question. It belongs to one goroutine.
type work struct {
	v       *validator
	now     time.Time
	queries int
	checks  int
	hashes  int
}

var errWork = errors.New("too much work")

// query asks the name servers. Owner names of the answer are in canonical form.
func (w *work) query(ctx context.Context, name string, qtype uint16) (*wire.Msg, error) {
	what := wire.TypeToString[qtype] + " records of " + show(name)
	if w.queries--; w.queries < 0 {
		return nil, unknown(errWork, "checking DNSSEC took more than %d questions, the last was for the %s", maxQueries, what)
	}
	msg, err := w.v.ask(ctx, name, qtype)
	if err != nil {
		return nil, unknown(err, "the %s cannot be had now: %v", what, err)
	}
	for _, section := range [][]wire.RR{msg.Answer, msg.Ns} {
		for _, rr := range section {
			h := rr.Header()
			h.Name = wire.CanonicalName(h.Name)
		}
	}
	return msg, nil
}

// check counts one signature or digest.
func (w *work) check() error {
	if w.checks--; w.checks < 0 {
		return unknown(errWork, "checking DNSSEC took more than %d signatures", maxChecks)
	}
	return nil
}

// rrset is the records of one name and type in a section.
func rrset(section []wire.RR, name string, qtype uint16) []wire.RR {
	var out []wire.RR
	for _, rr := range section {
		if h := rr.Header(); h.Rrtype == qtype && h.Class == wire.ClassINET && h.Name == name {
			out = append(out, rr)
		}
	}
	return out
}

// signatures are those over the records of one name and type in a section.
func signatures(section []wire.RR, name string, qtype uint16) []*wire.RRSIG {
	var out []*wire.RRSIG
	for _, rr := range section {
		if s, ok := rr.(*wire.RRSIG); ok && s.TypeCovered == qtype && s.Hdr.Class == wire.ClassINET && s.Hdr.Name == name {
			out = append(out, s)
		}
	}
	return out
}

// show writes a name for people.
func show(name string) string {
	if name == "." {
		return "the root"
	}
	return text(name)
}

// parent is the name one label up; the root's is the root.
func parent(name string) string {
	at, end := wire.NextLabel(name, 0)
	if end || name == "." {
		return "."
	}
	return name[at:]
}

// up cuts a name down to its last n labels.
func up(name string, n int) string {
	at := wire.Split(name)
	if n <= 0 || len(at) == 0 {
		return "."
	}
	return name[at[max(0, len(at)-n)]:]
}

// below lists name and what is above it, down from a zone's first label: for "a.b.c." under "c." it is "b.c.", "a.b.c.".
func below(zone, name string) []string {
	var out []string
	for n := wire.CountLabel(zone) + 1; n <= wire.CountLabel(name); n++ {
		out = append(out, up(name, n))
	}
	return out
}

// sortKey is a name in a form whose octet order is the canonical order of names (RFC 4034 6.1), and in which a name is the beginning of
// every name below it. It is "" for the root, and for what is no name.
func sortKey(name string) string {
	var buf [256]byte
	n, err := wire.PackDomainName(name, buf[:], 0, nil, false)
	if err != nil {
		return ""
	}
	var labels [128][]byte
	count := 0
	for i := 0; i < n && buf[i] != 0; i += 1 + int(buf[i]) {
		labels[count] = buf[i+1 : i+1+int(buf[i])]
		count++
	}
	out := make([]byte, 0, n+count)
	for i := count - 1; i >= 0; i-- {
		for _, c := range labels[i] {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c < 2 { // make room for the end of a label, which comes before all octets
				out = append(out, 1)
				c++
			}
			out = append(out, c)
		}
		out = append(out, 0)
	}
	return string(out)
}
