package jmap

import (
	"cmp"
	"slices"
	"sync"

	"github.com/postrider/postrider/mail"
)

// place is one mailbox a message is in.
type place struct {
	mailbox mail.MailboxID
	uid     uint32
}

// email is what a snapshot knows of a message. It is never changed.
type email struct {
	id       mail.EmailID
	thread   mail.ThreadID
	received int64 // seconds since 1970
	size     int64
	flags    mail.Flags
	places   []place
	created  uint64 // modseq it came with; 0 when it was there at the snapshot's base
	changed  uint64 // modseq of its latest change; 0 likewise
}

func (e *email) in(id mail.MailboxID) bool {
	for i := range e.places {
		if e.places[i].mailbox == id {
			return true
		}
	}
	return false
}

// unread is neither seen nor a draft (RFC 8621 2).
func (e *email) unread() bool { return e.flags.Bits&(mail.Seen|mail.Draft) == 0 }

// box is a mailbox of a snapshot.
type box struct {
	mail.Mailbox
	parent  mail.MailboxID
	leaf    string // the last level of its name
	created uint64
	shaped  uint64 // modseq of its latest change but those of counts
	counted uint64 // modseq of the latest change that may have changed its counts
}

// tomb is what is gone.
type tomb struct {
	id      int64
	thread  mail.ThreadID // of an email
	created uint64
	died    uint64
}

// threadMark is what became of a thread since the base.
type threadMark struct{ created, changed uint64 }

// maxTombs is how many of what is gone a snapshot remembers of each type.
const maxTombs = 10_000

// snapshot is an account's mail at one moment. Nobody changes it but for what is worked out on first use.
type snapshot struct {
	account mail.AccountID
	state   uint64
	base    uint64 // changes since any state from here on can be told

	emails []*email // by id
	boxes  []*box   // by name, INBOX first

	goneEmails  []tomb // by died
	goneBoxes   []tomb
	goneThreads []tomb
	threads     map[mail.ThreadID]threadMark

	lazy struct {
		sync.Mutex
		byReceived []*email
		byThread   []*email
		counts     map[mail.MailboxID]*counts
		queries    map[string][]*email
	}
}

// counts are the four counts of a mailbox (RFC 8621 2).
type counts struct{ emails, unread, threads, unreadThreads int64 }

// email finds one.
func (s *snapshot) email(id mail.EmailID) *email {
	i, ok := slices.BinarySearchFunc(s.emails, id, func(e *email, id mail.EmailID) int { return cmp.Compare(e.id, id) })
	if !ok {
		return nil
	}
	return s.emails[i]
}

func (s *snapshot) box(id mail.MailboxID) *box {
	for _, b := range s.boxes {
		if b.ID == id {
			return b
		}
	}
	return nil
}

// role finds the mailbox with a use.
func (s *snapshot) role(use mail.SpecialUse) *box {
	for _, b := range s.boxes {
		if b.Use == use {
			return b
		}
	}
	return nil
}

// newest orders as lists are mostly wanted: latest first, then by id.
func newest(a, b *email) int {
	return cmp.Or(cmp.Compare(b.received, a.received), cmp.Compare(b.id, a.id))
}

// conversation orders by thread and in it as RFC 8621 3 wants it: oldest first.
func conversation(a, b *email) int {
	return cmp.Or(cmp.Compare(a.thread, b.thread), cmp.Compare(a.received, b.received), cmp.Compare(a.id, b.id))
}

// byReceived gives all emails, latest first.
func (s *snapshot) byReceived() []*email {
	s.lazy.Lock()
	defer s.lazy.Unlock()
	if s.lazy.byReceived == nil {
		s.lazy.byReceived = slices.SortedFunc(slices.Values(s.emails), newest)
	}
	return s.lazy.byReceived
}

