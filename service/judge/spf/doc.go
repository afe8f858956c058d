// Package spf decides by the records of a domain whether a host may send mail in its name.
//
// It takes a client's address, a sender and a resolver from service/judge, and hands back an Outcome: a result in the words of
// RFC 7208 2.6, what it was found by, and one sentence for people.
//
// Invariants:
//   - A failure of the DNS is never an answer: it ends in TempError.
//   - A record is read whole before anything is asked: a fault anywhere is PermError, whatever stands before it.
//   - Work is bounded: MaxRecord and MaxTerms for a record, ten terms that ask the DNS, two answers without data, ten hosts of an MX and
//     ten names of an address (RFC 7208 4.6.4). No answer of the DNS becomes a question but through macros, which are cut to 253 octets.
//   - What the owner of a domain wants to be told to a refused sender (exp=) is printable ASCII and at most MaxExplanation long.
//
// RFCs: RFC 7208 (check_host and all of the record; not the Received-SPF field). Its official suite of 203 tests passes.
package spf
