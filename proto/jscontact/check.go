package jscontact

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a card.
const (
	MaxSize  = 64 << 10 // octets of its JSON
	MaxDepth = 16       // levels of objects and arrays
	MaxData  = 48 << 10 // octets of one data: URI
	MaxItems = 1000     // members of one map or list
)

// Card is a Card object as encoding/json gives it; numbers may be json.Number.
type Card = map[string]any

// Problem is one thing that is wrong with a card. It is an error.
type Problem struct {
	Path string // of the property, with slashes: "emails/e1/address"
	Text string
}

// Error says where and what.
func (p *Problem) Error() string {
	if p.Path == "" {
		return p.Text
	}
	return p.Path + ": " + p.Text
}

// Property is the property of the card that the problem lies in; "" for the card as a whole.
func (p *Problem) Property() string {
	first, _, _ := strings.Cut(p.Path, "/")
	return first
}

// ErrTooLarge says that a card has more than MaxSize octets.
var ErrTooLarge = fmt.Errorf("a card can have %d octets at most", MaxSize)

// Encode makes JSON of a card; ErrTooLarge when it is too long.
func Encode(c Card) ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxSize {
		return nil, ErrTooLarge
	}
	return b, nil
}

// Decode reads a card as it was stored. Numbers stay as they are written.
func Decode(b []byte) (Card, error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var c Card
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errors.New("a card is an object")
	}
	return c, nil
}

// Check says what is wrong with a card (RFC 9553 2): nil, or the first problem by path. uid and version may be missing: who keeps the card gives them.
func Check(c Card) *Problem {
	if !shallow(c, 0) {
		return &Problem{Text: fmt.Sprintf("a card can have %d levels of objects and lists", MaxDepth)}
	}
	if p := checkObject("", "Card", c); p != nil {
		return p
	}
	if v, ok := c["version"].(string); ok && v != "1.0" && v != "2.0" {
		return &Problem{Path: "version", Text: "1.0 and 2.0 are known here"}
	}
	if c["members"] != nil && c["kind"] != "group" {
		return &Problem{Path: "members", Text: "only a card of kind group has members"} // RFC 9553 2.1.6
	}
	if uid, ok := c["uid"].(string); ok && (uid == "" || len(uid) > MaxUID) {
		return &Problem{Path: "uid", Text: fmt.Sprintf("a uid has 1 to %d octets", MaxUID)}
	}
	return nil
}

// MaxUID is how many octets a uid may have.
const MaxUID = 255

// shallow bounds nesting before anything else looks at the card.
func shallow(v any, level int) bool {
	if level > MaxDepth {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for _, m := range v {
			if !shallow(m, level+1) {
				return false
			}
		}
	case []any:
		for _, m := range v {
			if !shallow(m, level+1) {
				return false
			}
		}
	}
	return true
}

func wrong(path, format string, args ...any) *Problem {
	return &Problem{Path: path, Text: fmt.Sprintf(format, args...)}
}

func join(path, name string) string {
	name = strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	if path == "" {
		return name
	}
	return path + "/" + name
}

// checkObject checks an object of a type.
func checkObject(path, kind string, v any) *Problem {
	o, ok := v.(map[string]any)
	if !ok {
		return wrong(path, "an object is expected")
	}
	if t, there := o["@type"]; there && t != kind {
		return wrong(join(path, "@type"), "%q is expected", kind)
	}
	t := types[kind]
	for _, name := range t.must {
		if o[name] == nil && !(kind == "Media" && name == "uri" && o["blobId"] != nil) {
			return wrong(join(path, name), "this must be there")
		}
	}
	if len(t.oneOf) > 0 && !slices.ContainsFunc(t.oneOf, func(n string) bool { return o[n] != nil }) {
		return wrong(path, "one of %s must be there", strings.Join(t.oneOf, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if len(name) > MaxUID {
			return wrong(path, "a name has %d octets at most", MaxUID)
		}
		f, known := t.props[name]
		if !known {
			continue // RFC 9553 1.8: unknown properties are kept
		}
		if p := checkValue(join(path, name), f, o[name]); p != nil {
			return p
		}
	}
	return nil
}

// checkValue checks a value of a form.
func checkValue(path string, f form, v any) *Problem {
	word, rest, _ := strings.Cut(string(f), " ")
	switch word {
	case "map", "ids":
		return checkMap(path, word == "ids", form(rest), v)
	case "list":
		list, ok := v.([]any)
		if !ok {
			return wrong(path, "a list is expected")
		}
		if len(list) > MaxItems {
			return wrong(path, "there can be %d at most", MaxItems)
		}
		for i, item := range list {
			if p := checkValue(join(path, strconv.Itoa(i)), form(rest), item); p != nil {
				return p
			}
		}
		return nil
	}
	if one, other, either := strings.Cut(word, "|"); either {
		if o, ok := v.(map[string]any); ok && o["@type"] == other {
			one = other
		}
		return checkTyped(path, one, v)
	}
	if word[0] >= 'A' && word[0] <= 'Z' {
		return checkTyped(path, word, v)
	}
	return scalar(path, word, v)
}

func checkTyped(path, kind string, v any) *Problem {
	if p := checkObject(path, kind, v); p != nil {
		return p
	}
	o := v.(map[string]any)
	switch kind {
	case "PartialDate":
		return partialDate(path, o)
	case "Media":
		if uri, ok := o["uri"].(string); ok {
			return dataURI(join(path, "uri"), uri)
		}
	}
	return nil
}

// checkMap checks a map. Keys of ids are Ids (RFC 9553 1.4.1).
func checkMap(path string, ids bool, f form, v any) *Problem {
	m, ok := v.(map[string]any)
	if !ok {
		return wrong(path, "an object is expected")
	}
	if len(m) > MaxItems {
		return wrong(path, "there can be %d at most", MaxItems)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if ids && !validID(key) {
			return wrong(join(path, key), "an id has 1 to %d of the characters A-Z, a-z, 0-9, - and _", MaxUID)
		}
		if p := checkValue(join(path, key), f, m[key]); p != nil {
			return p
		}
	}
	return nil
}

func validID(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= MaxUID
}

// whole reads a number that is none of fractions; -1 for what is no UnsignedInt (RFC 9553 1.4.1).
func whole(v any) int64 {
	n := int64(-1)
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			n = i
		}
	case float64:
		if v == float64(int64(v)) {
			n = int64(v)
		}
	case int:
		n = int64(v)
	}
	if n > 1<<53-1 {
		return -1
	}
	return n
}

