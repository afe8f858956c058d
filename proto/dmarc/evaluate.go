package dmarc

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Result is the result of a check in the words of RFC 8601 2.7. Of SPF and DKIM only Pass and TempError matter here.
type Result string

// The results of DMARC itself (RFC 9989 9.2).
const (
	None      Result = "none"      // no policy applies
	Pass      Result = "pass"      // an aligned identifier
	Fail      Result = "fail"      // a policy, but no aligned identifier
	TempError Result = "temperror" // the DNS failed; later there may be a result
	PermError Result = "permerror" // the record of the domain cannot be used
)

// Bounds on one message; see Evaluate.
const (
	MaxAuthors     = 4  // different domains in From
	maxIdentifiers = 16 // DKIM domains looked at, aligned ones first
)

// Identifier is a domain that SPF or DKIM looked at, and what came of it.
type Identifier struct {
	Domain string // of MAIL FROM (of HELO for the null sender, RFC 9989 3.2.4), or the d= of a signature
	Result Result // pass, temperror, or any other word of RFC 8601
}

// Input is what Evaluate judges by.
type Input struct {
	// From has the domain of every address in every From field, as it stands there; an address without a domain gives an
	// empty string. What is no domain (a literal, nonsense) cannot be judged and counts as one more author.
	From []string
	SPF  Identifier // zero: not checked
	DKIM []Identifier
}

// Verdict is what DMARC says of a message.
type Verdict struct {
	Result Result
	// Author is the domain in From as A-labels; empty where there is none that could be judged.
	Author string
	// PolicyDomain is where the record was found, and Record that record; empty where no policy applies.
	PolicyDomain string
	Record       Record
	// Organization is the organizational domain of the author; empty where it did not have to be known.
	Organization string
	// Published is the policy that applies to this author, from the tag Tag (p, sp or np); empty where none applies.
	Published Policy
	Tag       string
	// Wish is what the owner asks to be done with this message: PolicyNone unless Result is Fail. Tested says that it is one level weaker
	// than Published because the owner is testing.
	Wish   Policy
	Tested bool
	// AlignedSPF and AlignedDKIM tell which mechanisms passed for an aligned domain; DKIMDomain is that of the signature.
	AlignedSPF  bool
	AlignedDKIM bool
	DKIMDomain  string
	// Reason is one sentence for people.
	Reason string
}

// Evaluate judges a message. RFC 9989 5.3.
//
// Several From domains are judged one by one, as RFC 9989 11.5 describes, and the worst verdict counts; beyond MaxAuthors
// the result is PermError, for such a message wants to hide something.
func (r Resolver) Evaluate(ctx context.Context, in Input) Verdict {
	authors, wrong := authorsOf(in.From)
	switch {
	case len(authors)+wrong == 0:
		return Verdict{Result: None, Wish: PolicyNone, Reason: "the message names no author"}
	case len(authors)+wrong > MaxAuthors:
		return Verdict{Result: PermError, Wish: PolicyNone, Reason: fmt.Sprintf("the message names authors in more than %d domains", MaxAuthors)}
	}
	ask := r.asker()
	var worst Verdict
	for i, author := range authors {
		if v := ask.evaluate(ctx, author, in); i == 0 || v.severity() > worst.severity() {
			worst = v
		}
	}
	if nothing := (Verdict{Result: None, Wish: PolicyNone, Reason: "an author's address has no domain that could be asked"}); wrong > 0 &&
		(len(authors) == 0 || nothing.severity() > worst.severity()) {
		return nothing
	}
	return worst
}

// authorsOf gives the different domains of From, and how many were none. RFC 9989 5.3.1.
func authorsOf(from []string) (authors []string, wrong int) {
	for _, domain := range from {
		name, ok := domainName(domain)
		switch {
		case !ok:
			wrong = 1
		case !slices.Contains(authors, name):
			if authors = append(authors, name); len(authors) > MaxAuthors {
				return authors, wrong
			}
		}
	}
	return authors, wrong
}

// severity orders the verdicts of several authors: what is least sure to be theirs counts.
func (v Verdict) severity() int {
	switch {
	case v.Result == Fail && v.Wish != PolicyNone:
		return 10 + v.Wish.rank()
	case v.Result == TempError:
		return 5
	case v.Result == Fail:
		return 4
	case v.Result == PermError:
		return 3
	case v.Result == None:
		return 2
	}
	return 1
}

// evaluate judges for one author.
func (a *asker) evaluate(ctx context.Context, author string, in Input) Verdict {
	v := Verdict{Author: author, Wish: PolicyNone}
	at, w, walked, err := a.discover(ctx, author)
	switch {
	case err != nil:
		v.Result, v.Reason = TempError, fmt.Sprintf("the DNS could not say whether %s has a DMARC policy", author)
		return v
	case !at.ok:
		v.Result, v.Reason = None, author+" has no DMARC policy"
		if len(w.notes) > 0 {
			v.Reason = w.notes[0]
		}
		return v
	}
	v.PolicyDomain, v.Record = at.domain, at.record
	if at.record.Unusable != "" {
		v.Result, v.Reason = PermError, at.record.Unusable
		if at.record.NoPolicy {
			v.Result = None
		}
		return v
	}
	m := matcher{asker: a, author: author, record: at.record}
	if walked {
		m.organization = w.organizational()
	}
	v.AlignedSPF = m.match(ctx, in.SPF, at.record.StrictSPF)
	for _, id := range signatures(in.DKIM, author) {
		if m.match(ctx, id, at.record.StrictDKIM) {
			v.AlignedDKIM, v.DKIMDomain = true, id.Domain
			break
		}
	}
	v.Organization = m.organization
	a.conclude(ctx, &v, m.unsure)
	return v
}

