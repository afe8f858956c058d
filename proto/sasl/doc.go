// Package sasl holds the authentication exchanges that mail protocols share: PLAIN (RFC 4616), LOGIN,
// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, channel bindings of RFC 9266 and RFC 5929),
// for both ends.
//
// It takes decoded messages from a protocol engine (infra/smtpd, the IMAP and POP3 servers, infra/smtpc) and
// credentials through callbacks from whoever keeps them; it hands back the next message and, at the end, a name.
// How messages travel (base64, "+ ", "334 ") is the engine's affair.
//
// Invariants: a message over its bound is refused before it is looked at; a success is always reported
// with an empty challenge, because none of our protocols carries data with success; an error never tells
// whether the name or the secret was wrong; secrets are compared in constant time by the callback (PLAIN, LOGIN)
// or by the SCRAM library.
package sasl
