package contacts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/jscontact"
	"github.com/postrider/postrider/service/contacts"
)

// shelf is a store of notes in memory: change sets are made whole or not at all.
type shelf struct {
	mu    sync.Mutex
	notes map[string]mail.Note
	sets  int
	fail  error // of the next commit
}

func newShelf() *shelf { return &shelf{notes: map[string]mail.Note{}} }

func (s *shelf) Note(_ context.Context, kind, key string) (mail.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.notes[kind+" "+key]; ok {
		return n, nil
	}
	return mail.Note{}, mail.Errorf(mail.NotFound, "no note")
}

func (s *shelf) Notes(_ context.Context, q mail.NoteQuery) (out []mail.Note, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notes {
		if n.Kind == q.Kind && strings.HasPrefix(n.Key, q.Prefix) && n.Key > q.After {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b mail.Note) int { return strings.Compare(a.Key, b.Key) })
	return out[:min(len(out), q.Limit)], nil
}

func (s *shelf) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail; err != nil {
		s.fail = nil
		return mail.Receipt{}, err
	}
	for i, c := range set.Changes {
		if p, ok := c.(mail.PutNote); ok {
			old, there := s.notes[p.Note.Kind+" "+p.Note.Key]
			switch {
			case p.If == mail.NoteAbsent && there:
				return mail.Receipt{}, &mail.ChangeError{Index: i, Err: mail.Errorf(mail.Exists, "there is one")}
			case p.If == mail.NoteIs && !(there && bytes.Equal(old.Value, p.Was)):
				return mail.Receipt{}, &mail.ChangeError{Index: i, Err: mail.Errorf(mail.Conflict, "it is another")}
			}
		}
	}
	for _, c := range set.Changes {
		switch c := c.(type) {
		case mail.PutNote:
			s.notes[c.Note.Kind+" "+c.Note.Key] = c.Note
		case mail.RemoveNote:
			delete(s.notes, c.Kind+" "+c.Key)
		}
	}
	s.sets++
	return mail.Receipt{}, nil
}

func service(s *shelf) *contacts.Service {
	return contacts.New(contacts.Config{Notes: s, Journal: s})
}

const me = mail.AccountID(7)

func person(given, surname, email string) jscontact.Card {
	return jscontact.Card{"name": map[string]any{"components": []any{map[string]any{"kind": "given", "value": given}, map[string]any{"kind": "surname", "value": surname}}},
		"emails": map[string]any{"e": map[string]any{"address": email}}}
}

// model is what an account's contacts must be.
type model struct {
	cards map[string][]string // books by id
	books []string
}

func (m *model) clone() model {
	c := model{cards: map[string][]string{}, books: slices.Clone(m.books)}
	for id, b := range m.cards {
		c.cards[id] = b
	}
	return c
}

// TestExact: two nodes write, and whoever follows /changes from any state, in steps of any size, has what is there (RFC 8620 5.2). The log is short, so
// that old states are forgotten: that is said, and never wrong.
func TestExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		store := newShelf()
		nodes := []*contacts.Service{service(store), service(store)}
		for _, n := range nodes {
			n.SetMaxLogged(rapid.IntRange(3, 60).Draw(r, "log"))
		}
		now := model{cards: map[string][]string{}, books: []string{contacts.DefaultBook}}
		past := []struct {
			state contacts.State
			model
		}{{contacts.State{Books: 1, Cards: 1}, now.clone()}}
		for range rapid.IntRange(1, 12).Draw(r, "edits") {
			node := rapid.SampledFrom(nodes).Draw(r, "node")
			next := now.clone()
			_, after, err := node.Edit(t.Context(), me, func(e *contacts.Edit) error {
				for range rapid.IntRange(1, 6).Draw(r, "acts") {
					next.act(r, e)
				}
				return nil
			})
			if err != nil {
				r.Fatal(err)
			}
			now = next
			past = append(past, struct {
				state contacts.State
				model
			}{after, now.clone()})
		}
		for _, node := range append(nodes, service(store)) { // the last has just been started
			v, err := node.View(t.Context(), me)
			if err != nil || v.Len() != len(now.cards) {
				r.Fatalf("%d cards, want %d: %v", v.Len(), len(now.cards), err)
			}
			for _, e := range v.Find(func(*contacts.Entry) bool { return true }) {
				if !slices.Equal(e.Books, now.cards[e.ID]) {
					r.Fatalf("%s is in %v, want %v", e.ID, e.Books, now.cards[e.ID])
				}
			}
		}
		for _, p := range past {
			follow(r, t.Context(), nodes[0], p.model, p.state, &now)
		}
	})
}

