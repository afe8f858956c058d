package imap

// Copy are the arguments of COPY and MOVE (RFC 9051 6.4.7, RFC 9051 6.4.8).
type Copy struct {
	Set     NumSet
	Mailbox string
}

// Decode reads the messages and the mailbox.
func (a *Copy) Decode(d *Decoder) {
	d.SP()
	a.Set = d.NumSet()
	d.SP()
	a.Mailbox = d.Mailbox()
}
