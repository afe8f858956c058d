package smtp

// Plain is a command whose argument has no structure: DATA, RSET, QUIT and STARTTLS have none, NOOP and
// HELP may have one, VRFY and EXPN must.
type Plain struct {
	Word Verb
	Arg  string
}

// Verb implements Command.
func (p *Plain) Verb() Verb { return p.Word }

// String implements Command.
func (p *Plain) String() string {
	if p.Arg == "" {
		return string(p.Word)
	}
	return string(p.Word) + " " + p.Arg
}

// parseBare reads a command without arguments; RFC 5321 4.1.1 has them refused with 501.
func parseBare(verb Verb, arg string) (Command, error) {
	if arg != "" {
		return nil, Errorf(501, "5.5.4", "%s takes no argument", verb)
	}
	return &Plain{Word: verb}, nil
}

func parsePlain(verb Verb, arg string) (Command, error) { return &Plain{Word: verb, Arg: arg}, nil }

func parseArg(verb Verb, arg string) (Command, error) {
	if arg == "" {
		return nil, Errorf(501, "5.5.4", "%s needs an argument", verb)
	}
	return &Plain{Word: verb, Arg: arg}, nil
}
