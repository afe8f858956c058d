package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/postrider/postrider/mail"
)

// query runs a prepared statement on a reading connection. The statement sees one state: that of the last commit.
func (s *Store) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.statement(ctx, query)
	if err != nil {
		return nil, readError(ctx, err)
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return nil, readError(ctx, err)
	}
	return rows, nil
}

// statement prepares a query once. The set of queries is fixed, so that the map is bounded.
func (s *Store) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	select {
	case <-s.closing:
		return nil, errClosed
	default:
	}
	if st, ok := s.stmts.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.reads.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if old, loaded := s.stmts.LoadOrStore(query, st); loaded {
		_ = st.Close()
		return old.(*sql.Stmt), nil
	}
	return st, nil
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, readError(ctx, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, readError(ctx, err)
	}
	return out, nil
}

// one takes the single row of a list; what it gives wants to know the error for none.
func one[T any](list []T, err error) func(none error) (T, error) {
	return func(none error) (T, error) {
		var zero T
		switch {
		case err != nil:
			return zero, err
		case len(list) == 0:
			return zero, none
		}
		return list[0], nil
	}
}

// readError gives a failed read its kind.
func readError(ctx context.Context, err error) error {
	var e *mail.Error
	switch {
	case errors.As(err, &e):
		return err
	case ctx.Err() != nil:
		return mail.Errorf(mail.Unavailable, "the read was given up: %w", context.Cause(ctx))
	case errors.Is(err, errClosed), errors.Is(err, sql.ErrConnDone):
		return closedError()
	}
	return mail.Errorf(mail.Internal, "the index cannot be read: %w; run verify to see what is damaged", err)
}
