package imap

// Login are the arguments of LOGIN (RFC 9051 6.2.3).
type Login struct{ User, Password string }

// Decode reads user and password.
func (a *Login) Decode(d *Decoder) {
	d.SP()
	a.User = d.Astring("a user name")
	d.SP()
	a.Password = d.Astring("a password")
}
