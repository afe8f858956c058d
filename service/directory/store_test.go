package directory_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// newStore is a store of the test's own that is checked and closed at its end.
func newStore(t *testing.T) *store.Store { return storeAt(t, nil) }

// storeAt is one with a clock.
func storeAt(t *testing.T, clock mail.Clock) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: clock})
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

func commit(t *testing.T, s mail.Journal, changes ...mail.Change) mail.Receipt {
	t.Helper()
	r, err := s.Commit(t.Context(), mail.ChangeSet{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
