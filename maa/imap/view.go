package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// entry is one message of a view: 16 octets.
type entry struct {
	uid    uint32
	flags  uint32 // into view.sets
	modseq uint64
}

// flagSet is one combination of flags.
type flagSet struct {
	mail.Flags
	words string // as they are told: in parentheses
}

// view is the selected mailbox as the client knows it. Entry i has the sequence number i+1. It changes only where
// the client is told of it.
type view struct {
	id          mail.MailboxID
	name        string
	uidValidity uint32
	readOnly    bool

	entries []entry
	sets    []flagSet // every combination of flags there is or was
	// borrowed says that entries and sets are a snapshot's, which nobody may change.
	borrowed bool

	// What set needs to find a combination again; nil until then.
	index    map[mail.Flags]uint32
	octets   int             // of the keywords in sets
	keywords map[string]bool // in sets
	fresh    bool            // there is a keyword that the client was not told of in FLAGS

	seen   uint64       // mod-sequence up to which flags and new messages are known
	goneAt uint64       // mod-sequence up to which expunges were asked for
	gone   []wire.Range // UIDs the client has not been told of yet
	// goneTold is what goneAt was when the client had been told of all of them.
	goneTold uint64

	news <-chan struct{}
	stop func()
}

// maxKeywordOctets bounds what combinations of keywords may cost. Only who makes many thousands of different, long
// ones gets there.
const maxKeywordOctets = 8 << 20

// hasNews reports whether the bus said something since it was asked last.
func (v *view) hasNews() bool {
	select {
	case <-v.news:
		return true
	default:
		return false
	}
}

// set gives the index of a combination of flags.
func (v *view) set(f mail.Flags) (uint32, error) {
	if v.index == nil {
		v.indexSets()
	}
	if i, ok := v.index[f]; ok {
		return i, nil
	}
	if v.octets += len(f.Keywords); v.octets > maxKeywordOctets {
		return 0, mail.Errorf(mail.TooMany, "the mailbox has too many different combinations of keywords; remove some keywords")
	}
	i := uint32(len(v.sets))
	v.sets = append(v.sets, flagSet{f, "(" + strings.Join(f.Names(), " ") + ")"})
	v.index[f] = i
	v.learn(f)
	return i, nil
}

// indexSets makes what set needs.
func (v *view) indexSets() {
	v.index = make(map[mail.Flags]uint32, len(v.sets))
	v.keywords, v.octets = nil, 0
	fresh := v.fresh
	for i, f := range v.sets {
		v.index[f.Flags] = uint32(i)
		v.octets += len(f.Keywords)
		v.learn(f.Flags)
	}
	v.fresh = fresh
}

// learn notes the keywords of a combination.
func (v *view) learn(f mail.Flags) {
	for w := range strings.FieldsSeq(f.Keywords) {
		if v.keywords == nil {
			v.keywords = make(map[string]bool)
		}
		if !v.keywords[w] {
			v.keywords[w], v.fresh = true, true
		}
	}
}

func (v *view) flags(e entry) mail.Flags { return v.sets[e.flags].Flags }

// words are the flags of an entry in parentheses.
func (v *view) words(e entry) string { return v.sets[e.flags].words }

// tidy drops combinations of flags that no message has any more. The view must own its entries.
func (v *view) tidy() {
	used := make([]uint32, len(v.sets)) // where each stays, plus one
	for _, e := range v.entries {
		used[e.flags] = 1
	}
	if !slices.Contains(used, 0) {
		return
	}
	var sets []flagSet
	for i, f := range v.sets {
		if used[i] > 0 {
			sets = append(sets, f)
			used[i] = uint32(len(sets))
		}
	}
	for i := range v.entries {
		v.entries[i].flags = used[v.entries[i].flags] - 1
	}
	v.sets, v.index, v.keywords, v.octets = sets, nil, nil, 0
}

// own makes the entries the view's, before the first of them changes.
func (v *view) own() {
	if !v.borrowed {
		return
	}
	v.borrowed = false
	v.sets = slices.Clip(v.sets)
	v.entries = append(make([]entry, 0, len(v.entries)+len(v.entries)/16+4), v.entries...)
}

