package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a store in a new directory; it is closed and checked with the test.
func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	o.Dir, o.Log = t.TempDir(), quiet()
	s, err := store.Open(context.Background(), o)
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

// hold makes the committer wait in its next group until release is called.
type hold struct {
	armed   atomic.Bool
	reached chan struct{}
	release chan struct{}
}

func newHold() *hold { return &hold{reached: make(chan struct{}), release: make(chan struct{})} }

func (h *hold) step(name string) {
	if name == "gathered" && h.armed.CompareAndSwap(true, false) {
		close(h.reached)
		<-h.release
	}
}

// waiting polls until n sets wait for the committer.
func waiting(s *store.Store, n int) {
	for s.Waiting() < n {
		runtime.Gosched()
	}
}

// Sets that wait at the same moment share one commit, and one that fails after it wrote is left out alone.
func TestGroup(t *testing.T) {
	t.Parallel()
	h := newHold()
	var commits atomic.Int32
	s := open(t, store.Options{Step: func(name string) {
		h.step(name)
		if name == "committed" {
			commits.Add(1)
		}
	}})
	box := oneAccount(t, s)
	h.armed.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := fileOne(s, box, 0); err != nil {
			t.Error(err)
		}
	})
	<-h.reached
	before := commits.Load()
	const n = 40
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			if i%4 == 3 { // fails after it wrote
				_, errs[i] = s.Commit(context.Background(), mail.ChangeSet{Changes: []mail.Change{
					mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 1}}, Flags: mail.Flags{Bits: mail.Draft}},
					mail.DeleteMailbox{Account: box.Account, Mailbox: box.Mailbox}}})
				return
			}
			errs[i] = fileOne(s, box, i+1)
		})
	}
	waiting(s, n)
	close(h.release)
	wg.Wait()
	if got := commits.Load() - before; got != 2 {
		t.Errorf("%d sets took %d commits after the one that was held", n, got-1)
	}
	for i, err := range errs {
		var ce *mail.ChangeError
		if i%4 == 3 && (!errors.As(err, &ce) || ce.Index != 1 || !mail.Is(err, mail.Denied)) || i%4 != 3 && err != nil {
			t.Errorf("set %d: %v", i, err)
		}
	}
	if there := filed(t, s, box); len(there) != 1+n*3/4 {
		t.Errorf("%d messages", len(there))
	}
	for p, err := range s.Placements(t.Context(), box.Mailbox, mail.UIDRange{First: 1}, 0) {
		if err != nil || p.Flags.Has(mail.Draft) {
			t.Errorf("a refused set left its flags: %+v, %v", p, err)
		}
	}
}

