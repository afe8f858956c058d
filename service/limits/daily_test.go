package limits_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/testkit/clock"
)

// newStore is a real store of the test's own.
func newStore(t *testing.T, c mail.Clock) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send is one message: the question and the commit.
func send(t testing.TB, l *limits.Limits, s mail.Journal, now time.Time, account mail.AccountID, to ...mail.Path) error {
	changes, err := l.Submission(t.Context(), account, to, now)
	if err == nil && len(changes) > 0 {
		_, err = s.Commit(t.Context(), mail.ChangeSet{Changes: changes})
	}
	return err
}

func people(from, n int) []mail.Path {
	var out []mail.Path
	for i := range n {
		out = append(out, mail.Path(fmt.Sprintf("p%d@far.example", from+i)))
	}
	return out
}

// TestDay uses up an account's day, over a real store.
func TestDay(t *testing.T) {
	t.Parallel()
	c := clock.New() // noon
	s := newStore(t, c)
	l := limits.New(limits.Config{AccountRecipientsPerDay: 10, AccountNewRecipientsPerDay: 6, Notes: s, Journal: s, Clock: c})
	passes(t, send(t, l, s, c.Now(), 1, people(0, 4)...))
	passes(t, send(t, l, s, c.Now(), 1, "p0@far.example", "P0@FAR.example", "p0@far.example")) // one, and known
	err := send(t, l, s, c.Now(), 1, people(4, 3)...)
	refused(t, err, "4.7.1", "rate-limited")
	for _, part := range []string{"6 people it never wrote to before in a day", "4 today", "for 3;", "in 12 hours (00:00 UTC)"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the sentence lacks %q: %v", part, err)
		}
	}
	passes(t, send(t, l, s, c.Now(), 1, people(0, 4)...)) // known people
	err = send(t, l, s, c.Now(), 1, people(0, 2)...)
	refused(t, err, "4.7.1", "rate-limited")
	if err == nil || !strings.Contains(err.Error(), "10 recipients in a day and has sent to 9 today, this message is for 2;") {
		t.Errorf("the sentence is %v", err)
	}
	passes(t, send(t, l, s, c.Now(), 1)) // there is room for one
	passes(t, send(t, l, s, c.Now(), 1, "p0@far.example"))
	refused(t, send(t, l, s, c.Now(), 1), "4.7.1", "rate-limited")
	passes(t, send(t, l, s, c.Now(), 2, people(0, 6)...)) // another account has its own day, and its own acquaintances
	c.Advance(12 * time.Hour)
	passes(t, send(t, l, s, c.Now(), 1, people(0, 10)...))

	if _, err := s.Note(t.Context(), limits.KindMet, limits.MetKey(1, "P0@Far.Example")); err != nil {
		t.Errorf("the account has not met whom it wrote to: %v", err)
	}
	if _, err := s.Note(t.Context(), limits.KindMet, limits.MetKey(1, "p99@far.example")); !mail.Is(err, mail.NotFound) {
		t.Errorf("a stranger: %v", err)
	}
	if k := limits.MetKey(17, "kim@far.example"); !strings.HasPrefix(k, "17/") || len(k) != 3+32 {
		t.Errorf("the key is %q", k)
	}

	// Who is written to is remembered for longer.
	c.Advance(limits.MetFor - 24*time.Hour)
	passes(t, send(t, l, s, c.Now(), 1, "p0@far.example"))
	c.Advance(48 * time.Hour)
	for p, want := range map[mail.Path]bool{"p0@far.example": true, "p1@far.example": false} {
		if _, err := s.Note(t.Context(), limits.KindMet, limits.MetKey(1, p)); (err == nil) != want {
			t.Errorf("%s is known: %v", p, err)
		}
	}
}

// TestDayIsExact has many messages at once ask and then commit: no more are taken than the day has.
func TestDayIsExact(t *testing.T) {
	t.Parallel()
	c := clock.New()
	s := newStore(t, c)
	l := limits.New(limits.Config{AccountRecipientsPerDay: 10, Notes: s, Journal: s, Clock: c})
	sets := make([][]mail.Change, 20)
	for i := range sets {
		var err error
		if sets[i], err = l.Submission(t.Context(), 1, people(i, 1), c.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	var taken atomic.Int64
	for _, set := range sets {
		wait.Go(func() {
			_, err := s.Commit(t.Context(), mail.ChangeSet{Changes: set})
			switch {
			case err == nil:
				taken.Add(1)
			case !mail.Is(err, mail.TooMany) || !strings.Contains(err.Error(), "docs/problems.md#rate-limited"):
				t.Errorf("refused with %v", err)
			}
		})
	}
	wait.Wait()
	if taken.Load() != 10 {
		t.Errorf("%d messages were taken, want 10", taken.Load())
	}
	met, err := s.Notes(t.Context(), mail.NoteQuery{Kind: limits.KindMet, Prefix: "1/"})
	if err != nil || len(met) != 10 {
		t.Errorf("%d people were met, want those of the messages that were taken: %v", len(met), err)
	}
}

// TestDayWithoutLimits counts nothing, and still remembers who was written to.
func TestDayWithoutLimits(t *testing.T) {
	t.Parallel()
	l, c, m := newLimits(t, nil)
	for range 3 {
		passes(t, send(t, l, m, c.Now(), 1, people(0, 1000)...))
	}
	if len(m.of) != 1000 {
		t.Errorf("%d notes are kept, want 1000", len(m.of))
	}
	m.fail = mail.Errorf(mail.Unavailable, "the store is away")
	if err := send(t, l, m, c.Now(), 1, "kim@far.example"); !mail.Is(err, mail.Unavailable) {
		t.Errorf("without a store: %v", err)
	}
}

// TestGuardOverStore bans and knows over a real store, across a restart.
func TestGuardOverStore(t *testing.T) {
	t.Parallel()
	c := clock.New()
	s := newStore(t, c)
	cfg := limits.Config{LoginFailures: 3, Notes: s, Journal: s, Clock: c, Secret: secret}
	l := limits.New(cfg)
	l.Succeeded(t.Context(), ip("192.0.2.7"), ann)
	passes(t, guess(t, l, ip("192.0.2.7"), bob, 3))
	passes(t, guess(t, l, ip("2001:db8::1"), "carol@one.example", 3))
	l = limits.New(cfg)
	passes(t, l.Load(t.Context()))
	passes(t, l.Attempt(t.Context(), ip("192.0.2.7"), ann))
	refused(t, l.Attempt(t.Context(), ip("192.0.2.7"), bob), "4.7.0", "authentication-fails")
	refused(t, l.Admit(ip("2001:db8::5")), "4.7.0", "authentication-fails")
	c.Advance(16 * time.Minute)
	passes(t, l.Admit(ip("2001:db8::5")))
	passes(t, guess(t, l, ip("2001:db8::5"), ann, 3)) // the second in a row
	list, err := l.Bans(t.Context())
	if err != nil || len(list) != 1 || list[0].Times != 2 || !list[0].Until.Equal(c.Now().Add(30*time.Minute)) {
		t.Errorf("bans: %+v, %v", list, err)
	}
	passes(t, l.Unban(t.Context(), list[0].Prefix))
	passes(t, l.Admit(ip("2001:db8::5")))
}
