package session_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (h *hand) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

type bench struct {
	*session.Sessions
	store     *store.Store
	clock     *hand
	passwords *directory.Passwords
}

// newBench has the domain one.example and nobody in it.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{clock: &hand{now: epoch}}
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b.store = s
	b.Sessions = &session.Sessions{Notes: s, Journal: s, Directory: s, Clock: b.clock}
	b.passwords = &directory.Passwords{Directory: s, Journal: s, Clock: b.clock}
	if err := b.commit(mail.AddDomain{Domain: mail.Domain{Name: "one.example"}}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) commit(changes ...mail.Change) error {
	_, err := b.store.Commit(context.Background(), mail.ChangeSet{Changes: changes})
	return err
}

// person is an account with a password.
func (b *bench) person(t rapid.TB, name string) mail.Account {
	t.Helper()
	address := mail.Path(name + "@one.example")
	if err := b.commit(mail.AddAccount{Account: mail.Account{Address: address}, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}}}); err != nil {
		t.Fatal(err)
	}
	a, err := b.store.AccountByAddress(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	b.password(t, a.ID, "first")
	return a
}

// password sets one as an operator does: no session asked for it.
func (b *bench) password(t rapid.TB, id mail.AccountID, hash string) {
	t.Helper()
	if err := b.commit(mail.PutCredential{Credential: mail.Credential{Account: id, Label: mail.Password, Hash: hash}}); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) make(t rapid.TB, a mail.Account, remember bool) (string, session.Session) {
	t.Helper()
	cookie, s, err := b.Make(context.Background(), a, session.Client{Address: netip.MustParseAddr("192.0.2.1"), Agent: "Browser", Remember: remember})
	if err != nil {
		t.Fatal(err)
	}
	return cookie, s
}

func (b *bench) alive(t rapid.TB, cookie string) bool {
	t.Helper()
	_, _, err := b.Find(context.Background(), cookie)
	if err != nil && !mail.Is(err, mail.Unauthenticated) {
		t.Fatalf("a session is neither found nor not: %v", err)
	}
	return err == nil
}

// TestCookies finds a session by its cookie and by nothing that resembles it.
func TestCookies(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ann, bob := b.person(t, "ann"), b.person(t, "bob")
	cookie, made := b.make(t, ann, false)
	account, found, err := b.Find(t.Context(), cookie)
	if err != nil || account.Address != ann.Address || found.ID != made.ID || found.Agent != "Browser" || !found.Created.Equal(epoch) {
		t.Errorf("found %v, %+v, %v", account.Address, found, err)
	}
	number, token, _ := strings.Cut(cookie, ".")
	last := token[:len(token)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(token, "A")]
	for _, c := range []string{
		"", ".", number, number + ".", "." + token, fmt.Sprint(bob.ID, ".", token), "0" + number + "." + token, "+" + number + "." + token,
		"-" + number + "." + token, number + "." + token + "A", number + "." + token[1:], number + "." + last, number + "." + made.ID,
		number + "." + strings.Repeat("A", len(token)), "99999999999999999999." + token, cookie + "\n", cookie + "=", strings.Repeat("1", 1<<16) + "." + token,
	} {
		if b.alive(t, c) {
			t.Errorf("%.80q is taken for a session", c)
		}
	}
	notes, err := b.store.Notes(t.Context(), mail.NoteQuery{Kind: session.Kind})
	if err != nil || len(notes) != 1 || strings.Contains(notes[0].Key+string(notes[0].Value), token) || notes[0].Account != ann.ID {
		t.Errorf("the store holds %+v, %v", notes, err)
	}
}

// TestTimes ends sessions 12 hours or 30 days after their last use and 180 days after their first.
func TestTimes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ann := b.person(t, "ann")
	short, _ := b.make(t, ann, false)
	long, s := b.make(t, ann, true)
	if !s.Expires.Equal(epoch.Add(session.Remembered)) {
		t.Errorf("it is to end at %v", s.Expires)
	}
	b.clock.pass(session.Idle - time.Minute)
	if !b.alive(t, short) {
		t.Error("it ended before its time")
	}
	b.clock.pass(session.Idle - time.Minute)
	if !b.alive(t, short) {
		t.Error("a use does not make it go on")
	}
	b.clock.pass(session.Idle)
	if b.alive(t, short) {
		t.Error("it goes on without being used")
	}
	if !b.alive(t, long) {
		t.Error("it is not remembered")
	}
	for b.clock.Now().Before(epoch.Add(session.Longest - 24*time.Hour)) {
		b.clock.pass(24 * time.Hour)
		if !b.alive(t, long) {
			t.Fatalf("it ended after %v", b.clock.Now().Sub(epoch))
		}
	}
	b.clock.pass(24 * time.Hour)
	if b.alive(t, long) {
		t.Error("it never ends")
	}
}

