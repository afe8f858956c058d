package admin

import (
	"context"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor"
)

// Facts are what a running process knows of itself.
type Facts struct {
	Version   string
	Hostname  string
	Data      string // the data directory
	Started   time.Time
	Serving   bool                    // false: the store was opened by a command, with no server running
	Listening func() []Listener       // nil: none
	Counters  func() map[string]int64 // outcomes since the start; nil: none
	// Volumes counts mail since the start: in, out, bounced, refused and junk (Volume...). nil: Counters tell what they can.
	Volumes func() map[string]int64
	// Node is this process's name among those that share the store; "" is the machine's own name.
	Node string
	// Roles are the agents it runs; nil: as its listeners tell.
	Roles []string
	// Connections counts those that are open, by service; nil: it is not known.
	Connections func() map[string]int64
}

// Status is the reply to Status.
type Status struct {
	Version   string           `json:"version"`
	Hostname  string           `json:"hostname"`
	Data      string           `json:"data"`
	Serving   bool             `json:"serving"`
	Started   *time.Time       `json:"started,omitempty"`
	Uptime    int64            `json:"uptime_seconds"`
	Listening []Listener       `json:"listening,omitempty"`
	Domains   int              `json:"domains"`
	Accounts  int              `json:"accounts"`
	Aliases   int              `json:"aliases"`
	Messages  int64            `json:"messages"` // in all mailboxes
	Used      int64            `json:"used"`     // octets of them
	Queue     QueueSize        `json:"queue"`
	Counters  map[string]int64 `json:"counters,omitempty"` // since the start
}

// QueueSize is how much mail is on its way out.
type QueueSize struct {
	Messages   int        `json:"messages"`
	Recipients int        `json:"recipients"`
	Held       int        `json:"held"`     // recipients
	Sending    int        `json:"sending"`  // recipients
	Deferred   int        `json:"deferred"` // recipients that were tried before
	Octets     int64      `json:"octets"`
	Oldest     *time.Time `json:"oldest,omitempty"`
	NextDue    *time.Time `json:"next_due,omitempty"`
}

// VerifyRequest says how much is read.
type VerifyRequest struct {
	Quick bool `json:"quick,omitempty"` // leave the bodies of messages unread
}

// Progress is how far a long operation is.
type Progress struct {
	Stage string `json:"stage"` // what is being looked at, for people
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // 0 where it is not known
	// Finding is what Watch has just found out.
	Finding *doctor.Finding `json:"finding,omitempty"`
}

// VerifyReport is the reply to Verify.
type VerifyReport struct {
	Checked []Checked `json:"checked"`
	Damage  []string  `json:"damage"` // a sentence each; none means that all is sound
	Seconds float64   `json:"seconds"`
}

// Checked is how many things of a sort were looked at.
type Checked struct {
	What  string `json:"what"` // "messages", "bodies", "octets" ...
	Count int64  `json:"count"`
}

// CompactReport is the reply to Compact.
type CompactReport struct {
	Freed int64 `json:"freed"` // octets
}

// Status implements SystemOperator.
func (o *Operations) Status(ctx context.Context, _ Nothing) (Status, error) {
	f := o.p.Facts
	now := o.p.Clock.Now()
	out := Status{Version: f.Version, Hostname: f.Hostname, Data: f.Data, Serving: f.Serving}
	if f.Serving && !f.Started.IsZero() {
		out.Started, out.Uptime = moment(f.Started), int64(now.Sub(f.Started)/time.Second)
	}
	if f.Listening != nil {
		out.Listening = f.Listening()
	}
	if f.Counters != nil {
		out.Counters = f.Counters()
	}
	domains, err := o.p.Directory.Domains(ctx)
	if err != nil {
		return Status{}, err
	}
	accounts, err := o.p.Directory.Accounts(ctx, "")
	if err != nil {
		return Status{}, err
	}
	aliases, err := o.p.Directory.Aliases(ctx, "")
	if err != nil {
		return Status{}, err
	}
	out.Domains, out.Accounts, out.Aliases = len(domains), len(accounts), len(aliases)
	for _, a := range accounts {
		out.Messages += a.Messages
		out.Used += a.Used
	}
	out.Queue, err = o.queueSize(ctx, now)
	return out, err
}

func (o *Operations) queueSize(ctx context.Context, now time.Time) (QueueSize, error) {
	var s QueueSize
	err := o.eachQueued(ctx, mail.QueueFilter{}, func(q mail.Queued) {
		s.Messages++
		s.Octets += q.Size
		if s.Oldest == nil || q.Created.Before(*s.Oldest) {
			s.Oldest = moment(q.Created)
		}
		for _, r := range showQueued(q, now).Recipients {
			s.Recipients++
			switch {
			case r.State == StateHeld:
				s.Held++
			case r.State == StateSending:
				s.Sending++
			case r.Attempts > 0:
				s.Deferred++
			}
		}
	})
	if err != nil || s.Messages == 0 {
		return s, err
	}
	due, err := o.p.Queue.NextDue(ctx)
	s.NextDue = moment(due)
	return s, err
}

// Verify implements SystemOperator.
func (o *Operations) Verify(ctx context.Context, r VerifyRequest, progress func(Progress)) (VerifyReport, error) {
	if o.p.Checker == nil {
		return VerifyReport{}, mail.Errorf(mail.Unavailable, "this store cannot check itself")
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	began := o.p.Clock.Now()
	report, err := o.p.Checker.Verify(ctx, r, progress)
	if err != nil {
		return VerifyReport{}, err
	}
	report.Seconds = o.p.Clock.Now().Sub(began).Seconds()
	if report.Damage == nil {
		report.Damage = []string{}
	}
	if report.Checked == nil {
		report.Checked = []Checked{}
	}
	return report, nil
}

func (o *Operations) compact(ctx context.Context, _ Nothing) (CompactReport, error) {
	if o.p.Checker == nil {
		return CompactReport{}, mail.Errorf(mail.Unavailable, "this store cannot be compacted")
	}
	return o.p.Checker.Compact(ctx)
}
