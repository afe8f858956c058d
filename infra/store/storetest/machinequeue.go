package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
)

var boxNames = []string{"A", "A/B", "A/B/C", "D", "Box", "inbox/x", "E/F"}

func (m *machine) createBox() {
	name := rapid.SampledFrom(boxNames).Draw(m.rt, "name")
	name = strings.Replace(name, "inbox", mail.Inbox, 1)
	rec, err := m.Commit(m.ctx, mail.ChangeSet{Changes: []mail.Change{mail.CreateMailbox{Account: m.id, NewMailbox: mail.NewMailbox{Name: name}}}})
	if m.named(name) != nil {
		m.want(mail.Exists, err)
		return
	}
	m.ok(err)
	m.raise(rec.Results[0])
	m.learn()
	for at := range name { // with all above it
		if name[at] == '/' && m.named(name[:at]) == nil {
			m.Fatalf("%q was made without %q", name, name[:at])
		}
	}
	if b := m.boxes[rec.Results[0].Mailbox]; b == nil || b.Name != name || b.UIDValidity != rec.Results[0].UIDValidity {
		m.Fatalf("making %q gave %+v", name, rec.Results[0])
	}
}

func (m *machine) renameBox() {
	b := m.anyBox()
	to := rapid.SampledFrom(boxNames[:6]).Draw(m.rt, "to")
	to = strings.Replace(to, "inbox", mail.Inbox, 1)
	rec, err := m.Commit(m.ctx, mail.ChangeSet{Changes: []mail.Change{mail.RenameMailbox{Account: m.id, Mailbox: b.ID, Name: to}}})
	if b.Name == mail.Inbox || strings.HasPrefix(to, b.Name+"/") {
		m.want(mail.Invalid, err)
		return
	}
	moving := map[*modelBox]string{}
	for _, x := range m.boxes {
		if x == b || strings.HasPrefix(x.Name, b.Name+"/") {
			moving[x] = to + strings.TrimPrefix(x.Name, b.Name)
		}
	}
	for _, name := range moving {
		if x := m.named(name); x != nil && (moving[x] == "" || to == b.Name) {
			m.want(mail.Exists, err)
			return
		}
	}
	m.ok(err)
	m.raise(rec.Results[0])
	for x, name := range moving {
		x.Name = name
	}
	m.learn()
}

func (m *machine) deleteBox() {
	b := m.anyBox()
	rec, err := m.Commit(m.ctx, mail.ChangeSet{Changes: []mail.Change{mail.DeleteMailbox{Account: m.id, Mailbox: b.ID}}})
	if b.Name == mail.Inbox {
		m.want(mail.Denied, err)
		return
	}
	m.ok(err)
	m.raise(rec.Results[0])
	delete(m.boxes, b.ID)
}

// updateBox changes something about a mailbox that has nothing to do with what is in it.
func (m *machine) updateBox() {
	b := m.anyBox()
	if rapid.Bool().Draw(m.rt, "subscribe") {
		b.Subscribed = !b.Subscribed
		m.raise(m.do(mail.Subscribe{Account: m.id, Mailbox: b.ID, On: b.Subscribed})[0])
		return
	}
	c := mail.UpdateMailbox{Account: m.id, Mailbox: b.ID, Use: rapid.SampledFrom([]mail.SpecialUse{b.Use, mail.NoUse, mail.UseSent, mail.UseInbox}).Draw(m.rt, "use"), Sort: b.Sort + 1}
	rec, err := m.Commit(m.ctx, mail.ChangeSet{Changes: []mail.Change{c}})
	if (b.Name == mail.Inbox) != (c.Use == mail.UseInbox) {
		m.want(mail.Denied, err)
		return
	}
	for _, x := range m.boxes {
		if x != b && x.Use == c.Use && c.Use != mail.NoUse {
			m.want(mail.Exists, err)
			return
		}
	}
	m.ok(err)
	m.raise(rec.Results[0])
	b.Use, b.Sort = c.Use, c.Sort
}

