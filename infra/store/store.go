package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/infra/durable"
	"github.com/postrider/postrider/mail"
)

// The contracts this engine keeps.
var (
	_ mail.Journal   = (*Store)(nil)
	_ mail.Blobs     = (*Store)(nil)
	_ mail.Directory = (*Store)(nil)
	_ mail.Mailboxes = (*Store)(nil)
	_ mail.Queue     = (*Store)(nil)
	_ mail.Trail     = (*Store)(nil)
	_ mail.Notes     = (*Store)(nil)
	_ mail.Places    = (*Store)(nil)
	_ mail.History   = (*Store)(nil)
)

// Options say how a store is kept. The zero value of each but Dir is a default.
type Options struct {
	Dir   string       // where everything is; made when it is missing
	Clock mail.Clock   // nil: the machine's
	Log   *slog.Logger // nil: slog.Default
	Bus   mail.Bus     // told of commits; may be nil
	// MaxBatch is how many change sets share one commit at most; 0: 512.
	MaxBatch int
	// MaxBatchBytes is how many octets of bodies share one commit at most; 0: 16 MiB.
	MaxBatchBytes int64
	// Reserve is how many octets of the disk are left free: bodies are refused before it is touched; 0: 64 MiB, negative: none.
	Reserve int64
	// PackSize is how long a pack grows before the next is begun; 0: 128 MiB.
	PackSize int64
	// Tombstones is how many tombstones of a mailbox Compact keeps: whoever asks for older ones is told every UID that is
	// not there. It is also how many messages and mailboxes that went an account's history remembers. 0: 10,000.
	Tombstones int
	// KeepTrail is how long Compact keeps events; 0: for ever.
	KeepTrail time.Duration
	// Bucket is where the packs are; nil: the directory packs in Dir.
	Bucket blob.Bucket
	// Step, for crash tests, is called as each commit step is done: gathered, bodies-appended, bodies-synced, sql-done,
	// committed, answered. The body steps are called from another goroutine than the rest.
	Step func(name string)
}

// errClosed is the cause of answers after Close.
var errClosed = errors.New("closed")

// Store is the embedded engine.
type Store struct {
	dir   string
	clock mail.Clock
	log   *slog.Logger
	bus   mail.Bus
	opt   Options

	lock  *os.File
	packs *blob.Packs
	reads *sql.DB
	stmts sync.Map // query text to *sql.Stmt

	requests chan *request
	closing  chan struct{}
	done     chan struct{} // the committer has ended
	once     sync.Once
	stopped  atomic.Pointer[mail.Error] // why nothing more is committed
	failed   chan struct{}              // closed when stopped is set

	known  *known
	ledger *ledger // the committer's alone
}

// Open opens the store in a directory, or makes one. It waits for no other process: when one uses the store, the error, of
// kind Conflict, says so. The store must be closed.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{dir: o.Dir, clock: o.Clock, log: o.Log, bus: o.Bus, opt: o, known: newKnown()}
	s.defaults()
	if err := durable.MakeDir(s.dir); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	lock, err := lockDir(s.dir)
	if err != nil {
		return nil, err
	}
	s.lock = lock
	if err := s.open(ctx); err != nil {
		s.release()
		return nil, err
	}
	go s.commits()
	return s, nil
}

