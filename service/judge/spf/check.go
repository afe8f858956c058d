package spf

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// Result is a result in the words of RFC 7208 2.6.
type Result string

// The results.
const (
	None      Result = "none"
	Neutral   Result = "neutral"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// Resolver is how the DNS is asked; a dns.Resolver is one.
type Resolver interface {
	MX(ctx context.Context, domain string) (dns.Answer[[]dns.MX], error)
	Addresses(ctx context.Context, host string) (dns.Answer[[]netip.Addr], error)
	TXT(ctx context.Context, name string) (dns.Answer[[]string], error)
	PTR(ctx context.Context, ip netip.Addr) (dns.Answer[[]string], error)
}

// Query is what is checked.
type Query struct {
	IP     netip.Addr // of the client
	Local  string     // local part of the sender; empty: postmaster (RFC 7208 4.3)
	Domain string     // of MAIL FROM, or of HELO for the null sender (RFC 7208 2.4); A-labels
	Helo   string     // what the client called itself
	// For explanations: who checks, and when. May be zero.
	Receiver string
	Now      time.Time
}

// Outcome is what came of a check.
type Outcome struct {
	Result      Result
	Mechanism   string // the term that matched, as written; may be empty
	Explanation string // what the owner says to a sender that fails; may be empty
	Reason      string // one sentence for people
}

// The limits of RFC 7208 4.6.4.
const (
	maxLookups = 10
	maxVoid    = 2
	maxHosts   = 10 // of an MX, and names of an address
	// MaxExplanation bounds Outcome.Explanation, in octets.
	MaxExplanation = 300
)

// check is one evaluation.
type check struct {
	q       Query
	r       Resolver
	lookups int
	void    int
	names   []string // validated names of the client; nil: not asked yet
	reason  string   // of an error
}

// Check evaluates check_host. RFC 7208 4.
func Check(ctx context.Context, r Resolver, q Query) Outcome {
	q.IP = q.IP.Unmap()
	if q.Local == "" {
		q.Local = "postmaster"
	}
	domain := strings.ToLower(strings.TrimSuffix(q.Domain, "."))
	if !q.IP.IsValid() || !qualified(domain) {
		return Outcome{Result: None, Reason: "There is no domain to check."}
	}
	c := &check{q: q, r: r}
	e := c.host(ctx, domain)
	out := Outcome{Result: e.result, Mechanism: e.term}
	if e.result == Fail && e.exp != nil {
		out.Explanation = c.explain(ctx, e)
	}
	out.Reason = c.sentence(domain, out)
	return out
}

func (c *check) sentence(domain string, o Outcome) string {
	by := "."
	if o.Mechanism != "" {
		by = fmt.Sprintf(" (%s).", cut(o.Mechanism))
	}
	switch o.Result {
	case Pass:
		return fmt.Sprintf("%s may send mail for %s%s", c.q.IP, domain, by)
	case Fail:
		return fmt.Sprintf("%s says that %s may not send its mail%s", domain, c.q.IP, by)
	case SoftFail:
		return fmt.Sprintf("%s says that %s probably may not send its mail%s", domain, c.q.IP, by)
	case Neutral:
		return fmt.Sprintf("%s says nothing about %s%s", domain, c.q.IP, by)
	case None:
		return fmt.Sprintf("%s has no SPF record.", domain)
	case TempError:
		return fmt.Sprintf("The SPF record of %s cannot be checked now: %s.", domain, c.reason)
	}
	return fmt.Sprintf("The SPF record of %s cannot be used: %s.", domain, c.reason)
}

// evaluation is the result for one domain.
type evaluation struct {
	result Result
	term   string
	domain string  // whose record decided
	exp    []piece // of that record
}

func (c *check) fault(r Result, format string, args ...any) evaluation {
	if c.reason == "" {
		c.reason = fmt.Sprintf(format, args...)
	}
	return evaluation{result: r}
}

// host evaluates the record of one domain. RFC 7208 4.4 to RFC 7208 4.7.
func (c *check) host(ctx context.Context, domain string) evaluation {
	texts, status := ask(ctx, c.r.TXT, domain)
	if status == failed {
		return c.fault(TempError, "the DNS does not answer for %s", cut(domain))
	}
	var found []string
	for _, t := range texts {
		if isRecord(t) {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 0:
		return evaluation{result: None}
	case len(found) > 1:
		return c.fault(PermError, "%s has %d of them", cut(domain), len(found))
	}
	rec, err := parse(found[0])
	if err != nil {
		return c.fault(PermError, "%s", err)
	}
	for _, d := range rec.directives {
		match, bad := c.matches(ctx, d, domain)
		if bad != "" {
			return evaluation{result: bad}
		}
		if match {
			return evaluation{result: d.result, term: d.text, domain: domain, exp: rec.exp}
		}
	}
	if rec.redirect == nil {
		return evaluation{result: Neutral, domain: domain}
	}
	if !c.count() {
		return evaluation{result: PermError}
	}
	target := shorten(c.expand(ctx, rec.redirect, domain))
	if !qualified(target) {
		return c.fault(PermError, "it redirects to %q, which is no domain", cut(target))
	}
	e := c.host(ctx, target)
	if e.result == None {
		return c.fault(PermError, "it redirects to %s, which has none", cut(target))
	}
	return e
}

// count counts a term that asks the DNS. RFC 7208 4.6.4.
func (c *check) count() bool {
	if c.lookups++; c.lookups > maxLookups {
		c.fault(PermError, "it takes more than %d questions to the DNS", maxLookups)
		return false
	}
	return true
}

// matches evaluates a mechanism; bad is TempError or PermError where it has no answer. RFC 7208 5.
func (c *check) matches(ctx context.Context, d directive, domain string) (match bool, bad Result) {
	switch d.name {
	case "all":
		return true, ""
	case "ip4", "ip6":
		return d.net.Contains(c.q.IP), ""
	}
	if !c.count() {
		return false, PermError
	}
	target := domain
	if d.domain != nil {
		target = shorten(c.expand(ctx, d.domain, domain))
	}
	switch d.name {
	case "include":
		return c.include(ctx, target)
	case "a":
		return c.address(ctx, target, d)
	case "mx":
		return c.mx(ctx, target, d)
	case "ptr":
		for _, name := range c.reverse(ctx) {
			if name == target || strings.HasSuffix(name, "."+target) {
				return true, ""
			}
		}
		return false, c.tooVoid()
	}
	ips, status := ask(ctx, c.r.Addresses, target) // exists: an A record, whatever the client's family. RFC 7208 5.7
	return c.have(status, only(ips, true), func([]netip.Addr) bool { return true })
}

func (c *check) include(ctx context.Context, target string) (bool, Result) {
	if !qualified(target) {
		c.fault(PermError, "it includes %q, which is no domain", cut(target))
		return false, PermError
	}
	switch e := c.host(ctx, target); e.result {
	case Pass:
		return true, ""
	case TempError, PermError:
		return false, e.result
	case None:
		c.fault(PermError, "it includes %s, which has none", cut(target))
		return false, PermError
	}
	return false, ""
}

// have settles an answer: a failure is temporary, an empty one is counted.
func (c *check) have(status status, ips []netip.Addr, in func([]netip.Addr) bool) (bool, Result) {
	switch {
	case status == failed:
		c.fault(TempError, "the DNS does not answer")
		return false, TempError
	case len(ips) == 0:
		c.void++
		return false, c.tooVoid()
	}
	return in(ips), ""
}

func (c *check) tooVoid() Result {
	if c.void > maxVoid {
		c.fault(PermError, "more than %d of its names have no data", maxVoid)
		return PermError
	}
	return ""
}

func (c *check) address(ctx context.Context, host string, d directive) (bool, Result) {
	ips, status := ask(ctx, c.r.Addresses, host)
	return c.have(status, only(ips, c.q.IP.Is4()), func(ips []netip.Addr) bool { return c.within(ips, d) })
}

// within reports whether the client is in the network of one of the addresses.
func (c *check) within(ips []netip.Addr, d directive) bool {
	bits := d.bits6
	if c.q.IP.Is4() {
		bits = d.bits4
	}
	for _, ip := range ips {
		if ip.BitLen() == c.q.IP.BitLen() && netip.PrefixFrom(ip, bits).Contains(c.q.IP) {
			return true
		}
	}
	return false
}

// mx never falls back to the address of the domain. RFC 7208 5.4.
func (c *check) mx(ctx context.Context, domain string, d directive) (bool, Result) {
	answer, err := c.r.MX(ctx, domain)
	switch {
	case err != nil && !mail.Is(err, mail.Invalid):
		c.fault(TempError, "the DNS does not answer for the hosts of %s", cut(domain))
		return false, TempError
	case err != nil || answer.Status == dns.Implicit || answer.Status == dns.NoData || answer.Status == dns.NoName:
		c.void++
		return false, c.tooVoid()
	case len(answer.Value) > maxHosts:
		c.fault(PermError, "%s has more than %d hosts for mail", cut(domain), maxHosts)
		return false, PermError
	case answer.Status != dns.Found:
		return false, ""
	}
	for _, mx := range answer.Value {
		ips, status := ask(ctx, c.r.Addresses, mx.Host)
		if status == failed {
			c.fault(TempError, "the DNS does not answer for %s", cut(mx.Host))
			return false, TempError
		}
		if c.within(only(ips, c.q.IP.Is4()), d) {
			return true, ""
		}
	}
	return false, ""
}

// reverse gives the names of the client that lead back to it. Failures of the DNS are no match: the zone is the client's, not
// the domain's. RFC 7208 5.5.
func (c *check) reverse(ctx context.Context) []string {
	if c.names != nil {
		return c.names
	}
	c.names = []string{}
	answer, err := c.r.PTR(ctx, c.q.IP)
	if err != nil {
		return nil
	}
	if len(answer.Value) == 0 {
		c.void++
	}
	for _, name := range answer.Value[:min(len(answer.Value), maxHosts)] {
		ips, _ := ask(ctx, c.r.Addresses, name)
		for _, ip := range ips {
			if ip.Unmap() == c.q.IP {
				c.names = append(c.names, strings.ToLower(strings.TrimSuffix(name, ".")))
				break
			}
		}
	}
	return c.names
}

// validated is the macro p: the name that is nearest to the domain. RFC 7208 7.3.
func (c *check) validated(ctx context.Context, domain string) string {
	best := "unknown"
	for _, name := range c.reverse(ctx) {
		switch {
		case name == domain:
			return name
		case strings.HasSuffix(name, "."+domain) && !strings.HasSuffix(best, "."+domain), best == "unknown":
			best = name
		}
	}
	return best
}

// explain fetches what the owner wants to be said. All failures mean nothing. RFC 7208 6.2.
func (c *check) explain(ctx context.Context, e evaluation) string {
	texts, status := ask(ctx, c.r.TXT, shorten(c.expand(ctx, e.exp, e.domain)))
	if status != found || len(texts) != 1 || len(texts[0]) > MaxRecord {
		return ""
	}
	all, err := macroString(texts[0], true)
	if err != nil {
		return ""
	}
	text := c.expand(ctx, all, e.domain)
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return ""
		}
	}
	return text[:min(len(text), MaxExplanation)]
}

type status uint8

const (
	found status = iota
	nothing
	failed
)

// ask asks one question. A name that cannot be asked for does not exist.
func ask[T any](ctx context.Context, question func(context.Context, string) (dns.Answer[[]T], error), name string) ([]T, status) {
	if !plausible(name) {
		return nil, nothing
	}
	answer, err := question(ctx, name)
	switch {
	case mail.Is(err, mail.Invalid):
		return nil, nothing
	case err != nil:
		return nil, failed
	case answer.Status != dns.Found:
		return nil, nothing
	}
	return answer.Value, found
}

// only keeps the addresses of one family.
func only(ips []netip.Addr, v4 bool) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() == v4 {
			out = append(out, ip)
		}
	}
	return out
}

// plausible reports whether a name can exist at all. RFC 7208 4.3.
func plausible(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}

// qualified reports whether a domain can have a record. RFC 7208 4.3.
func qualified(name string) bool {
	return plausible(name) && strings.Contains(name, ".") && name[0] != '['
}
