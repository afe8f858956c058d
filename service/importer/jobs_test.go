package importer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/importer"
	"github.com/postrider/postrider/testkit/clock"
)

// hanging is a source that brings one message and then waits for its end.
func hanging(id string) (told, chan struct{}) {
	began := make(chan struct{})
	return told{closed: make(chan struct{}), run: func(ctx context.Context, d *importer.Deposit) error {
		if err := d.Folder(ctx, importer.Folder{Name: "Slow"}); err != nil {
			return err
		}
		if err := d.Add(ctx, importer.Message{What: id}, strings.NewReader(letter(id))); err != nil {
			return err
		}
		if err := d.Flush(ctx); err != nil {
			return err
		}
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}}, began
}

// TestJobs start, are seen by their owner alone, are bounded in number, and stop.
func TestJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := func(account mail.AccountID) (importer.Job, told, error) {
		s, began := hanging(fmt.Sprint(time.Now().UnixNano()))
		j, err := w.jobs.Start(t.Context(), account, s)
		if err == nil && account < 100 {
			<-began
		}
		return j, s, err
	}
	one, source, err := start(w.IDs[ann])
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = start(w.IDs[ann]); err != nil {
		t.Fatal(err)
	}
	_, refused, err := start(w.IDs[ann])
	if !mail.Is(err, mail.TooMany) || !mail.Is(w.jobs.May(w.IDs[ann]), mail.TooMany) {
		t.Errorf("a third one: %v", err)
	}
	<-refused.closed
	list, err := w.jobs.List(t.Context(), w.IDs[ann])
	if err != nil || len(list) != 2 || list[1].ID != one.ID || list[1].State != importer.Running || list[1].Messages != 1 || list[1].Failed == nil {
		t.Errorf("%+v %v", list, err)
	}
	if list, err := w.jobs.List(t.Context(), w.IDs[bob]); err != nil || len(list) != 0 {
		t.Errorf("bob sees %+v %v", list, err)
	}
	if err := w.jobs.Stop(t.Context(), w.IDs[bob], one.ID); !mail.Is(err, mail.NotFound) {
		t.Errorf("bob stops ann's: %v", err)
	}
	if err := w.jobs.Stop(t.Context(), w.IDs[ann], one.ID); err != nil {
		t.Error(err)
	}
	<-source.closed
	if j := w.wait(ann, one.ID); j.State != importer.Stopped || !strings.Contains(j.Text, "You stopped it: 1 message came") || j.Ended == nil {
		t.Errorf("%+v", j)
	}
	if err := w.jobs.Stop(t.Context(), w.IDs[ann], one.ID); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
	w.jobs.Close()
	if _, _, err := start(w.IDs[ann]); !mail.Is(err, mail.Unavailable) {
		t.Errorf("after the end: %v", err)
	}
	list, err = w.jobs.List(t.Context(), w.IDs[ann])
	if err != nil || len(list) != 2 || list[0].State != importer.Stopped || !strings.Contains(list[0].Text, "goes on where it was") {
		t.Errorf("after the end: %+v %v", list, err)
	}
}

// TestInAll bounds the jobs of everybody together.
func TestInAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []mail.AccountID
	for i := range 5 {
		ids = append(ids, w.Do(t, mail.AddAccount{Account: mail.Account{Address: mail.Path(fmt.Sprintf("p%d@one.example", i))}, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}}})[0].Account)
	}
	for i := range importer.InAll + 1 {
		s, _ := hanging("x")
		_, err := w.jobs.Start(t.Context(), ids[i/2], s)
		if (err != nil) != (i == importer.InAll) || err != nil && !mail.Is(err, mail.TooMany) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestRestart: a job whose process is gone is shown as stopped once it has been silent for a while; another node is asked to stop through its note.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := clock.At(time.Now())
	w := newWorld(t, func(cfg *importer.Config) { cfg.Clock = c })
	other := importer.New(importer.Config{Store: importer.Store{Mailboxes: w.Store, Blobs: w.Store, Journal: w.Store, Clock: c}, Notes: w.Store})
	defer other.Close()
	s, began := hanging("one")
	j, err := w.jobs.Start(t.Context(), w.IDs[ann], s)
	if err != nil {
		t.Fatal(err)
	}
	<-began
	state := func() importer.State {
		list, err := other.List(t.Context(), w.IDs[ann])
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v %v", list, err)
		}
		return list[0].State
	}
	if got := state(); got != importer.Running {
		t.Errorf("another node sees it %s", got)
	}
	if err := other.Stop(t.Context(), w.IDs[ann], j.ID); err != nil {
		t.Fatal(err)
	}
	c.Await(t, 1)
	c.Advance(15 * time.Second) // the runner looks at its note
	<-s.closed
	if got := w.wait(ann, j.ID); got.State != importer.Stopped || !strings.Contains(got.Text, "You stopped it") {
		t.Errorf("%+v", got)
	}
	// A process that is killed leaves its note as it was.
	note, err := w.Store.Note(t.Context(), importer.Kind, fmt.Sprintf("%d/%s", w.IDs[ann], j.ID))
	if err != nil {
		t.Fatal(err)
	}
	note.Value = []byte(fmt.Sprintf(`{"id":%q,"state":"running","beat":%q}`, j.ID, c.Now().Format(time.RFC3339)))
	w.Do(t, mail.PutNote{Note: note})
	if got := state(); got != importer.Running {
		t.Errorf("at once: %s", got)
	}
	c.Advance(time.Minute)
	if got := state(); got != importer.Stopped {
		t.Errorf("a minute later: %s", got)
	}
	if err := other.Stop(t.Context(), w.IDs[ann], j.ID); err != nil {
		t.Error(err)
	}
}

