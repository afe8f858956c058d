package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Usage is what the processes of a system have used.
type Usage struct {
	CPU  time.Duration // user and system time, that of ended children included
	Peak int64         // octets of memory at the peak since ResetPeak
	Now  int64         // octets of memory now
}

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// stat is one process as /proc shows it.
type stat struct {
	pid, parent int
	cpu         time.Duration // its own and that of the children it has waited for
}

// readStat reads /proc/PID/stat; the name in parentheses may hold anything.
func readStat(text []byte) (stat, error) {
	end := bytes.LastIndexByte(text, ')')
	open := bytes.IndexByte(text, '(')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("no name in %q", text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("only %d fields in %q", len(fields), text)
	}
	var s stat
	var err error
	if s.pid, err = strconv.Atoi(strings.TrimSpace(string(text[:open]))); err != nil {
		return stat{}, err
	}
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return stat{}, err
	}
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return stat{}, err
		}
		s.cpu += time.Duration(ticks) * clockTick
	}
	return s, nil
}

// tree lists the processes with these ids and all that descend from them. Those that end meanwhile are left out.
func tree(roots []int) []stat {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // a bad pattern, which this one is not
	}
	children := map[int][]stat{}
	all := map[int]stat{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if s, err := readStat(text); err == nil {
			all[s.pid] = s
			children[s.parent] = append(children[s.parent], s)
		}
	}
	var found []stat
	for _, root := range roots {
		if s, ok := all[root]; ok {
			found = append(found, s)
		}
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found
}

// memory is the sum of what processes hold, a page that n of them share counted 1/n for each.
func memory(processes []stat) int64 {
	var sum int64
	for _, s := range processes {
		sum += kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", s.pid), "Pss:") << 10
	}
	return sum
}

// kilobytes reads a line "key N kB" of a file in /proc; 0 when it is not there.
func kilobytes(path, key string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// meter watches the process trees of one system. One process alone has its peak read from the kernel, exactly; of several
// the sum is sampled, and never so often that watching costs more than a twentieth of one processor.
type meter struct {
	roots []int
	stop  chan struct{}
	done  sync.WaitGroup

	mu   sync.Mutex
	peak int64
}

func newMeter(roots ...int) *meter {
	m := &meter{roots: roots, stop: make(chan struct{})}
	m.done.Add(1)
	go m.watch()
	return m
}

func (m *meter) watch() {
	defer m.done.Done()
	for {
		begin := time.Now()
		if processes := tree(m.roots); len(processes) > 1 {
			now := memory(processes)
			m.mu.Lock()
			m.peak = max(m.peak, now)
			m.mu.Unlock()
		}
		select {
		case <-m.stop:
			return
		case <-time.After(max(250*time.Millisecond, 20*time.Since(begin))):
		}
	}
}

func (m *meter) close() {
	if m != nil {
		close(m.stop)
		m.done.Wait()
	}
}

func (m *meter) usage() (Usage, error) {
	processes := tree(m.roots)
	if len(processes) < len(m.roots) {
		return Usage{}, fmt.Errorf("of the processes %v some have ended", m.roots)
	}
	var u Usage
	for _, s := range processes {
		u.CPU += s.cpu
	}
	u.Now = memory(processes)
	if len(processes) == 1 {
		u.Peak = kilobytes(fmt.Sprintf("/proc/%d/status", processes[0].pid), "VmHWM:") << 10
		return u, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peak = max(m.peak, u.Now)
	u.Peak = m.peak
	return u, nil
}

func (m *meter) reset() {
	for _, root := range m.roots {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", root), []byte("5"), 0) // the peak then stays that of the whole life
	}
	m.mu.Lock()
	m.peak = 0
	m.mu.Unlock()
}
