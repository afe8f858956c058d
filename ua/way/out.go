package way

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/advice"
)

// journey gathers how it stands with each address of a letter that was sent.
type journey struct {
	reader mail.AccountID
	order  []mail.Path
	by     map[mail.Path]*stand
	behind map[mail.Path]mail.Path // what an alias led to, and the alias
	lost   mail.Path               // an alias that leads to more than its event tells
}

// stand is one address with what became of all that it stands for.
type stand struct {
	Recipient
	parts map[mail.Path]mail.Event // the latest of each address behind it
	queue map[mail.Path]mail.QueuedRecipient
}

// out is the way of what an account sent. Events are those of its traces.
func (s *Service) out(ctx context.Context, account mail.Account, events []mail.Event) (Way, error) {
	slices.SortStableFunc(events, func(a, b mail.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	way := Way{Direction: "out", Trace: []string{}, Recipients: []Recipient{}}
	j := journey{reader: account.ID, by: map[mail.Path]*stand{}, behind: map[mail.Path]mail.Path{}}
	var taken mail.Event
	for _, e := range events {
		if !slices.Contains(way.Trace, string(e.Trace)) {
			way.Trace = append(way.Trace, string(e.Trace))
		}
		way.MessageID = cmp.Or(way.MessageID, e.MessageID)
		switch e.Outcome {
		case mail.Accepted:
			taken = e
		case mail.Expanded:
			j.expand(e)
		}
	}
	var waiting []mail.Queued
	for _, t := range way.Trace {
		list, err := s.queued(ctx, account, mail.TraceID(t))
		if err != nil {
			return Way{}, err
		}
		waiting = append(waiting, list...)
	}
	for _, q := range waiting {
		for _, r := range q.Recipients {
			if r.Original != "" && r.Original != r.Address {
				j.behind[r.Address] = r.Original
			}
		}
	}
	for _, e := range events {
		j.event(e)
	}
	now := s.cfg.Clock.Now()
	for _, q := range waiting {
		for _, r := range q.Recipients {
			if r.Lease.Until.Before(now) {
				r.Lease = mail.Lease{}
			}
			j.waits(q, r)
		}
	}
	for _, p := range j.order {
		st := j.by[p]
		st.conclude(taken)
		way.Recipients = append(way.Recipients, st.Recipient)
	}
	if len(way.Recipients) == 0 {
		way.Text = "It was taken back before anything of it was sent."
	}
	return way, nil
}

// expand notes what an alias led to, as service/intake writes it: "by a, b to c d e".
func (j *journey) expand(e mail.Event) {
	rest, ok := strings.CutPrefix(e.Reason, "by ")
	if !ok {
		return
	}
	_, targets, _ := strings.Cut(rest, " to ")
	for t := range strings.FieldsSeq(targets) {
		switch {
		case t == "...":
			j.lost = e.To
		case mail.Path(t) != e.To:
			j.behind[mail.Path(t)] = e.To
		}
	}
}

// at finds the address that the sender gave for one that something happened to.
func (j *journey) at(p mail.Path) *stand {
	given := p
	for range 10 { // aliases of aliases
		next, ok := j.behind[given]
		if !ok {
			break
		}
		given = next
	}
	st := j.by[given]
	if st == nil {
		if j.lost != "" && given == p && j.by[j.lost] != nil {
			return j.by[j.lost]
		}
		st = &stand{Recipient: Recipient{Address: string(given), Events: []Event{}}, parts: map[mail.Path]mail.Event{}, queue: map[mail.Path]mail.QueuedRecipient{}}
		j.by[given] = st
		j.order = append(j.order, given)
	}
	return st
}

// event takes one line of the trail.
func (j *journey) event(e mail.Event) {
	if e.To == "" {
		return
	}
	st := j.at(e.To)
	told := tell(e, j.reader)
	if string(e.To) != st.Address {
		told = discreet(told, string(e.To), st.Address)
	}
	st.Events = append(st.Events, told)
	if e.Outcome == mail.Reported {
		return
	}
	if before, ok := st.parts[e.To]; ok && before.Outcome != mail.Expanded && e.Outcome == mail.Expanded {
		return
	}
	st.parts[e.To] = e
}

// waits takes one recipient of the queue.
func (j *journey) waits(q mail.Queued, r mail.QueuedRecipient) {
	st := j.at(r.Address)
	st.queue[r.Address] = r
	if e, ok := st.parts[r.Address]; !ok || e.Outcome != mail.Deferred {
		st.parts[r.Address] = mail.Event{At: q.Created, Outcome: mail.Accepted, To: r.Address}
	}
}

// weights order what matters most to a sender where one address stands for several.
var weights = map[mail.Outcome]int{mail.Bounced: 6, mail.Rejected: 6, mail.Deferred: 5, mail.Accepted: 4, mail.Discarded: 3, mail.Relayed: 2, mail.Delivered: 1, mail.Expanded: 0}

// conclude says how it stands now.
func (st *stand) conclude(taken mail.Event) {
	var worst mail.Event
	for _, p := range slices.Sorted(mapKeys(st.parts)) {
		e := st.parts[p]
		if worst.Outcome == "" || weights[e.Outcome] > weights[worst.Outcome] || e.Outcome == worst.Outcome && e.At.After(worst.At) {
			worst = e
		}
	}
	r := &st.Recipient
	r.State, r.At = string(worst.Outcome), worst.At.UTC()
	if r.At.IsZero() {
		r.At = taken.At.UTC()
	}
	q, queued := st.queue[worst.To]
	hidden := string(worst.To) != r.Address
	last := worst.Reason
	if queued {
		r.Attempts = q.Attempts
		last = cmp.Or(last, q.Last)
		st.waiting(q, worst)
	} else if worst.Outcome == mail.Deferred {
		r.State = stateTrying
	} else if worst.Outcome == mail.Rejected {
		r.State = string(mail.Bounced)
	}
	if w := advice.Read(last); w.Host != "" {
		r.Words = w.Reply
		if !hidden {
			r.Host = hostOf(worst.Peer, w.Host)
		}
	}
	if worst.Outcome == mail.Relayed || worst.TLS != "" {
		r.TLS = cmp.Or(advice.TLS(worst.TLS), advice.NoTLS)
	}
	a := advice.For(worst.Outcome, last)
	if r.State == stateHeld {
		a = advice.Held()
	}
	r.Advice, r.Link = a.Text, a.Link
	if hidden {
		r.Words = redact(r.Words, string(worst.To), r.Address)
	}
}

// waiting is the state of a recipient in the queue.
func (st *stand) waiting(q mail.QueuedRecipient, e mail.Event) {
	r := &st.Recipient
	switch {
	case q.Held:
		r.State = stateHeld
		return
	case q.Attempts == 0 && e.Outcome == mail.Accepted:
		r.State = stateAccepted
	default:
		r.State = stateTrying
	}
	if !q.Next.IsZero() && q.Lease.ID == 0 {
		next := q.Next.UTC()
		r.Next = &next
	}
}

func mapKeys(m map[mail.Path]mail.Event) func(func(mail.Path) bool) {
	return func(yield func(mail.Path) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// tell puts a line of the trail into words for the sender.
func tell(e mail.Event, reader mail.AccountID) Event {
	out := Event{At: e.At.UTC(), Outcome: string(e.Outcome)}
	w := advice.Read(e.Reason)
	if e.Role == "mta/outbound" {
		out.Host = hostOf(e.Peer, w.Host)
		if e.TLS != "" || e.Outcome == mail.Relayed {
			out.TLS = cmp.Or(advice.TLS(e.TLS), advice.NoTLS)
		}
	}
	who := cmp.Or(w.Host, "The other side")
	switch e.Outcome {
	case mail.Delivered:
		out.Text = "It is in the recipient's mailbox here."
		if e.Account == reader {
			out.Text = "It is in your own mailbox."
		}
	case mail.Relayed:
		out.Text = who + " took it over: " + w.Reply
	case mail.Deferred:
		out.Text = upper(e.Reason)
		if w.Host != "" {
			out.Text = who + " put it off: " + w.Reply
		}
	case mail.Bounced, mail.Rejected:
		out.Text = bounced(w)
	case mail.Expanded:
		out.Text = "The address stands for others; it went on to " + plural(targets(e.Reason)) + "."
	case mail.Reported:
		out.Text = reported(e.Reason)
	case mail.Discarded:
		out.Text = "It was taken out and not delivered."
		if e.Role == "admin" {
			out.Text = "Somebody who runs this server took it out of the queue."
		}
	default:
		out.Text = upper(e.Reason)
	}
	return out
}

func bounced(w advice.Words) string {
	text := upper(w.Reply)
	if w.Host != "" {
		text = w.Host + " refused it: " + w.Reply
	}
	if w.GivenUp != "" {
		text = "It was tried for " + w.GivenUp + " and given up. The last attempt: " + w.Reply
		if w.Host != "" {
			text = "It was tried for " + w.GivenUp + " and given up. " + w.Host + " said last: " + w.Reply
		}
	}
	return text
}

func reported(reason string) string {
	switch {
	case strings.HasPrefix(reason, "delay report"):
		return "You were sent a report that it takes longer."
	case strings.HasPrefix(reason, "failure report"):
		return "You were sent a report about the failure."
	}
	return "No report could be sent about it."
}

// targets counts what an alias led to; 0: many.
func targets(reason string) int {
	_, list, _ := strings.Cut(reason, " to ")
	if strings.HasSuffix(list, "...") {
		return 0
	}
	return len(strings.Fields(list))
}

func plural(n int) string {
	switch n {
	case 0:
		return "many addresses"
	case 1:
		return "one address"
	}
	return strconv.Itoa(n) + " addresses"
}

// upper begins a sentence with a capital, unless it begins with a name of the DNS or an address.
func upper(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || strings.ContainsAny(strings.TrimRight(first, ".,:;"), ".@[") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// hostOf shows "host[ip]" as people read it.
func hostOf(peer, host string) string {
	if peer == "" {
		return host
	}
	name, ip, ok := strings.Cut(peer, "[")
	if !ok {
		return peer
	}
	return strings.TrimSpace(name + " [" + ip)
}

// discreet takes out of an event what tells whom an alias leads to.
func discreet(e Event, target, given string) Event {
	host, _, _ := strings.Cut(e.Host, " ")
	e.Host = ""
	e.Text = redact(e.Text, target, given)
	if host != "" {
		e.Text = replace(e.Text, host, "the other side")
	}
	e.Text = upper(e.Text)
	return e
}

// redact puts something else for an address and for its domain with all hosts below it, in any letter case.
func redact(text, target, given string) string {
	const mark = "\x00"
	text = replace(text, target, mark)
	_, domain := mail.Path(target).Split()
	if _, own := mail.Path(given).Split(); domain != "" && !strings.EqualFold(domain, own) {
		text = replace(text, domain, "the other side")
	}
	return strings.ReplaceAll(text, mark, given)
}

func replace(text, what, with string) string {
	if what == "" {
		return text
	}
	re, err := regexp.Compile(`(?i)(?:[A-Za-z0-9-]+\.)*` + regexp.QuoteMeta(what))
	if err != nil {
		return text
	}
	return re.ReplaceAllLiteralString(text, with)
}
