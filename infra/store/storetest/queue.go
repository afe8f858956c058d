package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/postrider/postrider/mail"
)

// queued makes an Enqueue with a recipient for each route, due at the fixture's time and a second later each.
func (f *fixture) queued(routes ...string) mail.Enqueue {
	f.Helper()
	m := mail.Queued{Trace: "abcdefgh01234567", From: "ann@example.org", Account: 7, Prefix: []byte("Received: q\r\n"), Body: mail.Body8Bit, UTF8: true, TLS: mail.TLSRequired, Unproven: true,
		MessageID: "1@x", Created: f.now, Expires: f.now.Add(5 * 24 * time.Hour)}
	for i, r := range routes {
		a := mail.Path(fmt.Sprintf("r%d@%s", i+1, r))
		m.Recipients = append(m.Recipients, mail.QueuedRecipient{Address: a, Original: a, Route: r, Next: f.now.Add(time.Duration(i) * time.Second)})
	}
	return mail.Enqueue{Message: m, Body: f.body("queued\r\n")}
}

// entry reads a queue entry.
func (f *fixture) entry(id mail.QueueID) mail.Queued {
	f.Helper()
	q, err := f.QueuedMessage(f.ctx, id)
	f.ok(err)
	return q
}

// due reads when the queue is due, in seconds after the fixture's time; -1 for never.
func (f *fixture) due() float64 {
	f.Helper()
	t, err := f.NextDue(f.ctx)
	f.ok(err)
	if t.IsZero() {
		return -1
	}
	return t.Sub(f.now).Seconds()
}

func (f *fixture) claim(after time.Duration, limit, perRoute int) []mail.Job {
	f.Helper()
	now := f.now.Add(after)
	return f.do(mail.Claim{Owner: "me", Now: now, Until: now.Add(time.Minute), Limit: limit, PerRoute: perRoute})[0].Claimed
}

func testEnqueue(f *fixture) {
	if f.due() != -1 {
		f.Error("an empty queue is due")
	}
	e := f.queued("a.example", "b.example")
	e.Message.Recipients[1].Original = "list@example.org"
	e.Message.Recipients[1].Held = true
	r := f.do(e)[0]
	want := e.Message
	want.ID, want.Blob, want.Size = r.Queue, r.Blob, int64(len(want.Prefix))+e.Body.Size()
	want.Recipients = append([]mail.QueuedRecipient{}, want.Recipients...)
	want.Recipients[0].N, want.Recipients[1].N = 1, 2
	if got := f.entry(r.Queue); !reflect.DeepEqual(got, want) {
		f.Errorf("got %+v\nwant %+v", got, want)
	}
	list, err := f.Queued(f.ctx, mail.QueueFilter{})
	f.ok(err)
	if len(list) != 1 || !reflect.DeepEqual(list[0], want) {
		f.Errorf("got %+v", list)
	}
	if got := f.read(r.Blob); got != "queued\r\n" {
		f.Errorf("the body reads %q", got)
	}
	if f.due() != 0 {
		f.Errorf("due in %v s", f.due())
	}
	_, err = f.QueuedMessage(f.ctx, 999)
	f.want(mail.NotFound, err)
	f.refuse(mail.Invalid, mail.Enqueue{Message: e.Message})
	f.refuse(mail.Invalid, mail.Enqueue{Body: e.Body})
	if next := f.do(f.queued("c.example"))[0]; next.Queue <= r.Queue {
		f.Errorf("queue entry %d came after %d", next.Queue, r.Queue)
	}
}

