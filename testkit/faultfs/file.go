package faultfs

// fate is what a sync has done for a change of a file.
type fate int

const (
	pending fate = iota
	synced       // kept in the list only because it lies over one that a failed sync left behind
	doomed       // a sync of it failed: no later sync makes it durable
)

// fileOp is a change of a file's octets or length, with what is needed to undo it.
type fileOp struct {
	seq    uint64
	cut    bool // it sets the length; else it writes
	off    int64
	data   []byte // what was written
	old    []byte // what was there: under data, or behind the new end
	before int64  // lengths
	after  int64
	state  fate
}

// write puts octets into a file.
func (d *Disk) write(n *inode, off int64, data []byte) {
	if len(data) == 0 {
		return
	}
	end := off + int64(len(data))
	op := &fileOp{seq: d.tick(), off: off, data: append([]byte(nil), data...), before: int64(len(n.data))}
	if off < op.before {
		op.old = append([]byte(nil), n.data[off:min(end, op.before)]...)
	}
	n.data = extend(n.data, end)
	copy(n.data[off:], data)
	op.after = int64(len(n.data))
	d.used += op.after - op.before
	n.unsynced = append(n.unsynced, op)
	n.changed = now()
}

// resize sets a file's length.
func (d *Disk) resize(n *inode, size int64) {
	before := int64(len(n.data))
	if size == before {
		return
	}
	op := &fileOp{seq: d.tick(), cut: true, off: size, before: before, after: size}
	if size < before {
		op.old = append([]byte(nil), n.data[size:]...)
		n.data = n.data[:size]
	} else {
		n.data = extend(n.data, size)
	}
	d.used += size - before
	n.unsynced = append(n.unsynced, op)
	n.changed = now()
}

// extend gives at least size octets; new ones are zero.
func extend(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b
	}
	if size <= int64(cap(b)) {
		n := len(b)
		b = b[:size]
		clear(b[n:])
		return b
	}
	grown := make([]byte, size, max(size, 2*int64(len(b))))
	copy(grown, b)
	return grown
}

// syncFile makes a file's octets and length durable.
func (d *Disk) syncFile(n *inode) {
	if d.opt.Lenient {
		d.syncAllNames()
	}
	left := false
	for _, op := range n.unsynced {
		left = left || op.state == doomed
	}
	if !left {
		n.unsynced = nil
		return
	}
	for _, op := range n.unsynced {
		if op.state == pending {
			op.state = synced
		}
	}
}

// doom notes that a sync failed.
func (n *inode) doom() {
	for _, op := range n.unsynced {
		if op.state == pending {
			op.state = doomed
		}
	}
}

// undone is a file without its unsynced changes, in memory of its own.
func (n *inode) undone() []byte {
	b := append([]byte(nil), n.data...)
	for i := len(n.unsynced) - 1; i >= 0; i-- {
		op := n.unsynced[i]
		if op.cut && op.before > op.after {
			b = append(b[:op.after], op.old...)
			continue
		}
		b = b[:op.before]
		if !op.cut {
			copy(b[min(op.off, op.before):], op.old)
		}
	}
	return b
}
