package importer

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// State is how far a job is.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
	Stopped State = "stopped"
)

// maxFailed is how many things are named that could not be brought; the others are counted.
const maxFailed = 100

// Failure is something that could not be brought.
type Failure struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Job is one import, as people see it.
type Job struct {
	ID         string     `json:"id"`
	Source     string     `json:"source"`
	State      State      `json:"state"`
	Done       int64      `json:"done"`            // of Total: octets of a file, messages of a server
	Total      int64      `json:"total,omitempty"` // 0: not known
	Messages   int64      `json:"messages"`        // that are in the account now
	Duplicates int64      `json:"duplicates"`      // that were there already
	Failed     []Failure  `json:"failed"`
	FailedMore int64      `json:"failedMore,omitempty"` // those that are not named
	Text       string     `json:"text"`
	Started    time.Time  `json:"started"`
	Ended      *time.Time `json:"ended,omitempty"`
}

// record is a job as its note has it.
type record struct {
	Job
	Beat time.Time `json:"beat"`           // when it was last known to run
	Stop bool      `json:"stop,omitempty"` // somebody asked another node to stop it
}

func (r *record) note(account mail.AccountID, now time.Time) (mail.PutNote, error) {
	value, err := json.Marshal(r)
	return mail.PutNote{Note: mail.Note{Kind: Kind, Key: key(account, r.ID), Account: account, Value: value, Expires: now.Add(keep)}}, err
}

// progress is a job under way.
type progress struct {
	mu  sync.Mutex
	job Job
}

func (p *progress) change(f func(*Job)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.job)
}

// now is a copy that nobody changes.
func (p *progress) now() Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.job
	j.Failed = append([]Failure{}, j.Failed...)
	return j
}

func (p *progress) total(n int64)    { p.change(func(j *Job) { j.Total = n }) }
func (p *progress) done(n int64)     { p.change(func(j *Job) { j.Done = n }) }
func (p *progress) messages(n int64) { p.change(func(j *Job) { j.Messages += n }) }
func (p *progress) duplicate()       { p.change(func(j *Job) { j.Duplicates++ }) }
func (p *progress) failed(what, why string) {
	p.change(func(j *Job) {
		if len(j.Failed) < maxFailed {
			j.Failed = append(j.Failed, Failure{cut(what), cut(why)})
		} else {
			j.FailedMore++
		}
	})
}

// cut keeps what strangers wrote short and on one line.
func cut(s string) string {
	out := make([]rune, 0, min(len(s), 200))
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		if out = append(out, r); len(out) == 200 {
			return string(out) + "…"
		}
	}
	return string(out)
}

// count is what a job came to, for its sentence.
func (j *Job) count() string {
	s := plural(j.Messages, "message") + " came"
	if j.Duplicates > 0 {
		s += fmt.Sprintf(", %d were here already", j.Duplicates)
	}
	if n := int64(len(j.Failed)) + j.FailedMore; n > 0 {
		s += fmt.Sprintf(", %d could not be brought", n)
	}
	return s
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
