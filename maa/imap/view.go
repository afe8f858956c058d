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

// view is the selected mailbox as the client knows it. Entry i has the sequence number i+1. It changes only where
// the client is told of it.
type view struct {
	id          mail.MailboxID
	name        string
	uidValidity uint32
	readOnly    bool

	entries []entry
	sets    []mail.Flags // every combination of flags there is or was
	index   map[mail.Flags]uint32
	octets  int // of the keywords in sets

	keywords map[string]bool // that the client was told of in FLAGS
	fresh    bool            // there is one it was not told of

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
	if i, ok := v.index[f]; ok {
		return i, nil
	}
	if v.octets += len(f.Keywords); v.octets > maxKeywordOctets {
		return 0, mail.Errorf(mail.TooMany, "the mailbox has too many different combinations of keywords; remove some keywords")
	}
	i := uint32(len(v.sets))
	v.sets = append(v.sets, f)
	v.index[f] = i
	for w := range strings.FieldsSeq(f.Keywords) {
		if !v.keywords[w] {
			v.keywords[w], v.fresh = true, true
		}
	}
	return i, nil
}

func (v *view) flags(e entry) mail.Flags { return v.sets[e.flags] }

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
	v.index = make(map[mail.Flags]uint32)
	v.keywords = make(map[string]bool)
	// What changes from here on is asked for again; seeing a change twice does no harm.
	v.seen, v.goneAt, v.goneTold = box.ModSeq, box.ModSeq, box.ModSeq
	for p, err := range boxes.Placements(ctx, v.id, mail.UIDRange{First: 1}, 0) {
		if err != nil {
			return err
		}
		if _, err := v.put(p); err != nil {
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

// put takes a placement into the view: a new one behind all others, or one it has with other flags.
func (v *view) put(p mail.Placement) (change, error) {
	set, err := v.set(p.Flags)
	if err != nil {
		return unchanged, err
	}
	e := entry{uid: p.UID, flags: set, modseq: p.ModSeq}
	if p.UID > v.lastUID() {
		v.entries = append(v.entries, e)
		return added, nil
	}
	i, ok := v.find(p.UID)
	if !ok || v.entries[i].modseq >= e.modseq {
		return unchanged, nil
	}
	v.entries[i] = e
	return changed, nil
}

// remove takes spans out.
func (v *view) remove(spans []span) {
	if len(spans) == 0 {
		return
	}
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
