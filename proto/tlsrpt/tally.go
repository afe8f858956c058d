package tlsrpt

import (
	"slices"
	"strings"
	"time"
)

// Tally counts the sessions with one domain until a report is due. It is a plain value for one goroutine at a time; stored as
// the Report it makes, it can be taken up again with Merge. RFC 8460 4.1, RFC 8460 4.2.
//
// Beyond MaxPolicies and MaxFailures it goes on counting: further policies fall under the last, further kinds of failure stand in the
// summary alone.
type Tally struct {
	policies []PolicyResult
	places   []map[Failure]int // of each policy: where a failure stands, its number left out
}

// Day gives the span of the report that a moment belongs to: the day in UTC, to its last second. RFC 8460 4.1.
func Day(t time.Time) (begin, end time.Time) {
	begin = t.UTC().Truncate(24 * time.Hour)
	return begin, begin.Add(24*time.Hour - time.Second)
}

// Success counts a session that kept the policy. RFC 8460 4.2.1.
func (t *Tally) Success(p Policy) { t.policies[t.at(p)].Successful++ }

// Fail counts a session that did not; f.Sessions is the number of sessions, at least one. A session is counted once even
// where it failed several times over. RFC 8460 4.2.2.
func (t *Tally) Fail(p Policy, f Failure) {
	f.Sessions = max(1, f.Sessions)
	i := t.at(p)
	t.policies[i].Failed += f.Sessions
	t.add(i, f)
}

// Merge adds what a report holds.
func (t *Tally) Merge(r Report) {
	for _, p := range r.Policies {
		i := t.at(p.Policy)
		t.policies[i].Successful += p.Successful
		t.policies[i].Failed += p.Failed
		for _, f := range p.Failures {
			t.add(i, f)
		}
	}
}

// Empty reports whether nothing was counted; there is no report to send then.
func (t *Tally) Empty() bool { return len(t.policies) == 0 }

// Report gives the report: r with the counted policies.
func (t *Tally) Report(r Report) Report {
	r.Policies = make([]PolicyResult, len(t.policies))
	for i, p := range t.policies {
		p.Failures = slices.Clone(p.Failures)
		r.Policies[i] = p
	}
	return r
}

// at gives the place of a policy.
func (t *Tally) at(p Policy) int {
	for i := range t.policies {
		if have := &t.policies[i].Policy; have.Type == p.Type && have.Domain == p.Domain && slices.Equal(have.String, p.String) && slices.Equal(have.MX, p.MX) {
			return i
		}
	}
	if len(t.policies) < MaxPolicies {
		p.String, p.MX = slices.Clone(p.String), slices.Clone(p.MX)
		t.policies = append(t.policies, PolicyResult{Policy: p})
		t.places = append(t.places, map[Failure]int{})
	}
	return len(t.policies) - 1
}

// add joins failures that differ only in their number.
func (t *Tally) add(i int, f Failure) {
	const maxSaid = 300
	f.Information, f.ReasonCode = clip(f.Information, maxSaid), clip(f.ReasonCode, maxSaid)
	key := f
	key.Sessions = 0
	p := &t.policies[i]
	if at, ok := t.places[i][key]; ok {
		p.Failures[at].Sessions += f.Sessions
		return
	}
	if len(p.Failures) < MaxFailures {
		t.places[i][key] = len(p.Failures)
		p.Failures = append(p.Failures, f)
	}
}

func clip(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