// testEnqueueLeased queues mail that somebody has in hand already: it is theirs from the start, until they settle it or their
// lease runs out.
func testEnqueueLeased(f *fixture) {
	e := f.queued("a.example", "b.example", "a.example", "c.example")
	until := f.now.Add(time.Minute)
	for i := range 3 {
		e.Message.Recipients[i].Lease = mail.Lease{Owner: "me", Until: until}
	}
	e.Message.Recipients[0].Original = "list@example.org"
	r := f.do(e)[0]
	if len(r.Claimed) != 2 || r.Claimed[0].Route != "a.example" || r.Claimed[1].Route != "b.example" || r.Claimed[0].Lease.ID == r.Claimed[1].Lease.ID {
		f.Fatalf("claimed %+v", r.Claimed)
	}
	entry := f.entry(r.Queue)
	for i, want := range [][]int{{0, 2}, {1}} {
		j := r.Claimed[i]
		m := entry
		m.Recipients = nil
		for _, at := range want {
			if q := entry.Recipients[at]; q.Lease != j.Lease || q.Lease.Owner != "me" || !q.Lease.Until.Equal(until) {
				f.Errorf("recipient %d reads %+v under %+v", at+1, q, j.Lease)
			}
			m.Recipients = append(m.Recipients, entry.Recipients[at])
		}
		if !reflect.DeepEqual(j.Message, m) {
			f.Errorf("job of\n%+v\nwant\n%+v", j.Message, m)
		}
	}
	if got := f.claim(10*time.Second, 10, 0); len(got) != 1 || got[0].Route != "c.example" {
		f.Errorf("beside them %+v was claimed", got)
	}
	f.do(mail.Settle{Queue: r.Queue, Lease: r.Claimed[0].Lease.ID, Results: []mail.Settlement{{N: 1, Done: true}, {N: 3, Done: true}}})
	f.reopen()
	if f.due() != 60 {
		f.Errorf("due in %v s", f.due())
	}
	again := f.claim(time.Minute, 10, 0)
	if len(again) != 1 || again[0].Route != "b.example" || again[0].Lease.ID == r.Claimed[1].Lease.ID {
		f.Fatalf("after the lease %+v was claimed", again)
	}
	f.refuse(mail.Conflict, mail.Settle{Queue: r.Queue, Lease: r.Claimed[1].Lease.ID, Results: []mail.Settlement{{N: 2, Done: true}}})

	fresh := f.queued("a.example")
	fresh.Message.Recipients[0].Lease = mail.Lease{Owner: "me", Until: until}
	sent := f.do(fresh)[0]
	if got := f.read(sent.Blob); got != "queued\r\n" {
		f.Errorf("the body reads %q", got)
	}
	f.do(mail.Settle{Queue: sent.Queue, Lease: sent.Claimed[0].Lease.ID, Results: []mail.Settlement{{N: 1, Done: true}}})
	_, err := f.Store.Open(f.ctx, sent.Blob)
	f.want(mail.NotFound, err)

	for _, bad := range []mail.QueuedRecipient{
		{Held: true, Lease: mail.Lease{Owner: "me", Until: until}}, {Lease: mail.Lease{Until: until}}, {Lease: mail.Lease{Owner: "me"}},
		{Lease: mail.Lease{ID: 1, Owner: "me", Until: until}},
	} {
		e := f.queued("a.example")
		e.Message.Recipients[0].Held, e.Message.Recipients[0].Lease = bad.Held, bad.Lease
		f.refuse(mail.Invalid, e)
	}
}

