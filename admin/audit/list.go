package audit

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Filter selects records. Zero fields do not restrict.
type Filter struct {
	Since   *time.Time `json:"since,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	Actor   string     `json:"actor,omitempty"`   // part of who did it, or of where from
	Subject string     `json:"subject,omitempty"` // part of what it was done to
	Act     string     `json:"act,omitempty"`     // "account.add", or "account" for all with accounts
	Outcome string     `json:"outcome,omitempty"`
	After   string     `json:"after,omitempty"` // only records before the one with this ID, to read on
	Limit   int        `json:"limit,omitempty"` // 0: 100; 1000 at most
}

// List is some records, the latest first.
type List struct {
	Entries []Entry `json:"entries"`
	Next    string  `json:"next,omitempty"` // give it as After for those before; "" when there are none
}

// Bounds of a List.
const (
	defaultLimit = 100
	maxLimit     = 1000
	page         = 500
	maxLooked    = 20_000 // records looked at for one answer; what is left is for the next
)

// List reads records.
func (l *Log) List(ctx context.Context, f Filter) (List, error) {
	if l.notes == nil {
		return List{}, mail.Errorf(mail.Unavailable, "this store cannot tell what was recorded")
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	f.Limit = min(f.Limit, maxLimit)
	if err := f.check(); err != nil {
		return List{}, err
	}
	out := List{Entries: []Entry{}}
	q := mail.NoteQuery{Kind: Kind, After: f.After, Limit: page}
	if f.Until != nil {
		q.After = max(q.After, before(*f.Until))
	}
	for looked := 0; looked < maxLooked; {
		notes, err := l.notes.Notes(ctx, q)
		if err != nil {
			return List{}, err
		}
		for _, n := range notes {
			looked++
			q.After = n.Key
			var e Entry
			if json.Unmarshal(n.Value, &e) != nil {
				e = Entry{At: n.Expires.Add(-Keep), Outcome: Failed, Text: "this record is damaged"}
			}
			e.ID = n.Key
			if f.Since != nil && e.At.Before(*f.Since) {
				return out, nil
			}
			if !f.has(e) {
				continue
			}
			if len(out.Entries) == f.Limit {
				out.Next = out.Entries[f.Limit-1].ID
				return out, nil
			}
			out.Entries = append(out.Entries, e)
		}
		if len(notes) < q.Limit {
			return out, nil
		}
	}
	out.Next = q.After
	return out, nil
}

func (f Filter) check() error {
	for _, t := range []*time.Time{f.Since, f.Until} {
		if t != nil && (t.Year() < 1970 || t.Year() > 2200) {
			return mail.Errorf(mail.Invalid, "the year %d is none that anything can be recorded in", t.Year())
		}
	}
	if f.Since != nil && f.Until != nil && f.Until.Before(*f.Since) {
		return mail.Errorf(mail.Invalid, "the time ends before it begins")
	}
	if len(f.After) > mail.MaxNoteKey {
		return mail.Errorf(mail.Invalid, "after is no ID of a record")
	}
	return nil
}

func (f Filter) has(e Entry) bool {
	return holds(e.Actor.Name+" "+e.Actor.From, f.Actor) && holds(e.Subject, f.Subject) && (f.Outcome == "" || f.Outcome == e.Outcome) &&
		(f.Act == "" || e.Act == f.Act || strings.HasPrefix(e.Act, f.Act+"."))
}

func holds(text, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
