package store

import (
	"time"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// ledger is the committer's hand on the index: its connection and what it may keep in memory because nobody else
// writes. Everything in it belongs to the committer's goroutine.
type ledger struct {
	conn  *conn
	packs *blob.Packs
	clock mail.Clock

	last  counters // the highest numbers given out
	saved counters // as the index has them

	// Rows of the index that were read or changed. Changed ones are written by flush. After a rollback
	// they are forgotten, and read again.
	accounts map[mail.AccountID]*account
	boxes    map[mail.MailboxID]*box
	packRows map[int64]*packRow

	bodies map[*blob.Sealed]*body // new bodies of the group
	places places                 // of bodies that are sent on at once; readers look there
	gone   []int64                // packs that lose their last body with this commit
	group  bool                   // something of the group was written
	news   news                   // what of it others know in memory
	set    setState
}

// setState is what a running change set needs until its end.
type setState struct {
	index  int
	wrote  bool
	more   map[mail.BlobID]int64 // references to add to bodies that have one
	first  map[*blob.Sealed]mail.AddMessage
	topics map[mail.Topic]struct{}
}

// counters are the highest numbers given out of each sort.
type counters struct {
	account, mailbox, email, blob, pack, queue, lease, event, uidvalidity int64
}

// cacheLimit is how many mailboxes the ledger remembers before it forgets them all.
const cacheLimit = 100_000

func newLedger(c *conn, clock mail.Clock) (*ledger, error) {
	l := &ledger{conn: c, clock: clock}
	l.forget()
	for _, q := range []string{
		`CREATE TEMP TABLE gone (email INTEGER PRIMARY KEY)`,
		`CREATE TEMP TABLE lost (blob INTEGER PRIMARY KEY, n INTEGER NOT NULL)`,
	} {
		if _, err := c.exec(q); err != nil {
			return nil, err
		}
	}
	_, err := c.one(func(r row) {
		l.last = counters{r.int(0), r.int(1), r.int(2), r.int(3), r.int(4), r.int(5), r.int(6), r.int(7), r.int(8)}
	}, `SELECT account, mailbox, email, blob, pack, queue, lease, event, uidvalidity FROM counter`)
	l.saved = l.last
	return l, err
}

// forget drops all that is remembered of the index.
func (l *ledger) forget() {
	l.accounts = map[mail.AccountID]*account{}
	l.boxes = map[mail.MailboxID]*box{}
	l.packRows = map[int64]*packRow{}
	l.gone = nil
	l.group = false
	l.news = news{}
}

// exec runs a statement that writes.
func (l *ledger) exec(query string, args ...any) (int64, error) {
	l.set.wrote = true
	return l.conn.exec(query, args...)
}

// begin starts a change set.
func (l *ledger) begin(index int) {
	s := &l.set
	s.index, s.wrote = index, false
	clear(s.more)
	clear(s.first)
	if len(s.topics) > 0 || s.topics == nil {
		s.topics = map[mail.Topic]struct{}{}
	}
	if s.more == nil {
		s.more = map[mail.BlobID]int64{}
		s.first = map[*blob.Sealed]mail.AddMessage{}
	}
}

// run makes all changes of a set. The error is a *mail.ChangeError where a condition failed.
func (l *ledger) run(index int, set mail.ChangeSet, told []telling) (mail.Receipt, error) {
	l.begin(index)
	for _, c := range set.Changes {
		if a, ok := c.(mail.AddMessage); ok {
			if s, ok := a.Body.(*blob.Sealed); ok {
				if _, there := l.set.first[s]; !there {
					l.set.first[s] = a
				}
			}
		}
	}
	r := mail.Receipt{Results: make([]mail.Result, len(set.Changes))}
	for i, c := range set.Changes {
		res, err := l.apply(c)
		if err != nil {
			return mail.Receipt{}, &mail.ChangeError{Index: i, Err: err}
		}
		r.Results[i] = res
	}
	err := l.addReferences()
	if err == nil {
		err = l.tellAll(told)
	}
	if err != nil {
		return mail.Receipt{}, &mail.ChangeError{Index: len(set.Changes) - 1, Err: err}
	}
	l.group = l.group || l.set.wrote
	return r, nil
}

// apply makes one change.
func (l *ledger) apply(c mail.Change) (mail.Result, error) {
	switch c := c.(type) {
	case mail.AddMessage:
		return l.addMessage(c)
	case mail.Record:
		return mail.Result{}, nil // written with the set's other events
	case mail.SetFlags:
		return l.setFlags(c)
	case mail.Expunge:
		return l.expunge(c)
	case mail.CopyMessages:
		return l.copyMessages(c)
	case mail.MoveMessages:
		return l.moveMessages(c)
	case mail.PlaceMessage:
		return l.placeMessage(c)
	case mail.Enqueue:
		return l.enqueue(c)
	case mail.Claim:
		return l.claim(c)
	case mail.Settle:
		return l.settle(c)
	case mail.QueueAct:
		return l.queueAct(c)
	case mail.CreateMailbox:
		return l.createMailbox(c)
	case mail.RenameMailbox:
		return l.renameMailbox(c)
	case mail.DeleteMailbox:
		return l.deleteMailbox(c)
	case mail.UpdateMailbox:
		return l.updateMailbox(c)
	case mail.Subscribe:
		return l.subscribe(c)
	case mail.AddAccount, mail.UpdateAccount, mail.RemoveAccount, mail.PutCredential, mail.RemoveCredential:
		return l.applyAccount(c)
	case mail.AddDomain, mail.UpdateDomain, mail.RemoveDomain, mail.PutAlias, mail.RemoveAlias:
		l.tell(mail.Topic{Kind: mail.TopicDirectory})
		return mail.Result{}, l.applyDomain(c)
	case mail.PutNote, mail.RemoveNote, mail.CountNote:
		return mail.Result{}, l.applyNote(c)
	}
	return mail.Result{}, mail.Errorf(mail.Invalid, "%T is not a change this store knows", c)
}

func (l *ledger) applyAccount(c mail.Change) (mail.Result, error) {
	l.tell(mail.Topic{Kind: mail.TopicDirectory})
	switch c := c.(type) {
	case mail.AddAccount:
		return l.addAccount(c)
	case mail.UpdateAccount:
		return l.updateAccount(c)
	case mail.RemoveAccount:
		return l.removeAccount(c)
	case mail.PutCredential:
		return l.putCredential(c)
	case mail.RemoveCredential:
		return l.removeCredential(c)
	}
	return mail.Result{}, mail.Errorf(mail.Invalid, "%T is not a change of an account", c)
}

func (l *ledger) applyDomain(c mail.Change) error {
	switch c := c.(type) {
	case mail.AddDomain:
		return l.addDomain(c)
	case mail.UpdateDomain:
		return l.updateDomain(c)
	case mail.RemoveDomain:
		return l.removeDomain(c)
	case mail.PutAlias:
		return l.putAlias(c)
	case mail.RemoveAlias:
		return l.removeAlias(c)
	}
	return mail.Errorf(mail.Invalid, "%T is not a change of the directory", c)
}

// tell notes news to publish once the set is committed.
func (l *ledger) tell(t mail.Topic) { l.set.topics[t] = struct{}{} }

// flush writes what the group changed in memory.
func (l *ledger) flush() error {
	for _, b := range l.boxes {
		if b.dirty {
			if err := l.saveBox(b); err != nil {
				return err
			}
			l.news.boxes = append(l.news.boxes, *b)
		}
	}
	for _, a := range l.accounts {
		if a.dirty {
			if _, err := l.exec(`UPDATE account SET modseq = ? WHERE id = ?`, a.modseq, a.id); err != nil {
				return err
			}
			a.dirty = false
			l.news.reshaped = append(l.news.reshaped, a.id)
		}
	}
	if err := l.savePacks(); err != nil {
		return err
	}
	blobs, pack := l.packs.Numbers()
	l.last.blob, l.last.pack = int64(blobs), pack
	if l.last == l.saved {
		return nil
	}
	n := l.last
	_, err := l.exec(`UPDATE counter SET account = ?, mailbox = ?, email = ?, blob = ?, pack = ?, queue = ?, lease = ?, event = ?, uidvalidity = ?`,
		n.account, n.mailbox, n.email, n.blob, n.pack, n.queue, n.lease, n.event, n.uidvalidity)
	return err
}

// committed says that what flush wrote is durable.
func (l *ledger) committed() {
	l.saved = l.last
	l.group = false
	l.gone = nil
	l.news = news{boxes: l.news.boxes[:0]}
	clear(l.packRows)
	if len(l.boxes) > cacheLimit {
		l.forget()
	}
}

// now is the store's own time, for what the caller leaves to it.
func (l *ledger) now() time.Time { return l.clock.Now().UTC() }

// micros is how a time is stored. The zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the reverse of micros.
func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// seconds is how a Received time is stored.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromSeconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
