package jmap

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/textindex"
	"github.com/postrider/postrider/service/search"
)

// query is what Email/query and Email/queryChanges have in common (RFC 8621 4.4).
type query struct {
	c        *call
	key      string
	filter   *wire.Filter[*condition]
	sort     []wire.Comparator
	keywords []mail.Flags // of each sort
	collapse bool

	texts search.Texts
}

func (q *query) read(c *call, r *wire.Reader) error {
	q.c = c
	filter, sort := r.Raw("filter"), r.Raw("sort")
	r.Get("collapseThreads", &q.collapse)
	var err error
	if q.filter, err = wire.ParseFilter(filter, c.compile); err != nil {
		return invalid(err)
	}
	if q.sort, err = wire.ParseSort(sort); err != nil {
		return wire.Errorf(wire.ErrUnsupportedSort, err.Error())
	}
	for _, k := range q.sort {
		var f mail.Flags
		switch {
		case !slices.Contains(sorts, k.Property):
			return wire.Errorf(wire.ErrUnsupportedSort, fmt.Sprintf("messages are not sorted by %q", k.Property))
		case k.Collation != "" && k.Collation != "i;unicode-casemap":
			return wire.Errorf(wire.ErrUnsupportedSort, fmt.Sprintf("the collation %q is not known here", k.Collation))
		case strings.HasSuffix(k.Property, "Keyword"):
			if f, err = flagsOf(map[string]bool{k.Keyword: true}); err != nil {
				return wire.Errorf(wire.ErrInvalidArguments, "a sort by keyword needs a keyword")
			}
		}
		q.keywords = append(q.keywords, f)
	}
	if !bytes.Contains(filter, []byte(`"#`)) { // a creation id may be another one in the next request
		q.key = fmt.Sprintf("%t %s\x00%s", q.collapse, filter, sort)
	}
	return nil
}

// run gives all results in order. The lists that it gives must not be changed.
func (q *query) run(s *snapshot) ([]*email, error) {
	if q.key != "" {
		if list, ok := s.result(q.key); ok {
			return list, nil
		}
	}
	list, err := q.matching(s)
	if err != nil {
		return nil, err
	}
	if list, err = q.sorted(s, list); err != nil {
		return nil, err
	}
	if q.collapse {
		seen := make(map[mail.ThreadID]struct{}, len(list))
		list = slices.DeleteFunc(slices.Clone(list), func(e *email) bool {
			_, have := seen[e.thread]
			seen[e.thread] = struct{}{}
			return have
		})
	}
	if q.key != "" {
		s.keepResult(q.key, list)
	}
	return list, nil
}

// matching gives what the filter lets through, latest first. First the snapshot is asked, then the index, then messages are read.
func (q *query) matching(s *snapshot) ([]*email, error) {
	all := s.byReceived()
	if q.filter == nil {
		return all, nil
	}
	verdicts := make([]wire.Verdict, len(all))
	var open []mail.EmailID
	yes := 0
	for i, e := range all {
		verdicts[i] = q.filter.Eval(func(k **condition) wire.Verdict { return (*k).cheap(s, e) })
		switch verdicts[i] {
		case wire.Yes:
			yes++
		case wire.Open:
			open = append(open, e.id)
		}
	}
	if err := q.narrow(open); err != nil {
		return nil, err
	}
	out := make([]*email, 0, yes)
	for i, e := range all {
		v := verdicts[i]
		if v == wire.Open {
			var err error
			if v, err = q.decide(s, e); err != nil {
				return nil, err
			}
		}
		if v == wire.Yes {
			out = append(out, e)
		}
	}
	return out, nil
}

// narrowAt is how many messages must be open before an index is asked: fewer are read as quickly.
const narrowAt = 32

