package contacts

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/jscontact"
)

// PropertyError says which property of an object is wrong.
type PropertyError struct {
	Property, Text string
}

// Error says what is wrong.
func (e *PropertyError) Error() string { return e.Property + ": " + e.Text }

func badProperty(name, format string, args ...any) error {
	return &PropertyError{Property: name, Text: fmt.Sprintf(format, args...)}
}

// Edit is a change of an account's contacts that is being put together. It sees its own earlier changes.
type Edit struct {
	s     *Service
	ctx   context.Context //nolint:containedctx // of the one call of Edit
	v     *View
	head  head
	cards map[string]*Entry // changed; nil: deleted
	value map[string][]byte // their notes
	uids  map[string]string // changed; "": free
	ops   []Op
	now   string
}

// attempts is how often an edit is tried when other writers come in between.
const attempts = 10

// Edit changes an account's contacts: fn puts the change together, and is called anew when somebody else was faster. What it changes is made durable
// whole or not at all. An error of fn ends it. before and after are the states around it.
func (s *Service) Edit(ctx context.Context, account mail.AccountID, fn func(*Edit) error) (before, after State, err error) {
	for range attempts {
		v, err := s.View(ctx, account)
		if err != nil {
			return before, after, err
		}
		e := &Edit{s: s, ctx: ctx, v: v, head: v.head, cards: map[string]*Entry{}, value: map[string][]byte{}, uids: map[string]string{},
			now: s.cfg.Clock.Now().UTC().Format("2006-01-02T15:04:05Z")}
		e.head.List = slices.Clone(v.head.List)
		if err := fn(e); err != nil {
			return before, after, err
		}
		if len(e.ops) == 0 {
			return v.State(), v.State(), nil
		}
		next, err := e.commit(account)
		if err == nil {
			s.keep(account, next)
			if s.cfg.Bus != nil {
				s.cfg.Bus.Publish(mail.Topic{Kind: mail.TopicAccount, Account: account})
			}
			return v.State(), next.State(), nil
		}
		var failed *mail.ChangeError
		if !errors.As(err, &failed) || failed.Index != 0 || !mail.Is(err, mail.Conflict) && !mail.Is(err, mail.Exists) {
			return before, after, err
		}
	}
	return before, after, mail.Errorf(mail.Unavailable, "many change the contacts at this moment; try again")
}

// maxLogged is how many changes the log has before its oldest are forgotten, and cut how many notes of it go at a time.
const (
	maxLogged = 20_000
	cut       = 500
)

// commit makes the change durable.
func (e *Edit) commit(account mail.AccountID) (*View, error) {
	h := &e.head
	texts := make([]string, len(e.ops))
	for i, op := range e.ops {
		texts[i] = op.text()
		if h.N++; op.Book {
			h.Books = h.N
		} else {
			h.Cards = h.N
		}
	}
	h.Logged += len(e.ops)
	log, err := json.Marshal(texts)
	if err != nil {
		return nil, err
	}
	var rest []mail.Change
	note := func(kind, key string, value []byte) mail.Note {
		return mail.Note{Kind: kind, Key: key, Account: account, Value: value}
	}
	for _, id := range slices.Sorted(maps.Keys(e.cards)) {
		if value := e.value[id]; value != nil {
			rest = append(rest, mail.PutNote{Note: note(kindCard, own(account)+id, value)})
		} else {
			rest = append(rest, mail.RemoveNote{Kind: kindCard, Key: own(account) + id})
		}
	}
	rest = append(rest, mail.PutNote{Note: note(kindLog, logKey(account, h.N), log)})
	if h.Logged > e.s.maxLogged {
		old, err := e.s.cfg.Notes.Notes(e.ctx, mail.NoteQuery{Kind: kindLog, Prefix: own(account), Limit: cut})
		if err != nil {
			return nil, err
		}
		for _, n := range old {
			var ops []string
			if json.Unmarshal(n.Value, &ops) != nil || h.Logged-len(ops) < e.s.maxLogged/2 {
				break
			}
			rest = append(rest, mail.RemoveNote{Kind: kindLog, Key: n.Key})
			h.Logged -= len(ops)
			if h.Floor, err = strconv.ParseUint(strings.TrimPrefix(n.Key, own(account)), 16, 64); err != nil {
				return nil, mail.Errorf(mail.Internal, "the log of the contacts of account %d cannot be read: %w", account, err)
			}
		}
	}
	was := h.raw
	h.raw = nil
	value, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	first := mail.PutNote{Note: note(kindHead, own(account)+headKey, value), If: mail.NoteIs, Was: was}
	if was == nil {
		first.If = mail.NoteAbsent
	}
	// One change set: a crash leaves all of it or nothing.
	if _, err := e.s.cfg.Journal.Commit(e.ctx, mail.ChangeSet{Changes: append([]mail.Change{first}, rest...)}); err != nil {
		return nil, err
	}
	h.raw = value
	return e.v.with(*h, e.cards), nil
}

