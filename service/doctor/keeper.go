package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor/words"
)

// KeeperConfig is what a Keeper works with. All but Jitter are required.
type KeeperConfig struct {
	Doctor *Doctor
	// Hostname tells the results about this host from those about others that share the notes.
	Hostname string
	// Domains lists the domains to look at.
	Domains func(ctx context.Context) ([]string, error)
	Notes   mail.Notes
	Journal mail.Journal
	Clock   mail.Clock
	Log     *slog.Logger
	// Every is the time between two rounds.
	Every time.Duration
	// Jitter gives a time from 0 up to d, so that not all hosts of the world begin at the same minute; nil is none.
	Jitter func(d time.Duration) time.Duration
}

// Keeper looks at the host and all domains again and again, and keeps the last results. Of several nodes that share their notes, whoever comes
// first looks at a domain; each looks at itself.
type Keeper struct {
	cfg KeeperConfig
}

// The kind of the Keeper's notes. Their keys are domains, and for hosts "@" and the hostname.
const noteKind = "doctor"

// keepFor is how long a result outlives the last look, as of a domain that was given up.
const keepFor = 30 * 24 * time.Hour

// NewKeeper makes a Keeper. Invalid when something is missing.
func NewKeeper(cfg KeeperConfig) (*Keeper, error) {
	if cfg.Doctor == nil || cfg.Domains == nil || cfg.Notes == nil || cfg.Journal == nil || cfg.Clock == nil || cfg.Log == nil || cfg.Every <= 0 || cfg.Hostname == "" {
		return nil, mail.Errorf(mail.Invalid, "the keeper of the doctor lacks a part")
	}
	if cfg.Jitter == nil {
		cfg.Jitter = func(time.Duration) time.Duration { return 0 }
	}
	return &Keeper{cfg: cfg}, nil
}

// Run makes rounds until ctx ends. The first comes soon.
func (k *Keeper) Run(ctx context.Context) {
	for wait := k.cfg.Jitter(k.cfg.Every / 10); ; wait = k.cfg.Every + k.cfg.Jitter(k.cfg.Every/10) {
		select {
		case <-ctx.Done():
			return
		case <-k.cfg.Clock.After(wait):
		}
		if err := k.round(ctx, k.cfg.Every/2); err != nil && ctx.Err() == nil {
			k.cfg.Log.Error("the hourly examination failed", "error", err)
		}
	}
}

// Round looks at the host and all domains now.
func (k *Keeper) Round(ctx context.Context) error { return k.round(ctx, 0) }

// round looks at what was not looked at within fresh.
func (k *Keeper) round(ctx context.Context, fresh time.Duration) error {
	var first error
	remember := func(err error) {
		if first == nil && err != nil {
			first = err
		}
	}
	remember(k.look(ctx, "", fresh))
	domains, err := k.cfg.Domains(ctx)
	remember(err)
	for _, d := range domains {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := normalDomain(d)
		if err != nil {
			continue // a domain of a laboratory, such as "localhost"
		}
		remember(k.look(ctx, n, fresh))
	}
	return first
}

// kept is what a note holds.
type kept struct {
	Report Report `json:"report"`
	// Open are the faults and warnings that nobody has seen mended: also those that could not be looked at since.
	Open []Finding `json:"open,omitempty"`
}

func (k *Keeper) key(domain string) string {
	if domain == "" {
		return "@" + words.Cut(strings.ToLower(k.cfg.Hostname), mail.MaxNoteKey-1)
	}
	return domain
}

// look examines one domain, or the host, unless that was done lately.
func (k *Keeper) look(ctx context.Context, domain string, fresh time.Duration) error {
	before, err := k.load(ctx, k.key(domain))
	if err != nil && !mail.Is(err, mail.NotFound) {
		return err
	}
	if age := k.cfg.Clock.Now().Sub(before.Report.At); err == nil && age >= 0 && age < fresh {
		return nil
	}
	_, err = k.examine(ctx, domain, before.Open, k.cfg.Log, nil)
	return err
}

// examine examines one domain, or the host, and keeps what it found. What is new since open is told to log.
func (k *Keeper) examine(ctx context.Context, domain string, open []Finding, log *slog.Logger, each func(Finding)) (r Report, err error) {
	if domain == "" {
		r, err = k.cfg.Doctor.Host(ctx, each)
	} else {
		r, err = k.cfg.Doctor.Domain(ctx, domain, each)
	}
	if err != nil {
		return r, err
	}
	return r, k.store(ctx, k.key(domain), kept{Report: r, Open: k.compare(domain, open, r, log)})
}

// Examine is the Doctor's, of the host and a domain, and keeps what is found as the latest that is known of them. Who asked is told, so the log is not.
func (k *Keeper) Examine(ctx context.Context, domain string, each func(Finding)) (Report, error) {
	var out Report
	for _, d := range slices.Compact([]string{"", domain}) {
		before, err := k.load(ctx, k.key(d))
		if err != nil && !mail.Is(err, mail.NotFound) {
			return Report{}, err
		}
		r, err := k.examine(ctx, d, before.Open, slog.New(slog.DiscardHandler), each)
		if err != nil {
			return Report{}, err
		}
		r.Findings, r.Took = append(out.Findings, r.Findings...), r.Took+out.Took
		r.Counts = Counts{OK: r.Counts.OK + out.Counts.OK, Notes: r.Counts.Notes + out.Counts.Notes, Warnings: r.Counts.Warnings + out.Counts.Warnings, Faults: r.Counts.Faults + out.Counts.Faults}
		out = r
	}
	return out, nil
}

