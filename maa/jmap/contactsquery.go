package jmap

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/service/contacts"
)

// cardTexts are the conditions of RFC 9610 3.3.1 that ask for words.
var cardTexts = map[string]contacts.Field{
	"name": contacts.Name, "name/given": contacts.Given, "name/surname": contacts.Surname, "name/surname2": contacts.Surname2, "nickname": contacts.Nickname,
	"organization": contacts.Organization, "email": contacts.Email, "phone": contacts.Phone, "onlineService": contacts.OnlineService,
	"address": contacts.Address, "note": contacts.NoteText,
}

// cardCondition reads a condition.
func (c *call) cardCondition(a wire.Args) (k contacts.Condition, err error) {
	r := wire.Reader{Args: a}
	r.Get("inAddressBook", &k.Book)
	r.Get("uid", &k.UID)
	r.Get("hasMember", &k.Member)
	r.Get("kind", &k.Kind)
	for name, to := range map[string]**time.Time{"createdBefore": &k.CreatedBefore, "createdAfter": &k.CreatedAfter, "updatedBefore": &k.UpdatedBefore,
		"updatedAfter": &k.UpdatedAfter} {
		var d *wire.UTCDate
		if r.Get(name, &d); d != nil {
			*to = &d.Time
		}
	}
	for name, field := range cardTexts {
		var text *string
		if r.Get(name, &text); text != nil {
			k.Texts = append(k.Texts, contacts.NewText(field, false, *text))
		}
	}
	var text *string
	if r.Get("text", &text); text != nil {
		k.Texts = append(k.Texts, contacts.NewText(0, true, *text))
	}
	if err := r.End(); err != nil {
		return k, wire.Errorf(wire.ErrUnsupportedFilter, err.Error())
	}
	if k.Book != nil {
		id := c.real(*k.Book)
		k.Book = &id
	}
	return k, nil
}

// cardSorts are the properties of RFC 9610 3.3.2.
var cardSorts = map[string]func(a, b *contacts.Entry) int{
	"created":       func(a, b *contacts.Entry) int { return a.Created.Compare(b.Created) },
	"updated":       func(a, b *contacts.Entry) int { return a.Updated.Compare(b.Updated) },
	"name/given":    func(a, b *contacts.Entry) int { return cmp.Compare(a.GivenKey, b.GivenKey) },
	"name/surname":  func(a, b *contacts.Entry) int { return cmp.Compare(a.SurnameKey, b.SurnameKey) },
	"name/surname2": func(a, b *contacts.Entry) int { return cmp.Compare(a.Surname2Key, b.Surname2Key) },
}

// cardResults are all results of a query, in order, and the state they are of.
func (c *call) cardResults(filter, sort json.RawMessage) ([]*contacts.Entry, string, error) {
	order, err := wire.ParseSort(sort)
	if err != nil {
		return nil, "", wire.Errorf(wire.ErrUnsupportedSort, err.Error())
	}
	for _, by := range order {
		if cardSorts[by.Property] == nil || by.Keyword != "" {
			return nil, "", wire.Errorf(wire.ErrUnsupportedSort, "cards are not sorted by "+by.Property)
		}
	}
	f, err := wire.ParseFilter(filter, c.cardCondition)
	if err != nil {
		return nil, "", invalid(err)
	}
	v, err := c.contactView()
	if err != nil {
		return nil, "", err
	}
	list := v.Find(func(e *contacts.Entry) bool {
		return f.Eval(func(k *contacts.Condition) wire.Verdict { return wire.Is(k.Match(e)) }) == wire.Yes
	})
	slices.SortFunc(list, func(a, b *contacts.Entry) int {
		for _, by := range order {
			n := cardSorts[by.Property](a, b)
			if !by.Ascending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return list, stateText(v.State().Cards), nil
}

func cardID(e *contacts.Entry) string { return e.ID }

// cardQuery answers ContactCard/query (RFC 9610 3.3).
func (c *call) cardQuery() (any, error) {
	r := wire.Reader{Args: c.args}
	var p page
	p.read(c, &r)
	filter, sort := r.Raw("filter"), r.Raw("sort")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.cardResults(filter, sort)
	if err != nil {
		return nil, err
	}
	return queried(c, &p, state, list, cardID)
}

// cardQueryChanges answers ContactCard/queryChanges (RFC 9610 3.4).
func (c *call) cardQueryChanges() (any, error) {
	r := wire.Reader{Args: c.args}
	var qc queryChanges
	qc.read(&r)
	filter, sort := r.Raw("filter"), r.Raw("sort")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.cardResults(filter, sort)
	if err != nil {
		return nil, err
	}
	moved := map[string]bool{}
	if qc.since != state {
		// What changes after the results were found may be told too: it is told again later.
		ch, err := c.contactsSince(false, qc.since, c.s.cfg.Limits.Query)
		if err != nil {
			return nil, err
		}
		if ch.More {
			return nil, wire.Errorf(wire.ErrTooManyChanges, "there are more changes than that; query again")
		}
		for _, ids := range [][]string{ch.Created, ch.Updated, ch.Destroyed} {
			for _, id := range ids {
				moved[id] = true
			}
		}
	}
	return requeried(c, &qc, state, list, cardID, moved)
}
