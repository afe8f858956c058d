package admin

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/admin/overview"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// Parts are what operations work on. Submitter and Checker may be nil: what needs them is Unavailable then.
type Parts struct {
	Journal   mail.Journal
	Directory mail.Directory
	Mailboxes mail.Mailboxes
	Blobs     mail.Blobs // nil: Journal's, where it keeps bodies as well
	Queue     mail.Queue
	Notes     mail.Notes // nil: Journal's, where it keeps notes as well
	Trail     mail.Trail
	Submitter mail.Submitter
	Checker   Checker
	Trust     Trust // nil: nobody looks after DNS and keys
	Guard     Guard // nil: nobody is banned
	// Certificates shows those of a running server; nil: there is none.
	Certificates Certifier
	Limits       LimitSettings
	// Credential makes what is stored of a password (service/directory's NewCredential). Its errors are of kind Invalid.
	Credential func(password string) (mail.Credential, error)
	Clock      mail.Clock // nil: the machine's
	Defaults   Defaults
	Facts      Facts
}

// Defaults are what a new account gets where its request does not say.
type Defaults struct {
	Quota     int64
	Mailboxes []mail.NewMailbox // INBOX among them
}

// Checker looks after what is stored, below the level of mail.
type Checker interface {
	Verify(ctx context.Context, r VerifyRequest, progress func(Progress)) (VerifyReport, error)
	Compact(ctx context.Context) (CompactReport, error)
}

// Operations does what an operator asks. It is safe for use by many at once.
type Operations struct {
	p        Parts // Journal is the one that records what is done
	audit    *audit.Log
	overview *overview.Overview
}

var _ Operator = (*Operations)(nil)

// New makes Operations of its parts.
func New(p Parts) *Operations {
	if p.Clock == nil {
		p.Clock = mail.SystemClock{}
	}
	if p.Blobs == nil {
		p.Blobs, _ = p.Journal.(mail.Blobs)
	}
	if p.Notes == nil {
		p.Notes, _ = p.Journal.(mail.Notes)
	}
	way := audit.WayCommand
	if p.Facts.Serving {
		way = audit.WayServer
	}
	o := &Operations{audit: audit.New(p.Journal, p.Notes, p.Clock, sync.OnceValue(func() Actor { return audit.Process(way) }))}
	o.overview = overview.New(overview.Config{Journal: p.Journal, Notes: p.Notes, Clock: p.Clock, Self: p.Facts.self()})
	p.Journal = o.audit.Journal()
	o.p = p
	return o
}

// commit makes changes durable and gives the result of the first.
func (o *Operations) commit(ctx context.Context, changes ...mail.Change) (mail.Result, error) {
	receipt, err := o.p.Journal.Commit(ctx, mail.ChangeSet{Changes: changes})
	if err != nil || len(receipt.Results) == 0 {
		return mail.Result{}, err
	}
	return receipt.Results[0], nil
}

// domainName is the canonical form of a domain an operator named.
func domainName(s string) (string, error) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "@")
	if s == "" {
		return "", mail.Errorf(mail.Invalid, "a domain is missing; name one such as example.com")
	}
	if strings.Contains(s, "@") {
		return "", mail.Errorf(mail.Invalid, "%q is an address; name the domain alone", s)
	}
	name, err := addr.NormalDomain(s)
	if err != nil {
		return "", mail.Errorf(mail.Invalid, "this is not a domain: %w", err)
	}
	if strings.HasPrefix(name, "[") {
		return "", mail.Errorf(mail.Invalid, "%s is an address of a host; mail domains here have names", s)
	}
	return name, nil
}

// address reads an address an operator named.
func address(s string) (addr.Address, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "<"), ">")
	if s == "" {
		return addr.Address{}, mail.Errorf(mail.Invalid, "an address is missing; name one such as ann@example.com")
	}
	a, err := addr.Parse(s)
	if err != nil {
		return addr.Address{}, mail.Errorf(mail.Invalid, "this is not an address: %w", err)
	}
	return a, nil
}

// ours is the canonical form of an address that is or shall be ours.
func ours(s string) (mail.Path, error) {
	a, err := address(s)
	if err != nil {
		return "", err
	}
	return mail.Path(a.Normal().String()), nil
}

// anywhere is the form of an address that may be anybody's: canonical when its domain is ours, else only its domain is, because
// another host alone knows whether letter case matters (RFC 5321 2.4).
func (o *Operations) anywhere(ctx context.Context, s string) (path mail.Path, local bool, err error) {
	a, err := address(s)
	if err != nil {
		return "", false, err
	}
	normal := a.Normal()
	switch _, err = o.p.Directory.Domain(ctx, normal.Domain); {
	case err == nil:
		return mail.Path(normal.String()), true, nil
	case mail.Is(err, mail.NotFound):
		a.Domain = normal.Domain
		return mail.Path(a.String()), false, nil
	}
	return "", false, err
}

// notServed says that a domain is not ours and what to do about it.
func notServed(domain string) error {
	return mail.Errorf(mail.NotFound, "domain %q is not served here; add it with: postrider domain add %s", domain, domain)
}

// account finds an account by the address an operator named.
func (o *Operations) account(ctx context.Context, s string) (mail.Account, error) {
	path, err := ours(s)
	if err != nil {
		return mail.Account{}, err
	}
	a, err := o.p.Directory.AccountByAddress(ctx, path)
	if !mail.Is(err, mail.NotFound) {
		return a, err
	}
	if alias, aliasErr := o.p.Directory.Alias(ctx, path); aliasErr == nil {
		return mail.Account{}, mail.Errorf(mail.NotFound, "%s is an alias of %s, not an account", path, joinPaths(alias.Targets))
	}
	if _, domainErr := o.p.Directory.Domain(ctx, path.Domain()); mail.Is(domainErr, mail.NotFound) {
		return mail.Account{}, notServed(path.Domain())
	}
	return mail.Account{}, mail.Errorf(mail.NotFound, "there is no account %s; see who there is with: postrider account list", path)
}

func joinPaths(paths []mail.Path) string {
	words := make([]string, len(paths))
	for i, p := range paths {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}

// moment is a time for a reply; the zero time is nil, so that JSON leaves it out.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
