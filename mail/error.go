package mail

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of failure an Error is, for machines. Each face
// (SMTP reply, IMAP response code, HTTP status, exit code) translates kinds once.
type Kind uint8

// The closed list of kinds. Anything that carries none is Internal.
const (
	Internal        Kind = iota // our fault; its text is never shown to a stranger
	Invalid                     // the request is malformed or breaks a rule of its syntax
	NotFound                    // the named thing does not exist
	Exists                      // the named thing exists already
	Denied                      // policy or rights forbid it
	Unauthenticated             // the caller must prove who they are, or failed to
	OverQuota                   // the mailbox's owner has no room left
	TooLarge                    // the message or value is over a fixed limit
	TooMany                     // a count or rate limit is reached
	Unavailable                 // a temporary trouble: the same request may succeed later
	Conflict                    // a condition of the request no longer holds
)

// String names the kind in lower case, as logs and JSON show it.
func (k Kind) String() string {
	names := [...]string{"internal", "invalid", "not-found", "exists", "denied", "unauthenticated",
		"over-quota", "too-large", "too-many", "unavailable", "conflict"}
	if int(k) < len(names) {
		return names[k]
	}
	return "internal"
}

// Temporary reports whether trying again later, unchanged, may help.
func (k Kind) Temporary() bool {
	return k == Internal || k == Unavailable || k == TooMany
}

// Error is a failure with a kind for machines and a sentence for people.
type Error struct {
	Kind Kind
	Text string // one sentence: what is wrong, then what to do; no trailing newline
	// Enhanced is the enhanced status code (RFC 3463) as "5.1.1", where a more exact one than
	// the kind's own is known; else empty.
	Enhanced string
	Err      error // the cause, for the log; may be nil
}

// Error returns the sentence and, where the sentence does not tell it yet, the cause.
func (e *Error) Error() string {
	if e.Err == nil || strings.Contains(e.Text, e.Err.Error()) {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind. A %w verb keeps the cause reachable.
func Errorf(k Kind, format string, args ...any) *Error {
	full := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: full.Error(), Err: errors.Unwrap(full)}
}

// KindOf gives the kind of the first Error in err's chain, or Internal. KindOf(nil) is Internal:
// ask only about failures.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err carries the kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Sentence is what a person outside may read of err: the sentence of its Error, or a plain
// one that hides an internal cause.
func Sentence(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Kind != Internal {
		return e.Text
	}
	return "internal error; the server's log says more"
}
