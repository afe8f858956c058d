// Package storetest is the contract suite of package mail: every engine passes it, or is not one.
//
// It takes an Engine from the engine's own tests and hands it nothing but change sets and reads. What
// the contract leaves open (how far a modseq is raised, whether UIDs leave gaps, which numbers are given) the suite
// leaves open too. Besides its cases by hand it runs a state machine that makes random changes, keeps a plain model in
// memory, and compares every reader with it after each step, across restarts.
//
// Other packages use Check at the end of their own tests.
package storetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// Store is what an engine must be.
type Store interface {
	mail.Journal
	mail.Blobs
	mail.Directory
	mail.Mailboxes
	mail.Places
	mail.History
	mail.Queue
	mail.Trail
	mail.Notes
	mail.SearchStore
	// Recent is what administrators see of the latest messages.
	Recent(ctx context.Context, since, until time.Time, outcome mail.Outcome, limit int) ([]mail.Event, error)
	// Check proves the engine's own invariants; its error names each breach.
	Check(ctx context.Context) error
	Close() error
}

// Engine opens stores of one kind.
type Engine interface {
	// Open opens the engine's one store; it is empty the first time. After Close it opens again, with all that was committed.
	Open(t testing.TB) Store
}

// Check fails a test whose store is not sound.
func Check(t testing.TB, s interface{ Check(context.Context) error }) {
	t.Helper()
	if err := s.Check(context.Background()); err != nil {
		t.Errorf("the store is not sound:\n%v", err)
	}
}

// Run runs the whole suite. newEngine is called once for each case.
func Run(t *testing.T, newEngine func(t testing.TB) Engine) {
	cases := []struct {
		name string
		run  func(*fixture)
	}{
		{"Domains", testDomains},
		{"Accounts", testAccounts},
		{"Aliases", testAliases},
		{"Credentials", testCredentials},
		{"RemoveAccount", testRemoveAccount},
		{"Mailboxes", testMailboxes},
		{"MailboxErrors", testMailboxErrors},
		{"RenameMailbox", testRenameMailbox},
		{"UpdateMailbox", testUpdateMailbox},
		{"UIDValidity", testUIDValidity},
		{"AddMessage", testAddMessage},
		{"SharedBody", testSharedBody},
		{"Threads", testThreads},
		{"Quota", testQuota},
		{"SetFlags", testSetFlags},
		{"UnchangedSince", testUnchangedSince},
		{"Keywords", testKeywords},
		{"Expunge", testExpunge},
		{"Copy", testCopy},
		{"Move", testMove},
		{"PlaceMessage", testPlaceMessage},
		{"FlagsEverywhere", testFlagsEverywhere},
		{"MoveWhereItIs", testMoveWhereItIs},
		{"LeaveOnePlace", testLeaveOnePlace},
		{"History", testHistory},
		{"HistoryOfMailboxes", testHistoryOfMailboxes},
		{"HistoryOfOneSet", testHistoryOfOneSet},
		{"ChangedSince", testChangedSince},
		{"Iterators", testIterators},
		{"Bodies", testBodies},
		{"SealedBodies", testSealedBodies},
		{"Enqueue", testEnqueue},
		{"EnqueueLeased", testEnqueueLeased},
		{"Claim", testClaim},
		{"ClaimPerRoute", testClaimPerRoute},
		{"Settle", testSettle},
		{"QueueAct", testQueueAct},
		{"QueueFilter", testQueueFilter},
		{"Trail", testTrail},
		{"Notes", testNotes},
		{"CountNote", testCountNote},
		{"Atomic", testAtomic},
		{"LaterSeesEarlier", testLaterSeesEarlier},
		{"Concurrent", testConcurrent},
		{"ReadYourWrites", testReadYourWrites},
		{"Reopen", testReopen},
		{"Cancelled", testCancelled},
		{"SearchNumbers", testSearchNumbers},
		{"Segments", testSegments},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(newFixture(t, newEngine(t)))
		})
	}
	t.Run("Machine", func(t *testing.T) {
		t.Parallel()
		runMachine(t, newEngine(t), (*machine).everything)
	})
	t.Run("Places", func(t *testing.T) {
		t.Parallel()
		runMachine(t, newEngine(t), (*machine).mailOnly)
	})
}

// fixture is one test's store.
type fixture struct {
	testing.TB
	engine Engine
	Store
	ctx context.Context
	now time.Time
}

