package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
)

// disk is a bucket that knows what was synced, so that a copy can be taken as a power failure would leave it.
type disk struct {
	*blob.Dir
	root string
	mu   sync.Mutex
	safe map[string]int64 // octets of each pack that are on stable storage
	fail atomic.Pointer[error]
	full atomic.Bool
}

func openDisk(t testing.TB, dir string) *disk {
	t.Helper()
	root := filepath.Join(dir, "packs")
	d, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	return &disk{Dir: d, root: root, safe: map[string]int64{}}
}

func (d *disk) Create(ctx context.Context, name string) (blob.File, error) {
	f, err := d.Dir.Create(ctx, name)
	return &diskFile{File: f, d: d, name: name}, err
}

func (d *disk) Room(ctx context.Context) (int64, error) {
	if d.full.Load() {
		return 0, nil
	}
	return d.Dir.Room(ctx)
}

type diskFile struct {
	blob.File
	d    *disk
	name string
}

func (f *diskFile) Sync() error {
	if e := f.d.fail.Load(); e != nil {
		return *e
	}
	if err := f.File.Sync(); err != nil {
		return err
	}
	size, err := f.Size()
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.safe[f.name] = size
	return err
}

// loss is what a power failure does to octets that were written and not synced.
type loss int

const (
	kept loss = iota // it was only the process that died
	lost
	torn // half of them arrived, and then noise
)

// copyTo copies the store's directory as a crash at this moment would leave it.
func (d *disk) copyTo(dst string, l loss) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	src := filepath.Dir(d.root)
	return filepath.WalkDir(src, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(path, ".part") {
			return nil // a body that is sealed at this moment
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		if strings.HasSuffix(rel, "-shm") {
			return nil // memory of the process, by another name
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(path, ".part") {
			return nil
		}
		if err != nil {
			return err
		}
		if name, ok := strings.CutPrefix(filepath.ToSlash(rel), "packs/"); ok {
			safe := min(d.safe[strings.TrimSuffix(name, ".part")], int64(len(b)))
			switch tail := b[safe:]; l {
			case lost:
				b = b[:safe]
			case torn:
				for i := len(tail) / 2; i < len(tail); i++ {
					tail[i] ^= 0x5a
				}
			}
		}
		return os.WriteFile(to, b, 0o600)
	})
}

// steps are the commit's steps in order.
var steps = []string{"gathered", "bodies-appended", "bodies-synced", "sql-done", "committed", "answered"}

// crashBody makes one of the sorts of body: short, compressed, held, with a pack of its own.
func crashBody(n int) []byte {
	b := make([]byte, []int{50, 40_000, 30_000, 150_000}[n%4])
	if n%4 == 1 {
		copy(b, strings.Repeat(fmt.Sprintf("line %d\r\n", n), len(b)/7))
		return b
	}
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// fileOne files body n in a mailbox, with an event that names it.
func fileOne(s *store.Store, box mail.Result, n int) error {
	ctx := context.Background()
	w, err := s.Create(ctx)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.Write(crashBody(n)); err != nil {
		return err
	}
	b, err := w.Seal()
	if err != nil {
		return err
	}
	defer b.Discard()
	set := mail.ChangeSet{}
	set.Add(mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: b, Summary: fmt.Appendf(nil, "%d", n)},
		mail.Record{Event: mail.Event{Trace: mail.TraceID(fmt.Sprintf("trace%d", n)), Outcome: mail.Delivered}},
		mail.Enqueue{Body: b, Message: mail.Queued{Trace: mail.TraceID(fmt.Sprint(n)), Recipients: []mail.QueuedRecipient{{Address: "a@b.example"}}}})
	_, err = s.Commit(ctx, set)
	return err
}

