package jmap

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

func idOf(e *email) string { return emailID(e.id) }

// emailQuery answers Email/query (RFC 8621 4.4).
func (c *call) emailQuery() (any, error) {
	r := wire.Reader{Args: c.args}
	var p page
	var q query
	p.read(c, &r)
	err := q.read(c, &r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, invalid(err)
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	list, err := q.run(s)
	if err != nil {
		return nil, err
	}
	resp, err := queried(c, &p, stateText(s.state), list, idOf)
	if o, ok := resp.(object); ok {
		o["collapseThreads"] = q.collapse
	}
	return resp, err
}

// emailQueryChanges answers Email/queryChanges (RFC 8621 4.5). Whatever changed, and whatever is in a thread with it, may have come, gone or moved.
func (c *call) emailQueryChanges() (any, error) {
	r := wire.Reader{Args: c.args}
	var qc queryChanges
	var q query
	qc.read(&r)
	err := q.read(c, &r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, invalid(err)
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	since, known, err := c.since(s, qc.since)
	if err != nil {
		return nil, err
	}
	threads := map[mail.ThreadID]bool{}
	moved := map[string]bool{}
	if known {
		for _, t := range s.goneEmails {
			if t.died > since {
				threads[t.thread], moved[emailID(mail.EmailID(t.id))] = true, true
			}
		}
		for _, e := range s.emails {
			if e.changed > since {
				threads[e.thread], moved[idOf(e)] = true, true
			}
		}
	} else {
		ch, now, err := c.history(s, since)
		if err != nil {
			return nil, err
		}
		s = now
		for _, e := range ch.Emails {
			threads[e.Thread], moved[emailID(e.Email)] = true, true
		}
	}
	if q.collapse || q.byThread() {
		for id := range threads {
			for _, e := range s.threadOf(id) {
				moved[emailID(e.id)] = true
			}
		}
	}
	list, err := q.run(s)
	if err != nil {
		return nil, err
	}
	resp, err := requeried(c, &qc, stateText(s.state), list, idOf, moved)
	if o, ok := resp.(object); ok {
		o["collapseThreads"] = q.collapse
	}
	return resp, err
}

// byThread reports whether results depend on other messages of their threads.
func (q *query) byThread() bool {
	by := slices.ContainsFunc(q.sort, func(k wire.Comparator) bool { return strings.Contains(k.Property, "InThread") })
	q.filter.Each(func(k **condition) { by = by || (*k).allIn != nil || (*k).someIn != nil || (*k).noneIn != nil })
	return by
}
