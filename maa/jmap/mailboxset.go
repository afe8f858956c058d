package jmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// maxName is how many octets the name of one mailbox may have (RFC 8621 1.3.1: at least 100).
const maxName = 200

// wish is what a client wants a mailbox to be.
type wish struct {
	Name       string
	ParentID   *string
	Role       *string
	SortOrder  *wire.Uint
	Subscribed bool
}

// mailboxSet answers Mailbox/set (RFC 8621 2.5).
func (c *call) mailboxSet() (any, error) {
	var a setArgs
	removeEmails := false
	r := wire.Reader{Args: c.args}
	a.read(&r)
	r.Get("onDestroyRemoveEmails", &removeEmails)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	s, err := c.snap()
	if err != nil {
		return nil, err
	}
	if err := a.check(c, stateText(s.state)); err != nil {
		return nil, err
	}
	m := &mailboxSetter{c: c, s: s, out: c.setResult(stateText(s.state))}
	m.createAll(a.create)
	for _, id := range updateOrder(a.update) {
		if o, err := m.update(c.real(id), a.update[id], a.destroy); err != nil {
			m.out.notChanged(c, id, err)
		} else {
			m.out.changed(id, o)
		}
	}
	m.destroyAll(a.destroy, removeEmails)
	_, err = c.settle(m.out, s, m.receipts)
	return m.out, err
}

type mailboxSetter struct {
	c        *call
	s        *snapshot // as it is after the latest change
	out      *setResult
	receipts []mail.Receipt
}

// commit makes one change and looks at the account again.
func (m *mailboxSetter) commit(changes ...mail.Change) (mail.Receipt, error) {
	rc, err := m.c.s.cfg.Journal.Commit(m.c.ctx, mail.ChangeSet{Changes: changes})
	if err != nil {
		return rc, err
	}
	m.receipts = append(m.receipts, rc)
	m.s, err = m.c.snap()
	return rc, err
}

// createAll makes mailboxes, parents before children. Those whose parents wait for each other are refused.
func (m *mailboxSetter) createAll(create map[string]json.RawMessage) {
	left := slices.Sorted(maps.Keys(create))
	for {
		var wait []string
		for i, key := range left {
			if parent := parentOf(create[key]); parent != "" && (slices.Contains(wait, parent) || slices.Contains(left[i:], parent)) {
				wait = append(wait, key)
				continue
			}
			if id, o, err := m.create(create[key]); err != nil {
				m.out.notMade(m.c, key, err)
			} else {
				m.out.made(m.c, key, id, o)
			}
		}
		if len(wait) == len(left) {
			break
		}
		left = wait
	}
	for _, key := range left {
		m.out.notMade(m.c, key, badProperties("the parent is not there", "parentId"))
	}
}

// parentOf gives the creation id of a wished parent, or "".
func parentOf(raw json.RawMessage) string {
	var w struct {
		ParentID *string `json:"parentId"`
	}
	if json.Unmarshal(raw, &w) != nil || w.ParentID == nil { // what is wrong is told by create
		return ""
	}
	parent, isRef := strings.CutPrefix(*w.ParentID, "#")
	if !isRef {
		return ""
	}
	return parent
}

func (m *mailboxSetter) create(raw json.RawMessage) (string, object, error) {
	a, err := decodeObject(raw)
	if err != nil {
		return "", nil, err
	}
	w := wish{}
	if err := m.read(a, &w, true); err != nil {
		return "", nil, err
	}
	path, err := m.path(w, nil)
	if err != nil {
		return "", nil, err
	}
	use := mail.NoUse
	if w.Role != nil {
		if use, err = useOf(*w.Role); err != nil {
			return "", nil, err
		}
	}
	rc, err := m.commit(mail.CreateMailbox{Account: m.c.account.ID, NewMailbox: mail.NewMailbox{Name: path, Use: use, Subscribed: w.Subscribed}})
	if err == nil && w.SortOrder != nil && *w.SortOrder > 0 {
		// Only what is there can be given an order. A crash between the two leaves a mailbox that stands where its role does.
		_, err = m.commit(mail.UpdateMailbox{Account: m.c.account.ID, Mailbox: rc.Results[0].Mailbox, Use: use, Sort: uint32(*w.SortOrder)})
	}
	if err != nil {
		if mail.Is(err, mail.Exists) {
			err = badProperties(mail.Sentence(err), "name", "role")
		}
		return "", nil, err
	}
	b := m.s.box(rc.Results[0].Mailbox)
	if b == nil {
		return "", nil, notFound("mailbox") // somebody deleted it at once
	}
	o := b.object(m.s)
	for name := range a {
		if name != "sortOrder" || w.SortOrder != nil && int(*w.SortOrder) == b.order() {
			delete(o, name)
		}
	}
	return mailboxID(b.ID), o, nil
}

