package way

import (
	"fmt"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/authres"
)

// Check is one thing that this server looked at when the message came.
type Check struct {
	Method string `json:"method"`
	Result string `json:"result"`
	Domain string `json:"domain"`
	Text   string `json:"text"`
}

// maxChecks bounds the list: signatures are the only thing of which there can be several.
const maxChecks = 20

// checks are the results in the field that we wrote ourselves, in sentences. RFC 8601 4.1.
func (s *Service) checks(l *letter, accepted *mail.Event) []Check {
	out := []Check{}
	for _, field := range authres.Trusted(&l.prefix, append([]string{s.cfg.Hostname}, s.cfg.Own...)...) {
		for _, r := range field.Results {
			if len(out) == maxChecks {
				return out
			}
			c := Check{Method: r.Method, Result: r.Value, Domain: printable(domainOf(r))}
			c.Text = explain(r, c.Domain)
			out = append(out, c)
		}
	}
	if accepted == nil || len(out) > 0 {
		return out
	}
	if accepted.Account != 0 {
		return append(out, Check{Method: authres.Auth, Result: "pass", Domain: accepted.From.Domain(),
			Text: "Its sender is a person of this server and had logged in to send it."})
	}
	return append(out, Check{Method: "none", Result: "none", Text: "It came from a host that is trusted here, so that nothing was checked."})
}

// domainOf is what a result is about.
func domainOf(r authres.Result) string {
	value := ""
	switch r.Method {
	case authres.SPF:
		if value = r.Get(authres.SMTP, "mailfrom"); value == "" {
			value = r.Get(authres.SMTP, "helo")
		}
	case authres.DKIM:
		value = r.Get(authres.Header, "d")
	case authres.DMARC:
		value = r.Get(authres.Header, "from")
	case authres.IPRev:
		value = r.Get(authres.Policy, "iprev")
	case authres.Auth:
		value = r.Get(authres.SMTP, "auth")
	}
	return value[strings.LastIndexByte(value, '@')+1:]
}

// explain puts a result into a sentence that needs no other knowledge.
func explain(r authres.Result, domain string) string {
	who := domain
	if who == "" {
		who = "the sender's domain"
	}
	switch r.Method {
	case authres.SPF:
		return spfText(r.Value, who)
	case authres.DKIM:
		return dkimText(r, who)
	case authres.DMARC:
		return dmarcText(r, who)
	case authres.IPRev:
		return iprevText(r.Value)
	case authres.Auth:
		return "Its sender had logged in."
	case authres.ARC:
		if r.Value == "pass" {
			return "A host that forwarded it vouches for what it found."
		}
		return "What hosts that forwarded it say of it cannot be believed."
	}
	return fmt.Sprintf("The check %q came to %q.", printable(r.Method), printable(r.Value))
}

func spfText(result, who string) string {
	switch result {
	case "pass":
		return "The host that brought it is one of those that may send mail for " + who + "."
	case "fail":
		return "The host that brought it is none of those that may send mail for " + who + "; forwarding has this effect too."
	case "softfail":
		return "The host that brought it is probably none of those that may send mail for " + who + "; forwarding has this effect too."
	case "temperror":
		return "Which hosts may send mail for " + who + " could not be found out at that moment."
	case "permerror":
		return "What " + who + " says about its hosts (SPF) cannot be understood."
	case "neutral":
		return upper(who) + " says nothing about the host that brought it."
	}
	return upper(who) + " does not say which hosts may send its mail."
}

func dkimText(r authres.Result, who string) string {
	if r.Value == "none" {
		return "The message carries no signature."
	}
	if r.Value == "pass" {
		text := "The message carries a valid signature of " + who + ": what was signed was not changed on its way."
		if r.Comment != "" {
			text += " (" + upper(who) + " is only trying that key.)"
		}
		return text
	}
	if r.Reason != "" {
		return printable(sentence(r.Reason))
	}
	return "A signature of " + who + " does not count."
}

func dmarcText(r authres.Result, who string) string {
	switch r.Value {
	case "pass":
		return "It is proven that the message is of " + who + ", as the sender's address says."
	case "fail":
		text := "Nothing proves that the message is of " + who + ", as the sender's address says; "
		switch r.Get(authres.Policy, "dmarc") {
		case "reject":
			return text + "the owner of that domain wants such mail refused."
		case "quarantine":
			return text + "the owner of that domain wants such mail set aside."
		}
		return text + "the owner of that domain wants it delivered all the same."
	case "temperror":
		return "What " + who + " wants done with mail that is not proven could not be found out at that moment."
	case "permerror":
		return "What " + who + " says about mail that is not proven (DMARC) cannot be understood."
	}
	return upper(who) + " does not say what is to be done with mail that is not proven, so that anybody could have written its name."
}

func iprevText(result string) string {
	switch result {
	case "pass":
		return "The host that brought it has a name, and the name leads back to it."
	case "fail":
		return "The host that brought it calls itself by a name that leads to another one."
	case "permerror":
		return "The host that brought it has no name in the DNS, which hosts of mail ought to have."
	}
	return "The name of the host that brought it could not be looked up at that moment."
}

func sentence(s string) string { return upper(strings.TrimSuffix(s, ".")) + "." }
