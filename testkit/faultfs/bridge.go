package faultfs

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// never is how long the kernel may keep names and attributes: nobody changes them but through it.
const never = 24 * time.Hour

// bridge answers the kernel for one mount. Once the power has gone it answers everything with EIO.
type bridge struct {
	fuse.RawFileSystem
	d     *Disk
	age   int
	nodes map[uint64]*node // what the kernel knows, by inode number; 1 is the root
	dirs  map[uint64][]fuse.DirEntry
	next  uint64 // the last handle of an open directory
}

type node struct {
	*inode
	lookups uint64
}

// newBridge begins a mount. The disk's lock is held.
func newBridge(d *Disk) *bridge {
	return &bridge{RawFileSystem: fuse.NewDefaultRawFileSystem(), d: d, age: d.age,
		nodes: map[uint64]*node{fuse.FUSE_ROOT_ID: {d.root, 1}}, dirs: map[uint64][]fuse.DirEntry{}}
}

// String names the file system in the library's messages.
func (b *bridge) String() string { return "faultfs" }

// get locks the disk and finds what the kernel means. Only with OK the lock is held.
func (b *bridge) get(id uint64) (*inode, fuse.Status) {
	if !b.d.enter(b.age) {
		b.d.mu.Unlock()
		return nil, fuse.EIO
	}
	n := b.nodes[id]
	if n == nil {
		b.d.mu.Unlock()
		return nil, fuse.Status(syscall.ESTALE)
	}
	return n.inode, fuse.OK
}

// begin is get for a call that can be made to fail; name is of an entry in the directory id, or "".
func (b *bridge) begin(op Op, id uint64, name string) (*inode, Rule, fuse.Status) {
	n, st := b.get(id)
	if st != fuse.OK {
		return nil, Rule{}, st
	}
	c := Call{Op: op, Path: n.path()}
	if name != "" {
		c.Path = under(n, name)
	}
	b.d.mu.Unlock()
	r, struck := b.d.faults.befall(c)
	if struck && r.Short == 0 {
		return nil, r, fuse.Status(r.Err)
	}
	n, st = b.get(id)
	return n, r, st
}

// entry tells the kernel of a file, which it then knows.
func (b *bridge) entry(n *inode, out *fuse.EntryOut) {
	known := b.nodes[n.number]
	if known == nil {
		known = &node{inode: n}
		b.nodes[n.number] = known
	}
	known.lookups++
	out.NodeId = n.number
	out.SetEntryTimeout(never)
	out.SetAttrTimeout(never)
	attributes(n, &out.Attr)
}

func attributes(n *inode, a *fuse.Attr) {
	a.Ino, a.Mode, a.Size = n.number, n.mode, uint64(len(n.data))
	a.Blocks, a.Blksize, a.Nlink = (a.Size+511)/512, 4096, 1
	if n.gone {
		a.Nlink = 0
	}
	a.SetTimes(&n.changed, &n.changed, &n.changed)
}

func (b *bridge) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	dir, st := b.get(h.NodeId)
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	n := dir.entries[name]
	if n == nil {
		return fuse.ENOENT
	}
	b.entry(n, out)
	return fuse.OK
}

func (b *bridge) Forget(id, times uint64) {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if n := b.nodes[id]; n != nil && id != fuse.FUSE_ROOT_ID {
		n.lookups -= min(times, n.lookups)
		if n.lookups == 0 {
			delete(b.nodes, id)
		}
	}
}

func (b *bridge) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, st := b.get(in.NodeId)
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	out.SetTimeout(never)
	attributes(n, &out.Attr)
	return fuse.OK
}

func (b *bridge) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	var n *inode
	var st fuse.Status
	size, resize := in.GetSize()
	if resize {
		n, _, st = b.begin(Truncate, in.NodeId, "")
	} else {
		n, st = b.get(in.NodeId)
	}
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	if mode, ok := in.GetMode(); ok {
		n.mode = n.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
	}
	if resize {
		if !b.d.room(int64(size) - int64(len(n.data))) {
			return fuse.Status(syscall.ENOSPC)
		}
		b.d.resize(n, int64(size))
	}
	if t, ok := in.GetMTime(); ok {
		n.changed = t
	}
	out.SetTimeout(never)
	attributes(n, &out.Attr)
	return fuse.OK
}

func (b *bridge) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	return b.create(Create, in.NodeId, name, in.Mode, out)
}

func (b *bridge) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return b.create(Mkdir, in.NodeId, name, in.Mode|syscall.S_IFDIR, out)
}

func (b *bridge) create(op Op, dir uint64, name string, mode uint32, out *fuse.EntryOut) fuse.Status {
	at, _, st := b.begin(op, dir, name)
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	n, err := b.d.create(at, name, mode)
	if err != 0 {
		return fuse.Status(err)
	}
	b.entry(n, out)
	return fuse.OK
}

func (b *bridge) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if st := b.create(Create, in.NodeId, name, in.Mode&^syscall.S_IFMT|syscall.S_IFREG, &out.EntryOut); st != fuse.OK {
		return st
	}
	n, st := b.get(out.NodeId)
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	n.handles++
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (b *bridge) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return b.remove(h, name, false)
}

func (b *bridge) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return b.remove(h, name, true)
}

func (b *bridge) remove(h *fuse.InHeader, name string, directory bool) fuse.Status {
	dir, _, st := b.begin(Unlink, h.NodeId, name)
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	return fuse.Status(b.d.remove(dir, name, directory))
}

func (b *bridge) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	const noReplace = 1
	if in.Flags&^noReplace != 0 {
		return fuse.EINVAL
	}
	dir, _, st := b.begin(Rename, in.NodeId, oldName)
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	to := b.nodes[in.Newdir]
	if to == nil {
		return fuse.Status(syscall.ESTALE)
	}
	return fuse.Status(b.d.move(dir, oldName, to.inode, newName, in.Flags != 0))
}

func (b *bridge) Access(_ <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	_, st := b.get(in.NodeId)
	if st == fuse.OK {
		b.d.mu.Unlock()
	}
	return st
}

func (b *bridge) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	dir, _, st := b.begin(List, in.NodeId, "")
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	var list []fuse.DirEntry
	for i, name := range dir.list() {
		n := dir.entries[name]
		list = append(list, fuse.DirEntry{Name: name, Ino: n.number, Mode: n.mode, Off: uint64(i) + 1})
	}
	b.next++
	b.dirs[b.next] = list
	out.Fh = b.next
	return fuse.OK
}

func (b *bridge) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	_, st := b.get(in.NodeId)
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	list := b.dirs[in.Fh]
	for _, e := range list[min(in.Offset, uint64(len(list))):] {
		if !out.AddDirEntry(e) {
			break
		}
	}
	return fuse.OK
}

func (b *bridge) ReleaseDir(in *fuse.ReleaseIn) {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	delete(b.dirs, in.Fh)
}

func (b *bridge) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	dir, _, st := b.begin(Fsync, in.NodeId, "")
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	b.d.syncNames(dir)
	return fuse.OK
}

func (b *bridge) StatFs(_ <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if _, st := b.get(h.NodeId); st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	total := b.d.space
	if total == 0 {
		total = 1 << 40
	}
	const block = 4096
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Blocks = uint64(total / block)
	out.Bfree = uint64(max(0, total-b.d.used) / block)
	out.Bavail, out.Files, out.Ffree = out.Bfree, 1<<20, 1<<20
	return fuse.OK
}
