package seal

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Schedule says how keys are replaced. Zero fields have the defaults.
type Schedule struct {
	// Every is the age at which a signing key makes room for its successor; 0: only when asked (Rotate).
	Every time.Duration
	// Settle is how long a record must have been seen before its key signs: the time for which resolvers may remember that it was
	// not there, and secondaries may lag. Default 24 h.
	Settle time.Duration
	// Keep is how long the record of a key stays after its last signature: the life of a queue, and time to read and check again.
	// Default 14 days.
	Keep time.Duration
	// Spare keeps one published successor of each algorithm ready at all times, so that a rotation takes no waiting.
	Spare bool
}

func (s Schedule) settle() time.Duration { return orDefault(s.Settle, 24*time.Hour) }
func (s Schedule) keep() time.Duration   { return orDefault(s.Keep, 14*24*time.Hour) }

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// Act is one thing to do with a key.
type Act string

// The acts.
const (
	Make     Act = "make"     // generate a key with this selector, publish its record
	Sign     Act = "sign"     // Published to Active
	Retire   Act = "retire"   // Active to Retiring
	Withdraw Act = "withdraw" // take the record out of the DNS and forget the key
)

// Step is one step of a rotation.
type Step struct {
	Act       Act
	Domain    string
	Selector  string
	Algorithm Algorithm
	Why       string // one sentence for people
}

// Due lists the steps that are to be taken now for the keys of one domain, in the order in which they must be taken: a successor signs
// before its predecessor retires, so that a stop between any two steps leaves a key that signs. After they were taken (Apply, and Generate for
// Make), Due gives none. next is when it is to be asked again at the latest; zero: when a record was seen, or never.
// RFC 6376 3.1, RFC 6376 3.6.1.
func (s Schedule) Due(domain string, keys []Key, now time.Time) (steps []Step, next time.Time) {
	for _, a := range [...]Algorithm{Ed25519, RSA} {
		r := rotation{Schedule: s, domain: domain, algorithm: a, now: now, all: keys}
		r.plan()
		steps = append(steps, r.steps...)
		if !r.next.IsZero() && (next.IsZero() || r.next.Before(next)) {
			next = r.next
		}
	}
	return steps, next
}

// Rotate is a rotation that a person asks for, now: a spare that has settled signs at once; where none is waiting, a successor is made, and Due
// goes on from there. wait says, one sentence for each, what is waited for: until then the old keys sign.
func (s Schedule) Rotate(domain string, keys []Key, now time.Time) (steps []Step, wait []string) {
	for _, a := range [...]Algorithm{Ed25519, RSA} {
		r := rotation{Schedule: s, domain: domain, algorithm: a, now: now, all: keys}
		waiting := r.in(Published)
		switch {
		case len(waiting) == 0:
			r.make("a rotation was asked for")
			wait = append(wait, fmt.Sprintf("The record of %s is to be published; it signs %s after it was seen in the DNS.", r.steps[0].Selector, s.settle()))
		case s.settled(waiting[0], now) || len(r.in(Active)) == 0:
			r.change("a rotation was asked for")
			if s.Spare && len(waiting) == 1 {
				r.make("a successor is to be ready")
			}
		case waiting[0].Seen.IsZero():
			wait = append(wait, fmt.Sprintf("The record of %s was not seen in the DNS yet: publish it.", waiting[0].Selector))
		default:
			wait = append(wait, fmt.Sprintf("The record of %s may sign from %s on, when no resolver remembers its absence.",
				waiting[0].Selector, waiting[0].Seen.Add(s.settle()).UTC().Format(time.RFC3339)))
		}
		steps = append(steps, r.steps...)
	}
	return steps, wait
}

// settled reports whether a key's record was there for long enough.
func (s Schedule) settled(k Key, now time.Time) bool {
	return !k.Seen.IsZero() && !k.Seen.Add(s.settle()).After(now)
}

// rotation plans for one algorithm of one domain.
type rotation struct {
	Schedule
	domain    string
	algorithm Algorithm
	now       time.Time
	all       []Key
	steps     []Step
	next      time.Time
}

// in lists the keys of one state, the oldest first.
func (r *rotation) in(s State) []Key {
	var list []Key
	for _, k := range r.all {
		if k.Domain == r.domain && k.Algorithm == r.algorithm && k.State == s {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b Key) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Selector, b.Selector))
	})
	return list
}

