package store

import (
	"cmp"
	"slices"

	"github.com/postrider/postrider/mail"
)

// scanLimit is how many due recipients a Claim looks at in the order of their times before it goes route by route:
// routes that are full must not be waded through again and again.
const scanLimit = 1000

// pick is a recipient that a Claim takes.
type pick struct {
	queue mail.QueueID
	n     int
	route string
}

// picker chooses recipients for a Claim.
type picker struct {
	l       *ledger
	c       mail.Claim
	now     int64
	running map[string]int // leases by route
	picks   []pick
	taken   map[pick]bool
}

func (l *ledger) claim(c mail.Claim) (mail.Result, error) {
	if !c.Until.After(c.Now) {
		return mail.Result{}, mail.Errorf(mail.Invalid, "a lease must end after it begins")
	}
	p := &picker{l: l, c: c, now: micros(c.Now), running: map[string]int{}, taken: map[pick]bool{}}
	if c.PerRoute > 0 {
		err := l.conn.each(func(r row) error {
			p.running[r.str(0)]++
			return nil
		}, `SELECT route FROM queued_recipient INDEXED BY recipient_lease WHERE lease > 0 AND until > ?`, p.now)
		if err != nil {
			return mail.Result{}, err
		}
	}
	if err := p.abandoned(); err != nil {
		return mail.Result{}, err
	}
	seen, err := p.byTime()
	if err == nil && seen == scanLimit+c.Limit && len(p.picks) < c.Limit {
		err = p.byRoute()
	}
	if err != nil {
		return mail.Result{}, err
	}
	return p.lease()
}

// full reports whether a route has as many leases as it may.
func (p *picker) full(route string) bool { return p.c.PerRoute > 0 && p.running[route] >= p.c.PerRoute }

// take picks a recipient if it may.
func (p *picker) take(r row) error {
	k := pick{mail.QueueID(r.int(0)), int(r.int(1)), r.str(2)}
	if len(p.picks) >= p.c.Limit || p.full(k.route) || p.taken[k] {
		return nil
	}
	p.taken[k] = true
	p.running[k.route]++
	p.picks = append(p.picks, k)
	return nil
}

// abandoned picks the recipients whose lease has run out: its holder is dead or has lost touch. They are few.
func (p *picker) abandoned() error {
	return p.l.conn.each(p.take, `SELECT queue, n, route FROM queued_recipient INDEXED BY recipient_lease WHERE lease > 0 AND until <= ?
		ORDER BY until`, p.now)
}

// byTime picks the recipients that have been due for the longest time, and tells how many it looked at.
func (p *picker) byTime() (seen int, err error) {
	err = p.l.conn.each(func(r row) error {
		seen++
		return p.take(r)
	}, `SELECT queue, n, route FROM queued_recipient INDEXED BY recipient_due WHERE due IS NOT NULL AND due <= ?
		ORDER BY due, queue, n LIMIT ?`, p.now, scanLimit+p.c.Limit)
	return seen, err
}

// byRoute picks from every route that is not full, the one that waits longest first.
func (p *picker) byRoute() error {
	type head struct {
		route string
		due   int64
	}
	var heads []head
	const first = `SELECT route, due FROM queued_recipient INDEXED BY recipient_route WHERE due IS NOT NULL `
	var h head
	read := func(r row) { h = head{r.str(0), r.int(1)} }
	found, err := p.l.conn.one(read, first+`ORDER BY route, due LIMIT 1`)
	for found && err == nil {
		if h.due <= p.now && !p.full(h.route) {
			heads = append(heads, h)
		}
		found, err = p.l.conn.one(read, first+`AND route > ? ORDER BY route, due LIMIT 1`, h.route)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(heads, func(a, b head) int { return cmp.Compare(a.due, b.due) })
	for _, h := range heads {
		left := p.c.Limit - len(p.picks)
		if left <= 0 {
			return nil
		}
		if p.c.PerRoute > 0 {
			left = min(left, p.c.PerRoute)
		}
		err := p.l.conn.each(p.take, `SELECT queue, n, route FROM queued_recipient INDEXED BY recipient_route
			WHERE due IS NOT NULL AND route = ? AND due <= ? ORDER BY due LIMIT ?`, h.route, p.now, left+len(p.picks))
		if err != nil {
			return err
		}
	}
	return nil
}

// lease writes the leases, one for the recipients of a message that have one route.
func (p *picker) lease() (mail.Result, error) {
	type key struct {
		queue mail.QueueID
		route string
	}
	var order []key
	ns := map[key][]int{}
	for _, k := range p.picks {
		j := key{k.queue, k.route}
		if ns[j] == nil {
			order = append(order, j)
		}
		ns[j] = append(ns[j], k.n)
	}
	var r mail.Result
	for _, k := range order {
		p.l.last.lease++
		lease := mail.Lease{ID: mail.LeaseID(p.l.last.lease), Owner: p.c.Owner, Until: fromMicros(micros(p.c.Until))}
		slices.Sort(ns[k])
		for _, n := range ns[k] {
			_, err := p.l.exec(`UPDATE queued_recipient SET lease = ?, owner = ?, until = ?, due = NULL WHERE queue = ? AND n = ?`,
				lease.ID, lease.Owner, micros(p.c.Until), k.queue, n)
			if err != nil {
				return mail.Result{}, err
			}
		}
		job, err := p.l.job(k.queue, lease)
		if err != nil {
			return mail.Result{}, err
		}
		job.Route = k.route
		r.Claimed = append(r.Claimed, job)
	}
	return r, nil
}

// job reads what a lease covers.
func (l *ledger) job(q mail.QueueID, lease mail.Lease) (mail.Job, error) {
	j := mail.Job{Lease: lease}
	if _, err := l.conn.one(func(r row) { j.Message = readQueued(r) }, `SELECT `+queuedColumns+` FROM queued WHERE id = ?`, q); err != nil {
		return j, err
	}
	err := l.conn.each(func(r row) error {
		j.Message.Recipients = append(j.Message.Recipients, readRecipient(r))
		return nil
	}, `SELECT `+recipientColumns+` FROM queued_recipient WHERE queue = ? AND lease = ? ORDER BY n`, q, lease.ID)
	return j, err
}
