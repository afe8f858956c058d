package storetest

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
)

// machine makes random changes to a store and the same to a model.
type machine struct {
	*fixture
	*model
	rt    *rapid.T
	clock time.Time
	n     int
}

// runMachine runs the state machine. All runs use one store, each with an account of its own, so that they also begin from whatever
// the runs before have left.
func runMachine(t *testing.T, e Engine, actions func(*machine) map[string]func(*rapid.T)) {
	f := newFixture(t, e)
	f.domain()
	run, failing := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if run >= usualRuns && !failing && rapidDefault() {
			return // enough for a test that everybody waits for; -rapid.checks asks for more
		}
		run++
		failing = true // until it has come to its end
		f.clearQueue()
		m := newMachine(f, rt, run)
		rt.Repeat(actions(m))
		m.compareHistory(f, m.past.seqs)
		Check(t, f.Store)
		f.do(mail.RemoveAccount{Account: m.id})
		_, err := f.Changes(f.ctx, m.id, 0)
		f.want(mail.NotFound, err)
		Check(t, f.Store)
		failing = false
	})
}

// everything is all a machine can do.
func (m *machine) everything() map[string]func(*rapid.T) {
	all := m.mailOnly()
	maps.Copy(all, map[string]func(*rapid.T){
		"rename":  m.step(m.renameBox),
		"quota":   m.step(m.setQuota),
		"enqueue": m.step(m.enqueue),
		"claim":   m.step(m.claimSome),
		"settle":  m.step(m.settleOne),
		"act":     m.step(m.act),
	})
	return all
}

// mailOnly is what is done to messages and the mailboxes they are in, with many messages in several.
func (m *machine) mailOnly() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":        func(rt *rapid.T) { m.rt = rt; m.agree(m.fixture) },
		"add":     m.step(m.add),
		"flags":   m.step(m.setFlags),
		"expunge": m.step(m.expunge),
		"copy":    m.step(m.copyMessages),
		"move":    m.step(m.moveMessages),
		"place":   m.step(m.placeMessages),
		"update":  m.step(m.updateBox),
		"create":  m.step(m.createBox),
		"delete":  m.step(m.deleteBox),
		"refused": m.step(m.refusedSet),
		"reopen":  m.step(m.fixture.reopen),
	}
}

// usualRuns is how many runs there are when nobody asks for a number.
const usualRuns = 12

// rapidDefault reports whether -rapid.checks is as it comes.
func rapidDefault() bool {
	f := flag.Lookup("rapid.checks")
	return f == nil || f.Value.String() == f.DefValue
}

func (f *fixture) clearQueue() {
	f.Helper()
	list, err := f.Queued(f.ctx, mail.QueueFilter{})
	f.ok(err)
	for _, q := range list {
		f.do(mail.QueueAct{Queue: q.ID, Act: mail.ActDelete})
	}
}

func newMachine(f *fixture, rt *rapid.T, run int) *machine {
	m := &machine{fixture: f, rt: rt, clock: f.now, model: &model{boxes: map[mail.MailboxID]*modelBox{}, queue: map[mail.QueueID]*modelEntry{},
		leases: map[mail.LeaseID]bool{}, texts: map[mail.BlobID]string{}}}
	r := f.do(mail.AddAccount{Account: mail.Account{Address: mail.Path(fmt.Sprintf("run%d.%d@example.org", run, time.Now().UnixNano()))},
		Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}, {Name: "Box"}}})
	m.model.id = r[0].Account
	m.learn()
	m.modseq = f.account(m.id).ModSeq
	return m
}

// learn takes mailboxes the model does not know yet from the store, and checks that they are new.
func (m *machine) learn() {
	list, err := m.Mailboxes(m.ctx, m.id)
	m.ok(err)
	for _, b := range list {
		if m.boxes[b.ID] == nil {
			if b.Messages != 0 || b.Size != 0 || b.UIDNext == 0 || b.UIDValidity == 0 || b.ModSeq <= 0 {
				m.Fatalf("a new mailbox reads %+v", b)
			}
			m.boxes[b.ID] = &modelBox{Mailbox: b, gone: map[uint32]uint64{}}
		}
	}
}

// step makes an action of a method.
func (m *machine) step(fn func()) func(*rapid.T) {
	return func(rt *rapid.T) {
		m.rt = rt
		m.n++
		fn()
	}
}

// raise checks that a change took a greater modseq, and takes it over.
func (m *machine) raise(r mail.Result) uint64 {
	if r.ModSeq <= m.modseq {
		m.Fatalf("modseq %d came after %d", r.ModSeq, m.modseq)
	}
	m.modseq = r.ModSeq
	return r.ModSeq
}

