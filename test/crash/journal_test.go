package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/test/lab"
)

// state is what a client knows about a message.
type state int

const (
	notTaken     state = iota // never handed over whole, or refused
	unanswered                // handed over, and the connection broke before the answer
	acknowledged              // told 250, or OK
)

// entry is one message.
type entry struct {
	id    string
	via   *site
	to    []string
	state state
}

// journal notes what was handed in and when servers were killed.
type journal struct {
	mu      sync.Mutex
	entries map[string]*entry
	kills   []time.Time
}

func newJournal() *journal { return &journal{entries: map[string]*entry{}} }

// compose makes a new message.
func (j *journal) compose(s *site, from string, to []string, rng *rand.Rand) (*entry, []byte) {
	text := body(rng)
	j.mu.Lock()
	defer j.mu.Unlock()
	e := &entry{id: fmt.Sprintf("<%d.%x@%s>", len(j.entries), rng.Uint64(), s.domain), via: s, to: slices.Clone(to)}
	j.entries[e.id] = e
	head := fmt.Sprintf("Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nMessage-ID: %s\r\nSubject: crash\r\nX-Sum: %s\r\n\r\n",
		time.Now().Format("Mon, 02 Jan 2006 15:04:05 -0700"), from, strings.Join(to, ">, <"), e.id, sum(text))
	return e, append([]byte(head), text...)
}

func (j *journal) set(e *entry, s state) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.state = s
}

func (j *journal) killed(at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kills = append(j.kills, at)
}

// copies are the messages that arrived, by Message-ID and recipient.
type copies map[string]map[string][]lab.Message

// collect reads every mailbox and checks that each message is whole and one of ours.
func (j *journal) collect(t *testing.T, sites []*site) copies {
	t.Helper()
	found := copies{}
	for _, s := range sites {
		for _, user := range s.users {
			c := s.server.IMAP(t, user, password, nil)
			for _, m := range append(lab.Fetch(t, c, "INBOX"), lab.Fetch(t, c, "Archive")...) {
				id := lab.Field(m.Raw, "Message-ID")
				e := j.entries[id]
				if e == nil || !slices.Contains(e.to, user) {
					t.Errorf("%s has a message that nobody sent there:\n%.2000s", user, m.Raw)
					continue
				}
				_, body, _ := bytes.Cut(m.Raw, []byte("\r\n\r\n"))
				if want := lab.Field(m.Raw, "X-Sum"); sum(body) != want {
					t.Errorf("%s has %s damaged: %d octets of body", user, id, len(body))
				}
				if found[id] == nil {
					found[id] = map[string][]lab.Message{}
				}
				found[id][user] = append(found[id][user], m)
			}
		}
	}
	return found
}

// check compares what the journal says with what is there.
func (j *journal) check(t *testing.T, sites []*site) {
	t.Helper()
	found := j.collect(t, sites)
	counts := map[state]int{}
	duplicates := 0
	for _, e := range j.entries {
		counts[e.state]++
		here := found[e.id]
		present := 0
		for _, user := range e.to {
			n := len(here[user])
			if n > 0 {
				present++
			}
			if n > 1 {
				duplicates += n - 1
				j.checkDuplicate(t, e, user, here[user])
			}
		}
		switch {
		case e.state == acknowledged && present != len(e.to):
			t.Errorf("%s was acknowledged by %s; it is there for %d of %v", e.id, e.via.domain, present, e.to)
		case e.state == notTaken && present > 0:
			t.Errorf("%s was never taken by %s and is there for %d of %v", e.id, e.via.domain, present, e.to)
		case e.state == unanswered && present != 0 && present != len(e.to):
			t.Errorf("%s, of one commit, is there for %d of %v", e.id, present, e.to)
		}
	}
	t.Logf("%d kills; %d messages acknowledged, %d without answer, %d not taken; %d duplicates where an answer was lost between the servers",
		len(j.kills), counts[acknowledged], counts[unanswered], counts[notTaken], duplicates)
	if counts[acknowledged] < 10*len(j.kills) {
		t.Errorf("only %d messages were acknowledged around %d kills; the suite shows nothing", counts[acknowledged], len(j.kills))
	}
}

// window is how long after a message was filed the answer may still have been on its way, on a slow machine.
const window = 2 * time.Second

// checkDuplicate allows a second copy only of a message that crossed between the servers, only where one of them was killed
// while the answer to the first copy was on its way, and only when the sender has noted one answer, not two.
func (j *journal) checkDuplicate(t *testing.T, e *entry, user string, list []lab.Message) {
	t.Helper()
	if strings.HasSuffix(user, "@"+e.via.domain) {
		t.Errorf("%s is there %d times for %s, who is on the server that took it once", e.id, len(list), user)
		return
	}
	slices.SortFunc(list, func(a, b lab.Message) int { return a.Received.Compare(b.Received) })
	for _, m := range list[:len(list)-1] {
		// INTERNALDATE has whole seconds.
		if !slices.ContainsFunc(j.kills, func(at time.Time) bool {
			return !at.Before(m.Received) && at.Before(m.Received.Add(time.Second+window))
		}) {
			t.Errorf("%s is there %d times for %s, and nobody was killed when the first came (%s)", e.id, len(list), user, m.Received)
		}
	}
	if n := e.via.server.Relayed(e.id, user); n > 1 {
		t.Errorf("%s: the sender noted %d times that %s has it", e.id, n, user)
	}
}
