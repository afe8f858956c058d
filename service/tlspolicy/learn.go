package tlspolicy

import (
	"context"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/mtasts"
)

// How long an answer of the DNS is believed: as long as it says, within these bounds.
const (
	leastBelief = time.Minute
	mostBelief  = time.Hour
)

// wantedEvery is how often it is noted that a domain gets mail, at most.
const wantedEvery = 7 * 24 * time.Hour

// learning says why a domain is looked up.
type learning struct {
	wanted bool // a message is there for it
	waits  bool // and waits: only what it cannot go without is fetched, and for that a turn is waited for
}

// learn asks the DNS about a domain, fetches its policy where that is due, and remembers both. It runs for one domain once at a
// time, in p.life. It is an error when what is remembered cannot be read, and when we ourselves are too busy to fetch the policy of a
// domain that has one: whoever sends mail to others must not be able to take the protection off it. Everything else has an answer (RFC 8461 3.3).
func (p *Policies) learn(domain string, why learning) (*known, error) {
	k := &known{domain: domain}
	if old := p.memory.get(domain); old != nil {
		*k = *old
	}
	// Another node may have fetched it meanwhile.
	noted, err := p.recall(p.life, domain)
	if err != nil {
		return nil, err
	}
	if newer := noted.entry; newer.Fetched.After(k.entry.Fetched) {
		if newer.ID != k.entry.FailedID { // else it is not the failure's time any more
			newer.FailedID, newer.Failed = k.entry.FailedID, k.entry.Failed
		}
		k.entry = newer
	}
	if noted.wanted.After(k.wanted) {
		k.wanted = noted.wanted
	}
	p.question(k)
	now := p.cfg.Clock.Now()
	save := false
	if d := k.entry.Decide(k.id, now); d.Fetch == mtasts.FetchFirst || d.Fetch == mtasts.FetchBehind && !why.waits {
		if save, err = p.fetchInto(k, why); err != nil {
			return nil, err
		}
	}
	if now = p.cfg.Clock.Now(); why.wanted && now.Sub(k.wanted) >= wantedEvery {
		k.wanted, save = now, true
	}
	if save && !k.entry.Expired(now) {
		p.note(k)
	}
	p.memory.put(k)
	return k, nil
}

// question asks the DNS for the identifier of the present policy. No answer is as no record: it neither brings a policy nor takes one
// away (RFC 8461 3.1, RFC 8461 5.1).
func (p *Policies) question(k *known) {
	k.asked, k.id = p.cfg.Clock.Now(), ""
	believed := leastBelief
	ctx, cancel := context.WithTimeout(p.life, p.cfg.Within)
	defer cancel()
	answer, err := p.cfg.Resolver.TXT(ctx, mtasts.Name(k.domain))
	if err == nil {
		believed = min(max(answer.TTL, leastBelief), mostBelief)
		if k.id, err = mtasts.ParseRecord(answer.Value); err != nil {
			k.id = ""
		}
	}
	k.till = k.asked.Add(believed)
	if k.id == "" || k.id != k.entry.FailedID {
		k.fault = ""
	}
}

// fetchInto fetches a policy and reports whether there is something to be noted.
func (p *Policies) fetchInto(k *known, why learning) (bool, error) {
	ctx, cancel := context.WithTimeout(p.life, p.cfg.Within)
	defer cancel()
	if !p.turn(ctx, why.waits) {
		if k.entry.Expired(p.cfg.Clock.Now()) {
			return false, errBusy
		}
		return false, nil
	}
	defer func() { <-p.turns }()
	policy, failure := p.fetch(ctx, k.domain)
	now := p.cfg.Clock.Now()
	if failure != nil {
		if p.life.Err() == nil {
			k.entry, k.fault = k.entry.Missed(k.id, now), mtasts.FetchFault(failure.fault)
			p.cfg.Log.Warn("the MTA-STS policy of a domain cannot be fetched", "domain", k.domain, "id", k.id, "reason", failure.text, "older", !k.entry.Expired(now))
		}
		return false, nil
	}
	k.entry, k.fault = k.entry.Got(policy, k.id, now), ""
	p.cfg.Log.Debug("fetched an MTA-STS policy", "domain", k.domain, "id", k.id, "mode", policy.Mode, "max-age", policy.MaxAge)
	return true, nil
}

// turn waits until one of the few fetches at once is free.
func (p *Policies) turn(ctx context.Context, patient bool) bool {
	select {
	case p.turns <- struct{}{}:
		return true
	default:
	}
	if !patient {
		return false
	}
	select {
	case p.turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Run keeps policies fresh before they expire, of domains that got mail lately, until ctx ends: so an attacker who is there when mail
// is sent, but not always, cannot make us forget (RFC 8461 3.3, RFC 8461 10.2).
func (p *Policies) Run(ctx context.Context) {
	for {
		p.Refresh(ctx)
		select {
		case <-p.cfg.Clock.After(refreshEvery):
		case <-ctx.Done():
			return
		}
	}
}

const (
	refreshEvery = time.Hour
	refreshPage  = 200
	// lately is how long after its last message a domain's policy is kept fresh.
	lately = 31 * 24 * time.Hour
)

// Refresh fetches the policies anew that are a day old, one after the other.
func (p *Policies) Refresh(ctx context.Context) {
	after := ""
	for ctx.Err() == nil {
		page, err := p.cfg.Notes.Notes(ctx, mail.NoteQuery{Kind: noteKind, After: after, Limit: refreshPage})
		if err != nil {
			if ctx.Err() == nil {
				p.cfg.Log.Warn("the MTA-STS policies cannot be read, and are not kept fresh", "error", err)
			}
			return
		}
		for _, n := range page {
			after = n.Key
			p.refresh(ctx, n)
		}
		if len(page) < refreshPage {
			return
		}
	}
}

func (p *Policies) refresh(ctx context.Context, n mail.Note) {
	noted, ok := decode(n)
	now := p.cfg.Clock.Now()
	if !ok || now.Sub(noted.wanted) > lately || now.Sub(noted.entry.Fetched) < min(mtasts.Refresh, noted.entry.Policy.MaxAge/2) || ctx.Err() != nil || !p.begin() {
		return
	}
	defer p.work.Done()
	_, _, _ = p.flight.Do(n.Key, func() (any, error) { return p.learn(n.Key, learning{}) })
}
