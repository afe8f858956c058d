package jmap

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/jscontact"
	"github.com/postrider/postrider/service/contacts"
)

// capContacts is RFC 9610 1.4.1.
const capContacts = "urn:ietf:params:jmap:contacts"

// contactCapability is what an account's session tells of contacts.
func contactCapability(*Server, *http.Request) object {
	return object{"maxAddressBooksPerCard": nil, "mayCreateAddressBook": true}
}

func (s *Server) keepsContacts() bool { return s.cfg.Contacts != nil }

// books and cards are the states of the two types, for who watches them.
func (q *stateQuery) books() (string, error) {
	st, err := q.s.cfg.Contacts.State(q.ctx, q.id)
	return stateText(st.Books), err
}

func (q *stateQuery) cards() (string, error) {
	st, err := q.s.cfg.Contacts.State(q.ctx, q.id)
	return stateText(st.Cards), err
}

func (c *call) contactView() (*contacts.View, error) {
	return c.s.cfg.Contacts.View(c.ctx, c.account.ID)
}

// contactChanges answers AddressBook/changes and ContactCard/changes (RFC 9610 2.2, RFC 9610 3.2).
func (c *call) contactChanges(books bool) (any, error) {
	a, err := c.sinceArgs()
	if err != nil {
		return nil, err
	}
	ch, err := c.contactsSince(books, a.since, a.limit)
	if err != nil {
		return nil, err
	}
	resp := object{"accountId": accountID(c.account.ID), "oldState": a.since, "newState": stateText(ch.To), "hasMoreChanges": ch.More}
	for name, list := range map[string][]string{"created": ch.Created, "updated": ch.Updated, "destroyed": ch.Destroyed} {
		if list == nil {
			list = []string{}
		}
		resp[name] = list
	}
	return resp, nil
}

func (c *call) contactsSince(books bool, state string, most int) (contacts.Changes, error) {
	gone := wire.Errorf(wire.ErrCannotCalculate, "what changed since that state is not known any more; get the objects again")
	since, ok := parseState(state)
	if !ok {
		return contacts.Changes{}, gone
	}
	ch, err := c.s.cfg.Contacts.Changes(c.ctx, c.account.ID, books, since, most)
	if errors.Is(err, contacts.ErrTooOld) {
		return ch, gone
	}
	return ch, err
}

func (c *call) bookChanges() (any, error) { return c.contactChanges(true) }
func (c *call) cardChanges() (any, error) { return c.contactChanges(false) }

// contactError translates what is wrong with one object. ok is false for what is wrong with the server: then nothing of the change is made.
func contactError(err error) (_ error, ok bool) {
	var wrong *contacts.PropertyError
	var there *contacts.ExistsError
	var ours *wire.MethodError
	switch {
	case errors.As(err, &wrong):
		if wrong.Property == "" {
			return wire.Errorf(wire.ErrInvalidProperties, wrong.Text), true
		}
		return badProperties(wrong.Text, wrong.Property), true
	case errors.As(err, &there):
		e := wire.Errorf(wire.ErrAlreadyExists, "a card of the account has this uid already")
		e.Extra = map[string]any{"existingId": there.ID}
		return e, true
	case errors.As(err, &ours):
		return ours, true
	}
	switch mail.KindOf(err) {
	case mail.NotFound, mail.Denied, mail.OverQuota, mail.TooLarge, mail.TooMany, mail.Invalid:
		return err, true
	case mail.Internal, mail.Unavailable, mail.Conflict, mail.Exists, mail.Unauthenticated:
	}
	return err, false
}

var bookProps = []string{"id", "name", "description", "sortOrder", "isDefault", "isSubscribed", "shareWith", "myRights"}

func bookObject(b contacts.Book, isDefault bool) object {
	var description any
	if b.Description != "" {
		description = b.Description
	}
	return object{"id": b.ID, "name": b.Name, "description": description, "sortOrder": b.Sort, "isDefault": isDefault, "isSubscribed": !b.Hidden, "shareWith": nil,
		"myRights": object{"mayRead": true, "mayWrite": true, "mayShare": false, "mayDelete": !isDefault}}
}

// bookGet answers AddressBook/get (RFC 9610 2.1).
func (c *call) bookGet() (any, error) {
	g, err := c.getArgs(bookProps, nil)
	if err != nil {
		return nil, err
	}
	v, err := c.contactView()
	if err != nil {
		return nil, err
	}
	resp := c.got(stateText(v.State().Books))
	for _, b := range v.Books() {
		if at := slices.Index(g.ids, b.ID); g.all || at >= 0 {
			if at >= 0 {
				g.ids = slices.Delete(g.ids, at, at+1)
			}
			resp.add(&g, bookObject(b, b.ID == v.Default()))
		}
	}
	resp.NotFound = append(resp.NotFound, g.ids...)
	return resp, nil
}

