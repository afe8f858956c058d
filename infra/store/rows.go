package store

import (
	"context"
	"database/sql/driver"
	"errors"
)

// errEnough ends a reading whose caller wants no more. It is nobody's error.
var errEnough = errors.New("enough was read")

// worthPreparing is how many rows a query yields at least for which reading past database/sql saves more than making the
// statement anew costs: 50 to 150 us, against 0.7 us a row.
const worthPreparing = 400

// rows runs a query that yields about n rows and calls fn for each, until fn fails. The row's slice is good for that call only;
// what is in it stays. One statement sees one state and is soon over, so that ctx is looked at only before it: waiting for its end costs
// two goroutines.
func (s *Store) rows(ctx context.Context, n int, fn func(row) error, query string, args ...any) error {
	if ctx.Err() != nil {
		return readError(ctx, ctx.Err())
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if n < worthPreparing {
		err = s.fewRows(ctx, fn, query, args)
	} else {
		err = s.manyRows(ctx, fn, query, args)
	}
	if err == nil || errors.Is(err, errEnough) {
		return nil
	}
	return readError(ctx, err)
}

// fewRows uses a statement that is prepared already.
func (s *Store) fewRows(ctx context.Context, fn func(row) error, query string, args []any) error {
	rows, err := s.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	r := make(row, len(columns))
	got, into := make([]any, len(r)), make([]any, len(r)) // any is what Scan fills without converting
	for i := range r {
		into[i] = &got[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range r {
			r[i] = got[i]
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// manyRows has the driver's rows at first hand.
func (s *Store) manyRows(ctx context.Context, fn func(row) error, query string, args []any) error {
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	c, err := s.reads.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(raw any) error {
		rows, err := raw.(driver.QueryerContext).QueryContext(ctx, query, bind(nil, args))
		if err != nil {
			return err
		}
		return eachRow(rows, make(row, len(rows.Columns())), fn)
	})
}