// anyBox draws a mailbox.
func (m *machine) anyBox() *modelBox {
	ids := make([]mail.MailboxID, 0, len(m.boxes))
	for id := range m.boxes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return m.boxes[rapid.SampledFrom(ids).Draw(m.rt, "mailbox")]
}

func (m *machine) anyRanges() []mail.UIDRange {
	n := rapid.Uint32Range(0, 12)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) mail.UIDRange {
		first := n.Draw(t, "first")
		return mail.UIDRange{First: first, Last: rapid.SampledFrom([]uint32{0, first, first + 1, first + 3}).Draw(t, "last")}
	}), 1, 3).Draw(m.rt, "uids")
}

func (m *machine) anyFlags() mail.Flags {
	return mail.Flags{
		Bits:     mail.FlagBits(rapid.SampledFrom([]int{0, 1, 4, 8, 9, 12}).Draw(m.rt, "bits")),
		Keywords: rapid.SampledFrom([]string{"", "", "a", "a b", "c"}).Draw(m.rt, "keywords"),
	}
}

func (m *machine) add() {
	b := m.anyBox()
	m.n++
	text := fmt.Sprintf("message %d of %d\r\n", m.n, m.id)
	if rapid.IntRange(0, 9).Draw(m.rt, "large") == 0 {
		text += strings.Repeat("x", 20_000)
	}
	add := mail.AddMessage{Account: m.id, Mailbox: b.ID, Body: m.fixture.body(text), Flags: m.anyFlags(),
		Received: m.clock.Truncate(time.Second), Saved: m.clock.Truncate(time.Microsecond), CheckQuota: true,
		Prefix:  []byte(rapid.SampledFrom([]string{"", "A: b\r\n", "C: dd\r\n"}).Draw(m.rt, "prefix")),
		Summary: []byte(rapid.SampledFrom([]string{"", "s1", "s2"}).Draw(m.rt, "summary"))}
	twice := rapid.Bool().Draw(m.rt, "twice")
	set := []mail.Change{add}
	if twice { // the same body with another prefix
		again := add
		again.Prefix = []byte("T: w\r\n")
		set = append(set, again)
	}
	need := m.used()
	for _, c := range set {
		need += int64(len(c.(mail.AddMessage).Prefix)) + add.Body.Size()
	}
	rec, err := m.Commit(m.ctx, mail.ChangeSet{Changes: set})
	if m.quota > 0 && need > m.quota {
		m.want(mail.OverQuota, err)
		return
	}
	m.ok(err)
	for i, r := range rec.Results {
		c := set[i].(mail.AddMessage)
		modseq := m.raise(r)
		if r.UID < b.UIDNext || r.UIDValidity != b.UIDValidity {
			m.Fatalf("UID %d was given where UIDNEXT was %d", r.UID, b.UIDNext)
		}
		b.UIDNext, b.ModSeq = r.UID+1, modseq
		b.messages = append(b.messages, &modelMessage{blob: r.Blob, prefix: string(c.Prefix), summary: string(c.Summary), Placement: mail.Placement{
			Mailbox: b.ID, UID: r.UID, Email: r.Email, Thread: r.Thread, ModSeq: modseq, Flags: c.Flags, Size: int64(len(c.Prefix)) + c.Body.Size(),
			Received: c.Received, Saved: c.Saved}})
		m.texts[r.Blob] = text
	}
}

func (m *machine) setFlags() {
	b := m.anyBox()
	c := mail.SetFlags{Account: m.id, Mailbox: b.ID, UIDs: m.anyRanges(), Op: rapid.SampledFrom([]mail.FlagsOp{0, 1, 2}).Draw(m.rt, "op"),
		Flags: m.anyFlags(), CheckModSeq: rapid.Bool().Draw(m.rt, "check"), UnchangedSince: rapid.Uint64Range(0, m.modseq).Draw(m.rt, "since")}
	r := m.do(c)[0]
	var unchanged []uint32
	var placed []mail.Placement
	changed := false
	for _, x := range b.in(c.UIDs) {
		if c.CheckModSeq && x.ModSeq > c.UnchangedSince {
			unchanged = append(unchanged, x.UID)
			continue
		}
		to := c.Flags
		switch c.Op {
		case mail.FlagsAdd:
			to = x.Flags.With(c.Flags)
		case mail.FlagsRemove:
			to = x.Flags.Without(c.Flags)
		}
		if to != x.Flags {
			changed = true
			for _, y := range m.everywhere(x.Email) {
				y.Flags, y.ModSeq = to, r.ModSeq
				m.boxes[y.Mailbox].ModSeq = r.ModSeq
			}
		}
		placed = append(placed, x.Placement)
	}
	if changed {
		m.raise(r)
	}
	if !slices.Equal(expand(r.Unchanged), unchanged) || !slices.Equal(r.Placements, placed) {
		m.Fatalf("%+v gave %+v\nwant unchanged %v and placements %+v", c, r, unchanged, placed)
	}
}

