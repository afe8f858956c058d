// Package dns answers what mail asks of the domain name system, and connects to hosts by name.
//
// It takes domain names (ASCII; IDNA A-labels, as proto/addr NormalDomain makes them) from the roles and services, asks the
// system's or configured name servers, and hands back an Answer: found, no such name, no such data, or for MX the special cases. A
// Client asks real servers; a Static answers from a zone text in the configuration (laboratories, the demo); a
// Dialer opens connections to what they found. No type of the DNS library leaves this package.
//
// Invariants:
//
//   - "Does not exist" is only ever said on the word of a server that said so and is in a position to know. Whatever
//     else goes wrong (time, SERVFAIL, a bogus signature, a loop, a lame server) is a mail.Error of kind Unavailable, never an empty answer.
//   - Answer.Authentic is true only where a Client made with NewValidating checked every step (each CNAME, both address families) down from
//     a trust anchor, or where the resolver is on this machine or the operator said that it is trusted, and it authenticated
//     every step.
//   - A bogus answer is Unavailable, with the reason in its sentence; the work for checking one answer is bounded.
//   - Memory is bounded: by the cache's octets, and by the protocol's own 64 KiB for one answer.
//   - The same question asked many times at once goes out once.
//
// It keeps RFC 5321 5.1 (MX, and addresses in their place), RFC 7505 (null MX), RFC 2308 (negative answers), RFC 6891
// (EDNS), RFC 7766 (TCP), RFC 6840 5.7 (the AD bit in queries), RFC 4033 to 4035, 5155, 6840, 9276 (DNSSEC), RFC 6761 6.3 (localhost), RFC 8305 (racing addresses).
package dns
