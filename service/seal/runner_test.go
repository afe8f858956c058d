package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/dnspub"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

// world is a DNS that a publisher writes to, with a store and a clock.
type world struct {
	t     *testing.T
	clock *clock.Clock
	store *store.Store

	mu      sync.Mutex
	texts   map[string][]string
	fails   bool // the DNS does not answer
	refuses error
	sets    int
	removed []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &world{t: t, clock: clock.At(day), store: s, texts: map[string][]string{}}
}

func (w *world) keeper() *Keeper { return NewKeeper(w.store, w.store, w.clock) }

func (w *world) TXT(_ context.Context, name string) (dns.Answer[[]string], error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails {
		return dns.Answer[[]string]{}, mail.Errorf(mail.Unavailable, "no answer")
	}
	list := slices.Clone(w.texts[name])
	if len(list) == 0 {
		return dns.Answer[[]string]{Status: dns.NoName, Name: name}, nil
	}
	return dns.Answer[[]string]{Status: dns.Found, Value: list, Name: name}, nil
}

// Set implements Publisher.
func (w *world) Set(_ context.Context, _ string, all []dnspub.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sets++
	if w.refuses != nil {
		return w.refuses
	}
	for _, r := range all {
		w.texts[r.Name] = []string{r.Value}
	}
	return nil
}

// Remove implements Publisher.
func (w *world) Remove(_ context.Context, _ string, all []dnspub.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses != nil {
		return w.refuses
	}
	for _, r := range all {
		delete(w.texts, r.Name)
		w.removed = append(w.removed, r.Name)
	}
	return nil
}

func (w *world) runner(s Schedule, p Publisher, log *slog.Logger) *Runner {
	return NewRunner(RunnerConfig{Keeper: w.keeper(), Schedule: s, DNS: w, Publisher: p, Clock: w.clock, Log: log,
		Domains: func(context.Context) ([]string, error) { return []string{"example.com"}, nil }})
}

