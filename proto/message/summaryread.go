package message

import (
	"encoding/binary"
	"math"
	"time"
)

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

// EnvelopeReader reads the envelope of one summary after another, each into the memory of the one before.
type EnvelopeReader struct {
	env       Envelope
	addresses []Address
	strings   []string
}

// Read gives what DecodeEnvelope does. The envelope and its slices are good until the next call, its strings for ever.
func (r *EnvelopeReader) Read(b []byte) (*Envelope, error) {
	start, end, ok := envelopeBounds(b)
	if !ok {
		return nil, ErrBadSummary
	}
	if start == end {
		return nil, nil
	}
	d := decoder{s: string(b[start:end]), into: r}
	r.env = Envelope{}
	d.envelope(&r.env)
	if d.bad || d.at != len(d.s) {
		return nil, ErrBadSummary
	}
	return &r.env, nil
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
	slab []Part          // room for the parts still to come
	into *EnvelopeReader // whose memory an envelope takes; nil: new memory
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
	list := d.roomForStrings(n)
	for i := range list {
		list[i] = d.string()
	}
	return list
}

func (d *decoder) roomForStrings(n int) []string {
	if d.into == nil {
		return make([]string, n)
	}
	if n > cap(d.into.strings) {
		d.into.strings = make([]string, n)
	}
	return d.into.strings[:n]
}

func (d *decoder) roomForAddresses(n int) []Address {
	switch {
	case n == 0:
		return nil
	case d.into == nil:
		return make([]Address, n)
	case n > cap(d.into.addresses):
		d.into.addresses = make([]Address, n)
	}
	return d.into.addresses[:n]
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
	slab := d.roomForAddresses(n)
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
	return t.In(fixedZone(int(offset)))
}

// zones are the offsets from UTC that are in use anywhere, all whole quarters of an hour: from -14 to +14 hours.
var zones = func() (table [2*14*4 + 1]*time.Location) {
	for i := range table {
		table[i] = time.FixedZone("", (i-14*4)*15*60)
	}
	return table
}()

// fixedZone gives a zone of so many seconds east of UTC, one made before where there is one.
func fixedZone(offset int) *time.Location {
	if i := offset/(15*60) + 14*4; offset%(15*60) == 0 && i >= 0 && i < len(zones) {
		return zones[i]
	}
	return time.FixedZone("", offset)
}
