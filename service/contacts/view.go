package contacts

import (
	"cmp"
	"container/list"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/jscontact"
)

// Config is what a Service works with. Bus, Clock and Cache may be left out.
type Config struct {
	Notes   mail.Notes
	Journal mail.Journal
	Bus     mail.Bus // told of every change, for who watches the account
	Clock   mail.Clock
	Cache   int64 // octets of all indexes; 0: DefaultCache
}

// DefaultCache is how many octets indexes may take together.
const DefaultCache = 64 << 20

// Service keeps contacts. It is safe for concurrent use.
type Service struct {
	cfg       Config
	maxLogged int

	mu      sync.Mutex
	entries map[mail.AccountID]*list.Element // of *cached
	order   list.List                        // the one used last in front
	octets  int64
}

// cached is the view of one account. It is made by one at a time.
type cached struct {
	id     mail.AccountID
	making chan struct{} // holds a token while nobody makes
	view   *View         // guarded by Service.mu
}

// New makes a Service.
func New(cfg Config) *Service {
	cfg.Cache = cmp.Or(cfg.Cache, int64(DefaultCache))
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	return &Service{cfg: cfg, maxLogged: maxLogged, entries: map[mail.AccountID]*list.Element{}}
}

// View is an account's contacts at one state. It never changes.
type View struct {
	account mail.AccountID
	head    head
	cards   map[string]*Entry
	uids    map[string]string // the id of the card that has it
	octets  int64
}

