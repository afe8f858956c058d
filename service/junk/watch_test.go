package junk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/logs"
)

// house is a real store with one account whose changes are watched.
type house struct {
	*testing.T
	store   *store.Store
	filter  *Filter
	watch   *Watch
	account mail.AccountID
	boxes   map[string]mail.MailboxID
}

func newHouse(t *testing.T, log *logs.Log) *house {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &house{T: t, store: s, boxes: map[string]mail.MailboxID{}}
	h.filter = h.node(log)
	h.watch = &Watch{Journal: s, Filter: h.filter}
	r := h.do(mail.AddDomain{Domain: mail.Domain{Name: "our.example"}}, mail.AddAccount{Account: mail.Account{Address: "bob@our.example"}, Mailboxes: []mail.NewMailbox{
		{Name: "INBOX", Use: mail.UseInbox}, {Name: "Junk", Use: mail.UseJunk}, {Name: "Trash", Use: mail.UseTrash}, {Name: "Friends"}}})
	h.account = r[1].Account
	list, err := s.Mailboxes(t.Context(), h.account)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		h.boxes[b.Name] = b.ID
	}
	h.learn()
	return h
}

// node is a filter over the house's store, as each node has one.
func (h *house) node(log *logs.Log) *Filter {
	return filter(h.T, func(c *Config) {
		c.Notes, c.Journal, c.Places, c.Mailboxes, c.Blobs = h.store, h.store, h.store, h.store, h.store
		if log != nil {
			c.Log = log.Logger()
		}
	})
}

// do commits past the watch's door.
func (h *house) do(c ...mail.Change) []mail.Result {
	h.Helper()
	r, err := h.watch.Commit(context.Background(), mail.ChangeSet{Changes: c})
	if err != nil {
		h.Fatal(err)
	}
	return r.Results
}

// learn learns what waits, as Run does when it ends.
func (h *house) learn() { h.filter.last(context.Background()) }

// file delivers a message, as mda does, and gives its UID.
func (h *house) file(box, text string, flags mail.FlagBits) uint32 {
	h.Helper()
	return h.do(h.message(box, text, flags), mail.Record{Event: mail.Event{At: day, Outcome: mail.Delivered}})[0].UID
}

func (h *house) message(box, text string, flags mail.FlagBits) mail.AddMessage {
	h.Helper()
	w, err := h.store.Create(context.Background())
	if err != nil {
		h.Fatal(err)
	}
	w.Write([]byte(text)) //nolint:errcheck // Seal says so too
	sealed, err := w.Seal()
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(sealed.Discard)
	return mail.AddMessage{Account: h.account, Mailbox: h.boxes[box], Body: sealed, Summary: summary(text), Received: day, Saved: day, Flags: mail.Flags{Bits: flags}}
}

func one(uid uint32) []mail.UIDRange { return []mail.UIDRange{{First: uid, Last: uid}} }

// move moves a message and gives its new UID.
func (h *house) move(from, to string, uid uint32) uint32 {
	h.Helper()
	r := h.do(mail.MoveMessages{Account: h.account, From: h.boxes[from], To: h.boxes[to], UIDs: one(uid), Saved: day})[0]
	h.learn()
	if len(r.Copied) == 0 {
		return 0
	}
	return r.Copied[0].To
}

func (h *house) copy(from, to string, uid uint32) uint32 {
	h.Helper()
	r := h.do(mail.CopyMessages{Account: h.account, From: h.boxes[from], To: h.boxes[to], UIDs: one(uid), Saved: day})[0]
	h.learn()
	return r.Copied[0].To
}

func (h *house) flag(box string, uid uint32, op mail.FlagsOp, names ...string) {
	h.Helper()
	flags, err := mail.ParseFlags(names...)
	if err != nil {
		h.Fatal(err)
	}
	h.do(mail.SetFlags{Account: h.account, Mailbox: h.boxes[box], UIDs: one(uid), Op: op, Flags: flags})
	h.learn()
}

// want checks how much was learnt, of each sort.
func (h *house) want(what string, junk, good uint32) {
	h.Helper()
	t, _, err := h.filter.models.totals(context.Background(), h.account)
	if err != nil || t.junk != junk || t.good != good {
		h.Errorf("%s: %d junk and %d good are learnt (%v), want %d and %d", what, t.junk, t.good, err, junk, good)
	}
}

