package search_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/search"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store with one account, and a service on it.
type world struct {
	*testing.T
	dir     string
	store   *store.Store
	index   *search.Service
	account mail.AccountID
	inbox   mail.MailboxID
	broken  map[mail.SegmentID]bool // segments that are damaged when they are read
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), broken: map[mail.SegmentID]bool{}}
	w.open()
	w.Cleanup(func() {
		storetest.Check(t, w.store)
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.commit(mail.AddDomain{Domain: mail.Domain{Name: "example.org"}})
	w.account = w.commit(mail.AddAccount{Account: mail.Account{Address: "ann@example.org"}, Mailboxes: []mail.NewMailbox{{Name: "INBOX"}}}).Results[0].Account
	list, err := w.store.Mailboxes(w.Context(), w.account)
	w.ok(err)
	w.inbox = list[0].ID
	return w
}

// open opens the store, which a crash may have left.
func (w *world) open() {
	s, err := store.Open(context.Background(), store.Options{Dir: w.dir, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	w.ok(err)
	w.store = s
	w.index = search.New(search.Config{Store: damaged{s, w.broken}, Mailboxes: s, Blobs: s})
}

// damaged spoils segments on their way.
type damaged struct {
	mail.SearchStore
	which map[mail.SegmentID]bool
}

func (d damaged) SegmentPart(ctx context.Context, id mail.SegmentID, part mail.SegmentPart) ([]byte, error) {
	b, err := d.SearchStore.SegmentPart(ctx, id, part)
	if err == nil && d.which[id] {
		b[len(b)/2] ^= 1
	}
	return b, err
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) commit(changes ...mail.Change) mail.Receipt {
	w.Helper()
	r, err := w.store.Commit(context.Background(), mail.ChangeSet{Changes: changes})
	w.ok(err)
	return r
}

// file files messages and gives their numbers.
func (w *world) file(texts ...string) (ids []mail.EmailID) {
	w.Helper()
	for _, text := range texts {
		bw, err := w.store.Create(context.Background())
		w.ok(err)
		scanner := message.NewScanner(message.Limits{})
		_, _ = scanner.Write([]byte(text))
		_, _ = bw.Write([]byte(text))
		b, err := bw.Seal()
		w.ok(err)
		r := w.commit(mail.AddMessage{Account: w.account, Mailbox: w.inbox, Body: b, Summary: message.Encode(scanner.Finish()), Received: time.Unix(1, 0), Saved: time.Unix(1, 0)})
		b.Discard()
		ids = append(ids, r.Results[0].Email)
	}
	return ids
}

// many files n messages that say their number.
func (w *world) many(n int) []mail.EmailID {
	w.Helper()
	var texts []string
	for i := range n {
		texts = append(texts, fmt.Sprintf("Subject: number n%d\r\nFrom: Bea <bea@example.net>\r\n\r\nthis is body b%d, of all\r\n", i, i))
	}
	return w.file(texts...)
}

func (w *world) build() {
	w.Helper()
	w.ok(w.index.Index(context.Background(), w.account))
}

// find asks, and spells findings as a letter each.
func (w *world) find(field mail.TextField, text string, of []mail.EmailID) string {
	w.Helper()
	f, err := w.index.Find(context.Background(), w.account, mail.TextQuery{Field: field, Name: "subject", Text: text}, of)
	w.ok(err)
	var out strings.Builder
	for _, x := range f {
		out.WriteByte("?yn"[x])
	}
	return out.String()
}

func (w *world) expect(field mail.TextField, text string, of []mail.EmailID, want string) {
	w.Helper()
	if got := w.find(field, text, of); got != want {
		w.Errorf("%d %q: findings %s, want %s", field, text, got, want)
	}
}

// TestFindings: exact where it can be, open where it must be (RFC 9051 6.4.4).
func TestFindings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.file("Subject: lunch at noon\r\nFrom: Bob <bob@example.net>\r\n\r\nHELLO there\r\n",
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nTo: ann@example.org, bea@example.net\r\n\r\nlunch was good\r\n")
	w.expect(mail.FieldText, "lunch", ids, "??")
	w.build()
	young := w.file("Subject: lunch\r\n\r\n")
	list := []mail.EmailID{young[0], ids[1], 99999, ids[0]}
	w.expect(mail.FieldText, "UNCH", list, "?y?y")
	w.expect(mail.FieldBody, "unch", list, "?y?n")
	w.expect(mail.FieldSubject, "GRÜß", list, "?y?n")
	w.expect(mail.FieldSubject, "lunch at", list, "?n?y")
	w.expect(mail.FieldFrom, "bob <bob@", list, "?n?y")
	w.expect(mail.FieldTo, "bea", list, "?y?n")
	w.expect(mail.FieldCc, "bea", list, "?n?n")
	w.expect(mail.FieldText, "hello there", list, "?n??")
	w.expect(mail.FieldText, "there hello", list, "?n??") // in either order: it has to be read
	w.expect(mail.FieldHeader, "noon", list, "?n??")
	w.expect(mail.FieldText, "!", list, "????")
	w.expect(mail.FieldText, "", list, "????")
	other, err := w.index.Find(context.Background(), w.account+1, mail.TextQuery{Text: "lunch"}, ids)
	if err != nil || other[0] != mail.FindingOpen {
		t.Errorf("another account's: %v, %v", other, err)
	}
}

// TestSegmentsMerge: many small steps make few segments; what was expunged goes when they are joined.
func TestSegmentsMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []mail.EmailID
	for range 20 {
		ids = append(ids, w.many(5)...)
		w.build()
	}
	m, err := w.store.SearchMark(context.Background(), w.account)
	w.ok(err)
	if len(m.Segments) > 10 || m.Upto != ids[99] {
		t.Errorf("%+v after 20 steps", m)
	}
	w.expect(mail.FieldText, "n3", ids, strings.Repeat("nnnyn", 20))
	w.commit(mail.Expunge{Account: w.account, Mailbox: w.inbox, UIDs: []mail.UIDRange{{First: 1, Last: 95}}})
	ids = append(ids, w.many(1)...)
	w.build()
	if m, err = w.store.SearchMark(context.Background(), w.account); err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	for _, g := range m.Segments {
		left += g.Documents
	}
	if left > 20 {
		t.Errorf("%d messages in the index, 6 in the mailbox: %+v", left, m)
	}
	w.expect(mail.FieldText, "n0", ids[95:], "ynnnny")
}

// TestDamagedSegment: it costs an answer nothing, and is made anew.
func TestDamagedSegment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.many(3)
	w.build()
	b := w.many(3)
	w.build()
	all := append(a, b...)
	w.expect(mail.FieldText, "b1", all, "nynnyn")
	m, err := w.store.SearchMark(context.Background(), w.account)
	w.ok(err)
	for _, spoil := range []mail.SegmentID{m.Segments[1].ID, m.Segments[0].ID} {
		w.broken[spoil] = true
		w.index = search.New(search.Config{Store: damaged{w.store, w.broken}, Mailboxes: w.store, Blobs: w.store})
		if got := w.find(mail.FieldText, "b1", all); !strings.Contains(got, "???") {
			t.Errorf("findings %s with a damaged segment", got)
		}
		w.build()
		w.expect(mail.FieldText, "b1", all, "nynnyn")
	}
}

// TestCrash: what was committed is there, what was being built is built anew.
func TestCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.many(3)
	w.build()
	b := w.many(2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.index.Index(ctx, w.account); err == nil {
		t.Error("a build that was ended says nothing")
	}
	w.ok(w.store.Close())
	w.open()
	all := append(a, b...)
	w.expect(mail.FieldText, "b1", all, "nyn??")
	w.build()
	w.expect(mail.FieldText, "b1", all, "nynny")
}

// stepClock stands still until somebody waits for it; the test then says what time it becomes.
type stepClock struct {
	mu    sync.Mutex
	now   time.Time
	asked chan chan time.Time
}

func (c *stepClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stepClock) After(time.Duration) <-chan time.Time {
	ch := make(chan time.Time, 1)
	c.asked <- ch
	return ch
}

// step lets the next wait end after d.
func (c *stepClock) step(d time.Duration) {
	ch := <-c.asked
	c.mu.Lock()
	c.now = c.now.Add(d)
	now := c.now
	c.mu.Unlock()
	ch <- now
}

// TestUnasked: an account that nobody searches is not indexed.
func TestUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clock := &stepClock{now: time.Unix(1e9, 0), asked: make(chan chan time.Time, 8)}
	w.index = search.New(search.Config{Store: w.store, Mailboxes: w.store, Blobs: w.store, Clock: clock})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.index.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	w.many(70)
	for range 3 {
		clock.step(61 * time.Minute)
	}
	<-clock.asked
	if m, err := w.store.SearchMark(ctx, w.account); err != nil || m.Upto != 0 || len(m.Segments) != 0 {
		t.Errorf("the mark is %+v, %v", m, err)
	}
}

