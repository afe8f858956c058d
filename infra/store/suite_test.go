package store_test

import (
	"testing"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
)

// engine is the embedded store for the contract suite.
type engine struct{ dir string }

func (e engine) Open(t testing.TB) storetest.Store {
	s, err := store.Open(t.Context(), store.Options{Dir: e.dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestContract runs the suite that every engine passes.
func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Engine { return engine{t.TempDir()} })
}