// Books gives the address books, by order and name.
func (v *View) Books() []Book {
	out := slices.Clone(v.head.List)
	slices.SortFunc(out, func(a, b Book) int {
		return cmp.Or(cmp.Compare(a.Sort, b.Sort), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Default is the id of the default address book.
func (v *View) Default() string { return v.head.Default }

// State is the state of the view.
func (v *View) State() State { return State{Books: v.head.Books, Cards: v.head.Cards} }

// Len is how many cards there are.
func (v *View) Len() int { return len(v.cards) }

// Has reports whether there is a card of that id.
func (v *View) Has(id string) bool { return v.cards[id] != nil }

// ByUID gives the id of the card with a uid; "" without.
func (v *View) ByUID(uid string) string { return v.uids[uid] }

// Find gives the cards that match, in no order.
func (v *View) Find(match func(*Entry) bool) []*Entry {
	out := make([]*Entry, 0, len(v.cards))
	for _, e := range v.cards {
		if match(e) {
			out = append(out, e)
		}
	}
	return out
}

// IDs gives the ids of all cards, in order.
func (v *View) IDs() []string { return slices.Sorted(maps.Keys(v.cards)) }

// View gives an account's contacts as they are now.
func (s *Service) View(ctx context.Context, id mail.AccountID) (*View, error) {
	h, err := s.head(ctx, id)
	if err != nil {
		return nil, err
	}
	c := s.entry(id)
	if v := s.kept(c); v != nil && v.head.N == h.N {
		return v, nil
	}
	select {
	case <-c.making:
		defer func() { c.making <- struct{}{} }()
	case <-ctx.Done():
		return nil, mail.Errorf(mail.Unavailable, "the contacts are busy; try again: %w", context.Cause(ctx))
	}
	old := s.kept(c)
	if old != nil && old.head.N >= h.N {
		return old, nil // somebody else made it meanwhile
	}
	v, err := s.load(ctx, id, h, old)
	if err != nil {
		return nil, err
	}
	s.keep(id, v)
	return v, nil
}

func (s *Service) entry(id mail.AccountID) *cached {
	s.mu.Lock()
	defer s.mu.Unlock()
	if el := s.entries[id]; el != nil {
		s.order.MoveToFront(el)
		return el.Value.(*cached)
	}
	c := &cached{id: id, making: make(chan struct{}, 1)}
	c.making <- struct{}{}
	s.entries[id] = s.order.PushFront(c)
	s.tidy()
	return c
}

func (s *Service) kept(c *cached) *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.view
}

// keep remembers a view, unless a newer one is.
func (s *Service) keep(id mail.AccountID, v *View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	el := s.entries[id]
	if el == nil {
		return
	}
	c := el.Value.(*cached)
	if c.view != nil {
		if c.view.head.N >= v.head.N {
			return
		}
		s.octets -= c.view.octets
	}
	c.view = v
	s.octets += v.octets
	s.tidy()
}

// maxEntries is how many accounts are remembered, with or without a view.
const maxEntries = 10_000

// tidy forgets the views used least lately until they cost what they may, but that in front.
func (s *Service) tidy() {
	for el := s.order.Back(); el != nil && el != s.order.Front() && (s.octets > s.cfg.Cache || s.order.Len() > maxEntries); {
		before := el.Prev()
		c := el.Value.(*cached)
		if c.view != nil {
			s.octets -= c.view.octets
		}
		s.order.Remove(el)
		delete(s.entries, c.id)
		el = before
	}
}

// page is how many notes are read at a time.
const page = 1000

// load makes the view of a head: of an older one and the log, where the log reaches that far, else of all cards.
func (s *Service) load(ctx context.Context, id mail.AccountID, h head, old *View) (*View, error) {
	if old != nil && old.head.N >= h.Floor && h.N-old.head.N < page {
		ids := map[string]bool{}
		err := s.log(ctx, id, old.head.N, func(_ uint64, op Op) bool {
			if !op.Book {
				ids[op.ID] = true
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		changed := make(map[string]*Entry, len(ids))
		for card := range ids {
			n, err := s.cfg.Notes.Note(ctx, kindCard, own(id)+card)
			switch {
			case mail.Is(err, mail.NotFound):
				changed[card] = nil
			case err != nil:
				return nil, err
			default:
				changed[card] = read(card, n.Value)
			}
		}
		return old.with(h, changed), nil
	}
	v := &View{account: id, head: h, cards: make(map[string]*Entry, h.Count), uids: make(map[string]string, h.Count)}
	q := mail.NoteQuery{Kind: kindCard, Prefix: own(id), Limit: page}
	for {
		list, err := s.cfg.Notes.Notes(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			card := strings.TrimPrefix(n.Key, q.Prefix)
			v.put(card, read(card, n.Value))
		}
		if len(list) < page {
			return v, nil
		}
		q.After = list[len(list)-1].Key
	}
}

// read makes the entry of a note. One that cannot be read has nothing but its id, so that it can be deleted.
func read(id string, value []byte) *Entry {
	var st Stored
	var c jscontact.Card
	if err := json.Unmarshal(value, &st); err == nil {
		c, _ = jscontact.Decode(st.Card)
	}
	return entryOf(id, st.Books, c, len(value))
}

// put sets an entry, or takes it out. It is for views that nobody has yet.
func (v *View) put(id string, e *Entry) {
	if old := v.cards[id]; old != nil {
		v.octets -= old.cost()
		if v.uids[old.UID] == id {
			delete(v.uids, old.UID)
		}
		delete(v.cards, id)
	}
	if e != nil {
		v.octets += e.cost()
		v.cards[id] = e
		if e.UID != "" {
			v.uids[e.UID] = id
		}
	}
}

// with makes a newer view.
func (v *View) with(h head, changed map[string]*Entry) *View {
	next := &View{account: v.account, head: h, cards: v.cards, uids: v.uids, octets: v.octets}
	if len(changed) > 0 {
		next.cards, next.uids = maps.Clone(v.cards), maps.Clone(v.uids)
		for id, e := range changed {
			next.put(id, e)
		}
	}
	return next
}

// Card reads one card. NotFound.
func (s *Service) Card(ctx context.Context, account mail.AccountID, id string) (Stored, error) {
	n, err := s.cfg.Notes.Note(ctx, kindCard, own(account)+id)
	if err != nil {
		return Stored{}, err
	}
	return decode(n.Value)
}

func decode(value []byte) (st Stored, err error) {
	if err := json.Unmarshal(value, &st); err != nil {
		return st, mail.Errorf(mail.Internal, "a card cannot be read: %w", err)
	}
	return st, nil
}

// Each gives every card, for an export. What yield's error is, Each's is.
func (s *Service) Each(ctx context.Context, account mail.AccountID, yield func(id string, st Stored) error) error {
	const few = 100
	q := mail.NoteQuery{Kind: kindCard, Prefix: own(account), Limit: few}
	for {
		list, err := s.cfg.Notes.Notes(ctx, q)
		if err != nil {
			return err
		}
		for _, n := range list {
			st, err := decode(n.Value)
			if err != nil {
				continue // what cannot be read does not keep the rest from being read
			}
			if err := yield(strings.TrimPrefix(n.Key, q.Prefix), st); err != nil {
				return err
			}
		}
		if len(list) < few {
			return nil
		}
		q.After = list[len(list)-1].Key
	}
}
