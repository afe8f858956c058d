package netserve_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/netserve"
	"github.com/postrider/postrider/mail"
)

func TestUNIXSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lmtp")
	var sockets netserve.Sockets
	for _, mode := range []fs.FileMode{0, 0o666, 0o600} {
		l, err := sockets.Listen(t.Context(), netserve.Address{Text: "unix:" + path, Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if mode == 0 {
			mode = 0o660
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode || l.Addr().String() != path {
			t.Errorf("mode %v at %s, want %v: %v", info.Mode(), l.Addr(), mode, err)
		}
		s := netserve.New(netserve.Config{Handler: greet, MaxPerClient: 1})
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		for range 2 { // a UNIX socket has no client to count by
			if got := dial(t, "unix", path).line(t); !strings.HasPrefix(got, "hello") {
				t.Errorf("greeting %q", got)
			}
		}
		if _, err := sockets.Listen(t.Context(), netserve.Address{Text: "unix:" + path}); !mail.Is(err, mail.Exists) {
			t.Errorf("a second listener: %v", err)
		}
		s.Shutdown(t.Context())
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the socket file is left: %v", err)
		}
	}
}

func TestStaleSocketIsReplacedAndOtherFilesAreNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var sockets netserve.Sockets
	path := filepath.Join(dir, "stale")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, err := sockets.Listen(t.Context(), netserve.Address{Text: "unix:" + path})
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	// Another that took the name meanwhile keeps it.
	os.Remove(path)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("closing removed what another put there: %v", err)
	}
	if _, err := sockets.Listen(t.Context(), netserve.Address{Text: "unix:" + path}); !mail.Is(err, mail.Exists) {
		t.Errorf("a file in the way: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("the file in the way is gone: %v", err)
	}
}

// systemdChild is what the test binary does as systemd's service.
func systemdChild() {
	sockets, err := netserve.NewSockets()
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := sockets.Listen(context.Background(), netserve.Address{Text: "systemd:submission"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, again := sockets.Listen(context.Background(), netserve.Address{Text: "systemd:submission"})
	fmt.Println(l.Addr(), mail.Is(again, mail.NotFound), sockets.CloseUnused(), os.Getenv("LISTEN_FDS") == "")
}

// Not parallel: between fork and exec the child holds every socket of the process, also those that other tests closed.
func TestSystemdActivation(t *testing.T) {
	var files []*os.File
	var addrs []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files, addrs = append(files, f), append(addrs, l.Addr().String())
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" systemd-child`, os.Args[0])
	cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=submission:other")
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if want := addrs[0] + " true [other] true\n"; err != nil || string(out) != want {
		t.Errorf("the service says %q, %v; want %q", out, err, want)
	}
}
