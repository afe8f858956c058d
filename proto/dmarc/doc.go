// Package dmarc decides whether the domain in the From field of a message was used with its owner's leave, and what the
// owner asks to be done where it was not.
//
// It takes from service/judge the domains of the From field and the results of SPF and DKIM, and asks the DNS through
// two small functions of the caller (Resolver), so that the types and the transport of the DNS stay in infra/dns. It hands
// on a Verdict: pass, fail, none, temperror or permerror, the policy that applies and where it was found, which identifier
// aligned, and one sentence for people. For the sender of reports it reads the addresses in a record and says
// which of them have agreed to receive reports (Resolver.Destinations). For setup and doctor it writes and checks records.
//
// Invariants:
//   - What the owner asks is a wish: the caller decides (RFC 9989 5.4), and Verdict.Wish is PolicyNone unless the result is a fail.
//   - A DNS failure is never an answer: it ends in temperror, unless the message passes by what could be asked
//     (RFC 9989 5.3.6).
//   - Queries are bounded: eight for one walk, MaxQueries for one evaluation, and none for an identifier that cannot align.
//   - Record, text and addresses are bounded before they are looked at; what a record holds never becomes part of a DNS name.
//
// RFCs: RFC 9989 (all of it but failure reports); RFC 9990 4 (addresses in other domains); RFC 4343 2 and RFC 5890 2.3.2.1 (names are
// compared as A-labels in lower case). The records of RFC 7489 are read: `pct`, `rf` and `ri` are passed over. Instead of
// a list of public suffixes the tree walk is used.
package dmarc
