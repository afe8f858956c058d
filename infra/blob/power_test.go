package blob_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/testkit/faultfs"
)

// losses is how many seeds a power loss is tried with: a quarter of them lose everything that was not synced.
const losses = 24

// keeps opens a directory of packs on a disk that loses power, after prepare, writes a pack, and wants it to outlive the loss.
func keeps(t *testing.T, prepare func(t *testing.T, d *faultfs.Disk, root string)) {
	t.Helper()
	const name = "0000/00000001.pack"
	for seed := range uint64(losses) {
		disk := faultfs.New(faultfs.Options{})
		m := faultfs.MountFor(t, disk)
		root := filepath.Join(m.Dir, "packs")
		prepare(t, disk, root)
		d, err := blob.OpenDir(root)
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.Create(context.Background(), name)
		if err != nil { // once more, as the next message does
			f, err = d.Create(context.Background(), name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.WriteAll(0, []byte("acknowledged")); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if _, err := m.PowerLoss(seed); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != "acknowledged" {
			t.Fatalf("seed %d: the pack holds %q, %v", seed, got, err)
		}
	}
}

// What Sync has returned for outlives a power loss, its name and its directory's name included.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *faultfs.Disk, string){
		"new directory": func(*testing.T, *faultfs.Disk, string) {},
		"a process was killed before it synced the subdirectory": func(t *testing.T, _ *faultfs.Disk, root string) {
			if err := os.MkdirAll(filepath.Join(root, "0000"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"the sync of the subdirectory's name failed": func(_ *testing.T, d *faultfs.Disk, _ string) {
			d.Fail(faultfs.Rule{Op: faultfs.Fsync, Path: "packs", Nth: 1, Err: syscall.EIO})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keeps(t, prepare)
		})
	}
}
