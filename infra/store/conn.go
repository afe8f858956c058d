package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"

	"github.com/postrider/postrider/mail"
)

// conn is the writer's connection, without database/sql in between: the committer is alone on it, and a delivery
// is several statements. Statements are prepared once and kept by their text.
type conn struct {
	raw   driver.Conn
	stmts map[string]driver.Stmt
	args  []driver.NamedValue
	row   []driver.Value
}

func openConn(ctx context.Context, name string) (*conn, error) {
	c, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	raw, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, stmts: map[string]driver.Stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

func (c *conn) prepare(query string) (driver.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.raw.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	c.stmts[query] = s
	return s, nil
}

// bind appends a statement's arguments as the driver takes them.
func bind(to []driver.NamedValue, args []any) []driver.NamedValue {
	for i, a := range args {
		to = append(to, driver.NamedValue{Ordinal: i + 1, Value: value(a)})
	}
	return to
}

func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = bind(c.args[:0], args)
	return c.args
}

// value turns our types into the few that a driver takes.
func value(a any) driver.Value {
	switch a := a.(type) {
	case nil, int64, string, []byte, bool:
		return a
	case int:
		return int64(a)
	case uint32:
		return int64(a)
	case uint64:
		return int64(a)
	case mail.AccountID:
		return int64(a)
	case mail.MailboxID:
		return int64(a)
	case mail.EmailID:
		return int64(a)
	case mail.ThreadID:
		return int64(a)
	case mail.BlobID:
		return int64(a)
	case mail.QueueID:
		return int64(a)
	case mail.LeaseID:
		return int64(a)
	case mail.FlagBits:
		return int64(a)
	case mail.Path:
		return string(a)
	case mail.TraceID:
		return string(a)
	case mail.Outcome:
		return string(a)
	case mail.SpecialUse:
		return string(a)
	}
	return a // the driver refuses it by name
}

// exec runs a statement and gives how many rows it changed.
func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, fmt.Errorf("%q: %w", query, err)
	}
	return r.RowsAffected()
}

// row is one row of a query.
type row []driver.Value

func (r row) int(i int) int64 {
	n, _ := r[i].(int64)
	return n
}

func (r row) str(i int) string {
	s, _ := r[i].(string)
	return s
}

func (r row) bytes(i int) []byte {
	b, _ := r[i].([]byte)
	return b
}

// each runs a query and calls fn for each row. The row is good for that call only; fn
// must not use the connection.
func (c *conn) each(fn func(r row) error, query string, args ...any) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return fmt.Errorf("%q: %w", query, err)
	}
	n := len(rows.Columns())
	if cap(c.row) < n {
		c.row = make([]driver.Value, n)
	}
	c.row = c.row[:n]
	return eachRow(rows, c.row, fn)
}

// eachRow calls fn for each row, which is read into buf, and closes the rows.
func eachRow(rows driver.Rows, buf row, fn func(row) error) error {
	for {
		err := rows.Next(buf)
		if err == io.EOF {
			return rows.Close()
		}
		if err == nil {
			err = fn(buf)
		}
		if err != nil {
			_ = rows.Close()
			return err
		}
	}
}

// one runs a query for a single row and reports whether there is one.
func (c *conn) one(fn func(r row), query string, args ...any) (bool, error) {
	found := false
	err := c.each(func(r row) error {
		if !found {
			fn(r)
		}
		found = true
		return nil
	}, query, args...)
	return found, err
}
