package seal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/dnspub"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// Publisher writes records into the DNS; a dnspub.Provider does.
type Publisher interface {
	Set(ctx context.Context, zone string, all []dnspub.Record) error
	Remove(ctx context.Context, zone string, all []dnspub.Record) error
}

// Texts asks the live DNS; a dns.Resolver does.
type Texts interface {
	TXT(ctx context.Context, name string) (dns.Answer[[]string], error)
}

// RunnerConfig says what a Runner works with.
type RunnerConfig struct {
	Keeper   *Keeper
	Schedule Schedule
	DNS      Texts
	// Publisher publishes what is to be published; nil: a person does, and is told by the log.
	Publisher Publisher
	// Domains lists the domains that are to have keys; nil: only those that have some are cared for.
	Domains func(ctx context.Context) ([]string, error)
	Clock   mail.Clock
	Log     *slog.Logger
	// Every is how often Run looks; 0 is an hour.
	Every time.Duration
}

// Runner cares for the keys of all domains: it looks which records are in the DNS, takes the steps that are due, and has records published. Any
// number of them, on any number of nodes, may run at once: each step is taken once.
type Runner struct {
	RunnerConfig

	mu      sync.Mutex
	told    map[string]time.Time // when a person was told of a name last
	records map[string]Record    // by the text of the private key: reading that costs more than all else here
}

// NewRunner makes a Runner.
func NewRunner(cfg RunnerConfig) *Runner {
	if cfg.Every <= 0 {
		cfg.Every = time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{RunnerConfig: cfg, told: map[string]time.Time{}, records: map[string]Record{}}
}

const (
	ttlKey = time.Hour
	// tellAgain is how often a person is told of the same record.
	tellAgain = 24 * time.Hour
	// maxRounds bounds how often steps lead to further steps at one moment.
	maxRounds = 5
)

// Run cares until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	for {
		if err := r.Care(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("the DKIM keys could not all be looked after; it is tried again later", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.Clock.After(r.Every):
		}
	}
}

// Care looks after all domains once. What goes wrong with one does not keep it from the others; the errors are joined.
func (r *Runner) Care(ctx context.Context) error {
	var faults error
	if r.Domains != nil {
		ours, err := r.Domains(ctx)
		if err != nil {
			return err
		}
		for _, d := range ours {
			if _, err := r.Keeper.Ensure(ctx, d); err != nil {
				faults = errors.Join(faults, fmt.Errorf("%s: %w", d, err))
			}
		}
	}
	domains, err := r.Keeper.domains(ctx)
	if err != nil {
		return errors.Join(faults, err)
	}
	return errors.Join(faults, r.careAll(ctx, domains))
}

func (r *Runner) careAll(ctx context.Context, domains []string) (err error) {
	for _, d := range domains {
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if e := r.care(ctx, d); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", d, e))
		}
	}
	return err
}

// care looks after one domain: what is in the DNS, what is due, what is to be published. A stop at any point is harmless: the steps of one moment are
// one change set, and what was not published yet is not seen, so that it is published the next time.
func (r *Runner) care(ctx context.Context, domain string) error {
	if _, err := r.look(ctx, domain); err != nil {
		return err
	}
	for range maxRounds {
		keys, err := r.Keeper.Keys(ctx, domain)
		if err != nil {
			return err
		}
		steps, _ := r.Schedule.Due(domain, keys, r.Clock.Now())
		if len(steps) == 0 {
			break
		}
		if _, err := r.take(ctx, domain, func(keys []Key) []Step {
			steps, _ := r.Schedule.Due(domain, keys, r.Clock.Now())
			return steps
		}); err != nil {
			return err
		}
	}
	return r.publish(ctx, domain)
}

// record is Key.Record, remembered.
func (r *Runner) record(k Key) (Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := k.Domain + "/" + k.Selector + "/" + k.Private
	if record, ok := r.records[id]; ok {
		return record, nil
	}
	record, err := k.Record()
	if err != nil {
		return Record{}, err
	}
	if len(r.records) >= maxDomains {
		clear(r.records)
	}
	r.records[id] = record
	return record, nil
}

// look asks the DNS for the keys' records and writes down which are there. A record that is gone before its key has signed is as if it had never been there.
func (r *Runner) look(ctx context.Context, domain string) (missing []Key, err error) {
	keys, err := r.Keeper.Keys(ctx, domain)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	there, asked := map[string]bool{}, map[string]bool{}
	for _, k := range keys {
		record, err := r.record(k)
		if err != nil {
			return nil, err
		}
		answer, err := r.DNS.TXT(ctx, record.Name)
		if err != nil {
			r.Log.Debug("a DKIM record could not be looked for", "name", record.Name, "err", err)
			continue
		}
		asked[k.Selector], there[k.Selector] = true, k.matches(record, answer.Value)
		if !there[k.Selector] && k.State != Retiring {
			missing = append(missing, k)
		}
	}
	if !slices.ContainsFunc(keys, func(k Key) bool { return news(k, asked[k.Selector], there[k.Selector]) }) {
		return missing, nil
	}
	return missing, r.Keeper.Change(ctx, domain, func(keys []Key) ([]Key, error) {
		for i, k := range keys {
			if !news(k, asked[k.Selector], there[k.Selector]) {
				continue
			}
			if keys[i].Seen = (time.Time{}); there[k.Selector] {
				keys[i].Seen = now
				r.Log.Info("the DKIM record is in the DNS", "name", k.Selector+"._domainkey."+k.Domain)
			}
		}
		return keys, nil
	})
}

