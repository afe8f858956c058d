package faultfs

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

const regular = 0o100644

func mustCreate(t interface{ Fatal(...any) }, d *Disk, dir *inode, name string) *inode {
	n, err := d.create(dir, name, regular)
	if err != 0 {
		t.Fatal(name, err)
	}
	return n
}

// What is synced survives every seed, whatever came after.
func TestSyncedSurvives(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		d := New(Options{})
		f := mustCreate(t, d, d.root, "a")
		d.write(f, 0, bytes.Repeat([]byte("x"), 3000))
		d.syncFile(f)
		d.syncNames(d.root)
		d.write(f, 3000, bytes.Repeat([]byte("y"), 3000))
		g := mustCreate(t, d, d.root, "b")
		d.write(g, 0, []byte("lost?"))
		d.lose(seed)
		got := d.root.entries["a"]
		if got == nil || !bytes.HasPrefix(got.data, bytes.Repeat([]byte("x"), 3000)) {
			t.Fatalf("seed %d: what was synced is gone", seed)
		}
	}
}

// outcomes collects what different seeds leave of the same calls.
func outcomes(o Options, calls func(*Disk), look func(*Disk) string) map[string]int {
	found := map[string]int{}
	for seed := range uint64(600) {
		d := New(o)
		calls(d)
		d.lose(seed)
		found[look(d)]++
	}
	return found
}

func text(n *inode) string {
	if n == nil {
		return "none"
	}
	return string(n.data)
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	create := func(d *Disk, name string) *inode {
		n, _ := d.create(d.root, name, regular)
		return n
	}
	replace := func(sync bool) func(d *Disk) {
		return func(d *Disk) {
			old := create(d, "f")
			d.write(old, 0, []byte("old"))
			d.syncFile(old)
			d.syncNames(d.root)
			fresh := create(d, "f.new")
			d.write(fresh, 0, []byte("new"))
			if sync {
				d.syncFile(fresh)
			}
			d.move(d.root, "f.new", d.root, "f", false)
		}
	}
	both := func(d *Disk) string { return text(d.root.entries["f"]) + " " + text(d.root.entries["f.new"]) }
	for _, c := range []struct {
		name    string
		o       Options
		calls   func(*Disk)
		look    func(*Disk) string
		allowed []string // each must happen
	}{
		{"a rename is whole or not at all", Options{}, replace(true), both, []string{"old none", "old new", "new none"}},
		{"the name of an unsynced file may come without its octets", Options{Lenient: true}, replace(false), func(d *Disk) string { return text(d.root.entries["f"]) },
			[]string{"old", "", "new"}},
		{"a synced file may lose its name", Options{}, func(d *Disk) {
			f := create(d, "f")
			d.write(f, 0, []byte("1"))
			d.syncFile(f)
		}, both, []string{"none none", "1 none"}},
		{"in the lenient model it may not", Options{Lenient: true}, func(d *Disk) {
			f := create(d, "f")
			d.write(f, 0, []byte("1"))
			d.syncFile(f)
		}, both, []string{"1 none"}},
		{"names in another order", Options{}, func(d *Disk) { create(d, "f"); create(d, "f.new") }, both,
			[]string{"none none", " none", "none ", " "}},
		{"in the lenient model not", Options{Lenient: true}, func(d *Disk) { create(d, "f"); create(d, "f.new") }, both,
			[]string{"none none", " none", " "}},
		{"a truncate", Options{}, func(d *Disk) {
			f := create(d, "f")
			d.write(f, 0, []byte("whole"))
			d.syncFile(f)
			d.syncNames(d.root)
			d.resize(f, 2)
		}, both, []string{"whole none", "wh none"}},
		{"writes in another order", Options{Sector: 2}, func(d *Disk) {
			f := create(d, "f")
			d.write(f, 0, []byte("aabb"))
			d.syncFile(f)
			d.syncNames(d.root)
			d.write(f, 0, []byte("AA"))
			d.write(f, 2, []byte("BB"))
		}, both, []string{"aabb none", "AAbb none", "aaBB none", "AABB none"}},
		{"a torn write", Options{Sector: 2}, func(d *Disk) {
			f := create(d, "f")
			d.write(f, 0, []byte("aabb"))
			d.syncFile(f)
			d.syncNames(d.root)
			d.write(f, 0, []byte("AABB"))
		}, both, []string{"aabb none", "AAbb none", "aaBB none", "AABB none"}},
		{"a failed sync stays failed", Options{}, func(d *Disk) {
			f := create(d, "f")
			d.syncFile(f)
			d.syncNames(d.root)
			d.write(f, 0, []byte("1"))
			f.doom()
			d.syncFile(f)
		}, func(d *Disk) string { return fmt.Sprint(text(d.root.entries["f"]) == "1") }, []string{"false", "true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found := outcomes(c.o, c.calls, c.look)
			for _, a := range c.allowed {
				if found[a] == 0 {
					t.Errorf("it never left %q", a)
				}
				delete(found, a)
			}
			if len(found) > 0 {
				t.Errorf("it left %v", found)
			}
		})
	}
}