// identity tells findings apart from one round to the next: numbers in their sentences, such as days that are left, change.
func identity(f Finding) string {
	text := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, f.Text)
	return f.Check + "\n" + f.Subject + "\n" + f.Level.String() + "\n" + text
}

// compare logs what is new and what is gone, and gives what is open now.
func (k *Keeper) compare(domain string, before []Finding, r Report, log *slog.Logger) (open []Finding) {
	known := map[string]bool{}
	for _, f := range before {
		known[identity(f)] = true
	}
	subject := domain
	if subject == "" {
		subject = k.cfg.Hostname
	}
	present := map[string]bool{}
	untold := map[string]bool{}
	for _, f := range r.Findings {
		untold[f.Check] = untold[f.Check] || f.Untold
		if f.Level < Warning {
			continue
		}
		id := identity(f)
		if !known[id] && !present[id] {
			level := slog.LevelWarn
			if f.Level == Warning {
				level = slog.LevelInfo
			}
			log.Log(context.Background(), level, f.Text, "of", subject, "check", f.Check, "remedy", f.Remedy, "see", f.Link)
		}
		present[id] = true
		open = append(open, f)
	}
	for _, f := range before {
		switch {
		case present[identity(f)]:
		case untold[f.Check]:
			open = append(open, f) // perhaps it is still there
		case !slices.ContainsFunc(open, func(o Finding) bool { return o.Check == f.Check && o.Subject == f.Subject }):
			log.Info("mended: "+f.Text, "of", subject, "check", f.Check)
		}
	}
	return open[:min(len(open), len(checks)*maxPerTest)]
}

func (k *Keeper) load(ctx context.Context, key string) (kept, error) {
	n, err := k.cfg.Notes.Note(ctx, noteKind, key)
	if err != nil {
		return kept{}, err
	}
	var v kept
	if json.Unmarshal(n.Value, &v) != nil {
		return kept{}, mail.Errorf(mail.NotFound, "the last examination of %s was kept in a form that is not known here", words.Plain(key))
	}
	return v, nil
}

func (k *Keeper) store(ctx context.Context, key string, v kept) error {
	value, err := json.Marshal(v)
	if err != nil {
		return mail.Errorf(mail.Internal, "the results of the doctor could not be written: %w", err)
	}
	if len(value) > mail.MaxNote { // nobody's set-up is so bad, but a hostile name server's answers may be
		for _, all := range []*[]Finding{&v.Report.Findings, &v.Open} {
			slices.SortStableFunc(*all, func(a, b Finding) int { return int(b.Level) - int(a.Level) })
			*all = (*all)[:min(len(*all), 100)]
			for i := range *all {
				(*all)[i].Record = words.Cut((*all)[i].Record, 1<<10)
			}
		}
		if value, err = json.Marshal(v); err != nil || len(value) > mail.MaxNote {
			return mail.Errorf(mail.TooLarge, "the results of the doctor about %s are too many to keep", words.Plain(key))
		}
	}
	note := mail.Note{Kind: noteKind, Key: key, Value: value, Expires: k.cfg.Clock.Now().Add(max(keepFor, 3*k.cfg.Every))}
	_, err = k.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: note}}})
	return err
}

// Last gives the last report on a domain, or with "" on this host. NotFound.
func (k *Keeper) Last(ctx context.Context, domain string) (Report, error) {
	v, err := k.load(ctx, k.key(domain))
	if mail.Is(err, mail.NotFound) {
		err = mail.Errorf(mail.NotFound, "%s was not examined yet; a running server does so soon after its start, unless [doctor] every is 0s, and postrider doctor without --last does it now",
			words.Plain(cmp.Or(domain, k.cfg.Hostname)))
	}
	return v.Report, err
}

// Reports gives the last reports on this host and all present domains; those that were not looked at yet are left out.
func (k *Keeper) Reports(ctx context.Context) ([]Report, error) {
	domains, err := k.cfg.Domains(ctx)
	if err != nil {
		return nil, err
	}
	var out []Report
	for _, d := range append([]string{""}, domains...) {
		if d != "" {
			if d, err = normalDomain(d); err != nil {
				continue
			}
		}
		switch r, err := k.Last(ctx, d); {
		case err == nil:
			out = append(out, r)
		case !mail.Is(err, mail.NotFound):
			return nil, err
		}
	}
	return out, nil
}

// Figure is what metrics show of one check.
type Figure struct {
	Domain   string // "" for checks of the host
	Check    string
	Faults   int
	Warnings int
}

// Figures counts faults and warnings by domain and check, zeros included, so that one that is mended is seen to be.
func Figures(reports []Report) []Figure {
	var out []Figure
	for _, r := range reports {
		for _, c := range checks {
			f := Figure{Domain: r.Domain, Check: c.name}
			ran := false
			for _, found := range r.Findings {
				if found.Check != c.name {
					continue
				}
				ran = true
				switch found.Level {
				case Fault:
					f.Faults++
				case Warning:
					f.Warnings++
				}
			}
			if ran {
				out = append(out, f)
			}
		}
	}
	return out
}
