package imap

// ID is what a client says of itself (RFC 2971 3.1).
type ID struct{ Fields []Field }

// Field is a name and its value.
type Field struct{ Name, Value string }

// Decode reads NIL or a list of at most 30 pairs.
func (a *ID) Decode(d *Decoder) {
	d.SP()
	if !d.Next('(') {
		if w := d.Word("NIL or a list"); d.err == nil && w != "NIL" {
			d.Fail("expected NIL or a list of names and values")
		}
		return
	}
	d.List(0, func() {
		name := d.String("a name")
		d.SP()
		value, _ := d.NilString("a value")
		a.Fields = append(a.Fields, Field{name, value})
		if len(a.Fields) > 30 {
			d.failLimit("ID takes at most 30 pairs")
		}
	})
}
