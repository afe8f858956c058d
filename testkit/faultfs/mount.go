package faultfs

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// ErrUnavailable says that this machine lets us mount nothing: a test skips then.
var ErrUnavailable = errors.New("FUSE file systems cannot be mounted here (needs /dev/fuse and the right to mount)")

// Mounted is a disk under a directory.
type Mounted struct {
	Disk *Disk
	Dir  string

	mu     sync.Mutex
	server *fuse.Server
}

// Mount mounts a disk on a directory, which must exist. The error is ErrUnavailable where that is not possible. The
// process that mounted must not map files of the disk into its own memory: it would wait for itself.
func Mount(d *Disk, dir string) (*Mounted, error) {
	m := &Mounted{Disk: d, Dir: dir}
	if err := m.mount(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return m, nil
}

// MountFor mounts a disk in a directory of its own for the time of a test, and skips the test where that cannot be.
func MountFor(t testing.TB, d *Disk) *Mounted {
	t.Helper()
	dir, err := os.MkdirTemp("", "faultfs-")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Mount(d, dir)
	if err != nil {
		os.Remove(dir)
		t.Skipf("%v", err)
	}
	t.Cleanup(func() {
		if err := m.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
		os.Remove(dir)
	})
	return m
}

func (m *Mounted) mount() error {
	m.Disk.mu.Lock()
	b := newBridge(m.Disk)
	m.Disk.mu.Unlock()
	options := &fuse.MountOptions{
		DirectMountStrict: true, AllowOther: true, FsName: "faultfs", Name: "faultfs", DisableXAttrs: true, MaxWrite: 1 << 20,
		DisableReadDirPlus: true, DisableSplice: true,
	}
	syscall.ForkLock.RLock() // the library opens /dev/fuse without O_CLOEXEC and sets it later
	s, err := fuse.NewServer(b, m.Dir, options)
	syscall.ForkLock.RUnlock()
	if err != nil {
		return err
	}
	go s.Serve()
	if err := s.WaitMount(); err != nil {
		return errors.Join(err, s.Unmount())
	}
	m.mu.Lock()
	m.server = s
	m.mu.Unlock()
	return nil
}

// Unmount ends the mount, also when somebody still has files open there.
func (m *Mounted) Unmount() error {
	m.mu.Lock()
	s := m.server
	m.server = nil
	m.mu.Unlock()
	if s == nil {
		return nil
	}
	if err := syscall.Unmount(m.Dir, syscall.MNT_DETACH); err != nil {
		return err
	}
	return nil
}

// PowerLoss takes power away and gives it back: what is unsynced is kept or lost as the seed chooses, calls that Cut holds fail, and
// the directory shows what is left. Whoever used the directory must have been killed before.
func (m *Mounted) PowerLoss(seed uint64) (Loss, error) {
	m.Disk.mu.Lock()
	l := m.Disk.lose(seed)
	m.Disk.mu.Unlock()
	if err := m.Unmount(); err != nil {
		return l, err
	}
	return l, m.mount()
}