// act does something.
func (m *model) act(r *rapid.T, e *contacts.Edit) {
	var ids []string
	for id := range m.cards {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	what := rapid.IntRange(0, 5).Draw(r, "what")
	switch {
	case what <= 1 || len(ids) == 0:
		books := []string{rapid.SampledFrom(m.books).Draw(r, "book")}
		id, err := e.Create(person("A", "B", "a@b.example"), books)
		if err != nil {
			r.Fatal(err)
		}
		m.cards[id] = books
	case what == 2:
		id := rapid.SampledFrom(ids).Draw(r, "card")
		st, err := e.Card(id)
		if err != nil {
			r.Fatal(err)
		}
		c, _ := jscontact.Decode(st.Card)
		books := []string{rapid.SampledFrom(m.books).Draw(r, "book")}
		if err := e.Update(id, c, books); err != nil {
			r.Fatal(err)
		}
		m.cards[id] = books
	case what == 3:
		id := rapid.SampledFrom(ids).Draw(r, "card")
		if err := e.Remove(id); err != nil {
			r.Fatal(err)
		}
		delete(m.cards, id)
	case what == 4 && len(m.books) < 4:
		id, err := e.CreateBook(contacts.Book{Name: "More"})
		if err != nil {
			r.Fatal(err)
		}
		m.books = append(m.books, id)
	default:
		book := m.books[len(m.books)-1]
		err := e.RemoveBook(book)
		full := slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(m.cards[id], book) })
		switch {
		case book == contacts.DefaultBook:
			if !mail.Is(err, mail.Denied) {
				r.Fatal(err)
			}
		case full:
			if !mail.Is(err, mail.Conflict) {
				r.Fatal(err)
			}
		case err != nil:
			r.Fatal(err)
		default:
			m.books = m.books[:len(m.books)-1]
		}
	}
}

// follow plays a client that was at a state.
func follow(r *rapid.T, ctx context.Context, s *contacts.Service, have model, state contacts.State, want *model) {
	most := rapid.IntRange(1, 5).Draw(r, "most")
	for at := state.Cards; ; {
		c, err := s.Changes(ctx, me, false, at, most)
		if errors.Is(err, contacts.ErrTooOld) {
			return
		}
		if err != nil || len(c.Created)+len(c.Updated)+len(c.Destroyed) > most || c.More && c.To <= at {
			r.Fatalf("%+v %v", c, err)
		}
		for _, id := range c.Destroyed {
			if _, there := have.cards[id]; !there {
				r.Fatalf("%s was deleted and was never there", id)
			}
			delete(have.cards, id)
		}
		for _, id := range c.Created {
			if _, there := have.cards[id]; there {
				r.Fatalf("%s was there", id)
			}
			have.cards[id] = nil
		}
		for _, id := range c.Updated {
			if _, there := have.cards[id]; !there {
				r.Fatalf("%s was changed and never made", id)
			}
			have.cards[id] = nil
		}
		if at = c.To; !c.More {
			break
		}
	}
	for id, books := range want.cards {
		got, there := have.cards[id]
		if !there || got != nil && !slices.Equal(got, books) {
			r.Fatalf("a client that follows has not %s, or as it was", id)
		}
	}
	if len(have.cards) != len(want.cards) {
		r.Fatalf("a client that follows has %d cards, there are %d", len(have.cards), len(want.cards))
	}
}

