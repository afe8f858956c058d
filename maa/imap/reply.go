package imap

import (
	"errors"
	"fmt"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// reply is the tagged answer to a command (RFC 9051 7.1).
type reply struct {
	status string // OK, NO or BAD
	code   string // response code, without brackets
	text   string
}

func ok(format string, args ...any) reply {
	return reply{status: "OK", text: fmt.Sprintf(format, args...)}
}

func okCode(code, format string, args ...any) reply {
	return reply{status: "OK", code: code, text: fmt.Sprintf(format, args...)}
}

func no(code, format string, args ...any) reply {
	return reply{status: "NO", code: code, text: fmt.Sprintf(format, args...)}
}

func bad(format string, args ...any) reply {
	return reply{status: "BAD", text: fmt.Sprintf(format, args...)}
}

// codes are the response codes of kinds (RFC 9051 7.1, RFC 5530 3). Where a command has a better one, it says so itself.
var codes = map[mail.Kind]string{
	mail.Internal:        "SERVERBUG",
	mail.Invalid:         "CANNOT",
	mail.NotFound:        "NONEXISTENT",
	mail.Exists:          "ALREADYEXISTS",
	mail.Denied:          "CANNOT",
	mail.Unauthenticated: "AUTHENTICATIONFAILED",
	mail.OverQuota:       "OVERQUOTA",
	mail.TooLarge:        "TOOBIG",
	mail.TooMany:         "LIMIT",
	mail.Unavailable:     "UNAVAILABLE",
	mail.Conflict:        "INUSE",
}

// refusal is the one place where an error becomes an answer.
func refusal(err error) reply {
	var syntax *wire.Error
	if errors.As(err, &syntax) {
		return bad("%s", syntax.Text)
	}
	return no(codes[mail.KindOf(err)], "%s", mail.Sentence(err))
}

// intoMissing turns the answer for a target mailbox that is not there into the one that says it may be
// created (RFC 9051 7.1 TRYCREATE).
func intoMissing(r reply) reply {
	if r.code == "NONEXISTENT" {
		r.code = "TRYCREATE"
	}
	return r
}
