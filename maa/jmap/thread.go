package jmap

import (
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// threadGet answers Thread/get (RFC 8621 3.1): a thread's emails, oldest first.
func (c *call) threadGet() (any, error) {
	g, err := c.getArgs([]string{"id", "emailIds"}, nil)
	if err != nil {
		return nil, err
	}
	if g.all {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, "name the threads to get")
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	resp := c.got(stateText(s.state))
	for _, id := range g.ids {
		n, _ := parseThread(id)
		list := s.threadOf(n)
		if len(list) == 0 {
			resp.NotFound = append(resp.NotFound, id)
			continue
		}
		ids := make([]string, len(list))
		for i, e := range list {
			ids[i] = emailID(e.id)
		}
		resp.add(&g, object{"id": id, "emailIds": ids})
	}
	return resp, nil
}

// threadChanges answers Thread/changes (RFC 8621 3.2).
func (c *call) threadChanges() (any, error) {
	return c.changes(changing{remembered: func(s *snapshot, since uint64) (list []event) {
		for id, m := range s.threads {
			if m.created > since {
				list = append(list, event{id: threadID(id), at: m.created, created: true})
			} else if m.changed > since {
				list = append(list, event{id: threadID(id), at: m.changed})
			}
		}
		return append(list, tombEvents(s.goneThreads, since, func(id int64) string { return threadID(mail.ThreadID(id)) })...)
	}, recorded: recordedThreads}, nil)
}

// recordedThreads finds which threads have other messages than they had. One was there when a message of it was.
func recordedThreads(s *snapshot, ch *mail.Changes) (list []event) {
	type mark struct {
		at  uint64
		was bool // it was there
	}
	fresh := map[mail.EmailID]bool{}
	marks := map[mail.ThreadID]*mark{}
	for _, e := range ch.Emails {
		if fresh[e.Email] = e.New; !e.New && !e.Gone {
			continue
		}
		m := marks[e.Thread]
		if m == nil {
			m = new(mark)
			marks[e.Thread] = m
		}
		m.at, m.was = max(m.at, e.ModSeq), m.was || !e.New
	}
	for id, m := range marks {
		now := s.threadOf(id)
		m.was = m.was || slices.ContainsFunc(now, func(e *email) bool { return !fresh[e.id] })
		if m.was || len(now) > 0 {
			list = append(list, event{id: threadID(id), at: m.at, created: !m.was, removed: len(now) == 0})
		}
	}
	return list
}

// emailChanges answers Email/changes (RFC 8621 4.3).
func (c *call) emailChanges() (any, error) {
	return c.changes(changing{remembered: func(s *snapshot, since uint64) (list []event) {
		for _, e := range s.emails {
			if e.created > since {
				list = append(list, event{id: idOf(e), at: e.created, created: true})
			} else if e.changed > since {
				list = append(list, event{id: idOf(e), at: e.changed})
			}
		}
		return append(list, tombEvents(s.goneEmails, since, func(id int64) string { return emailID(mail.EmailID(id)) })...)
	}, recorded: recordedEmails}, nil)
}

func recordedEmails(_ *snapshot, ch *mail.Changes) (list []event) {
	for _, e := range ch.Emails {
		if !e.New || !e.Gone {
			list = append(list, event{id: emailID(e.Email), at: e.ModSeq, created: e.New, removed: e.Gone})
		}
	}
	return list
}
