// Package durable writes files and directories that outlive a power failure: whole, or not at all.
//
// It takes paths and octets from whoever keeps something beside the store (keys, secrets, configuration), and syncs both a file and
// the directory that names it. What it hands back without an error is on the disk.
//
// Invariants: a file of the name is always an old one or the new one, never half of either; a file's name is synced after
// its content.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile makes or replaces a file. A crash may leave a file beside it whose name ends in ".tmp" and a number; nobody reads it.
func WriteFile(name string, b []byte, mode fs.FileMode) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, filepath.Base(name)+".tmp*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is not there any more once it was renamed
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MakeDir makes a directory of mode 0700, and those above it that are missing, so that all their names are durable.
func MakeDir(path string) error {
	highest := path // of those that are missing
	for up := filepath.Dir(path); up != filepath.Dir(up); up = filepath.Dir(up) {
		if _, err := os.Stat(up); err == nil {
			break
		}
		highest = up
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		if err := SyncDir(filepath.Dir(dir)); err != nil || dir == highest {
			return err
		}
	}
}
