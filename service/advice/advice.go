package advice

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Advice is what to do.
type Advice struct {
	Text string // one sentence, with its full stop; "" where there is nothing to do or say
	Link string // "docs/problems.md#greylisted", or ""
}

const page = "docs/problems.md#"

// For says what to do about an outcome. reason is mail.Event.Reason, or mail.QueuedRecipient.Last.
func For(outcome mail.Outcome, reason string) Advice {
	switch outcome {
	case mail.Relayed:
		return Advice{"If the recipient does not find it, it is most likely in their junk folder: ask them to look there.", page + "lands-in-spam"}
	case mail.Discarded:
		return discarded(reason)
	case mail.Deferred, mail.Bounced, mail.Rejected:
	default:
		return Advice{}
	}
	w := Read(reason)
	final := outcome != mail.Deferred
	for _, r := range rules {
		if !r.fits(w) {
			continue
		}
		a := Advice{Text: r.waiting}
		if final {
			a.Text = r.failed
		}
		if a.Link = anchor(reason); a.Link == "" && r.link != "" {
			a.Link = page + r.link
		}
		return a
	}
	if final {
		return Advice{"The other side refuses it for good, and its words tell why: mend what they name, or ask the recipient another way.", anchor(reason)}
	}
	return Advice{"Nothing is to be done: it is tried again by itself.", anchor(reason)}
}

// Held is the advice about mail that an operator holds back.
func Held() Advice {
	return Advice{Text: "Somebody who runs this server holds it back: ask them."}
}

func discarded(reason string) Advice {
	switch {
	case strings.Contains(reason, "operator"):
		return Advice{Text: "Somebody who runs this server took it out: ask them, and send it again if need be."}
	case strings.Contains(reason, "scanner"):
		return Advice{Text: "A scanner of this server had it thrown away: ask whoever runs this server."}
	}
	return Advice{}
}

// anchor finds the paragraph that a sentence of ours names itself.
func anchor(reason string) string {
	i := strings.Index(reason, page)
	if i < 0 {
		return ""
	}
	name := reason[i+len(page):]
	end := strings.IndexFunc(name, func(c rune) bool { return !(c == '-' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9') })
	if end >= 0 {
		name = name[:end]
	}
	if name = strings.Trim(name, "-"); name == "" || !slices.Contains(paragraphs, name) {
		return "" // perhaps a remote's
	}
	return page + name
}

// paragraphs are those of docs/problems.md.
var paragraphs = []string{"lands-in-spam", "port-25-blocked", "no-ptr", "blocklisted", "greylisted", "rate-limited", "loops", "relay-denied", "too-large", "quota-full",
	"mx", "spf", "dkim", "dmarc", "reports", "tls-fails", "certificate", "mta-sts", "dane", "dnssec", "clock", "resolver", "ports-in-use", "authentication-fails", "autoconfig", "lands-twice"}

// Words are the parts of a reason.
type Words struct {
	GivenUp  string // "5 days" where the time of the message ran out
	Host     string // who spoke; "" for a sentence of ours
	Reply    string // what it said: "550 5.1.1 No such user"
	Code     string // "550", or ""
	Enhanced string // "5.1.1", or ""
	ours     bool
	lower    string
}

// Read takes a reason apart.
func Read(reason string) Words {
	w := Words{}
	if rest, ok := strings.CutPrefix(reason, "given up after "); ok {
		w.GivenUp, reason, _ = strings.Cut(rest, ": ")
	}
	peer, reply, ok := strings.Cut(reason, " said: ")
	if ok && !strings.Contains(peer, " ") {
		w.Host, _, _ = strings.Cut(peer, "[")
	} else {
		reply, w.ours = reason, true
	}
	w.Reply = reply
	w.lower = strings.ToLower(reply)
	if len(reply) >= 3 && reply[0] >= '2' && reply[0] <= '5' && digits(reply[:3]) && (len(reply) == 3 || reply[3] == ' ' || reply[3] == '-') {
		w.Code = reply[:3]
		word, _, _ := strings.Cut(strings.TrimLeft(reply[3:], " -"), " ")
		if enhanced(word) {
			w.Enhanced = word
		}
	}
	return w
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// enhanced reports an enhanced status code. RFC 3463 2.
func enhanced(s string) bool {
	class, rest, _ := strings.Cut(s, ".")
	subject, detail, ok := strings.Cut(rest, ".")
	return ok && (class == "2" || class == "4" || class == "5") && digits(subject) && len(subject) <= 3 && digits(detail) && len(detail) <= 3
}
