package mail

import "strings"

// Path is an address of the envelope (RFC 5321 4.1.2), without angle brackets, in canonical
// spelling: domain lower-case A-labels, local part as its owner wrote it. Empty is the null reverse-path.
type Path string

// Split parts a path at its last "@". A path without one is all local part.
func (p Path) Split() (local, domain string) {
	i := strings.LastIndexByte(string(p), '@')
	if i < 0 {
		return string(p), ""
	}
	return string(p[:i]), string(p[i+1:])
}

// Domain is what follows the last "@", or "".
func (p Path) Domain() string {
	_, d := p.Split()
	return d
}

// IsNull reports the null reverse-path <>, which no report is ever sent to (RFC 5321 4.5.5).
func (p Path) IsNull() bool { return p == "" }

// Envelope is who sends a message to whom, apart from what its header says (RFC 5321 2.3.1).
type Envelope struct {
	From Path
	To   []Path
	Body BodyType
	UTF8 bool // SMTPUTF8 was asked for (RFC 6531)
	TLS  TLSWish
}

// TLSWish is what a sender wants of TLS on a message's way (RFC 8689).
type TLSWish uint8

// The wishes.
const (
	TLSAsUsual  TLSWish = iota
	TLSRequired         // REQUIRETLS: only over verified TLS, to hosts that keep the promise, or not at all (RFC 8689 2)
	TLSOptional         // "TLS-Required: No": rather without than not at all (RFC 8689 3)
)

// BodyType is the BODY parameter of MAIL (RFC 6152).
type BodyType uint8

// The body types.
const (
	Body7Bit BodyType = iota
	Body8Bit
)