func testClaim(f *fixture) {
	id := f.do(f.queued("a.example", "b.example", "a.example", "a.example"))[0].Queue
	if jobs := f.claim(-time.Second, 10, 0); len(jobs) != 0 {
		f.Errorf("before the time %+v was due", jobs)
	}
	if jobs := f.claim(0, 0, 0); len(jobs) != 0 {
		f.Errorf("with limit 0 %+v was claimed", jobs)
	}
	jobs := f.claim(2*time.Second, 10, 0) // recipients 1, 2, 3 are due
	if len(jobs) != 2 || jobs[0].Route != "a.example" || jobs[1].Route != "b.example" {
		f.Fatalf("claimed %+v", jobs)
	}
	until := f.now.Add(2*time.Second + time.Minute)
	for i, want := range [][]int{{1, 3}, {2}} {
		j := jobs[i]
		var ns []int
		for _, r := range j.Message.Recipients {
			ns = append(ns, r.N)
			if r.Lease != j.Lease || r.Route != j.Route {
				f.Errorf("recipient %+v of job %+v", r, j)
			}
		}
		equal(f, "recipients of a job", ns, want)
		if j.Lease.ID == 0 || j.Lease.Owner != "me" || !j.Lease.Until.Equal(until) || j.Message.ID != id || j.Message.MessageID != "1@x" || j.Message.Blob == 0 {
			f.Errorf("job %+v", j)
		}
	}
	if jobs[0].Lease.ID == jobs[1].Lease.ID {
		f.Error("two jobs have one lease")
	}
	if got := f.entry(id).Recipients; got[0].Lease != jobs[0].Lease || got[3].Lease != (mail.Lease{}) {
		f.Errorf("the recipients read %+v", got)
	}
	// Leased ones are not claimed again until their lease has run out.
	if f.due() != 3 {
		f.Errorf("due in %v s", f.due())
	}
	if jobs := f.claim(4*time.Second, 10, 0); len(jobs) != 1 || jobs[0].Message.Recipients[0].N != 4 {
		f.Errorf("claimed %+v", jobs)
	}
	if f.due() != 62 {
		f.Errorf("due in %v s", f.due())
	}
	f.reopen() // a lease outlives its holder's process
	if jobs := f.claim(61*time.Second, 10, 0); len(jobs) != 0 {
		f.Errorf("claimed %+v", jobs)
	}
	again := f.claim(62*time.Second, 10, 0)
	if len(again) != 2 {
		f.Fatalf("claimed %+v", again)
	}
	for _, j := range again {
		if j.Lease.ID == jobs[0].Lease.ID || j.Lease.ID == jobs[1].Lease.ID {
			f.Error("a lease's number was used again")
		}
	}
	f.refuse(mail.Conflict, mail.Settle{Queue: id, Lease: jobs[0].Lease.ID, Results: []mail.Settlement{{N: 1, Done: true}}})
	f.refuse(mail.Invalid, mail.Claim{Now: f.now, Until: f.now, Limit: 1})

	// Earliest first, up to the limit.
	f.do(mail.QueueAct{Queue: id, Act: mail.ActDelete})
	late := f.queued("x.example")
	late.Message.Recipients[0].Next = f.now.Add(time.Second)
	lateID := f.do(late)[0].Queue
	earlyID := f.do(f.queued("y.example"))[0].Queue
	first, second := f.claim(10*time.Second, 1, 0), f.claim(10*time.Second, 1, 0)
	if len(first) != 1 || first[0].Message.ID != earlyID || len(second) != 1 || second[0].Message.ID != lateID {
		f.Errorf("claimed %+v, then %+v", first, second)
	}
}

func testClaimPerRoute(f *fixture) {
	var set []mail.Change
	for range 1500 { // a backlog that hides others from whoever looks by time alone
		set = append(set, f.queued("big.example"))
	}
	small := f.queued("small.example")
	small.Message.Recipients[0].Next = f.now.Add(time.Second)
	none := f.queued("")
	none.Message.Recipients[0].Next = f.now.Add(2 * time.Second)
	f.do(append(set, small, none)...)
	jobs := f.claim(time.Minute, 10, 3)
	count := map[string]int{}
	for _, j := range jobs {
		count[j.Route] += len(j.Message.Recipients)
	}
	if count["big.example"] != 3 || count["small.example"] != 1 || count[""] != 1 {
		f.Errorf("claimed by route: %v", count)
	}
	if jobs := f.claim(time.Minute+time.Second, 10, 3); len(jobs) != 0 {
		f.Errorf("over the route's limit %d jobs were claimed", len(jobs))
	}
	f.do(mail.Settle{Queue: jobs[0].Message.ID, Lease: jobs[0].Lease.ID, Results: []mail.Settlement{{N: jobs[0].Message.Recipients[0].N, Done: true}}})
	if jobs := f.claim(time.Minute+2*time.Second, 10, 3); len(jobs) != 1 {
		f.Errorf("after one was settled %d jobs were claimed", len(jobs))
	}
	// Leases that have run out do not count.
	if jobs := f.claim(10*time.Minute, 10, 3); len(jobs) == 0 {
		f.Error("nothing was claimed after all leases ran out")
	}
}

