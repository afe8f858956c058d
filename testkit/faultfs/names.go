package faultfs

import (
	"syscall"
	"time"
)

func now() time.Time { return time.Now() }

// change is one name that leads elsewhere than before; nil is nowhere.
type change struct {
	dir      *inode
	name     string
	from, to *inode
}

// nameOp is one call's changes of names, which happen together.
type nameOp struct {
	seq     uint64
	changes []change
}

// apply makes the change in what is synced.
func (op *nameOp) apply() {
	for _, c := range op.changes {
		if c.to == nil {
			delete(c.dir.synced, c.name)
		} else {
			c.dir.synced[c.name] = c.to
		}
	}
}

// place is a name in a directory.
type place struct {
	dir  *inode
	name string
}

// bonds are the names and files of some changes: a change that shares one with them is ordered with them.
type bonds struct {
	places map[place]bool
	files  map[*inode]bool
}

func newBonds() bonds { return bonds{map[place]bool{}, map[*inode]bool{}} }

func (b bonds) add(op *nameOp) {
	for _, c := range op.changes {
		b.places[place{c.dir, c.name}] = true
		for _, n := range []*inode{c.from, c.to} {
			if n != nil {
				b.files[n] = true
			}
		}
	}
}

func (b bonds) touch(op *nameOp) bool {
	for _, c := range op.changes {
		if b.places[place{c.dir, c.name}] || c.from != nil && b.files[c.from] || c.to != nil && b.files[c.to] {
			return true
		}
	}
	return false
}

// rename notes changes of names, which must be possible, and makes them.
func (d *Disk) rename(changes ...change) {
	d.names = append(d.names, &nameOp{seq: d.tick(), changes: changes})
	for _, c := range changes {
		c.dir.changed = now()
		if c.to == nil {
			delete(c.dir.entries, c.name)
			continue
		}
		c.dir.entries[c.name] = c.to
		c.to.parent, c.to.name, c.to.gone = c.dir, c.name, false
	}
	for _, c := range changes { // what lost its only name
		if c.from != nil && (c.from.parent.entries[c.from.name] != c.from) {
			c.from.gone = true
			d.drop(c.from)
		}
	}
}

// syncNames makes a directory's names durable, with the changes that they follow from.
func (d *Disk) syncNames(dir *inode) {
	if d.opt.Lenient {
		d.syncAllNames()
		return
	}
	b := newBonds()
	chosen := make([]bool, len(d.names))
	for i := len(d.names) - 1; i >= 0; i-- {
		op := d.names[i]
		for _, c := range op.changes {
			chosen[i] = chosen[i] || c.dir == dir
		}
		if chosen[i] = chosen[i] || b.touch(op); chosen[i] {
			b.add(op)
		}
	}
	var rest []*nameOp
	for i, op := range d.names {
		if chosen[i] {
			op.apply()
		} else {
			rest = append(rest, op)
		}
	}
	d.names = rest
}

func (d *Disk) syncAllNames() {
	for _, op := range d.names {
		op.apply()
	}
	d.names = nil
}

// create makes a file or a directory under a name that is free.
func (d *Disk) create(dir *inode, name string, mode uint32) (*inode, syscall.Errno) {
	switch {
	case dir.entries[name] != nil:
		return nil, syscall.EEXIST
	case dir.gone:
		return nil, syscall.ENOENT
	}
	n := d.newInode(mode)
	d.rename(change{dir: dir, name: name, to: n})
	return n, 0
}

// remove takes a name away.
func (d *Disk) remove(dir *inode, name string, directory bool) syscall.Errno {
	n := dir.entries[name]
	switch {
	case n == nil:
		return syscall.ENOENT
	case directory && !n.isDir():
		return syscall.ENOTDIR
	case !directory && n.isDir():
		return syscall.EISDIR
	case len(n.entries) > 0:
		return syscall.ENOTEMPTY
	}
	d.rename(change{dir: dir, name: name, from: n})
	return 0
}

// move gives a file another name, in place of what had it.
func (d *Disk) move(dir *inode, name string, to *inode, newName string, keep bool) syscall.Errno {
	n, old := dir.entries[name], to.entries[newName]
	switch {
	case n == nil:
		return syscall.ENOENT
	case n == old:
		return 0
	case old != nil && keep:
		return syscall.EEXIST
	case old != nil && old.isDir() && !n.isDir():
		return syscall.EISDIR
	case old != nil && !old.isDir() && n.isDir():
		return syscall.ENOTDIR
	case old != nil && len(old.entries) > 0:
		return syscall.ENOTEMPTY
	}
	for up := to; up != nil; up = up.parent {
		if up == n {
			return syscall.EINVAL
		}
	}
	d.rename(change{dir: dir, name: name, from: n}, change{dir: to, name: newName, from: old, to: n})
	return 0
}
