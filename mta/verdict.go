package mta

import (
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Verdict is what one attempt came to for one recipient.
type Verdict struct {
	N       int          // the recipient's number in its message
	Outcome mail.Outcome // Relayed, Deferred or Bounced
	Status  string       // enhanced status code (RFC 3463), never empty: "5.1.1"
	Reply   string       // the remote's own words on one line, "550 5.1.1 No such user"; "" when it said nothing
	Reason  string       // one sentence for the trail: "mx.example.net[192.0.2.1] said: 550 5.1.1 No such user"
	Host    string       // the host that spoke, or was to be spoken to; "" when none was found
	Peer    string       // host[ip]
	TLS     string       // how the connection was protected, as mail.Event tells it; "" without TLS
	// Unspent is of a deferral that says nothing about the recipient: the attempt was called off before it
	// came to anything, and is to be made again without counting.
	Unspent bool
	// Unsure is of a deferral where the whole message was sent and the answer was lost: the host may have taken it,
	// and the next attempt may then make a duplicate (RFC 5321 4.5.3.2.6, RFC 1047).
	Unsure bool
}

// Report is what a sender is to be told about recipients of one message.
type Report struct {
	Message    mail.Queued // the part of it that was tried
	At         time.Time
	Recipients []ReportedRecipient
}

// ReportedRecipient is one recipient's part of a report.
type ReportedRecipient struct {
	Address   mail.Path
	Original  mail.Path
	Failed    bool      // given up; else delayed
	Until     time.Time // of a delayed one: when it is given up
	Status    string
	Reply     string // the remote's own words, or ""
	Reason    string
	Host      string
	LastTried time.Time
}

// Failed reports whether any recipient was given up.
func (r *Report) Failed() bool {
	for i := range r.Recipients {
		if r.Recipients[i].Failed {
			return true
		}
	}
	return false
}

// said parts the speaker from the words in a reason.
const said = " said: "

// Said makes the reason of a remote reply. The words are put on one line, without controls and bounded, so that they can
// stand in a log, a header field and a table.
func Said(peer, reply string) string { return peer + said + OneLine(reply) }

// ParseSaid takes a reason of Said apart. ok is false for a sentence of our own.
func ParseSaid(reason string) (host, reply string, ok bool) {
	peer, reply, ok := strings.Cut(reason, said)
	if !ok {
		return "", "", false
	}
	host, _, _ = strings.Cut(peer, "[")
	return host, reply, true
}

// maxLine bounds a remote's words in octets.
const maxLine = 500

// OneLine puts text on one line: controls and runs of space become one space, invalid UTF-8 a question mark, and what
// goes past 500 octets is cut off.
func OneLine(s string) string {
	var b strings.Builder
	space := false
	for _, r := range strings.ToValidUTF8(s, "?") {
		if r <= ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			space = b.Len() > 0
			continue
		}
		if b.Len() >= maxLine {
			b.WriteString("...")
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
