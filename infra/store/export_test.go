package store

import (
	"context"
	"database/sql"
	"testing"

	"github.com/postrider/postrider/infra/blob"
)

// PackNames are the packs the index knows.
func (s *Store) PackNames(t testing.TB) map[string]bool {
	t.Helper()
	list, err := collect(context.Background(), s, func(r *sql.Rows) (n int64, err error) { return n, r.Scan(&n) }, `SELECT id FROM pack`)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, n := range list {
		names[blob.PackName(n)] = true
	}
	return names
}