func (r *rotation) step(a Act, selector, why string) {
	r.steps = append(r.steps, Step{Act: a, Domain: r.domain, Selector: selector, Algorithm: r.algorithm, Why: why})
}

func (r *rotation) at(t time.Time) {
	if t.After(r.now) && (r.next.IsZero() || t.Before(r.next)) {
		r.next = t
	}
}

func (r *rotation) make(why string) {
	r.step(Make, r.selector(), why)
}

// change lets the oldest waiting key sign in the place of those that do.
func (r *rotation) change(why string) {
	successor := r.in(Published)[0]
	r.step(Sign, successor.Selector, why)
	for _, k := range r.in(Active) {
		r.step(Retire, k.Selector, fmt.Sprintf("%s signs in its place", successor.Selector))
	}
}

func (r *rotation) plan() {
	active, waiting := r.in(Active), r.in(Published)
	switch {
	case len(active) == 0 && len(waiting) == 0:
		if len(r.in(Retiring)) > 0 || r.Spare {
			r.make("there is no key to sign with")
		}
	case len(active) == 0:
		// A signature whose key is not seen yet is worth what none is worth: nothing is lost by not waiting.
		r.step(Sign, waiting[0].Selector, "there is no other key to sign with")
		if r.Spare && len(waiting) == 1 {
			r.make("a successor is to be ready")
		}
	default:
		r.planChange(active, waiting)
	}
	for _, k := range r.in(Retiring) {
		if end := k.Changed.Add(r.keep()); end.After(r.now) {
			r.at(end)
		} else {
			r.step(Withdraw, k.Selector, fmt.Sprintf("it has signed nothing since %s", k.Changed.UTC().Format(time.DateOnly)))
		}
	}
}

func (r *rotation) planChange(active, waiting []Key) {
	newest := slices.MaxFunc(active, func(a, b Key) int { return a.Changed.Compare(b.Changed) })
	if len(active) > 1 {
		// Only where an earlier change was cut short, or keys were imported: the one that began to sign last stays.
		for _, k := range active {
			if k.Selector != newest.Selector {
				r.step(Retire, k.Selector, fmt.Sprintf("%s signs in its place", newest.Selector))
			}
		}
		r.at(r.now.Add(time.Second)) // then look again
		return
	}
	end := newest.Changed.Add(r.Every)
	old := r.Every > 0 && !end.After(r.now)
	soon := r.Every > 0 && !end.Add(-r.settle()).After(r.now) // the successor must be there, and settle
	if r.Every > 0 {
		r.at(end.Add(-r.settle()))
		r.at(end)
	}
	if len(waiting) == 0 {
		if soon || r.Spare {
			r.make("a successor is to be ready")
		}
		return
	}
	if r.Spare && !old {
		return
	}
	// Without spares a key waits only because it is wanted.
	switch {
	case r.settled(waiting[0], r.now):
		r.change(fmt.Sprintf("%s has signed since %s", newest.Selector, newest.Changed.UTC().Format(time.DateOnly)))
		if r.Spare && len(waiting) == 1 {
			r.make("a successor is to be ready")
		}
	case !waiting[0].Seen.IsZero():
		r.at(waiting[0].Seen.Add(r.settle()))
	}
}

// selector finds a name that no key of the domain has: the algorithm's letter, the month, and a letter where it is not the first.
func (r *rotation) selector() string {
	base := string(r.algorithm[0]) + r.now.UTC().Format("200601")
	taken := func(s string) bool {
		return slices.ContainsFunc(r.all, func(k Key) bool { return k.Domain == r.domain && k.Selector == s }) ||
			slices.ContainsFunc(r.steps, func(p Step) bool { return p.Selector == s })
	}
	name := base
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// Apply gives the keys as they are after steps other than Make; keys to be withdrawn are gone from the list.
func Apply(keys []Key, steps []Step, now time.Time) []Key {
	out := slices.Clone(keys)
	for _, s := range steps {
		i := slices.IndexFunc(out, func(k Key) bool { return k.Domain == s.Domain && k.Selector == s.Selector })
		if i < 0 {
			continue
		}
		switch s.Act {
		case Sign:
			out[i].State, out[i].Changed = Active, now
		case Retire:
			out[i].State, out[i].Changed = Retiring, now
		case Withdraw:
			out = slices.Delete(out, i, i+1)
		}
	}
	return out
}
