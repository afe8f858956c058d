package smtp

import (
	"encoding/base64"
	"strings"
)

// Auth is the AUTH command (RFC 4954 4).
type Auth struct {
	Mechanism string // in upper case
	// Initial is the decoded initial response: nil when there is none, empty but not nil for "=".
	Initial []byte
}

// Verb implements Command.
func (a *Auth) Verb() Verb { return AUTH }

// String implements Command. It shows secrets: it is for the wire only.
func (a *Auth) String() string {
	switch {
	case a.Initial == nil:
		return "AUTH " + a.Mechanism
	case len(a.Initial) == 0:
		return "AUTH " + a.Mechanism + " ="
	}
	return "AUTH " + a.Mechanism + " " + base64.StdEncoding.EncodeToString(a.Initial)
}

func parseAuth(_ Verb, arg string) (Command, error) {
	name, initial, has := strings.Cut(arg, " ")
	a := &Auth{Mechanism: strings.ToUpper(name)}
	if !isMechanism(a.Mechanism) {
		return nil, Errorf(501, "5.5.4", "say AUTH and the name of a mechanism")
	}
	if !has {
		return a, nil
	}
	if initial = strings.TrimLeft(initial, " "); initial == "=" {
		a.Initial = []byte{}
		return a, nil
	}
	var ok bool
	if a.Initial, ok = DecodeResponse(initial); !ok || len(a.Initial) == 0 {
		return nil, Errorf(501, "5.5.2", "the initial response is not base64")
	}
	return a, nil
}

// DecodeResponse reads the base64 of an authentication exchange (RFC 4954 4). An empty line is an empty response, not nil.
func DecodeResponse(line string) ([]byte, bool) {
	if strings.ContainsAny(line, "\r\n") { // which the decoder would skip
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(line)
	return b, err == nil
}

// isMechanism checks a SASL mechanism name (RFC 4422 3.1).
func isMechanism(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 20
}
