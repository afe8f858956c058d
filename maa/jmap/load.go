package jmap

import (
	"slices"

	"github.com/postrider/postrider/mail"
)

// loader reads the facts of messages, those that lie side by side in a mailbox together.
type loader struct {
	c    *call
	have map[mail.EmailID]mail.Message
}

// Bounds of reading together: how many messages are held, and how many others may lie between for each of them.
const (
	loadAhead = 100
	loadGaps  = 4
	loadFrom  = 8
)

// ahead reads messages that are asked for next. What it misses is read one by one.
func (l *loader) ahead(list []*email) error {
	l.have = make(map[mail.EmailID]mail.Message, len(list))
	byBox := map[mail.MailboxID][]*email{}
	for _, e := range list {
		byBox[e.places[0].mailbox] = append(byBox[e.places[0].mailbox], e)
	}
	for box, emails := range byBox {
		slices.SortFunc(emails, func(a, b *email) int { return int(int64(a.places[0].uid) - int64(b.places[0].uid)) })
		for len(emails) >= loadFrom {
			n := 1
			for n < len(emails) && emails[n].places[0].uid-emails[n-1].places[0].uid <= loadGaps {
				n++
			}
			if n >= loadFrom {
				if err := l.run(box, emails[:n]); err != nil {
					return err
				}
			}
			emails = emails[n:]
		}
	}
	return nil
}

// run reads a run of messages of a mailbox.
func (l *loader) run(box mail.MailboxID, emails []*email) error {
	in := mail.UIDRange{First: emails[0].places[0].uid, Last: emails[len(emails)-1].places[0].uid}
	for m, err := range l.c.s.cfg.Mailboxes.Messages(l.c.ctx, box, in) {
		if mail.Is(err, mail.NotFound) {
			return nil // the mailbox went; its messages may be elsewhere
		}
		if err != nil {
			return err
		}
		if i, ok := slices.BinarySearchFunc(emails, m.UID, func(e *email, uid uint32) int { return int(int64(e.places[0].uid) - int64(uid)) }); ok && emails[i].id == m.ID {
			l.have[m.ID] = m.Message
		}
	}
	return nil
}

// message gives one.
func (l *loader) message(id mail.EmailID) (mail.Message, error) {
	if m, ok := l.have[id]; ok {
		return m, nil
	}
	return l.c.s.cfg.Mailboxes.Message(l.c.ctx, l.c.account.ID, id)
}
