package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/postrider/postrider/infra/blob"
)

// errScratch is trouble on our own side, which is no damage.
var errScratch = errors.New("what was found cannot be written to the scratch directory")

// maxProbes is how often a table is asked in vain before the rest of it is given up.
const maxProbes = 100_000

// source is a table, or an index that has some of it, to be read by a numeric key.
type source struct {
	table string // what is hurt when it cannot be read
	from  string // SELECT columns FROM ...; the first column is the key
	where string // a further condition with its AND, or ""
	args  []any
	key   string
	into  string // INSERT ... VALUES, one parameter for each column
}

// readTables copies what can be read of every table that matters.
func (s *Salvage) readTables(ctx context.Context) error {
	// What an index of a table knows comes first, so that the table itself replaces it.
	s.endToEnd(ctx, "account", `SELECT rowid, address FROM account INDEXED BY sqlite_autoindex_account_1 ORDER BY address`, `INSERT OR IGNORE INTO account (id, address) VALUES (?, ?)`)
	s.endToEnd(ctx, "mailbox", `SELECT rowid, account, name FROM mailbox INDEXED BY sqlite_autoindex_mailbox_1 ORDER BY account, name`,
		`INSERT OR IGNORE INTO mailbox (id, account, name) VALUES (?, ?, ?)`)
	s.endToEnd(ctx, "domain", `SELECT name, catch_all FROM domain ORDER BY name`, `INSERT OR IGNORE INTO domain VALUES (?, ?)`)
	s.endToEnd(ctx, "alias", `SELECT address, targets FROM alias ORDER BY address`, `INSERT OR IGNORE INTO alias VALUES (?, ?)`)
	for _, src := range []source{
		{table: "account", key: "id", from: `SELECT id, address, name, quota, disabled, admin FROM account`, into: `INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?)`},
		{table: "mailbox", key: "id", from: `SELECT id, account, name, use, uidvalidity, uidnext, subscribed, sort FROM mailbox`,
			into: `INSERT OR REPLACE INTO mailbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
		{table: "blob", key: "id", from: `SELECT id, pack, start, stored, size, codec, prefix FROM blob`, into: `INSERT OR REPLACE INTO blob VALUES (?, ?, ?, ?, ?, ?, ?)`},
		{table: "message", key: "id", from: `SELECT id, account, blob, prefix FROM message`, into: `INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?)`},
		{table: "queued", key: "id", from: `SELECT id, trace, sender, blob, prefix, created, expires FROM queued`,
			into: `INSERT OR REPLACE INTO queued VALUES (?, ?, ?, ?, ?, ?, ?)`},
		{table: "queued_recipient", key: "queue", from: `SELECT queue, n, address, last FROM queued_recipient`,
			into: `INSERT OR REPLACE INTO queued_recipient VALUES (?, ?, ?, ?)`},
		{table: "", key: "email", from: `SELECT email, mailbox, uid FROM placement INDEXED BY placement_email`,
			into: `INSERT OR IGNORE INTO placement (email, mailbox, uid, bare) VALUES (?, ?, ?, 1)`},
	} {
		if err := s.copyTable(ctx, src); err != nil {
			return err
		}
	}
	return s.readPlacements(ctx)
}

// readPlacements reads the places in each mailbox anybody has heard of.
func (s *Salvage) readPlacements(ctx context.Context) error {
	boxes, err := numbers(ctx, s.db, `SELECT id FROM mailbox UNION SELECT DISTINCT mailbox FROM placement ORDER BY 1`)
	if err != nil {
		return err
	}
	for _, id := range boxes {
		err := s.copyTable(ctx, source{table: "placement", key: "uid", from: `SELECT uid, mailbox, email, bits, keywords, size, received FROM placement`,
			where: ` AND mailbox = ?`, args: []any{id},
			into: `INSERT OR REPLACE INTO placement (uid, mailbox, email, bits, keywords, size, received) VALUES (?, ?, ?, ?, ?, ?, ?)`})
		if err != nil {
			return err
		}
	}
	return nil
}

// endToEnd reads a small table from its start as far as that goes, and from its end.
func (s *Salvage) endToEnd(ctx context.Context, table, query, into string) {
	if _, err := s.copyRows(ctx, query, nil, into); err == nil {
		return
	}
	_, _ = s.copyRows(ctx, backwards(query), nil, into)
	s.hurt[table] = true
}

func backwards(query string) string {
	at := strings.LastIndex(query, " ORDER BY ") + len(" ORDER BY ")
	columns := strings.Split(query[at:], ", ")
	return query[:at] + strings.Join(columns, " DESC, ") + " DESC"
}

// copyTable copies all rows of a source that can be read.
func (s *Salvage) copyTable(ctx context.Context, src source) error {
	c := &copying{s: s, src: src}
	err := c.span(ctx, 0, math.MaxInt64)
	if c.probes > 0 && src.table != "" {
		s.hurt[src.table] = true
	}
	return err
}

// copying is the reading of one source.
type copying struct {
	s      *Salvage
	src    source
	probes int // that failed
}

// span copies the rows with keys from first to last: upwards until it breaks, downwards until it breaks, and then the same with both halves of
// what is between. Its error is for trouble on our own side.
func (c *copying) span(ctx context.Context, first, last int64) error {
	for first <= last && c.probes < maxProbes {
		up, err := c.run(ctx, first, last, "ASC")
		if err == nil {
			return nil
		}
		if !c.failed(ctx, err) {
			return err
		}
		down, err := c.run(ctx, first, last, "DESC")
		if err == nil {
			return nil
		}
		if !c.failed(ctx, err) {
			return err
		}
		// A key may have several rows, of which some came: it is looked at again on its own, which does no harm.
		if up >= 0 {
			first = max(first, up+1)
		}
		if down >= 0 {
			last = min(last, down-1)
		}
		if last == math.MaxInt64 { // the end itself is damaged: go on to where numbers end
			if last = c.highest(ctx); last < first {
				return nil
			}
		}
		if first >= last {
			return nil // the key alone was tried already, as a part of this
		}
		half := first + (last-first)/2
		if err := c.span(ctx, first, half); err != nil {
			return err
		}
		first = half + 1
	}
	return ctx.Err()
}

// failed counts a failed probe, and tells it from trouble of our own.
func (c *copying) failed(ctx context.Context, err error) bool {
	c.probes++
	return ctx.Err() == nil && !errors.Is(err, errScratch)
}

// run copies rows in one order until it breaks, and gives the last key that came, or -1.
func (c *copying) run(ctx context.Context, first, last int64, order string) (int64, error) {
	args := append(append([]any{}, first, last), c.src.args...)
	query := fmt.Sprintf("%s WHERE %s BETWEEN ? AND ?%s ORDER BY %s %s", c.src.from, c.src.key, c.src.where, c.src.key, order)
	key, err := c.s.copyRows(ctx, query, args, c.src.into)
	return key, err
}

// copyRows copies the rows of a query until it breaks; key is the last one's first column, where that is a number, or -1.
func (s *Salvage) copyRows(ctx context.Context, query string, args []any, into string) (key int64, err error) {
	key = -1
	rows, err := s.bad.QueryContext(ctx, query, args...)
	if err != nil {
		return key, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return key, err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return key, fmt.Errorf("%w: %w", errScratch, err)
	}
	defer tx.Commit() //nolint:errcheck // a lost row shows as lost
	put, err := tx.PrepareContext(ctx, into)
	if err != nil {
		return key, fmt.Errorf("%w: %w", errScratch, err)
	}
	defer put.Close()
	values := make([]any, len(columns))
	pointers := make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return key, err
		}
		if _, err := put.ExecContext(ctx, values...); err != nil {
			return key, fmt.Errorf("%w: %w", errScratch, err)
		}
		if n, ok := values[0].(int64); ok {
			key = n
		}
	}
	return key, rows.Err()
}

// highest is the greatest number a key can have, by what else is known.
func (c *copying) highest(ctx context.Context) int64 {
	column := map[string]string{"account": "account", "mailbox": "mailbox", "blob": "blob", "message": "email", "queued": "queue", "queued_recipient": "queue", "": "email"}[c.src.table]
	var n sql.NullInt64
	if c.src.table == "placement" {
		_ = c.s.db.QueryRowContext(ctx, `SELECT max((SELECT max(uid) FROM placement WHERE mailbox = ?1), (SELECT uidnext - 1 FROM mailbox WHERE id = ?1))`, c.src.args[0]).Scan(&n)
		if !n.Valid {
			_ = c.s.db.QueryRowContext(ctx, `SELECT max(uid) FROM placement WHERE mailbox = ?1`, c.src.args[0]).Scan(&n)
		}
		return n.Int64
	}
	if err := c.s.bad.QueryRowContext(ctx, `SELECT `+column+` FROM counter`).Scan(&n); err == nil && n.Int64 > 0 {
		return n.Int64
	}
	_ = c.s.bad.QueryRowContext(ctx, `SELECT max(`+c.src.key+`) FROM `+c.src.table).Scan(&n)
	if n.Int64 > 0 {
		return n.Int64
	}
	return maxProbes
}

// numbers lists a query's single column.
func numbers(ctx context.Context, db *sql.DB, query string) (out []int64, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// readPacks finds every body.
func (s *Salvage) readPacks(ctx context.Context, progress func(SalvageProgress)) error {
	packs, err := s.carver.Packs(ctx)
	if err != nil {
		s.fault("the packs cannot be listed: %v", err)
	}
	p := SalvageProgress{Stage: "reading the packs"}
	for _, pack := range packs {
		p.Total += pack.Size
	}
	for _, pack := range packs {
		progress(p)
		if err := s.readPack(ctx, pack); err != nil {
			return err
		}
		p.Done += pack.Size
	}
	progress(p)
	return nil
}

func (s *Salvage) readPack(ctx context.Context, pack blob.Pack) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit
	// Of two records of one body the sound one counts: compaction may have been stopped between copying it and forgetting the old one.
	put, err := tx.PrepareContext(ctx, `INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET pack = excluded.pack, start = excluded.start,
		stored = excluded.stored, size = excluded.size, codec = excluded.codec, time = excluded.time, damage = excluded.damage WHERE found.damage <> '' AND excluded.damage = ''`)
	if err != nil {
		return err
	}
	defer put.Close()
	ours := error(nil)
	err = s.carver.Carve(ctx, pack, func(c blob.Carved) error {
		_, ours = put.ExecContext(ctx, int64(c.ID), c.Ref.Pack, c.Ref.Offset, c.Ref.Stored, c.Ref.Size, int64(c.Ref.Codec), pack.Time, c.Damage)
		return ours
	}, func(offset, octets int64) {
		s.fault("pack %s: %d octets from offset %d on are no records, the bodies in them are lost", blob.PackName(pack.Number), octets, offset)
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case ours != nil:
		return fmt.Errorf("%w: %w", errScratch, ours)
	case err != nil:
		s.fault("%v", err)
	}
	return tx.Commit()
}
