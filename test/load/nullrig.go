package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// null is the server of folder null. It has no mailboxes: its IMAP address is "".
type null struct {
	bench   *Bench
	dir     string
	sync    bool
	port    int
	process *process
	meter   *meter
}

// NewNull prepares a null server, one that appends and syncs if sync is set.
func NewNull(b *Bench, sync bool) (Rig, error) {
	dir, err := b.Dir("null")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	return &null{bench: b, dir: dir, sync: sync, port: port}, err
}

func (n *null) Name() string {
	if n.sync {
		return NullSync
	}
	return Null
}

func (n *null) Addr(s Service) string {
	if s != SMTP {
		return ""
	}
	return fmt.Sprintf("127.0.0.1:%d", n.port)
}

// Start implements Rig.
func (n *null) Start(ctx context.Context) error {
	argv := []string{filepath.Join(n.bench.Bin, "null"), "-addr", n.Addr(SMTP)}
	if n.sync {
		argv = append(argv, "-sync", filepath.Join(n.dir, "bodies"))
	}
	var err error
	if n.process, err = start(filepath.Join(n.dir, "log"), n.dir, argv...); err != nil {
		return err
	}
	n.meter = newMeter(n.process.pid())
	return waitOpen(ctx, []string{n.Addr(SMTP)}, n.process.ended)
}

// Stop implements Rig.
func (n *null) Stop() {
	if n.process != nil {
		n.meter.close()
		n.process.stop()
		n.process, n.meter = nil, nil
	}
}

// AddAccounts implements Rig: everybody has one.
func (n *null) AddAccounts(context.Context, []string) error { return nil }

// Usage implements Rig.
func (n *null) Usage() (Usage, error) { return n.meter.usage() }

// ResetPeak implements Rig.
func (n *null) ResetPeak() { n.meter.reset() }

// appendAndSync measures how many bodies a second the disk takes when group of them are appended and synced together.
func appendAndSync(dir string, size, group int, span time.Duration) (float64, error) {
	f, err := os.CreateTemp(dir, "append-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	buffer := make([]byte, size*group)
	for i := range buffer {
		buffer[i] = byte('a' + i%25)
	}
	begin := time.Now()
	n := 0
	for time.Since(begin) < span {
		if _, err := f.Write(buffer); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		n += group
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}
