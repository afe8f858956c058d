//go:build unix

package machine

import (
	"io/fs"
	"syscall"
)

// Readable reports whether a user may read a file, as far as the file itself goes.
func Readable(info fs.FileInfo, by Owner) bool {
	mode := info.Mode().Perm()
	s, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return true
	case int(s.Uid) == by.UID:
		return mode&0o400 != 0
	case int(s.Gid) == by.GID:
		return mode&0o040 != 0
	}
	return mode&0o004 != 0
}
