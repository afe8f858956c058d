package jmap

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// getArgs are the arguments of every /get (RFC 8620 5.1).
type getArgs struct {
	ids   []string // without repetitions
	all   bool     // null was given: all there are
	props []string // nil: all
}

// wants reports whether a property is asked for.
func (g *getArgs) wants(name string) bool { return g.props == nil || slices.Contains(g.props, name) }

// getArgs reads them. known are the properties of the type; nil leaves their check to the caller. more reads what else the method takes.
func (c *call) getArgs(known []string, more func(*wire.Reader)) (g getArgs, err error) {
	r := wire.Reader{Args: c.args}
	var ids *wire.IDs
	r.Get("ids", &ids)
	r.Get("properties", &g.props)
	if more != nil {
		more(&r)
	}
	if err := r.End(); err != nil {
		return g, invalid(err)
	}
	if ids == nil {
		g.all = true
	} else {
		seen := make(map[string]struct{}, len(*ids))
		for _, id := range *ids {
			id = c.real(id)
			if _, twice := seen[id]; !twice {
				seen[id] = struct{}{}
				g.ids = append(g.ids, id)
			}
		}
	}
	if n := c.s.cfg.Limits.Get; len(g.ids) > n {
		return g, wire.Errorf(wire.ErrRequestTooLarge, fmt.Sprintf("one call gets %d objects at most", n))
	}
	if g.props != nil && !slices.Contains(g.props, "id") {
		g.props = append(g.props, "id")
	}
	for _, p := range g.props {
		if known != nil && !slices.Contains(known, p) {
			return g, wire.Errorf(wire.ErrInvalidArguments, fmt.Sprintf("there is no property %q", p))
		}
	}
	return g, nil
}

// got is the response of every /get.
type got struct {
	Account  string   `json:"accountId"`
	State    string   `json:"state"`
	List     []object `json:"list"`
	NotFound []string `json:"notFound"`
}

func (c *call) got(state string) *got {
	return &got{Account: accountID(c.account.ID), State: state, List: []object{}, NotFound: []string{}}
}

// add puts an object in, as far as it is wanted.
func (r *got) add(g *getArgs, o object) {
	if g.props != nil {
		for name := range o {
			if !slices.Contains(g.props, name) {
				delete(o, name)
			}
		}
	}
	r.List = append(r.List, o)
}

// page is the part of a query that is asked for (RFC 8620 5.5).
type page struct {
	position     int64
	anchor       string
	anchorOffset int64
	limit        *wire.Uint
	total        bool
}

func (p *page) read(c *call, r *wire.Reader) {
	r.Get("position", &p.position)
	r.Get("anchor", &p.anchor)
	r.Get("anchorOffset", &p.anchorOffset)
	r.Get("limit", &p.limit)
	r.Get("calculateTotal", &p.total)
	p.anchor = c.real(p.anchor)
}

// queried makes the response of every /query.
func queried[T any](c *call, p *page, state string, all []T, id func(T) string) (any, error) {
	start := p.position
	if p.anchor != "" {
		i := slices.IndexFunc(all, func(v T) bool { return id(v) == p.anchor })
		if i < 0 {
			return nil, wire.Errorf(wire.ErrAnchorNotFound, "the anchor is not among the results")
		}
		start = max(int64(i)+p.anchorOffset, 0)
	} else if start < 0 {
		start = max(start+int64(len(all)), 0)
	}
	start = min(start, int64(len(all)))
	most := int64(c.s.cfg.Limits.Query)
	resp := object{"accountId": accountID(c.account.ID), "queryState": state, "canCalculateChanges": true, "position": start}
	if p.limit != nil && int64(*p.limit) <= most {
		most = int64(*p.limit)
	} else if int64(len(all))-start > most {
		resp["limit"] = most // ours, not the client's
	}
	if start == int64(len(all)) {
		resp["position"] = start
	}
	ids := make([]string, 0, min(most, int64(len(all))-start))
	for _, v := range all[start:min(start+most, int64(len(all)))] {
		ids = append(ids, id(v))
	}
	resp["ids"] = ids
	if p.total {
		resp["total"] = len(all)
	}
	return resp, nil
}

// queryChanges answers every /queryChanges (RFC 8620 5.6): whatever may have changed its place is removed and, where it still is a result, added.
type queryChanges struct {
	since string
	max   *wire.Uint
	upTo  string
	total bool
}

func (q *queryChanges) read(r *wire.Reader) {
	r.Must("sinceQueryState", &q.since)
	r.Get("maxChanges", &q.max)
	r.Get("upToId", &q.upTo) // not needed: more may be told than was asked for
	r.Get("calculateTotal", &q.total)
}

// requeried makes the response: moved are the ids of all objects that may have come, gone or moved.
func requeried[T any](c *call, q *queryChanges, state string, all []T, id func(T) string, moved map[string]bool) (any, error) {
	removed := slices.Sorted(maps.Keys(moved))
	added := []object{}
	for i, v := range all {
		if moved[id(v)] {
			added = append(added, object{"id": id(v), "index": i})
		}
	}
	if n := len(removed) + len(added); q.max != nil && n > int(*q.max) || n > c.s.cfg.Limits.Query {
		return nil, wire.Errorf(wire.ErrTooManyChanges, "there are more changes than that; query again")
	}
	if removed == nil {
		removed = []string{}
	}
	resp := object{"accountId": accountID(c.account.ID), "oldQueryState": q.since, "newQueryState": state, "removed": removed, "added": added}
	if q.total {
		resp["total"] = len(all)
	}
	return resp, nil
}