func newFixture(t testing.TB, e Engine) *fixture {
	f := &fixture{TB: t, engine: e, Store: e.Open(t), ctx: t.Context(), now: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)}
	t.Cleanup(func() {
		f.ctx = context.Background()
		Check(t, f.Store)
		if err := f.Store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

// reopen closes the store and opens it again.
func (f *fixture) reopen() {
	f.Helper()
	Check(f, f.Store)
	if err := f.Store.Close(); err != nil {
		f.Fatalf("close: %v", err)
	}
	f.Store = f.engine.Open(f)
}

// do commits changes and gives their results.
func (f *fixture) do(changes ...mail.Change) []mail.Result {
	f.Helper()
	rec, err := f.Commit(f.ctx, mail.ChangeSet{Changes: changes})
	if err != nil {
		f.Fatalf("commit %T: %v", changes[0], err)
	}
	if len(rec.Results) != len(changes) {
		f.Fatalf("%d changes gave %d results", len(changes), len(rec.Results))
	}
	return rec.Results
}

// refuse commits one change that must fail with a kind.
func (f *fixture) refuse(k mail.Kind, c mail.Change) {
	f.Helper()
	_, err := f.Commit(f.ctx, mail.ChangeSet{Changes: []mail.Change{c}})
	var ce *mail.ChangeError
	if !mail.Is(err, k) {
		f.Errorf("%T %+v: got %v, want an error of kind %v", c, c, err, k)
	} else if !errors.As(err, &ce) || ce.Index != 0 {
		f.Errorf("%T: the error %#v is no ChangeError of change 0", c, err)
	}
}

// want fails unless err is of the kind.
func (f *fixture) want(k mail.Kind, err error) {
	f.Helper()
	if !mail.Is(err, k) {
		f.Errorf("got %v, want an error of kind %v", err, k)
	}
}

// ok fails on an error.
func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// domain makes example.org ours.
func (f *fixture) domain() {
	f.Helper()
	f.do(mail.AddDomain{Domain: mail.Domain{Name: "example.org"}})
}

// person makes an account with an INBOX and two other mailboxes.
type person struct {
	id                   mail.AccountID
	inbox, archive, junk mail.MailboxID
}

func (f *fixture) person(name string) person {
	f.Helper()
	if _, err := f.Domain(f.ctx, "example.org"); err != nil {
		f.domain()
	}
	r := f.do(mail.AddAccount{
		Account: mail.Account{Address: mail.Path(name + "@example.org"), Created: f.now},
		Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox, Subscribed: true},
			{Name: "Archive", Use: mail.UseArch}, {Name: "Junk", Use: mail.UseJunk}},
	})
	p := person{id: r[0].Account}
	list, err := f.Mailboxes(f.ctx, p.id)
	f.ok(err)
	if len(list) != 3 || list[0].Name != mail.Inbox {
		f.Fatalf("a new account has the mailboxes %+v", list)
	}
	p.inbox, p.archive, p.junk = list[0].ID, list[1].ID, list[2].ID
	return p
}

// body seals a body; it is discarded with the test.
func (f *fixture) body(text string) mail.SealedBody {
	f.Helper()
	w, err := f.Create(f.ctx)
	f.ok(err)
	defer w.Discard()
	_, err = io.WriteString(w, text)
	f.ok(err)
	b, err := w.Seal()
	f.ok(err)
	f.Cleanup(b.Discard)
	return b
}

// message is a change that files a text in the inbox.
func (f *fixture) message(p person, text string) mail.AddMessage {
	f.Helper()
	return mail.AddMessage{Account: p.id, Mailbox: p.inbox, Body: f.body(text), Prefix: []byte("Received: here\r\n"), Summary: []byte("summary of " + text),
		Received: f.now, Saved: f.now}
}

// file adds n messages to the inbox, one set, and gives their results.
func (f *fixture) file(p person, n int) []mail.Result {
	f.Helper()
	var set []mail.Change
	for range n {
		set = append(set, f.message(p, "a message\r\n"))
	}
	return f.do(set...)
}

// read gives a stored body's text.
func (f *fixture) read(id mail.BlobID) string {
	f.Helper()
	r, err := f.Store.Open(f.ctx, id)
	f.ok(err)
	defer r.Close()
	b, err := io.ReadAll(r)
	f.ok(err)
	if int64(len(b)) != r.Size() {
		f.Errorf("a body of %d octets gave %d", r.Size(), len(b))
	}
	return string(b)
}

// places lists a mailbox's placements.
func (f *fixture) places(box mail.MailboxID, since uint64) []mail.Placement {
	f.Helper()
	var out []mail.Placement
	for p, err := range f.Placements(f.ctx, box, mail.UIDRange{First: 1}, since) {
		f.ok(err)
		out = append(out, p)
	}
	return out
}

// uids lists a mailbox's UIDs.
func (f *fixture) uids(box mail.MailboxID) []uint32 {
	f.Helper()
	var out []uint32
	for _, p := range f.places(box, 0) {
		out = append(out, p.UID)
	}
	return out
}

// account reads an account.
func (f *fixture) account(id mail.AccountID) mail.Account {
	f.Helper()
	a, err := f.Account(f.ctx, id)
	f.ok(err)
	return a
}

// box reads a mailbox.
func (f *fixture) box(p person, id mail.MailboxID) mail.Mailbox {
	f.Helper()
	m, err := f.Mailbox(f.ctx, p.id, id)
	f.ok(err)
	return m
}

// all is every UID.
var all = []mail.UIDRange{{First: 1}}

// single is one UID as ranges.
func single(uid uint32) []mail.UIDRange { return []mail.UIDRange{{First: uid, Last: uid}} }

// expand lists the UIDs of ranges; none may be endless.
func expand(list []mail.UIDRange) []uint32 {
	var out []uint32
	for _, r := range list {
		for u := r.First; u <= r.Last; u++ {
			out = append(out, u)
		}
	}
	return out
}

// equal fails unless two lists are the same.
func equal[T comparable](f testing.TB, what string, got, want []T) {
	f.Helper()
	if !slices.Equal(got, want) {
		f.Errorf("%s: got %v, want %v", what, got, want)
	}
}