// A use is written down at most once in ten minutes, and a session that was ended while a request was under way stays ended.
func TestSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ann := b.person(t, "ann")
	cookie, s := b.make(t, ann, false)
	counted := &counting{Journal: b.store}
	b.Journal = counted
	for range 30 {
		b.clock.pass(time.Minute)
		if !b.alive(t, cookie) {
			t.Fatal("it ended")
		}
	}
	if counted.n != 3 {
		t.Errorf("%d uses were written in half an hour", counted.n)
	}
	b.clock.pass(time.Hour)
	counted.before = func() {
		if err := b.commit(mail.RemoveNote{Kind: session.Kind, Key: fmt.Sprint(ann.ID, "/", s.ID)}); err != nil {
			t.Error(err)
		}
	}
	if b.alive(t, cookie) || b.alive(t, cookie) {
		t.Error("a request brought an ended session back")
	}
}

// counting counts commits and does something before each.
type counting struct {
	mail.Journal
	n      int
	before func()
}

func (c *counting) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	c.n++
	if c.before != nil {
		c.before()
	}
	return c.Journal.Commit(ctx, set)
}

// Requests at the same time, when a use is due to be written, all find the session.
func TestSeenAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cookie, _ := b.make(t, b.person(t, "ann"), false)
	b.clock.pass(time.Hour)
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			if _, s, err := b.Find(context.Background(), cookie); err != nil || !s.Seen.Equal(b.clock.Now()) {
				t.Errorf("%v, seen %v", err, s.Seen)
			}
		})
	}
	work.Wait()
}