// threadOf gives the emails of a thread, oldest first; none when there is no such thread.
func (s *snapshot) threadOf(id mail.ThreadID) []*email {
	list := s.byThread()
	first, ok := slices.BinarySearchFunc(list, id, func(e *email, id mail.ThreadID) int { return cmp.Compare(e.thread, id) })
	if !ok {
		return nil
	}
	end := first
	for end < len(list) && list[end].thread == id {
		end++
	}
	return list[first:end]
}

func (s *snapshot) byThread() []*email {
	s.lazy.Lock()
	defer s.lazy.Unlock()
	return s.byThreadLocked()
}

func (s *snapshot) byThreadLocked() []*email {
	if s.lazy.byThread == nil {
		s.lazy.byThread = slices.SortedFunc(slices.Values(s.emails), conversation)
	}
	return s.lazy.byThread
}

// countsOf gives a mailbox's counts. An unread message counts for its thread in every mailbox the thread is in, but those in the trash count for
// the trash alone, and those elsewhere not for it (RFC 8621 2 unreadThreads).
func (s *snapshot) countsOf(id mail.MailboxID) counts {
	s.lazy.Lock()
	defer s.lazy.Unlock()
	if s.lazy.counts == nil {
		s.lazy.counts = s.count()
	}
	if c := s.lazy.counts[id]; c != nil {
		return *c
	}
	return counts{}
}

func (s *snapshot) count() map[mail.MailboxID]*counts {
	all := make(map[mail.MailboxID]*counts, len(s.boxes))
	for _, b := range s.boxes {
		all[b.ID] = new(counts)
	}
	trash := mail.MailboxID(0)
	if b := s.role(mail.UseTrash); b != nil {
		trash = b.ID
	}
	list := s.byThreadLocked()
	var seen []mail.MailboxID
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].thread == list[0].thread {
			n++
		}
		seen = seen[:0]
		var unread, unreadInTrash bool
		for _, e := range list[:n] {
			outside := false
			for _, p := range e.places {
				c := all[p.mailbox]
				if c == nil {
					continue
				}
				outside = outside || p.mailbox != trash
				c.emails++
				if e.unread() {
					c.unread++
				}
				if !slices.Contains(seen, p.mailbox) {
					seen = append(seen, p.mailbox)
					c.threads++
				}
			}
			if e.unread() {
				unread = unread || outside
				unreadInTrash = unreadInTrash || e.in(trash)
			}
		}
		for _, id := range seen {
			if id == trash && unreadInTrash || id != trash && unread {
				all[id].unreadThreads++
			}
		}
		list = list[n:]
	}
	return all
}

// maxQueries is how many results of queries a snapshot keeps.
const maxQueries = 16

// result gives the kept result of a query.
func (s *snapshot) result(key string) ([]*email, bool) {
	s.lazy.Lock()
	defer s.lazy.Unlock()
	list, ok := s.lazy.queries[key]
	return list, ok
}

func (s *snapshot) keepResult(key string, list []*email) {
	const maxKey = 4 << 10
	if len(key) > maxKey {
		return
	}
	s.lazy.Lock()
	defer s.lazy.Unlock()
	if len(s.lazy.queries) >= maxQueries {
		clear(s.lazy.queries)
	}
	if s.lazy.queries == nil {
		s.lazy.queries = make(map[string][]*email)
	}
	s.lazy.queries[key] = list
}

// octets is about what it costs.
func (s *snapshot) octets() int64 {
	n := int64(4<<10) + int64(len(s.boxes))*400 + int64(len(s.goneEmails)+len(s.goneBoxes)+len(s.goneThreads))*40 + int64(len(s.threads))*48
	return n + int64(len(s.emails))*160
}

// trim forgets the oldest of what is gone.
func (s *snapshot) trim() {
	for _, list := range []*[]tomb{&s.goneEmails, &s.goneBoxes, &s.goneThreads} {
		if over := len(*list) - maxTombs; over > 0 {
			s.base = max(s.base, (*list)[over-1].died)
			*list = slices.Clone((*list)[over:])
		}
	}
	if len(s.threads) > maxTombs {
		s.base = s.state
		s.threads, s.goneThreads = nil, nil
	}
}
