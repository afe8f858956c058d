package faultfs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func (b *bridge) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, _, st := b.begin(Open, in.NodeId, "")
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	if n.isDir() {
		return fuse.Status(syscall.EISDIR)
	}
	if in.Flags&syscall.O_TRUNC != 0 {
		b.d.resize(n, 0)
	}
	n.handles++
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE // which also lets the file be mapped
	return fuse.OK
}

func (b *bridge) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, _, st := b.begin(Read, in.NodeId, "")
	if st != fuse.OK {
		return nil, st
	}
	defer b.d.mu.Unlock()
	size := copy(buf[:min(len(buf), int(in.Size))], n.data[min(in.Offset, uint64(len(n.data))):])
	return fuse.ReadResultData(buf[:size]), fuse.OK
}

func (b *bridge) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, r, st := b.begin(Write, in.NodeId, "")
	if st != fuse.OK {
		return 0, st
	}
	defer b.d.mu.Unlock()
	if r.Short > 0 {
		data = data[:min(len(data), r.Short)]
	}
	if !b.d.room(int64(in.Offset) + int64(len(data)) - int64(len(n.data))) {
		return 0, fuse.Status(syscall.ENOSPC)
	}
	b.d.write(n, int64(in.Offset), data)
	if r.Short > 0 && r.Err != 0 {
		return 0, fuse.Status(r.Err)
	}
	return uint32(len(data)), fuse.OK
}

func (b *bridge) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (b *bridge) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if n := b.nodes[in.NodeId]; n != nil && n.handles > 0 && b.age == b.d.age {
		n.handles--
		b.d.drop(n.inode)
	}
}

func (b *bridge) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	op := Fsync
	if in.FsyncFlags&1 != 0 {
		op = Fdatasync
	}
	n, r, st := b.begin(op, in.NodeId, "")
	if r.Err != 0 && st == fuse.Status(r.Err) {
		if n, got := b.get(in.NodeId); got == fuse.OK {
			n.doom()
			b.d.mu.Unlock()
		}
	}
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	b.d.syncFile(n)
	return fuse.OK
}

func (b *bridge) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	n, _, st := b.begin(Fallocate, in.NodeId, "")
	if st != fuse.OK {
		return st
	}
	defer b.d.mu.Unlock()
	const keepSize = 1
	end := int64(in.Offset + in.Length)
	switch {
	case in.Mode&^keepSize != 0:
		return fuse.Status(syscall.EOPNOTSUPP)
	case !b.d.room(end - int64(len(n.data))):
		return fuse.Status(syscall.ENOSPC)
	case in.Mode == 0 && end > int64(len(n.data)):
		b.d.resize(n, end)
	}
	return fuse.OK
}
