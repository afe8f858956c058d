package imap

// Create are the arguments of CREATE (RFC 9051 6.3.4, RFC 6154 3).
type Create struct {
	Mailbox string
	Use     []string // special-use attributes, as \Sent
}

// Decode reads the mailbox and the parameters.
func (a *Create) Decode(d *Decoder) {
	d.SP()
	a.Mailbox = d.Mailbox()
	if !d.Accept(' ') {
		return
	}
	d.List(1, func() {
		if w := d.Word("a parameter"); d.err == nil && w != "USE" {
			d.Fail("%s is not a parameter of CREATE", w)
		}
		d.SP()
		a.Use = append(a.Use, d.Flags()...)
	})
}
