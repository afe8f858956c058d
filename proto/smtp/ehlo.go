package smtp

// Hello is EHLO, HELO or LHLO (RFC 5321 4.1.1.1, RFC 2033 4.1).
type Hello struct {
	Word   Verb   // EHLO, HELO or LHLO
	Domain string // as the client wrote it
}

// Verb implements Command.
func (h *Hello) Verb() Verb { return h.Word }

// String implements Command.
func (h *Hello) String() string { return string(h.Word) + " " + h.Domain }

// parseHello takes any printable word for a name. RFC 5321 4.1.4 forbids refusing mail because the name does not hold,
// and real clients send underscores, bare addresses and names that start with a digit.
func parseHello(verb Verb, arg string) (Command, error) {
	if arg == "" {
		return nil, Errorf(501, "5.5.4", "%s needs your host name", verb)
	}
	if len(arg) > maxDomain {
		return nil, Errorf(501, "5.5.4", "host name too long")
	}
	for i := range len(arg) {
		if arg[i] <= ' ' || arg[i] > '~' {
			return nil, Errorf(501, "5.5.4", "a host name is one word of ASCII")
		}
	}
	return &Hello{Word: verb, Domain: arg}, nil
}
