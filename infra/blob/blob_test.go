package blob_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/infra/blob/blobtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDir runs the contract suite over a directory.
func TestDir(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t testing.TB) blobtest.Opener {
		dir := filepath.Join(t.TempDir(), "packs")
		return func(t testing.TB) blob.Bucket {
			b, err := blob.OpenDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	})
}