// narrow asks the index about all open messages.
func (q *query) narrow(open []mail.EmailID) (err error) {
	if q.c.s.cfg.Search == nil || len(open) < narrowAt {
		return nil
	}
	slices.Sort(open)
	q.filter.Each(func(k **condition) {
		for _, ask := range (*k).texts {
			if err != nil || ask.query.Text == "" && ask.query.Field != mail.FieldHeader {
				continue
			}
			var found []mail.Finding
			if found, err = q.c.s.cfg.Search.Find(q.c.ctx, q.c.account.ID, ask.query, open); err != nil {
				return
			}
			ask.findings = make(map[mail.EmailID]mail.Finding, len(open))
			for i, f := range found {
				if f != mail.FindingOpen {
					ask.findings[open[i]] = f
				}
			}
		}
	})
	return err
}

// decide asks a message what the snapshot could not tell: first its findings, then its summary, then its body.
func (q *query) decide(s *snapshot, e *email) (wire.Verdict, error) {
	m := &opened{q: q, e: e}
	defer m.close()
	v := wire.Open
	for level := levelIndex; level <= levelBody && v == wire.Open && m.err == nil; level++ {
		m.level = level
		v = q.filter.Eval(func(k **condition) wire.Verdict { return m.verdict(s, *k) })
	}
	switch {
	case mail.Is(m.err, mail.NotFound):
		return wire.No, nil // it went meanwhile
	case m.err != nil && q.c.ctx.Err() != nil:
		return wire.No, mail.Errorf(mail.Unavailable, "the search took too long; ask for less")
	case m.err != nil:
		// A message that cannot be read is not found, and costs nothing else.
		q.c.s.cfg.Log.Warn("message not searched", "role", "maa/jmap", "email", int64(e.id), "error", m.err)
		return wire.No, nil
	}
	return v, nil
}

// The levels at which a question may be answered.
const (
	levelIndex = iota
	levelSummary
	levelBody
)

// opened is a message that is asked.
type opened struct {
	q     *query
	e     *email
	level int
	msg   mail.Message
	root  *message.Part
	body  mail.BlobReader
	err   error
}

func (m *opened) close() {
	if m.body != nil {
		_ = m.body.Close()
	}
}

// verdict is what is known of a condition at this level.
func (m *opened) verdict(s *snapshot, k *condition) wire.Verdict {
	v := k.cheap(s, m.e)
	if v != wire.Open || m.err != nil {
		return v
	}
	open := false
	if k.hasAttachment != nil {
		switch {
		case m.level < levelSummary:
			open = true
		case !m.summary():
			return wire.Open
		case hasAttachment(m.root) != *k.hasAttachment:
			return wire.No
		}
	}
	for _, ask := range k.texts {
		switch m.answer(ask) {
		case wire.No:
			return wire.No
		case wire.Open:
			open = true
		}
	}
	if open {
		return wire.Open
	}
	return wire.Yes
}

// summary reads the message's summary. It reports false when it cannot.
func (m *opened) summary() bool {
	if m.root != nil || m.err != nil {
		return m.err == nil
	}
	if m.msg, m.err = m.q.c.s.cfg.Mailboxes.Message(m.q.c.ctx, m.q.c.account.ID, m.e.id); m.err != nil {
		return false
	}
	m.root, m.err = message.Decode(m.msg.Summary)
	return m.err == nil
}

// answer is what is known of a question at this level.
func (m *opened) answer(ask *question) wire.Verdict {
	switch ask.findings[m.e.id] {
	case mail.FindingYes:
		return wire.Yes
	case mail.FindingNo:
		return wire.No
	}
	if m.level < levelSummary || !m.summary() {
		return wire.Open
	}
	if f := ask.query.Field; f >= mail.FieldFrom && m.root.Envelope != nil {
		text, _ := search.EnvelopeText(m.root.Envelope, f)
		return wire.Is(strings.Contains(textindex.Fold(text), ask.folded))
	}
	if m.level < levelBody {
		return wire.Open
	}
	if m.body == nil {
		if m.body, m.err = m.q.c.s.cfg.Blobs.Open(m.q.c.ctx, m.msg.Blob); m.err != nil {
			m.body = nil
			return wire.Open
		}
	}
	var found bool
	t := &m.q.texts
	t.Set(m.msg.Prefix, m.root, m.body)
	switch ask.query.Field {
	case mail.FieldHeader:
		found, m.err = t.HeaderHas(ask.query.Name, ask.folded)
	case mail.FieldText:
		if found, m.err = t.HeaderHas("", ask.folded); !found && m.err == nil {
			found, m.err = t.BodyHas(ask.folded)
		}
	default:
		found, m.err = t.BodyHas(ask.folded)
	}
	return wire.Is(found)
}

