package advice

import "strings"

// TLS puts mail.Event.TLS into plain words: a sentence without its full stop; "" for "".
func TLS(text string) string {
	said := Encrypted(text)
	if said == "" {
		return ""
	}
	_, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch _, by, verified := strings.Cut(rest, " verified"); {
	case !verified:
		return said + ", but who was at the other end was not proven"
	case strings.Contains(by, "DANE"):
		return said + ", and the host proved that it is the right one by a key in signed DNS (DANE)"
	case strings.Contains(by, "MTA-STS"):
		return said + ", and the host proved that it is the right one as its domain demands (MTA-STS)"
	}
	return said + ", and the host proved that it is the right one by its certificate"
}

// Encrypted is TLS without who was at the other end: of connections that came in, where nobody has to prove that.
func Encrypted(text string) string {
	version, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if version == "" {
		return ""
	}
	if n, ok := strings.CutPrefix(version, "TLS"); ok {
		version = strings.TrimSpace("TLS " + strings.TrimPrefix(n, "v"))
	}
	return "encrypted on the way (" + version + ")"
}

// NoTLS is what is said of a connection without.
const NoTLS = "not encrypted on the way"
