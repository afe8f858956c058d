//go:build !linux

package export

import (
	"io/fs"
	"os"
	"path/filepath"
)

// syncAll returns once every file below a directory is on stable storage.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}
