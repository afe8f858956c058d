package jmap

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Request is what a client posts (RFC 8620 3.3).
type Request struct {
	Using      []string
	Calls      []Call
	CreatedIDs map[string]string // nil where the client sent none: then the response has none
}

// Call is one method call (RFC 8620 3.2).
type Call struct {
	Name string
	Args Args
	ID   string
}

// Args are the arguments of a call by name, or of any object of which each member is read on its own.
type Args map[string]json.RawMessage

// Limits bound a request.
type Limits struct {
	MaxCalls int // maxCallsInRequest
}

// Response answers a Request (RFC 8620 3.4).
type Response struct {
	Responses    []Invocation      `json:"methodResponses"`
	CreatedIDs   map[string]string `json:"createdIds,omitempty"`
	SessionState string            `json:"sessionState"`
}

// Invocation is one response. Args are JSON, ready.
type Invocation struct {
	Name string
	Args json.RawMessage
	ID   string
}

// MarshalJSON writes the three of them as an array (RFC 8620 3.2).
func (i Invocation) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(i.Args) + len(i.Name) + len(i.ID) + 16)
	name, _ := json.Marshal(i.Name) //nolint:errchkjson // a string
	id, _ := json.Marshal(i.ID)     //nolint:errchkjson // a string
	b.WriteByte('[')
	b.Write(name)
	b.WriteByte(',')
	b.Write(i.Args)
	b.WriteByte(',')
	b.Write(id)
	b.WriteByte(']')
	return b.Bytes(), nil
}

// ParseRequest reads a request. It looks at the form of calls, not at their arguments.
func ParseRequest(b []byte, lim Limits) (*Request, *Problem) {
	if err := CheckJSON(b); err != nil {
		return nil, NewProblem(ProblemNotJSON, err.Error()+"; send the request as JSON in UTF-8")
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(b, &top) != nil || top == nil {
		return nil, notRequest("it is no object")
	}
	r := new(Request)
	if raw, ok := top["using"]; !ok || json.Unmarshal(raw, &r.Using) != nil || r.Using == nil {
		return nil, notRequest(`"using" is not a list of capabilities`)
	}
	if raw, ok := top["createdIds"]; ok {
		if json.Unmarshal(raw, &r.CreatedIDs) != nil {
			return nil, notRequest(`"createdIds" is not a map of ids`)
		}
		for from, to := range r.CreatedIDs {
			if !ValidID(from) || !ValidID(to) {
				return nil, notRequest(`"createdIds" has something that is no id`)
			}
		}
	}
	var calls []json.RawMessage
	if raw, ok := top["methodCalls"]; !ok || json.Unmarshal(raw, &calls) != nil || calls == nil {
		return nil, notRequest(`"methodCalls" is not a list`)
	}
	if lim.MaxCalls > 0 && len(calls) > lim.MaxCalls {
		p := NewProblem(ProblemLimit, fmt.Sprintf("a request can have %d method calls; send it in several", lim.MaxCalls))
		p.Limit = "maxCallsInRequest"
		return nil, p
	}
	for i, raw := range calls {
		c, ok := parseCall(raw)
		if !ok {
			return nil, notRequest(fmt.Sprintf("method call %d is not a name, an object and an id", i+1))
		}
		r.Calls = append(r.Calls, c)
	}
	return r, nil
}

func notRequest(what string) *Problem {
	return NewProblem(ProblemNotRequest, "the request has not the form of RFC 8620 3.3: "+what)
}

func parseCall(raw json.RawMessage) (c Call, ok bool) {
	var three []json.RawMessage
	if json.Unmarshal(raw, &three) != nil || len(three) != 3 {
		return c, false
	}
	ok = isString(three[0]) && json.Unmarshal(three[0], &c.Name) == nil && isObject(three[1]) && json.Unmarshal(three[1], &c.Args) == nil &&
		isString(three[2]) && json.Unmarshal(three[2], &c.ID) == nil
	return c, ok
}

func isString(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '"' }
func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// IsNull reports whether a value is null or not there.
func IsNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// ValidID reports whether s has the form of an Id (RFC 8620 1.2).
func ValidID(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// CapabilityCore is what every session has (RFC 8620 2).
const CapabilityCore = "urn:ietf:params:jmap:core"