// news reports whether what the DNS says of a key is to be written down.
func news(k Key, asked, there bool) bool {
	return asked && (there && k.Seen.IsZero() || !there && !k.Seen.IsZero() && k.State == Published)
}

// take takes steps, all in one change. Records that are to go are taken out of the DNS before their keys are forgotten, so that none stays there
// that nobody knows of any more.
func (r *Runner) take(ctx context.Context, domain string, due func([]Key) []Step) ([]Step, error) {
	var taken []Step
	made := newMaker(r.Clock.Now())
	err := r.Keeper.Change(ctx, domain, func(keys []Key) ([]Key, error) {
		made.again()
		taken = due(keys)
		for _, s := range taken {
			switch s.Act {
			case Make:
				k, err := made.make(domain, s.Selector, s.Algorithm)
				if err != nil {
					return nil, err
				}
				keys = append(keys, k)
			case Withdraw:
				if err := r.withdraw(ctx, keys, s); err != nil {
					return nil, err
				}
			}
			keys = Apply(keys, []Step{s}, made.now)
		}
		return keys, nil
	})
	if err != nil {
		return nil, err
	}
	for _, s := range taken {
		r.Log.Info("DKIM key: "+string(s.Act), "domain", s.Domain, "selector", s.Selector, "algorithm", s.Algorithm, "why", s.Why)
	}
	return taken, nil
}

func (r *Runner) withdraw(ctx context.Context, keys []Key, s Step) error {
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Selector == s.Selector })
	if i < 0 {
		return nil
	}
	record, err := r.record(keys[i])
	if err != nil {
		return nil //nolint:nilerr // a key that cannot be read has no record that could be found
	}
	if r.Publisher == nil {
		r.Log.Info("a DKIM record is needed no more and may be taken out of the DNS", "name", record.Name)
		return nil
	}
	return r.Publisher.Remove(ctx, s.Domain, []dnspub.Record{record.publish()})
}

func (r Record) publish() dnspub.Record {
	return dnspub.Record{Name: r.Name, Type: "TXT", TTL: ttlKey, Value: r.Text}
}

// publish has the records published that are not in the DNS, or tells a person to.
func (r *Runner) publish(ctx context.Context, domain string) error {
	missing, err := r.look(ctx, domain)
	if err != nil || len(missing) == 0 {
		return err
	}
	var records []dnspub.Record
	for _, k := range missing {
		record, err := r.record(k)
		if err != nil {
			return err
		}
		records = append(records, record.publish())
		if r.Publisher == nil && r.tell(record.Name) {
			level := slog.LevelWarn
			if k.State == Published {
				level = slog.LevelInfo
			}
			r.Log.Log(ctx, level, "a DKIM record is not in the DNS: publish it", "key", k, "record", record.Zone(), "link", "docs/problems.md#dkim")
		}
	}
	if r.Publisher == nil {
		return nil
	}
	return r.Publisher.Set(ctx, domain, records)
}

// tell reports whether it is time to tell a person of a record.
func (r *Runner) tell(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Clock.Now()
	if last, ok := r.told[name]; ok && now.Sub(last) < tellAgain {
		return false
	}
	if len(r.told) >= maxDomains {
		clear(r.told)
	}
	r.told[name] = now
	return true
}

// Progress is what came of a rotation that a person asked for.
type Progress struct {
	Steps   []Step
	Done    []string // one sentence for each step
	Waiting []string // one sentence for each thing that is waited for; until then the old keys sign
	Publish []Record // what a person has to publish
}

// Rotate rotates the keys of a domain now, as far as that leaves no gap (Schedule.Rotate), and tells what is still waited for: Care goes on with it by
// itself. Kinds: NotFound when the domain has no keys.
func (r *Runner) Rotate(ctx context.Context, domain string) (Progress, error) {
	var p Progress
	domain, err := addr.NormalDomain(domain)
	if err != nil {
		return p, mail.Errorf(mail.Invalid, "%q is no domain", domain)
	}
	keys, err := r.Keeper.Keys(ctx, domain)
	if err != nil {
		return p, err
	}
	if len(keys) == 0 {
		return p, mail.Errorf(mail.NotFound, "%s has no DKIM keys; turn on [dkim] enabled, or see which domains are yours with: postrider domain list", domain)
	}
	if _, err := r.look(ctx, domain); err != nil {
		return p, err
	}
	now := r.Clock.Now()
	p.Steps, err = r.take(ctx, domain, func(keys []Key) []Step {
		steps, wait := r.Schedule.Rotate(domain, keys, now)
		p.Waiting = wait
		return steps
	})
	if err != nil {
		return p, err
	}
	for _, s := range p.Steps {
		p.Done = append(p.Done, r.Schedule.sentence(s, now))
	}
	if err := r.publish(ctx, domain); err != nil {
		return p, mail.Errorf(mail.Unavailable, "the keys were changed, but not all records could be published; it is tried again every %s: %w", r.Every, err)
	}
	if r.Publisher == nil {
		missing, err := r.look(ctx, domain)
		if err != nil {
			return p, err
		}
		for _, k := range missing {
			if record, err := r.record(k); err == nil {
				p.Publish = append(p.Publish, record)
			}
		}
	}
	return p, nil
}

// sentence tells what was done.
func (s Schedule) sentence(step Step, now time.Time) string {
	name := step.Selector + " (" + string(step.Algorithm) + ")"
	switch step.Act {
	case Make:
		return "The key " + name + " was made."
	case Sign:
		return "The key " + name + " signs from now on."
	case Retire:
		return "The key " + name + " signs no more; its record stays in the DNS until " + now.Add(s.keep()).UTC().Format(time.DateOnly) + " for mail that is under way."
	}
	return "The key " + name + " is forgotten."
}
