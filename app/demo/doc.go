// Package demo shows the whole system at work on one machine: two complete systems on loopback, a message from one
// to the other and back, each step with its time.
//
// It takes a place to write to and a directory of its own, and builds two app.App with a lab configuration:
// their DNS is a zone of the demo's own, so that mail really goes out over MX. It speaks to them as a stranger
// would: submission with STARTTLS and SCRAM, IMAP with IDLE, each over a socket.
//
// Invariants: nothing leaves loopback; everything it made is gone when it ends.
package demo
