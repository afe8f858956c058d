// Package lab runs real Postrider processes for the whole-system suites.
//
// Main builds the binary once for a test process. New gives a Server: a directory of its own, a lab configuration on free
// loopback ports and a certificate that CA signed. Start, Stop and Kill are what they say; CLI runs the operator's commands;
// IMAP logs in with go-imap's client. Samples are messages that are hard to carry unchanged.
//
// Invariants: everything listens on loopback; every process is ended, by its own id, before its test ends; a server whose
// log has a warning that its test did not expect, or in whose data `postrider verify` finds a fault, fails its test.
package lab