func (m *machine) setQuota() {
	m.quota = rapid.SampledFrom([]int64{0, 0, 100, 1000, 50_000}).Draw(m.rt, "quota")
	m.raise(m.do(mail.UpdateAccount{Account: mail.Account{ID: m.id, Quota: m.quota}})[0])
}

func (m *machine) enqueue() {
	routes := rapid.SliceOfN(rapid.SampledFrom([]string{"a.example", "b.example", ""}), 1, 4).Draw(m.rt, "routes")
	e := m.queued(routes...)
	m.n++
	text := fmt.Sprintf("queued %d of %d\r\n", m.n, m.id)
	e.Body = m.fixture.body(text)
	for i := range e.Message.Recipients {
		r := &e.Message.Recipients[i]
		r.Next = m.clock.Add(time.Duration(rapid.IntRange(-5, 100).Draw(m.rt, "next")) * time.Second).Truncate(time.Microsecond)
		r.Held = rapid.IntRange(0, 5).Draw(m.rt, "held") == 0
		if !r.Held && rapid.IntRange(0, 3).Draw(m.rt, "leased") == 0 {
			r.Lease = mail.Lease{Owner: "machine", Until: m.clock.Add(30 * time.Second).Truncate(time.Microsecond)}
		}
	}
	r := m.do(e)[0]
	q := e.Message
	q.ID, q.Blob, q.Size = r.Queue, r.Blob, int64(len(q.Prefix))+e.Body.Size()
	q.Recipients = slices.Clone(q.Recipients)
	for i := range q.Recipients {
		q.Recipients[i].N = i + 1
	}
	for _, j := range r.Claimed {
		if m.leases[j.Lease.ID] || j.Lease.ID == 0 {
			m.Fatalf("lease %+v", j.Lease)
		}
		m.leases[j.Lease.ID] = true
		for _, got := range j.Message.Recipients {
			want := &q.Recipients[got.N-1]
			if want.Lease.Owner == "" || j.Route != want.Route {
				m.Fatalf("leased %+v, which is %+v", got, *want)
			}
			if want.Lease = j.Lease; got != *want {
				m.Fatalf("leased %+v, want %+v", got, *want)
			}
		}
	}
	for _, left := range q.Recipients {
		if left.Lease.Owner != "" && left.Lease.ID == 0 {
			m.Fatalf("%+v was not leased", left)
		}
	}
	if m.queue[q.ID] != nil {
		m.Fatalf("queue number %d was given twice", q.ID)
	}
	m.queue[q.ID], m.texts[r.Blob] = &modelEntry{q}, text
}

// claimSome lets time pass and claims. What must hold: all claimed were due, no bound was passed, and nothing that could
// have been claimed was left while there was room.
func (m *machine) claimSome() {
	m.clock = m.clock.Add(time.Duration(rapid.IntRange(0, 60).Draw(m.rt, "passed")) * time.Second)
	now := m.clock.Truncate(time.Microsecond)
	c := mail.Claim{Owner: "machine", Now: now, Until: now.Add(30 * time.Second), Limit: rapid.IntRange(1, 5).Draw(m.rt, "limit"),
		PerRoute: rapid.IntRange(0, 3).Draw(m.rt, "per route")}
	free := func(r mail.QueuedRecipient) bool {
		if r.Lease.ID != 0 {
			return !r.Lease.Until.After(now)
		}
		return !r.Held && !r.Next.After(now)
	}
	running, could := map[string]int{}, map[string]int{}
	for _, q := range m.queue {
		for _, r := range q.Recipients {
			if r.Lease.ID != 0 && r.Lease.Until.After(now) {
				running[r.Route]++
			}
			if free(r) {
				could[r.Route]++
			}
		}
	}
	room := 0
	for route, n := range could {
		if c.PerRoute > 0 {
			n = min(n, max(0, c.PerRoute-running[route]))
		}
		room += n
	}
	total := 0
	for _, j := range m.do(c)[0].Claimed {
		total += len(j.Message.Recipients)
		if m.leases[j.Lease.ID] || j.Lease.ID == 0 || j.Lease.Owner != "machine" || !j.Lease.Until.Equal(c.Until) {
			m.Fatalf("lease %+v", j.Lease)
		}
		m.leases[j.Lease.ID] = true
		q := m.queue[j.Message.ID]
		if q == nil || j.Message.Blob != q.Blob || string(j.Message.Prefix) != string(q.Prefix) {
			m.Fatalf("claimed %+v of %+v", j, q)
		}
		for _, got := range j.Message.Recipients {
			r := &q.Recipients[slices.IndexFunc(q.Recipients, func(r mail.QueuedRecipient) bool { return r.N == got.N })]
			if !free(*r) || r.Route != j.Route {
				m.Fatalf("claimed %+v, which is %+v", got, *r)
			}
			r.Lease = j.Lease
			if got != *r {
				m.Fatalf("claimed %+v, want %+v", got, *r)
			}
			if running[r.Route]++; c.PerRoute > 0 && running[r.Route] > c.PerRoute {
				m.Fatalf("%d leases of the route %q", running[r.Route], r.Route)
			}
		}
	}
	if total != min(c.Limit, room) {
		m.Fatalf("%d recipients were claimed, could be %d", total, min(c.Limit, room))
	}
}