// filed reads which bodies are there, and fails for any that is not whole in every way.
func filed(t *testing.T, s *store.Store, box mail.Result) map[int]bool {
	t.Helper()
	ctx := context.Background()
	there := map[int]bool{}
	queue, err := s.Queued(ctx, mail.QueueFilter{Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	queued := map[mail.TraceID]mail.BlobID{}
	for _, q := range queue {
		queued[q.Trace] = q.Blob
	}
	for m, err := range s.Messages(ctx, box.Mailbox, mail.UIDRange{First: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscan(string(m.Summary), &n); err != nil {
			t.Fatal(err)
		}
		if there[n] {
			t.Errorf("body %d is there twice", n)
		}
		there[n] = true
		if got := readBody(t, s, m.Blob); !bytes.Equal(got, crashBody(n)) {
			t.Errorf("body %d is not what was sent", n)
		}
		if e, err := s.Events(ctx, mail.TrailQuery{Trace: mail.TraceID(fmt.Sprintf("trace%d", n))}); err != nil || len(e) != 1 {
			t.Errorf("message %d has the events %v, %v", n, e, err)
		}
		if queued[mail.TraceID(fmt.Sprint(n))] != m.Blob {
			t.Errorf("message %d is not in the queue", n)
		}
	}
	if len(queued) != len(there) {
		t.Errorf("%d messages, %d queue entries", len(there), len(queued))
	}
	return there
}

func readBody(t *testing.T, s *store.Store, id mail.BlobID) []byte {
	t.Helper()
	r, err := s.Open(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sound opens a copy, proves it, and files one more message.
func sound(t *testing.T, dir string, box mail.Result, look func(*store.Store)) {
	t.Helper()
	for range 2 { // what a crash leaves must also survive two restarts
		s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet(), PackSize: 200_000})
		if err != nil {
			t.Fatalf("after the crash: %v", err)
		}
		look(s)
		faults, err := s.Verify(context.Background(), nil)
		if err != nil || len(faults) > 0 {
			t.Errorf("verify: %v, %v", faults, err)
		}
		sweepCheck(t, s, dir)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet(), PackSize: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := fileOne(s, box, 1000); err != nil {
		t.Errorf("after the crash nothing can be filed: %v", err)
	}
	if !filed(t, s, box)[1000] {
		t.Error("what was filed after the crash is not there")
	}
	storetest.Check(t, s)
}

// sweepCheck fails when the crash left files that nothing refers to.
func sweepCheck(t *testing.T, s *store.Store, dir string) {
	t.Helper()
	d, err := blob.OpenDir(filepath.Join(dir, "packs"))
	if err != nil {
		t.Fatal(err)
	}
	items, err := d.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	known := s.PackNames(t)
	for _, it := range items {
		if !known[it.Name] {
			t.Errorf("%s was left behind", it.Name)
		}
	}
}

// TestCrash crashes at every step of a commit, as a dying process and as a power failure would. What was acknowledged is there; what
// was not is there whole or not at all.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		for l, name := range []string{"process", "lost", "torn"} {
			t.Run(step+"/"+name, func(t *testing.T) {
				t.Parallel()
				crashAt(t, step, loss(l))
			})
		}
	}
}

func crashAt(t *testing.T, step string, l loss) {
	dir, copied := t.TempDir(), t.TempDir()
	d := openDisk(t, dir)
	var armed, hit atomic.Bool
	var began, ended atomic.Int64
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet(), Bucket: d, PackSize: 200_000, Step: func(name string) {
		switch name {
		case "gathered":
			began.Add(1)
		case "answered":
			defer ended.Add(1)
		}
		if name == step && armed.CompareAndSwap(true, false) {
			if err := d.copyTo(copied, l); err != nil {
				t.Error(err)
			}
			hit.Store(true)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	box := oneAccount(t, s)
	for n := range 6 {
		if err := fileOne(s, box, n); err != nil {
			t.Fatal(err)
		}
	}
	for ended.Load() < began.Load() { // the last one is answered before its last step
		runtime.Gosched()
	}
	armed.Store(true)
	acked := map[int]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := 6; n < 14; n++ {
		wg.Go(func() {
			err := fileOne(s, box, n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			} else if !hit.Load() {
				acked[n] = true
			}
		})
	}
	wg.Wait()
	if !hit.Load() {
		t.Fatal("the step was never reached")
	}
	sound(t, copied, box, func(s *store.Store) {
		there := filed(t, s, box)
		for n := range 6 {
			if !there[n] {
				t.Errorf("message %d was acknowledged and is lost", n)
			}
		}
		for n := range acked {
			if !there[n] {
				t.Errorf("message %d was acknowledged and is lost", n)
			}
		}
		if extra := len(there) - 6 - len(acked); (step == "committed" || step == "answered") == (len(there) == 6) {
			t.Errorf("%d messages more than acknowledged after a crash at %s", extra, step)
		}
	})
}

func oneAccount(t *testing.T, s *store.Store) mail.Result {
	t.Helper()
	set := mail.ChangeSet{}
	set.Add(mail.AddDomain{Domain: mail.Domain{Name: "example.org"}}, mail.AddAccount{
		Account:   mail.Account{Address: "a@example.org"},
		Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}},
	})
	rec, err := s.Commit(context.Background(), set)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := s.Mailboxes(context.Background(), rec.Results[1].Account)
	if err != nil {
		t.Fatal(err)
	}
	return mail.Result{Account: boxes[0].Account, Mailbox: boxes[0].ID}
}

// TestCrashInCompact crashes at every step of every commit of a compaction.
func TestCrashInCompact(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := openDisk(t, dir)
			var armed atomic.Bool
			var copies []string
			s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet(), Bucket: d, PackSize: 50_000, Step: func(name string) {
				if name == step && armed.Load() {
					to := t.TempDir()
					if err := d.copyTo(to, lost); err != nil {
						t.Error(err)
					}
					copies = append(copies, to)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			box := oneAccount(t, s)
			for n := range 24 {
				if err := fileOne(s, box, n); err != nil {
					t.Fatal(err)
				}
			}
			keep := dropMost(t, s, box)
			before := packBytes(t, d)
			armed.Store(true)
			freed, err := s.Compact(context.Background())
			armed.Store(false)
			makeOne(t, s, mail.AddDomain{Domain: mail.Domain{Name: "after.example"}}) // packs go after the answer, before the next commit
			if err != nil || freed == 0 || len(copies) == 0 {
				t.Fatalf("freed %d in %d commits: %v", freed, len(copies), err)
			}
			if after := packBytes(t, d); after > before-freed {
				t.Errorf("%d octets before, %d after, said to have freed %d", before, after, freed)
			}
			for i, dir := range copies {
				if i > 1 && i < len(copies)-1 {
					continue
				}
				sound(t, dir, box, func(s *store.Store) {
					there := filed(t, s, box)
					if len(there) != len(keep) {
						t.Errorf("%d messages are there, not %d", len(there), len(keep))
					}
				})
			}
			if there := filed(t, s, box); len(there) != len(keep) {
				t.Errorf("%d messages are there, not %d", len(there), len(keep))
			}
			storetest.Check(t, s)
		})
	}
}

// dropMost expunges three of four messages, and takes them out of the queue.
func dropMost(t *testing.T, s *store.Store, box mail.Result) (keep []int) {
	t.Helper()
	queue, err := s.Queued(context.Background(), mail.QueueFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range queue {
		if i%4 == (i/4)%4 {
			keep = append(keep, i)
			continue
		}
		uid := uint32(i + 1)
		_, err := s.Commit(context.Background(), mail.ChangeSet{Changes: []mail.Change{
			mail.Expunge{Account: box.Account, Mailbox: box.Mailbox, UIDs: []mail.UIDRange{{First: uid, Last: uid}}},
			mail.QueueAct{Queue: q.ID, Act: mail.ActDelete}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return keep
}

func packBytes(t *testing.T, d *disk) (n int64) {
	t.Helper()
	items, err := d.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		n += it.Size
	}
	return n
}
