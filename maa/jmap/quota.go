package jmap

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

var quotaProps = []string{"id", "resourceType", "used", "hardLimit", "warnLimit", "softLimit", "scope", "name", "description", "types"}

// quotas are the account's limits: one, of octets, where it has one (RFC 9425 4).
func (c *call) quotas() ([]object, string, error) {
	a, err := c.s.cfg.Accounts.Account(c.ctx, c.account.ID)
	if err != nil || a.Quota == 0 {
		return nil, stateText(a.ModSeq), err
	}
	const tenth = 10
	return []object{{"id": quotaID(a.ID), "resourceType": "octets", "used": a.Used, "hardLimit": a.Quota, "warnLimit": a.Quota - a.Quota/tenth,
			"softLimit": nil, "scope": "account", "name": string(a.Address), "description": "the size of all messages together", "types": []string{"Email"}}},
		stateText(a.ModSeq), nil
}

func quotaID(id mail.AccountID) string { return "Q" + accountID(id) }

// quotaGet answers Quota/get (RFC 9425 4.2).
func (c *call) quotaGet() (any, error) {
	g, err := c.getArgs(quotaProps, nil)
	if err != nil {
		return nil, err
	}
	list, state, err := c.quotas()
	if err != nil {
		return nil, err
	}
	resp := c.got(state)
	for _, o := range list {
		if g.all || slices.Contains(g.ids, o["id"].(string)) {
			g.ids = slices.DeleteFunc(g.ids, func(id string) bool { return id == o["id"] })
			resp.add(&g, o)
		}
	}
	resp.NotFound = append(resp.NotFound, g.ids...)
	return resp, nil
}

// quotaChanges answers Quota/changes (RFC 9425 4.3): with any change of the account, what is used may be another.
func (c *call) quotaChanges() (any, error) {
	a, err := c.sinceArgs()
	if err != nil {
		return nil, err
	}
	list, state, err := c.quotas()
	if err != nil {
		return nil, err
	}
	changed, err := quotaChanged(a.since, state)
	if err != nil {
		return nil, err
	}
	updated, destroyed := []string{}, []string{}
	switch id := quotaID(c.account.ID); {
	case changed && len(list) > 0:
		updated = append(updated, id)
	case changed: // there may have been one
		destroyed = append(destroyed, id)
	}
	return object{"accountId": accountID(c.account.ID), "oldState": a.since, "newState": state, "hasMoreChanges": false,
		"created": []string{}, "updated": updated, "destroyed": destroyed, "updatedProperties": nil}, nil
}

// quotaChanged reports whether something changed since a state. Nothing need be remembered for it.
func quotaChanged(since, state string) (bool, error) {
	from, ok := parseState(since)
	if now, _ := parseState(state); !ok || from > now {
		return false, forgotten()
	}
	return since != state, nil
}

// quotaQuery answers Quota/query (RFC 9425 4.4).
func (c *call) quotaQuery() (any, error) {
	r := wire.Reader{Args: c.args}
	var p page
	p.read(c, &r)
	raw, sort := r.Raw("filter"), r.Raw("sort")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.quotaResults(raw, sort)
	if err != nil {
		return nil, err
	}
	return queried(c, &p, state, list, func(o object) string { return o["id"].(string) })
}

func (c *call) quotaResults(raw, sort []byte) ([]object, string, error) {
	if _, err := wire.ParseSort(sort); err != nil {
		return nil, "", wire.Errorf(wire.ErrUnsupportedSort, err.Error())
	}
	type cond struct{ name, scope, resourceType, kind *string }
	filter, err := wire.ParseFilter(raw, func(a wire.Args) (k cond, err error) {
		r := wire.Reader{Args: a}
		r.Get("name", &k.name)
		r.Get("scope", &k.scope)
		r.Get("resourceType", &k.resourceType)
		r.Get("type", &k.kind)
		if err := r.End(); err != nil {
			return k, wire.Errorf(wire.ErrUnsupportedFilter, err.Error())
		}
		return k, nil
	})
	if err != nil {
		return nil, "", invalid(err)
	}
	list, state, err := c.quotas()
	list = slices.DeleteFunc(list, func(o object) bool {
		return filter.Eval(func(k *cond) wire.Verdict {
			return wire.Is((k.name == nil || strings.Contains(o["name"].(string), *k.name)) && (k.scope == nil || *k.scope == "account") &&
				(k.resourceType == nil || *k.resourceType == "octets") && (k.kind == nil || *k.kind == "Email"))
		}) != wire.Yes
	})
	return list, state, err
}

// quotaQueryChanges answers Quota/queryChanges (RFC 9425 4.5).
func (c *call) quotaQueryChanges() (any, error) {
	r := wire.Reader{Args: c.args}
	var qc queryChanges
	qc.read(&r)
	raw, sort := r.Raw("filter"), r.Raw("sort")
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	list, state, err := c.quotaResults(raw, sort)
	if err != nil {
		return nil, err
	}
	moved := map[string]bool{}
	changed, err := quotaChanged(qc.since, state)
	if err != nil {
		return nil, err
	}
	if changed {
		moved[quotaID(c.account.ID)] = true
	}
	return requeried(c, &qc, state, list, func(o object) string { return o["id"].(string) }, moved)
}
