// Package way answers "where is my mail?" and "why was this believed?" for the person who asks: the letter's way.
//
// It takes a message of the reader's mailbox, or a trace number, reads the trail and the queue for what was sent, and the trace and the results
// that this server itself wrote for what came in, and hands back JSON in which every technical finding is a sentence (service/advice for what
// to do).
//
// Invariants:
//
//   - Nobody sees another's mail. What was sent is shown to who submitted it (the account of the trail's Accepted); what came in to whose mailbox it is
//     in. A sender does not see in which mailbox a message was filed, what a filter thought of it, or whom an alias leads to.
//   - What is told of a message that came in is what this server found: Authentication-Results of the stored prefix alone. Hops that others wrote
//     are shown, and are claims.
//   - Everything read is bounded: events, header, hops, texts.
//
// RFCs: RFC 5321 4.4 (Received), RFC 8601 4.1 (whose results are believed), RFC 3848 (with ESMTPS …), RFC 8314 4.3 (TLS in Received).
package way