// TestRun: the indexer waits until the store is quiet or a minute has passed, passes small backlogs by for an hour, and remembers how
// far it came.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clock := &stepClock{now: time.Unix(1e9, 0), asked: make(chan chan time.Time, 8)}
	w.index = search.New(search.Config{Store: w.store, Mailboxes: w.store, Blobs: w.store, Clock: clock})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.index.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	upto := func() mail.EmailID {
		ch := <-clock.asked // it waits again: its round is over
		clock.asked <- ch
		m, err := w.store.SearchMark(context.Background(), w.account)
		w.ok(err)
		return m.Upto
	}
	w.ok(w.store.ChangeSegments(ctx, mail.SegmentChange{Account: w.account, Upto: -1})) // as after a search
	first := w.many(70)
	clock.step(2 * time.Second) // sees that messages came
	if got := upto(); got != 0 {
		t.Errorf("indexed up to %d while mail was coming in", got)
	}
	clock.step(2 * time.Second) // sees that none came since
	if got := upto(); got != first[69] {
		t.Errorf("indexed up to %d when it was quiet, not %d", got, first[69])
	}
	few := w.many(3)
	clock.step(2 * time.Second)
	clock.step(2 * time.Second)
	if got := upto(); got != first[69] {
		t.Errorf("indexed up to %d for 3 messages", got)
	}
	clock.step(61 * time.Minute)
	if got := upto(); got != few[2] {
		t.Errorf("indexed up to %d after an hour, not %d", got, few[2])
	}
	var last mail.EmailID
	for range 2 { // mail keeps coming: it works after a minute
		last = w.many(70)[69]
		clock.step(35 * time.Second)
	}
	if got := upto(); got != last {
		t.Errorf("indexed up to %d in a busy minute, not %d", got, last)
	}
}