// A copy has what is synced; after Sync nothing is lost.
func TestCopyAndSync(t *testing.T) {
	t.Parallel()
	d := New(Options{})
	f := mustCreate(t, d, d.root, "f")
	d.write(f, 0, []byte("old"))
	d.Sync()
	d.write(f, 0, []byte("new"))
	mustCreate(t, d, d.root, "g")
	c := d.Copy()
	if text(c.root.entries["f"]) != "old" || c.root.entries["g"] != nil || c.Used() != 3 {
		t.Errorf("the copy has %v, %q", c.root.list(), text(c.root.entries["f"]))
	}
	for seed := range uint64(20) {
		c := d.Copy()
		n := mustCreate(t, c, c.root, "h")
		c.write(n, 0, []byte("h"))
		c.Sync()
		c.lose(seed)
		if text(c.root.entries["h"]) != "h" {
			t.Errorf("seed %d took what was synced", seed)
		}
	}
	if text(f) != "new" {
		t.Errorf("the copy changed the disk: %q", text(f))
	}
}

// The same seed leaves the same.
func TestSeedRepeats(t *testing.T) {
	t.Parallel()
	leave := func(seed uint64) string {
		d := New(Options{})
		for i := range 40 {
			n := mustCreate(t, d, d.root, fmt.Sprint(i))
			d.write(n, int64(i*100), bytes.Repeat([]byte{byte(i)}, 2000))
			if i%3 == 0 {
				d.syncFile(n)
			}
			if i == 20 {
				d.syncNames(d.root)
			}
		}
		l := d.lose(seed)
		out := l.String()
		for _, name := range d.root.list() {
			out += fmt.Sprintf("%s=%x;", name, d.root.entries[name].data)
		}
		return out
	}
	for seed := range uint64(40) {
		if once, again := leave(seed), leave(seed); once != again {
			t.Errorf("seed %d leaves different things", seed)
		}
	}
}

// watched is a file and every value that each of its octets may have after a power loss.
type watched struct {
	n     *inode
	name  string
	safe  int // its length when it was last synced, or what it was cut to since
	may   []map[byte]bool
	clean bool // nothing unsynced
	named bool // its name is synced, and nothing happened to it since
}

// TestProperty: after any calls, what was synced and not touched is there, and every other octet is one that was there since.
func TestProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := New(Options{Lenient: rapid.Bool().Draw(t, "lenient"), Sector: 4})
		var files []*watched
		pick := func(t *rapid.T) *watched {
			if len(files) == 0 {
				t.Skip("no file yet")
			}
			return rapid.SampledFrom(files).Draw(t, "file")
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				name := fmt.Sprint("f", len(files))
				files = append(files, &watched{n: mustCreate(t, d, d.root, name), name: name, clean: true})
			},
			"write": func(t *rapid.T) {
				w := pick(t)
				off := rapid.IntRange(0, 20).Draw(t, "off")
				b := rapid.SliceOfN(rapid.Byte(), 1, 12).Draw(t, "data")
				for len(w.may) < off+len(b) {
					w.may = append(w.may, map[byte]bool{0: true})
				}
				for i, c := range b {
					w.may[off+i][c] = true
				}
				w.clean = false
				d.write(w.n, int64(off), b)
			},
			"cut": func(t *rapid.T) {
				w := pick(t)
				size := rapid.IntRange(0, len(w.n.data)).Draw(t, "size")
				w.clean = w.clean && size == len(w.n.data)
				w.safe = min(w.safe, size)
				for _, m := range w.may[size:] {
					m[0] = true
				}
				d.resize(w.n, int64(size))
			},
			"sync": func(t *rapid.T) {
				w := pick(t)
				d.syncFile(w.n)
				w.clean, w.safe, w.may = true, len(w.n.data), nil
				for _, c := range w.n.data {
					w.may = append(w.may, map[byte]bool{c: true})
				}
				if d.opt.Lenient {
					for _, f := range files {
						f.named = true
					}
				}
			},
			"sync names": func(*rapid.T) {
				d.syncNames(d.root)
				for _, f := range files {
					f.named = true
				}
			},
			"rename": func(t *rapid.T) {
				w := pick(t)
				name := fmt.Sprint("r", d.seq)
				if err := d.move(d.root, w.name, d.root, name, false); err != 0 {
					t.Fatal(err)
				}
				w.name, w.named = name, false
			},
		})
		d.lose(rapid.Uint64().Draw(t, "seed"))
		byNumber := map[uint64]*inode{}
		for _, name := range d.root.list() {
			n := d.root.entries[name]
			if byNumber[n.number] != nil {
				t.Fatalf("a file has two names")
			}
			byNumber[n.number] = n
		}
		for _, w := range files {
			got := byNumber[w.n.number]
			if got == nil {
				if w.named {
					t.Fatalf("%s is gone", w.name)
				}
				continue
			}
			if w.named && got.name != w.name {
				t.Fatalf("%s is called %s", w.name, got.name)
			}
			if len(got.data) < w.safe || w.clean && len(got.data) != len(w.n.data) {
				t.Fatalf("%s has %d octets of %d", w.name, len(got.data), len(w.n.data))
			}
			for i, c := range got.data[:min(len(got.data), w.safe)] {
				if !w.may[i][c] {
					t.Fatalf("%s: octet %d is %d, of %v", w.name, i, c, w.may[i])
				}
			}
		}
	})
}
