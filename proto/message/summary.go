package message

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
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

// Decode reads what Encode wrote. The strings of the result share one copy of b, and b may be changed afterwards.
// Whatever b holds, memory stays in proportion to its length. The error is ErrBadSummary.
func Decode(b []byte) (*Part, error) {
	start, end, ok := envelopeBounds(b)
	if !ok {
		return nil, ErrBadSummary
	}
	d := decoder{s: string(b), at: end}
	n := d.count(minPart)
	if d.bad {
		return nil, ErrBadSummary
	}
	d.slab = make([]Part, n)
	root := d.part(0, 0)
	if d.bad || d.at != len(d.s) || len(d.slab) != 0 {
		return nil, ErrBadSummary
	}
	root.Envelope, ok = decodeEnvelope(d.s[start:end])
	if !ok {
		return nil, ErrBadSummary
	}
	return root, nil
}

// DecodeEnvelope reads only the envelope of the message itself; what follows it is not looked at. It is nil where
// the tree was encoded without one.
func DecodeEnvelope(b []byte) (*Envelope, error) {
	start, end, ok := envelopeBounds(b)
	if !ok {
		return nil, ErrBadSummary
	}
	env, ok := decodeEnvelope(string(b[start:end]))
	if !ok {
		return nil, ErrBadSummary
	}
	return env, nil
}

// envelopeBounds finds the envelope in a summary.
func envelopeBounds(b []byte) (start, end int, ok bool) {
	if len(b) == 0 || b[0] != summaryVersion {
		return 0, 0, false
	}
	n, size := binary.Uvarint(b[1:])
	start = 1 + size
	if size <= 0 || n > uint64(len(b)-start) {
		return 0, 0, false
	}
	return start, start + int(n), true
}

func decodeEnvelope(s string) (*Envelope, bool) {
	if s == "" {
		return nil, true
	}
	d := decoder{s: s}
	env := &Envelope{}
	d.envelope(env)
	return env, !d.bad && d.at == len(s)
}

// The least octets an item takes in the format: what a count claims must fit what is left.
const (
	minPart    = 9
	minAddress = 4
	minParam   = 2
	minString  = 1
)

// decoder reads with a sticky error: after the first fault everything is zero.
type decoder struct {
	s    string
	at   int
	bad  bool
	slab []Part // room for the parts still to come
}

func (d *decoder) fail() { d.bad, d.at = true, len(d.s) }

func (d *decoder) uint() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		if d.at >= len(d.s) {
			break
		}
		c := d.s[d.at]
		d.at++
		if c < 0x80 {
			if shift == 63 && c > 1 {
				break
			}
			return n | uint64(c)<<shift
		}
		n |= uint64(c&0x7f) << shift
	}
	d.fail()
	return 0
}

func (d *decoder) int() int64 {
	u := d.uint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) bool() bool {
	n := d.uint()
	if n > 1 {
		d.fail()
	}
	return n == 1 && !d.bad
}

// count reads how many items of at least least octets follow.
func (d *decoder) count(least int) int {
	n := d.uint()
	if n > uint64((len(d.s)-d.at)/least) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.uint()
	if n&1 == 1 {
		if n>>1 >= uint64(len(commonWords)) {
			d.fail()
			return ""
		}
		return commonWords[n>>1]
	}
	n >>= 1
	if n > uint64(len(d.s)-d.at) {
		d.fail()
		return ""
	}
	start := d.at
	d.at += int(n)
	return d.s[start:d.at]
}

func (d *decoder) strings() []string {
	n := d.count(minString)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.string()
	}
	return list
}

func (d *decoder) params() []Param {
	n := d.count(minParam)
	if n == 0 {
		return nil
	}
	list := make([]Param, n)
	for i := range list {
		list[i] = Param{Name: d.string(), Value: d.string()}
	}
	return list
}

func (d *decoder) part(from int64, depth int) *Part {
	if depth > maxSummaryDepth || len(d.slab) == 0 || d.bad {
		d.fail()
		return nil
	}
	p := &d.slab[0]
	d.slab = d.slab[1:]
	flags := d.uint()
	p.HeaderOffset = from + d.int()
	p.BodyOffset = p.HeaderOffset + d.int()
	p.End = p.BodyOffset + d.int()
	p.Lines = d.int()
	if p.HeaderOffset < from || p.BodyOffset < p.HeaderOffset || p.End < p.BodyOffset || p.Lines < 0 {
		d.fail()
	}
	p.MediaType = d.string()
	p.Subtype = d.string()
	p.Params = d.params()
	p.Encoding = d.string()
	d.extras(p, flags)
	if flags&hasChildren != 0 {
		n := d.count(minPart)
		if n > len(d.slab) {
			d.fail()
		}
		if !d.bad {
			p.Children = make([]*Part, n)
		}
		for i := range p.Children {
			p.Children[i] = d.part(p.BodyOffset, depth+1)
		}
	}
	return p
}

// extras reads what the flags announce.
func (d *decoder) extras(p *Part, flags uint64) {
	p.Cut = flags&isCut != 0
	if flags&hasID != 0 {
		p.ID = d.string()
	}
	if flags&hasDescription != 0 {
		p.Description = d.string()
	}
	if flags&hasMD5 != 0 {
		p.MD5 = d.string()
	}
	if flags&hasDisposition != 0 {
		p.Disposition = d.string()
		p.DispositionParams = d.params()
	}
	if flags&hasLanguage != 0 {
		p.Language = d.strings()
	}
	if flags&hasLocation != 0 {
		p.Location = d.string()
	}
	if flags&hasEnvelope != 0 {
		p.Envelope = &Envelope{}
		d.envelope(p.Envelope)
	}
}

func (d *decoder) envelope(v *Envelope) {
	v.Date = d.string()
	if d.bool() {
		v.Time = d.time()
	}
	v.Subject = d.string()
	n := d.count(minAddress)
	var slab []Address
	if n > 0 {
		slab = make([]Address, n)
	}
	for _, list := range v.lists() {
		k := d.count(minAddress)
		if k > n {
			d.fail()
			return
		}
		n -= k
		if k == 0 {
			continue
		}
		*list, slab = slab[:k:k], slab[k:]
		for i := range *list {
			(*list)[i] = d.address()
		}
	}
	v.InReplyTo = d.string()
	v.MessageID = d.string()
	v.References = d.strings()
	received := d.uint()
	if n != 0 || received > math.MaxInt32 {
		d.fail()
	}
	v.Received = int(received & math.MaxInt32)
}

func (d *decoder) address() (a Address) {
	kind := d.uint()
	if kind>>1 > uint64(AddressGroupEnd) {
		d.fail()
		return a
	}
	a.Kind = AddressKind(kind >> 1)
	a.Name = d.string()
	a.Mailbox = d.string()
	a.Host = d.string()
	if kind&1 != 0 {
		a.Route = d.string()
	}
	return a
}

// time reads a time within what ParseDate can give.
func (d *decoder) time() time.Time {
	const year10000 = 253402300800
	sec, offset := d.int(), d.int()
	if sec < -year10000 || sec > 2*year10000 || offset <= -24*3600 || offset >= 24*3600 {
		d.fail()
		return time.Time{}
	}
	t := time.Unix(sec, 0)
	if offset == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", int(offset)))
}