// TestPassword lets the session that changes the password go on and ends the others, also those that begin meanwhile, whoever changes it.
func TestPassword(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ann, bob := b.person(t, "ann"), b.person(t, "bob")
	mine, s := b.make(t, ann, false)
	other, _ := b.make(t, ann, true)
	his, _ := b.make(t, bob, false)
	var late string
	err := b.passwords.Set(t.Context(), ann.ID, "new", func(c mail.Credential) ([]mail.Change, error) {
		changes, err := b.Rekey(t.Context(), s, c)
		late, _ = b.make(t, ann, false)
		return changes, err
	})
	if err != nil || !b.alive(t, mine) || b.alive(t, other) || b.alive(t, late) || !b.alive(t, his) {
		t.Errorf("%v; mine %v, other %v, late %v, his %v", err, b.alive(t, mine), b.alive(t, other), b.alive(t, late), b.alive(t, his))
	}
	// A session used meanwhile is no reason to lose the change: it says so.
	b.clock.pass(time.Hour)
	_, _, err = b.Find(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	err = b.passwords.Set(t.Context(), ann.ID, "newer", func(c mail.Credential) ([]mail.Change, error) { return b.Rekey(t.Context(), s, c) })
	if !mail.Is(err, mail.Conflict) || !b.alive(t, mine) {
		t.Errorf("a session changed meanwhile: %v", err)
	}
	b.password(t, ann.ID, "of the operator")
	if list, err := b.List(t.Context(), ann.ID); err != nil || len(list) != 0 || b.alive(t, mine) {
		t.Errorf("after the operator set a password: %+v, %v", list, err)
	}
}

// A request that is under way while its own session changes the password does not end it.
func TestPasswordWhileFinding(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ann := b.person(t, "ann")
	cookie, s := b.make(t, ann, false)
	changed := false
	b.Directory = between{b.store, func() {
		if changed {
			return
		}
		changed = true
		if err := b.passwords.Set(context.Background(), ann.ID, "new", func(c mail.Credential) ([]mail.Change, error) {
			return (&session.Sessions{Notes: b.store, Journal: b.store, Directory: b.store, Clock: b.clock}).Rekey(context.Background(), s, c)
		}); err != nil {
			t.Error(err)
		}
	}}
	if !b.alive(t, cookie) || !changed || !b.alive(t, cookie) {
		t.Error("the session that changed the password ended")
	}
}

// between does something before credentials are read.
type between struct {
	mail.Directory
	do func()
}

func (d between) Credentials(ctx context.Context, id mail.AccountID) ([]mail.Credential, error) {
	d.do()
	return d.Directory.Credentials(ctx, id)
}

func TestMostSessions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ann := b.person(t, "ann")
	first, _ := b.make(t, ann, true)
	second, _ := b.make(t, ann, true)
	b.clock.pass(time.Hour)
	if !b.alive(t, first) {
		t.Fatal("it ended")
	}
	for range session.MaxSessions - 1 {
		b.make(t, ann, true)
	}
	list, err := b.List(t.Context(), ann.ID)
	if err != nil || len(list) != session.MaxSessions || b.alive(t, second) || !b.alive(t, first) {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	if err := b.End(t.Context(), ann.ID, "../"+list[0].ID); !mail.Is(err, mail.Invalid) {
		t.Errorf("an id that is none: %v", err)
	}
}

// TestStates does everything that can be done with sessions in whatever order, and compares with a model of who is alive.
func TestStates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		type known struct {
			cookie        string
			id            string
			who           int
			idle          time.Duration
			created, seen time.Time
		}
		people := []mail.Account{b.person(t, fmt.Sprint("ann", round)), b.person(t, fmt.Sprint("bob", round))}
		model := map[string]*known{} // who are alive, by id
		var ever []*known
		expire := func() {
			maps.DeleteFunc(model, func(_ string, k *known) bool {
				now := b.clock.Now()
				return !now.Before(k.seen.Add(k.idle)) || !now.Before(k.created.Add(session.Longest))
			})
		}
		endOf := func(who int, but string) {
			maps.DeleteFunc(model, func(id string, k *known) bool { return k.who == who && id != but })
		}
		who := func() int { return rapid.IntRange(0, 1).Draw(t, "who") }
		one := func() *known {
			if len(ever) == 0 {
				t.Skip("there is none")
			}
			return rapid.SampledFrom(ever).Draw(t, "session")
		}
		passwords := 0
		t.Repeat(map[string]func(*rapid.T){
			"make": func(t *rapid.T) {
				k := &known{who: who(), idle: session.Idle, created: b.clock.Now(), seen: b.clock.Now()}
				remember := rapid.Bool().Draw(t, "remember")
				if remember {
					k.idle = session.Remembered
				}
				var s session.Session
				k.cookie, s = b.make(t, people[k.who], remember)
				k.id = s.ID
				model[k.id], ever = k, append(ever, k)
			},
			"use": func(t *rapid.T) {
				k := one()
				expire()
				_, lives := model[k.id]
				if got := b.alive(t, k.cookie); got != lives {
					t.Fatalf("alive is %v, want %v", got, lives)
				}
				if now := b.clock.Now(); lives && now.Sub(k.seen) >= session.SeenEvery {
					k.seen = now
				}
			},
			"wait": func(t *rapid.T) {
				b.clock.pass(rapid.SampledFrom([]time.Duration{time.Minute, 9 * time.Minute, 11 * time.Hour, session.Idle, 29 * 24 * time.Hour}).Draw(t, "time"))
			},
			"end": func(t *rapid.T) {
				k := one()
				if err := b.End(context.Background(), people[k.who].ID, k.id); err != nil {
					t.Fatal(err)
				}
				delete(model, k.id)
			},
			"end somebody else's": func(t *rapid.T) {
				k := one()
				if err := b.End(context.Background(), people[1-k.who].ID, k.id); err != nil {
					t.Fatal(err)
				}
			},
			"end others": func(t *rapid.T) {
				k := one()
				if err := b.EndOthers(context.Background(), people[k.who].ID, k.id); err != nil {
					t.Fatal(err)
				}
				endOf(k.who, k.id)
			},
			"new password": func(t *rapid.T) {
				w := who()
				passwords++
				b.password(t, people[w].ID, fmt.Sprint("password", passwords))
				endOf(w, "")
			},
			"disable for a while": func(t *rapid.T) {
				k := one()
				a := people[k.who]
				a.Disabled = true
				if err := b.commit(mail.UpdateAccount{Account: a}); err != nil {
					t.Fatal(err)
				}
				if b.alive(t, k.cookie) {
					t.Fatal("a disabled account has a session")
				}
				delete(model, k.id)
				a.Disabled = false
				if err := b.commit(mail.UpdateAccount{Account: a}); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				expire()
				for w, p := range people {
					list, err := b.List(context.Background(), p.ID)
					if err != nil {
						t.Fatal(err)
					}
					var got, want []string
					for _, s := range list {
						got = append(got, s.ID)
					}
					for id, k := range model {
						if k.who == w {
							want = append(want, id)
						}
					}
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Fatalf("of account %d live %q, want %q", w, got, want)
					}
				}
			},
		})
		for _, p := range people {
			if err := b.commit(mail.RemoveAccount{Account: p.ID}); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range ever {
			if b.alive(t, k.cookie) {
				t.Fatal("a session outlives its account")
			}
		}
	})
}