// entry gives a card as the edit sees it.
func (e *Edit) entry(id string) *Entry {
	if c, changed := e.cards[id]; changed {
		return c
	}
	return e.v.cards[id]
}

// ByUID gives the id of the card that has a uid; "" without.
func (e *Edit) ByUID(uid string) string {
	if id, changed := e.uids[uid]; changed {
		return id
	}
	return e.v.uids[uid]
}

// Card reads a card as the edit sees it. NotFound.
func (e *Edit) Card(id string) (Stored, error) {
	if e.entry(id) == nil {
		return Stored{}, mail.Errorf(mail.NotFound, "there is no such card")
	}
	if value := e.value[id]; value != nil {
		return decode(value)
	}
	return e.s.Card(e.ctx, e.v.account, id)
}

// Create makes a card in address books. It gives the card what it must have and was not given: @type, version, uid, created, updated. The errors: a
// *PropertyError, Exists (a card has the uid), TooLarge, TooMany.
func (e *Edit) Create(c jscontact.Card, books []string) (id string, err error) {
	c["@type"] = "Card"
	for name, value := range map[string]string{"version": "1.0", "created": e.now, "updated": e.now} {
		if c[name] == nil {
			c[name] = value
		}
	}
	if c["uid"] == nil {
		c["uid"] = newUID()
	}
	if e.head.Count >= MaxCards {
		return "", mail.Errorf(mail.TooMany, "an account can have %d cards", MaxCards)
	}
	id = "C" + randomID()
	if err := e.put(id, c, books); err != nil {
		return "", err
	}
	e.ops = append(e.ops, Op{ID: id, What: Created})
	e.head.Count++
	return id, nil
}

// Update replaces a card and the address books it is in. The uid stays. updated is set, unless the card comes with another than it had. NotFound, and
// as Create.
func (e *Edit) Update(id string, c jscontact.Card, books []string) error {
	old := e.entry(id)
	if old == nil {
		return mail.Errorf(mail.NotFound, "there is no such card")
	}
	if uid := str(c["uid"]); old.UID != "" && uid != old.UID {
		return badProperty("uid", "the uid of a card never changes")
	}
	if err := e.put(id, c, books); err != nil {
		return err
	}
	e.ops = append(e.ops, Op{ID: id, What: Updated})
	return nil
}

// Now is the time of the edit, as cards say it.
func (e *Edit) Now() string { return e.now }

func (e *Edit) put(id string, c jscontact.Card, books []string) error {
	if p := jscontact.Check(c); p != nil {
		return &PropertyError{Property: p.Property(), Text: p.Error()}
	}
	books = slices.Compact(slices.Sorted(slices.Values(books)))
	if len(books) == 0 {
		return badProperty("addressBookIds", "a card is in one address book at least") // RFC 9610 3
	}
	for _, b := range books {
		if e.head.book(b) == nil {
			return badProperty("addressBookIds", "there is no address book %q", b)
		}
	}
	uid := str(c["uid"])
	if other := e.ByUID(uid); uid != "" && other != "" && other != id {
		return &ExistsError{ID: other}
	}
	raw, err := jscontact.Encode(c)
	if errors.Is(err, jscontact.ErrTooLarge) {
		return mail.Errorf(mail.TooLarge, "a card can have %d octets; make its pictures smaller, or link to them", jscontact.MaxSize)
	}
	if err != nil {
		return err
	}
	value, err := json.Marshal(Stored{Books: books, Card: raw})
	if err != nil {
		return err
	}
	octets := int64(len(value))
	if old := e.entry(id); old != nil {
		octets -= int64(old.octets)
	}
	if octets > 0 && e.head.Octets+octets > MaxOctets {
		return mail.Errorf(mail.OverQuota, "the cards of an account can have %d MiB", MaxOctets>>20)
	}
	e.head.Octets += octets
	e.cards[id], e.value[id] = entryOf(id, books, c, len(value)), value
	if uid != "" {
		e.uids[uid] = id
	}
	return nil
}

// ExistsError says that a card has the uid already.
type ExistsError struct{ ID string }

// Error says so.
func (e *ExistsError) Error() string { return "a card has this uid already" }

