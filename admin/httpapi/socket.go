package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/mail"
)

// Listen opens the socket at path, for its own user alone. A socket that a dead server left there is replaced;
// Conflict when a server answers on it. The listener removes the socket as it closes.
func Listen(path string) (net.Listener, error) {
	if conn, err := dial(context.Background(), path); err == nil {
		_ = conn.Close()
		return nil, mail.Errorf(mail.Conflict, "a server is running already and answers on %s; stop it first, or use another data directory", path)
	}
	// The socket gets its name once nobody else may open it, and replaces a dead one in one step.
	aside := filepath.Join(filepath.Dir(path), ".admin-"+rand.Text()[:8])
	short, done, err := shorten(aside)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, mail.Errorf(mail.Unavailable, "the operator's socket cannot be made in %s: %w", filepath.Dir(path), err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(aside, 0o600), os.Rename(aside, path)); err != nil {
		return nil, mail.Errorf(mail.Unavailable, "the operator's socket %s cannot be made: %w", path, errors.Join(err, l.Close(), ignoreMissing(os.Remove(aside))))
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, mail.Errorf(mail.Unavailable, "the operator's socket %s has gone: %w", path, errors.Join(err, l.Close()))
	}
	return &listener{UnixListener: l, path: path, made: made}, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// listener lets in only those who may ask, and removes its socket once.
type listener struct {
	*net.UnixListener
	path string
	made fs.FileInfo
	once sync.Once
}

// Accept gives the next connection of somebody who may ask; others find theirs closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if allowed(c) {
			return c, nil
		}
		_ = c.Close() // a stranger's
	}
}

// Close stops listening and removes the socket, unless another has taken its place.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	l.once.Do(func() {
		if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.made) {
			err = errors.Join(err, ignoreMissing(os.Remove(l.path)))
		}
	})
	return err
}

// actor is who connected: the user whose process it is, where the system tells; else the one we run as, who alone can (and root).
func actor(c net.Conn) admin.Actor {
	if uid, ok := peer(c); ok {
		return admin.Actor{Way: audit.WaySocket, Name: audit.User(uid)}
	}
	return audit.Process(audit.WaySocket)
}

// ErrNotRunning says that no server answers on a socket.
var ErrNotRunning = errors.New("no server is running on this data directory")

// dialTime is how long a server may take to accept.
const dialTime = 5 * time.Second

// dial connects to the socket at path. ErrNotRunning when there is none, or nobody behind it.
func dial(ctx context.Context, path string) (net.Conn, error) {
	short, done, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer done()
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.DialContext(ctx, "unix", short)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return nil, mail.Errorf(mail.Denied, "the socket %s belongs to the user who runs the server; use that account, or root", path)
	}
	return nil, mail.Errorf(mail.Unavailable, "the server does not answer on %s: %w", path, err)
}
