package jmap

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// pushedType is a type of which clients are told when it changes: its capability, and how its state is found. Event sources, WebSockets and push
// subscriptions all read this table, so that a type that stands here is told by all of them.
type pushedType struct {
	capability string
	state      func(*stateQuery) (string, error)
}

// pushedTypes are those types by name. EmailDelivery stands for new mail alone (RFC 8621 1.5).
var pushedTypes = map[string]pushedType{
	"AddressBook":     {capContacts, (*stateQuery).books},
	"ContactCard":     {capContacts, (*stateQuery).cards},
	"Email":           {capMail, (*stateQuery).modseq},
	"EmailDelivery":   {capMail, (*stateQuery).deliveries},
	"EmailSubmission": {capSubmission, counted("EmailSubmission")},
	"Identity":        {capSubmission, (*stateQuery).identities},
	"Mailbox":         {capMail, (*stateQuery).modseq},
	"Quota":           {capQuota, (*stateQuery).modseq},
	"Thread":          {capMail, (*stateQuery).modseq},
}

// stateQuery asks for states of one account at one moment.
type stateQuery struct {
	s       *Server
	ctx     context.Context //nolint:containedctx // of the one question
	id      mail.AccountID
	account *mail.Account // once it was asked for
}

// owner reads the account. One that may not log in any more is Denied, so that whoever watches it is let go.
func (q *stateQuery) owner() (*mail.Account, error) {
	if q.account == nil {
		a, err := q.s.cfg.Accounts.Account(q.ctx, q.id)
		if err != nil {
			return nil, err
		}
		if a.Disabled {
			return nil, mail.Errorf(mail.Denied, "the account is disabled")
		}
		q.account = &a
	}
	return q.account, nil
}

// modseq is the state of everything in mailboxes, and of what it takes up.
func (q *stateQuery) modseq() (string, error) {
	a, err := q.owner()
	if err != nil {
		return "", err
	}
	return stateText(a.ModSeq), nil
}

// deliveries is a state that changes when a message is put into a mailbox, and not when one is read or flagged (RFC 8621 1.5).
func (q *stateQuery) deliveries() (string, error) {
	boxes, err := q.s.cfg.Mailboxes.Mailboxes(q.ctx, q.id)
	n := uint64(0)
	for _, b := range boxes {
		n += uint64(b.UIDNext)
	}
	return stateText(n), err
}

// kindState is the kind of the notes that count the changes of a type which is not kept in mailboxes. The key is the account's id, a slash and the type.
const kindState = "jmap-state"

// counted is the state of such a type: how often it has changed. Whoever changes it adds changeOf to the same commit, and calls tell after it.
func counted(kind string) func(*stateQuery) (string, error) {
	return func(q *stateQuery) (string, error) {
		n, err := q.s.cfg.Notes.Note(q.ctx, kindState, accountID(q.id)+"/"+kind)
		if err != nil && !mail.Is(err, mail.NotFound) {
			return "", err
		}
		return stateText(uint64(max(n.N, 0))), nil
	}
}

// changeOf counts a change of a type.
func changeOf(account mail.AccountID, kind string) mail.Change {
	return mail.CountNote{Kind: kindState, Key: accountID(account) + "/" + kind, By: 1, Account: account}
}

// tell wakes up whoever watches an account. The store does so itself for what is in mailboxes.
func (s *Server) tell(account mail.AccountID) {
	s.cfg.Bus.Publish(mail.Topic{Kind: mail.TopicAccount, Account: account})
}

// identities is the state of Identity: the main one has the account's name, which the operator may change.
func (q *stateQuery) identities() (string, error) {
	n, err := counted("Identity")(q)
	if err != nil {
		return "", err
	}
	a, err := q.owner()
	if err != nil {
		return "", err
	}
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %s", a.Name, a.Address)
	return fmt.Sprintf("%s-%08x", n, h.Sum32()), nil
}

// state gives the state of one type.
func (s *Server) state(ctx context.Context, account mail.AccountID, kind string) (string, error) {
	return pushedTypes[kind].state(&stateQuery{s: s, ctx: ctx, id: account})
}

// pushed are the types that are told here.
func (s *Server) pushed() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(pushedTypes)), func(t string) bool { return !s.has(pushedTypes[t].capability) })
}

// watcher knows what one client was told of the states in an account. It is not safe for use by several goroutines.
type watcher struct {
	s       *Server
	account mail.AccountID
	types   []string
	told    map[string]string
}

// watch makes a watcher of some types; nil: all. Types that are not told here are passed over. It begins with the states as they are.
func (s *Server) watch(ctx context.Context, account mail.AccountID, types []string) (*watcher, error) {
	all := s.pushed()
	w := &watcher{s: s, account: account, types: all, told: map[string]string{}}
	if types != nil {
		w.types = slices.DeleteFunc(all, func(t string) bool { return !slices.Contains(types, t) })
	}
	_, err := w.news(ctx)
	return w, err
}

// news gives the states that are not what was told last, by type, and takes them as told; nil when there are none. Denied or NotFound when the account is
// not there for its owner any more.
func (w *watcher) news(ctx context.Context) (map[string]string, error) {
	q := &stateQuery{s: w.s, ctx: ctx, id: w.account}
	if _, err := q.owner(); err != nil {
		return nil, err
	}
	var fresh map[string]string
	for _, t := range w.types {
		state, err := pushedTypes[t].state(q)
		if err != nil {
			return nil, err
		}
		if w.told[t] != state {
			put(&fresh, t, state)
		}
	}
	maps.Copy(w.told, fresh)
	return fresh, nil
}

// stateChange is a StateChange of one account (RFC 8620 7.1).
func stateChange(account mail.AccountID, states map[string]string) object {
	return object{"@type": "StateChange", "changed": object{accountID(account): states}}
}

// sinceArgs are the arguments of every /changes (RFC 8620 5.2).
type sinceArgs struct {
	since string
	limit int // how many objects may be told
}

func (c *call) sinceArgs() (a sinceArgs, err error) {
	var most *wire.Uint
	r := wire.Reader{Args: c.args}
	r.Must("sinceState", &a.since)
	r.Get("maxChanges", &most)
	if err := r.End(); err != nil {
		return a, invalid(err)
	}
	if most != nil && *most == 0 {
		return a, wire.Errorf(wire.ErrInvalidArguments, "maxChanges is above 0, or left out")
	}
	a.limit = c.s.cfg.Limits.Query
	if most != nil {
		a.limit = min(a.limit, int(*most))
	}
	return a, nil
}