// A caller that goes away while its set waits has nothing happen; one that goes while it is written leaves a whole set, though
// it discards its body at once.
func TestCallerGoes(t *testing.T) {
	t.Parallel()
	h := newHold()
	s := open(t, store.Options{Step: h.step})
	box := oneAccount(t, s)
	commit := func(ctx context.Context, n int) error {
		w, err := s.Create(ctx)
		if err != nil {
			return err
		}
		_, _ = w.Write(crashBody(n))
		b, err := w.Seal()
		if err != nil {
			return err
		}
		defer b.Discard()
		_, err = s.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{
			mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: b, Summary: fmt.Append(nil, n)}}})
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.armed.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { // being written
		if err := commit(ctx, 2); !mail.Is(err, mail.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	<-h.reached
	wg.Go(func() { // waiting
		if err := commit(ctx, 6); !mail.Is(err, mail.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
	waiting(s, 1)
	cancel()
	wg.Wait()
	for range 30 { // would take the chunks of the discarded body, were they free
		w, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(make([]byte, 30_000))
		defer w.Discard()
	}
	close(h.release)
	if err := commit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var got []string
	for m, err := range s.Messages(t.Context(), box.Mailbox, mail.UIDRange{First: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Summary))
		var n int
		_, _ = fmt.Sscan(string(m.Summary), &n)
		if !slices.Equal(readBody(t, s, m.Blob), crashBody(n)) {
			t.Errorf("body %d was damaged", n)
		}
	}
	if !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("filed are %v", got)
	}
}

// After Close everything says so, and what waited was refused, not lost in silence.
func TestClose(t *testing.T) {
	t.Parallel()
	h := newHold()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: quiet(), Step: h.step})
	if err != nil {
		t.Fatal(err)
	}
	box := oneAccount(t, s)
	h.armed.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := fileOne(s, box, 0); err != nil {
			t.Errorf("the set that was being written: %v", err)
		}
	})
	<-h.reached
	var refused atomic.Int32
	for i := range 10 {
		wg.Go(func() {
			if err := fileOne(s, box, i+1); mail.Is(err, mail.Unavailable) {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	waiting(s, 10)
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	close(h.release)
	wg.Wait()
	if _, err := s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{mail.AddDomain{}}}); !mail.Is(err, mail.Unavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Account(t.Context(), box.Account); !mail.Is(err, mail.Unavailable) {
		t.Errorf("a closed store was read: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A commit that fails leaves the disk unknown: the store stops for writing and says so.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	var s *store.Store
	var sabotage atomic.Bool
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: quiet(), Step: func(name string) {
		if name == "sql-done" && sabotage.Load() {
			s.EndTransaction()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	box := oneAccount(t, s)
	if err := fileOne(s, box, 0); err != nil {
		t.Fatal(err)
	}
	sabotage.Store(true)
	if err := fileOne(s, box, 1); !mail.Is(err, mail.Unavailable) {
		t.Errorf("got %v", err)
	}
	sabotage.Store(false)
	if err := fileOne(s, box, 2); !mail.Is(err, mail.Unavailable) {
		t.Errorf("after a failed commit: %v", err)
	}
	if _, err := s.Create(t.Context()); !mail.Is(err, mail.Unavailable) {
		t.Errorf("after a failed commit: %v", err)
	}
	if there := filed(t, s, box); len(there) != 1 {
		t.Errorf("there is %v", there)
	}
}

// news is a bus that remembers.
type news struct {
	mu     sync.Mutex
	topics map[mail.Topic]int
}

func (n *news) Publish(topics ...mail.Topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range topics {
		n.topics[t]++
	}
}

func (n *news) Watch(mail.Topic) (<-chan struct{}, func()) { return nil, func() {} }

// News follows every commit, and none a refusal.
func TestNews(t *testing.T) {
	t.Parallel()
	n := &news{topics: map[mail.Topic]int{}}
	committed := make(chan struct{}, 100)
	s := open(t, store.Options{Bus: n, Step: func(name string) {
		if name == "answered" {
			committed <- struct{}{}
		}
	}})
	take := func() (out []mail.Topic) {
		for len(committed) > 0 {
			<-committed
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for topic := range n.topics {
			out = append(out, topic)
		}
		clear(n.topics)
		slices.SortFunc(out, func(a, b mail.Topic) int { return int(a.Kind) - int(b.Kind) })
		return out
	}
	expect := func(what string, want ...mail.Topic) {
		t.Helper()
		<-committed
		if got := take(); !slices.Equal(got, want) {
			t.Errorf("%s: news of %v, want %v", what, got, want)
		}
	}
	box := oneAccount(t, s)
	account, directory, queue := mail.Topic{Kind: mail.TopicAccount, Account: box.Account}, mail.Topic{Kind: mail.TopicDirectory}, mail.Topic{Kind: mail.TopicQueue}
	expect("a new account", account, directory)
	if err := fileOne(s, box, 0); err != nil {
		t.Fatal(err)
	}
	expect("filed and queued", account, queue)
	do := func(c ...mail.Change) {
		t.Helper()
		if _, err := s.Commit(t.Context(), mail.ChangeSet{Changes: c}); err != nil {
			t.Fatal(err)
		}
	}
	do(mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 1}}, Flags: mail.Flags{Bits: mail.Seen}})
	expect("flags", account)
	do(mail.UpdateMailbox{Account: box.Account, Mailbox: box.Mailbox, Use: mail.UseInbox, Sort: 1})
	expect("a mailbox's order", account)
	do(mail.CreateMailbox{Account: box.Account, NewMailbox: mail.NewMailbox{Name: "Other"}})
	expect("a mailbox", account)
	list, err := s.Mailboxes(t.Context(), box.Account)
	if err != nil {
		t.Fatal(err)
	}
	do(mail.PlaceMessage{Account: box.Account, Email: 1, To: list[1].ID})
	expect("one more place", account)
	do(mail.SetFlags{Account: box.Account, Mailbox: list[1].ID, UIDs: []mail.UIDRange{{First: 1}}, Flags: mail.Flags{Bits: mail.Flagged}})
	expect("flags in both", account)
	do(mail.AddDomain{Domain: mail.Domain{Name: "x.example"}})
	expect("a domain", directory)
	do(mail.Record{Event: mail.Event{Trace: "x"}})
	expect("an event")
	_, _ = s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{
		mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 1}}, Flags: mail.Flags{Bits: mail.Draft}}, mail.AddDomain{}}})
	do(mail.AddDomain{Domain: mail.Domain{Name: "y.example"}})
	expect("after a refusal", directory)
}

