package export

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll returns once everything on the file system of a directory is on stable storage: one call for any number of files.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
