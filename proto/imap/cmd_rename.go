package imap

// Rename are the arguments of RENAME (RFC 9051 6.3.6).
type Rename struct{ From, To string }

// Decode reads both names.
func (a *Rename) Decode(d *Decoder) {
	d.SP()
	a.From = d.Mailbox()
	d.SP()
	a.To = d.Mailbox()
}
