package jmap

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/jscontact"
	"github.com/postrider/postrider/service/contacts"
)

// editContacts makes a change of one or several objects. act makes it and notes what became of each; it may be called several times.
func (c *call) editContacts(act func(e *contacts.Edit) error) (before, after contacts.State, err error) {
	return c.s.cfg.Contacts.Edit(c.ctx, c.account.ID, act)
}

// errPartialFail is RFC 8620 3.6.2: something was done, and what is not known.
const errPartialFail = "serverPartialFail"

// cardBatch is how many cards are changed in one commit, so that none holds much memory.
const cardBatch = 100

// cardSet answers ContactCard/set (RFC 9610 3.5).
func (c *call) cardSet() (any, error) {
	var a setArgs
	r := wire.Reader{Args: c.args}
	a.read(&r)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	st, err := c.s.cfg.Contacts.State(c.ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	if err := a.check(c, stateText(st.Cards)); err != nil {
		return nil, err
	}
	type act func(e *contacts.Edit, out *setResult) error
	var acts []act
	for _, key := range slices.Sorted(maps.Keys(a.create)) {
		acts = append(acts, func(e *contacts.Edit, out *setResult) error { return c.cardCreate(e, out, key, a.create[key]) })
	}
	for _, id := range slices.Sorted(maps.Keys(a.update)) {
		if slices.Contains(a.destroy, id) {
			acts = append(acts, func(_ *contacts.Edit, out *setResult) error {
				out.notChanged(c, id, wire.Errorf(wire.ErrWillDestroy, "the same call destroys it"))
				return nil
			})
			continue
		}
		acts = append(acts, func(e *contacts.Edit, out *setResult) error { return c.cardUpdate(e, out, id, a.update[id]) })
	}
	for _, id := range a.destroy {
		acts = append(acts, func(e *contacts.Edit, out *setResult) error {
			err := e.Remove(c.real(id))
			if err == nil {
				out.gone(id)
				return nil
			}
			err, fine := contactError(err)
			out.notGone(c, id, err)
			return unless(fine, err)
		})
	}
	whole := c.setResult(stateText(st.Cards))
	at := st.Cards
	for batch := range slices.Chunk(acts, cardBatch) {
		var out *setResult
		before, after, err := c.editContacts(func(e *contacts.Edit) error {
			out = c.setResult("")
			for _, do := range batch {
				if err := do(e, out); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			if at == st.Cards && whole.OldState != nil {
				return nil, err // nothing was done
			}
			return nil, wire.Errorf(errPartialFail, "not all of it could be done; get the objects again: "+mail.Sentence(err))
		}
		if before.Cards != at {
			whole.OldState = nil // somebody else's changes lie between, and the client must ask for them
		}
		at = after.Cards
		whole.join(out)
	}
	whole.NewState = stateText(at)
	return whole, nil
}

func unless(fine bool, err error) error {
	if fine {
		return nil
	}
	return err
}

// join adds what became of other objects.
func (r *setResult) join(o *setResult) {
	for k, v := range o.Created {
		put(&r.Created, k, v)
	}
	for k, v := range o.Updated {
		put(&r.Updated, k, v)
	}
	r.Destroyed = append(r.Destroyed, o.Destroyed...)
	for k, v := range o.NotCreated {
		put(&r.NotCreated, k, v)
	}
	for k, v := range o.NotUpdated {
		put(&r.NotUpdated, k, v)
	}
	for k, v := range o.NotDestroyed {
		put(&r.NotDestroyed, k, v)
	}
}

// cardCreate makes one card.
func (c *call) cardCreate(e *contacts.Edit, out *setResult, key string, raw json.RawMessage) error {
	id, card, given, err := c.newCard(e, raw)
	if err != nil {
		err, fine := contactError(err)
		out.notMade(c, key, err)
		return unless(fine, err)
	}
	told := object{}
	for _, name := range []string{"@type", "version", "uid", "created", "updated"} {
		if !given[name] {
			told[name] = card[name]
		}
	}
	out.made(c, key, id, told)
	return nil
}

func (c *call) newCard(e *contacts.Edit, raw json.RawMessage) (id string, card jscontact.Card, given map[string]bool, err error) {
	o, err := jscontact.Decode(raw)
	if err != nil {
		return "", nil, nil, wire.Errorf(wire.ErrInvalidProperties, "a card is an object")
	}
	if o["id"] != nil {
		return "", nil, nil, badProperties("this is the server's to say", "id")
	}
	card, books, err := c.cleanCard(o)
	if err != nil {
		return "", nil, nil, err
	}
	given = map[string]bool{}
	for name := range card {
		given[name] = true
	}
	if err := checkPhotos(card); err != nil {
		return "", nil, nil, err
	}
	id, err = e.Create(card, books)
	return id, card, given, err
}

// cardUpdate changes one card.
func (c *call) cardUpdate(e *contacts.Edit, out *setResult, id string, raw json.RawMessage) error {
	told, err := c.patchCard(e, c.real(id), raw)
	if err != nil {
		err, fine := contactError(err)
		out.notChanged(c, id, err)
		return unless(fine, err)
	}
	out.changed(id, told)
	return nil
}

func (c *call) patchCard(e *contacts.Edit, id string, raw json.RawMessage) (told object, err error) {
	st, err := e.Card(id)
	if err != nil {
		return nil, err
	}
	o, err := jscontact.Decode(st.Card)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "a card cannot be read: %w", err)
	}
	o["id"], o["addressBookIds"] = id, idSet(st.Books)
	patch, err := wire.ParsePatch(raw)
	if err != nil {
		return nil, wire.Errorf(wire.ErrInvalidPatch, err.Error())
	}
	next, err := patch.Apply(o)
	if err != nil {
		return nil, wire.Errorf(wire.ErrInvalidPatch, err.Error())
	}
	if next["id"] != id {
		return nil, badProperties("the id of a card never changes", "id")
	}
	card, books, err := c.cleanCard(next)
	if err != nil {
		return nil, err
	}
	if err := checkPhotos(card); err != nil {
		return nil, err
	}
	if card["updated"] == nil || card["updated"] == o["updated"] {
		card["updated"] = e.Now()
		told = object{"updated": e.Now()}
	}
	return told, e.Update(id, card, books)
}

// bookSet answers AddressBook/set (RFC 9610 2.3).
func (c *call) bookSet() (any, error) {
	var a setArgs
	var empty bool
	var chosen string
	r := wire.Reader{Args: c.args}
	a.read(&r)
	r.Get("onDestroyRemoveContents", &empty)
	r.Get("onSuccessSetIsDefault", &chosen)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	v, err := c.contactView()
	if err != nil {
		return nil, err
	}
	if err := a.check(c, stateText(v.State().Books)); err != nil {
		return nil, err
	}
	if empty {
		for _, id := range a.destroy {
			if err := c.emptyBook(id); err != nil {
				return nil, err
			}
		}
	}
	var out *setResult
	before, after, err := c.editContacts(func(e *contacts.Edit) error {
		out = c.setResult("")
		return c.bookActs(e, out, &a, empty, chosen)
	})
	if err != nil {
		return nil, err
	}
	old := stateText(before.Books)
	out.OldState, out.NewState = &old, stateText(after.Books)
	return out, nil
}

// emptyBook takes most cards out of an address book that is to go with them, in steps, so that no commit is large. One that is left half empty by a crash is
// one that was to be emptied.
func (c *call) emptyBook(id string) error {
	for left := true; left; {
		_, _, err := c.editContacts(func(e *contacts.Edit) error {
			left = false
			if _, err := e.Book(id); err != nil || id == e.Default() {
				return nil //nolint:nilerr // the set will say so
			}
			cards := e.In(id, cardBatch+1)
			if len(cards) <= cardBatch {
				return nil
			}
			left = true
			return takeOut(e, cards, id)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func takeOut(e *contacts.Edit, cards []string, book string) error {
	for _, card := range cards {
		if err := e.TakeOut(card, book); err != nil {
			return err
		}
	}
	return nil
}

// bookActs changes address books within an edit.
func (c *call) bookActs(e *contacts.Edit, out *setResult, a *setArgs, empty bool, chosen string) error {
	for _, key := range slices.Sorted(maps.Keys(a.create)) {
		b, err := readBook(contacts.Book{}, a.create[key], true)
		if err == nil {
			b.ID, err = e.CreateBook(b)
		}
		if err != nil {
			err, fine := contactError(err)
			if out.notMade(c, key, err); !fine {
				return err
			}
			continue
		}
		o := bookObject(b, false)
		delete(o, "name")
		out.made(c, key, b.ID, o)
	}
	for _, id := range slices.Sorted(maps.Keys(a.update)) {
		b, err := e.Book(c.real(id))
		if err == nil && slices.Contains(a.destroy, id) {
			err = wire.Errorf(wire.ErrWillDestroy, "the same call destroys it")
		}
		if err == nil {
			b, err = readBook(b, a.update[id], false)
		}
		if err == nil {
			err = e.UpdateBook(b)
		}
		if err != nil {
			err, fine := contactError(err)
			if out.notChanged(c, id, err); !fine {
				return err
			}
			continue
		}
		out.changed(id, nil)
	}
	for _, id := range a.destroy {
		real := c.real(id)
		if _, err := e.Book(real); err == nil && empty && real != e.Default() {
			if err := takeOut(e, e.In(real, contacts.MaxCards), real); err != nil {
				return err
			}
		}
		err := e.RemoveBook(real)
		if mail.Is(err, mail.Conflict) {
			err = wire.Errorf(errBookHasContents, "the address book has cards; set onDestroyRemoveContents to have them go with it")
		}
		if err != nil {
			err, fine := contactError(err)
			if out.notGone(c, id, err); !fine {
				return err
			}
			continue
		}
		out.gone(id)
	}
	if chosen != "" && out.NotCreated == nil && out.NotUpdated == nil && out.NotDestroyed == nil {
		c.chooseBook(e, out, c.real(chosen))
	}
	return nil
}

// errBookHasContents is RFC 9610 2.3.
const errBookHasContents = "addressBookHasContents"

// chooseBook makes an address book the default one, and says so of both. One that is not there is passed over (RFC 9610 2.3).
func (c *call) chooseBook(e *contacts.Edit, out *setResult, id string) {
	old := e.Default()
	if e.SetDefault(id) != nil || id == old {
		return
	}
	tell := func(id string, is bool) {
		for _, o := range out.Created {
			if o["id"] == id {
				o["isDefault"], o["myRights"] = is, bookObject(contacts.Book{}, is)["myRights"]
				return
			}
		}
		o := out.Updated[id]
		if o == nil {
			o = object{}
		}
		o["isDefault"], o["myRights"] = is, bookObject(contacts.Book{}, is)["myRights"]
		out.changed(id, o)
	}
	tell(id, true)
	tell(old, false)
}

// readBook reads the properties of an address book.
func readBook(b contacts.Book, raw json.RawMessage, create bool) (contacts.Book, error) {
	a, err := decodeObject(raw)
	if err != nil {
		return b, err
	}
	r := wire.Reader{Args: a}
	r.Get("name", &b.Name)
	if _, there := a["name"]; !there && create || there && wire.IsNull(a["name"]) {
		return b, badProperties("an address book has a name", "name")
	}
	if _, there := a["description"]; there {
		b.Description = ""
	}
	r.Get("description", &b.Description)
	var sort *wire.Uint
	r.Get("sortOrder", &sort)
	if _, there := a["sortOrder"]; there {
		b.Sort = 0
		if sort != nil {
			b.Sort = int64(*sort)
		}
	}
	seen := !b.Hidden
	r.Get("isSubscribed", &seen)
	b.Hidden = !seen
	if raw := r.Raw("shareWith"); !wire.IsNull(raw) {
		return b, wire.Errorf(wire.ErrForbidden, "address books are not shared here")
	}
	for _, name := range []string{"id", "isDefault", "myRights"} {
		if r.Raw(name) != nil {
			return b, badProperties("this is the server's to say", name)
		}
	}
	if err := r.End(); err != nil {
		return b, badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	return b, nil
}
