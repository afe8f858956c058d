package faultfs_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/postrider/postrider/testkit/faultfs"
)

// childEnv makes this test program another one, which maps files.
const childEnv = "FAULTFS_TEST_DATABASE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := useDatabase(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// useDatabase adds a row to a database in WAL mode, which maps a file and takes locks.
func useDatabase(dir string) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "x.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS t (n INTEGER); INSERT INTO t VALUES (1)`); err != nil {
		return err
	}
	other, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "x.db"))
	if err != nil {
		return err
	}
	defer other.Close()
	var mode string
	var n int
	if err := other.QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil {
		return err
	}
	if err := other.QueryRow(`SELECT count(*) FROM t`).Scan(&n); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "x.db-shm")); err != nil || mode != "wal" || n == 0 {
		return fmt.Errorf("mode %s, %d rows, %v", mode, n, err)
	}
	fmt.Println(n)
	return nil
}

// A database that syncs each commit keeps each, power loss after power loss.
func TestDatabase(t *testing.T) {
	t.Parallel()
	for _, lenient := range []bool{false, true} {
		d := faultfs.New(faultfs.Options{Lenient: lenient})
		m := faultfs.MountFor(t, d)
		for n := 1; n <= 8; n++ {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+m.Dir)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(n) {
				t.Fatalf("use %d: %v, %s", n, err, out)
			}
			if _, err := m.PowerLoss(uint64(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func mount(t *testing.T) (*faultfs.Disk, *faultfs.Mounted) {
	t.Helper()
	d := faultfs.New(faultfs.Options{})
	return d, faultfs.MountFor(t, d)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func syncDir(t *testing.T, name string) {
	t.Helper()
	d, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
}

// The calls of a program do what they do elsewhere.
func TestCalls(t *testing.T) {
	t.Parallel()
	d, m := mount(t)
	dir := filepath.Join(m.Dir, "sub")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "one")
	write(t, b, "two")
	f, err := os.OpenFile(b, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Rename(a, b); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != "two" {
		t.Errorf("the replaced file holds %q, %v", got, err)
	}
	if text, err := os.ReadFile(b); err != nil || string(text) != "one" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	big := bytes.Repeat([]byte("0123456789"), 500_000)
	write(t, a, string(big))
	if text, err := os.ReadFile(a); err != nil || !bytes.Equal(text, big) {
		t.Errorf("%d octets came back, %v", len(text), err)
	}
	if err := os.Truncate(a, 4); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(a); err != nil || info.Size() != 4 || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Remove(dir); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("a directory with files: %v", err)
	}
	if err := errors.Join(os.Remove(a), os.Remove(b), os.Remove(dir)); err != nil {
		t.Error(err)
	}
	f.Close()
	if list, err := os.ReadDir(m.Dir); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	for deadline := time.Now().Add(10 * time.Second); d.Used() != 0 && time.Now().Before(deadline); {
		os.ReadDir(m.Dir) // closing is told to us a moment later
	}
	if d.Used() != 0 {
		t.Errorf("%d octets are in use", d.Used())
	}
}

// After a power loss the old handles are dead and the directory shows what was synced.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	d, m := mount(t)
	name := filepath.Join(m.Dir, "f")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("synced"); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	syncDir(t, m.Dir)
	if w, n := d.Unsynced(); w != 0 || n != 0 {
		t.Errorf("%d writes and %d names are unsynced", w, n)
	}
	write(t, name+"2", "unsynced")
	d.Cut()
	held := make(chan error)
	go func() {
		_, err := f.WriteString("too late")
		held <- err
	}()
	select {
	case err := <-held:
		t.Fatalf("a call went through: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	l, err := m.PowerLoss(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(l)
	if err := <-held; !errors.Is(err, syscall.EIO) {
		t.Errorf("the call ended with %v", err)
	}
	if err := f.Sync(); err == nil {
		t.Error("an old handle works")
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "synced" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	write(t, name, "goes on")
}

// A rule strikes the calls it names and no others.
func TestFaults(t *testing.T) {
	t.Parallel()
	d, m := mount(t)
	name := filepath.Join(m.Dir, "f.db")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func() error { _, err := f.WriteAt([]byte("0123456789"), 0); return err }
	tries := func(call func() error) (out []bool) {
		for range 5 {
			out = append(out, call() == nil)
		}
		return out
	}
	second := []bool{true, false, true, true, true}
	since := []bool{true, true, false, false, false}
	for _, c := range []struct {
		rule faultfs.Rule
		call func() error
		want []bool
	}{
		{faultfs.Rule{Op: faultfs.Write, Path: "*.db", Nth: 2, Err: syscall.EIO}, put, second},
		{faultfs.Rule{Op: faultfs.Write, Path: "*.other", Nth: 2, Err: syscall.EIO}, put, []bool{true, true, true, true, true}},
		{faultfs.Rule{Op: faultfs.Write, Nth: 3, Ever: true, Err: syscall.ENOSPC}, put, since},
		{faultfs.Rule{Op: faultfs.Fsync, Nth: 2, Err: syscall.EIO}, f.Sync, second},
		{faultfs.Rule{Op: faultfs.Fdatasync, Nth: 2, Err: syscall.EIO}, func() error { return syscall.Fdatasync(int(f.Fd())) }, second},
		{faultfs.Rule{Op: faultfs.Open, Nth: 2, Err: syscall.EMFILE}, func() error {
			g, err := os.Open(name)
			if err == nil {
				g.Close()
			}
			return err
		}, second},
		{faultfs.Rule{Op: faultfs.Create, Nth: 2, Err: syscall.ENOSPC}, func() error { return errors.Join(os.WriteFile(name+"n", nil, 0o600), os.Remove(name+"n")) }, second},
		{faultfs.Rule{Op: faultfs.Truncate, Nth: 2, Err: syscall.EIO}, func() error { return f.Truncate(10) }, second},
		{faultfs.Rule{Op: faultfs.Fallocate, Nth: 2, Err: syscall.ENOSPC}, func() error { return syscall.Fallocate(int(f.Fd()), 0, 0, 10) }, second},
		{faultfs.Rule{Op: faultfs.Mkdir, Nth: 2, Err: syscall.EIO}, func() error {
			err := os.Mkdir(name+"d", 0o700)
			os.Remove(name + "d")
			return err
		}, second},
	} {
		fault := d.Fail(c.rule)
		got := tries(c.call)
		fault.End()
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v", c.rule, got)
		}
		hits := 0
		for _, ok := range c.want {
			if !ok {
				hits++
			}
		}
		if fault.Hits() != hits {
			t.Errorf("%v struck %d times", c.rule, fault.Hits())
		}
	}
	fault := d.Fail(faultfs.Rule{Op: faultfs.Rename, Err: syscall.EIO})
	if err := os.Rename(name, name+"2"); !errors.Is(err, syscall.EIO) {
		t.Errorf("rename: %v", err)
	}
	fault.End()
	fault = d.Fail(faultfs.Rule{Op: faultfs.Unlink, Err: syscall.EIO})
	if err := os.Remove(name); !errors.Is(err, syscall.EIO) {
		t.Errorf("unlink: %v", err)
	}
	fault.End()
}

func TestShortWriteAndSpace(t *testing.T) {
	t.Parallel()
	d, m := mount(t)
	name := filepath.Join(m.Dir, "f")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d.Fail(faultfs.Rule{Op: faultfs.Write, Short: 3})
	if n, err := syscall.Pwrite(int(f.Fd()), []byte("0123456789"), 0); n != 3 || err != nil {
		t.Errorf("a short write took %d, %v", n, err)
	}
	d.Space(8192)
	var st syscall.Statfs_t
	if err := syscall.Statfs(m.Dir, &st); err != nil || st.Blocks != 2 || st.Bavail != 1 {
		t.Errorf("statfs: %+v, %v", st, err)
	}
	if _, err := f.WriteAt(make([]byte, 8192), 1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("past the end: %v", err)
	}
	if _, err := f.WriteAt(make([]byte, 8192), 0); err != nil {
		t.Errorf("up to the end: %v", err)
	}
	d.Space(0)
	if err := os.WriteFile(name+"2", make([]byte, 100_000), 0o600); err != nil {
		t.Error(err)
	}
}

func TestSlowAndRecord(t *testing.T) {
	t.Parallel()
	d, m := mount(t)
	d.Slow(0, 30*time.Millisecond)
	d.Record()
	f, err := os.Create(filepath.Join(m.Dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	began := time.Now()
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("a slow sync took %s", took)
	}
	got := d.Calls()
	want := []faultfs.Call{{Op: faultfs.Create, Path: "f"}, {Op: faultfs.Write, Path: "f"}, {Op: faultfs.Fsync, Path: "f"}}
	if !slices.Equal(got, want) {
		t.Errorf("calls: %v", got)
	}
	if _, err := os.Stat(filepath.Join(m.Dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
