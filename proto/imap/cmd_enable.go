package imap

// Enable are the capabilities that ENABLE names, in capitals (RFC 9051 6.3.1).
type Enable struct{ Capabilities []string }

// Decode reads one capability or more.
func (a *Enable) Decode(d *Decoder) {
	d.SP()
	for {
		a.Capabilities = append(a.Capabilities, d.Word("a capability"))
		if !d.Count() || !d.Accept(' ') {
			return
		}
	}
}
