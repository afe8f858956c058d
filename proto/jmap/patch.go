package jmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// ErrPatch says that a PatchObject is none (RFC 8620 5.3). It is wrapped with the reason.
var ErrPatch = errors.New("the patch cannot be applied")

// Patch is a PatchObject: paths and values. A null value takes away what the path names (RFC 8620 5.3).
type Patch map[string]any

// ParsePatch reads a patch. Numbers stay as they are written (json.Number).
func ParsePatch(raw json.RawMessage) (Patch, error) {
	var p Patch
	if !isObject(raw) {
		return nil, fmt.Errorf("%w: it is no object", ErrPatch)
	}
	if err := unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPatch, err)
	}
	return p, p.check()
}

// check refuses a patch in which one path is the beginning of another.
func (p Patch) check() error {
	paths := make([]string, 0, len(p))
	for path := range p {
		if strings.Count(path, "/") >= MaxDepth {
			return fmt.Errorf("%w: the path has more than %d levels", ErrPatch, MaxDepth)
		}
		paths = append(paths, path+"/")
	}
	sort.Strings(paths)
	for i := 1; i < len(paths); i++ {
		if strings.HasPrefix(paths[i], paths[i-1]) {
			return fmt.Errorf("%w: %q lies within %q", ErrPatch, paths[i], paths[i-1])
		}
	}
	return nil
}

// Apply makes an object of an object and a patch; the object is left as it is.
func (p Patch) Apply(object map[string]any) (map[string]any, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	out := clone(object).(map[string]any)
	for path, value := range p {
		node := out
		tokens := strings.Split(path, "/")
		for _, t := range tokens[:len(tokens)-1] {
			next, ok := node[Unescape(t)].(map[string]any)
			if !ok {
				return nil, fmt.Errorf("%w: %q goes through something that is no object", ErrPatch, path)
			}
			node = next
		}
		last := Unescape(tokens[len(tokens)-1])
		if value == nil && len(tokens) > 1 {
			delete(node, last)
		} else {
			node[last] = value // at the top null means the property's default, which its owner knows
		}
	}
	return out, nil
}

// clone copies maps; what is in arrays is never patched.
func clone(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = clone(v)
	}
	return out
}

// unmarshal reads JSON with numbers as they are written.
func unmarshal(raw []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(to)
}