func (m *machine) settleOne() {
	var q *modelEntry
	for _, id := range m.queueIDs() {
		for _, r := range m.queue[id].Recipients {
			if r.Lease.ID != 0 {
				q = m.queue[id]
			}
		}
	}
	if q == nil {
		m.claimSome()
		return
	}
	lease := q.Recipients[slices.IndexFunc(q.Recipients, func(r mail.QueuedRecipient) bool { return r.Lease.ID != 0 })].Lease.ID
	for id := range m.leases { // an old one is refused
		if !slices.ContainsFunc(q.Recipients, func(r mail.QueuedRecipient) bool { return r.Lease.ID == id }) {
			m.refuse(mail.Conflict, mail.Settle{Queue: q.ID, Lease: id})
			break
		}
	}
	c := mail.Settle{Queue: q.ID, Lease: lease}
	var left []mail.QueuedRecipient
	for _, r := range q.Recipients {
		if r.Lease.ID != lease {
			left = append(left, r)
			continue
		}
		s := mail.Settlement{N: r.N, Done: rapid.Bool().Draw(m.rt, "done"), Reply: "reply", Spent: true, Delay: rapid.Bool().Draw(m.rt, "delay"),
			Next: m.clock.Add(time.Minute).Truncate(time.Microsecond), Route: rapid.SampledFrom([]string{"", "c.example"}).Draw(m.rt, "route")}
		c.Results = append(c.Results, s)
		if s.Done {
			continue
		}
		r.Lease, r.Next, r.Last, r.Attempts, r.Delayed = mail.Lease{}, s.Next, s.Reply, r.Attempts+1, r.Delayed || s.Delay
		if s.Route != "" {
			r.Route = s.Route
		}
		left = append(left, r)
	}
	m.do(c)
	if q.Recipients = left; len(left) == 0 {
		delete(m.queue, q.ID)
	}
}

func (m *machine) queueIDs() []mail.QueueID {
	ids := make([]mail.QueueID, 0, len(m.queue))
	for id := range m.queue {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (m *machine) act() {
	ids := m.queueIDs()
	if len(ids) == 0 {
		m.enqueue()
		return
	}
	id := rapid.SampledFrom(ids).Draw(m.rt, "entry")
	c := mail.QueueAct{Queue: id, Act: mail.Act(rapid.IntRange(0, 3).Draw(m.rt, "act")), Now: m.clock.Truncate(time.Microsecond)}
	m.do(c)
	for i := range m.queue[id].Recipients {
		r := &m.queue[id].Recipients[i]
		r.Lease = mail.Lease{}
		switch c.Act {
		case mail.ActRetry:
			r.Next = c.Now
		case mail.ActHold:
			r.Held = true
		case mail.ActRelease:
			r.Next, r.Held = c.Now, false
		}
	}
	if c.Act == mail.ActDelete {
		delete(m.queue, id)
	}
}
