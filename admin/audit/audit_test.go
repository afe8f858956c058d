package audit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/mail"
)

// store keeps notes in memory.
type store struct {
	mu    sync.Mutex
	now   time.Time
	notes map[string]mail.Note
	fail  error
	reads int
}

func newStore() (*store, *audit.Log) {
	s := &store{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), notes: map[string]mail.Note{}}
	return s, audit.New(s, s, s, func() audit.Actor { return audit.Actor{Way: audit.WayCommand, Name: "nobody"} })
}

func (s *store) Now() time.Time                       { return s.now }
func (s *store) After(time.Duration) <-chan time.Time { return nil }

func (s *store) Commit(ctx context.Context, set mail.ChangeSet) (r mail.Receipt, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return r, s.fail
	}
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	for _, c := range set.Changes {
		if p, ok := c.(mail.PutNote); ok {
			s.notes[p.Note.Key] = p.Note
		}
		r.Results = append(r.Results, mail.Result{})
	}
	return r, nil
}

func (s *store) Note(context.Context, string, string) (mail.Note, error) {
	return mail.Note{}, mail.Errorf(mail.NotFound, "no note")
}

func (s *store) Notes(_ context.Context, q mail.NoteQuery) (out []mail.Note, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	for _, k := range slices.Sorted(maps.Keys(s.notes)) {
		if k > q.After && len(out) < q.Limit {
			out = append(out, s.notes[k])
		}
	}
	return out, nil
}

func do(t *testing.T, s *store, l *audit.Log, what, subject string, err error) {
	t.Helper()
	s.now = s.now.Add(time.Second)
	if got := l.Do(t.Context(), audit.What{Act: what, Subject: subject}, func(context.Context) error { return err }); !errors.Is(got, err) {
		t.Fatal(got)
	}
}

