package dnspub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// Config says who publishes for us.
type Config struct {
	// Provider is rfc2136, cloudflare, hetzner, desec, gandi or porkbun.
	Provider string
	// Secret is the provider's token, for porkbun both keys as "pk1_...:sk1_...", for rfc2136 the TSIG key in base64.
	Secret string
	// Server is the primary name server for rfc2136, as "192.0.2.1:53"; the port may be left out.
	Server string
	// KeyName and KeyAlgorithm (hmac-sha256 where empty, hmac-sha512, hmac-sha1 ...) are of the TSIG key for rfc2136. Without a name updates
	// are not signed, which a server may allow to this machine.
	KeyName, KeyAlgorithm string
	// Log is told of each change; nil is nobody.
	Log *slog.Logger
	// Timeout is for one call in all; 0 is two minutes.
	Timeout time.Duration
}

// Providers are the names that Config.Provider may have.
var Providers = []string{"rfc2136", "cloudflare", "hetzner", "desec", "gandi", "porkbun"}

// Record is one record to publish.
type Record struct {
	Name  string        // absolute, the last dot may be left out
	Type  string        // as in a zone file
	TTL   time.Duration // of a set that is new; a set that is there keeps its own
	Value string        // the data as in a zone file; names in it are absolute. A TXT without quotes is one text.
}

// Change is what was done to one set of records.
type Change struct {
	Zone, Name, Type string
	Removed, Added   []string // data as in a zone file
}

// String says it in one line.
func (c Change) String() string {
	var parts []string
	for _, v := range c.Removed {
		parts = append(parts, "removed "+v)
	}
	for _, v := range c.Added {
		parts = append(parts, "added "+v)
	}
	return c.Name + " " + c.Type + ": " + strings.Join(parts, ", ")
}

// Provider publishes records. It is for any number of goroutines; calls wait for each other.
type Provider struct {
	cfg    Config
	driver driver
	mu     sync.Mutex
}

