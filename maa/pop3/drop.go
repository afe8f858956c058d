package pop3

import (
	"context"
	"slices"
	"strconv"

	"github.com/postrider/postrider/mail"
)

// entry is one message of the session: 24 octets.
type entry struct {
	email   mail.EmailID
	size    int64
	uid     uint32
	deleted bool
}

// open takes the INBOX as it is now. Of more messages than Limits.Messages the newest are taken: a client that deletes
// what it fetched comes to the others later, and one that leaves them is shown what is new.
func (s *session) open(ctx context.Context, account mail.Account) error {
	boxes, err := s.cfg.Mailboxes.Mailboxes(ctx, account.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(boxes, func(m mail.Mailbox) bool { return m.Name == mail.Inbox })
	if i < 0 {
		return mail.Errorf(mail.NotFound, "the account has no INBOX")
	}
	limit := s.cfg.Limits.Messages
	drop := make([]entry, 0, min(boxes[i].Messages+16, int64(limit)))
	for p, err := range s.cfg.Mailboxes.Placements(ctx, boxes[i].ID, mail.UIDRange{First: 1}, 0) {
		if err != nil {
			return err
		}
		if len(drop) == 2*limit {
			drop = drop[:copy(drop, drop[limit:])]
		}
		drop = append(drop, entry{email: p.Email, size: p.Size, uid: p.UID})
	}
	if n := len(drop); n > limit {
		drop = slices.Clone(drop[n-limit:])
	}
	s.box, s.drop = boxes[i], drop
	return nil
}

// find is the message with a number, as clients write it.
func (s *session) find(number string) (*entry, error) {
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 || n > uint64(len(s.drop)) {
		return nil, refused("there is no such message")
	}
	e := &s.drop[n-1]
	if e.deleted {
		return nil, refused("the message is deleted")
	}
	return e, nil
}

// total counts the messages that are not deleted, and their octets.
func (s *session) total() (n int, octets int64) {
	for i := range s.drop {
		if !s.drop[i].deleted {
			n++
			octets += s.drop[i].size
		}
	}
	return n, octets
}

// stat tells the size of the maildrop (RFC 1939 5).
func (s *session) stat([]string) error {
	n, octets := s.total()
	s.ok("%d %d", n, octets)
	return nil
}

// list tells sizes (RFC 1939 5).
func (s *session) list(args []string) error {
	return s.scan(args, func(b []byte, e *entry) []byte { return strconv.AppendInt(b, e.size, 10) })
}

// uidl tells names that no other message of the INBOX ever has (RFC 1939 7): they are good for as long as IMAP's
// UIDs are, and the same as IMAP's.
func (s *session) uidl(args []string) error {
	return s.scan(args, func(b []byte, e *entry) []byte {
		b = append(strconv.AppendUint(b, uint64(s.box.UIDValidity), 10), '.')
		return strconv.AppendUint(b, uint64(e.uid), 10)
	})
}

// scan answers for one message, or lists all that are not deleted.
func (s *session) scan(args []string, about func([]byte, *entry) []byte) error {
	if len(args) == 1 {
		e, err := s.find(args[0])
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return refused("there is no such message")
		}
		s.ok("%d %s", n, about(nil, e))
		return nil
	}
	n, octets := s.total()
	s.ok("%d messages (%d octets)", n, octets)
	var line []byte
	for i := range s.drop {
		if e := &s.drop[i]; !e.deleted {
			line = append(strconv.AppendInt(line[:0], int64(i+1), 10), ' ')
			line = append(about(line, e), "\r\n"...)
			if _, err := s.c.out.Write(line); err != nil {
				return nil // the client is gone
			}
		}
	}
	s.say(".")
	return nil
}

// dele marks a message (RFC 1939 5).
func (s *session) dele(args []string) error {
	e, err := s.find(args[0])
	if err != nil {
		return err
	}
	e.deleted = true
	s.ok("message %s deleted", args[0])
	return nil
}

// rset takes all marks off (RFC 1939 5).
func (s *session) rset([]string) error {
	for i := range s.drop {
		s.drop[i].deleted = false
	}
	n, octets := s.total()
	s.ok("%d messages (%d octets)", n, octets)
	return nil
}

// quit ends the session; after a login it removes what is marked, in one change set (RFC 1939 6). When that fails
// nothing was removed, and the client is told.
func (s *session) quit([]string) error {
	s.over = true
	ranges, n := s.marked()
	if n == 0 {
		s.ok("bye")
		return nil
	}
	ctx, cancel := s.store()
	defer cancel()
	var set mail.ChangeSet
	set.Add(mail.Expunge{Account: s.account.ID, Mailbox: s.box.ID, UIDs: ranges})
	if _, err := s.cfg.Journal.Commit(ctx, set); err != nil {
		return err
	}
	s.log.Info("messages deleted", "messages", n)
	s.ok("%d messages deleted, bye", n)
	return nil
}

// marked lists the UIDs of deleted messages; neighbours of one session make one range, because what is between them
// in the mailbox has been there at login or never will be.
func (s *session) marked() (ranges []mail.UIDRange, n int) {
	open := false
	for i := range s.drop {
		e := &s.drop[i]
		switch {
		case !e.deleted:
			open = false
			continue
		case open:
			ranges[len(ranges)-1].Last = e.uid
		default:
			ranges = append(ranges, mail.UIDRange{First: e.uid, Last: e.uid})
			open = true
		}
		n++
	}
	return ranges, n
}