func text(n int) string {
	return fmt.Sprintf("From: a@example.com\r\nSubject: number%d\r\n\r\nThe text of message%d and something.\r\n", n, n)
}

// TestMoves: what its owner moves, copies, marks and appends is learnt once; what is moved back is taken off first; what only passes is not learnt.
func TestMoves(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.file("INBOX", text(0), 0)
	h.file("Junk", text(0)+"x", mail.Junk)
	h.learn()
	h.want("delivered", 0, 0)

	uid := h.file("INBOX", text(1), 0)
	uid = h.move("INBOX", "Junk", uid)
	h.want("moved into Junk", 1, 0)
	uid = h.move("Junk", "INBOX", uid)
	h.want("moved back", 0, 1)
	uid = h.move("INBOX", "Junk", uid)
	h.want("moved again", 1, 0)
	uid = h.copy("Junk", "INBOX", uid)
	h.want("copied back", 0, 1)
	h.flag("INBOX", uid, mail.FlagsAdd, "$Junk")
	h.want("marked", 1, 0)
	h.flag("INBOX", uid, mail.FlagsAdd, "$Junk", `\Seen`)
	h.want("marked twice", 1, 0)
	h.flag("INBOX", uid, mail.FlagsAdd, `\Answered`)
	h.want("answered, yet junk", 1, 0)
	h.flag("INBOX", uid, mail.FlagsReplace, "NonJunk")
	h.want("marked as good by Thunderbird's word", 0, 1)
	h.flag("INBOX", uid, mail.FlagsAdd, "$Junk", "$NotJunk")
	h.want("marked as both", 0, 1)
	h.flag("INBOX", uid, mail.FlagsRemove, "$Junk")
	h.want("a mark taken off that was not learnt", 0, 1)
	h.flag("INBOX", uid, mail.FlagsRemove, "$NotJunk")
	h.want("the mark taken off", 0, 0)

	uid = h.move("INBOX", "Trash", h.file("INBOX", text(2), 0))
	h.want("thrown away", 0, 0)
	uid = h.move("Trash", "Junk", uid)
	h.want("and found to be junk", 1, 0)
	h.move("Junk", "Trash", uid)
	h.want("junk is thrown away", 1, 0)

	uid = h.move("INBOX", "Friends", h.file("INBOX", text(3), 0))
	h.want("put aside", 1, 1)
	h.move("Friends", "Junk", uid)
	h.want("and found to be junk", 2, 0)
	h.flag("INBOX", h.file("INBOX", text(4), 0), mail.FlagsAdd, `\Answered`)
	h.want("answered", 2, 1)

	h.do(h.message("Junk", text(5), 0))
	h.do(h.message("INBOX", text(6), mail.NotJunk))
	h.do(h.message("INBOX", text(7), 0))
	h.learn()
	h.want("appended", 3, 2)
	h.do(mail.MoveMessages{Account: h.account, From: h.boxes["INBOX"], To: h.boxes["Junk"], UIDs: []mail.UIDRange{{First: 1}}, Saved: day},
		mail.Expunge{Account: h.account, Mailbox: h.boxes["Junk"], UIDs: []mail.UIDRange{{First: 1}}})
	h.learn()
	h.want("gone before it was learnt", 3, 2)

	h.do(mail.RemoveAccount{Account: h.account})
	h.learn()
	if list, err := h.store.Notes(t.Context(), mail.NoteQuery{Kind: noteKind}); err != nil || len(list) != 0 {
		t.Errorf("the account is gone, of its model there are %d notes, %v", len(list), err)
	}
}