// TestWanted: a search that found much missing has it indexed.
func TestWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clock := &stepClock{now: time.Unix(1e9, 0), asked: make(chan chan time.Time, 8)}
	w.index = search.New(search.Config{Store: w.store, Mailboxes: w.store, Blobs: w.store, Clock: clock})
	ids := w.many(201)
	w.find(mail.FieldText, "b1", ids)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.index.Run(ctx) })
	<-clock.asked // before its first round
	<-clock.asked // after it: the clock did not move
	cancel()
	wg.Wait()
	w.expect(mail.FieldText, "b200", ids, strings.Repeat("n", 200)+"y")
}

// TestEmails: UIDs stand for messages, also of a mailbox that has changed since it was read.
func TestEmails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.many(5)
	ask := func(uids ...uint32) []mail.EmailID {
		out, err := w.index.Emails(context.Background(), w.inbox, uids)
		w.ok(err)
		return out
	}
	for range 2 {
		if got := fmt.Sprint(ask(1, 3, 5)); got != fmt.Sprint([]mail.EmailID{ids[0], ids[2], ids[4]}) {
			t.Error(got)
		}
	}
	w.commit(mail.Expunge{Account: w.account, Mailbox: w.inbox, UIDs: []mail.UIDRange{{First: 5, Last: 5}}})
	more := w.many(2)
	if got := fmt.Sprint(ask(2, 6, 7, 8)); got != fmt.Sprint([]mail.EmailID{ids[1], more[0], more[1], 0}) {
		t.Error(got)
	}
	if got := ask(); len(got) != 0 {
		t.Error(got)
	}
}