// New makes a Provider. It asks nobody yet. Errors are of kind Invalid.
func New(cfg Config) (*Provider, error) {
	p := &Provider{cfg: cfg}
	if p.cfg.Timeout <= 0 {
		p.cfg.Timeout = 2 * time.Minute
	}
	if cfg.Provider != "rfc2136" && cfg.Secret == "" {
		return nil, mail.Errorf(mail.Invalid, "publishing through %s needs its token; write it into the file that secret_file of [publish] names", cfg.Provider)
	}
	var err error
	switch cfg.Provider {
	case "rfc2136":
		p.driver, err = newUpdater(cfg)
	case "porkbun":
		p.driver, err = newPorkbun(cfg.Secret)
	default:
		p.driver, err = newHosted(cfg.Provider, cfg.Secret)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// driver is how one provider is spoken to.
type driver interface {
	// open looks at a zone. An error may mean that there is no such zone.
	open(ctx context.Context, zone string) (view, error)
	// apply makes the edits in their order and tells how many of them were made. Conflict: what was seen is not there any more.
	apply(ctx context.Context, zone string, edits []edit) (done int, err error)
}

// view shows the sets of a zone. A set that is not there has no values.
type view interface {
	set(ctx context.Context, name, typ string) (set, error)
}

// Set publishes records: for each name and type among them, these and no others (see the package comment on TXT). zone is the domain they lie in;
// where the provider has no zone of that name, one of its parents is used. Kinds: Invalid for records that cannot be, Conflict where an alias
// is in the way, Unavailable for all that the provider did not do. After an error some sets may have been changed; calling again goes on.
func (p *Provider) Set(ctx context.Context, zone string, all []Record) error {
	_, err := p.Publish(ctx, zone, all)
	return err
}

// Publish is Set, and tells what was changed, also beside an error.
func (p *Provider) Publish(ctx context.Context, zone string, all []Record) ([]Change, error) {
	return p.do(ctx, zone, all, replace)
}

// Remove takes records out: those of the same name, type and value. Records that are not there are no error.
func (p *Provider) Remove(ctx context.Context, zone string, all []Record) error {
	_, err := p.do(ctx, zone, all, withdraw)
	return err
}

// tries bounds how often a change is made anew because somebody else was faster.
const tries = 3

func (p *Provider) do(ctx context.Context, zone string, all []Record, how mode) ([]Change, error) {
	zone = strings.ToLower(strings.TrimSuffix(zone, "."))
	groups, err := grouped(zone, all)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	var changes []Change
	for n := 1; ; n++ {
		made, err := p.once(ctx, zone, groups, how)
		changes = append(changes, made...)
		if n == tries || !mail.Is(err, mail.Conflict) || errors.Is(err, errAlias) {
			return changes, p.quiet(err)
		}
	}
}

// once looks, changes, and looks again.
func (p *Provider) once(ctx context.Context, domain string, groups []group, how mode) ([]Change, error) {
	zone, v, err := p.find(ctx, domain)
	if err != nil {
		return nil, err
	}
	edits, refused := plan(ctx, v, groups, how)
	if len(edits) == 0 || ctx.Err() != nil {
		return nil, refused
	}
	done, err := p.driver.apply(ctx, zone, edits)
	var changes []Change
	for _, e := range edits[:done] {
		c := Change{Zone: zone, Name: e.name, Type: e.typ, Removed: texts(e.remove), Added: e.add}
		changes = append(changes, c)
		if p.cfg.Log != nil {
			p.cfg.Log.Info("published DNS records", "provider", p.cfg.Provider, "zone", zone, "change", c.String())
		}
	}
	if err != nil {
		return changes, mail.Errorf(kindOf(err), "the DNS provider (%s) did not take a change in %s: %w", p.cfg.Provider, zone, err)
	}
	return changes, errors.Join(refused, p.verify(ctx, zone, edits))
}

// verify looks whether what the provider has taken is there: some drop in silence what they do not like.
func (p *Provider) verify(ctx context.Context, zone string, edits []edit) error {
	v, err := p.driver.open(ctx, zone)
	if err != nil {
		return mail.Errorf(mail.Unavailable, "the DNS provider (%s) does not show what it has taken: %w", p.cfg.Provider, err)
	}
	for _, e := range edits {
		now, err := v.set(ctx, e.name, e.typ)
		if err != nil {
			return mail.Errorf(mail.Unavailable, "the DNS provider (%s) does not show what it has taken: %w", p.cfg.Provider, err)
		}
		if !sameSet(texts(now.values), e.want) {
			return mail.Errorf(mail.Unavailable, "the DNS provider (%s) has taken the change of %s %s and does not show it; look at it there, and publish that record by hand",
				p.cfg.Provider, e.name, e.typ)
		}
	}
	return nil
}

// find gives the zone that a domain lies in: itself or a parent.
func (p *Provider) find(ctx context.Context, domain string) (string, view, error) {
	var first error
	for zone := domain; zone != ""; _, zone, _ = strings.Cut(zone, ".") {
		if !strings.Contains(zone, ".") && zone != domain && p.cfg.Provider != "rfc2136" {
			break // nobody rents out a top-level domain
		}
		v, err := p.driver.open(ctx, zone)
		if err == nil {
			return zone, v, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return "", nil, mail.Errorf(mail.Unavailable, "the DNS provider (%s) does not show the zone of %s; look whether it is hosted there and the token may change it: %w",
		p.cfg.Provider, domain, first)
}

// quiet keeps the secret out of an error, whatever a library or a provider wrote into it.
func (p *Provider) quiet(err error) error {
	if err == nil || p.cfg.Secret == "" {
		return err
	}
	for _, s := range append(strings.FieldsFunc(p.cfg.Secret, func(r rune) bool { return r == ':' || r == ' ' }), p.cfg.Secret) {
		if len(s) >= 4 && strings.Contains(err.Error(), s) {
			return mail.Errorf(kindOf(err), "the DNS provider (%s) refused, and its answer holds the token, so it is not shown", p.cfg.Provider)
		}
	}
	return err
}

// kindOf is the kind of an error, where one without any counts as temporary.
func kindOf(err error) mail.Kind {
	for _, k := range []mail.Kind{mail.Invalid, mail.Conflict, mail.Denied} {
		if mail.Is(err, k) {
			return k
		}
	}
	return mail.Unavailable
}

// sameSet compares sets, which have no order.
func sameSet(a, b []string) bool {
	a, b = slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b)))
	return slices.Equal(a, b)
}

func texts(values []value) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.text)
	}
	return out
}

var errAlias = errors.New("a name with an alias has no other records")

// inTheWay is the error for a record that cannot stand beside another.
func inTheWay(g group, other string) error {
	return &mail.Error{Kind: mail.Conflict, Err: errAlias, Text: fmt.Sprintf(
		"%s has a record of type %s already, so a record of type %s cannot be published there; remove that one, or leave this name as it is", g.name, other, g.typ)}
}
