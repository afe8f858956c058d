package faultfs

import (
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Op is a sort of call.
type Op string

// The calls that rules can name and Record tells.
const (
	Open      Op = "open"
	Create    Op = "create" // of files and sockets
	Mkdir     Op = "mkdir"
	Rename    Op = "rename"
	Unlink    Op = "unlink" // and rmdir
	Truncate  Op = "truncate"
	Fallocate Op = "fallocate"
	Read      Op = "read" // also for a mapping; what the kernel still has in its cache it does not ask for
	Write     Op = "write"
	Fsync     Op = "fsync" // of files and directories
	Fdatasync Op = "fdatasync"
	List      Op = "list" // reading a directory
)

// Call is a call that was made.
type Call struct {
	Op   Op
	Path string // from the root; "" is the root. For Rename, the old name.
}

// Rule names calls and what becomes of them.
type Rule struct {
	Op   Op     // "" is any
	Path string // a pattern as for path.Match, of the whole path or, without a slash, of its last part; "" is any
	Nth  int    // the first call that is struck, counted from 1 among those that match; 0 is 1
	Ever bool   // every later one too
	Err  syscall.Errno
	// Short lets a write take at most so many octets; with Err 0 the caller is told how many.
	Short int
}

func (r *Rule) matches(c Call) bool {
	if r.Op != "" && r.Op != c.Op {
		return false
	}
	if r.Path == "" {
		return true
	}
	name := c.Path
	if !strings.Contains(r.Path, "/") {
		name = path.Base(c.Path)
	}
	ok, err := path.Match(r.Path, name)
	return ok && err == nil
}

// Fault is a rule in force.
type Fault struct {
	mu   sync.Mutex
	rule Rule
	seen int
	hits int
	over bool
}

// Hits is how many calls it has struck.
func (f *Fault) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// End takes the rule back.
func (f *Fault) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}

func (f *Fault) strikes(c Call) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || !f.rule.matches(c) {
		return false
	}
	f.seen++
	if f.seen != max(1, f.rule.Nth) && !(f.rule.Ever && f.seen > f.rule.Nth) {
		return false
	}
	f.hits++
	return true
}

// faults is what befalls calls.
type faults struct {
	mu          sync.Mutex
	rules       []*Fault
	write, sync time.Duration
	record      bool
	calls       []Call
}

// Fail puts a rule into force, for this disk and until its End, power losses included.
func (d *Disk) Fail(r Rule) *Fault {
	f := &Fault{rule: r}
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.rules = append(d.faults.rules, f)
	return f
}

// Slow makes each write and each sync take at least so long.
func (d *Disk) Slow(write, sync time.Duration) {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.write, d.faults.sync = write, sync
}

// Record begins to note calls, anew.
func (d *Disk) Record() {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.record, d.faults.calls = true, nil
}

// Calls ends Record and gives what was noted.
func (d *Disk) Calls() []Call {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.record = false
	return d.faults.calls
}

// befall notes a call, delays it, and says which rule strikes it.
func (f *faults) befall(c Call) (Rule, bool) {
	f.mu.Lock()
	if f.record {
		f.calls = append(f.calls, c)
	}
	var struck *Fault
	kept := f.rules[:0]
	for _, r := range f.rules {
		if struck == nil && r.strikes(c) {
			struck = r
		}
		if !r.ended() {
			kept = append(kept, r)
		}
	}
	f.rules = kept
	delay := time.Duration(0)
	switch c.Op {
	case Write:
		delay = f.write
	case Fsync, Fdatasync:
		delay = f.sync
	}
	f.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		<-timer.C
	}
	if struck == nil {
		return Rule{}, false
	}
	return struck.rule, true
}

func (f *Fault) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over
}