func (w *world) keys() []Key {
	w.t.Helper()
	keys, err := w.keeper().Keys(context.WithoutCancel(w.t.Context()), "example.com")
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

func care(t *testing.T, r *Runner) {
	t.Helper()
	if err := r.Care(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// count tells how many keys are in each state.
func count(keys []Key) string {
	n := map[State]int{}
	for _, k := range keys {
		n[k.State]++
	}
	return fmt.Sprintf("%d active, %d published, %d retiring", n[Active], n[Published], n[Retiring])
}

func TestKeeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	one, other := w.keeper(), w.keeper()
	if keys, err := other.Keys(ctx, "example.com"); err != nil || len(keys) != 0 {
		t.Fatal(keys, err)
	}
	k := pair(t)[0]
	k.Seen = day.Add(time.Hour)
	if err := one.PutKeys(ctx, []Key{k}); err != nil {
		t.Fatal(err)
	}
	got, err := one.Keys(ctx, "example.com")
	if err != nil || len(got) != 1 || got[0] != k {
		t.Fatalf("%+v %v, want %+v", got, err, k)
	}
	got[0].State = Retiring // the result is the caller's
	if got, _ := one.Keys(ctx, "example.com"); got[0].State != Active {
		t.Error("what is remembered was changed")
	}
	if keys, _ := other.Keys(ctx, "example.com"); len(keys) != 0 {
		t.Error("the other asked the store within seconds")
	}
	w.clock.Advance(freshFor)
	if keys, _ := other.Keys(ctx, "example.com"); len(keys) != 1 {
		t.Error("the other does not know it after seconds")
	}
	if all, err := one.Keys(ctx, ""); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
	if keys, err := one.Keys(ctx, "example.co"); err != nil || len(keys) != 0 {
		t.Error(keys, err)
	}
	if err := one.RemoveKey(ctx, "example.com", "nope"); !mail.Is(err, mail.NotFound) {
		t.Error(err)
	}
	if err := one.RemoveKey(ctx, "example.com", k.Selector); err != nil {
		t.Error(err)
	}
	if keys, _ := one.Keys(ctx, "example.com"); len(keys) != 0 {
		t.Error(keys)
	}
	// More than a page.
	var many []Key
	for i := range 2*pageNotes + 1 {
		many = append(many, Key{Domain: "many.example", Selector: fmt.Sprint("s", i), Algorithm: RSA, State: Retiring, Private: "x"})
	}
	if err := one.PutKeys(ctx, many); err != nil {
		t.Fatal(err)
	}
	if keys, err := one.Keys(ctx, "many.example"); err != nil || len(keys) != len(many) {
		t.Error(len(keys), err)
	}
	// A damaged note is an error of its domain, without its value.
	if _, err := w.store.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: mail.Note{Kind: kindNote, Key: "bad.example/s", Value: []byte("SECRET")}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Keys(ctx, "bad.example"); !mail.Is(err, mail.Internal) || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
	if keys, err := one.Keys(ctx, "many.example"); err != nil || len(keys) == 0 {
		t.Error(err)
	}
}

// Change is asked again when somebody else was faster, for a change and for a removal, and nothing of the loser remains.
func TestChangeRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	one, other := w.keeper(), w.keeper()
	if err := one.PutKeys(ctx, []Key{pair(t)[0]}); err != nil {
		t.Fatal(err)
	}
	for _, remove := range []bool{false, true} {
		asked := 0
		err := one.Change(ctx, "example.com", func(keys []Key) ([]Key, error) {
			if asked++; asked == 1 {
				k := keys[0]
				k.Seen = k.Seen.Add(time.Hour)
				if err := other.PutKeys(ctx, []Key{k}); err != nil {
					t.Fatal(err)
				}
			}
			if remove {
				return nil, nil
			}
			keys[0].State = Retiring
			return keys, nil
		})
		if err != nil || asked != 2 {
			t.Errorf("asked %d times, %v", asked, err)
		}
	}
	if keys := w.keys(); len(keys) != 0 {
		t.Error(keys)
	}
	boom := errors.New("no")
	if err := one.Change(ctx, "example.com", func([]Key) ([]Key, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
}

// Four keys, whoever asks how often.
func TestEnsure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all sync.WaitGroup
	for range 2 {
		k := w.keeper()
		all.Go(func() {
			if keys, err := k.Ensure(t.Context(), "Example.com"); err != nil || len(keys) != 4 {
				t.Errorf("%d %v", len(keys), err)
			}
		})
	}
	all.Wait()
	keys := w.keys()
	var got, secrets []string
	for _, k := range keys {
		got = append(got, fmt.Sprintf("%s %s %s", k.Selector, k.Algorithm, k.State))
		secrets = append(secrets, k.Private)
	}
	slices.Sort(got)
	if want := []string{"e202611 ed25519 active", "e202611-2 ed25519 published", "r202611 rsa active", "r202611-2 rsa published"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	slices.Sort(secrets)
	if len(slices.Compact(secrets)) != 4 {
		t.Error("two keys are the same")
	}
	again, err := w.keeper().Ensure(t.Context(), "example.com")
	if err != nil || !slices.Equal(again, keys) {
		t.Errorf("%v %v", again, err)
	}
	// What is lacking is made; a key that waits signs where none does.
	if err := w.keeper().RemoveKey(t.Context(), "example.com", "e202611"); err != nil {
		t.Fatal(err)
	}
	if again, err = w.keeper().Ensure(t.Context(), "example.com"); err != nil || count(again) != "2 active, 2 published, 0 retiring" {
		t.Errorf("%v %v", again, err)
	}
	if _, err := w.keeper().Ensure(t.Context(), "[192.0.2.1]"); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
}

// sent is a signed message that is checked again later.
type sent struct {
	at   time.Time
	text []byte
}

func (w *world) believed(m sent) error {
	vs, err := dkim.VerifyWithOptions(bytes.NewReader(m.text), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		a, err := w.TXT(context.Background(), strings.TrimSuffix(name, "."))
		if err == nil && len(a.Value) == 0 {
			err = errors.New("no such name: " + name)
		}
		return a.Value, err
	}})
	if err != nil || len(vs) != 2 {
		return fmt.Errorf("%d signatures, %w", len(vs), err)
	}
	return errors.Join(vs[0].Err, vs[1].Err)
}

// Months of rotations by two nodes at once: at every moment mail is signed with both algorithms, and is believed when it is sent and ten days later.
// RFC 6376 3.1.
func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	schedule := Schedule{Every: 30 * 24 * time.Hour, Spare: true}
	nodes := []*Runner{w.runner(schedule, w, nil), w.runner(schedule, w, nil)}
	sealer := New(w.keeper(), w.clock)
	var mails []sent
	begin := w.clock.Now()
	for w.clock.Now().Sub(begin) < 80*24*time.Hour {
		var both sync.WaitGroup
		for _, n := range nodes {
			both.Go(func() {
				if err := n.Care(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		s, err := sealer.Sign(t.Context(), Message{Body: text(plain)})
		if err != nil || len(s.Selectors) != 2 {
			t.Fatal(s, err)
		}
		mails = append(mails, sent{w.clock.Now(), append(s.Fields, plain...)})
		for len(mails) > 0 && w.clock.Now().Sub(mails[0].at) >= 10*24*time.Hour {
			if err := w.believed(mails[0]); err != nil {
				t.Fatalf("mail of %s is not believed on %s: %v", mails[0].at, w.clock.Now(), err)
			}
			mails = mails[1:]
		}
		if err := w.believed(mails[len(mails)-1]); err != nil {
			t.Fatalf("mail of %s is not believed: %v", w.clock.Now(), err)
		}
		w.clock.Advance(12 * time.Hour)
	}
	// Two rotations: day 30 and 60; the first keys are gone since day 44, the second ones since day 74.
	keys := w.keys()
	if got := count(keys); got != "2 active, 2 published, 0 retiring" {
		t.Errorf("%s: %v", got, keys)
	}
	slices.Sort(w.removed)
	if len(slices.Compact(w.removed)) != 4 { // two nodes may take out the same
		t.Errorf("taken out: %q", w.removed)
	}
	if len(w.texts) != 4 {
		t.Errorf("in the DNS: %v", w.texts)
	}
	var selectors []string
	for _, k := range keys {
		selectors = append(selectors, k.Selector)
		if k.Seen.IsZero() {
			t.Errorf("%s was not seen", k)
		}
	}
	slices.Sort(selectors)
	if want := []string{"e202612", "e202701", "r202612", "r202701"}; !slices.Equal(selectors, want) {
		t.Errorf("%q, want %q", selectors, want)
	}
}

// Without a publisher a person is told what to publish, once a day, and the rotation waits for it.
func TestByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	r := w.runner(Schedule{Spare: true}, nil, slog.New(slog.NewTextHandler(&log, nil)))
	care(t, r)
	for range 5 {
		w.clock.Advance(time.Hour)
		care(t, r)
	}
	if n := strings.Count(log.String(), "publish it"); n != 4 || !strings.Contains(log.String(), "docs/problems.md#dkim") || strings.Contains(log.String(), "PRIVATE") {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	w.clock.Advance(24 * time.Hour)
	care(t, r)
	if n := strings.Count(log.String(), "publish it"); n != 8 {
		t.Errorf("told %d times", n)
	}
	p, err := r.Rotate(t.Context(), "Example.com.")
	if err != nil || len(p.Steps) != 0 || len(p.Waiting) != 2 || len(p.Publish) != 4 || !strings.Contains(p.Waiting[0], "publish it") {
		t.Errorf("%+v %v", p, err)
	}
	for _, record := range p.Publish { // a person does
		w.texts[record.Name] = []string{record.Text}
	}
	p, err = r.Rotate(t.Context(), "example.com")
	if err != nil || len(p.Steps) != 0 || len(p.Waiting) != 2 || !strings.Contains(p.Waiting[0], "may sign from 2026-11-26T13:00:00Z") || len(p.Publish) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	before := w.keys()
	w.clock.Advance(24 * time.Hour)
	p, err = r.Rotate(t.Context(), "example.com")
	if err != nil || steps(p.Steps) != "sign e202611-2, retire e202611, make e202611-3, sign r202611-2, retire r202611, make r202611-3" || len(p.Waiting) != 0 || len(p.Publish) != 2 || len(p.Done) != 6 {
		t.Errorf("%+v %s %v", p, steps(p.Steps), err)
	}
	if want := "The key e202611 (ed25519) signs no more; its record stays in the DNS until 2026-12-10 for mail that is under way."; len(p.Done) > 1 && p.Done[1] != want {
		t.Errorf("%q", p.Done[1])
	}
	if got := count(w.keys()); got != "2 active, 2 published, 2 retiring" || len(before) != 4 {
		t.Error(got)
	}
	w.clock.Advance(15 * 24 * time.Hour)
	care(t, r)
	if got := count(w.keys()); got != "2 active, 2 published, 0 retiring" || !strings.Contains(log.String(), "may be taken out of the DNS") {
		t.Error(got)
	}
	if _, err := r.Rotate(t.Context(), "example.org"); !mail.Is(err, mail.NotFound) {
		t.Error(err)
	}
	if _, err := r.Rotate(t.Context(), "no domain"); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
}

// Two nodes at the moment a rotation is due, and two persons who ask for one: it is done once.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	schedule := Schedule{Every: 30 * 24 * time.Hour, Spare: true}
	a, b := w.runner(schedule, w, nil), w.runner(schedule, w, nil)
	care(t, a)
	care(t, a) // sees what it published
	w.clock.Advance(31 * 24 * time.Hour)
	var both sync.WaitGroup
	for _, r := range []*Runner{a, b} {
		both.Go(func() {
			if err := r.Care(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := count(w.keys()); got != "2 active, 2 published, 2 retiring" {
		t.Errorf("%s: %v", got, w.keys())
	}
	care(t, a)
	w.clock.Advance(25 * time.Hour)
	var made [2]Progress
	for i, r := range []*Runner{a, b} {
		both.Go(func() {
			var err error
			if made[i], err = r.Rotate(t.Context(), "example.com"); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := count(w.keys()); got != "2 active, 2 published, 4 retiring" || len(made[0].Steps)+len(made[1].Steps) != 6 {
		t.Errorf("%s: %v\n%+v", got, w.keys(), made)
	}
}

// A record that vanishes before its key signs makes the key wait anew; no answer changes nothing; a publisher that fails costs no key.
func TestTroubles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.runner(Schedule{Every: 30 * 24 * time.Hour, Spare: true}, w, nil)
	care(t, r)
	care(t, r)
	seen := func() (n int) {
		for _, k := range w.keys() {
			if !k.Seen.IsZero() {
				n++
			}
		}
		return n
	}
	if seen() != 4 || w.sets != 1 {
		t.Fatalf("%d seen, %d calls of the publisher", seen(), w.sets)
	}
	w.fails = true
	care(t, r)
	if seen() != 4 || w.sets != 1 {
		t.Errorf("without an answer: %d seen, %d calls", seen(), w.sets)
	}
	w.fails = false
	w.mu.Lock()
	clear(w.texts)
	w.refuses = mail.Errorf(mail.Unavailable, "the provider is down")
	w.mu.Unlock()
	if err := r.Care(t.Context()); !mail.Is(err, mail.Unavailable) || !strings.Contains(err.Error(), "example.com: ") {
		t.Errorf("%v", err)
	}
	if seen() != 2 { // those that sign keep the time of their first sight
		t.Errorf("%d seen", seen())
	}
	w.clock.Advance(31 * 24 * time.Hour)
	if err := r.Care(t.Context()); err == nil {
		t.Error("no error")
	}
	if got := count(w.keys()); got != "2 active, 2 published, 0 retiring" {
		t.Errorf("a key signs that nobody can see: %s", got)
	}
	if p, err := r.Rotate(t.Context(), "example.com"); err == nil || len(p.Steps) != 0 || !strings.Contains(err.Error(), "tried again every 1h0m0s") {
		t.Errorf("%+v %v", p, err)
	}
	w.mu.Lock()
	w.refuses = nil
	w.mu.Unlock()
	care(t, r)
	care(t, r)
	w.clock.Advance(25 * time.Hour)
	care(t, r)
	if got := count(w.keys()); got != "2 active, 2 published, 2 retiring" {
		t.Error(got)
	}
	w.clock.Advance(20 * 24 * time.Hour)
	w.refuses = mail.Errorf(mail.Unavailable, "the provider is down")
	if err := r.Care(t.Context()); err == nil || count(w.keys()) != "2 active, 2 published, 2 retiring" {
		t.Errorf("%v: keys were forgotten whose records are still there: %s", err, count(w.keys()))
	}
}

// Run looks at once and every hour, and ends with its context.
func TestRun(t *testing.T) {
	w := newWorld(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := w.runner(Schedule{Spare: true}, w, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { r.Run(ctx) })
	w.clock.Await(t, 1)
	if got := count(w.keys()); got != "2 active, 2 published, 0 retiring" {
		t.Error(got)
	}
	w.clock.Advance(time.Hour)
	w.clock.Await(t, 1)
	for _, k := range w.keys() {
		if k.Seen.IsZero() {
			t.Errorf("%s was not looked for", k)
		}
	}
	cancel()
	ended.Wait()
}
