package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of a walk back through the trail.
const (
	recentPage  = 500
	recentMost  = 50_000    // rows that are looked at
	recentSlack = time.Hour // rows stand in the order of their commits, which is nearly that of their times
)

// told is as much of a row of event as it takes to choose it.
type told struct {
	id    int64
	at    time.Time
	trace mail.TraceID
	list  string
}

// Recent gives all events of the traces that have an event that fits, of the latest of which there are at most limit. Zero times and an
// empty outcome do not restrict. It looks at the latest 50,000 rows of the trail and no further.
func (s *Store) Recent(ctx context.Context, since, until time.Time, outcome mail.Outcome, limit int) ([]mail.Event, error) {
	var traces []mail.TraceID
	seen := map[mail.TraceID]bool{}
	before := int64(1<<63 - 1)
	for looked := 0; looked < recentMost && len(traces) < limit; looked += recentPage {
		page, err := collect(ctx, s, func(r *sql.Rows) (t told, err error) {
			var at int64
			err = r.Scan(&t.id, &at, &t.trace, &t.list)
			t.at = fromMicros(at)
			return t, err
		}, `SELECT id, at, trace, list FROM event WHERE id < ? ORDER BY id DESC LIMIT ?`, before, recentPage)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			before = t.id
			if !seen[t.trace] && t.fits(since, until, outcome) && len(traces) < limit {
				seen[t.trace] = true
				traces = append(traces, t.trace)
			}
		}
		if len(page) < recentPage || !since.IsZero() && page[len(page)-1].at.Before(since.Add(-recentSlack)) {
			break
		}
	}
	var out []mail.Event
	for _, t := range traces {
		list, err := s.events(ctx, t, defaultLimit)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	slices.SortStableFunc(out, func(a, b mail.Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// fits reports whether a row has what is looked for. Outcomes are words of ours, so that the list can be looked through as text.
func (t told) fits(since, until time.Time, outcome mail.Outcome) bool {
	if !since.IsZero() && t.at.Before(since) || !until.IsZero() && !t.at.Before(until) {
		return false
	}
	return outcome == "" || strings.Contains(t.list, `"outcome":"`+string(outcome)+`"`)
}
