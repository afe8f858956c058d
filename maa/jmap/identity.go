package jmap

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	wire "github.com/postrider/postrider/proto/jmap"
)

// kindIdentity is the kind of the notes that identities are kept in; the key is the account's id, a slash and the identity's.
const kindIdentity = "identity"

// mainIdentity is the id of the one that every account has.
const mainIdentity = "I0"

// maxIdentities is how many an account can have.
const maxIdentities = 100

// identity is who somebody sends as (RFC 8621 6).
type identity struct {
	ID            string         `json:"-"`
	Name          string         `json:"name"`
	Email         string         `json:"email"`
	ReplyTo       []emailAddress `json:"replyTo"`
	Bcc           []emailAddress `json:"bcc"`
	TextSignature string         `json:"textSignature"`
	HTMLSignature string         `json:"htmlSignature"`
}

var identityProps = []string{"id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete"}

func (i *identity) object() object {
	var replyTo, bcc any
	if len(i.ReplyTo) > 0 {
		replyTo = i.ReplyTo
	}
	if len(i.Bcc) > 0 {
		bcc = i.Bcc
	}
	return object{"id": i.ID, "name": i.Name, "email": i.Email, "replyTo": replyTo, "bcc": bcc, "textSignature": i.TextSignature,
		"htmlSignature": i.HTMLSignature, "mayDelete": i.ID != mainIdentity}
}

// ownKey begins the keys of an account's notes.
func (c *call) ownKey() string { return accountID(c.account.ID) + "/" }

// notes lists the account's notes of a kind.
func (c *call) notes(kind string) (list []mail.Note, err error) {
	q := mail.NoteQuery{Kind: kind, Prefix: c.ownKey(), Limit: 1000}
	for {
		page, err := c.s.cfg.Notes.Notes(c.ctx, q)
		if err != nil {
			return nil, err
		}
		if list = append(list, page...); len(page) < q.Limit || len(list) >= maxSubmissions {
			return list, nil
		}
		q.After = page[len(page)-1].Key
	}
}

// identities lists the account's, the main one first.
func (c *call) identities() ([]*identity, string, error) {
	state, err := c.state("Identity") // before what it is of: rather too old than too new
	if err != nil {
		return nil, "", err
	}
	list, err := c.notes(kindIdentity)
	if err != nil {
		return nil, "", err
	}
	out := []*identity{{ID: mainIdentity, Name: c.account.Name, Email: string(c.account.Address)}}
	for _, n := range list {
		i := &identity{ID: strings.TrimPrefix(n.Key, c.ownKey())}
		if json.Unmarshal(n.Value, i) != nil {
			continue // of a later version
		}
		if i.ID == mainIdentity {
			out[0] = i
		} else {
			out = append(out, i)
		}
	}
	return out, state, nil
}

// identityGet answers Identity/get (RFC 8621 6.1).
func (c *call) identityGet() (any, error) {
	g, err := c.getArgs(identityProps, nil)
	if err != nil {
		return nil, err
	}
	list, state, err := c.identities()
	if err != nil {
		return nil, err
	}
	resp := c.got(state)
	for _, i := range list {
		if at := slices.Index(g.ids, i.ID); g.all || at >= 0 {
			if at >= 0 {
				g.ids = slices.Delete(g.ids, at, at+1)
			}
			resp.add(&g, i.object())
		}
	}
	resp.NotFound = append(resp.NotFound, g.ids...)
	return resp, nil
}

// unchanged answers /changes of types of which no history is kept: nothing for the state there is, else cannotCalculateChanges.
func (c *call) unchanged(kind string) (any, error) {
	a, err := c.sinceArgs()
	if err != nil {
		return nil, err
	}
	state, err := c.state(kind)
	if err != nil {
		return nil, err
	}
	if a.since != state {
		return nil, wire.Errorf(wire.ErrCannotCalculate, "what changed since that state is not kept; get the objects again")
	}
	return object{"accountId": accountID(c.account.ID), "oldState": a.since, "newState": state, "hasMoreChanges": false,
		"created": []string{}, "updated": []string{}, "destroyed": []string{}}, nil
}

// state gives the state of a type of the account.
func (c *call) state(kind string) (string, error) { return c.s.state(c.ctx, c.account.ID, kind) }

// commitNotes changes what is kept in notes of a type that is told by its count.
func (c *call) commitNotes(kind string, changes ...mail.Change) error {
	_, err := c.s.cfg.Journal.Commit(c.ctx, mail.ChangeSet{Changes: append(changes, changeOf(c.account.ID, kind))})
	if err == nil {
		c.s.tell(c.account.ID)
	}
	return err
}

