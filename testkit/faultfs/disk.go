package faultfs

import (
	"cmp"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Options choose the model.
type Options struct {
	Lenient bool // the order and the side effects of ext4, in place of the little that POSIX promises
	Sector  int  // where writes tear: octets, a power of two; 0: 512
}

// Disk is what is on the disk and what is about to be. Its methods are safe for concurrent use.
type Disk struct {
	opt Options

	mu      sync.Mutex
	root    *inode
	numbers uint64    // the last inode number given out
	seq     uint64    // orders all unsynced changes
	names   []*nameOp // unsynced changes of names, in order
	used    int64     // octets of all files
	space   int64     // what they may be together; 0: no bound
	age     int       // how many power losses there were
	cut     bool      // no call goes through any more
	thaw    chan struct{}
	faults  faults
}

// New makes an empty disk.
func New(o Options) *Disk {
	o.Sector = cmp.Or(o.Sector, 512)
	d := &Disk{opt: o, thaw: make(chan struct{})}
	d.root = d.newInode(syscall.S_IFDIR | 0o755)
	return d
}

// inode is a file or a directory.
type inode struct {
	number   uint64
	mode     uint32 // with the type
	changed  time.Time
	gone     bool // no name leads to it
	dropped  bool // and nobody has it open
	handles  int
	parent   *inode // of its present name
	name     string
	entries  map[string]*inode // of a directory
	synced   map[string]*inode // the same, as a power loss would leave it without the unsynced changes
	data     []byte            // of a file
	unsynced []*fileOp
}

func (d *Disk) newInode(mode uint32) *inode {
	d.numbers++
	n := &inode{number: d.numbers, mode: mode, changed: time.Now()}
	if n.isDir() {
		n.entries, n.synced = map[string]*inode{}, map[string]*inode{}
	}
	return n
}

func (n *inode) isDir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// path is the present name, or the last one, from the root: "" is the root itself.
func (n *inode) path() string {
	if n.parent == nil {
		return ""
	}
	return under(n.parent, n.name)
}

// under is the path of a name in a directory.
func under(dir *inode, name string) string {
	if p := dir.path(); p != "" {
		return p + "/" + name
	}
	return name
}

// list gives a directory's names in order.
func (n *inode) list() []string {
	names := make([]string, 0, len(n.entries))
	for name := range n.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// tick numbers a change.
func (d *Disk) tick() uint64 {
	d.seq++
	return d.seq
}

// room reports whether the files may grow by so many octets.
func (d *Disk) room(grow int64) bool { return d.space == 0 || grow <= 0 || d.used+grow <= d.space }

// drop forgets the contents of a file that nobody can reach any more, not even after a power loss.
func (d *Disk) drop(n *inode) {
	if n.gone && n.handles == 0 && !n.isDir() && !n.dropped {
		n.dropped = true
		d.used -= int64(len(n.data))
		if !d.mayReturn(n) {
			n.data, n.unsynced = nil, nil
		}
	}
}

// mayReturn reports whether a name leads to the file in what is synced.
func (d *Disk) mayReturn(n *inode) bool {
	for _, op := range d.names {
		for _, c := range op.changes {
			if c.from == n || c.to == n {
				return true
			}
		}
	}
	return false
}

// Used is how many octets all files have together.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Space bounds what all files may hold together, in octets: statfs tells what is left, and a write or allocation past it fails with
// ENOSPC. 0 lifts the bound.
func (d *Disk) Space(octets int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.space = octets
}

// Cut stops the disk as a power loss does: no call that has not ended yet ends before PowerLoss, and then it fails. What is kept of the
// calls that wait is nothing. Whoever makes calls is to be killed between Cut and PowerLoss.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
}

// enter waits while the disk is cut. It returns with the lock held, and false when the power has gone since the
// caller's mount was made.
func (d *Disk) enter(age int) bool {
	d.mu.Lock()
	for d.cut && d.age == age {
		thaw := d.thaw
		d.mu.Unlock()
		<-thaw
		d.mu.Lock()
	}
	return d.age == age
}

// Sync makes everything durable, as sync(2) does.
func (d *Disk) Sync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.walk(d.root, map[*inode]bool{}, func(n *inode) { n.unsynced = nil })
	d.syncAllNames()
}

// Copy is a new disk that holds what a power loss would at least leave of this one. Rules are not copied.
func (d *Disk) Copy() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New(d.opt)
	c.numbers, c.seq, c.space = d.numbers, d.seq, d.space
	c.root = d.survivor(d.root, &choice{sector: int64(d.opt.Sector)}, &Loss{}, map[*inode]*inode{})
	c.walk(c.root, map[*inode]bool{}, func(n *inode) { c.used += int64(len(n.data)) })
	return c
}

// Unsynced counts the changes that a power loss might take.
func (d *Disk) Unsynced() (writes, names int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.walk(d.root, map[*inode]bool{}, func(n *inode) {
		for _, op := range n.unsynced {
			if op.state != synced {
				writes++
			}
		}
	})
	return writes, len(d.names)
}

// walk visits everything that a name leads to, now or after a power loss.
func (d *Disk) walk(n *inode, seen map[*inode]bool, visit func(*inode)) {
	if seen[n] {
		return
	}
	seen[n] = true
	visit(n)
	for _, m := range []map[string]*inode{n.entries, n.synced} {
		for _, name := range sorted(m) {
			d.walk(m[name], seen, visit)
		}
	}
}

func sorted(m map[string]*inode) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
