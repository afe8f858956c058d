package junk

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// List is a DNS list.
type List struct {
	Zone   string
	Weight float64 // what a listing adds; below 0 for lists of good senders
}

// Bounds on what is asked for one message.
const (
	maxLists     = 16
	maxDomains   = 10 // domains that are looked for in lists
	maxQuestions = 100
	maxWeight    = 1000
)

// ParseLists reads lists as configuration has them: "zone=weight". The error is of kind Invalid.
func ParseLists(texts []string) ([]List, error) {
	out := make([]List, 0, len(texts))
	for _, text := range texts {
		zone, weight, ok := strings.Cut(text, "=")
		w, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		name := normal(strings.TrimSuffix(strings.TrimSpace(zone), "."))
		if !ok || err != nil || name == "" || math.IsNaN(w) || math.Abs(w) > maxWeight {
			return nil, mail.Errorf(mail.Invalid, "%q is not a DNS list; write its zone and what a listing adds to the score, as \"zen.spamhaus.org=4\"", shown(text))
		}
		out = append(out, List{Zone: name, Weight: w})
	}
	return out, nil
}

// said is what a list answered.
type said uint8

const (
	silent  said = iota // nothing, or not in time
	clean               // not listed
	listed              // listed
	refused             // it does not serve us
)

// reply is the answer to one question.
type reply struct {
	list    *List
	subject string
	said    said
}

// inquiry is the questions about one message to all lists.
type inquiry struct {
	f       *Filter
	ctx     context.Context //nolint:containedctx // it lives as long as the call it belongs to
	stop    context.CancelFunc
	replies chan reply
	asked   int
	open    map[*List]int // questions that are not answered yet
	domains []string
}

// begin starts an inquiry; its deadline runs from now on.
func (f *Filter) begin(ctx context.Context) *inquiry {
	q := &inquiry{f: f, open: map[*List]int{}}
	q.ctx, q.stop = context.WithTimeout(ctx, f.cfg.Within)
	if f.cfg.Resolver != nil {
		q.replies = make(chan reply, maxQuestions)
	}
	return q
}

func (q *inquiry) end() { q.stop() }

// client asks about an address (RFC 5782 2.1, 2.4). What is not of the public Internet is in no list.
func (q *inquiry) client(ip netip.Addr) {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() {
		return
	}
	name := reversed(ip)
	for i := range q.f.cfg.Lists {
		l := &q.f.cfg.Lists[i]
		q.ask(l, name+l.Zone, ip.String())
	}
}

// domain asks about a domain: the part of it that somebody registered (RFC 5782 2.2). Each is asked about once.
func (q *inquiry) domain(domain string) {
	if len(q.f.cfg.DomainLists) == 0 || len(q.domains) >= maxDomains {
		return
	}
	domain = registered(normal(domain))
	if domain == "" || slices.Contains(q.domains, domain) {
		return
	}
	q.domains = append(q.domains, domain)
	for i := range q.f.cfg.DomainLists {
		l := &q.f.cfg.DomainLists[i]
		q.ask(l, domain+"."+l.Zone, domain)
	}
}

// ask puts one question beside the caller. Its goroutine ends with the resolver's answer, which ctx bounds; nobody has to wait.
func (q *inquiry) ask(l *List, name, subject string) {
	if q.replies == nil || q.asked >= maxQuestions || len(name) > 253 {
		return
	}
	q.asked++
	q.open[l]++
	go func() { q.replies <- reply{l, subject, look(q.ctx, q.f.cfg.Resolver, name)} }()
}

// look asks one question.
func look(ctx context.Context, r Resolver, name string) said {
	a, err := r.Addresses(ctx, name)
	switch {
	case mail.Is(err, mail.Invalid):
		return clean
	case err != nil:
		return silent
	case a.Status != dns.Found:
		return clean
	}
	out := clean
	for _, ip := range a.Value {
		switch ip = ip.Unmap(); {
		case !ip.Is4() || ip.As4()[0] != 127: // RFC 5782 2.1: values are of 127.0.0.0/8; a wildcard or a hijacked answer is none
		case refusal(ip.As4()):
			return refused
		default:
			out = listed
		}
	}
	return out
}

