package jmap_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/town"
)

// byHand is a clock that stands until it is moved. Who waits on it is told by asked.
type byHand struct {
	mu    sync.Mutex
	now   time.Time
	waits []wait
	asked chan asked
}

// asked is that somebody began to wait, when and for how long.
type asked struct {
	now time.Time
	d   time.Duration
}

type wait struct {
	until time.Time
	done  chan time.Time
}

func newByHand() *byHand { return &byHand{now: town.Epoch, asked: make(chan asked, 100)} }

func (c *byHand) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *byHand) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := make(chan time.Time, 1)
	if d <= 0 {
		done <- c.now
	} else {
		c.waits = append(c.waits, wait{c.now.Add(d), done})
	}
	c.asked <- asked{c.now, d}
	return done
}

func (c *byHand) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	left := c.waits[:0]
	for _, w := range c.waits {
		if w.until.After(c.now) {
			left = append(left, w)
		} else {
			w.done <- c.now
		}
	}
	c.waits = left
}

// refusing is a submitter that fails as it is told to.
type refusing struct {
	mail.Submitter
	mu  sync.Mutex
	err error
}

func (r *refusing) say(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *refusing) Submit(ctx context.Context, s mail.Submission) (mail.TraceID, error) {
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	if err != nil {
		return "", err
	}
	return r.Submitter.Submit(ctx, s)
}

// postOffice is a world whose clock is moved by hand, and whose runner runs.
type postOffice struct {
	*world
	clock  *byHand
	submit *refusing
}

func newPostOffice(t *testing.T, change func(*jmap.Config)) *postOffice {
	t.Helper()
	p := &postOffice{clock: newByHand()}
	p.world = newWorld(t, func(c *jmap.Config) {
		c.Clock = p.clock
		p.submit = &refusing{Submitter: c.Submit}
		c.Submit = p.submit
		if change != nil {
			change(c)
		}
	})
	return p
}

// run starts the runner. It has looked once when run returns.
func (p *postOffice) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.server.RunLater(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-p.clock.asked
}

// pass lets time pass, and gives how long the runner waits when it has looked then.
func (p *postOffice) pass(d time.Duration) time.Duration {
	p.clock.move(d)
	for {
		if a := <-p.clock.asked; a.now.Equal(p.clock.Now()) && a.d > 0 {
			return a.d
		}
	}
}

// draft makes a draft to somebody and gives its id.
func (p *postOffice) draft(t *testing.T, to string, more map[string]any) string {
	t.Helper()
	o := map[string]any{"mailboxIds": map[string]any{p.vars["drafts"]: true}, "from": []any{map[string]any{"email": ann}}, "to": []any{map[string]any{"email": to}},
		"subject": "later", "bodyValues": map[string]any{"1": map[string]any{"value": "text"}}, "textBody": []any{map[string]any{"partId": "1"}}}
	for k, v := range more {
		o[k] = v
	}
	out := p.must(t, "Email/set", map[string]any{"create": map[string]any{"d": o}})
	return out["created"].(map[string]any)["d"].(map[string]any)["id"].(string)
}

// send submits a message with parameters, and gives the submission or the error.
func (p *postOffice) send(t *testing.T, email, to string, parameters map[string]any) (created, refused map[string]any) {
	t.Helper()
	out := p.must(t, "EmailSubmission/set", map[string]any{"create": map[string]any{"s": map[string]any{"identityId": "I0", "emailId": email,
		"envelope": map[string]any{"mailFrom": map[string]any{"email": ann, "parameters": parameters}, "rcptTo": []any{map[string]any{"email": to}}}}}})
	if m, ok := out["created"].(map[string]any); ok {
		return m["s"].(map[string]any), nil
	}
	return nil, out["notCreated"].(map[string]any)["s"].(map[string]any)
}

// status gives undoStatus, delivered and smtpReply of a submission to one.
func (p *postOffice) status(t *testing.T, id string) string {
	t.Helper()
	list := p.must(t, "EmailSubmission/get", map[string]any{"ids": []string{id}})["list"].([]any)
	if len(list) != 1 {
		t.Fatalf("no submission %s", id)
	}
	o := list[0].(map[string]any)
	for _, d := range o["deliveryStatus"].(map[string]any) {
		return fmt.Sprint(o["undoStatus"], " ", d.(map[string]any)["delivered"], " ", d.(map[string]any)["smtpReply"])
	}
	return fmt.Sprint(o["undoStatus"])
}

func (p *postOffice) bobs(t *testing.T) []string {
	t.Helper()
	return p.Mail(t, "bob@"+town.Domain, mail.Inbox)
}

const bobAddress = "bob@" + town.Domain
