package store

import (
	"cmp"
	"math"
	"slices"

	"github.com/postrider/postrider/mail"
)

// normalise sorts ranges and joins those that meet. Empty ranges vanish; a Last of 0 becomes the greatest number.
func normalise(list []mail.UIDRange) []mail.UIDRange {
	var in []mail.UIDRange
	for _, r := range list {
		r.First = max(r.First, 1)
		r.Last = lastUID(r)
		if r.First <= r.Last {
			in = append(in, r)
		}
	}
	slices.SortFunc(in, func(a, b mail.UIDRange) int { return cmp.Compare(a.First, b.First) })
	var out []mail.UIDRange
	for _, r := range in {
		if n := len(out); n > 0 && (out[n-1].Last == math.MaxUint32 || r.First <= out[n-1].Last+1) {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// within normalises ranges and cuts them off at a mailbox's greatest UID.
func within(list []mail.UIDRange, b *box) []mail.UIDRange {
	out := normalise(list)
	end := b.uidnext - 1
	for i, r := range out {
		if r.First > end {
			return out[:i]
		}
		out[i].Last = min(r.Last, end)
	}
	return out
}

// appendUID adds a UID greater than all before to ranges.
func appendUID(list []mail.UIDRange, uid uint32) []mail.UIDRange {
	if n := len(list); n > 0 && list[n-1].Last+1 == uid {
		list[n-1].Last = uid
		return list
	}
	return append(list, mail.UIDRange{First: uid, Last: uid})
}
