package message

import (
	"encoding/binary"
	"errors"
)

// A Summary is a Part tree in few octets, to be stored beside a message. Its format, version 1:
//
//	summary  = version(1 octet) length-of-envelope envelope? number-of-parts part
//	envelope = date time subject 6*addresses in-reply-to message-id references received
//	part     = flags 4*offset type subtype params encoding and what the flags announce, then its parts
//
// Numbers are varints. A string is a number n and, where n is even, n/2 octets; where n is odd, it is the
// common word n/2. Offsets are told as distances. The root's envelope comes first, so that a mailbox can be
// listed without reading the trees.

const (
	summaryVersion = 1
	// maxSummaryDepth bounds the nesting Decode follows; no Scanner goes as deep.
	maxSummaryDepth = 200
)

// ErrBadSummary says that octets given to Decode are no summary, or one of a later version.
var ErrBadSummary = errors.New("the stored summary of a message is damaged or of an unknown version")

// Flags of a part: what is told of it beyond offsets, type and parameters.
const (
	hasID = 1 << iota
	hasDescription
	hasMD5
	hasDisposition
	hasLanguage
	hasLocation
	hasEnvelope
	hasChildren
	isCut
)

// Encode writes the tree of a message.
func Encode(root *Part) []byte {
	var env encoder
	if root.Envelope != nil {
		env.b = make([]byte, 0, 512)
		env.envelope(root.Envelope)
	}
	e := encoder{b: make([]byte, 0, len(env.b)+256)}
	e.b = append(e.b, summaryVersion)
	e.uint(uint64(len(env.b)))
	e.b = append(e.b, env.b...)
	n := 0
	root.Walk(func(*Part) bool { n++; return true })
	e.uint(uint64(n))
	e.part(root, 0, true)
	return e.b
}

type encoder struct{ b []byte }

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) int(n int64)   { e.b = binary.AppendVarint(e.b, n) }

func (e *encoder) bool(v bool) {
	if v {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
	}
}

func (e *encoder) string(s string) {
	if len(s) <= maxCommon && s != "" {
		if i, ok := wordIndex[s]; ok {
			e.uint(uint64(i)<<1 | 1)
			return
		}
	}
	e.uint(uint64(len(s)) << 1)
	e.b = append(e.b, s...)
}

func (e *encoder) strings(list []string) {
	e.uint(uint64(len(list)))
	for _, s := range list {
		e.string(s)
	}
}

func (e *encoder) params(list []Param) {
	e.uint(uint64(len(list)))
	for _, p := range list {
		e.string(p.Name)
		e.string(p.Value)
	}
}

func (e *encoder) part(p *Part, from int64, root bool) {
	flags := uint64(0)
	set := func(flag uint64, v bool) {
		if v {
			flags |= flag
		}
	}
	set(hasID, p.ID != "")
	set(hasDescription, p.Description != "")
	set(hasMD5, p.MD5 != "")
	set(hasDisposition, p.Disposition != "" || len(p.DispositionParams) > 0)
	set(hasLanguage, len(p.Language) > 0)
	set(hasLocation, p.Location != "")
	set(hasEnvelope, p.Envelope != nil && !root)
	set(hasChildren, len(p.Children) > 0)
	set(isCut, p.Cut)
	e.uint(flags)
	e.int(p.HeaderOffset - from)
	e.int(p.BodyOffset - p.HeaderOffset)
	e.int(p.End - p.BodyOffset)
	e.int(p.Lines)
	e.string(p.MediaType)
	e.string(p.Subtype)
	e.params(p.Params)
	e.string(p.Encoding)
	if flags&hasID != 0 {
		e.string(p.ID)
	}
	if flags&hasDescription != 0 {
		e.string(p.Description)
	}
	if flags&hasMD5 != 0 {
		e.string(p.MD5)
	}
	if flags&hasDisposition != 0 {
		e.string(p.Disposition)
		e.params(p.DispositionParams)
	}
	if flags&hasLanguage != 0 {
		e.strings(p.Language)
	}
	if flags&hasLocation != 0 {
		e.string(p.Location)
	}
	if flags&hasEnvelope != 0 {
		e.envelope(p.Envelope)
	}
	if flags&hasChildren != 0 {
		e.uint(uint64(len(p.Children)))
		for _, c := range p.Children {
			e.part(c, p.BodyOffset, false)
		}
	}
}

func (e *encoder) envelope(v *Envelope) {
	e.string(v.Date)
	e.bool(!v.Time.IsZero())
	if !v.Time.IsZero() {
		_, offset := v.Time.Zone()
		e.int(v.Time.Unix())
		e.int(int64(offset))
	}
	e.string(v.Subject)
	n := 0
	for _, list := range v.lists() {
		n += len(*list)
	}
	e.uint(uint64(n))
	for _, list := range v.lists() {
		e.addresses(*list)
	}
	e.string(v.InReplyTo)
	e.string(v.MessageID)
	e.strings(v.References)
	e.uint(uint64(v.Received))
}

// lists names the address lists in the order of the format.
func (v *Envelope) lists() [6]*[]Address {
	return [6]*[]Address{&v.From, &v.Sender, &v.ReplyTo, &v.To, &v.Cc, &v.Bcc}
}

func (e *encoder) addresses(list []Address) {
	e.uint(uint64(len(list)))
	for _, a := range list {
		kind := uint64(a.Kind) << 1
		if a.Route != "" {
			kind |= 1
		}
		e.uint(kind)
		e.string(a.Name)
		e.string(a.Mailbox)
		e.string(a.Host)
		if a.Route != "" {
			e.string(a.Route)
		}
	}
}