func testSettle(f *fixture) {
	r := f.do(f.queued("a.example", "a.example", "a.example"))[0]
	job := f.claim(5*time.Second, 10, 0)[0]
	settle := func(lease mail.LeaseID, results ...mail.Settlement) mail.Settle {
		return mail.Settle{Queue: r.Queue, Lease: lease, Results: results}
	}
	f.refuse(mail.Conflict, settle(job.Lease.ID+1, mail.Settlement{N: 1, Done: true}))
	f.refuse(mail.Conflict, settle(0, mail.Settlement{N: 1, Done: true}))
	f.refuse(mail.Conflict, settle(job.Lease.ID, mail.Settlement{N: 4, Done: true}))
	f.refuse(mail.Conflict, mail.Settle{Queue: r.Queue + 1, Lease: job.Lease.ID})
	next := f.now.Add(time.Hour)
	f.do(settle(job.Lease.ID,
		mail.Settlement{N: 1, Done: true, Reply: "250 ok"},
		mail.Settlement{N: 2, Next: next, Reply: "451 later", Delay: true, Spent: true, Route: "b.example"},
		mail.Settlement{N: 3, Next: next.Add(time.Hour)}))
	got := f.entry(r.Queue).Recipients
	if len(got) != 2 || got[0].N != 2 || got[0].Last != "451 later" || !got[0].Delayed || got[0].Attempts != 1 || got[0].Route != "b.example" ||
		!got[0].Next.Equal(next) || got[0].Lease != (mail.Lease{}) || got[1].Attempts != 0 || got[1].Delayed || got[1].Route != "a.example" {
		f.Errorf("the recipients read %+v", got)
	}
	if f.due() != 3600 {
		f.Errorf("due in %v s", f.due())
	}
	f.refuse(mail.Conflict, settle(job.Lease.ID, mail.Settlement{N: 2, Done: true}))
	again := f.claim(time.Hour, 10, 0)[0]
	f.do(settle(again.Lease.ID, mail.Settlement{N: 2, Next: next.Add(time.Minute)}))
	if got := f.entry(r.Queue).Recipients[0]; !got.Delayed || got.Attempts != 1 {
		f.Errorf("a delay report is forgotten: %+v", got)
	}
	for _, j := range f.claim(3*time.Hour, 10, 0) {
		for _, rc := range j.Message.Recipients {
			f.do(settle(j.Lease.ID, mail.Settlement{N: rc.N, Done: true}))
		}
	}
	_, err := f.QueuedMessage(f.ctx, r.Queue)
	f.want(mail.NotFound, err)
	_, err = f.Store.Open(f.ctx, r.Blob)
	f.want(mail.NotFound, err)
	if f.due() != -1 {
		f.Errorf("an empty queue is due in %v s", f.due())
	}
}

func testQueueAct(f *fixture) {
	id := f.do(f.queued("a.example", "b.example"))[0].Queue
	act := func(a mail.Act, after time.Duration) mail.QueueAct {
		return mail.QueueAct{Queue: id, Act: a, Now: f.now.Add(after)}
	}
	jobs := f.claim(5*time.Second, 10, 0)
	f.do(act(mail.ActHold, 0))
	f.refuse(mail.Conflict, mail.Settle{Queue: id, Lease: jobs[0].Lease.ID, Results: []mail.Settlement{{N: 1, Done: true}}})
	if f.due() != -1 || len(f.claim(time.Hour, 10, 0)) != 0 || !f.entry(id).Recipients[0].Held {
		f.Error("a held entry is tried")
	}
	f.do(act(mail.ActRetry, time.Minute)) // asks for a time, but does not release
	if f.due() != -1 {
		f.Error("a held entry is due")
	}
	f.do(act(mail.ActRelease, 2*time.Minute))
	if f.due() != 120 || f.entry(id).Recipients[1].Held {
		f.Errorf("a released entry is due in %v s", f.due())
	}
	jobs = f.claim(2*time.Minute, 10, 0)
	f.do(act(mail.ActRetry, 3*time.Minute))
	if f.due() != 180 || len(jobs) != 2 {
		f.Errorf("a retried entry is due in %v s", f.due())
	}
	f.refuse(mail.Conflict, mail.Settle{Queue: id, Lease: jobs[1].Lease.ID, Results: []mail.Settlement{{N: 2, Done: true}}})
	f.claim(3*time.Minute, 10, 0)
	f.do(act(mail.ActDelete, 0))
	f.refuse(mail.NotFound, act(mail.ActDelete, 0))
	f.refuse(mail.NotFound, mail.QueueAct{Queue: 999, Act: mail.ActHold})
	_, err := f.QueuedMessage(f.ctx, id)
	f.want(mail.NotFound, err)
	id = f.do(f.queued("a.example"))[0].Queue
	f.refuse(mail.Invalid, act(99, 0))
	testUnleased(f, id)
}