// discover finds the record that applies. The rest of a walk is spared while the author has a record of its own. RFC 9989 4.10.1.
func (a *asker) discover(ctx context.Context, author string) (at found, w walk, walked bool, err error) {
	own, err := a.policyAt(ctx, author)
	if err != nil || own.ok {
		return own, walk{}, false, err
	}
	if w, err = a.walk(ctx, author); err == nil {
		at, _ = w.policy()
	}
	return at, w, true, err
}

// signatures gives the identifiers of DKIM in the order to look at: the author's own domain, then relatives, then passes before the rest.
func signatures(all []Identifier, author string) (list []Identifier) {
	rank := func(id Identifier) int {
		switch {
		case id.Domain == author:
			return 0
		case within(id.Domain, author) || within(author, id.Domain):
			return 1
		}
		return 2
	}
	for _, id := range all {
		name, ok := domainName(id.Domain)
		id.Domain = name
		if ok && (id.Result == Pass || id.Result == TempError) && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	slices.SortStableFunc(list, func(a, b Identifier) int {
		if a.Result != b.Result {
			return strings.Compare(string(a.Result), string(b.Result)) // pass before temperror
		}
		return rank(a) - rank(b)
	})
	return list[:min(len(list), maxIdentifiers)]
}

// matcher compares identifiers with one author.
type matcher struct {
	*asker
	author       string
	record       Record
	organization string // of the author, once it is known
	unsure       string // what could have made the message pass, had the DNS answered
}

// match reports whether an identifier passed and aligns. RFC 9989 4.4, RFC 9989 4.10.2.
func (m *matcher) match(ctx context.Context, id Identifier, strict bool) bool {
	domain, ok := domainName(id.Domain)
	if !ok || id.Result != Pass && id.Result != TempError {
		return false
	}
	aligned, err := domain == m.author, error(nil)
	if !aligned && !strict {
		aligned, err = m.relaxed(ctx, domain)
	}
	switch {
	case err != nil:
		m.unsure = domain + " may belong to " + m.author + ", but the DNS did not answer"
	case aligned && id.Result == TempError:
		m.unsure = "the check of " + domain + " could not be completed"
	}
	return err == nil && aligned && id.Result == Pass
}

func (m *matcher) relaxed(ctx context.Context, domain string) (bool, error) {
	if m.organization == "" {
		// Whatever the author's organization is, it is an ancestor of the author: without a common parent no question is needed.
		if !sameTop(domain, m.author) {
			return false, nil
		}
		w, err := m.walk(ctx, m.author)
		if err != nil {
			return false, err
		}
		m.organization = w.organizational()
	}
	return m.aligned(ctx, domain, m.author, m.organization)
}

// sameTop reports whether two names have the same last label.
func sameTop(a, b string) bool {
	return a[strings.LastIndexByte(a, '.')+1:] == b[strings.LastIndexByte(b, '.')+1:]
}

// conclude sets the result, the policy that applies, and the sentence. RFC 9989 5.3.5, RFC 9989 5.3.6.
func (a *asker) conclude(ctx context.Context, v *Verdict, unsure string) {
	existence := a.choose(ctx, v)
	switch {
	case v.AlignedSPF || v.AlignedDKIM:
		v.Result, v.Reason = Pass, v.passReason()
		return
	case unsure != "":
		v.Result, v.Reason = TempError, unsure
		return
	case existence == Failed:
		v.Result, v.Reason = TempError, "the DNS could not say whether "+v.Author+" exists"
		return
	}
	v.Result, v.Wish = Fail, v.Published
	if v.Record.Testing && v.Published != PolicyNone {
		v.Wish, v.Tested = v.Published.Weaker(), true
	}
	v.Reason = fmt.Sprintf("neither SPF nor DKIM passed for a domain that belongs to %s; %s asks for %s", v.Author, v.PolicyDomain, v.Wish)
	if v.Tested {
		v.Reason += fmt.Sprintf(" (it is testing %s)", v.Published)
	}
}

// choose finds which of p, sp and np applies. The existence of the author is asked only where the answer makes a difference and the
// message did not pass. RFC 9989 4.7, RFC 9989 4.10.1.
func (a *asker) choose(ctx context.Context, v *Verdict) Status {
	r := v.Record
	v.Published, v.Tag = r.Policy, "p"
	if v.Author == v.PolicyDomain {
		return Found
	}
	if r.Subdomain != "" {
		v.Published, v.Tag = r.Subdomain, "sp"
	}
	if r.NonExistent == "" || a.Exists == nil || v.AlignedSPF || v.AlignedDKIM || r.NonExistent == v.Published {
		return Found
	}
	status := Failed
	if ctx.Err() == nil {
		status = a.Exists(ctx, v.Author)
	}
	if status == NoName {
		v.Published, v.Tag = r.NonExistent, "np"
	}
	return status
}

func (v *Verdict) passReason() string {
	switch {
	case v.AlignedSPF && v.AlignedDKIM:
		return fmt.Sprintf("SPF and the DKIM signature of %s passed for %s", v.DKIMDomain, v.Author)
	case v.AlignedDKIM:
		return fmt.Sprintf("the DKIM signature of %s passed for %s", v.DKIMDomain, v.Author)
	}
	return "SPF passed for " + v.Author
}
