package dmarc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postrider/postrider/proto/addr"
)

// Bounds on the questions to the DNS.
const (
	maxWalk = 8 // of one walk (RFC 9989 4.10)
	// MaxQueries bounds the names asked for in one evaluation. Beyond it a walk fails as if the DNS did not answer.
	MaxQueries = 40
)

// Status is how the DNS answered.
type Status uint8

// Only NoName means that a name does not exist (RFC 8020 2); Failed is everything that is no answer: time, SERVFAIL, a bogus signature.
const (
	Found  Status = iota // there are records of the type
	NoData               // the name exists, without such records
	NoName               // NXDOMAIN
	Failed
)

// Resolver is how this package asks the DNS. Names are absolute, in A-labels and lower case, without the last dot. Both functions are
// called one after the other in the caller's goroutine and keep to the deadline of ctx.
type Resolver struct {
	// TXT gives the TXT records at a name, the strings of each joined (RFC 9989 4.5).
	TXT func(ctx context.Context, name string) (records []string, status Status)
	// Exists asks for any type of record at a name; Found and NoData say that it exists. It is asked at most once an evaluation and
	// author, where np matters. Nil: every name exists.
	Exists func(ctx context.Context, name string) Status
}

// errDNS says that the DNS failed; it never leaves the package.
var errDNS = errors.New("the DNS did not answer")

// found is what one name had: a record, or nothing.
type found struct {
	domain string
	record Record
	ok     bool
	note   string // why there is nothing although something is there
}

// asker asks with a memory, so that walks that meet ask only once.
type asker struct {
	Resolver
	known map[string]found
	fails map[string]bool
}

func (r Resolver) asker() *asker {
	return &asker{Resolver: r, known: map[string]found{}, fails: map[string]bool{}}
}

// policyAt asks for the record of one domain. RFC 9989 4.10, steps 2 and 6: what is no record is passed over, and of two records none counts.
func (a *asker) policyAt(ctx context.Context, domain string) (found, error) {
	if f, ok := a.known[domain]; ok {
		return f, nil
	}
	name := "_dmarc." + domain
	f := found{domain: domain}
	switch {
	case len(name) > addr.MaxDomain: // no such name can exist
		return f, nil
	case a.fails[domain], len(a.known)+len(a.fails) >= MaxQueries, ctx.Err() != nil:
		return f, errDNS
	}
	texts, status := a.TXT(ctx, name)
	if status == Failed {
		a.fails[domain] = true
		return f, errDNS
	}
	for _, text := range texts {
		r, err := Parse(text)
		if err != nil {
			continue
		}
		if f.ok {
			f = found{domain: domain, note: fmt.Sprintf("%s has more than one DMARC record, so none of them counts", domain)}
			break
		}
		f.record, f.ok = r, true
	}
	a.known[domain] = f
	return f, nil
}

// above gives the domains of a walk that starts at domain, itself first (RFC 9989 4.10, steps 1, 4 and 7).
func above(domain string) []string {
	names := []string{domain}
	labels := strings.Split(domain, ".")
	for n := min(len(labels)-1, maxWalk-1); n > 0; n-- {
		names = append(names, strings.Join(labels[len(labels)-n:], "."))
	}
	return names
}

// walk is what one tree walk found, from the longest name to the shortest.
type walk struct {
	start string
	found []found
	notes []string
}

// walk asks for the records above a domain, from itself on, until one says whether it is a public suffix. RFC 9989 4.10.
func (a *asker) walk(ctx context.Context, domain string) (walk, error) {
	w := walk{start: domain}
	for _, name := range above(domain) {
		f, err := a.policyAt(ctx, name)
		if err != nil {
			return w, err
		}
		if f.note != "" {
			w.notes = append(w.notes, f.note)
		}
		if !f.ok {
			continue
		}
		w.found = append(w.found, f)
		if f.record.Suffix != SuffixUnknown {
			break
		}
	}
	return w, nil
}

// organizational is the domain at the top of what belongs together with the start of the walk. RFC 9989 4.10.2.
func (w walk) organizational() string {
	if len(w.found) == 0 {
		return w.start
	}
	last := w.found[len(w.found)-1] // only the last can have psd
	if last.record.Suffix == SuffixYes && last.domain != w.start {
		return oneBelow(last.domain, w.start)
	}
	return last.domain
}

// policy is the record that applies to the start of the walk. RFC 9989 4.10.1: its own, that of its organizational
// domain, or that of the public suffix.
func (w walk) policy() (found, bool) {
	if len(w.found) == 0 {
		return found{}, false
	}
	organizational := w.organizational()
	for _, f := range w.found {
		if f.domain == w.start || f.domain == organizational {
			return f, true
		}
	}
	last := w.found[len(w.found)-1]
	return last, last.record.Suffix == SuffixYes
}

// oneBelow gives the ancestor (or self) of domain that is one label longer than suffix.
func oneBelow(suffix, domain string) string {
	rest := strings.TrimSuffix(domain, "."+suffix)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
}

// within reports whether a domain is another, or stands below it.
func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}

// aligned reports whether two domains have the same organizational domain; organization is that of the author.
// The organizational domain of a name is always an ancestor of it, so most strangers need no question at all. RFC 9989 4.10.2.
func (a *asker) aligned(ctx context.Context, domain, author, organization string) (bool, error) {
	switch {
	case domain == author:
		return true, nil
	case !within(domain, organization):
		return false, nil
	}
	w, err := a.walk(ctx, domain)
	if err != nil {
		return false, err
	}
	return w.organizational() == organization, nil
}

// domainName brings a domain into the form that is compared; ok is false for literals and what is no name.
func domainName(s string) (string, bool) {
	name, err := addr.NormalDomain(s)
	return name, err == nil && !strings.HasPrefix(name, "[")
}