// sorted orders results; they come latest first.
func (q *query) sorted(s *snapshot, list []*email) ([]*email, error) {
	if len(q.sort) == 0 || q.sort[0].Property == "receivedAt" && !q.sort[0].Ascending {
		return list, nil
	}
	facts, err := q.facts(list)
	if err != nil {
		return nil, err
	}
	type keyed struct {
		e    *email
		keys []sortKey
	}
	all := make([]keyed, len(list))
	for i, e := range list {
		all[i] = keyed{e, make([]sortKey, len(q.sort))}
		for j, k := range q.sort {
			all[i].keys[j] = q.keyOf(s, e, k.Property, q.keywords[j], facts)
		}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		for j, k := range q.sort {
			n := cmp.Or(cmp.Compare(a.keys[j].n, b.keys[j].n), strings.Compare(a.keys[j].s, b.keys[j].s))
			if !k.Ascending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	out := make([]*email, len(all))
	for i := range all {
		out[i] = all[i].e
	}
	return out, nil
}

// sortKey is what one message is sorted by.
type sortKey struct {
	n int64
	s string
}

// sortFacts are what sorts want to know of a message's envelope.
type sortFacts struct {
	sent              int64
	from, to, subject string
}

// facts reads envelopes, where a sort needs them.
func (q *query) facts(list []*email) (map[mail.EmailID]sortFacts, error) {
	if !slices.ContainsFunc(q.sort, func(k wire.Comparator) bool {
		return k.Property == "sentAt" || k.Property == "from" || k.Property == "to" || k.Property == "subject"
	}) {
		return nil, nil
	}
	facts := make(map[mail.EmailID]sortFacts, len(list))
	var r message.EnvelopeReader
	for _, e := range list {
		m, err := q.c.s.cfg.Mailboxes.Message(q.c.ctx, q.c.account.ID, e.id)
		if mail.Is(err, mail.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		env, err := r.Read(m.Summary)
		if err != nil || env == nil {
			continue // it is sorted as a message without these fields
		}
		f := sortFacts{sent: e.received, from: sortName(env.From), to: sortName(env.To)}
		if !env.Time.IsZero() {
			f.sent = env.Time.Unix()
		}
		base, _ := message.BaseSubject(message.DecodeText(env.Subject))
		f.subject = textindex.Fold(base)
		facts[e.id] = f
	}
	return facts, nil
}

// sortName is the name, or else the address, of the first of a list (RFC 8621 4.4.2).
func sortName(list []message.Address) string {
	for _, a := range list {
		if a.Kind == message.AddressMailbox {
			m := a.Decoded()
			return textindex.Fold(cmp.Or(m.Name, m.Addr.String()))
		}
	}
	return ""
}

func (q *query) keyOf(s *snapshot, e *email, property string, word mail.Flags, facts map[mail.EmailID]sortFacts) sortKey {
	switch property {
	case "receivedAt":
		return sortKey{n: e.received}
	case "size":
		return sortKey{n: e.size}
	case "sentAt":
		return sortKey{n: facts[e.id].sent}
	case "from":
		return sortKey{s: facts[e.id].from}
	case "to":
		return sortKey{s: facts[e.id].to}
	case "subject":
		return sortKey{s: facts[e.id].subject}
	}
	yes := hasAll(e.flags, word)
	if property != "hasKeyword" {
		have, thread := 0, s.threadOf(e.thread)
		for _, o := range thread {
			if hasAll(o.flags, word) {
				have++
			}
		}
		yes = have == len(thread) || property == "someInThreadHaveKeyword" && have > 0
	}
	if yes {
		return sortKey{n: 1}
	}
	return sortKey{}
}
