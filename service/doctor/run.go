package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/service/doctor/wire"
	"github.com/postrider/postrider/service/doctor/words"
	"github.com/postrider/postrider/service/records"
)

// maxAddresses bounds how many of our addresses are looked at.
const maxAddresses = 8

// exam is one examination.
type exam struct {
	cfg    Config
	domain string // "": the host alone
	host   string // our hostname in canonical spelling; "" where it is none
	facts  Facts
	wanted []records.Record // what the domain must have in the DNS
	hosts  []records.Record // and the host
	look   *wire.Looker
	probes memo
	mxs    struct {
		once sync.Once
		done dns.Answer[[]dns.MX]
		err  error
	}
}

func (d *Doctor) examine(ctx context.Context, domain string, host bool, each func(Finding)) (Report, error) {
	begun := d.cfg.Clock.Now()
	if domain != "" || !host {
		var err error
		if domain, err = normalDomain(domain); err != nil {
			return Report{}, err
		}
	}
	facts, err := d.cfg.Facts(ctx, domain)
	if err != nil {
		return Report{}, err
	}
	x := d.exam(domain, facts)
	var due []check
	for _, c := range checks {
		if c.ofHost && host || !c.ofHost && domain != "" {
			due = append(due, c)
		}
	}
	r := Report{Domain: domain, At: begun}
	for _, found := range x.run(ctx, due, each) {
		r.Findings = append(r.Findings, found...)
	}
	if err := ctx.Err(); err != nil {
		return Report{}, &mail.Error{Kind: mail.Unavailable, Text: "the examination was ended before it was done", Err: err}
	}
	r.Took = d.cfg.Clock.Now().Sub(begun)
	r.count()
	return r, nil
}

func (d *Doctor) exam(domain string, facts Facts) *exam {
	facts.Domain = domain
	x := &exam{cfg: d.cfg, domain: domain, facts: facts, probes: newMemo()}
	if h, err := addr.NormalDomain(strings.TrimSuffix(facts.Hostname, ".")); err == nil && !strings.HasPrefix(h, "[") {
		x.host = h
	}
	x.facts.Addresses = nil
	for _, ip := range facts.Addresses {
		if ip = ip.Unmap(); ip.IsValid() && !slices.Contains(x.facts.Addresses, ip) && len(x.facts.Addresses) < maxAddresses {
			x.facts.Addresses = append(x.facts.Addresses, ip)
		}
	}
	x.look = &wire.Looker{Dialer: d.cfg.Dialer, Clock: d.cfg.Clock, Host: x.host}
	if d.cfg.Trust != nil {
		x.look.Roots = d.cfg.Trust.Verified(x.look.Me()).RootCAs
	}
	x.wanted = records.Of(x.facts.Facts)
	ofHost := x.facts.Facts // the host's own records, wherever it lies
	ofHost.Domain, ofHost.Domains = x.host, nil
	x.hosts = records.Of(ofHost)
	return x
}

// run makes the checks, a few side by side, and gives what each found.
func (x *exam) run(ctx context.Context, due []check, each func(Finding)) [][]Finding {
	all := make([][]Finding, len(due))
	gate := make(chan struct{}, x.cfg.Parallel)
	var telling sync.Mutex
	var running sync.WaitGroup
	for i, c := range due {
		running.Go(func() {
			select {
			case gate <- struct{}{}:
			case <-ctx.Done():
				return
			}
			defer func() { <-gate }()
			all[i] = x.one(ctx, c)
			telling.Lock()
			defer telling.Unlock()
			for _, f := range all[i] {
				if each != nil {
					each(f)
				}
			}
		})
	}
	running.Wait()
	return all
}

// one makes one check within its deadline.
func (x *exam) one(ctx context.Context, c check) []Finding {
	limited, cancel := context.WithTimeout(ctx, x.cfg.Deadline)
	defer cancel()
	s := &sheet{exam: x, check: c.name}
	c.run(limited, s)
	if len(s.found) == 0 && limited.Err() != nil {
		s.untold(cmp.Or(x.domain, x.host), c.about, context.DeadlineExceeded)
	}
	return s.found
}

// sheet is what one check writes its findings on. Its methods may be called by several goroutines of the check.
type sheet struct {
	*exam
	check string
	mu    sync.Mutex
	found []Finding
}

func (s *sheet) add(f Finding) {
	f.Check, f.Subject = s.check, words.Plain(f.Subject)
	f.Text, f.Remedy = words.Cut(f.Text, maxText), words.Cut(f.Remedy, maxText)
	f.Record = words.Cut(f.Record, 8<<10)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found) < maxPerTest && !slices.Contains(s.found, f) {
		s.found = append(s.found, f)
	}
}

func (s *sheet) ok(subject, format string, args ...any) {
	s.add(Finding{Subject: subject, Text: fmt.Sprintf(format, args...)})
}

func (s *sheet) note(subject, format string, args ...any) {
	s.add(Finding{Subject: subject, Level: Note, Text: fmt.Sprintf(format, args...)})
}

// untold says that something could not be checked, and why. what is a noun.
func (s *sheet) untold(subject, what string, err error) {
	s.add(Finding{Subject: subject, Level: Note, Untold: true, Text: fmt.Sprintf("%s could not be checked: %s.", words.Upper(what), words.Reason(err)),
		Remedy: "Try again later."})
}

// clean reports whether nothing worse than a note was found so far.
func (s *sheet) clean() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.found, func(f Finding) bool { return f.Level > OK })
}

// now is the present by our clock.
func (x *exam) now() time.Time { return x.cfg.Clock.Now() }

// subject is what a check of the host is about.
func (x *exam) subject() string { return cmp.Or(x.host, x.facts.Hostname, "this host") }

// record is the line to publish at a name, as records.Of has it, or several; "" where it has none. part, which may be empty, must be in
// the data.
func (x *exam) record(name, typ, part string) string {
	var lines []string
	for _, r := range slices.Concat(x.wanted, x.hosts) {
		l := line(name, typ, r.Value)
		if r.Name == name && r.Type == typ && strings.Contains(r.Value, part) && !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

// line is a record as zone files have it.
func line(name, typ, value string) string { return name + ". IN " + typ + " " + value }

// mx is the domain's MX answer, asked for once.
func (x *exam) mx(ctx context.Context) (dns.Answer[[]dns.MX], error) {
	x.mxs.once.Do(func() { x.mxs.done, x.mxs.err = x.cfg.Resolver.MX(ctx, x.domain) })
	return x.mxs.done, x.mxs.err
}

// texts asks for TXT records. What is no answer is noted, and told by ok.
func (s *sheet) texts(ctx context.Context, name, what string) (texts []string, ok bool) {
	a, err := s.cfg.Resolver.TXT(ctx, name)
	if err != nil {
		s.untold(name, what, err)
		return nil, false
	}
	return a.Value, true
}

// ours reports whether an address is one of those at which we are reached.
func (x *exam) ours(ip netip.Addr) bool { return slices.Contains(x.facts.Addresses, ip.Unmap()) }

// anyOurs reports whether one of the addresses is ours.
func (x *exam) anyOurs(ips []netip.Addr) bool { return slices.ContainsFunc(ips, x.ours) }

// private reports an address that nobody outside can reach. RFC 6890 2.2.
func private(ip netip.Addr) bool {
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	ip = ip.Unmap()
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() || shared.Contains(ip)
}
