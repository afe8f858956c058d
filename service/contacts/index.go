package contacts

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/postrider/postrider/proto/jscontact"
)

// Field is a part of a card that is searched (RFC 9610 3.3.1).
type Field uint8

// The fields. Other is what Text alone searches.
const (
	Name Field = iota
	Given
	Surname
	Surname2
	Nickname
	Organization
	Email
	Phone
	OnlineService
	Address
	NoteText
	Other
	fields
)

// Entry is what is known of a card without reading it.
type Entry struct {
	ID, UID, Kind    string
	Books            []string
	Members          []string
	Created, Updated time.Time // zero: the card does not say
	// GivenKey, SurnameKey and Surname2Key are what cards are sorted by, folded.
	GivenKey, SurnameKey, Surname2Key string

	octets int // of the note
	text   [fields]string
}

// Stored is a card as it is kept.
type Stored struct {
	Books []string        `json:"b"`
	Card  json.RawMessage `json:"c"`
}

// entryOf makes the entry of a card.
func entryOf(id string, books []string, c jscontact.Card, octets int) *Entry {
	e := &Entry{ID: id, Books: books, UID: str(c["uid"]), Kind: str(c["kind"]), octets: octets}
	if e.Kind == "" {
		e.Kind = "individual" // RFC 9553 2.1.4
	}
	e.Created, _ = time.Parse(time.RFC3339Nano, str(c["created"]))
	e.Updated, _ = time.Parse(time.RFC3339Nano, str(c["updated"]))
	for uid := range obj(c["members"]) {
		e.Members = append(e.Members, uid)
	}
	slices.Sort(e.Members)
	var t [fields]strings.Builder
	put := func(f Field, texts ...string) {
		for _, s := range texts {
			if s != "" {
				t[f].WriteString(fold(s))
				t[f].WriteByte('\n')
			}
		}
	}
	name := obj(c["name"])
	put(Name, str(name["full"]))
	components, _ := name["components"].([]any)
	for _, v := range components {
		o := obj(v)
		text := str(o["value"])
		put(Name, text)
		switch o["kind"] {
		case "given":
			put(Given, text)
			first(&e.GivenKey, text)
		case "surname":
			put(Surname, text)
			first(&e.SurnameKey, text)
		case "surname2":
			put(Surname2, text)
			first(&e.Surname2Key, text)
		}
	}
	for _, p := range searched {
		for _, v := range obj(c[p.prop]) {
			o := obj(v)
			for _, name := range p.names {
				put(p.field, str(o[name]))
			}
			for _, list := range p.lists {
				items, _ := o[list].([]any)
				for _, item := range items {
					put(p.field, str(obj(item)["value"]), str(obj(item)["name"]))
				}
			}
		}
	}
	for word := range obj(c["keywords"]) {
		put(Other, word)
	}
	for f := range t {
		e.text[f] = t[f].String()
	}
	return e
}

// searched says where fields are found in a card.
var searched = []struct {
	prop  string
	field Field
	names []string
	lists []string
}{
	{"nicknames", Nickname, []string{"name"}, nil},
	{"organizations", Organization, []string{"name"}, nil},
	{"organizations", Other, nil, []string{"units"}},
	{"emails", Email, []string{"address", "label"}, nil},
	{"phones", Phone, []string{"number", "label"}, nil},
	{"onlineServices", OnlineService, []string{"service", "uri", "user", "label"}, nil},
	{"addresses", Address, []string{"full"}, []string{"components"}},
	{"notes", NoteText, []string{"note"}, nil},
	{"titles", Other, []string{"name"}, nil},
	{"links", Other, []string{"uri", "label"}, nil},
	{"personalInfo", Other, []string{"value"}, nil},
}

func first(key *string, text string) {
	if *key == "" {
		*key = fold(text)
	}
}

func str(v any) string { s, _ := v.(string); return s }

func obj(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// fold makes texts alike that differ in letter case and accents alone.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < utf8.RuneSelf
	}
	if plain {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
}

// cost is about how many octets of memory an entry takes.
func (e *Entry) cost() int64 {
	const fixed = 600
	n := fixed + len(e.UID) + len(e.GivenKey) + len(e.SurnameKey) + 40*len(e.Books)
	for i := range e.text {
		n += len(e.text[i])
	}
	for _, m := range e.Members {
		n += len(m) + 16
	}
	return int64(n)
}