func (s *Store) defaults() {
	if dir, err := filepath.Abs(s.dir); err == nil {
		s.dir = dir // SQLite is given a URI, where a relative path reads as a host
	}
	if s.clock == nil {
		s.clock = mail.SystemClock{}
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.opt.Step == nil {
		s.opt.Step = func(string) {}
	}
	if s.opt.MaxBatch <= 0 {
		s.opt.MaxBatch = 512
	}
	if s.opt.MaxBatchBytes <= 0 {
		s.opt.MaxBatchBytes = 16 << 20
	}
	if s.opt.Tombstones <= 0 {
		s.opt.Tombstones = 10_000
	}
	if s.opt.Reserve == 0 {
		s.opt.Reserve = 64 << 20
	}
	s.requests = make(chan *request, s.opt.MaxBatch)
	s.closing = make(chan struct{})
	s.failed = make(chan struct{})
	s.done = make(chan struct{})
}

// open brings index and packs together. A crash in it is harmless: migrations are transactions, and what is
// swept from the packs would be swept again.
func (s *Store) open(ctx context.Context) error {
	_, _ = sqlite.Fdatasync(true) // as durable as fsync, with less to write; where the system has none, SQLite uses fsync
	bucket := s.opt.Bucket
	if bucket == nil {
		dir, err := blob.OpenDir(filepath.Join(s.dir, "packs"))
		if err != nil {
			return fmt.Errorf("open the packs: %w", err)
		}
		bucket = dir
	}
	if err := s.guardIndex(ctx, bucket); err != nil {
		return err
	}
	if err := migrate(ctx, s.dir); err != nil {
		return err
	}
	c, err := openConn(ctx, dsn(s.dir, false))
	if err != nil {
		return fmt.Errorf("open the index: %w", err)
	}
	if s.ledger, err = newLedger(c, s.clock); err != nil {
		return errors.Join(fmt.Errorf("read the index: %w", err), c.close())
	}
	reads, err := sql.Open("sqlite", dsn(s.dir, true))
	if err != nil {
		return errors.Join(err, c.close())
	}
	n := max(4, 2*runtime.GOMAXPROCS(0))
	reads.SetMaxOpenConns(n)
	reads.SetMaxIdleConns(n)
	s.reads = reads
	if err := s.openPacks(ctx, bucket); err != nil {
		return errors.Join(err, c.close())
	}
	s.ledger.packs = s.packs
	return nil
}

// guardIndex refuses packs whose index is missing: opening them with a new one would remove all mail as never committed.
func (s *Store) guardIndex(ctx context.Context, bucket blob.Bucket) error {
	if _, err := os.Stat(filepath.Join(s.dir, indexName)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	items, err := bucket.List(ctx)
	if err != nil {
		return fmt.Errorf("list the packs: %w", err)
	}
	if len(items) > 0 {
		return mail.Errorf(mail.Conflict, "there are packs with mail in %s, but their index %s is missing; put it back from a backup, or move the packs away",
			s.dir, indexName)
	}
	return nil
}

func (s *Store) openPacks(ctx context.Context, bucket blob.Bucket) error {
	known, err := collect(ctx, s, func(r *sql.Rows) (k blob.Known, err error) { return k, r.Scan(&k.Pack, &k.Own, &k.Octets) },
		`SELECT id, own, octets FROM pack ORDER BY id`)
	if err != nil {
		return err
	}
	s.packs, err = blob.Open(ctx, blob.Options{
		Bucket: bucket, Log: s.log, RollAt: s.opt.PackSize, Reserve: max(0, s.opt.Reserve),
		LastBlob: mail.BlobID(s.ledger.last.blob), LastPack: s.ledger.last.pack,
	}, known)
	return err
}

// migrate brings the index's tables up to date.
func migrate(ctx context.Context, dir string) error {
	db, err := sql.Open("sqlite", dsn(dir, false))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	files, err := migrationFiles()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(sqliteDialect.goose, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the index up to date: %w", err)
	}
	return nil
}

// Close ends the store: sets that wait are refused, the one being written is finished. Bodies that are being
// written or read must be let go of first.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		<-s.done
		err = s.release()
	})
	return err
}

// release closes whatever open has opened.
func (s *Store) release() error {
	var errs []error
	s.stmts.Range(func(_, st any) bool {
		_ = st.(*sql.Stmt).Close()
		return true
	})
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	if s.ledger != nil && s.ledger.packs != nil {
		errs = append(errs, s.ledger.conn.close())
	}
	if s.packs != nil {
		errs = append(errs, s.packs.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
