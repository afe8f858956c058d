package httpapi

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/mail"
)

// maxPath is the longest path a socket address can hold, with its closing NUL, on Linux.
const maxPath = 107

// shorten gives a path of a socket that fits into a socket address: a long one is named by way of its open directory.
// done must be called once the path was used.
func shorten(path string) (short string, done func(), err error) {
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if os.IsNotExist(err) {
		return "", nil, ErrNotRunning
	}
	if err != nil {
		return "", nil, mail.Errorf(mail.Unavailable, "the data directory cannot be opened: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

// allowed reports whether whoever connected is root or the user we run as.
func allowed(c *net.UnixConn) bool {
	uid, ok := peer(c)
	return ok && (uid == 0 || uid == os.Geteuid())
}

// peer is the user of the process at the other end of a connection.
func peer(c net.Conn) (uid int, ok bool) {
	unixConn, isUnix := c.(*net.UnixConn)
	if !isUnix {
		return 0, false
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if ok = err == nil; ok {
			uid = int(cred.Uid)
		}
	})
	return uid, err == nil && ok
}
