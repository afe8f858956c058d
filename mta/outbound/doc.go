// Package outbound makes one attempt to hand a message to the host that is next for it.
//
// It takes a mail.Job from mta/queue, finds the host (a configured smart host, else the MX records of each recipient's
// domain), connects or reuses a connection, secures it as far as the remote and the configuration say, sends the
// message in one transaction for all recipients, and gives back one mta.Verdict per recipient. It keeps no state of a
// message: whether and when to try again is the queue's decision.
//
// Invariants:
//
//   - Each recipient of a job gets exactly one verdict, with the remote's own words where it said any.
//   - A recipient is bounced only on the word of someone in a position to know: the remote's 5yz reply, DNS that says
//     the domain does not exist or takes no mail, or a need of the message that the remote does not offer. All else defers.
//   - A message is offered to another host only where the first one certainly did not take it. When the answer to the
//     final dot is lost, the recipients are deferred as Unsure and no other host is tried (RFC 1047).
//   - The body is streamed from the store; memory per attempt does not depend on its size.
//   - Connections are bounded, per host and in all idle ones; an idle one is closed after seconds. A reused connection that
//     turns out to be dead before it answered MAIL is replaced by a fresh one, and nobody's attempt is counted for it.
//   - A host that DNS names gets mail only as its domain wants it: by its TLSA records where DNSSEC vouches for them (DANE), else by its MTA-STS
//     policy; a lookup that fails where it must not is a deferral, never mail in the clear. An idle connection is used only for messages
//     that need no more than it has proven. What was applied, and kept or not, is told to an Observer once for each connection.
//   - A message with REQUIRETLS goes to no host that does not prove its name and promise the same; one with "TLS-Required: No" is not
//     held up by what its recipient's domain wants. What the operator demands of a route stands beside all of these.
//   - Passwords go only over TLS unless the operator chose a route without it, and never into a log.
//
// A message with 8-bit content is sent as it is also to a host that does not offer 8BITMIME: hosts that would be harmed by
// it are extinct, a conversion would break signatures, and a bounce would help nobody. This departs from RFC 6152 3 knowingly. A message
// that needs SMTPUTF8 is bounced where that is not offered (RFC 6531 3.2).
//
// RFCs: RFC 5321 5.1 (which host), RFC 7505 (null MX), RFC 3207 (STARTTLS), RFC 8314 3 (implicit TLS), RFC 4954 (AUTH),
// RFC 7672 (DANE), RFC 8461 (MTA-STS), RFC 8460 4.3 (what to report), RFC 8689 (REQUIRETLS), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 2920 (pipelining, in infra/smtpc).
package outbound
