package imap

// LSub are the arguments of LSUB (RFC 3501 6.3.9).
type LSub struct{ Reference, Pattern string }

// Decode reads reference and pattern.
func (a *LSub) Decode(d *Decoder) {
	d.SP()
	a.Reference = d.Mailbox()
	d.SP()
	a.Pattern = d.ListMailbox()
}
