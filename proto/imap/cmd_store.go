package imap

// StoreOp says what STORE does with the flags it names.
type StoreOp byte

// The operations, as they are spelt; StoreReplace is spelt by no sign.
const (
	StoreReplace StoreOp = 0
	StoreAdd     StoreOp = '+'
	StoreRemove  StoreOp = '-'
)

// Store are the arguments of STORE (RFC 9051 6.4.6, RFC 7162 3.1.3).
type Store struct {
	Set            NumSet
	Op             StoreOp
	Silent         bool
	Flags          []string
	Conditional    bool // UNCHANGEDSINCE was given
	UnchangedSince uint64
}

// Decode reads the messages, the condition and the flags.
func (a *Store) Decode(d *Decoder) {
	d.SP()
	a.Set = d.NumSet()
	d.SP()
	if d.Next('(') {
		d.List(1, func() {
			if w := d.Word("a modifier"); d.err == nil && w != "UNCHANGEDSINCE" {
				d.Fail("%s is not a modifier of STORE", w)
			}
			d.SP()
			a.Conditional, a.UnchangedSince = true, d.Number64("a mod-sequence")
		})
		d.SP()
	}
	switch {
	case d.Accept('+'):
		a.Op = StoreAdd
	case d.Accept('-'):
		a.Op = StoreRemove
	}
	switch w := d.Word("FLAGS"); {
	case d.err != nil:
	case w == "FLAGS":
	case w == "FLAGS.SILENT":
		a.Silent = true
	default:
		d.Fail("%s cannot be stored, only FLAGS can", w)
	}
	d.SP()
	if d.Next('(') {
		a.Flags = d.Flags()
		return
	}
	for { // the parentheses may be left out
		a.Flags = append(a.Flags, d.Flag())
		if !d.Count() || !d.Accept(' ') {
			return
		}
	}
}