// setArgs are the arguments of every /set (RFC 8620 5.3).
type setArgs struct {
	ifInState *string
	create    map[string]json.RawMessage
	update    map[string]json.RawMessage
	destroy   wire.IDs
}

func (a *setArgs) read(r *wire.Reader) {
	r.Get("ifInState", &a.ifInState)
	r.Get("create", &a.create)
	r.Get("update", &a.update)
	r.Get("destroy", &a.destroy)
}

// check refuses a set that is too large, or for another state.
func (a *setArgs) check(c *call, state string) error {
	if n := c.s.cfg.Limits.Set; len(a.create)+len(a.update)+len(a.destroy) > n {
		return wire.Errorf(wire.ErrRequestTooLarge, fmt.Sprintf("one call sets %d objects at most", n))
	}
	for key := range a.create {
		if !wire.ValidID(key) {
			return wire.Errorf(wire.ErrInvalidArguments, fmt.Sprintf("%q is no creation id", key))
		}
	}
	if a.ifInState != nil && *a.ifInState != state {
		return wire.Errorf(wire.ErrStateMismatch, "the state is "+state)
	}
	return nil
}

// setResult is the response of every /set.
type setResult struct {
	Account      string                       `json:"accountId"`
	OldState     *string                      `json:"oldState"`
	NewState     string                       `json:"newState"`
	Created      map[string]object            `json:"created"`
	Updated      map[string]object            `json:"updated"`
	Destroyed    []string                     `json:"destroyed"`
	NotCreated   map[string]*wire.MethodError `json:"notCreated"`
	NotUpdated   map[string]*wire.MethodError `json:"notUpdated"`
	NotDestroyed map[string]*wire.MethodError `json:"notDestroyed"`
}

func (c *call) setResult(old string) *setResult {
	return &setResult{Account: accountID(c.account.ID), OldState: &old, NewState: old}
}

func put[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// made, changed and gone note successes.
func (r *setResult) made(c *call, key, id string, o object) {
	c.created[key] = id
	o["id"] = id
	put(&r.Created, key, o)
}

func (r *setResult) changed(id string, o object) { put(&r.Updated, id, o) }
func (r *setResult) gone(id string)              { r.Destroyed = append(r.Destroyed, id) }

// notMade, notChanged and notGone note failures.
func (r *setResult) notMade(c *call, key string, err error) { put(&r.NotCreated, key, c.setError(err)) }
func (r *setResult) notChanged(c *call, id string, err error) {
	put(&r.NotUpdated, id, c.setError(err))
}
func (r *setResult) notGone(c *call, id string, err error) { put(&r.NotDestroyed, id, c.setError(err)) }

// badProperties makes invalidProperties (RFC 8620 5.3).
func badProperties(description string, properties ...string) *wire.MethodError {
	e := wire.Errorf(wire.ErrInvalidProperties, description)
	e.Extra = map[string]any{"properties": properties}
	return e
}

func notFound(what string) *wire.MethodError {
	return wire.Errorf(wire.ErrNotFound, "there is no such "+what)
}

// setError is what a client is told of an object that could not be set.
func (c *call) setError(err error) *wire.MethodError {
	if e, ok := err.(*wire.MethodError); ok { //nolint:errorlint // ours come bare
		return e
	}
	kinds := map[mail.Kind]string{
		mail.NotFound: wire.ErrNotFound, mail.Denied: wire.ErrForbidden, mail.OverQuota: wire.ErrOverQuota, mail.TooLarge: wire.ErrTooLarge,
		mail.TooMany: wire.ErrRateLimit, mail.Invalid: wire.ErrInvalidProperties, mail.Exists: wire.ErrInvalidProperties,
		mail.Unavailable: wire.ErrServerUnavailable, mail.Conflict: wire.ErrServerUnavailable,
	}
	kind, ok := kinds[mail.KindOf(err)]
	if !ok {
		c.s.cfg.Log.Error("change failed", "role", "maa/jmap", "method", c.name, "account", string(c.account.Address), "error", err)
		kind = wire.ErrServerFail
	}
	return wire.Errorf(kind, mail.Sentence(err))
}

// settle tells the state after a set that began at a snapshot. receipts are those of its commits, in order: where they do not account for every
// change from one state to the other, somebody else's lie between, and the client must ask for them. So the old state is then not told.
func (c *call) settle(r *setResult, before *snapshot, receipts []mail.Receipt) (*snapshot, error) {
	after, err := c.snap()
	if err != nil {
		return nil, err
	}
	r.NewState = stateText(after.state)
	at := before.state
	for _, rc := range receipts {
		for _, res := range rc.Results {
			switch res.ModSeq {
			case 0, at:
			case at + 1:
				at++
			default:
				r.OldState = nil
				return after, nil
			}
		}
	}
	if at != after.state {
		r.OldState = nil
	}
	return after, nil
}