// A message that is in several mailboxes changes its flags in all of them, and goes when its last place goes.
func TestSeveralPlaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	box := oneAccount(t, s)
	for n := range 3 {
		if err := fileOne(s, box, n); err != nil {
			t.Fatal(err)
		}
	}
	other := makeOne(t, s, mail.CreateMailbox{Account: box.Account, NewMailbox: mail.NewMailbox{Name: "Other"}}).Mailbox
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Meddle(t, fmt.Sprintf(`INSERT INTO placement SELECT %d, uid, email, thread, modseq, born, bits, keywords, size, received, saved FROM placement WHERE uid > 1`, other))
	s.Meddle(t, fmt.Sprintf(`UPDATE mailbox SET (uidnext, messages, unseen, size, modseq) = (4, 2, 2, (SELECT sum(size) FROM placement WHERE mailbox = %[1]d), 99) WHERE id = %[1]d`, other))
	if s, err = store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := makeOne(t, s, mail.SetFlags{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 1}}, Flags: mail.Flags{Bits: mail.Seen, Keywords: "k"}})
	storetest.Check(t, s)
	n := 0
	for p, err := range s.Placements(t.Context(), other, mail.UIDRange{First: 1}, 99) {
		n++
		if err != nil || p.ModSeq != r.ModSeq || !p.Flags.Has(mail.Seen) || p.Flags.Keywords != "k" {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if n != 2 || len(r.Placements) != 3 {
		t.Errorf("%d places changed, the result is %+v", n, r)
	}
	makeOne(t, s, mail.Expunge{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: 1}}})
	storetest.Check(t, s)
	if _, err := s.Message(t.Context(), box.Account, 1); !mail.Is(err, mail.NotFound) {
		t.Errorf("message 1: %v", err)
	}
	if places, err := s.PlacementsOf(t.Context(), box.Account, 2); err != nil || len(places) != 1 {
		t.Errorf("message 2 is at %v, %v", places, err)
	}
}

// makeOne commits one change.
func makeOne(t *testing.T, s *store.Store, c mail.Change) mail.Result {
	t.Helper()
	r, err := s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{c}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Results[0]
}

// Compaction goes on beside deliveries, reads and deletions, and harms none of them.
func TestCompactBesideTraffic(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{PackSize: 60_000})
	box := oneAccount(t, s)
	for n := range 40 {
		if err := fileOne(s, box, n); err != nil {
			t.Fatal(err)
		}
	}
	keep := dropMost(t, s, box)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 100; ctx.Err() == nil; n++ {
			if err := fileOne(s, box, n); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			for m, err := range s.Messages(context.Background(), box.Mailbox, mail.UIDRange{First: 1, Last: 40}) {
				if err != nil {
					t.Error(err)
					return
				}
				r, err := s.Open(context.Background(), m.Blob)
				if err != nil {
					t.Errorf("body %d: %v", m.Blob, err)
					return
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					t.Errorf("body %d: %v", m.Blob, err)
				}
				r.Close()
			}
		}
	})
	var total int64
	for range 5 {
		freed, err := s.Compact(t.Context())
		if err != nil {
			t.Error(err)
		}
		total += freed
	}
	cancel()
	wg.Wait()
	if total < 100_000 {
		t.Errorf("%d octets were freed", total)
	}
	there := filed(t, s, box)
	for _, n := range keep {
		if !there[n] {
			t.Errorf("message %d is gone", n)
		}
	}
	if faults, err := s.Verify(t.Context(), nil); err != nil || len(faults) > 0 {
		t.Errorf("verify: %v, %v", faults, err)
	}
}
