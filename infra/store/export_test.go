package store

import (
	"context"
	"database/sql"
	"testing"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
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

// Place is where the index says a body is.
func (s *Store) Place(t testing.TB, id mail.BlobID) blob.Ref {
	t.Helper()
	r, err := s.ref(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Meddle changes the index behind the store's back.
func (s *Store) Meddle(t testing.TB, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(s.dir, false))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

// Waiting is how many sets wait for the committer.
func (s *Store) Waiting() int { return len(s.requests) }

// EndTransaction ends the running transaction behind the committer's back, so that its COMMIT fails. It
// is called from the committer's own goroutine.
func (s *Store) EndTransaction() { _, _ = s.ledger.conn.exec(`ROLLBACK`) }

// Count is how many rows a table has.
func (s *Store) Count(t testing.TB, table string) int {
	t.Helper()
	n, err := one(collect(context.Background(), s, func(r *sql.Rows) (n int, err error) { return n, r.Scan(&n) }, `SELECT count(*) FROM `+table))(nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