func (m *machine) expunge() {
	b := m.anyBox()
	c := mail.Expunge{Account: m.id, Mailbox: b.ID, UIDs: m.anyRanges(), OnlyDeleted: rapid.Bool().Draw(m.rt, "only deleted")}
	r := m.do(c)[0]
	list := b.in(c.UIDs)
	if c.OnlyDeleted {
		list = slices.DeleteFunc(list, func(x *modelMessage) bool { return !x.Flags.Has(mail.Deleted) })
	}
	var uids []uint32
	for _, x := range list {
		uids = append(uids, x.UID)
	}
	if !slices.Equal(expand(r.Expunged), uids) {
		m.Fatalf("expunged %v, want %v", r.Expunged, uids)
	}
	if len(list) > 0 {
		b.ModSeq = m.raise(r)
		b.remove(list, r.ModSeq)
	}
}

// transfer checks a copy's or move's result and gives the new placements to the model.
func (m *machine) transfer(list []*modelMessage, to *modelBox, r mail.Result, move bool) {
	if len(r.Copied) != len(list) {
		m.Fatalf("%d messages were copied, want %d", len(r.Copied), len(list))
	}
	if len(list) == 0 {
		return
	}
	to.ModSeq = m.raise(r)
	places := map[uint32]mail.Placement{}
	for p, err := range m.Placements(m.ctx, to.ID, mail.UIDRange{First: to.UIDNext}, 0) {
		m.ok(err)
		places[p.UID] = p
	}
	for i, x := range list {
		p := r.Copied[i]
		if p.From != x.UID || p.To < to.UIDNext {
			m.Fatalf("copied %+v, want from %d, to %d or more", p, x.UID, to.UIDNext)
		}
		y := *x
		y.Mailbox, y.UID, y.ModSeq, y.Saved = to.ID, p.To, r.ModSeq, m.clock.Truncate(time.Microsecond)
		if !move { // the engine chose a new number
			if y.Email = places[p.To].Email; y.Email == x.Email {
				m.Fatalf("the copy has the number of its original, %d", x.Email)
			}
		}
		to.UIDNext = p.To + 1
		to.messages = append(to.messages, &y)
	}
}

func (m *machine) copyMessages() {
	from, to := m.anyBox(), m.anyBox()
	c := mail.CopyMessages{Account: m.id, From: from.ID, To: to.ID, UIDs: m.anyRanges(), Saved: m.clock}
	list := from.in(c.UIDs)
	need := m.used()
	for _, x := range list {
		need += x.Size
	}
	rec, err := m.Commit(m.ctx, mail.ChangeSet{Changes: []mail.Change{c}})
	if m.quota > 0 && need > m.quota && len(list) > 0 {
		m.want(mail.OverQuota, err)
		return
	}
	m.ok(err)
	m.transfer(list, to, rec.Results[0], false)
	to.sort()
}

func (m *machine) moveMessages() {
	from, to := m.anyBox(), m.anyBox()
	c := mail.MoveMessages{Account: m.id, From: from.ID, To: to.ID, UIDs: m.anyRanges(), Saved: m.clock}
	list := from.in(c.UIDs)
	r := m.do(c)[0]
	if from != to { // those that are in both get a new place in to
		to.remove(slices.DeleteFunc(slices.Clone(to.messages), func(x *modelMessage) bool {
			return !slices.ContainsFunc(list, func(y *modelMessage) bool { return y.Email == x.Email })
		}), r.ModSeq)
	}
	m.transfer(list, to, r, true)
	if len(list) > 0 {
		from.ModSeq = r.ModSeq
		from.remove(list, r.ModSeq)
	}
	to.sort()
}

func (m *machine) refusedSet() {
	b := m.anyBox()
	inbox := m.named(mail.Inbox)
	set := mail.ChangeSet{Changes: []mail.Change{
		mail.SetFlags{Account: m.id, Mailbox: b.ID, UIDs: all, Op: mail.FlagsReplace, Flags: mail.Flags{Bits: mail.MDNSent}},
		mail.AddMessage{Account: m.id, Mailbox: b.ID, Body: m.fixture.body("refused")},
		mail.Expunge{Account: m.id, Mailbox: b.ID, UIDs: m.anyRanges()},
		mail.DeleteMailbox{Account: m.id, Mailbox: inbox.ID},
	}}
	_, err := m.Commit(m.ctx, set)
	m.want(mail.Denied, err)
}
