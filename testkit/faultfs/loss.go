package faultfs

import (
	"fmt"
	"math/rand/v2"
)

// Manner is how a power loss chooses among what was not synced.
type Manner int

// The manners. A seed draws one of them.
const (
	Nothing Manner = iota // all of it is lost
	All                   // none of it is lost
	Until                 // what was done until one moment is kept, the write at that moment torn
	Some                  // any part is kept
	manners
)

// String is the manner's name.
func (m Manner) String() string { return [...]string{"nothing", "all", "until", "some"}[m] }

// Loss tells what a power loss did.
type Loss struct {
	Manner Manner
	// Writes and Names are how many unsynced changes there were, and LostWrites and LostNames how many of them are gone,
	// in whole or in part.
	Writes, Names, LostWrites, LostNames int
}

// String is one line for a test's log.
func (l Loss) String() string {
	return fmt.Sprintf("kept %s: %d of %d writes and %d of %d names lost", l.Manner, l.LostWrites, l.Writes, l.LostNames, l.Names)
}

// choice draws what is kept.
type choice struct {
	Manner
	rng    *rand.Rand
	moment uint64  // of Until
	share  float64 // of Some
	sector int64
	noise  bool
	whole  bool // a new length comes only with its octets
}

// keep decides about a change, or a sector of one.
func (c *choice) keep(seq uint64) bool {
	switch c.Manner {
	case All:
		return true
	case Until:
		return seq < c.moment || seq == c.moment && c.rng.IntN(2) == 0
	case Some:
		return c.rng.Float64() < c.share
	}
	return false
}

// lose takes power away: what is unsynced is kept or lost as the seed chooses, and everything that is left is new.
func (d *Disk) lose(seed uint64) Loss {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	c := &choice{Manner: Manner(rng.IntN(int(manners))), rng: rng, sector: int64(d.opt.Sector), whole: d.opt.Lenient}
	c.share = []float64{0.05, 0.5, 0.95}[rng.IntN(3)]
	c.noise = !d.opt.Lenient && rng.IntN(2) == 0
	first := d.seq + 1
	d.walk(d.root, map[*inode]bool{}, func(n *inode) {
		if len(n.unsynced) > 0 {
			first = min(first, n.unsynced[0].seq)
		}
	})
	if len(d.names) > 0 {
		first = min(first, d.names[0].seq)
	}
	c.moment = first + rng.Uint64N(d.seq+2-first)

	l := Loss{Manner: c.Manner, Names: len(d.names)}
	l.LostNames = d.loseNames(c)
	d.names = nil
	old := d.root
	d.root = d.survivor(old, c, &l, map[*inode]*inode{})
	d.used = 0
	d.walk(d.root, map[*inode]bool{}, func(n *inode) { d.used += int64(len(n.data)) })
	d.age++
	d.cut = false
	close(d.thaw)
	d.thaw = make(chan struct{})
	return l
}

// loseNames applies the changes of names that are kept.
func (d *Disk) loseNames(c *choice) (lost int) {
	missing := newBonds()
	for _, op := range d.names {
		keep := c.keep(op.seq) && !missing.touch(op)
		if d.opt.Lenient {
			keep = c.keep(op.seq) && lost == 0
		}
		if keep {
			op.apply()
			continue
		}
		lost++
		missing.add(op)
	}
	return lost
}

// survivor copies what is synced of a file or directory.
func (d *Disk) survivor(n *inode, c *choice, l *Loss, done map[*inode]*inode) *inode {
	if s := done[n]; s != nil {
		return s
	}
	s := &inode{number: n.number, mode: n.mode, changed: n.changed}
	done[n] = s
	if !n.isDir() {
		s.data = c.file(n, l)
		return s
	}
	s.entries, s.synced = map[string]*inode{}, map[string]*inode{}
	for _, name := range sorted(n.synced) {
		child := d.survivor(n.synced[name], c, l, done)
		child.parent, child.name = s, name
		s.entries[name], s.synced[name] = child, child
	}
	return s
}

// file is what is left of a file.
func (c *choice) file(n *inode, l *Loss) []byte {
	r := replay{c: c, b: n.undone()}
	r.size = int64(len(r.b))
	cutAt := c.firstLostCut(n.unsynced)
	for i, op := range n.unsynced {
		switch {
		case op.state == synced:
			r.whole(op)
			continue
		case i == cutAt:
			// From here on only octets that lie where nothing was cut can have arrived.
			r.low = lowest(n.unsynced[i:], r.size)
			r.frozen = true
			fallthrough
		case op.cut && r.frozen:
			l.LostWrites++
		case op.cut:
			r.whole(op)
		case !r.write(op):
			l.LostWrites++
		}
		l.Writes++
	}
	return extend(r.b, r.size)[:r.size]
}

// firstLostCut chooses the first truncate that did not happen; those after it did not either.
func (c *choice) firstLostCut(ops []*fileOp) int {
	for i, op := range ops {
		if op.cut && op.state != synced && !(c.keep(op.seq) && (op.state == pending || c.rng.IntN(10) == 0)) {
			return i
		}
	}
	return -1
}

// lowest is the least length among a file's and those that the truncates set.
func lowest(ops []*fileOp, size int64) int64 {
	for _, op := range ops {
		if op.cut {
			size = min(size, op.after)
		}
	}
	return size
}

// replay puts changes back onto a file.
type replay struct {
	c      *choice
	b      []byte
	size   int64
	frozen bool
	low    int64
}

// whole does a change without loss.
func (r *replay) whole(op *fileOp) {
	if !op.cut {
		end := op.off + int64(len(op.data))
		r.b = extend(r.b, end)
		copy(r.b[op.off:], op.data)
		r.size = max(r.size, end)
		return
	}
	r.b = extend(r.b, op.after)
	r.size = op.after
	if op.after < op.before {
		r.b = r.b[:op.after]
	}
}

// write does a write, or parts of it, and reports whether all of it is there.
func (r *replay) write(op *fileOp) bool {
	end := op.off + int64(len(op.data))
	complete := true
	for at := op.off; at < end; {
		to := min(end, (at/r.c.sector+1)*r.c.sector)
		keep := r.c.keep(op.seq) && (op.state == pending || r.c.rng.IntN(10) == 0) && (!r.frozen || to <= r.low)
		complete = complete && keep
		have := int64(len(r.b))
		switch {
		case keep:
			r.b = extend(r.b, to)
			copy(r.b[at:to], op.data[at-op.off:])
		case to > have && !r.frozen:
			r.b = extend(r.b, to)
			if r.c.noise {
				for i := max(at, have); i < to; i++ {
					r.b[i] = byte(r.c.rng.Uint32())
				}
			}
		}
		at = to
	}
	if end > r.size && !r.frozen && (complete || !r.c.whole && op.state == pending && r.c.keep(op.seq)) {
		r.size = end
	}
	return complete
}
