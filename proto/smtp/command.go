package smtp

import (
	"strings"
	"unicode/utf8"
)

// Bounds of command lines, CR LF not counted. RFC 5321 4.5.3.1.4 asks for 512 octets, and the extensions of MAIL and RCPT add to
// that; RFC 4954 4 asks for 12288 in AUTH.
const (
	MaxLine     = 2048
	MaxAuthLine = 12288
)

// Verb is a command's name, in upper case.
type Verb string

// The commands. LHLO is LMTP's (RFC 2033 4.1).
const (
	EHLO     Verb = "EHLO"
	HELO     Verb = "HELO"
	LHLO     Verb = "LHLO"
	MAIL     Verb = "MAIL"
	RCPT     Verb = "RCPT"
	DATA     Verb = "DATA"
	BDAT     Verb = "BDAT"
	RSET     Verb = "RSET"
	NOOP     Verb = "NOOP"
	QUIT     Verb = "QUIT"
	VRFY     Verb = "VRFY"
	EXPN     Verb = "EXPN"
	HELP     Verb = "HELP"
	STARTTLS Verb = "STARTTLS"
	AUTH     Verb = "AUTH"
)

// Command is a parsed command line: *Hello, *Mail, *Rcpt, *Bdat, *Auth or *Plain.
type Command interface {
	Verb() Verb
	// String writes the command line without CR LF.
	String() string
}

// parsers is the table of commands: for each the function that reads what follows the verb and its space.
var parsers = map[Verb]func(verb Verb, arg string) (Command, error){
	EHLO: parseHello, HELO: parseHello, LHLO: parseHello,
	MAIL: parseMail, RCPT: parseRcpt,
	DATA: parseBare, RSET: parseBare, QUIT: parseBare, STARTTLS: parseBare,
	NOOP: parsePlain, HELP: parsePlain, VRFY: parseArg, EXPN: parseArg,
	BDAT: parseBdat, AUTH: parseAuth,
}

// VerbOf gives the verb of a line, whether known or not, so that a caller can choose bounds and count.
func VerbOf(line []byte) Verb {
	var verb [16]byte
	n := 0
	for n < len(line) && n < len(verb) && line[n] != ' ' {
		verb[n] = line[n]
		if 'a' <= verb[n] && verb[n] <= 'z' {
			verb[n] -= 'a' - 'A'
		}
		n++
	}
	return Verb(verb[:n])
}

// Parse reads a command line without its CR LF. An error is a *Reply that says what is wrong with it.
func Parse(line []byte) (Command, error) {
	verb := VerbOf(line)
	parse, ok := parsers[verb]
	if !ok {
		return nil, Errorf(500, "5.5.1", "command not recognised")
	}
	if len(line) > MaxLine && (verb != AUTH || len(line) > MaxAuthLine) {
		return nil, Errorf(500, "5.5.2", "line too long")
	}
	for _, c := range line {
		if c < ' ' || c == 0x7f {
			return nil, Errorf(501, "5.5.2", "control characters do not belong in a command")
		}
	}
	arg := strings.TrimRight(string(line[len(verb):]), " ")
	if arg != "" {
		arg = arg[1:]
	}
	if !isASCII(arg) && !utf8.ValidString(arg) {
		return nil, Errorf(501, "5.5.2", "neither ASCII nor UTF-8")
	}
	return parse(verb, arg)
}
