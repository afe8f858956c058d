package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

const (
	copyBlock  = 4096 // what is given up where a disk cannot read
	defaultPag = 4096 // the size of a page, where the first page does not tell
	headSize   = 100  // of a database, in its first page
)

// openIndex opens a copy of the index. Where its first page is what is damaged, that of an empty store is put in its place: it says where the
// tables begin, and that is the same in every store of this version.
func (s *Salvage) openIndex(ctx context.Context) error {
	copied := filepath.Join(s.scratch, indexName)
	lost, err := copyReadable(filepath.Join(s.dir, indexName), copied)
	if errors.Is(err, fs.ErrNotExist) {
		s.fault("the index %s is missing", indexName)
		return nil
	}
	if err != nil {
		return fmt.Errorf("copy the index: %w", err)
	}
	if lost > 0 {
		s.fault("the disk cannot read %d octets of the index %s", lost, indexName)
	}
	lost, err = copyReadable(filepath.Join(s.dir, indexName+"-wal"), copied+"-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("copy the index's log: %w", err)
	}
	if lost > 0 {
		s.fault("the disk cannot read %d octets of the index's log; the latest changes may be missing", lost)
	}
	why := s.tryIndex(ctx, copied)
	if why == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.graft(ctx, copied); err == nil {
		if s.tryIndex(ctx, copied) == nil {
			s.headed = true
			s.fault("the first page of the index is damaged (%v); it was read with that of an empty store in its place", why)
			return nil
		}
	}
	s.fault("the index %s cannot be read at all: %v", indexName, why)
	return nil
}

// tryIndex opens the copy and looks whether its list of tables can be read.
func (s *Salvage) tryIndex(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)&_pragma=cell_size_check(1)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	var n int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name IN ('placement', 'message', 'blob') AND sql <> ''`).Scan(&n); err != nil {
		return errors.Join(err, db.Close())
	}
	if n != 3 {
		return errors.Join(fmt.Errorf("its list of tables is not that of a store"), db.Close())
	}
	s.bad, s.indexed = db, true
	return nil
}

// graft gives the copy the first page of an empty store, with the copy's own length.
func (s *Salvage) graft(ctx context.Context, path string) error {
	empty := filepath.Join(s.scratch, "empty")
	fresh, err := Open(ctx, Options{Dir: empty, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = fresh.ledger.conn.one(func(row) {}, `PRAGMA wal_checkpoint(TRUNCATE)`)
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	source, err := os.Open(filepath.Join(empty, indexName))
	if err != nil {
		return err
	}
	defer source.Close()
	first := make([]byte, defaultPag)
	if _, err := io.ReadFull(source, first); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(first[28:], uint32(size/defaultPag)) // pages
	binary.BigEndian.PutUint32(first[32:], 0)                       // free pages: none that is known
	binary.BigEndian.PutUint32(first[36:], 0)
	if _, err := f.WriteAt(first, 0); err != nil {
		return err
	}
	_ = os.Remove(path + "-shm")
	return nil
}

// copyReadable copies a file; what the disk cannot read becomes zeros. lost is how much that is.
func copyReadable(from, to string) (lost int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 256*copyBlock)
	for off := int64(0); off < size; {
		n, readErr := in.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if _, err := out.WriteAt(buf[:n], off); err != nil {
			return lost, errors.Join(err, out.Close())
		}
		off += int64(n)
		if readErr == nil || readErr == io.EOF {
			continue
		}
		next := min(size, off/copyBlock*copyBlock+copyBlock)
		lost += next - off
		off = next
		buf = buf[:copyBlock] // slowly from here on
	}
	return lost, errors.Join(out.Truncate(size), out.Close())
}
