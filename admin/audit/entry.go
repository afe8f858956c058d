package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
)

// Kind is that of the notes.
const Kind = "audit"

// Keep is how long a record is kept.
const Keep = 400 * 24 * time.Hour

// The outcomes of acts.
const (
	Begun   = "begun" // whether it was done is not known: the process ended meanwhile, or it is under way
	Done    = "done"
	Refused = "refused" // nothing was changed: it was asked wrongly, or cannot be
	Failed  = "failed"  // through no fault of who asked, or in the midst of it
)

// Entry is the record of one act.
type Entry struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Actor   Actor     `json:"actor"`
	Act     string    `json:"act"`               // "account.add"
	Subject string    `json:"subject,omitempty"` // whom or what it is done to, in canonical spelling
	Asked   string    `json:"asked,omitempty"`   // what, in short
	Outcome string    `json:"outcome"`
	Text    string    `json:"text,omitempty"` // why it was refused, or what came of it
}

// Bounds of an entry's texts, in octets.
const (
	maxName    = 320
	maxSubject = 400
	maxAsked   = 1000
	maxText    = 600
)

// note is the entry as it is kept.
func (e Entry) note() mail.Note {
	v, _ := json.Marshal(e) //nolint:errcheck,errchkjson // texts and a time of this millennium: it cannot fail
	return mail.Note{Kind: Kind, Key: e.ID, Value: v, Expires: e.At.Add(Keep)}
}

// before begins the IDs of records of that time. Later times sort before earlier ones, so that reading by key begins with the latest.
func before(at time.Time) string { return fmt.Sprintf("%019d", math.MaxInt64-at.UnixNano()) }

// newID makes a key. Records of one moment, on whatever node, differ by chance.
func newID(at time.Time) string {
	var b [6]byte
	rand.Read(b[:]) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	return before(at) + "/" + hex.EncodeToString(b[:])
}

// clip bounds a text and keeps it on one line.
func clip(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.TrimSpace(s)
}

// settle notes how the act ended. done tells whether something of it was committed.
func (e *Entry) settle(err error, done bool) {
	if err == nil {
		e.Outcome = Done
		return
	}
	e.Text = clip(err.Error(), maxText)
	switch mail.KindOf(err) {
	case mail.Internal, mail.Unavailable:
		e.Outcome = Failed
	default:
		e.Outcome = Refused
	}
	switch {
	case done:
		e.Outcome, e.Text = Failed, clip("it was done in part: "+e.Text, maxText)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Outcome, e.Text = Failed, clip("who asked went away; it may have been done all the same: "+e.Text, maxText)
	}
}
