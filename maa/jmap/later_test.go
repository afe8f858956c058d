package jmap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/testkit/town"
)

// TestHeld holds a message back for a time and sends it then, once (RFC 8621 7, RFC 4865 5): with the date of then, while the client's copy stays.
func TestHeld(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, nil)
	p.run(t)
	d := p.draft(t, bobAddress, nil)
	s, _ := p.send(t, d, bobAddress, map[string]any{"holdfor": "3600"})
	id := s["id"].(string)
	if s["sendAt"] != "2026-11-24T04:00:00Z" || s["undoStatus"] != "pending" {
		t.Errorf("created: %v", s)
	}
	<-p.clock.asked // the new one was told to the runner
	if got := p.status(t, id); got != "pending queued 250 2.0.0 held until 2026-11-24T04:00:00Z" {
		t.Errorf("while it waits: %s", got)
	}
	if wait := p.pass(3599 * time.Second); wait != time.Second || len(p.bobs(t)) != 0 {
		t.Errorf("a second before, it waits %v; bob has %d", wait, len(p.bobs(t)))
	}
	state := p.must(t, "EmailSubmission/get", map[string]any{"ids": []string{}})["state"]
	lines := p.events(t, "types=EmailSubmission&closeafter=no&ping=0", "")
	p.pass(time.Second)
	got := p.bobs(t)
	if len(got) != 1 || !strings.Contains(got[0], "\r\nDate: Tue, 24 Nov 2026 04:00:00 +0000\r\n") || strings.Count(got[0], "\r\nDate:") != 1 {
		t.Fatalf("bob has %q", got)
	}
	if got := p.status(t, id); !strings.HasPrefix(got, "final yes 250 ") {
		t.Errorf("when it is sent: %s", got)
	}
	if data := next(t, lines, "state"); !strings.Contains(data, `"EmailSubmission":"`) || strings.Contains(data, `"EmailSubmission":"`+state.(string)+`"`) {
		t.Errorf("an event source is told %s", data)
	}
	if own := p.Mail(t, ann, "Drafts"); !strings.Contains(own[0], "\r\nDate: Tue, 24 Nov 2026 03:00:00 +0000\r\n") && !strings.HasPrefix(own[0], "Date: Tue, 24 Nov 2026 03:00:00 +0000\r\n") {
		t.Errorf("the client's copy: %q", own)
	}
	p.pass(time.Hour)
	if n := len(p.bobs(t)); n != 1 {
		t.Errorf("an hour later bob has %d", n)
	}
	if notes, err := p.Store.Notes(t.Context(), mail.NoteQuery{Kind: "later"}); err != nil || len(notes) != 0 {
		t.Errorf("what is left to be sent: %v %v", notes, err)
	}
	// One whose Date is of the minute it is sent in keeps it.
	d = p.draft(t, bobAddress, map[string]any{"sentAt": "2026-11-24T07:00:20+02:00"})
	p.send(t, d, bobAddress, map[string]any{"HOLDUNTIL": "2026-11-24T05:01:00Z"})
	<-p.clock.asked
	p.pass(time.Minute)
	if got = p.bobs(t); len(got) != 2 || !strings.Contains(got[1], "Date: Tue, 24 Nov 2026 07:00:20 +0200\r\n") {
		t.Errorf("its own date: %q", got)
	}
}

// TestHoldParameters: what can be held and what not (RFC 4865 5); a time that is over is now.
func TestHoldParameters(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, nil)
	d := p.draft(t, bobAddress, nil)
	for _, bad := range []map[string]any{{"HOLDFOR": "-1"}, {"HOLDFOR": "1h"}, {"HOLDFOR": nil}, {"HOLDFOR": "31536001"}, {"HOLDUNTIL": "1795000000"}, {"HOLDUNTIL": "2028-01-01T00:00:00Z"},
		{"HOLDFOR": "60", "HOLDUNTIL": "2026-11-24T05:01:00Z"}, {"HOLDFOR": "0", "HOLDUNTIL": "2026-11-24T05:01:00Z"}, {"BODY": "8BITMIME"}} {
		if s, refused := p.send(t, d, bobAddress, bad); s != nil || refused["type"] != "invalidProperties" {
			t.Errorf("%v: %v %v", bad, s, refused)
		}
	}
	for i, now := range []map[string]any{nil, {"HOLDFOR": "0"}, {"HOLDUNTIL": "2020-01-01T00:00:00Z"}} {
		if s, _ := p.send(t, d, bobAddress, now); s["undoStatus"] != "final" || s["sendAt"] != "2026-11-24T03:00:00Z" || len(p.bobs(t)) != i+1 {
			t.Errorf("%v: %v", now, s)
		}
	}
}

