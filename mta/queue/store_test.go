package queue

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// faulty is the real store with faults injected before a commit.
type faulty struct {
	*store.Store
	t *testing.T

	mu   sync.Mutex
	fail func(mail.ChangeSet) error
}

// fresh is a store with nothing in it, to be copied: its tables take longer to make than most tests.
var fresh string

// TestMain makes it. It is put in memory where the machine has such: durability is proved elsewhere (infra/store).
func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("/dev/shm", "postrider-queue-")
		if err != nil {
			dir, err = os.MkdirTemp("", "postrider-queue-")
		}
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		fresh = filepath.Join(dir, "fresh")
		s, err := store.Open(context.Background(), store.Options{Dir: fresh, Reserve: -1})
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			panic(err)
		}
		return m.Run()
	}()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func openStore(t *testing.T, bus mail.Bus) *faulty {
	dir, err := os.MkdirTemp(filepath.Dir(fresh), "")
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(fresh))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Bus: bus, Reserve: -1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &faulty{Store: s, t: t}
}

func (f *faulty) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	if err := f.fault(set); err != nil {
		return mail.Receipt{}, err
	}
	return f.Store.Commit(ctx, set)
}

func (f *faulty) fault(set mail.ChangeSet) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		return nil
	}
	return f.fail(set)
}

// do commits without faults.
func (f *faulty) do(changes ...mail.Change) mail.Receipt {
	f.t.Helper()
	r, err := f.Store.Commit(context.Background(), mail.ChangeSet{Changes: changes})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// seal makes a body.
func (f *faulty) seal() mail.SealedBody {
	f.t.Helper()
	w, err := f.Create(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	defer w.Discard()
	if _, err := io.WriteString(w, "Subject: hi\r\n\r\nhello\r\n"); err != nil {
		f.t.Fatal(err)
	}
	b, err := w.Seal()
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// left lists what is in the queue.
func (f *faulty) left() []mail.QueuedRecipient {
	f.t.Helper()
	list, err := f.Queued(context.Background(), mail.QueueFilter{})
	if err != nil {
		f.t.Fatal(err)
	}
	var out []mail.QueuedRecipient
	for _, m := range list {
		out = append(out, m.Recipients...)
	}
	return out
}

// eventsOf lists a recipient's events.
func (f *faulty) eventsOf(to mail.Path) []mail.Event {
	f.t.Helper()
	all, err := f.Events(context.Background(), mail.TrailQuery{Address: to, Limit: 100000})
	if err != nil {
		f.t.Fatal(err)
	}
	var out []mail.Event
	for _, e := range all {
		if e.To == to {
			out = append(out, e)
		}
	}
	return out
}

// outcomes lists a recipient's events as words.
func (f *faulty) outcomes(to mail.Path) string {
	f.t.Helper()
	var words []string
	for _, e := range f.eventsOf(to) {
		words = append(words, string(e.Outcome))
	}
	return strings.Join(words, " ")
}

func (f *faulty) empty() bool { return len(f.left()) == 0 }

// message is one on its way from somebody to others, due now.
func message(trace mail.TraceID, from mail.Path, to ...mail.Path) mail.Queued {
	now := time.Now()
	m := mail.Queued{Trace: trace, From: from, Created: now, Expires: now.Add(5 * 24 * time.Hour)}
	for _, a := range to {
		m.Recipients = append(m.Recipients, mail.QueuedRecipient{Address: a, Original: a, Route: a.Domain(), Next: now})
	}
	return m
}