// TestWhole: a model goes through the store, is shared by nodes that learn side by side, and sorts for all of them.
func TestWhole(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	r := rand.New(rand.NewPCG(7, 7))
	good, junk := lines(t, "good"), lines(t, "junk")
	nodes := []*Filter{h.filter, h.node(nil)}
	var wg sync.WaitGroup
	for n, f := range nodes {
		var batch []example
		for i := range MinLearnt {
			batch = append(batch, example{key: uint64(n*1000 + i*2 + 1), verdict: Good, tokens: tokensOf(t, compose(r, good, i))},
				example{key: uint64(n*1000 + i*2 + 2), verdict: Junk, tokens: tokensOf(t, compose(r, junk, i))})
		}
		wg.Go(func() {
			for len(batch) > 0 {
				if _, err := f.models.learn(context.Background(), h.account, batch[:4]); err != nil {
					t.Error(err)
				}
				batch = batch[4:]
			}
		})
	}
	wg.Wait()
	h.want("by two nodes", 2*MinLearnt, 2*MinLearnt)
	var models []*model
	for _, f := range nodes {
		m, _, err := f.models.load(context.Background(), h.account)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	fresh, _, err := h.node(nil).models.load(context.Background(), h.account)
	if err != nil || fmt.Sprint(models[0]) != fmt.Sprint(fresh) || fmt.Sprint(models[1]) != fmt.Sprint(fresh) {
		t.Errorf("the nodes do not agree (%v)", err)
	}
	m := from(compose(r, junk, 5000))
	m.Evidence = Evidence{}
	s, err := nodes[1].Assess(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if is, why := nodes[1].Sort(t.Context(), h.account, &mail.Letter{Junk: s, Summary: m.Summary}); !is || !strings.Contains(why, "owner's sorting") {
		t.Errorf("%v: %s", is, why)
	}
}

// TestRun learns in the background until it is ended, and then what still waits.
func TestRun(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.filter.Run(ctx) }()
	for i := range 5 {
		uid := h.file("INBOX", text(i), 0)
		h.do(mail.MoveMessages{Account: h.account, From: h.boxes["INBOX"], To: h.boxes["Junk"], UIDs: one(uid), Saved: day})
	}
	stop()
	<-done
	h.want("all", 5, 0)
}

// TestOverflow: more than may wait is lost with a line in the log, and nobody waits for it.
func TestOverflow(t *testing.T) {
	t.Parallel()
	log := logs.New(t)
	log.Expect("faster than the junk filter learns")
	h := newHouse(t, log)
	uid := h.file("INBOX", text(1), 0)
	for range maxWaiting + 10 {
		h.do(mail.SetFlags{Account: h.account, Mailbox: h.boxes["INBOX"], UIDs: one(uid), Flags: mail.Flags{Bits: mail.Junk}})
	}
	h.learn()
	h.want("once", 1, 0)
	pairs := make([]mail.UIDPair, maxMany+5)
	for i := range pairs {
		pairs[i].To = uint32(i*2 + 1)
	}
	if got := h.filter.arrived(pairs); len(got) != maxMany || h.filter.missed.Load() != 5 {
		t.Errorf("%d ranges, %d missed", len(got), h.filter.missed.Load())
	}
}

// TestCommitFails: the watch changes nothing about what its journal says.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	cause := errors.New("no")
	f := filter(t, func(c *Config) { c.Notes = newNotes() })
	w := &Watch{Journal: refusing{cause}, Filter: f}
	_, err := w.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{mail.MoveMessages{Account: 1, From: 2, To: 3}}})
	if !errors.Is(err, cause) || len(f.lessons) != 0 {
		t.Errorf("%v, %d lessons", err, len(f.lessons))
	}
}

type refusing struct{ err error }

func (r refusing) Commit(context.Context, mail.ChangeSet) (mail.Receipt, error) {
	return mail.Receipt{}, r.err
}

