package jmap

import (
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
	return c.changes(func(s *snapshot, since uint64) (list []event) {
		for id, m := range s.threads {
			if m.changed > since {
				list = append(list, event{id: threadID(id), at: m.changed, created: m.created > since})
			}
		}
		return append(list, tombEvents(s.goneThreads, since, func(id int64) string { return threadID(mail.ThreadID(id)) })...)
	}, nil)
}

// emailChanges answers Email/changes (RFC 8621 4.3).
func (c *call) emailChanges() (any, error) {
	return c.changes(func(s *snapshot, since uint64) (list []event) {
		for _, e := range s.emails {
			if e.changed > since {
				list = append(list, event{id: emailID(e.id), at: e.changed, created: e.created > since})
			}
		}
		return append(list, tombEvents(s.goneEmails, since, func(id int64) string { return emailID(mail.EmailID(id)) })...)
	}, nil)
}
