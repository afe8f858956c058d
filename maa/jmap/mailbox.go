package jmap

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// mailboxProps are the properties of a Mailbox (RFC 8621 2).
var mailboxProps = []string{"id", "name", "parentId", "role", "sortOrder", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed"}

// roles are the uses as roles (RFC 8621 2).
var roles = map[mail.SpecialUse]string{
	mail.UseInbox: "inbox", mail.UseSent: "sent", mail.UseDrafts: "drafts", mail.UseJunk: "junk", mail.UseTrash: "trash", mail.UseArch: "archive",
}

// orders are the places of mailboxes that nobody has given one.
var orders = map[mail.SpecialUse]int{
	mail.UseInbox: 1, mail.UseDrafts: 2, mail.UseSent: 3, mail.UseArch: 4, mail.UseJunk: 5, mail.UseTrash: 6, mail.NoUse: 10,
}

func (b *box) role() any {
	if b.Name == mail.Inbox {
		return "inbox"
	}
	if r, ok := roles[b.Use]; ok {
		return r
	}
	return nil
}

func (b *box) isInbox() bool { return b.Name == mail.Inbox || b.Use == mail.UseInbox }

// order is its sortOrder. One that is 0 in the store has that of its role, so that lists have an order from the start.
func (b *box) order() int {
	if b.Sort > 0 {
		return int(b.Sort)
	}
	if b.isInbox() {
		return orders[mail.UseInbox]
	}
	return orders[b.Use]
}

func (b *box) parentID() any {
	if b.parent == 0 {
		return nil
	}
	return mailboxID(b.parent)
}

// name is what people see: INBOX in capitals is IMAP's.
func (b *box) name() string {
	if b.Name == mail.Inbox {
		return "Inbox"
	}
	return b.leaf
}

// object makes the Mailbox.
func (b *box) object(s *snapshot) object {
	n := s.countsOf(b.ID)
	may := !b.isInbox()
	return object{
		"id": mailboxID(b.ID), "name": b.name(), "parentId": b.parentID(), "role": b.role(), "sortOrder": b.order(),
		"totalEmails": n.emails, "unreadEmails": n.unread, "totalThreads": n.threads, "unreadThreads": n.unreadThreads,
		"isSubscribed": b.Subscribed || b.isInbox(),
		"myRights": object{"mayReadItems": true, "mayAddItems": true, "mayRemoveItems": true, "maySetSeen": true, "maySetKeywords": true,
			"mayCreateChild": true, "mayRename": may, "mayDelete": may, "maySubmit": true},
	}
}

func (c *call) mailboxGet() (any, error) {
	g, err := c.getArgs(mailboxProps, nil)
	if err != nil {
		return nil, err
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	resp := c.got(stateText(s.state))
	if g.all {
		if len(s.boxes) > c.s.cfg.Limits.Get {
			return nil, wire.Errorf(wire.ErrRequestTooLarge, "there are more mailboxes than one call gets; query for them first")
		}
		for _, b := range s.boxes {
			resp.add(&g, b.object(s))
		}
	}
	for _, id := range g.ids {
		n, _ := parseMailbox(id)
		if b := s.box(n); b != nil {
			resp.add(&g, b.object(s))
		} else {
			resp.NotFound = append(resp.NotFound, id)
		}
	}
	return resp, nil
}

// mailboxChanges answers Mailbox/changes (RFC 8621 2.2): where counts alone have changed, it says so.
func (c *call) mailboxChanges() (any, error) {
	return c.changes(changing{rememberedBoxes, recordedBoxes}, func(list []event, resp object) {
		resp["updatedProperties"] = nil
		updated := slices.DeleteFunc(slices.Clone(list), func(e event) bool { return e.created || e.removed })
		if len(updated) > 0 && !slices.ContainsFunc(updated, func(e event) bool { return !e.counts }) {
			resp["updatedProperties"] = []string{"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}
		}
	})
}

func rememberedBoxes(s *snapshot, since uint64) (list []event) {
	for _, b := range s.boxes {
		if b.created > since {
			list = append(list, event{id: boxID(b), at: b.created, created: true})
		} else if at := max(b.shaped, b.counted); at > since {
			list = append(list, event{id: boxID(b), at: at, counts: b.shaped <= since})
		}
	}
	return append(list, tombEvents(s.goneBoxes, since, func(id int64) string { return mailboxID(mail.MailboxID(id)) })...)
}

// recordedBoxes finds which mailboxes changed. A message that changed may have changed the counts of every mailbox that its thread is in, such as unreadThreads.
func recordedBoxes(s *snapshot, ch *mail.Changes) (list []event) {
	counted := map[mail.MailboxID]uint64{}
	threads := map[mail.ThreadID]uint64{}
	for _, e := range ch.Emails {
		threads[e.Thread] = max(threads[e.Thread], e.ModSeq)
	}
	for id, at := range threads {
		for _, e := range s.threadOf(id) {
			for _, p := range e.places {
				counted[p.mailbox] = max(counted[p.mailbox], at)
			}
		}
	}
	told := map[mail.MailboxID]bool{}
	for _, b := range ch.Mailboxes {
		if told[b.Mailbox] = true; !b.New || !b.Gone {
			list = append(list, event{id: mailboxID(b.Mailbox), at: max(b.ModSeq, counted[b.Mailbox]), created: b.New, removed: b.Gone, counts: b.Only})
		}
	}
	for _, b := range s.boxes {
		if at := reparented(b, ch); !told[b.ID] && max(at, counted[b.ID]) > 0 {
			list = append(list, event{id: boxID(b), at: max(at, counted[b.ID]), counts: at == 0})
		}
	}
	return list
}

// reparented tells when a mailbox may have got another parent without a change of its own, because of a name above its own that came or went; 0: it has not.
func reparented(b *box, ch *mail.Changes) (at uint64) {
	if !strings.Contains(b.Name, mail.Delimiter) {
		return 0
	}
	for _, o := range ch.Mailboxes {
		if !o.Only && (o.Mailbox == b.parent || b.parent == 0) {
			at = max(at, o.ModSeq)
		}
	}
	return at
}

// tombEvents are what is gone since a state and was there then.
func tombEvents(tombs []tomb, since uint64, id func(int64) string) (list []event) {
	for _, t := range tombs {
		if t.died > since && t.created <= since {
			list = append(list, event{id: id(t.id), at: t.died, removed: true})
		}
	}
	return list
}

// mailboxCond is one condition of a Mailbox/query (RFC 8621 2.3).
type mailboxCond struct {
	parent, role *string // nil: not asked; null: ""
	name         *string
	hasAnyRole   *bool
	isSubscribed *bool
}

func compileMailbox(a wire.Args) (m mailboxCond, err error) {
	r := wire.Reader{Args: a}
	nullable := func(name string) *string {
		raw, there := a[name]
		var s string
		if r.Get(name, &s); !there {
			return nil
		}
		if wire.IsNull(raw) {
			s = ""
		}
		return &s
	}
	m.parent, m.role = nullable("parentId"), nullable("role")
	r.Get("name", &m.name)
	r.Get("hasAnyRole", &m.hasAnyRole)
	r.Get("isSubscribed", &m.isSubscribed)
	if err := r.End(); err != nil {
		return m, wire.Errorf(wire.ErrUnsupportedFilter, err.Error())
	}
	return m, nil
}

func (m *mailboxCond) fits(b *box) bool {
	parent, _ := b.parentID().(string)
	role, _ := b.role().(string)
	return (m.parent == nil || *m.parent == parent) && (m.role == nil || *m.role == role) &&
		(m.name == nil || strings.Contains(strings.ToLower(b.name()), strings.ToLower(*m.name))) &&
		(m.hasAnyRole == nil || *m.hasAnyRole == (role != "")) &&
		(m.isSubscribed == nil || *m.isSubscribed == (b.Subscribed || b.isInbox()))
}

// boxQuery is what Mailbox/query and Mailbox/queryChanges have in common.
type boxQuery struct {
	filter       *wire.Filter[mailboxCond]
	sort         []wire.Comparator
	asTree       bool
	filterAsTree bool
}

func (q *boxQuery) read(r *wire.Reader) error {
	filter, sort := r.Raw("filter"), r.Raw("sort")
	r.Get("sortAsTree", &q.asTree)
	r.Get("filterAsTree", &q.filterAsTree)
	var err error
	if q.filter, err = wire.ParseFilter(filter, compileMailbox); err != nil {
		return invalid(err)
	}
	if q.sort, err = wire.ParseSort(sort); err != nil {
		return invalid(err)
	}
	for _, k := range q.sort {
		if k.Property != "sortOrder" && k.Property != "name" && k.Property != "parentId" {
			return wire.Errorf(wire.ErrUnsupportedSort, fmt.Sprintf("mailboxes are not sorted by %q", k.Property))
		}
	}
	return nil
}

// run gives the results in order.
func (q *boxQuery) run(s *snapshot) []*box {
	fits := map[mail.MailboxID]bool{}
	for _, b := range s.boxes { // parents come first
		fits[b.ID] = q.filter.Eval(func(m *mailboxCond) wire.Verdict { return wire.Is(m.fits(b)) }) == wire.Yes &&
			(!q.filterAsTree || b.parent == 0 || fits[b.parent])
	}
	order := func(a, b *box) int {
		for _, k := range q.sort {
			n := 0
			switch k.Property {
			case "sortOrder":
				n = cmp.Compare(a.order(), b.order())
			case "name":
				n = cmp.Compare(strings.ToLower(a.name()), strings.ToLower(b.name()))
			case "parentId":
				n = cmp.Compare(a.parent, b.parent)
			}
			if !k.Ascending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return cmp.Compare(a.ID, b.ID)
	}
	all := slices.SortedFunc(slices.Values(s.boxes), order)
	if q.asTree {
		var tree []*box
		var below func(parent mail.MailboxID)
		below = func(parent mail.MailboxID) {
			for _, b := range all {
				if b.parent == parent {
					tree = append(tree, b)
					below(b.ID)
				}
			}
		}
		below(0)
		all = tree
	}
	return slices.DeleteFunc(all, func(b *box) bool { return !fits[b.ID] })
}

func boxID(b *box) string { return mailboxID(b.ID) }

// mailboxQuery answers Mailbox/query (RFC 8621 2.3).
func (c *call) mailboxQuery() (any, error) {
	r := wire.Reader{Args: c.args}
	var p page
	var q boxQuery
	p.read(c, &r)
	if err := cmp.Or(q.read(&r), r.End()); err != nil {
		return nil, invalid(err)
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	return queried(c, &p, stateText(s.state), q.run(s), boxID)
}

// mailboxQueryChanges answers Mailbox/queryChanges (RFC 8621 2.4).
func (c *call) mailboxQueryChanges() (any, error) {
	r := wire.Reader{Args: c.args}
	var qc queryChanges
	var q boxQuery
	qc.read(&r)
	if err := cmp.Or(q.read(&r), r.End()); err != nil {
		return nil, invalid(err)
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	since, known, err := c.since(s, qc.since)
	if err != nil {
		return nil, err
	}
	var list []event
	if known {
		list = rememberedBoxes(s, since)
	} else {
		ch, now, err := c.history(s, since)
		if err != nil {
			return nil, err
		}
		s, list = now, recordedBoxes(now, &ch)
	}
	moved := map[string]bool{}
	shaped := false
	for _, e := range list {
		shaped = shaped || !e.counts && !e.removed
		if e.removed {
			moved[e.id] = true
		}
	}
	if shaped { // with trees, one name may move many
		for _, b := range s.boxes {
			moved[mailboxID(b.ID)] = true
		}
	}
	return requeried(c, &qc, stateText(s.state), q.run(s), boxID, moved)
}

func decodeObject(raw json.RawMessage) (wire.Args, error) {
	var a wire.Args
	if err := json.Unmarshal(raw, &a); err != nil || a == nil {
		return nil, wire.Errorf(wire.ErrInvalidArguments, "an object is expected")
	}
	return a, nil
}
