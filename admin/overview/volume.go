package overview

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// The volumes of mail that are counted by day.
const (
	VolumeIn      = "in"      // filed in mailboxes here
	VolumeOut     = "out"     // taken over by other hosts
	VolumeBounced = "bounced" // failed for good
	VolumeRefused = "refused" // in the session
	VolumeJunk    = "junk"    // of what came in: filed as junk
)

var volumeNames = [...]string{VolumeIn, VolumeOut, VolumeBounced, VolumeRefused, VolumeJunk}

// volumeKind is that of the notes that count: the key is "20261124/in", N the count of all nodes.
const (
	volumeKind = "volume"
	volumeKept = 400 * 24 * time.Hour
	dayForm    = "20060102"
)

// ofOutcomes says which outcome counts as what.
var ofOutcomes = map[string]string{string(mail.Delivered): VolumeIn, string(mail.Relayed): VolumeOut, string(mail.Bounced): VolumeBounced, string(mail.Rejected): VolumeRefused}

// OfOutcomes makes volumes of counts of outcomes, which say nothing of junk.
func OfOutcomes(counts map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for outcome, n := range counts {
		if name, ok := ofOutcomes[outcome]; ok {
			out[name] += n
		}
	}
	return out
}

// volumes are the counts since the start.
func (o *Overview) volumes() map[string]int64 {
	if o.cfg.Self.Volumes == nil {
		return nil
	}
	return o.cfg.Self.Volumes()
}

// counted is what of the volumes is in the notes already. A crash loses the counts since the last heartbeat, never mail.
type counted struct {
	mu   sync.Mutex
	upto map[string]int64
}

// changes are what is to be written now; written notes that it was.
func (c *counted) changes(now map[string]int64, at time.Time) (set []mail.Change, written func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	day := at.UTC().Format(dayForm)
	for _, name := range volumeNames {
		if by := now[name] - c.upto[name]; by > 0 {
			set = append(set, mail.CountNote{Kind: volumeKind, Key: day + "/" + name, By: by, Expires: at.Add(volumeKept)})
		}
	}
	return set, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.upto = maps.Clone(now)
	}
}

// volumeLines are the counts of days, in the order of the days.
func (o *Overview) volumeLines(ctx context.Context, days []string) ([]ChartLine, error) {
	lines := map[string]*ChartLine{}
	for _, name := range volumeNames {
		lines[name] = &ChartLine{Name: name, Counts: make([]int64, len(days))}
	}
	if o.cfg.Notes != nil && len(days) > 0 {
		// One read: the keys of the days lie side by side.
		first, last := compact(days[0]), compact(days[len(days)-1])
		notes, err := o.cfg.Notes.Notes(ctx, mail.NoteQuery{Kind: volumeKind, After: first, Limit: (len(days) + 1) * len(volumeNames)})
		if err != nil {
			return nil, err
		}
		at := indexOf(days)
		for _, n := range notes {
			if len(n.Key) < len(dayForm)+1 || n.Key[:len(dayForm)] > last {
				continue
			}
			if l, ok := lines[n.Key[len(dayForm)+1:]]; ok {
				if i, ok := at[n.Key[:len(dayForm)]]; ok {
					l.Counts[i] += n.N
					l.Total += n.N
				}
			}
		}
	}
	out := make([]ChartLine, len(volumeNames))
	for i, name := range volumeNames {
		out[i] = *lines[name]
	}
	return out, nil
}
