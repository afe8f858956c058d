package dsn

import (
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
)

// Action is what became of a message for one recipient (RFC 3464 2.3.3).
type Action uint8

// The actions. The zero Action stands for one that could not be read.
const (
	Unknown   Action = iota
	Failed           // it will never arrive
	Delayed          // it has not arrived yet; attempts go on
	Delivered        // it is in the mailbox
	Relayed          // it went to a system that sends no reports
	Expanded         // it went on to the members of a list
)

var actionNames = [...]string{"unknown", "failed", "delayed", "delivered", "relayed", "expanded"}

// String gives the word of RFC 3464.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return actionNames[Unknown]
}

// ParseAction reads the word, in any case.
func ParseAction(s string) Action {
	word, _, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	for i, name := range actionNames[1:] {
		if strings.EqualFold(word, name) {
			return Action(i + 1)
		}
	}
	return Unknown
}

// Recipient is what a report tells of one recipient (RFC 3464 2.3).
type Recipient struct {
	// Original is the address as the sender gave it, in the form of ORCPT, `rfc822;ann@example.com` (RFC 3461 4.2); empty where it is
	// not known. Without a type it counts as rfc822, or as utf-8 where it is not ASCII.
	Original string
	Final    string // the address that was tried, without a type
	Action   Action
	Status   Status
	// RemoteMTA is the name of the host that spoke or was spoken to; empty where none was found.
	RemoteMTA string
	// Diagnostic is what the remote host said, on one line, `550 5.1.1 No such user`.
	Diagnostic string
	// Reason is a sentence of our own on why there is no Diagnostic. It is for people, and no part of what Parse reads.
	Reason         string
	LastAttempt    time.Time // zero where there was none
	WillRetryUntil time.Time // of a delayed one
}

// Report is the part of a report that machines read (RFC 3464 2).
type Report struct {
	ReportingMTA string    // our name
	ReceivedFrom string    // the name of the host we had the message from; may be empty
	EnvelopeID   string    // ENVID as the sender gave it, decoded (RFC 3461 4.4); may be empty
	ArrivalDate  time.Time // when we took the message; may be zero
	Recipients   []Recipient
}

// Worst gives the action a reader must learn first: a failure before a delay, a delay before anything good.
func (r *Report) Worst() Action {
	worst := Unknown
	for _, a := range [...]Action{Expanded, Relayed, Delivered, Delayed, Failed} {
		for i := range r.Recipients {
			if r.Recipients[i].Action == a {
				worst = a
				break
			}
		}
	}
	return worst
}

// typed gives an address its type (RFC 3464 2.1.2), or parts it from the one it has.
func typed(s string) (kind, address string) {
	if kind, address, ok := strings.Cut(s, ";"); ok && isTypeName(strings.Trim(kind, " \t")) {
		return strings.Trim(kind, " \t"), strings.Trim(address, " \t")
	}
	if isASCII(s) {
		return "rfc822", s
	}
	return "utf-8", s
}

// isTypeName reports a word such as rfc822, which no local part with a semicolon behind it can be taken for: that one is quoted.
func isTypeName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if ('a' > c || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// shown gives an address as people read it.
func shown(s string) string {
	a, err := addr.Parse(s)
	if err != nil {
		return s
	}
	a.Domain = addr.UnicodeDomain(a.Domain)
	return a.String()
}