// testUnleased: who says so acts only on what nobody has in hand.
func testUnleased(f *fixture, id mail.QueueID) {
	act := func(a mail.Act, after time.Duration) mail.QueueAct {
		return mail.QueueAct{Queue: id, Act: a, Now: f.now.Add(after), Unleased: true}
	}
	f.do(act(mail.ActHold, 0), act(mail.ActRelease, 0))
	jobs := f.claim(0, 10, 0)
	for _, a := range []mail.Act{mail.ActRetry, mail.ActHold, mail.ActRelease, mail.ActDelete} {
		f.refuse(mail.Conflict, act(a, time.Minute-time.Second))
	}
	if got := f.entry(id); len(jobs) != 1 || got.Recipients[0].Lease != jobs[0].Lease {
		f.Errorf("the lease was broken: %+v", got)
	}
	f.do(act(mail.ActRetry, time.Minute)) // it has run out
	f.claim(time.Minute, 10, 0)
	f.do(mail.QueueAct{Queue: id, Act: mail.ActHold, Now: f.now.Add(time.Minute)}, act(mail.ActDelete, time.Minute))
	f.refuse(mail.NotFound, act(mail.ActDelete, 0))
}

func testQueueFilter(f *fixture) {
	a, b, c := f.queued("a.example"), f.queued("b.example", "a.example"), f.queued("c.example")
	b.Message.From = "bob@example.org"
	c.Message.Recipients[0].Held = true
	b.Message.Trace, c.Message.Trace = "second", "second"
	r := f.do(a, b, c)
	for _, q := range []struct {
		filter mail.QueueFilter
		want   []int
	}{
		{mail.QueueFilter{}, []int{0, 1, 2}},
		{mail.QueueFilter{Address: "bob@example.org"}, []int{1}},
		{mail.QueueFilter{Address: "r1@a.example"}, []int{0}},
		{mail.QueueFilter{Address: "r2@a.example"}, []int{1}},
		{mail.QueueFilter{Domain: "a.example"}, []int{0, 1}},
		{mail.QueueFilter{Domain: "example"}, nil},
		{mail.QueueFilter{Held: true}, []int{2}},
		{mail.QueueFilter{Trace: a.Message.Trace}, []int{0}},
		{mail.QueueFilter{Trace: "second"}, []int{1, 2}},
		{mail.QueueFilter{Trace: "second", After: r[1].Queue}, []int{2}},
		{mail.QueueFilter{Trace: "second", Limit: 1, Domain: "a.example"}, []int{1}},
		{mail.QueueFilter{Trace: "none"}, nil},
		{mail.QueueFilter{After: r[0].Queue}, []int{1, 2}},
		{mail.QueueFilter{After: r[0].Queue, Limit: 1}, []int{1}},
		{mail.QueueFilter{Address: "ann@example.org", Domain: "c.example", Held: true}, []int{2}},
	} {
		list, err := f.Queued(f.ctx, q.filter)
		f.ok(err)
		var got, want []mail.QueueID
		for _, e := range list {
			got = append(got, e.ID)
		}
		for _, i := range q.want {
			want = append(want, r[i].Queue)
		}
		equal(f, fmt.Sprintf("entries for %+v", q.filter), got, want)
	}
}
