package imap

// UIDExpunge is the argument of UID EXPUNGE (RFC 9051 6.4.9, RFC 4315 2.1).
type UIDExpunge struct{ Set NumSet }

// Decode reads the UIDs.
func (a *UIDExpunge) Decode(d *Decoder) {
	d.SP()
	a.Set = d.NumSet()
}
