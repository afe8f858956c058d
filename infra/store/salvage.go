package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// Salvage is what can still be read of a damaged store. The store's directory is only read, never written; what was learned of it is in
// a scratch directory, and goes with it.
//
// The index is copied page by page, pages that cannot be read as zeros, and each table is read from both of its ends towards
// the damage, and in halves around it. Every pack is read from its start to its end, so that a body is found by its own number
// also where the index has lost its place. What belongs together is then put together again:
//
//   - a message whose place in a mailbox survives is there, with its flags, unless only an index of the table had it;
//   - one whose place is lost, but not whose it is, is in a mailbox "lost+found" of its account;
//   - a mailbox or account of which only the number is known is called by that number;
//   - a body nobody refers to any more is among Lost, unless the index is whole and says that it was deleted.
type Salvage struct {
	dir     string
	scratch string
	db      *sql.DB
	carver  *blob.Carver
	bad     *sql.DB // the copy of the damaged index; nil when there is none that opens
	faults  []string
	hurt    map[string]bool // tables of which something could not be read
	indexed bool            // the index could be read at all
	headed  bool            // its first page was replaced
}

// SalvageProgress tells what is being read, in octets where that is known.
type SalvageProgress struct {
	Stage       string
	Done, Total int64
}

// OpenSalvage reads what can be read of the store in dir. scratch must be an empty directory with room for a copy of the index. Conflict
// when a server runs on dir: its own commands can read it then. progress may be nil.
func OpenSalvage(ctx context.Context, dir, scratch string, progress func(SalvageProgress)) (*Salvage, error) {
	if progress == nil {
		progress = func(SalvageProgress) {}
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, mail.Errorf(mail.NotFound, "the data directory cannot be read: %w", err)
	}
	unlock, err := peekLock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s := &Salvage{dir: dir, scratch: scratch, hurt: map[string]bool{}, carver: blob.NewCarver(filepath.Join(dir, "packs"))}
	if err := s.open(ctx, progress); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Salvage) open(ctx context.Context, progress func(SalvageProgress)) error {
	var err error
	if s.db, err = openScratch(ctx, filepath.Join(s.scratch, "found.db")); err != nil {
		return mail.Errorf(mail.Unavailable, "the scratch directory cannot be used: %w", err)
	}
	progress(SalvageProgress{Stage: "reading the index"})
	if err := s.openIndex(ctx); err != nil {
		return err
	}
	if s.bad != nil {
		if err := s.readTables(ctx); err != nil {
			return err
		}
	}
	if err := s.readPacks(ctx, progress); err != nil {
		return err
	}
	return s.putTogether(ctx)
}

// Close lets go of everything. The scratch directory is the caller's to remove.
func (s *Salvage) Close() error {
	errs := []error{s.carver.Close()}
	for _, db := range []*sql.DB{s.bad, s.db} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Faults are sentences on what could not be read.
func (s *Salvage) Faults() []string { return s.faults }

// Indexed reports whether anything was learned from the index: without it, all there is are Lost bodies.
func (s *Salvage) Indexed() bool { return s.indexed }

func (s *Salvage) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// peekLock makes sure that nobody uses the directory, without writing to it.
func peekLock(dir string) (unlock func(), err error) {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return func() {}, nil // it was never used, or cannot be read: then no server can use it either
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		_ = f.Close()
		return nil, mail.Errorf(mail.Conflict, "a server is using %s; stop it first, or export from it without --salvage", dir)
	}
	return func() { _ = f.Close() }, nil
}

// IsDamage reports that an error is one of a damaged index, not of a disk or a request.
func IsDamage(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	case sqlite3.SQLITE_IOERR:
		return e.Code() == sqlite3.SQLITE_IOERR_SHORT_READ || e.Code() == sqlite3.SQLITE_IOERR_READ || e.Code() == sqlite3.SQLITE_IOERR_CORRUPTFS
	}
	return false
}

// openScratch makes the database of what was found. It need not survive anything.
func openScratch(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=temp_store(FILE)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `
		CREATE TABLE domain (name TEXT PRIMARY KEY, catch_all TEXT);
		CREATE TABLE account (id INTEGER PRIMARY KEY, address TEXT, name TEXT DEFAULT '', quota INTEGER DEFAULT 0, disabled INTEGER DEFAULT 0, admin INTEGER DEFAULT 0);
		CREATE TABLE alias (address TEXT PRIMARY KEY, targets TEXT);
		CREATE TABLE mailbox (id INTEGER PRIMARY KEY, account INTEGER, name TEXT, use TEXT DEFAULT '', uidvalidity INTEGER DEFAULT 0, uidnext INTEGER DEFAULT 0,
			subscribed INTEGER DEFAULT 0, sort INTEGER DEFAULT 0);
		CREATE TABLE blob (id INTEGER PRIMARY KEY, pack INTEGER, start INTEGER, stored INTEGER, size INTEGER, codec INTEGER, prefix BLOB);
		CREATE TABLE message (id INTEGER PRIMARY KEY, account INTEGER, blob INTEGER, prefix BLOB);
		CREATE TABLE placement (mailbox INTEGER, uid INTEGER, email INTEGER, bits INTEGER DEFAULT 0, keywords TEXT DEFAULT '', size INTEGER DEFAULT 0,
			received INTEGER DEFAULT 0, bare INTEGER DEFAULT 0, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
		CREATE TABLE queued (id INTEGER PRIMARY KEY, trace TEXT, sender TEXT, blob INTEGER, prefix BLOB, created INTEGER, expires INTEGER);
		CREATE TABLE queued_recipient (queue INTEGER, n INTEGER, address TEXT, last TEXT, PRIMARY KEY (queue, n)) WITHOUT ROWID;
		CREATE TABLE found (id INTEGER PRIMARY KEY, pack INTEGER, start INTEGER, stored INTEGER, size INTEGER, codec INTEGER, time INTEGER, damage TEXT);
	`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
