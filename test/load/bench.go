package load

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say how a bench runs.
type Options struct {
	Rounds       int
	Quick        bool           // everything very small: shows that it works, and nothing else
	Root         string         // where the systems keep their mail: a directory on the disk that is to be measured
	DovecotFsync string         // Dovecot's mail_fsync
	Cases        *regexp.Regexp // measures only cases whose name it matches; nil is all
	Keep         bool           // leaves the directory of the run
	Binary       string         // the program postrider; "" builds it from the source
	Note         string         // a sentence for the report
	Log          io.Writer
}

// Bench is one run. Make it with New and end it with Close.
type Bench struct {
	Options
	Bin       string // the programs under test
	Cert, Key string // PEM files, the same for all systems

	mu      sync.Mutex
	dirs    int
	samples Samples
}

// New makes a directory for the run below Options.Root, builds the programs and makes a certificate.
func New(ctx context.Context, o Options) (*Bench, error) {
	root, err := os.MkdirTemp(o.Root, "prload-")
	if err != nil {
		return nil, err
	}
	o.Root = root
	b := &Bench{Options: o, Bin: filepath.Join(root, "bin")}
	if err := b.prepare(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bench) prepare(ctx context.Context) error {
	if err := os.Chmod(b.Root, 0o755); err != nil { // Postfix and Dovecot drop their privileges
		return err
	}
	if err := os.Mkdir(b.Bin, 0o755); err != nil {
		return err
	}
	const module = "github.com/postrider/postrider"
	argv := []string{"build", "-o", b.Bin + "/", module + "/test/load/null"}
	if b.Binary == "" {
		argv = append(argv, module+"/cmd/postrider")
	} else {
		path, err := filepath.Abs(b.Binary)
		if err != nil {
			return err
		}
		if err := os.Symlink(path, filepath.Join(b.Bin, "postrider")); err != nil {
			return err
		}
	}
	build := exec.CommandContext(ctx, "go", argv...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the programs do not build: %w\n%s", err, out)
	}
	var err error
	b.Cert, b.Key, err = makeCertificate(b.Root)
	return err
}

// Close removes the directory of the run.
func (b *Bench) Close() {
	if b.Keep {
		b.say("kept %s", b.Root)
		return
	}
	os.RemoveAll(b.Root)
}

// Dir makes a directory for one system.
func (b *Bench) Dir(name string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirs++
	dir := filepath.Join(b.Root, fmt.Sprintf("%s-%d", name, b.dirs))
	return dir, os.Mkdir(dir, 0o755)
}

// Samples are what was measured so far.
func (b *Bench) Samples() Samples {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.samples)
}

// add keeps a sample and tells of it.
func (b *Bench) add(s Sample) {
	b.mu.Lock()
	b.samples = append(b.samples, s)
	b.mu.Unlock()
	var values []string
	for _, m := range []string{Rate, CPU, Memory, Wall, P50, P99, Read50, Read99, PerIdler} {
		if v, ok := s.Values[m]; ok {
			values = append(values, fmt.Sprintf("%s %s", m, number(v)))
		}
	}
	b.say("%-10s %-44s round %d  %-18s %s", s.Work, s.Case, s.Round+1, s.System, strings.Join(values, ", "))
}

// say writes a line of progress.
func (b *Bench) say(format string, args ...any) {
	fmt.Fprintf(b.Log, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// wants tells whether a case is to be measured.
func (b *Bench) wants(kase string) bool { return b.Cases == nil || b.Cases.MatchString(kase) }

// pick gives the small number in a quick run.
func (b *Bench) pick(quick, full int) int {
	if b.Quick {
		return quick
	}
	return full
}

// fleet starts systems with the same accounts; close stops them all.
func fleet(ctx context.Context, accounts []string, rigs ...Rig) (close func(), err error) {
	close = func() {
		for _, r := range rigs {
			r.Stop()
		}
	}
	for _, r := range rigs {
		if err = r.Start(ctx); err == nil {
			err = r.AddAccounts(ctx, accounts)
		}
		if err != nil {
			close()
			return func() {}, fmt.Errorf("%s: %w", r.Name(), err)
		}
	}
	return close, nil
}

// both prepares Postrider and its peers.
func both(b *Bench, spec Spec) ([]Rig, error) {
	ours, err := NewPostrider(b, spec)
	if err != nil {
		return nil, err
	}
	theirs, err := NewPeers(b, spec)
	if err != nil {
		return nil, err
	}
	return []Rig{ours, theirs}, nil
}

// measure runs units of work against a system and adds a sample with rate, CPU and memory, and more that work puts into the
// map. The clock stops when work returns; CPU is counted until the system has come to rest, so that nothing put off is free.
func (b *Bench) measure(ctx context.Context, r Rig, s Sample, units int, work func(values map[string]float64) error) error {
	s.System, s.Values = r.Name(), map[string]float64{}
	r.ResetPeak()
	before, err := r.Usage()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := work(s.Values); err != nil {
		return fmt.Errorf("%s: %s, %s: %w", r.Name(), s.Work, s.Case, err)
	}
	wall := time.Since(begin)
	after, err := rest(ctx, r)
	if err != nil {
		return err
	}
	if units > 0 {
		s.Values[Rate] = float64(units) / wall.Seconds()
		s.Values[CPU] = float64((after.CPU - before.CPU).Microseconds()) / 1e3 / float64(units)
	}
	s.Values[Memory] = float64(after.Peak) / (1 << 20)
	b.add(s)
	return nil
}

// rest waits until a system is at rest, for ten seconds at most, and gives its usage.
func rest(ctx context.Context, r Rig) (Usage, error) {
	last, err := r.Usage()
	for range 50 {
		if err != nil {
			return last, err
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		var now Usage
		if now, err = r.Usage(); err == nil && now.CPU-last.CPU <= clockTick {
			return now, nil
		}
		last = now
	}
	return last, err
}