// find gives the index of a UID.
func (v *view) find(uid uint32) (int, bool) {
	return slices.BinarySearchFunc(v.entries, uid, func(e entry, uid uint32) int {
		switch {
		case e.uid < uid:
			return -1
		case e.uid > uid:
			return 1
		}
		return 0
	})
}

// lastUID is the highest UID in the view, or 0.
func (v *view) lastUID() uint32 {
	if len(v.entries) == 0 {
		return 0
	}
	return v.entries[len(v.entries)-1].uid
}

// span is a run of entries, from included to not included.
type span struct{ from, to int }

// count is how many entries spans hold.
func count(spans []span) int {
	n := 0
	for _, s := range spans {
		n += s.to - s.from
	}
	return n
}

// uidSpans gives the entries whose UIDs are in ranges.
func (v *view) uidSpans(ranges []wire.Range) []span {
	var out []span
	for _, r := range ranges {
		from, _ := v.find(r.First)
		to := len(v.entries)
		if r.Last != wire.Star {
			to, _ = v.find(r.Last + 1)
		}
		if from >= to {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == from {
			out[n-1].to = to
			continue
		}
		out = append(out, span{from, to})
	}
	return out
}

// uidRanges gives the UIDs of spans, as few ranges as can be: UIDs that are in nobody's view may lie between.
func (v *view) uidRanges(spans []span) []mail.UIDRange {
	out := make([]mail.UIDRange, 0, len(spans))
	for _, s := range spans {
		out = append(out, mail.UIDRange{First: v.entries[s.from].uid, Last: v.entries[s.to-1].uid})
	}
	return out
}

// load reads the mailbox anew.
func (v *view) load(ctx context.Context, boxes mail.Mailboxes, box mail.Mailbox) error {
	v.entries = make([]entry, 0, box.Messages+box.Messages/16+4)
	// What changes from here on is asked for again; seeing a change twice does no harm.
	v.seen, v.goneAt, v.goneTold = box.ModSeq, box.ModSeq, box.ModSeq
	for p, err := range boxes.Placements(ctx, v.id, mail.UIDRange{First: 1}, 0) {
		if err != nil {
			return err
		}
		if _, err := v.put(p.UID, p.Flags, p.ModSeq); err != nil {
			return err
		}
	}
	v.fresh = false
	return nil
}

// change says what put did.
type change uint8

const (
	unchanged change = iota
	added
	changed
)

// put takes a message into the view: a new one behind all others, or one it has with other flags.
func (v *view) put(uid uint32, flags mail.Flags, modseq uint64) (change, error) {
	i, ok := len(v.entries), true
	if uid <= v.lastUID() {
		i, ok = v.find(uid)
		if !ok || v.entries[i].modseq >= modseq {
			return unchanged, nil
		}
	}
	v.own()
	set, err := v.set(flags)
	if err != nil {
		return unchanged, err
	}
	e := entry{uid: uid, flags: set, modseq: modseq}
	if i == len(v.entries) {
		v.entries = append(v.entries, e)
		return added, nil
	}
	v.entries[i] = e
	return changed, nil
}

// remove takes spans out.
func (v *view) remove(spans []span) {
	if len(spans) == 0 {
		return
	}
	v.own()
	to := spans[0].from
	for i, s := range spans {
		end := len(v.entries)
		if i+1 < len(spans) {
			end = spans[i+1].from
		}
		to += copy(v.entries[to:], v.entries[s.to:end])
	}
	v.entries = v.entries[:to]
}

// follows reports whether a change that this session made, and that was given the mod-sequence n, is the next after all that the view
// knows: nobody else's can lie between.
func (v *view) follows(n uint64) bool { return n == v.seen+1 && v.goneAt == v.seen }

// advance says that the view has all up to a change of this session's own, which follows.
func (v *view) advance(n uint64) {
	v.seen, v.goneAt = n, n
	if len(v.gone) == 0 {
		v.goneTold = n
	}
}