// identityChanges answers Identity/changes (RFC 8621 6.2).
func (c *call) identityChanges() (any, error) {
	return c.unchanged("Identity")
}

// identitySet answers Identity/set (RFC 8621 6.3).
func (c *call) identitySet() (any, error) {
	var a setArgs
	r := wire.Reader{Args: c.args}
	a.read(&r)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.identities()
	if err != nil {
		return nil, err
	}
	if err := a.check(c, state); err != nil {
		return nil, err
	}
	out := c.setResult(state)
	for _, key := range slices.Sorted(maps.Keys(a.create)) {
		if len(list) >= maxIdentities {
			out.notMade(c, key, wire.Errorf(wire.ErrForbidden, fmt.Sprintf("an account can have %d identities", maxIdentities)))
			continue
		}
		i := &identity{ID: "I" + randomID()}
		if err := c.identityOf(i, a.create[key], true); err != nil {
			out.notMade(c, key, err)
			continue
		}
		list = append(list, i)
		out.made(c, key, i.ID, object{"mayDelete": true, "name": i.Name, "replyTo": i.object()["replyTo"], "bcc": i.object()["bcc"],
			"textSignature": i.TextSignature, "htmlSignature": i.HTMLSignature})
	}
	find := func(id string) *identity {
		for _, i := range list {
			if i.ID == id {
				return i
			}
		}
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(a.update)) {
		i := find(c.real(id))
		err := error(notFound("identity"))
		if i != nil {
			err = c.identityOf(i, a.update[id], false)
		}
		if err != nil {
			out.notChanged(c, id, err)
		} else {
			out.changed(id, nil)
		}
	}
	for _, id := range a.destroy {
		err := error(nil)
		switch i := find(c.real(id)); {
		case i == nil:
			err = notFound("identity")
		case i.ID == mainIdentity:
			err = wire.Errorf(wire.ErrForbidden, "the account's own identity cannot be deleted")
		default:
			err = c.commitNotes("Identity", mail.RemoveNote{Kind: kindIdentity, Key: c.ownKey() + i.ID})
		}
		if err != nil {
			out.notGone(c, id, err)
		} else {
			out.gone(id)
		}
	}
	_, out.NewState, err = c.identities()
	return out, err
}

func randomID() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

// identityOf reads properties into an identity and keeps it.
func (c *call) identityOf(i *identity, raw json.RawMessage, create bool) error {
	a, err := decodeObject(raw)
	if err != nil {
		return err
	}
	is := *i
	r := wire.Reader{Args: a}
	for name, to := range map[string]any{"name": &is.Name, "textSignature": &is.TextSignature, "htmlSignature": &is.HTMLSignature} {
		if text := to.(*string); !create && a[name] != nil && wire.IsNull(a[name]) {
			*text = ""
		}
		r.Get(name, to)
	}
	for name, to := range map[string]*[]emailAddress{"replyTo": &is.ReplyTo, "bcc": &is.Bcc} {
		if _, there := a[name]; there {
			*to = nil
		}
		r.Get(name, to)
		if _, err := formatAddresses(*to); err != nil {
			return badProperties(err.Error(), name)
		}
	}
	if create {
		r.Must("email", &is.Email)
	} else if raw := r.Raw("email"); raw != nil && string(raw) != string(rawArg(i.Email)) {
		return badProperties("an identity's address never changes; make another", "email")
	}
	for _, name := range []string{"id", "mayDelete"} {
		if raw := r.Raw(name); raw != nil && (create || string(raw) != string(rawArg(i.object()[name]))) {
			return badProperties("this is the server's to say", name)
		}
	}
	if err := r.End(); err != nil {
		return badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	if create {
		if err := c.maySend(is.Email); err != nil {
			return err
		}
	}
	value, err := json.Marshal(&is)
	if err != nil {
		return err
	}
	if len(value) > mail.MaxNote {
		return wire.Errorf(wire.ErrTooLarge, "an identity and its signatures have a mebioctet at most")
	}
	if err := c.commitNotes("Identity", mail.PutNote{Note: mail.Note{Kind: kindIdentity, Key: c.ownKey() + is.ID, Account: c.account.ID, Value: value}}); err != nil {
		return err
	}
	*i = is
	return nil
}

// maySend refuses an address that is not the account's.
func (c *call) maySend(address string) error {
	a, err := addr.Parse(address)
	if err != nil {
		return badProperties("it is no mail address", "email")
	}
	ok, err := c.s.cfg.Senders.MayUse(c.ctx, c.account.ID, mail.Path(a.Normal().String()))
	if err != nil {
		return err
	}
	if !ok {
		return wire.Errorf(wire.ErrForbiddenFrom, address+" does not belong to "+string(c.account.Address)+"; ask the operator for an alias")
	}
	return nil
}