func list(t *testing.T, l *audit.Log, f audit.Filter) audit.List {
	t.Helper()
	got, err := l.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err           error
		outcome, text string
	}{
		"done":        {nil, audit.Done, ""},
		"refused":     {mail.Errorf(mail.Exists, "it is there"), audit.Refused, "it is there"},
		"unavailable": {mail.Errorf(mail.Unavailable, "later"), audit.Failed, "later"},
		"internal":    {errors.New("line one\nline two\x1b[31m"), audit.Failed, "line one line two [31m"},
		"gone":        {context.Canceled, audit.Failed, "who asked went away; it may have been done all the same: context canceled"},
		"long":        {errors.New(strings.Repeat("ü", 5000)), audit.Failed, strings.Repeat("ü", 300) + "..."},
	} {
		s, l := newStore()
		do(t, s, l, "x.y", "s", tt.err)
		e := list(t, l, audit.Filter{}).Entries
		if len(e) != 1 || e[0].Outcome != tt.outcome || e[0].Text != tt.text || e[0].Actor.Name != "nobody" || !e[0].At.Equal(s.now) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// TestClientThatWentAway: the last word is written for somebody who does not wait for it.
func TestClientThatWentAway(t *testing.T) {
	t.Parallel()
	_, l := newStore()
	ctx, cancel := context.WithCancel(audit.As(t.Context(), audit.Actor{Way: audit.WayWeb, Name: "ann@example.test", From: "192.0.2.1"}))
	err := l.Do(ctx, audit.What{Act: "a.b", Outside: true}, func(ctx context.Context) error { cancel(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if e := list(t, l, audit.Filter{Actor: "192.0.2"}).Entries; len(e) != 1 || e[0].Outcome != audit.Failed {
		t.Errorf("%+v", e)
	}
}

// TestOutsideIsBegunFirst: what cannot be recorded is not done, and what ended in between stays begun.
func TestOutsideIsBegunFirst(t *testing.T) {
	t.Parallel()
	s, l := newStore()
	s.fail = errors.New("no disk")
	if err := l.Do(t.Context(), audit.What{Act: "a.b", Outside: true}, func(context.Context) error { t.Error("it was done"); return nil }); !errors.Is(err, s.fail) {
		t.Error(err)
	}
	s.fail = nil
	err := l.Do(t.Context(), audit.What{Act: "a.b", Outside: true}, func(context.Context) error {
		s.fail = errors.New("gone")
		return nil
	})
	if err != nil {
		t.Errorf("an act that was done has failed: %v", err)
	}
	if e := list(t, l, audit.Filter{}).Entries; len(e) != 1 || e[0].Outcome != audit.Begun {
		t.Errorf("%+v", e)
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	s, l := newStore()
	j := l.Journal()
	if _, err := j.Commit(t.Context(), mail.ChangeSet{}); !mail.Is(err, mail.Internal) {
		t.Errorf("a commit outside of an act: %v", err)
	}
	changes := make([]mail.Change, 1, 5) // room that must stay the caller's
	changes[0] = mail.RemoveNote{Kind: "x", Key: "y"}
	err := l.Do(t.Context(), audit.What{Act: "a.b"}, func(ctx context.Context) error {
		audit.About(ctx, "one")
		audit.Tell(ctx, "two")
		r, err := j.Commit(ctx, mail.ChangeSet{Changes: changes})
		if len(r.Results) != 1 {
			t.Errorf("results %v", r.Results)
		}
		if changes[:2][1] != nil {
			t.Error("the caller's changes were written to")
		}
		return errors.Join(err, l.Do(ctx, audit.What{Act: "inner"}, func(ctx context.Context) error {
			_, err := j.Commit(ctx, mail.ChangeSet{})
			return err
		}))
	})
	if err != nil {
		t.Fatal(err)
	}
	e := list(t, l, audit.Filter{}).Entries
	if len(e) != 1 || e[0].Act != "a.b" || e[0].Subject != "one" || e[0].Text != "two" || e[0].Outcome != audit.Done || len(s.notes) != 1 {
		t.Errorf("%+v", e)
	}
	if err := l.Do(t.Context(), audit.What{Act: "a.b"}, func(ctx context.Context) error { audit.Idle(ctx); return nil }); err != nil || len(s.notes) != 1 {
		t.Errorf("an idle act is recorded: %v", err)
	}
	audit.Tell(t.Context(), "outside of an act it is no harm")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s, l := newStore()
	begin := s.now
	do(t, s, l, "account.add", "ann@example.test", nil)
	do(t, s, l, "account.remove", "bob@example.test", mail.Errorf(mail.NotFound, "no"))
	do(t, s, l, "accounting.add", "carol@example.test", nil)
	at := func(n int) *time.Time { v := begin.Add(time.Duration(n) * time.Second); return &v }
	for name, tt := range map[string]struct {
		f    audit.Filter
		want string
	}{
		"all":       {audit.Filter{}, "carol bob ann"},
		"subject":   {audit.Filter{Subject: "BOB@"}, "bob"},
		"act":       {audit.Filter{Act: "account"}, "bob ann"},
		"whole act": {audit.Filter{Act: "account.add"}, "ann"},
		"outcome":   {audit.Filter{Outcome: audit.Refused}, "bob"},
		"since":     {audit.Filter{Since: at(2)}, "carol bob"},
		"until":     {audit.Filter{Until: at(2)}, "bob ann"},
		"between":   {audit.Filter{Since: at(2), Until: at(2)}, "bob"},
		"nobody":    {audit.Filter{Actor: "zoe"}, ""},
		"limit":     {audit.Filter{Limit: 2}, "carol bob"},
	} {
		var got []string
		for _, e := range list(t, l, tt.f).Entries {
			name, _, _ := strings.Cut(e.Subject, "@")
			got = append(got, name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %v, want %s", name, got, tt.want)
		}
	}
	long, early := strings.Repeat("x", 600), time.Date(3, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, f := range []audit.Filter{{Since: &early}, {Until: &early}, {Since: at(2), Until: at(1)}, {After: long}} {
		if _, err := l.List(t.Context(), f); !mail.Is(err, mail.Invalid) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// TestLookingIsBounded: however few fit, one answer reads so much and says where to go on.
func TestLookingIsBounded(t *testing.T) {
	t.Parallel()
	s, l := newStore()
	for i := range 25_000 {
		key := fmt.Sprintf("%019d/x", i)
		s.notes[key] = mail.Note{Kind: audit.Kind, Key: key, Value: []byte("{broken"), Expires: s.now.Add(audit.Keep)}
	}
	got := list(t, l, audit.Filter{Subject: "ann"})
	if len(got.Entries) != 0 || got.Next == "" || s.reads > 50 {
		t.Errorf("%d entries, next %q, %d reads", len(got.Entries), got.Next, s.reads)
	}
	if got = list(t, l, audit.Filter{Subject: "ann", After: got.Next}); got.Next != "" {
		t.Errorf("next %q", got.Next)
	}
	if got = list(t, l, audit.Filter{Limit: 1}); len(got.Entries) != 1 || got.Entries[0].Text != "this record is damaged" {
		t.Errorf("%+v", got)
	}
}

// TestPaging: pages of any size, in order, have each record once, the latest first.
func TestPaging(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, l := newStore()
		n := rapid.IntRange(0, 40).Draw(t, "records")
		for i := range n {
			s.now = s.now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "pause")) * time.Nanosecond)
			if err := l.Do(context.Background(), audit.What{Act: "a.b", Subject: fmt.Sprint(i)}, func(context.Context) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		f := audit.Filter{Limit: rapid.IntRange(1, 15).Draw(t, "limit")}
		var all []audit.Entry
		for {
			page, err := l.List(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Entries...)
			if f.After = page.Next; f.After == "" {
				break
			}
		}
		seen := map[string]bool{}
		for i, e := range all {
			seen[e.Subject] = true
			if i > 0 && e.At.After(all[i-1].At) {
				t.Errorf("record %d is later than the one before", i)
			}
		}
		if len(all) != n || len(seen) != n {
			t.Errorf("%d records came as %d, %d of them different", n, len(all), len(seen))
		}
	})
}

func TestUser(t *testing.T) {
	t.Parallel()
	if got := audit.User(1 << 30); got != fmt.Sprintf("uid %d", 1<<30) {
		t.Errorf("got %q", got)
	}
	if p := audit.Process(audit.WayServer); p.Name == "" || p.Way != audit.WayServer {
		t.Errorf("got %+v", p)
	}
	if _, ok := audit.By(t.Context()); ok {
		t.Error("somebody acts")
	}
}