// Remove deletes a card. NotFound.
func (e *Edit) Remove(id string) error {
	old := e.entry(id)
	if old == nil {
		return mail.Errorf(mail.NotFound, "there is no such card")
	}
	e.cards[id] = nil
	delete(e.value, id)
	if e.ByUID(old.UID) == id {
		e.uids[old.UID] = ""
	}
	e.head.Count--
	e.head.Octets = max(e.head.Octets-int64(old.octets), 0)
	e.ops = append(e.ops, Op{ID: id, What: Destroyed})
	return nil
}

// In gives the ids of the cards of an address book, as the edit sees it, so many at most.
func (e *Edit) In(book string, most int) []string {
	var out []string
	for id, c := range e.v.cards {
		if _, changed := e.cards[id]; !changed && len(out) < most && slices.Contains(c.Books, book) {
			out = append(out, id)
		}
	}
	for id, c := range e.cards {
		if c != nil && len(out) < most && slices.Contains(c.Books, book) {
			out = append(out, id)
		}
	}
	return out
}

// TakeOut takes a card out of an address book; one that is in no other is deleted (RFC 9610 2.3).
func (e *Edit) TakeOut(id, book string) error {
	c := e.entry(id)
	if c == nil {
		return mail.Errorf(mail.NotFound, "there is no such card")
	}
	rest := slices.DeleteFunc(slices.Clone(c.Books), func(b string) bool { return b == book })
	if len(rest) == 0 {
		return e.Remove(id)
	}
	st, err := e.Card(id)
	if err != nil {
		return err
	}
	card, err := jscontact.Decode(st.Card)
	if err != nil {
		return mail.Errorf(mail.Internal, "a card cannot be read: %w", err)
	}
	return e.Update(id, card, rest)
}

// Book gives an address book as the edit sees it. NotFound.
func (e *Edit) Book(id string) (Book, error) {
	if b := e.head.book(id); b != nil {
		return *b, nil
	}
	return Book{}, mail.Errorf(mail.NotFound, "there is no such address book")
}

// Default is the id of the default address book.
func (e *Edit) Default() string { return e.head.Default }

func checkBook(b *Book) error {
	switch {
	case b.Name == "" || len(b.Name) > MaxName || !utf8.ValidString(b.Name):
		return badProperty("name", "a name has 1 to %d octets", MaxName)
	case len(b.Description) > MaxDescription:
		return badProperty("description", "a description has %d octets at most", MaxDescription)
	case b.Sort < 0 || b.Sort > MaxSort:
		return badProperty("sortOrder", "a whole number from 0 to %d is expected", MaxSort)
	}
	return nil
}

// CreateBook makes an address book. A *PropertyError, TooMany.
func (e *Edit) CreateBook(b Book) (id string, err error) {
	if len(e.head.List) >= MaxBooks {
		return "", mail.Errorf(mail.TooMany, "an account can have %d address books", MaxBooks)
	}
	if err := checkBook(&b); err != nil {
		return "", err
	}
	b.ID = "B" + randomID()
	e.head.List = append(e.head.List, b)
	e.ops = append(e.ops, Op{ID: b.ID, Book: true, What: Created})
	return b.ID, nil
}

// UpdateBook replaces an address book. NotFound, a *PropertyError.
func (e *Edit) UpdateBook(b Book) error {
	old := e.head.book(b.ID)
	if old == nil {
		return mail.Errorf(mail.NotFound, "there is no such address book")
	}
	if err := checkBook(&b); err != nil {
		return err
	}
	*old = b
	e.ops = append(e.ops, Op{ID: b.ID, Book: true, What: Updated})
	return nil
}

// RemoveBook deletes an empty address book. NotFound; Denied for the default one; Conflict when it has cards.
func (e *Edit) RemoveBook(id string) error {
	switch {
	case e.head.book(id) == nil:
		return mail.Errorf(mail.NotFound, "there is no such address book")
	case id == e.head.Default:
		return mail.Errorf(mail.Denied, "the default address book cannot be deleted; make another the default first")
	case len(e.In(id, 1)) > 0:
		return mail.Errorf(mail.Conflict, "the address book has cards")
	}
	e.head.List = slices.DeleteFunc(e.head.List, func(b Book) bool { return b.ID == id })
	e.ops = append(e.ops, Op{ID: id, Book: true, What: Destroyed})
	return nil
}

// SetDefault makes an address book the default one. NotFound.
func (e *Edit) SetDefault(id string) error {
	if e.head.book(id) == nil {
		return mail.Errorf(mail.NotFound, "there is no such address book")
	}
	if id != e.head.Default {
		e.ops = append(e.ops, Op{ID: e.head.Default, Book: true, What: Updated}, Op{ID: id, Book: true, What: Updated})
		e.head.Default = id
	}
	return nil
}

func randomID() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

// newUID makes a uid (RFC 9562 5.4).
func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