// TestCancelHeld: undoStatus canceled before the time, and the message is never sent; after it, cannotUnsend (RFC 8621 7.5). Destroying the message does not stop it,
// nor does destroying the submission.
func TestCancelHeld(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, nil)
	hold := map[string]any{"HOLDFOR": "60"}
	ids := map[string]string{}
	for _, name := range []string{"canceled", "destroyed", "forgotten", "sent"} {
		d := p.draft(t, bobAddress, map[string]any{"subject": name})
		s, _ := p.send(t, d, bobAddress, hold)
		ids[name], ids[name+".email"] = s["id"].(string), d
	}
	cancel := func(id string) map[string]any {
		return p.must(t, "EmailSubmission/set", map[string]any{"update": map[string]any{id: map[string]any{"undoStatus": "canceled"}}})
	}
	for range 2 { // a second time, it is so already
		if out := cancel(ids["canceled"]); out["notUpdated"] != nil {
			t.Errorf("cancel: %v", out)
		}
	}
	p.set(t, "Email/set", map[string]any{"destroy": []string{ids["destroyed.email"]}})
	p.set(t, "EmailSubmission/set", map[string]any{"destroy": []string{ids["forgotten"]}})
	const canceled = "canceled no 550 5.7.0 canceled by its sender"
	if got := p.status(t, ids["canceled"]); got != canceled {
		t.Errorf("canceled: %s", got)
	}
	if kept := p.Queue(t); len(kept) != 3 {
		t.Errorf("%d bodies are kept, want 3", len(kept))
	}
	if out := p.must(t, "EmailSubmission/query", map[string]any{"filter": map[string]any{"undoStatus": "pending"}}); len(out["ids"].([]any)) != 2 {
		t.Errorf("pending are %v", out["ids"])
	}
	p.run(t)
	p.pass(time.Minute)
	if got := p.status(t, ids["canceled"]); got != canceled {
		t.Errorf("canceled, after its time: %s", got)
	}
	if got := p.status(t, ids["destroyed"]); !strings.HasPrefix(got, "final yes 250 ") {
		t.Errorf("destroyed: %s", got)
	}
	if kept := p.Queue(t); len(kept) != 0 {
		t.Errorf("kept after it was sent: %v", kept)
	}
	var subjects []string
	for _, m := range p.bobs(t) {
		h, _ := message.ParseHeader([]byte(m))
		subjects = append(subjects, h.Get("Subject"))
	}
	if slices.Sort(subjects); fmt.Sprint(subjects) != "[destroyed forgotten sent]" {
		t.Errorf("bob has %v", subjects)
	}
	if out := cancel(ids["sent"]); out["notUpdated"] == nil || out["notUpdated"].(map[string]any)[ids["sent"]].(map[string]any)["type"] != "cannotUnsend" {
		t.Errorf("cancel what is sent: %v", out)
	}
}

// TestPutOff: what fails for a while is tried again with growing pauses, what is refused for good is recorded (RFC 8621 7 deliveryStatus), and nobody tries for ever.
func TestPutOff(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, nil)
	d := p.draft(t, bobAddress, nil)
	s, _ := p.send(t, d, bobAddress, map[string]any{"HOLDFOR": "10"})
	id := s["id"].(string)
	p.run(t)
	p.submit.say(mail.Errorf(mail.Unavailable, "the disk is nearly full"))
	p.pass(10 * time.Second)
	if got := p.status(t, id); got != "pending queued 450 4.0.0 the disk is nearly full" {
		t.Errorf("put off: %s", got)
	}
	var pauses []time.Duration
	last := p.clock.Now()
	for len(pauses) < 8 {
		notes, err := p.Store.Notes(t.Context(), mail.NoteQuery{Kind: "later"})
		if err != nil || len(notes) != 1 {
			t.Fatal(notes, err)
		}
		var at int64
		fmt.Sscanf(notes[0].Key, "%d/", &at)
		pauses = append(pauses, time.Unix(at, 0).Sub(last))
		for last = p.clock.Now(); last.Before(time.Unix(at, 0)); last = p.clock.Now() {
			p.pass(min(time.Minute, time.Unix(at, 0).Sub(last)))
		}
	}
	if fmt.Sprint(pauses) != "[1m0s 2m0s 4m0s 8m0s 16m0s 32m0s 1h0m0s 1h0m0s]" {
		t.Errorf("pauses: %v", pauses)
	}
	p.submit.say(nil)
	p.pass(time.Hour)
	if n := len(p.bobs(t)); n != 1 || !strings.HasPrefix(p.status(t, id), "final yes") {
		t.Errorf("in the end bob has %d: %s", n, p.status(t, id))
	}
	for _, c := range []struct {
		err  error
		pass time.Duration
		want string
	}{
		{&mail.Error{Kind: mail.Denied, Enhanced: "5.7.1", Text: "not as this sender"}, 10 * time.Second, "final no 550 5.7.1 not as this sender"},
		{mail.Errorf(mail.NotFound, "nobody is called so"), 10 * time.Second, "final no 550 5.0.0 nobody is called so"},
		{mail.Errorf(mail.TooMany, "the day is used up"), 6 * 24 * time.Hour, "final no 550 5.0.0 the day is used up"},
	} {
		p.submit.say(c.err)
		s, _ = p.send(t, d, bobAddress, map[string]any{"HOLDFOR": "5"})
		if s == nil {
			t.Fatal("it is not taken")
		}
		<-p.clock.asked
		p.pass(c.pass)
		if got := p.status(t, s["id"].(string)); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
	if n := len(p.bobs(t)); n != 1 {
		t.Errorf("bob has %d", n)
	}
}

