package jmap

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxReferenced is how many values one reference may yield.
const MaxReferenced = 10_000

// Reference is a ResultReference (RFC 8620 3.7): an argument taken from the response to an earlier call.
type Reference struct {
	ResultOf string `json:"resultOf"`
	Name     string `json:"name"`
	Path     string `json:"path"`
}

// ResolveArgs replaces arguments named "#x" by what they refer to among the responses given so far. The error is invalidArguments when an argument
// is given both ways, else invalidResultReference.
func ResolveArgs(args Args, before []Invocation) (Args, *MethodError) {
	var out Args
	for name, raw := range args {
		plain, isRef := strings.CutPrefix(name, "#")
		if !isRef {
			continue
		}
		if _, both := args[plain]; both {
			return nil, Errorf(ErrInvalidArguments, fmt.Sprintf("the argument %q is given, and as a reference too", plain))
		}
		v, err := resolveOne(raw, before)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make(Args, len(args))
			for n, r := range args {
				if !strings.HasPrefix(n, "#") {
					out[n] = r
				}
			}
		}
		out[plain] = v
	}
	if out == nil {
		return args, nil
	}
	return out, nil
}

func resolveOne(raw json.RawMessage, before []Invocation) (json.RawMessage, *MethodError) {
	var ref Reference
	if !isObject(raw) || json.Unmarshal(raw, &ref) != nil {
		return nil, Errorf(ErrInvalidReference, "a reference is an object with resultOf, name and path")
	}
	i := slices.IndexFunc(before, func(r Invocation) bool { return r.ID == ref.ResultOf })
	if i < 0 {
		return nil, Errorf(ErrInvalidReference, fmt.Sprintf("no call before this one has the id %q", ref.ResultOf))
	}
	// The first response of that name among those of the call (RFC 8620 3.7).
	for ; i < len(before) && (before[i].ID != ref.ResultOf || before[i].Name != ref.Name); i++ {
	}
	if i == len(before) {
		return nil, Errorf(ErrInvalidReference, fmt.Sprintf("the call %q has no response %q", ref.ResultOf, ref.Name))
	}
	var doc any
	if err := unmarshal(before[i].Args, &doc); err != nil {
		return nil, Errorf(ErrInvalidReference, "the response cannot be read")
	}
	v, err := Point(doc, ref.Path)
	if err != nil {
		return nil, Errorf(ErrInvalidReference, err.Error())
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, Errorf(ErrInvalidReference, err.Error())
	}
	return out, nil
}

// Point evaluates a JSON Pointer (RFC 6901) in which "*" goes through all of an array, and arrays that come of it are joined
// (RFC 8620 3.7). The document is as encoding/json gives it.
func Point(doc any, path string) (any, error) {
	if path == "" {
		return doc, nil
	}
	if path[0] != '/' {
		return nil, fmt.Errorf("the path %q does not begin with a slash", path)
	}
	tokens := strings.Split(path[1:], "/")
	if len(tokens) > MaxDepth {
		return nil, fmt.Errorf("the path has more than %d levels", MaxDepth)
	}
	p := pointer{left: MaxReferenced}
	return p.walk(doc, tokens)
}

type pointer struct{ left int }

func (p *pointer) walk(v any, tokens []string) (any, error) {
	for i, t := range tokens {
		token := Unescape(t)
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[token]
			if !ok {
				return nil, fmt.Errorf("there is no %q", token)
			}
			v = next
		case []any:
			if token == "*" {
				return p.each(node, tokens[i+1:])
			}
			n, err := strconv.ParseUint(token, 10, 32)
			if err != nil || n >= uint64(len(node)) || token != strconv.FormatUint(n, 10) {
				return nil, fmt.Errorf("an array of %d has no %q", len(node), token)
			}
			v = node[n]
		default:
			return nil, fmt.Errorf("there is nothing below %q", token)
		}
	}
	return v, nil
}

func (p *pointer) each(list []any, rest []string) (any, error) {
	out := []any{}
	for _, item := range list {
		v, err := p.walk(item, rest)
		if err != nil {
			return nil, err
		}
		more, isList := v.([]any)
		if !isList {
			more = []any{v}
		}
		if p.left -= len(more) + 1; p.left < 0 {
			return nil, fmt.Errorf("the reference yields more than %d values", MaxReferenced)
		}
		out = append(out, more...)
	}
	return out, nil
}

// Unescape undoes the escapes of a token of a JSON Pointer (RFC 6901 4).
func Unescape(token string) string {
	if !strings.Contains(token, "~") {
		return token
	}
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// Escape makes a token of a name.
func Escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}
