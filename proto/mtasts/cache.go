package mtasts

import "time"

const (
	// Refresh is how old a policy may become before it is fetched anew although its identifier is the same. RFC 8461 3.3.
	Refresh = 24 * time.Hour
	// RetryFetch is how long a failed fetch is not tried again for the same identifier. RFC 8461 3.3.
	RetryFetch = 5 * time.Minute
)

// Entry is what is remembered of one domain. The zero Entry is a domain never met. It is a plain value to be stored.
type Entry struct {
	ID      string // of Policy
	Policy  Policy
	Fetched time.Time // when Policy was fetched last; zero: there is none
	// FailedID and Failed tell of the last fetch, if it failed.
	FailedID string
	Failed   time.Time
}

// Fetch says whether the policy is to be fetched.
type Fetch uint8

// What Decide may ask for.
const (
	FetchNot    Fetch = iota
	FetchBehind       // while mail is sent by the policy at hand
	FetchFirst        // before mail is sent; where that fails, the policy at hand counts
)

// Decision is what to do for mail that is about to be sent.
type Decision struct {
	Fetch Fetch
	// Policy counts now, or when the fetch fails; nil: there is none, and mail goes as without MTA-STS.
	Policy *Policy
}

// Expired reports whether the entry has no policy that counts. RFC 8461 3.2, RFC 8461 3.3.
func (e Entry) Expired(now time.Time) bool {
	return e.Fetched.IsZero() || e.Policy.MaxAge <= 0 || now.Sub(e.Fetched) >= e.Policy.MaxAge
}

// Decide says what to do by the entry and by what the DNS says now: the identifier ParseRecord gave, or "" where there is no
// sound record or no answer. A policy at hand counts until it expires, even when its record is gone. RFC 8461 3.3, RFC 8461 5.1.
func (e Entry) Decide(id string, now time.Time) Decision {
	var d Decision
	if !e.Expired(now) {
		p := e.Policy
		d.Policy = &p
	}
	switch {
	case id == "", e.failedLately(id, now):
	case d.Policy == nil, id != e.ID:
		d.Fetch = FetchFirst
	case now.Sub(e.Fetched) >= min(Refresh, e.Policy.MaxAge/2), e.Fetched.After(now):
		d.Fetch = FetchBehind
	}
	return d
}

func (e Entry) failedLately(id string, now time.Time) bool {
	since := now.Sub(e.Failed)
	return e.FailedID == id && !e.Failed.IsZero() && since >= 0 && since < RetryFetch
}

// Got is the entry after a fetch that succeeded; id is that of the record that led to it.
func (e Entry) Got(p Policy, id string, now time.Time) Entry {
	return Entry{ID: id, Policy: p, Fetched: now}
}

// Missed is the entry after a fetch that failed: the policy at hand stays until it expires. RFC 8461 3.3.
func (e Entry) Missed(id string, now time.Time) Entry {
	e.FailedID, e.Failed = id, now
	return e
}

// Useless reports whether nothing is lost by forgetting the entry.
func (e Entry) Useless(now time.Time) bool {
	return e.Expired(now) && !e.failedLately(e.FailedID, now)
}

// MayGiveUp reports whether mail that the policy holds up may be returned for good. First the DNS must have been asked whether there is
// a newer policy (id, as for Decide), and that policy fetched. RFC 8461 5.1.
func (e Entry) MayGiveUp(id string, now time.Time) bool {
	return id == "" || id == e.ID || e.failedLately(id, now)
}
