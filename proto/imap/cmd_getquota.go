package imap

// GetQuota is the argument of GETQUOTA: a quota root (RFC 9208 4.1.2).
type GetQuota struct{ Root string }

// Decode reads the root.
func (a *GetQuota) Decode(d *Decoder) {
	d.SP()
	a.Root = d.Astring("a quota root")
}
