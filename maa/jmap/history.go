package jmap

import (
	"cmp"
	"errors"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// changing finds what changed of a type, in what a snapshot remembers and in what the store does.
type changing struct {
	remembered func(s *snapshot, since uint64) []event
	// recorded is given what the store says of the time since a state, and a snapshot of its end.
	recorded func(s *snapshot, ch *mail.Changes) []event
}

// event is what happened to one object.
type event struct {
	id               string
	at               uint64 // when; of what was created since, in a snapshot: when it was
	created, removed bool
	counts           bool // of a mailbox: nothing but its counts changed
}

// changes answers every /changes (RFC 8620 5.2). more adds to the response.
func (c *call) changes(of changing, more func(list []event, resp object)) (any, error) {
	a, err := c.sinceArgs()
	if err != nil {
		return nil, err
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	from, known, err := c.since(s, a.since)
	if err != nil {
		return nil, err
	}
	var list []event
	upto, cut := s.state, false
	if known {
		list = of.remembered(s, from)
	}
	switch {
	case (!known || len(list) > a.limit) && c.s.cfg.History != nil:
		// What a snapshot remembers is exact as a whole, but not between two of its looks at the store; where a part of it is to be told,
		// the next part may be asked of another node.
		list, upto, cut, err = c.recall(s, from, a.limit, of.recorded)
	case len(list) > a.limit:
		list, upto, cut, err = firstOf(list, s.state, a.limit)
	}
	if err != nil {
		return nil, err
	}
	inOrder(list)
	resp := object{"accountId": accountID(c.account.ID), "oldState": a.since, "newState": stateText(upto), "hasMoreChanges": cut}
	created, updated, destroyed := []string{}, []string{}, []string{}
	for _, e := range list {
		switch {
		case e.removed:
			destroyed = append(destroyed, e.id)
		case e.created:
			created = append(created, e.id)
		default:
			updated = append(updated, e.id)
		}
	}
	resp["created"], resp["updated"], resp["destroyed"] = created, updated, destroyed
	if more != nil {
		more(list, resp)
	}
	return resp, nil
}

// since reads a state of a client. known is false when the snapshot does not go back so far, and the store's history must be asked; where there is none,
// it is cannotCalculateChanges.
func (c *call) since(s *snapshot, state string) (n uint64, known bool, err error) {
	n, ok := parseState(state)
	known = ok && n >= s.base
	if !ok || n > s.state || !known && c.s.cfg.History == nil {
		return 0, false, forgotten()
	}
	return n, known, nil
}

func forgotten() error {
	return wire.Errorf(wire.ErrCannotCalculate, "what changed since that state is not known any more; get the objects again")
}

func inOrder(list []event) {
	slices.SortFunc(list, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) })
}

// firstOf cuts events down to the first so many, at a state between two changes.
func firstOf(list []event, state uint64, limit int) (_ []event, upto uint64, cut bool, err error) {
	if inOrder(list); len(list) <= limit {
		return list, state, false, nil
	}
	n := limit
	for n > 0 && list[n-1].at == list[n].at {
		n--
	}
	if n == 0 {
		return nil, 0, false, tooFew()
	}
	return list[:n], list[n-1].at, true, nil
}

func tooFew() error {
	return wire.Errorf(wire.ErrCannotCalculate, "one change touched more objects than maxChanges; ask for more of them, or get the objects again")
}

// historyTries is how often the history is read again because the account changed meanwhile.
const historyTries = 5

// history reads the store's history since a state, and gives a snapshot of its end.
func (c *call) history(s *snapshot, since uint64) (mail.Changes, *snapshot, error) {
	for range historyTries {
		ch, err := c.s.cfg.History.Changes(c.ctx, c.account.ID, since)
		if err != nil {
			return ch, nil, err
		}
		if since < ch.From {
			return ch, nil, forgotten()
		}
		if ch.To == s.state {
			return ch, s, nil
		}
		if s, err = c.snap(); err != nil {
			return ch, nil, err
		}
		if ch.To == s.state {
			return ch, s, nil
		}
	}
	return mail.Changes{}, nil, busy()
}

func busy() error {
	return mail.Errorf(mail.Unavailable, "the account changes all the time at this moment; try again")
}

// recall tells what the store's history says of the time since a state: at most limit events, those up to a state between two changes.
func (c *call) recall(s *snapshot, since uint64, limit int, find func(*snapshot, *mail.Changes) []event) (list []event, upto uint64, cut bool, err error) {
	for range historyTries {
		ch, now, err := c.history(s, since)
		if err != nil {
			return nil, 0, false, err
		}
		list = find(now, &ch)
		if len(list) <= limit {
			return list, ch.To, false, nil
		}
		p := &part{c: c, s: now, find: find, all: list, to: ch.To}
		told, upto, err := p.first(since, limit)
		if !errors.Is(err, errMoved) {
			return told, upto, true, err
		}
		s = now
	}
	return nil, 0, false, busy()
}

// errMoved says that the account has changed since its history was read.
var errMoved = errors.New("the account has changed")

// part finds a part of a history that can be told on its own.
type part struct {
	c    *call
	s    *snapshot
	find func(*snapshot, *mail.Changes) []event
	all  []event // of the whole
	to   uint64
}

// first gives about the first limit events, never more, and the state they lead to. The more time, the more is told: so a state is looked for at which it is
// not too much, first where it is most likely.
func (p *part) first(since uint64, limit int) (told []event, upto uint64, err error) {
	inOrder(p.all)
	lo, hi := since, p.all[limit].at
	for try := p.all[limit-1].at; hi-lo > 1; try = lo + (hi-lo)/2 {
		if try >= hi {
			continue
		}
		list, err := p.upTo(try)
		switch {
		case err != nil:
			return nil, 0, err
		case len(list) > limit:
			hi = try
		case len(list) > limit/2:
			return list, try, nil
		default:
			lo, told = try, list
		}
	}
	if lo == since {
		return nil, 0, tooFew()
	}
	return told, lo, nil
}

// upTo gives what is to be told up to a state: what had its latest change by then, and what was made by then though it changed later too.
func (p *part) upTo(state uint64) (told []event, err error) {
	later, err := p.c.s.cfg.History.Changes(p.c.ctx, p.c.account.ID, state)
	if err != nil {
		return nil, err
	}
	if later.To != p.to {
		return nil, errMoved
	}
	fresh := map[string]bool{}
	for _, e := range p.find(p.s, &later) {
		fresh[e.id] = e.created
	}
	for _, e := range p.all {
		if e.created && !fresh[e.id] || !e.created && e.at <= state {
			told = append(told, e)
		}
	}
	return told, nil
}
