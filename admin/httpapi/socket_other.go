//go:build !linux

package httpapi

import (
	"net"

	"github.com/postrider/postrider/mail"
)

// maxPath is the longest path a socket address can hold on every system that has them.
const maxPath = 103

func shorten(path string) (short string, done func(), err error) {
	if len(path) > maxPath {
		return "", nil, mail.Errorf(mail.Invalid, "the path %s is too long for a socket; use a data directory with a shorter name", path)
	}
	return path, func() {}, nil
}

// peer is not known here.
func peer(net.Conn) (uid int, ok bool) { return 0, false }

// allowed leaves the judgement to the mode of the socket, 0600.
func allowed(*net.UnixConn) bool { return true }
