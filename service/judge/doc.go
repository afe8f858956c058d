// Package judge decides how far a message from outside is to be believed: whether it comes from whom it says.
//
// It takes the facts of a transaction from mta/inbound (client, HELO, envelope sender, the sealed body) and a resolver (infra/dns), runs SPF
// (service/judge/spf), DKIM (proto/dkimtext), iprev and DMARC (proto/dmarc), and hands back one Verdict: the result of every method
// with a sentence for the trail, an Authentication-Results field for the prefix (proto/authres), what our policy makes of it (accept, junk,
// refuse), and the row for the report to the domain's owner (proto/dmarcreport). It does not look at what a message says: that is
// service/junk.
//
// Invariants:
//   - One deadline for everything. What is not known by then is temperror, and temperror alone never refuses or junks a message.
//   - A sender cannot buy a temperror of DMARC with slow servers of their own: a quarter of the time is kept for DMARC, after the evidence is in.
//   - Work for one message is bounded: MaxSignatures signatures, whose d= aligns with From first; keys of 1024 to 4096 bits; the body is read once,
//     whatever signs it; bounds on records are those of spf, dkimtext and dmarc.
//   - The part of a body that a signature leaves out with l= is never believed: the whole body must have the hash, or the signature fails.
//   - The only error is one of reading the body.
//
// RFCs: RFC 6376 6 (verifier), RFC 8301, RFC 8463, RFC 7208 (through spf), RFC 8601 2.7 and 3 (result words, iprev), RFC 9989 (through dmarc).
package judge