// TestOneAfterTheOther: writers of two nodes lose nothing, and no uid is given twice.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	store := newShelf()
	nodes := []*contacts.Service{service(store), service(store)}
	const writers, each = 4, 5
	var wait sync.WaitGroup
	var exists sync.Map
	for i := range writers {
		wait.Go(func() {
			for n := range each {
				for { // Unavailable: many others were faster
					_, _, err := nodes[i%2].Edit(t.Context(), me, func(e *contacts.Edit) error {
						if _, err := e.Create(person(fmt.Sprint(i), fmt.Sprint(n), "x@y.example"), []string{contacts.DefaultBook}); err != nil {
							return err
						}
						c := person("same", "same", "z@y.example")
						c["uid"] = fmt.Sprintf("uid %d", n)
						_, err := e.Create(c, []string{contacts.DefaultBook})
						var there *contacts.ExistsError
						if errors.As(err, &there) {
							exists.Store(there.ID, true)
							return nil
						}
						return err
					})
					if err == nil {
						break
					}
					if !mail.Is(err, mail.Unavailable) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wait.Wait()
	v, err := service(store).View(t.Context(), me)
	if err != nil || v.Len() != writers*each+each {
		t.Errorf("%d cards, want %d: %v", v.Len(), writers*each+each, err)
	}
	n := 0
	exists.Range(func(id, _ any) bool {
		n++
		if !v.Has(id.(string)) {
			t.Errorf("%v was told as being there", id)
		}
		return true
	})
	if n != each {
		t.Errorf("%d cards were told as being there, want %d", n, each)
	}
}

// TestRules: what is refused, and why.
func TestRules(t *testing.T) {
	t.Parallel()
	store := newShelf()
	s := service(store)
	edit := func(fn func(e *contacts.Edit) error) error {
		_, _, err := s.Edit(t.Context(), me, fn)
		return err
	}
	var id string
	if err := edit(func(e *contacts.Edit) (err error) {
		c := person("Ann", "Ä", "a@b.example")
		if id, err = e.Create(c, []string{contacts.DefaultBook}); err == nil && (!strings.HasPrefix(c["uid"].(string), "urn:uuid:") || c["version"] != "1.0" || c["created"] == nil || c["updated"] == nil) {
			err = fmt.Errorf("what a card must have is not there: %v", c)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for want, fn := range map[string]func(e *contacts.Edit) error{
		"addressBookIds": func(e *contacts.Edit) error { _, err := e.Create(person("a", "b", "c"), nil); return err },
		"addressBookIds ": func(e *contacts.Edit) error {
			_, err := e.Create(person("a", "b", "c"), []string{"B9"})
			return err
		},
		"emails": func(e *contacts.Edit) error {
			_, err := e.Create(jscontact.Card{"emails": 1}, []string{contacts.DefaultBook})
			return err
		},
		"uid": func(e *contacts.Edit) error {
			c := person("a", "b", "c")
			c["uid"] = "another"
			return e.Update(id, c, []string{contacts.DefaultBook})
		},
		"name":      func(e *contacts.Edit) error { _, err := e.CreateBook(contacts.Book{}); return err },
		"sortOrder": func(e *contacts.Edit) error { _, err := e.CreateBook(contacts.Book{Name: "x", Sort: -1}); return err },
	} {
		var wrong *contacts.PropertyError
		if err := edit(fn); !errors.As(err, &wrong) || wrong.Property != strings.TrimSpace(want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := edit(func(e *contacts.Edit) error {
		_, err := e.Create(jscontact.Card{"x": strings.Repeat("x", jscontact.MaxSize)}, []string{contacts.DefaultBook})
		return err
	}); !mail.Is(err, mail.TooLarge) {
		t.Error(err)
	}
	if err := edit(func(e *contacts.Edit) error { return e.Remove("C9") }); !mail.Is(err, mail.NotFound) {
		t.Error(err)
	}
	// A commit that fails changes nothing.
	store.fail = mail.Errorf(mail.Unavailable, "the disk is full")
	if err := edit(func(e *contacts.Edit) error { return e.Remove(id) }); !mail.Is(err, mail.Unavailable) {
		t.Error(err)
	}
	v, err := s.View(t.Context(), me)
	if err != nil || !v.Has(id) {
		t.Error("a card is gone though nothing was committed", err)
	}
	if n, err := s.Changes(t.Context(), me, true, 1, 10); err != nil || n.More || len(n.Updated) != 0 || n.To != 1 {
		t.Errorf("a change of a card is told as one of a book: %+v %v", n, err)
	}
	if _, err := s.Changes(t.Context(), me, false, 99, 10); !errors.Is(err, contacts.ErrTooOld) {
		t.Errorf("a state that never was: %v", err)
	}
}

// TestBooks: RFC 9610 2.3: a book's cards go with it, or stay where else they are.
func TestBooks(t *testing.T) {
	t.Parallel()
	s := service(newShelf())
	var book, both, one string
	if _, _, err := s.Edit(t.Context(), me, func(e *contacts.Edit) (err error) {
		if book, err = e.CreateBook(contacts.Book{Name: "Work", Sort: 1}); err != nil {
			return err
		}
		if one, err = e.Create(person("a", "b", "c"), []string{book}); err != nil {
			return err
		}
		if both, err = e.Create(person("a", "b", "c"), []string{book, contacts.DefaultBook}); err != nil {
			return err
		}
		return e.SetDefault(book)
	}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Edit(t.Context(), me, func(e *contacts.Edit) error {
		if err := e.SetDefault(contacts.DefaultBook); err != nil {
			return err
		}
		for _, id := range e.In(book, 100) {
			if err := e.TakeOut(id, book); err != nil {
				return err
			}
		}
		return e.RemoveBook(book)
	}); err != nil {
		t.Fatal(err)
	}
	v, err := s.View(t.Context(), me)
	if err != nil || v.Has(one) || !v.Has(both) || len(v.Books()) != 1 || v.Default() != contacts.DefaultBook {
		t.Errorf("%v %v: %v", v.IDs(), v.Books(), err)
	}
	st, err := s.Card(t.Context(), me, both)
	if err != nil || !slices.Equal(st.Books, []string{contacts.DefaultBook}) {
		t.Errorf("%v %v", st.Books, err)
	}
}

// TestMatch: RFC 9610 3.3.1.
func TestMatch(t *testing.T) {
	t.Parallel()
	s := service(newShelf())
	var cards map[string]jscontact.Card
	if err := json.Unmarshal([]byte(`{
	"ann":{"created":"2020-01-01T00:00:00Z","updated":"2021-01-01T00:00:00Z","name":{"components":[{"kind":"given","value":"Änne"},{"kind":"surname","value":"Müller"},{"kind":"surname2","value":"Ruiz"}]},
	  "nicknames":{"n":{"name":"Annie"}},"organizations":{"o":{"name":"ABC, Inc.","units":[{"name":"Sales"}]}},"emails":{"e":{"address":"ann@abc.example","label":"desk"}},
	  "phones":{"p":{"number":"+49 (89) 123-456"}},"onlineServices":{"s":{"service":"Mastodon","user":"@ann"}},"addresses":{"a":{"components":[{"kind":"locality","value":"München"}]}},
	  "notes":{"n":{"note":"met at the fair"}}},
	"org":{"created":"2022-01-01T00:00:00Z","updated":"2022-01-01T00:00:00Z","kind":"org","name":{"full":"ABC, Inc."}},
	"group":{"created":"2022-01-01T00:00:00Z","updated":"2023-01-01T00:00:00Z","kind":"group","name":{"full":"Friends"},"members":{"ann":true,"bob":true}}}`), &cards); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	if _, _, err := s.Edit(t.Context(), me, func(e *contacts.Edit) error {
		for uid, c := range cards {
			c["uid"] = uid
			id, err := e.Create(c, []string{contacts.DefaultBook})
			if err != nil {
				return err
			}
			names[id] = uid
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v, err := s.View(t.Context(), me)
	if err != nil {
		t.Fatal(err)
	}
	text := func(f contacts.Field, q string) contacts.Condition {
		return contacts.Condition{Texts: []contacts.Text{contacts.NewText(f, false, q)}}
	}
	anywhere := func(q string) contacts.Condition {
		return contacts.Condition{Texts: []contacts.Text{contacts.NewText(0, true, q)}}
	}
	is := func(s string) *string { return &s }
	at := func(year int) *time.Time {
		t := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		return &t
	}
	for _, c := range []struct {
		name string
		cond contacts.Condition
		want string
	}{
		{"nothing", contacts.Condition{}, "ann group org"}, {"uid", contacts.Condition{UID: is("ann")}, "ann"}, {"kind", contacts.Condition{Kind: is("individual")}, "ann"},
		{"member", contacts.Condition{Member: is("bob")}, "group"}, {"no member", contacts.Condition{Member: is("bo")}, ""},
		{"book", contacts.Condition{Book: is(contacts.DefaultBook)}, "ann group org"}, {"no book", contacts.Condition{Book: is("B")}, ""},
		{"created before", contacts.Condition{CreatedBefore: at(2022)}, "ann"}, {"created after", contacts.Condition{CreatedAfter: at(2022)}, "group org"},
		{"updated", contacts.Condition{UpdatedAfter: at(2022), UpdatedBefore: at(2023)}, "org"},
		{"letter case and accents", text(contacts.Name, "anne MULLER"), "ann"}, {"given", text(contacts.Given, "änne"), "ann"}, {"not given", text(contacts.Given, "müller"), ""},
		{"surname2", text(contacts.Surname2, "ruiz"), "ann"}, {"nickname", text(contacts.Nickname, "annie"), "ann"}, {"organization", text(contacts.Organization, `"abc, inc."`), "ann"},
		{"phrase", text(contacts.NoteText, `"at the fair"`), "ann"}, {"no phrase", text(contacts.NoteText, `'fair the'`), ""}, {"email label", text(contacts.Email, "desk"), "ann"},
		{"phone", text(contacts.Phone, "4989123"), "ann"}, {"service", text(contacts.OnlineService, "mastodon @ann"), "ann"}, {"address", text(contacts.Address, "munchen"), "ann"},
		{"anywhere", anywhere("abc"), "ann org"}, {"units", anywhere("sales"), "ann"}, {"escapes", anywhere(`"\"x"`), ""}, {"and", anywhere("abc sales"), "ann"},
	} {
		var got []string
		for _, e := range v.Find(c.cond.Match) {
			got = append(got, names[e.ID])
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// fill makes so many cards.
func fill(t testing.TB, s *contacts.Service, n int) {
	t.Helper()
	for n > 0 {
		if _, _, err := s.Edit(t.Context(), me, func(e *contacts.Edit) error {
			for range min(n, 1000) {
				n--
				if _, err := e.Create(person(fmt.Sprint("Given", n), fmt.Sprint("Surname", n%777), fmt.Sprintf("p%d@example.com", n)), []string{contacts.DefaultBook}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkQuery searches 10,000 cards.
func BenchmarkQuery(b *testing.B) {
	s := service(newShelf())
	fill(b, s, 10_000)
	cond := contacts.Condition{Texts: []contacts.Text{contacts.NewText(0, true, "surname77 p1")}}
	for b.Loop() {
		v, err := s.View(b.Context(), me)
		if err != nil {
			b.Fatal(err)
		}
		if len(v.Find(cond.Match)) == 0 {
			b.Fatal("nothing was found")
		}
	}
}
