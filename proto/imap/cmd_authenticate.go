package imap

import "encoding/base64"

// Authenticate are the arguments of AUTHENTICATE (RFC 9051 6.2.2).
type Authenticate struct {
	Mechanism string // in capitals
	// Initial is the client's initial response (SASL-IR, RFC 4959 3): nil when there is none, empty for "=".
	Initial []byte
}

// Decode reads the mechanism and the initial response.
func (a *Authenticate) Decode(d *Decoder) {
	d.SP()
	a.Mechanism = d.Word("a SASL mechanism")
	if d.Accept(' ') {
		a.Initial = d.base64()
	}
}

// SASLResponse reads a line with a client's response; cancelled when the line is "*" (RFC 9051 6.2.2).
func (d *Decoder) SASLResponse() (response []byte, cancelled bool) {
	if d.Accept('*') {
		d.End()
		return nil, true
	}
	response = []byte{}
	if !d.Next('\r') {
		response = d.base64()
	}
	d.End()
	return response, false
}

func (d *Decoder) base64() []byte {
	if d.Accept('=') {
		return []byte{}
	}
	s := d.run("base64", func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '+' || b == '/' || b == '='
	})
	if d.err != nil {
		return nil
	}
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		d.Fail("the response is not valid base64")
		return nil
	}
	return out
}