// TestOverQuota keeps what there is room for, and says so.
func TestOverQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := ""
	for i := range 30 {
		text += "From a Tue Nov 24 03:00:00 2020\n" + lf(letter(fmt.Sprintf("number%02d", i))) + "\n"
	}
	j := w.do(full, w.file("x.mbox", importer.Mbox, text))
	n := len(w.account(full)["x"])
	if j.State != importer.Failed || n == 0 || n == 30 || j.Messages != int64(n) || !strings.Contains(j.Text, "The account is full") || !strings.Contains(j.Text, fmt.Sprintf("%d messages came", n)) {
		t.Errorf("%d messages: %+v", n, j)
	}
	a, err := w.Store.Account(t.Context(), w.IDs[full])
	if err != nil {
		t.Fatal(err)
	}
	a.Quota = 1 << 20
	w.Do(t, mail.UpdateAccount{Account: a})
	if j := w.do(full, w.file("x.mbox", importer.Mbox, text)); j.State != importer.Done || j.Messages != int64(30-n) || j.Duplicates != int64(n) {
		t.Errorf("with more room: %+v", j)
	}
}

// moody is a journal that fails, or whose mailbox somebody deletes, at some commits.
type moody struct {
	mail.Journal
	mu   sync.Mutex
	n    int
	fail func(n int, set mail.ChangeSet) error
}

func (m *moody) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	if _, ok := set.Changes[0].(mail.AddMessage); ok {
		m.mu.Lock()
		m.n++
		n := m.n
		m.mu.Unlock()
		if err := m.fail(n, set); err != nil {
			return mail.Receipt{}, err
		}
	}
	return m.Journal.Commit(ctx, set)
}

// TestTroubles of the store: what passes is waited for, a mailbox that went is made again, and one bad message ends nothing.
func TestTroubles(t *testing.T) {
	t.Parallel()
	text := ""
	for i := range 120 {
		text += "From a Tue Nov 24 03:00:00 2020\n" + lf(letter(fmt.Sprintf("n%d", i))) + "\n"
	}
	for name, c := range map[string]struct {
		fail     func(w *world, n int, set mail.ChangeSet) error
		state    importer.State
		messages int64
		failed   int
	}{
		"passing": {func(_ *world, n int, _ mail.ChangeSet) error {
			if n == 2 || n == 3 {
				return mail.Errorf(mail.Unavailable, "the disk is busy")
			}
			return nil
		}, importer.Done, 120, 0},
		"lasting": {func(_ *world, n int, _ mail.ChangeSet) error {
			if n > 1 {
				return errors.New("secret")
			}
			return nil
		}, importer.Failed, 50, 0},
		"the mailbox goes": {func(w *world, n int, set mail.ChangeSet) error {
			if n == 2 {
				w.Do(w.t, mail.DeleteMailbox{Account: w.IDs[ann], Mailbox: set.Changes[0].(mail.AddMessage).Mailbox})
			}
			return nil
		}, importer.Done, 120, 0},
		"a bad one": {func(_ *world, n int, _ mail.ChangeSet) error {
			if n == 2 {
				return &mail.ChangeError{Index: 7, Err: mail.Errorf(mail.Invalid, "it is odd")}
			}
			return nil
		}, importer.Done, 119, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w *world
			c := c
			hasty := hastyClock{}
			w = newWorld(t, func(cfg *importer.Config) {
				cfg.Journal = &moody{Journal: cfg.Journal, fail: func(n int, set mail.ChangeSet) error { return c.fail(w, n, set) }}
				cfg.Clock = hasty
			})
			j := w.do(ann, w.file("x.mbox", importer.Mbox, text))
			if j.State != c.state || j.Messages != c.messages || len(j.Failed) != c.failed || strings.Contains(fmt.Sprint(j), "secret") {
				t.Errorf("%+v", j)
			}
			if n := len(w.account(ann)["x"]); name == "the mailbox goes" && n != 70 || name != "the mailbox goes" && n != int(c.messages) {
				t.Errorf("%d messages are there", n)
			}
		})
	}
}

// hastyClock lets short waits pass at once, and others never.
type hastyClock struct{ mail.SystemClock }

func (hastyClock) After(d time.Duration) <-chan time.Time {
	if d >= 15*time.Second && d != 20*time.Second {
		return nil
	}
	return time.After(0)
}
