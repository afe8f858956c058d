package jmap

import (
	"encoding/json"
	"fmt"
)

// Bounds of filters and sorts.
const (
	MaxConditions = 200
	MaxSorts      = 16
)

// Operator joins the conditions of a filter (RFC 8620 5.5).
type Operator uint8

// The operators. A Leaf is one condition.
const (
	Leaf Operator = iota
	And
	Or
	Not // none of the conditions
)

// Filter is a tree of conditions; C is what a condition was made into by who understands it.
type Filter[C any] struct {
	Op   Operator
	Kids []*Filter[C]
	Cond C // of a Leaf
}

// ParseFilter reads a filter; null gives nil. Each condition is given to compile. An error of compile is passed on.
func ParseFilter[C any](raw json.RawMessage, compile func(Args) (C, error)) (*Filter[C], error) {
	if IsNull(raw) {
		return nil, nil //nolint:nilnil // no filter
	}
	left := MaxConditions
	return parseFilter(raw, compile, &left)
}

func parseFilter[C any](raw json.RawMessage, compile func(Args) (C, error), left *int) (*Filter[C], error) {
	if *left--; *left < 0 {
		return nil, fmt.Errorf("a filter can have %d conditions", MaxConditions)
	}
	var object Args
	if !isObject(raw) || json.Unmarshal(raw, &object) != nil {
		return nil, fmt.Errorf("a filter is an object")
	}
	op, isOp := object["operator"]
	if !isOp {
		c, err := compile(object)
		if err != nil {
			return nil, err
		}
		return &Filter[C]{Cond: c}, nil
	}
	f := new(Filter[C])
	switch string(op) {
	case `"AND"`:
		f.Op = And
	case `"OR"`:
		f.Op = Or
	case `"NOT"`:
		f.Op = Not
	default:
		return nil, fmt.Errorf("a filter's operator is AND, OR or NOT")
	}
	var kids []json.RawMessage
	if raw, ok := object["conditions"]; !ok || json.Unmarshal(raw, &kids) != nil || kids == nil || len(object) != 2 {
		return nil, fmt.Errorf("a filter's operator has conditions and nothing else")
	}
	for _, k := range kids {
		kid, err := parseFilter(k, compile, left)
		if err != nil {
			return nil, err
		}
		f.Kids = append(f.Kids, kid)
	}
	return f, nil
}

// Verdict is what is known of a condition.
type Verdict uint8

// The verdicts. Open: not known yet.
const (
	No Verdict = iota
	Yes
	Open
)

// Is is Yes or No.
func Is(b bool) Verdict {
	if b {
		return Yes
	}
	return No
}

// Eval asks conditions as far as they are needed. A nil filter is Yes.
func (f *Filter[C]) Eval(ask func(*C) Verdict) Verdict {
	if f == nil {
		return Yes
	}
	if f.Op == Leaf {
		return ask(&f.Cond)
	}
	// And ends with the first No; Or and Not with the first Yes.
	ends := Yes
	if f.Op == And {
		ends = No
	}
	open, ended := false, false
	for _, k := range f.Kids {
		switch k.Eval(ask) {
		case Open:
			open = true
		case ends:
			ended = true
		}
		if ended {
			break
		}
	}
	switch {
	case open && !ended:
		return Open
	case f.Op == And:
		return Is(!ended)
	case f.Op == Or:
		return Is(ended)
	}
	return Is(!ended)
}

// Each gives every condition.
func (f *Filter[C]) Each(do func(*C)) {
	if f == nil {
		return
	}
	if f.Op == Leaf {
		do(&f.Cond)
	}
	for _, k := range f.Kids {
		k.Each(do)
	}
}

// Comparator is one key of a sort (RFC 8620 5.5). Keyword is of RFC 8621 4.4.2.
type Comparator struct {
	Property  string
	Ascending bool
	Collation string
	Keyword   string
}

// ParseSort reads a sort; null and the empty list give none.
func ParseSort(raw json.RawMessage) ([]Comparator, error) {
	if IsNull(raw) {
		return nil, nil
	}
	var list []Args
	if json.Unmarshal(raw, &list) != nil || len(list) > MaxSorts {
		return nil, fmt.Errorf("a sort is a list of at most %d objects", MaxSorts)
	}
	var out []Comparator
	for _, a := range list {
		c := Comparator{Ascending: true}
		r := Reader{Args: a}
		r.Must("property", &c.Property)
		r.Get("isAscending", &c.Ascending)
		r.Get("collation", &c.Collation)
		r.Get("keyword", &c.Keyword)
		// RFC 8620 5.5 lets types have members of their own; those we do not know make it a sort that we cannot do.
		if err := r.End(); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
