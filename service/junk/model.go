package junk

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// Bounds on a model.
const (
	shardCount   = 16
	shardEntries = 2048 // words of one shard; at most 24 KiB as stored
	maxSeen      = 4096 // messages whose training is remembered
	halveAt      = 4000 // messages, from which on the model has grown old
	ageStep      = 8    // trained messages that count as one step of age
)

// errDamaged says that stored octets are no part of a model.
var errDamaged = errors.New("the stored part of a junk model is damaged or of a later version")

// format is the first octet of all that is stored.
const format = 1

// totals are how much a model has learnt. Each change of a model changes its serial, so that two nodes never mix theirs.
type totals struct {
	serial     uint64
	junk, good uint32
	learnt     uint32 // messages, ever: what age is counted in
}

const totalsSize = 21

func (t totals) encode() []byte {
	b := make([]byte, 0, totalsSize)
	b = append(b, format)
	b = binary.BigEndian.AppendUint64(b, t.serial)
	b = binary.BigEndian.AppendUint32(b, t.junk)
	b = binary.BigEndian.AppendUint32(b, t.good)
	return binary.BigEndian.AppendUint32(b, t.learnt)
}

func decodeTotals(b []byte) (t totals, err error) {
	if len(b) != totalsSize || b[0] != format {
		return t, errDamaged
	}
	t = totals{binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint32(b[9:]), binary.BigEndian.Uint32(b[13:]), binary.BigEndian.Uint32(b[17:])}
	if t.junk > halveAt*2 || t.good > halveAt*2 {
		return totals{}, errDamaged
	}
	return t, nil
}

// entry is how often a word was in messages of each sort.
type entry struct {
	key        uint64 // keyBits of the token
	junk, good uint16
	age        uint16 // when it was last seen, in ageSteps
}

const (
	entrySize = 12
	keyBits   = 48
)

// shard is a part of a model's words, by key.
type shard []entry

// place tells the shard of a token, and its key there.
func place(token uint64) (shard int, key uint64) {
	return int(token >> 60), token >> (60 - keyBits) & (1<<keyBits - 1)
}

func (s shard) encode() []byte {
	b := make([]byte, 0, 1+entrySize*len(s))
	b = append(b, format)
	for _, e := range s {
		b = append(b, byte(e.key>>40), byte(e.key>>32), byte(e.key>>24), byte(e.key>>16), byte(e.key>>8), byte(e.key))
		b = binary.BigEndian.AppendUint16(b, e.junk)
		b = binary.BigEndian.AppendUint16(b, e.good)
		b = binary.BigEndian.AppendUint16(b, e.age)
	}
	return b
}

func decodeShard(b []byte) (shard, error) {
	if len(b) == 0 || b[0] != format || (len(b)-1)%entrySize != 0 || len(b)-1 > entrySize*shardEntries {
		return nil, errDamaged
	}
	b = b[1:]
	s := make(shard, 0, len(b)/entrySize)
	for ; len(b) > 0; b = b[entrySize:] {
		e := entry{key: uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:])),
			junk: binary.BigEndian.Uint16(b[6:]), good: binary.BigEndian.Uint16(b[8:]), age: binary.BigEndian.Uint16(b[10:])}
		if len(s) > 0 && s[len(s)-1].key >= e.key || e.junk == 0 && e.good == 0 {
			return nil, errDamaged
		}
		s = append(s, e)
	}
	return s, nil
}

// find gives a word's entry; the zero entry when it was never seen.
func (s shard) find(key uint64) entry {
	if i, ok := slices.BinarySearchFunc(s, key, byKey); ok {
		return s[i]
	}
	return entry{}
}

func byKey(e entry, key uint64) int {
	switch {
	case e.key < key:
		return -1
	case e.key > key:
		return 1
	}
	return 0
}

// delta is what is to be added to a word's counts.
type delta struct{ junk, good int }

