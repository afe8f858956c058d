// Package overview makes what the pages of administration show beyond lists: sums by day, nodes, certificates, and who is near a limit.
//
// It takes reports, accounts, settings and certificates from package admin, which knows where they are, counts of mail and facts about the
// process from the server, and notes from mail.Notes; it hands back values with JSON names, which are replies of package admin. Each server tells
// the others of itself in a note (Run), so that all nodes that share a store show on each.
//
// Notes of this package:
//
//	node    key: a node's name         value: Node as JSON; expires a day after the node's last heartbeat
//	volume  key: yyyymmdd "/" what     N: messages of that day, of all nodes
//
// Invariants: what is read and held for one answer is bounded, whatever others report and however many there are; counting mail is in the commits
// of the heartbeat, never in those of mail.
package overview

import (
	"time"

	"github.com/postrider/postrider/mail"
)

// Config is what an Overview works on.
type Config struct {
	Journal mail.Journal
	Notes   mail.Notes // nil: nothing is known of other nodes and of other days
	Clock   mail.Clock
	Self    Self
}

// Self is what this process knows of itself. Functions may be nil.
type Self struct {
	Name        string // among the nodes; "" is the machine's own name
	Hostname    string
	Version     string
	Started     time.Time
	Serving     bool
	Roles       []string // nil: as the listeners tell
	Listening   func() []Listener
	Connections func() map[string]int64 // that are open, by service
	Volumes     func() map[string]int64 // mail since the start
}

// Overview looks at the whole system. It is safe for use by many at once.
type Overview struct {
	cfg     Config
	counted counted
}

// New makes one.
func New(c Config) *Overview { return &Overview{cfg: c} }

// moment is a time for a reply; the zero time is nil, so that JSON leaves it out.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
