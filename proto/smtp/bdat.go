package smtp

import (
	"strconv"
	"strings"
)

// Bdat is the BDAT command (RFC 3030 2): Size octets follow its CR LF.
type Bdat struct {
	Size int64
	Last bool
}

// Verb implements Command.
func (b *Bdat) Verb() Verb { return BDAT }

// String implements Command.
func (b *Bdat) String() string {
	s := "BDAT " + strconv.FormatInt(b.Size, 10)
	if b.Last {
		s += " LAST"
	}
	return s
}

func parseBdat(_ Verb, arg string) (Command, error) {
	count, last, has := strings.Cut(arg, " ")
	size, ok := parseSize(count)
	if !ok || (has && !strings.EqualFold(strings.TrimLeft(last, " "), "LAST")) {
		// Where a chunk ends is unknown now, so its octets will be taken for commands: the engine should close.
		return nil, Errorf(501, "5.5.4", "say BDAT and a number of octets, and LAST with the last chunk")
	}
	return &Bdat{Size: size, Last: has}, nil
}
