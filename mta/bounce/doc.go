// Package bounce writes the report to a sender whose mail could not be delivered, or is late.
//
// It takes an mta.Report from mta/queue (which message, which recipients, in whose words), reads the message's own header
// from the store, has proto/dsn write the report, and posts it through mail.Poster with the null reverse-path. What it
// hands back is changes for the queue's own change set, so that a refusal and its report are one commit.
//
// Invariants:
//
//   - A report goes to the reverse-path only, with the null reverse-path (RFC 3461 6.1, RFC 5321 4.5.5), and never to the null
//     reverse-path.
//   - It returns the header of the message, bounded, never the body: a report must not carry on what was refused.
//   - A header that cannot be read does not keep the report from being made: then it names the message as far as it can.
//   - An error whose kind is not temporary says that nobody can be told, now or later.
//
// RFCs: RFC 3464, RFC 6522, RFC 6533 by way of proto/dsn; RFC 3461 6; RFC 5321 4.5.5 and 6.1.
package bounce