// TestDamaged: a model that is damaged costs no mail and no learning: it is said, left out, and made anew.
func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"totals", "seen", "s03"} {
		n := newNotes()
		log := logs.New(t)
		f := filter(t, func(c *Config) { c.Notes, c.Journal, c.Log = n, n, log.Logger() })
		teach := func(from int) {
			for i := range MinLearnt {
				for v, w := range map[Verdict][]uint64{Junk: vocabulary[:20], Good: vocabulary[20:]} {
					if _, err := f.models.learn(t.Context(), 1, []example{{key: uint64(from+i*2) + uint64(v), verdict: v, tokens: w}}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		teach(0)
		before := maps.Clone(n.all)
		id := noteKind + "\x00" + key(1, part)
		spoilt := before[id]
		spoilt.Value = []byte("spoilt")
		n.all[id] = spoilt
		f.models.drop(1)
		letter := &mail.Letter{Junk: mail.Suspicion{Score: 1, Why: []string{"One (+1.0)."}, Tokens: vocabulary[:20]}}
		if part != "seen" {
			log.Expect("model cannot be read")
		}
		if _, why := f.Sort(t.Context(), 1, letter); !strings.Contains(why, "One (+1.0).") {
			t.Errorf("%s: %s", part, why)
		}
		teach(1000)
		if is, why := f.Sort(t.Context(), 1, letter); !is {
			t.Errorf("%s, learnt anew: %s", part, why)
		}
		f.models.drop(1)
		if _, _, err := f.models.load(t.Context(), 1); err != nil {
			t.Errorf("%s is still damaged: %v", part, err)
		}
	}
}

// TestSort is the order of what counts: policy, then score and the owner's sorting, but never against whom the owner has written to.
func TestSort(t *testing.T) {
	t.Parallel()
	n := newNotes()
	met := func(a mail.AccountID, p mail.Path) string { return fmt.Sprintf("%d/%s", a, p) }
	n.all["met\x00"+met(1, "ann@example.com")] = mail.Note{Kind: "met"}
	log := logs.New(t)
	f := filter(t, func(c *Config) { c.Notes, c.Journal, c.Met, c.Log = n, n, MetByNotes(n, "met", met), log.Logger() })
	proven := []uint64{1, proof("example.com")}
	for name, c := range map[string]struct {
		account mail.AccountID
		s       mail.Suspicion
		text    string
		junk    bool
		why     string
	}{
		"not assessed":        {1, mail.Suspicion{}, plain, false, ""},
		"policy":              {1, mail.Suspicion{Junk: true, Why: []string{"DMARC."}, Tokens: proven}, plain, true, "policy; DMARC."},
		"low":                 {1, mail.Suspicion{Score: 4.9, Why: []string{"A."}}, plain, false, "score 4.9 of 5.0; A."},
		"high":                {1, mail.Suspicion{Score: 5, Why: []string{"A."}}, plain, true, "score 5.0 of 5.0; A."},
		"high, known":         {1, mail.Suspicion{Score: 50, Why: []string{"A."}, Tokens: proven}, plain, false, "the owner has written to ann@example.com, who is proven"},
		"high, known, forged": {1, mail.Suspicion{Score: 50, Tokens: []uint64{1, proof("evil.example")}}, plain, true, "score 50.0"},
		"known to another":    {2, mail.Suspicion{Score: 50, Tokens: proven}, plain, true, "score 50.0"},
		"two authors":         {1, mail.Suspicion{Score: 50, Tokens: proven}, strings.Replace(plain, "<ann@example.com>", "<ann@example.com>, x@evil.example", 1), true, "score"},
		"another author":      {1, mail.Suspicion{Score: 50, Tokens: proven}, strings.Replace(plain, "ann@", "eve@", 1), true, "score"},
		"many reasons":        {1, mail.Suspicion{Score: 9, Why: strings.SplitAfter(strings.Repeat("A long sentence of reasons.", 60), ".")[:60]}, plain, true, "more"},
	} {
		junk, why := f.Sort(t.Context(), c.account, &mail.Letter{Junk: c.s, Summary: summary(c.text)})
		if junk != c.junk || !strings.Contains(why, c.why) || c.why == "" && why != "" || len(why) > 1100 {
			t.Errorf("%s: %v, %q; want %v, %q", name, junk, why, c.junk, c.why)
		}
	}
	n.fails = errors.New("the store is away")
	log.Expect("junk model cannot be read")
	log.Expect("has written to cannot be read")
	if junk, _ := f.Sort(t.Context(), 1, &mail.Letter{Junk: mail.Suspicion{Score: 6, Tokens: proven}, Summary: summary(plain)}); !junk {
		t.Error("without the store the score does not count")
	}
}

// BenchmarkSort sorts for an account with a full model, which is in memory.
func BenchmarkSort(b *testing.B) {
	n := newNotes()
	f := filter(b, func(c *Config) { c.Notes, c.Journal = n, n })
	r := rand.New(rand.NewPCG(1, 1))
	letter := &mail.Letter{Junk: mail.Suspicion{Score: 1, Why: []string{"A (+1.0)."}, Tokens: tokensOf(b, big())}, Summary: summary(big())}
	for i := range 100 {
		tokens := append([]uint64(nil), letter.Junk.Tokens[:len(letter.Junk.Tokens)/2]...)
		for range 300 {
			tokens = append(tokens, r.Uint64()&^15|classText)
		}
		if _, err := f.models.learn(b.Context(), 1, []example{{key: uint64(i + 1), verdict: Verdict(i%2 + 1), tokens: tokens}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, why := f.Sort(b.Context(), 1, letter); why == "" {
			b.Fatal("no reason")
		}
	}
}
