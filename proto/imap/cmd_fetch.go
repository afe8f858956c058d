package imap

import "strings"

// Item is a thing FETCH asks of a message.
type Item uint16

// The items without arguments (RFC 9051 6.4.5, RFC 7162 3.1.4, RFC 8474 5, RFC 8514 4.1), and those of a Section.
const (
	ItemUID Item = iota
	ItemFlags
	ItemModSeq
	ItemInternalDate
	ItemSaveDate
	ItemSize
	ItemEmailID
	ItemThreadID
	ItemEnvelope
	ItemBody          // the structure without extension data
	ItemBodyStructure // with it
	ItemSection       // BODY[...], RFC822, RFC822.HEADER, RFC822.TEXT
	ItemBinary        // BINARY[...]
	ItemBinarySize    // BINARY.SIZE[...]
)

// FetchItem is one item with its section.
type FetchItem struct {
	Item    Item
	Section Section
}

// Specifier says what of a part a Section means.
type Specifier byte

// The specifiers (RFC 9051 6.4.5.1).
const (
	SpecAll       Specifier = iota // the whole part's body; of the message: header and body
	SpecHeader                     // HEADER
	SpecFields                     // HEADER.FIELDS
	SpecFieldsNot                  // HEADER.FIELDS.NOT
	SpecMIME                       // MIME
	SpecText                       // TEXT
)

// Section is a piece of a message (RFC 9051 6.4.5.1).
type Section struct {
	Legacy  string // RFC822 and such: the name to answer with
	Part    []uint32
	Spec    Specifier
	Fields  []string // of SpecFields and SpecFieldsNot
	Peek    bool     // \Seen is left alone
	Partial bool
	Offset  uint32 // of Partial
	Count   uint32 // of Partial, at least 1
}

// Fetch are the arguments of FETCH (RFC 9051 6.4.5, RFC 7162 3.1.4.1, RFC 7162 3.2.6).
type Fetch struct {
	Set          NumSet
	Items        []FetchItem
	Changed      bool // CHANGEDSINCE was given
	ChangedSince uint64
	Vanished     bool

	uid bool
}

// Decode reads the messages, the items and the modifiers.
func (a *Fetch) Decode(d *Decoder) {
	d.SP()
	a.Set = d.NumSet()
	d.SP()
	if d.Next('(') {
		d.List(1, func() { a.item(d, false) })
	} else {
		a.item(d, true)
	}
	if d.Accept(' ') {
		d.List(1, func() { a.modifier(d, d.Word("a modifier")) })
	}
	if d.err == nil && a.Vanished && (!a.Changed || !a.uid) {
		d.Fail("VANISHED needs UID FETCH with CHANGEDSINCE") // RFC 7162 3.2.6
	}
}

func (a *Fetch) modifier(d *Decoder, w string) {
	switch {
	case d.err != nil:
	case w == "CHANGEDSINCE":
		d.SP()
		if a.ChangedSince = d.Number64("a mod-sequence"); d.err == nil && a.ChangedSince == 0 {
			d.Fail("CHANGEDSINCE cannot be 0")
		}
		a.Changed = true
	case w == "VANISHED":
		a.Vanished = true
	default:
		d.Fail("%s is not a modifier of FETCH", w)
	}
}

func (a *Fetch) add(items ...Item) {
	for _, i := range items {
		a.Items = append(a.Items, FetchItem{Item: i})
	}
}

// plainItems are the items that are one word.
var plainItems = map[string]Item{
	"UID": ItemUID, "FLAGS": ItemFlags, "MODSEQ": ItemModSeq, "INTERNALDATE": ItemInternalDate, "SAVEDATE": ItemSaveDate,
	"RFC822.SIZE": ItemSize, "EMAILID": ItemEmailID, "THREADID": ItemThreadID, "ENVELOPE": ItemEnvelope,
	"BODYSTRUCTURE": ItemBodyStructure,
}

func (a *Fetch) item(d *Decoder, macro bool) {
	w := upper(d.run("an item of FETCH", func(b byte) bool { return isAtomChar(b) && b != '[' }))
	if d.err != nil {
		return
	}
	if i, ok := plainItems[w]; ok {
		a.add(i)
		return
	}
	switch w {
	case "ALL", "FULL", "FAST":
		if !macro {
			d.Fail("%s stands alone, not in a list", w)
			return
		}
		a.add(ItemFlags, ItemInternalDate, ItemSize)
		if w != "FAST" {
			a.add(ItemEnvelope)
		}
		if w == "FULL" {
			a.add(ItemBody)
		}
	case "RFC822":
		a.Items = append(a.Items, FetchItem{ItemSection, Section{Legacy: w}})
	case "RFC822.HEADER":
		a.Items = append(a.Items, FetchItem{ItemSection, Section{Legacy: w, Spec: SpecHeader, Peek: true}})
	case "RFC822.TEXT":
		a.Items = append(a.Items, FetchItem{ItemSection, Section{Legacy: w, Spec: SpecText}})
	case "BODY", "BODY.PEEK":
		if w == "BODY" && !d.Next('[') {
			a.add(ItemBody)
			return
		}
		a.section(d, ItemSection, Section{Peek: w == "BODY.PEEK"})
	case "BINARY", "BINARY.PEEK":
		a.section(d, ItemBinary, Section{Peek: w == "BINARY.PEEK"})
	case "BINARY.SIZE":
		a.section(d, ItemBinarySize, Section{Peek: true})
	default:
		d.Fail("%s is not an item of FETCH", w)
	}
}

func (a *Fetch) section(d *Decoder, item Item, s Section) {
	d.Expect('[')
	if d.parts(&s) {
		if item == ItemSection {
			s.specifier(d)
		} else {
			d.Fail("only part numbers can stand in the brackets of BINARY")
		}
	}
	d.Expect(']')
	if d.err == nil && item != ItemBinarySize && d.Accept('<') {
		s.Partial = true
		s.Offset = d.Number("an offset")
		d.Expect('.')
		s.Count = d.NonZero("a count of octets")
		d.Expect('>')
	}
	a.Items = append(a.Items, FetchItem{item, s})
}

// parts reads the part numbers and reports whether a specifier must follow.
func (d *Decoder) parts(s *Section) bool {
	if b, ok := d.peek(); !ok || b < '0' || b > '9' {
		return ok && b != ']'
	}
	for {
		s.Part = append(s.Part, d.NonZero("a part's number"))
		if !d.Count() || !d.Accept('.') {
			return false
		}
		if b, ok := d.peek(); !ok || b < '0' || b > '9' {
			return true
		}
	}
}

func (s *Section) specifier(d *Decoder) {
	w := d.Word("HEADER, TEXT or another section")
	switch {
	case d.err != nil:
	case w == "HEADER":
		s.Spec = SpecHeader
	case w == "TEXT":
		s.Spec = SpecText
	case w == "MIME" && len(s.Part) > 0:
		s.Spec = SpecMIME
	case w == "HEADER.FIELDS", w == "HEADER.FIELDS.NOT":
		s.Spec = SpecFields
		if strings.HasSuffix(w, "NOT") {
			s.Spec = SpecFieldsNot
		}
		d.SP()
		d.List(1, func() { s.Fields = append(s.Fields, d.Astring("a field's name")) })
	default:
		d.Fail("%s is not a section of a message", w)
	}
}