// with gives the shard with changes made. Words that are in no message any more go; past shardEntries, an eighth goes, the rare and old first.
func (s shard) with(changes map[uint64]delta, age uint16) shard {
	fresh := make(shard, 0, len(changes))
	for key, d := range changes {
		if _, known := slices.BinarySearchFunc(s, key, byKey); !known {
			if e := (entry{key: key}).add(d, age); e.junk != 0 || e.good != 0 {
				fresh = append(fresh, e)
			}
		}
	}
	slices.SortFunc(fresh, func(a, b entry) int { return byKey(a, b.key) })
	out := make(shard, 0, len(s)+len(fresh))
	for _, e := range s {
		for len(fresh) > 0 && fresh[0].key < e.key {
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
		if d, ok := changes[e.key]; ok {
			e = e.add(d, age)
		}
		if e.junk != 0 || e.good != 0 {
			out = append(out, e)
		}
	}
	out = append(out, fresh...)
	if len(out) > shardEntries {
		slices.SortFunc(out, func(a, b entry) int { return int(b.worth(age)) - int(a.worth(age)) })
		out = out[:shardEntries-shardEntries/8]
		slices.SortFunc(out, func(a, b entry) int { return byKey(a, b.key) })
	}
	return out
}

func (e entry) add(d delta, age uint16) entry {
	if d.junk > 0 || d.good > 0 {
		e.age = age
	}
	e.junk, e.good = bounded(int(e.junk)+d.junk), bounded(int(e.good)+d.good)
	return e
}

func bounded(n int) uint16 { return uint16(max(0, min(n, math.MaxUint16))) } //nolint:gosec // it is in bounds

// worth is how much would be lost with a word: common words are worth more, and lose that over time.
func (e entry) worth(age uint16) int32 {
	return int32(min(int(e.junk)+int(e.good), 64))*32 - int32(min(age-e.age, 2048))
}

// halved is the shard grown old.
func (s shard) halved() shard {
	out := make(shard, 0, len(s))
	for _, e := range s {
		if e.junk, e.good = e.junk/2, e.good/2; e.junk != 0 || e.good != 0 {
			out = append(out, e)
		}
	}
	return out
}

// seen remembers which messages were trained, and how: the oldest first.
type seen []uint64

const seenGood = 1 << 63 // the mark of a message that was trained as good; the other bits are its key

func (s seen) encode() []byte {
	b := make([]byte, 0, 1+8*len(s))
	b = append(b, format)
	for _, v := range s {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

func decodeSeen(b []byte) (seen, error) {
	if len(b) == 0 || b[0] != format || (len(b)-1)%8 != 0 || len(b)-1 > 8*maxSeen {
		return nil, errDamaged
	}
	var s seen
	for b = b[1:]; len(b) > 0; b = b[8:] {
		s = append(s, binary.BigEndian.Uint64(b))
	}
	return s, nil
}

// of tells how a message was trained.
func (s seen) of(key uint64) Verdict {
	for _, v := range s {
		if v&^seenGood == key&^seenGood {
			if v&seenGood != 0 {
				return Good
			}
			return Junk
		}
	}
	return Neutral
}

// with gives the memory with one message's verdict changed.
func (s seen) with(key uint64, v Verdict) seen {
	key &^= seenGood
	s = slices.DeleteFunc(slices.Clone(s), func(have uint64) bool { return have&^seenGood == key })
	switch v {
	case Good:
		s = append(s, key|seenGood)
	case Junk:
		s = append(s, key)
	}
	return s[max(0, len(s)-maxSeen):]
}

// Verdict is what an account's owner says about a message.
type Verdict uint8

// The verdicts.
const (
	Neutral Verdict = iota // nothing, or takes back what was said
	Junk
	Good
)

// model is all that an account has learnt. It is not changed once made, so that any number of goroutines may read it.
type model struct {
	totals totals
	shards [shardCount]shard
}

// example is one message to be learnt.
type example struct {
	key     uint64 // of the message
	verdict Verdict
	weak    bool // says something only about a message of which nothing is known yet
	tokens  []uint64
}

// learn gives the model and the memory with examples learnt, and which shards changed. changed is false when there was nothing new.
func (m *model) learn(memory seen, examples []example) (out *model, after seen, shards [shardCount]bool, changed bool) {
	var deltas [shardCount]map[uint64]delta
	sum, learnt := delta{}, uint32(0)
	for _, e := range examples {
		was := memory.of(e.key)
		if was == e.verdict || e.weak && was != Neutral {
			continue
		}
		changed = true
		learnt++
		memory = memory.with(e.key, e.verdict)
		d := change(was, e.verdict)
		sum.junk, sum.good = sum.junk+d.junk, sum.good+d.good
		for _, t := range e.tokens {
			if t&(1<<classBits-1) == classProof {
				continue
			}
			n, key := place(t)
			if deltas[n] == nil {
				deltas[n] = map[uint64]delta{}
			}
			have := deltas[n][key]
			deltas[n][key] = delta{have.junk + d.junk, have.good + d.good}
		}
	}
	if !changed {
		return m, memory, shards, false
	}
	next := *m
	next.totals.serial++
	next.totals.junk, next.totals.good = count(m.totals.junk, sum.junk), count(m.totals.good, sum.good)
	next.totals.learnt += learnt
	age := uint16(next.totals.learnt / ageStep) //nolint:gosec // it may start again: ages are compared as distances
	for n, d := range deltas {
		if d != nil {
			next.shards[n], shards[n] = m.shards[n].with(d, age), true
		}
	}
	if next.totals.junk+next.totals.good > halveAt {
		next.totals.junk, next.totals.good = next.totals.junk/2, next.totals.good/2
		for n := range next.shards {
			next.shards[n], shards[n] = next.shards[n].halved(), true
		}
	}
	return &next, memory, shards, true
}

// change is what a changed verdict adds: the old one is taken off.
func change(was, is Verdict) (d delta) {
	switch was {
	case Junk:
		d.junk--
	case Good:
		d.good--
	}
	switch is {
	case Junk:
		d.junk++
	case Good:
		d.good++
	}
	return d
}

func count(have uint32, by int) uint32 { return uint32(max(0, int(have)+by)) } //nolint:gosec // totals are bounded