// scalar checks what is no object of a type.
func scalar(path, word string, v any) *Problem {
	switch word {
	case "text":
		if _, ok := v.(string); !ok {
			return wrong(path, "a string is expected")
		}
	case "bool":
		if _, ok := v.(bool); !ok {
			return wrong(path, "true or false is expected")
		}
	case "uint":
		if whole(v) < 0 {
			return wrong(path, "a whole number that is not negative is expected")
		}
	case "pref":
		if n := whole(v); n < 1 || n > 100 { // RFC 9553 1.5.4
			return wrong(path, "a number from 1 to 100 is expected")
		}
	case "listAs": // RFC 9553 2.6.2
		if whole(v) < 1 {
			return wrong(path, "a whole number above 0 is expected")
		}
	case "utc":
		if s, ok := v.(string); !ok || !validUTC(s) {
			return wrong(path, "a date and time such as 2010-10-10T10:10:10Z is expected")
		}
	case "country":
		if s, ok := v.(string); !ok || len(s) != 2 || strings.ToUpper(s) != s || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return wrong(path, "a country code of two letters is expected")
		}
	case "set":
		m, ok := v.(map[string]any)
		if !ok || len(m) > MaxItems {
			return wrong(path, "an object of at most %d members is expected", MaxItems)
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if m[key] != true {
				return wrong(join(path, key), "true is expected")
			}
		}
	case "patches":
		if _, ok := v.(map[string]any); !ok {
			return wrong(path, "an object of changes is expected")
		}
	}
	return nil
}

// validUTC is UTCDateTime (RFC 9553 1.4.5).
func validUTC(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil && strings.HasSuffix(s, "Z") && !strings.ContainsAny(s, "tz,")
}

// partialDate checks a PartialDate (RFC 9553 2.8.1).
func partialDate(path string, o map[string]any) *Problem {
	month, day := whole(o["month"]), whole(o["day"])
	switch {
	case o["month"] != nil && (month < 1 || month > 12):
		return wrong(join(path, "month"), "a month is 1 to 12")
	case o["day"] != nil && (day < 1 || day > 31):
		return wrong(join(path, "day"), "a day is 1 to 31")
	case o["day"] != nil && o["month"] == nil:
		return wrong(join(path, "day"), "a day needs its month")
	case o["month"] != nil && o["year"] == nil && o["day"] == nil:
		return wrong(join(path, "month"), "a month needs a year or a day")
	case o["year"] != nil && whole(o["year"]) > 9999:
		return wrong(join(path, "year"), "a year has four digits")
	}
	return nil
}

// dataURI bounds what is within a card.
func dataURI(path, uri string) *Problem {
	if len(uri) >= 5 && strings.EqualFold(uri[:5], "data:") && len(uri) > MaxData {
		return wrong(path, "a picture or sound within a card has %d octets at most; make it smaller, or link to it", MaxData)
	}
	if !utf8.ValidString(uri) {
		return wrong(path, "it is not UTF-8")
	}
	return nil
}

func sorted(list []string) []string { slices.Sort(list); return list }

func mapKeys[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }
