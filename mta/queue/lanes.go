package queue

import "github.com/postrider/postrider/mail"

// lanes are the jobs in hand, by route: those that wait for room, and counts of those under way. They decide who runs next, so
// that no route, however slow or dead, keeps the others from moving. It is a plain value; the scheduler's lock guards it.
//
// Room is shared by a rule that needs no tuning: a route may have as many attempts as a quarter of the places that are still
// free. One route alone comes to a fifth of all places, twenty stuck ones to a sixth of that each, and some always stay free: a
// route that has nothing under way finds one at once. The same rule, with an eighth, bounds how many jobs of a route are in hand.
type lanes struct {
	limits  Limits
	routes  map[string]*lane
	turn    []*lane // those with jobs that wait, in the order of their turns
	waiting int     // jobs
	running int     // attempts
	settles int     // jobs that were tried and are being settled
	held    int     // recipients in hand
}

// lane is what is in hand of one route.
type lane struct {
	route   string
	waiting []mail.Job
	running int // attempts
	held    int // recipients leased: waiting, tried or being settled, or promised a lease
}

const (
	shareRunning = 4 // a route's attempts are at most one of so many free places
	shareHeld    = 8 // and its recipients in hand one of so many free ones
	backlogs     = 20
	aheadOf      = 8
)

func newLanes(l Limits) *lanes { return &lanes{limits: l, routes: map[string]*lane{}} }

// ahead is how many recipients of one route may be in hand: enough for some rounds of attempts, fewer when much is in hand already.
func (l *lanes) ahead() int {
	return min(aheadOf*l.limits.PerRoute, max(1, (backlogs*l.limits.Batch-l.held)/shareHeld))
}

// promise counts n recipients of a route that are about to be leased, if there is room for them.
func (l *lanes) promise(route string, n int) bool {
	have := 0
	if at := l.routes[route]; at != nil {
		have = at.held
	}
	// Half of the room is for what waits in the store, or fresh mail would always overtake it.
	if have+n > l.ahead()/2 {
		return false
	}
	l.hold(route, n)
	return true
}

// hold counts n recipients of a route that are in hand from now on.
func (l *lanes) hold(route string, n int) {
	at := l.routes[route]
	if at == nil {
		at = &lane{route: route}
		l.routes[route] = at
	}
	at.held += n
	l.held += n
}

// drop is the reverse of hold. It reports whether the route came down to where it is worth asking the store for more of it.
func (l *lanes) drop(route string, n int) (low bool) {
	at := l.routes[route]
	half := l.ahead() / 2
	low = at.held > half && at.held-n <= half
	at.held -= n
	l.held -= n
	if at.held == 0 {
		delete(l.routes, route)
	}
	return low
}

// add puts a job, whose recipients are held, behind the others of its route.
func (l *lanes) add(job mail.Job) {
	at := l.routes[job.Route]
	if len(at.waiting) == 0 {
		l.turn = append(l.turn, at)
	}
	at.waiting = append(at.waiting, job)
	l.waiting++
}

// full reports whether no attempt at all may begin now. Jobs that wait for their settlement count beyond a measure, so that a
// store that is stuck stops the sending.
func (l *lanes) full() bool {
	return l.running >= l.limits.Concurrency || l.settles >= l.limits.Concurrency+l.limits.Batch
}

// next takes the job whose turn it is, if one may run.
func (l *lanes) next() (mail.Job, bool) {
	if l.full() {
		return mail.Job{}, false
	}
	share := max(1, (l.limits.Concurrency-l.running)/shareRunning)
	for range l.turn {
		at := l.turn[0]
		l.turn = l.turn[1:]
		if at.running >= min(share, l.limits.PerRoute) {
			l.turn = append(l.turn, at)
			continue
		}
		job := at.waiting[0]
		at.waiting[0] = mail.Job{}
		if at.waiting = at.waiting[1:]; len(at.waiting) > 0 {
			l.turn = append(l.turn, at)
		}
		at.running++
		l.waiting--
		l.running++
		return job, true
	}
	return mail.Job{}, false
}

// tried ends a job's attempt: its settlement is next.
func (l *lanes) tried(route string) {
	l.routes[route].running--
	l.running--
	l.settles++
}

// rest takes out all jobs that wait.
func (l *lanes) rest() (jobs []mail.Job) {
	for _, at := range l.turn {
		jobs = append(jobs, at.waiting...)
		at.waiting = nil
	}
	l.turn, l.waiting = nil, 0
	return jobs
}
