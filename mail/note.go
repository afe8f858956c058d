package mail

import (
	"context"
	"time"
)

// Note is a small thing that a service remembers and every node of the system knows: a key, a policy somebody published, a
// ban, what was counted today. Kind is the service's word for a sort of them ("dkim", "mta-sts"); Key tells them apart within it.
type Note struct {
	Kind    string
	Key     string
	Account AccountID // whose it is: it goes when the account does; 0: nobody's
	Value   []byte
	N       int64     // a count, for notes that are counted on (CountNote)
	Expires time.Time // from then on it is as if it were not there; zero: never
}

// MaxNote is how many octets a note's value may have, and MaxNoteKey its key.
const (
	MaxNote    = 1 << 20
	MaxNoteKey = 512
)

// NoteIf is the condition of a PutNote.
type NoteIf uint8

// The conditions.
const (
	NoteAlways NoteIf = iota
	NoteAbsent        // there is no such note: else Exists
	NoteIs            // there is one with the value Was: else Conflict
)

// PutNote writes a note, or replaces it. Invalid without kind or key, or when it is too large; NotFound when its account is not there.
type PutNote struct {
	Note Note
	If   NoteIf
	Was  []byte
}

// RemoveNote forgets a note. One that is not there is no error, unless If is NoteIs: then it must have the value Was, else Conflict.
type RemoveNote struct {
	Kind, Key string
	If        NoteIf
	Was       []byte
}

// CountNote adds By to a note's N and makes the note, with Expires, where it is not there; one that is there keeps its value and its
// time; Account and Value are for one that is made (NotFound when there is no such account). TooMany, with Text as its sentence, when Most is above 0 and N would pass it: so a limit and what it limits are one set.
type CountNote struct {
	Kind, Key string
	By, Most  int64
	Account   AccountID
	Value     []byte
	Expires   time.Time
	Text      string
}

// Notes reads notes. What has expired is not there.
type Notes interface {
	// Note gives one. NotFound.
	Note(ctx context.Context, kind, key string) (Note, error)
	// Notes lists those of a kind whose key begins with prefix and is greater than after, by key, at most limit of them (0: 1000).
	Notes(ctx context.Context, q NoteQuery) ([]Note, error)
}

// NoteQuery asks for several notes.
type NoteQuery struct {
	Kind, Prefix, After string
	Limit               int
}

func (PutNote) change()    {}
func (RemoveNote) change() {}
func (CountNote) change()  {}