// updateOrder is the order in which updates are made: first those that take a role away, so that another mailbox can get it in the same call.
func updateOrder(update map[string]json.RawMessage) []string {
	ids := slices.Sorted(maps.Keys(update))
	slices.SortStableFunc(ids, func(a, b string) int { return leavesRole(update[b]) - leavesRole(update[a]) })
	return ids
}

func leavesRole(raw json.RawMessage) int {
	var w map[string]json.RawMessage
	if json.Unmarshal(raw, &w) == nil && string(w["role"]) == "null" {
		return 1
	}
	return 0
}

// maxSortOrder is the greatest sortOrder (RFC 8621 2).
const maxSortOrder = 1<<31 - 1

func useOf(role string) (mail.SpecialUse, error) {
	for use, r := range roles {
		if r == role && use != mail.UseInbox {
			return use, nil
		}
	}
	return "", badProperties(fmt.Sprintf("no mailbox can be given the role %q here", role), "role")
}

// read reads properties, of which those the server sets are refused.
func (m *mailboxSetter) read(a wire.Args, w *wish, create bool) error {
	r := wire.Reader{Args: a}
	if create {
		r.Must("name", &w.Name)
	} else {
		r.Get("name", &w.Name)
	}
	for name, to := range map[string]any{"parentId": &w.ParentID, "role": &w.Role, "sortOrder": &w.SortOrder, "isSubscribed": &w.Subscribed} {
		if r.Get(name, to); r.Args[name] != nil && !create && wire.IsNull(r.Args[name]) {
			switch name {
			case "parentId":
				w.ParentID = nil
			case "role":
				w.Role = nil
			}
		}
	}
	if err := r.End(); err != nil {
		for name := range a {
			if !slices.Contains([]string{"name", "parentId", "role", "sortOrder", "isSubscribed"}, name) {
				return badProperties(err.Error(), name)
			}
		}
		return badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	if w.SortOrder != nil && *w.SortOrder > maxSortOrder {
		return badProperties("a sortOrder is below 2147483648", "sortOrder")
	}
	w.Name = norm.NFC.String(w.Name)
	return nil
}

// path makes the whole name of what is wished for. own is the mailbox that is to have it, where there is one.
func (m *mailboxSetter) path(w wish, own *box) (string, error) {
	switch {
	case w.Name == "" || len(w.Name) > maxName:
		return "", badProperties(fmt.Sprintf("a mailbox's name has 1 to %d octets", maxName), "name")
	case strings.Contains(w.Name, mail.Delimiter):
		return "", badProperties("a mailbox's name has no slash; make a mailbox below another by parentId", "name")
	case strings.ContainsFunc(w.Name, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }):
		return "", badProperties("a mailbox's name has no control characters", "name")
	}
	if w.ParentID == nil {
		return w.Name, nil
	}
	n, _ := parseMailbox(m.c.real(*w.ParentID))
	parent := m.s.box(n)
	switch {
	case parent == nil:
		return "", badProperties("the parent is not there", "parentId")
	case strings.Count(parent.Name, mail.Delimiter)+2 > maxDepth:
		return "", badProperties(fmt.Sprintf("mailboxes have %d levels at most", maxDepth), "parentId")
	case own != nil && (parent.ID == own.ID || strings.HasPrefix(parent.Name, own.Name+mail.Delimiter)):
		return "", badProperties("a mailbox cannot move below itself", "parentId")
	}
	return parent.Name + mail.Delimiter + w.Name, nil
}

