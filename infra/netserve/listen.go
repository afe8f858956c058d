package netserve

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/postrider/postrider/mail"
)

// Sockets opens listeners. There is one in a process, because it takes over the sockets systemd has passed to it.
type Sockets struct {
	mu     sync.Mutex
	passed map[string][]net.Listener // by the name systemd gave (FileDescriptorName=)
}

// NewSockets takes over the sockets that systemd passed, if any, and removes them from the environment.
func NewSockets() (*Sockets, error) {
	passed, err := activation.ListenersWithNames()
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "sockets passed by systemd: %w", err)
	}
	return &Sockets{passed: passed}, nil
}

// Address is where to listen.
type Address struct {
	// Text is "host:port" (an empty host is all addresses, port 0 a free one), "unix:/path", or "systemd:name".
	Text string
	// Mode is the permissions of a UNIX socket; 0 is 0660.
	Mode fs.FileMode
}

// Listen opens a listener. Errors are Invalid (not an address), Exists (somebody listens there), Denied (no right
// to), NotFound (systemd passed no such socket), or Unavailable.
func (s *Sockets) Listen(ctx context.Context, a Address) (net.Listener, error) {
	kind, rest, _ := strings.Cut(a.Text, ":")
	switch kind {
	case "unix":
		return listenUnix(ctx, rest, a.Mode)
	case "systemd":
		return s.take(rest)
	}
	if _, _, err := net.SplitHostPort(a.Text); err != nil {
		return nil, mail.Errorf(mail.Invalid, `%q is not an address to listen on: use "host:port", "unix:/path" or "systemd:name"`, a.Text)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.Text)
	if err != nil {
		return nil, listenError(a.Text, err)
	}
	return l, nil
}

func listenError(where string, err error) error {
	kind, what := mail.Unavailable, err.Error()
	var addr *net.AddrError
	var name *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		kind, what = mail.Exists, "another program listens there already"
	case errors.Is(err, fs.ErrPermission):
		kind, what = mail.Denied, "this needs more rights (for ports below 1024: CAP_NET_BIND_SERVICE, or a socket from systemd)"
	case errors.As(err, &addr), errors.As(err, &name), errors.Is(err, syscall.EADDRNOTAVAIL):
		kind = mail.Invalid
	}
	return &mail.Error{Kind: kind, Text: "cannot listen on " + where + ": " + what, Err: err}
}

// take gives a socket that systemd passed, once.
func (s *Sockets) take(name string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.passed[name]) == 0 {
		return nil, mail.Errorf(mail.NotFound, "systemd passed no socket named %q; see FileDescriptorName= in its socket unit", name)
	}
	l := s.passed[name][0]
	s.passed[name] = s.passed[name][1:]
	return l, nil
}

// CloseUnused closes the sockets of systemd that nobody asked for, and gives their names so that they can be told about.
func (s *Sockets) CloseUnused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, ls := range s.passed {
		for _, l := range ls {
			l.Close()
			names = append(names, name)
		}
	}
	s.passed = nil
	slices.Sort(names)
	return names
}

// listenUnix listens on a socket file. It is made under another name and moved into place once its mode is right, so that
// nobody connects before, and so that a stale one is replaced in one step.
func listenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if path == "" {
		return nil, mail.Errorf(mail.Invalid, "the UNIX socket's path is missing")
	}
	if mode == 0 {
		mode = 0o660
	}
	if err := stale(ctx, path); err != nil {
		return nil, err
	}
	fresh := path + "~"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, listenError(path, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", fresh)
	if err != nil {
		return nil, listenError(path, err)
	}
	ul := l.(*net.UnixListener)
	if err := errors.Join(os.Chmod(fresh, mode), os.Rename(fresh, path)); err != nil {
		ul.Close()
		return nil, listenError(path, err)
	}
	ul.SetUnlinkOnClose(false) // it would remove the name that is gone
	info, err := os.Lstat(path)
	if err != nil {
		ul.Close()
		return nil, listenError(path, err)
	}
	return &unixListener{UnixListener: ul, path: path, made: info}, nil
}

// stale reports nil when nothing is at the path, or a socket on which nobody listens.
func stale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return listenError(path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return mail.Errorf(mail.Exists, "cannot listen on %s: there is something that is not a socket", path)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
		return mail.Errorf(mail.Exists, "cannot listen on %s: another program listens there already", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return listenError(path, err)
	}
	return nil
}

// unixListener removes its socket file when it closes, unless another took its place.
type unixListener struct {
	*net.UnixListener
	path string
	made fs.FileInfo
	once sync.Once
}

func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l *unixListener) Close() error {
	l.once.Do(func() {
		if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.made) {
			os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}