// cardGet answers ContactCard/get (RFC 9610 3.1).
func (c *call) cardGet() (any, error) {
	g, err := c.getArgs(nil, nil)
	if err != nil {
		return nil, err
	}
	v, err := c.contactView()
	if err != nil {
		return nil, err
	}
	if most := c.s.cfg.Limits.Get; g.all && v.Len() > most {
		return nil, wire.Errorf(wire.ErrRequestTooLarge, "there are more cards than one call gets; query them, and get them by their ids")
	}
	if g.all {
		g.ids = v.IDs()
	}
	resp := c.got(stateText(v.State().Cards))
	for _, id := range g.ids {
		if !v.Has(id) {
			resp.NotFound = append(resp.NotFound, id)
			continue
		}
		st, err := c.s.cfg.Contacts.Card(c.ctx, c.account.ID, id)
		if mail.Is(err, mail.NotFound) {
			resp.NotFound = append(resp.NotFound, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		o, err := cardObject(id, st)
		if err != nil {
			return nil, err
		}
		resp.add(&g, o)
	}
	return resp, nil
}

// cardObject is a card as clients see it: its properties as they were given, the id and the address books.
func cardObject(id string, st contacts.Stored) (object, error) {
	var card map[string]json.RawMessage
	if err := json.Unmarshal(st.Card, &card); err != nil {
		return nil, mail.Errorf(mail.Internal, "a card cannot be read: %w", err)
	}
	o := make(object, len(card)+1)
	for name, raw := range card {
		o[name] = raw
	}
	o["id"], o["addressBookIds"] = id, idSet(st.Books)
	return o, nil
}

// idSet is a set of ids as JMAP writes it.
func idSet(ids []string) map[string]any {
	set := make(map[string]any, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// cardCopy answers ContactCard/copy (RFC 9610 3.6). As with Email/copy, a client has one account here, and all it can say is why not.
func (c *call) cardCopy() (any, error) {
	var from string
	var state, fromState *string
	var create map[string]wire.Args
	destroy := false
	r := wire.Reader{Args: c.args}
	r.Must("fromAccountId", &from)
	r.Get("ifInState", &state)
	r.Get("ifFromInState", &fromState)
	r.Must("create", &create)
	r.Get("onSuccessDestroyOriginal", &destroy)
	r.Raw("destroyFromIfInState")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	if from != accountID(c.account.ID) {
		return nil, wire.Errorf(wire.ErrFromAccountNotFound, "you have no account "+from)
	}
	return nil, wire.Errorf(wire.ErrInvalidArguments, "fromAccountId is another account than accountId; within one account, set addressBookIds")
}

// hasBlobs reports whether a card refers to uploads, which cards do not keep: what is in the card stays with it when it is exported.
func hasBlobs(c jscontact.Card) bool {
	for _, prop := range []string{"media", "cryptoKeys", "links", "directories", "calendars"} {
		m, _ := c[prop].(map[string]any)
		for _, v := range m {
			if o, ok := v.(map[string]any); ok && o["blobId"] != nil {
				return true
			}
		}
	}
	return false
}

// cleanCard takes what is JMAP's out of an object and gives the card and the address books it is in.
func (c *call) cleanCard(o map[string]any) (card jscontact.Card, books []string, err error) {
	ids, ok := o["addressBookIds"].(map[string]any)
	if !ok {
		return nil, nil, badProperties("a card is in one address book at least", "addressBookIds")
	}
	for id, in := range ids {
		if in != true {
			return nil, nil, badProperties("the value of each address book is true", "addressBookIds")
		}
		books = append(books, c.real(id))
	}
	delete(o, "addressBookIds")
	delete(o, "id")
	for name, v := range o {
		if v == nil {
			delete(o, name) // null is the default, and that of all properties is that they are not there
		}
	}
	if hasBlobs(o) {
		return nil, nil, badProperties("uploads are not kept with cards; put a picture of at most "+
			"48 KiB into the uri, as data:image/jpeg;base64,…", "media")
	}
	return o, books, nil
}

// photos must be pictures (RFC 9610 3.5).
func checkPhotos(c jscontact.Card) error {
	m, _ := c["media"].(map[string]any)
	for _, v := range m {
		o, _ := v.(map[string]any)
		uri, _ := o["uri"].(string)
		if o["kind"] != "photo" && o["kind"] != "logo" || !strings.HasPrefix(strings.ToLower(uri), "data:") {
			continue
		}
		kind, _, _ := strings.Cut(strings.ToLower(uri[len("data:"):]), ";")
		if kind, _, _ = strings.Cut(kind, ","); !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, kind) {
			return badProperties("a photo is a JPEG, PNG, GIF or WebP picture", "media")
		}
	}
	return nil
}
