package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/postrider/postrider/infra/durable"
)

// partSuffix ends the name of a pack that was never synced.
const partSuffix = ".part"

// Dir is a Bucket in a directory of a local file system. A pack is made under a name that ends in
// ".part" and gets its own name by its first Sync, so that after a crash a file's name
// tells whether it was ever complete.
type Dir struct {
	root    string
	mu      sync.Mutex      // guards the making of subdirectories
	durable map[string]bool // subdirectories whose names are known to outlive a power failure
}

// OpenDir opens a bucket in the directory root, which is made when it is missing, and removes what
// packs without a first Sync have left there. Nobody else may use the directory meanwhile.
func OpenDir(root string) (*Dir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	d := &Dir{root: root, durable: map[string]bool{}}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.IsDir() && strings.HasSuffix(path, partSuffix) {
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, durable.SyncDir(filepath.Dir(root))
}

// Create makes a new pack.
func (d *Dir) Create(_ context.Context, name string) (File, error) {
	path := filepath.Join(d.root, filepath.FromSlash(name))
	if err := d.makeParent(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	f, err := os.OpenFile(path+partSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &dirFile{f: f, path: path, part: true}, nil
}

// makeParent makes a subdirectory and makes its name durable. That it exists says nothing: who made it may have been killed before
// he synced its name, or be about to do so.
func (d *Dir) makeParent(dir string) error {
	if dir == d.root {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.durable[dir] {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := durable.SyncDir(d.root); err != nil {
		return err
	}
	d.durable[dir] = true
	return nil
}

// Open opens a synced pack.
func (d *Dir) Open(_ context.Context, name string) (File, error) {
	path := filepath.Join(d.root, filepath.FromSlash(name))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		f, err = os.Open(path) // a read-only copy of a store can still be read
	}
	if err != nil {
		return nil, err
	}
	return &dirFile{f: f, path: path}, nil
}

// Remove deletes a pack.
func (d *Dir) Remove(_ context.Context, name string) error {
	path := filepath.Join(d.root, filepath.FromSlash(name))
	for _, p := range []string{path, path + partSuffix} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// List names every synced pack.
func (d *Dir) List(ctx context.Context) ([]Item, error) {
	var items []Item
	err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, partSuffix) {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(d.root, path)
		if err != nil {
			return err
		}
		items = append(items, Item{Name: filepath.ToSlash(name), Size: info.Size()})
		return ctx.Err()
	})
	return items, err
}

// Room is what the file system has left for us.
func (d *Dir) Room(context.Context) (int64, error) { return room(d.root) }

// dirFile is an open pack of a Dir.
type dirFile struct {
	f    *os.File
	path string
	part bool // still under its ".part" name; written only before the first Sync returns
}

func (f *dirFile) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

func (f *dirFile) WriteAll(off int64, bufs ...[]byte) error { return writeAll(f.f, off, bufs) }

func (f *dirFile) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *dirFile) Truncate(size int64) error { return f.f.Truncate(size) }

// Sync writes the data first and gives the file its name after: a crash between the two leaves a ".part" file,
// which the next OpenDir removes.
func (f *dirFile) Sync() error {
	if err := syncData(f.f); err != nil {
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	if !f.part {
		return nil
	}
	if err := os.Rename(f.path+partSuffix, f.path); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("sync the directory of %s: %w", f.path, err)
	}
	f.part = false
	return nil
}

func (f *dirFile) Close() error { return f.f.Close() }