// refusal tells the values by which lists say that they do not serve whoever asks: 127.255.255.0/24 of Spamhaus, 127.0.0.1 of URIBL and
// SURBL (which RFC 5782 5 keeps free), 127.0.0.255 of DNSWL and 127.0.1.255 of the DBL.
func refusal(v [4]byte) bool {
	return v[1] == 255 && v[2] == 255 || v == [4]byte{127, 0, 0, 1} || v == [4]byte{127, 0, 0, 255} || v == [4]byte{127, 0, 1, 255}
}

// gather waits for the answers, until all are there or the time is over, and counts each list once.
func (q *inquiry) gather(t *tally) {
	got := make(map[*List]reply, len(q.open))
	for range q.asked {
		r, ok := q.next()
		if !ok {
			break
		}
		q.open[r.list]--
		if have, known := got[r.list]; !known || rank(r.said) > rank(have.said) {
			got[r.list] = r
		}
	}
	for l, n := range q.open {
		if have, known := got[l]; n > 0 && (!known || have.said == clean) {
			got[l] = reply{list: l, said: silent}
		}
	}
	q.count(t, got)
}

// next gives an answer that is there, or comes in time.
func (q *inquiry) next() (reply, bool) {
	select {
	case r := <-q.replies:
		return r, true
	default:
	}
	select {
	case r := <-q.replies:
		return r, true
	case <-q.ctx.Done():
		return reply{}, false
	}
}

// rank orders what is worth telling of one list.
func rank(s said) int { return [...]int{clean: 0, silent: 1, refused: 2, listed: 3}[s] }

// count writes the sum, in the order of the configuration.
func (q *inquiry) count(t *tally, got map[*List]reply) {
	for _, lists := range [][]List{q.f.cfg.Lists, q.f.cfg.DomainLists} {
		for i := range lists {
			l := &lists[i]
			r, ok := got[l]
			switch {
			case !ok || r.said == clean:
			case r.said == listed:
				t.add(l.Weight, "%s is listed by %s.", r.subject, l.Zone)
			case r.said == refused:
				t.say("%s does not serve our resolver and was not counted; ask it through a resolver of your own (docs/problems.md#resolver).", l.Zone)
			default:
				t.say("%s did not answer in time and was not counted.", l.Zone)
			}
		}
	}
}

// reversed writes an address as lists want it, with a dot at its end (RFC 5782 2.1, 2.4).
func reversed(ip netip.Addr) string {
	var b strings.Builder
	octets := ip.AsSlice()
	for _, o := range slices.Backward(octets) {
		if ip.Is4() {
			fmt.Fprintf(&b, "%d.", o)
		} else {
			fmt.Fprintf(&b, "%x.%x.", o&15, o>>4)
		}
	}
	return b.String()
}

// registered is the part of a name that somebody registered; the name itself where that cannot be told.
func registered(domain string) string {
	if domain == "" {
		return ""
	}
	if base, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return base
	}
	return domain
}

// literal reads an address literal of HELO.
func literal(helo string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(helo, "[")
	if !ok {
		ip, err := netip.ParseAddr(helo)
		return ip.Unmap(), err == nil
	}
	inner = strings.TrimSuffix(inner, "]")
	if len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:") {
		inner = inner[5:]
	}
	ip, err := netip.ParseAddr(inner)
	return ip.Unmap(), err == nil
}

// same compares host names.
func same(a, b string) bool {
	na, errA := addr.NormalDomain(strings.TrimSuffix(a, "."))
	nb, errB := addr.NormalDomain(strings.TrimSuffix(b, "."))
	return errA == nil && errB == nil && na == nb
}