// TestHeldOnce: of many nodes that send what is due, and of a client that cancels at the same time, one wins.
func TestHeldOnce(t *testing.T) {
	t.Parallel()
	var cfg jmap.Config
	p := newPostOffice(t, func(c *jmap.Config) { cfg = *c })
	const n = 12
	var ids []string
	for range n {
		s, _ := p.send(t, p.draft(t, bobAddress, nil), bobAddress, map[string]any{"HOLDFOR": "30"})
		ids = append(ids, s["id"].(string))
	}
	p.clock.move(30 * time.Second)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wait sync.WaitGroup
	for range 3 {
		node := jmap.New(cfg)
		wait.Go(func() {
			defer node.End()
			if err := node.RunLater(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	update := map[string]any{}
	for _, id := range ids[n/2:] {
		update[id] = map[string]any{"undoStatus": "canceled"}
	}
	out := p.must(t, "EmailSubmission/set", map[string]any{"update": update})
	for range 3 {
		<-p.clock.asked
	}
	cancel()
	wait.Wait()
	canceled, _ := out["updated"].(map[string]any)
	if got := len(p.bobs(t)); got != n-len(canceled) {
		t.Errorf("bob has %d of %d, of which %d are canceled", got, n, len(canceled))
	}
	for _, id := range ids {
		_, undone := canceled[id]
		if got := p.status(t, id); strings.HasPrefix(got, "canceled") != undone || !undone && !strings.HasPrefix(got, "final yes") {
			t.Errorf("%s: %s, canceled %v", id, got, undone)
		}
	}
}

// crashing is a journal that does not survive the commit after next: nothing is committed from then on.
type crashing struct {
	mail.Journal
	mu   sync.Mutex
	left int
}

func (j *crashing) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.left--; j.left < 0 {
		return mail.Receipt{}, mail.Errorf(mail.Internal, "killed")
	}
	return j.Journal.Commit(ctx, set)
}

// TestCrashAfterSending kills the server after the commit that takes a message and before its trace is noted: the submission was remembered by the same commit,
// its fate is found all the same, and nothing is sent twice.
func TestCrashAfterSending(t *testing.T) {
	t.Parallel()
	j := &crashing{left: 1 << 30}
	var cfg jmap.Config
	p := newPostOffice(t, func(c *jmap.Config) { j.Journal, c.Journal = c.Journal, j; cfg = *c })
	j.left = 1 // the draft
	d := p.draft(t, bobAddress, nil)
	s, refused := p.send(t, d, bobAddress, nil) // taken by the submitter's own journal
	if s == nil || len(p.bobs(t)) != 1 {
		t.Fatal(s, refused)
	}
	if got := p.status(t, s["id"].(string)); !strings.HasPrefix(got, "final yes 250 ") {
		t.Errorf("sent at once: %s", got)
	}
	j.left = 1
	s, _ = p.send(t, d, bobAddress, map[string]any{"HOLDFOR": "5"})
	p.clock.move(5 * time.Second)
	for i := range 2 {
		node := jmap.New(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- node.RunLater(ctx) }()
		<-p.clock.asked
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		node.End()
		if got := p.status(t, s["id"].(string)); !strings.HasPrefix(got, "final yes 250 ") || len(p.bobs(t)) != 2 {
			t.Errorf("node %d: %s; bob has %d", i, got, len(p.bobs(t)))
		}
	}
}

// TestNothingKept: an operator takes away what was kept, and its owner the message: then it is not sent, and that is told. What was kept for an account
// that is gone goes.
func TestNothingKept(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, nil)
	d := p.draft(t, bobAddress, nil)
	s, _ := p.send(t, d, bobAddress, map[string]any{"HOLDFOR": "60"})
	p.Do(t, mail.QueueAct{Queue: p.Queue(t)[0].ID, Act: mail.ActDelete, Now: town.Epoch})
	p.set(t, "Email/set", map[string]any{"destroy": []string{d}})
	ofBob := p.draft(t, bobAddress, nil)
	p.send(t, ofBob, bobAddress, map[string]any{"HOLDFOR": "60"})
	q := p.Queue(t)[0]
	p.Do(t, mail.Enqueue{Body: mail.StoredBody{ID: q.Blob, Octets: q.Size}, Message: mail.Queued{Trace: "gone", From: "x@one.example", Account: 4711, Created: q.Created,
		Expires: q.Expires, Recipients: q.Recipients}})
	p.run(t)
	if left := p.Queue(t); len(left) != 1 || left[0].ID != q.ID {
		t.Errorf("kept: %v", left)
	}
	p.pass(time.Minute)
	if got := p.status(t, s["id"].(string)); !strings.HasPrefix(got, "final no 550 5.7.0 not sent") || len(p.bobs(t)) != 1 {
		t.Errorf("%s; bob has %d", got, len(p.bobs(t)))
	}
}

// TestMostHeld: an account holds so many, and not more.
func TestMostHeld(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, nil)
	d := p.draft(t, bobAddress, nil)
	for i := range 1000 {
		value, _ := json.Marshal(map[string]any{"emailId": d, "later": "999999999999/x", "sendAt": town.Epoch})
		p.Do(t, mail.PutNote{Note: mail.Note{Kind: "submission", Key: fmt.Sprintf("%s/S%d", p.vars["account"], i), Account: p.IDs[ann], Value: value}})
	}
	if s, refused := p.send(t, d, bobAddress, map[string]any{"HOLDFOR": "5"}); s != nil || refused["type"] != "rateLimit" {
		t.Errorf("%v %v", s, refused)
	}
	if s, _ := p.send(t, d, bobAddress, nil); s == nil {
		t.Error("sending at once is refused too")
	}
}

// TestRunnerWithoutSending ends at once where nothing can be sent.
func TestRunnerWithoutSending(t *testing.T) {
	t.Parallel()
	if err := jmap.New(jmap.Config{}).RunLater(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestEventsOfNotes: what is kept beside mailboxes is told to event sources too, once each (RFC 8620 7.1), and what was missed meanwhile.
func TestEventsOfNotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	lines := w.events(t, "types=Identity,EmailSubmission,Quota&closeafter=no&ping=0", "")
	state := func(data string) map[string]string {
		var o struct{ Changed map[string]map[string]string }
		if err := json.Unmarshal([]byte(data), &o); err != nil {
			t.Fatal(err)
		}
		return o.Changed[w.vars["account"]]
	}
	out := w.must(t, "Identity/set", map[string]any{"create": map[string]any{"i": map[string]any{"email": "team@" + town.Domain, "name": "Team"}}})
	if got := state(next(t, lines, "state")); len(got) != 1 || got["Identity"] != out["newState"] || out["newState"] == out["oldState"] {
		t.Errorf("an identity: told %v, set %v to %v", got, out["oldState"], out["newState"])
	}
	if out := w.must(t, "Identity/changes", map[string]any{"sinceState": out["newState"]}); out["newState"] != out["oldState"] {
		t.Errorf("nothing changed: %v", out)
	}
	a, err := w.Store.Account(t.Context(), w.IDs[ann])
	if err != nil {
		t.Fatal(err)
	}
	a.Quota, a.Name = 1<<20, "Ann"
	if _, err := w.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{mail.UpdateAccount{Account: a}}}); err != nil {
		t.Fatal(err)
	}
	got := state(next(t, lines, "state"))
	if quota := w.must(t, "Quota/get", map[string]any{"ids": nil}); got["Quota"] != quota["state"] {
		t.Errorf("a quota: told %v, is %v", got, quota)
	}
	if list := w.must(t, "Identity/get", map[string]any{"ids": nil}); got["Identity"] != list["state"] {
		t.Errorf("a name: told %v, is %v", got, list)
	}
	// Who was told of one and not of the other is told of the other.
	again := w.events(t, "types=Identity,Quota&closeafter=no&ping=0", "Quota="+got["Quota"])
	if missed := state(next(t, again, "state")); len(missed) != 1 || missed["Identity"] != got["Identity"] {
		t.Errorf("missed: %v", missed)
	}
}