// update changes one mailbox by a patch.
func (m *mailboxSetter) update(id string, raw json.RawMessage, destroy wire.IDs) (object, error) {
	n, _ := parseMailbox(id)
	b := m.s.box(n)
	switch {
	case b == nil:
		return nil, notFound("mailbox")
	case slices.Contains(destroy, id):
		return nil, wire.Errorf(wire.ErrWillDestroy, "the same call destroys it")
	}
	patch, err := wire.ParsePatch(raw)
	if err != nil {
		return nil, wire.Errorf(wire.ErrInvalidPatch, err.Error())
	}
	is := b.object(m.s)
	set := wire.Args{}
	for name, value := range patch {
		if !slices.Contains(mailboxProps, name) {
			return nil, badProperties("there is no such property, or it has no parts to change", name)
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, badProperties(err.Error(), name)
		}
		was, _ := json.Marshal(is[name]) //nolint:errchkjson // ours
		if string(was) == string(text) {
			continue
		}
		set[name] = text
	}
	parent, _ := b.parentID().(string)
	w := wish{Name: b.name(), Subscribed: b.Subscribed}
	if parent != "" {
		w.ParentID = &parent
	}
	if err := m.read(set, &w, false); err != nil {
		return nil, err
	}
	var changes []mail.Change
	if use, sort, err := shapeOf(b, set, &w); err != nil {
		return nil, err
	} else if use != b.Use || sort != b.Sort {
		changes = append(changes, mail.UpdateMailbox{Account: m.c.account.ID, Mailbox: b.ID, Use: use, Sort: sort})
	}
	_, renamed := set["name"]
	_, moved := set["parentId"]
	if renamed || moved {
		if b.isInbox() {
			return nil, wire.Errorf(wire.ErrForbidden, "the inbox can be neither renamed nor moved")
		}
		path, err := m.path(w, b)
		if err != nil {
			return nil, err
		}
		changes = append(changes, mail.RenameMailbox{Account: m.c.account.ID, Mailbox: b.ID, Name: path})
	}
	if w.Subscribed != b.Subscribed {
		changes = append(changes, mail.Subscribe{Account: m.c.account.ID, Mailbox: b.ID, On: w.Subscribed})
	}
	if len(changes) == 0 {
		return nil, nil
	}
	_, err = m.commit(changes...)
	var refused *mail.ChangeError
	if errors.As(err, &refused) && (mail.Is(err, mail.Exists) || mail.Is(err, mail.Invalid)) {
		name := "name"
		if _, ok := changes[refused.Index].(mail.UpdateMailbox); ok {
			name = "role"
		}
		err = badProperties(mail.Sentence(err), name)
	}
	expected := b.order()
	if set["sortOrder"] != nil && w.SortOrder != nil {
		expected = int(*w.SortOrder)
	}
	if after := m.s.box(b.ID); err == nil && after != nil && after.order() != expected {
		return object{"sortOrder": after.order()}, nil // without one of its own, it is that of the role
	}
	return nil, err
}

// shapeOf gives the use and the order that a patch leads to.
func shapeOf(b *box, set wire.Args, w *wish) (use mail.SpecialUse, sort uint32, err error) {
	use, sort = b.Use, b.Sort
	if _, ok := set["role"]; ok {
		switch {
		case b.isInbox():
			return use, sort, wire.Errorf(wire.ErrForbidden, "the inbox keeps its role")
		case w.Role == nil:
			use = mail.NoUse
		default:
			if use, err = useOf(*w.Role); err != nil {
				return use, sort, err
			}
		}
	}
	if _, ok := set["sortOrder"]; ok {
		if sort = 0; w.SortOrder != nil {
			sort = uint32(*w.SortOrder)
		}
	}
	return use, sort, nil
}

// destroyAll deletes mailboxes, children before parents.
func (m *mailboxSetter) destroyAll(ids wire.IDs, removeEmails bool) {
	depth := func(id string) int {
		n, _ := parseMailbox(m.c.real(id))
		if b := m.s.box(n); b != nil {
			return strings.Count(b.Name, mail.Delimiter)
		}
		return 0
	}
	order := slices.Clone(ids)
	slices.SortStableFunc(order, func(a, b string) int { return depth(b) - depth(a) })
	for _, id := range slices.Compact(order) {
		if err := m.destroy(m.c.real(id), removeEmails); err != nil {
			m.out.notGone(m.c, id, err)
		} else {
			m.out.gone(id)
		}
	}
}

func (m *mailboxSetter) destroy(id string, removeEmails bool) error {
	n, _ := parseMailbox(id)
	b := m.s.box(n)
	switch {
	case b == nil:
		return notFound("mailbox")
	case b.isInbox():
		return wire.Errorf(wire.ErrForbidden, "the inbox cannot be deleted")
	case slices.ContainsFunc(m.s.boxes, func(o *box) bool { return o.parent == b.ID }):
		return wire.Errorf(wire.ErrMailboxHasChild, "there are mailboxes below it; delete them first")
	case !removeEmails && m.s.countsOf(b.ID).emails > 0:
		return wire.Errorf(wire.ErrMailboxHasEmail, "there are messages in it; move them first, or say onDestroyRemoveEmails")
	}
	_, err := m.commit(mail.DeleteMailbox{Account: m.c.account.ID, Mailbox: b.ID})
	return err
}
