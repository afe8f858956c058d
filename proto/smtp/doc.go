// Package smtp is the syntax of SMTP and LMTP: command lines, replies and the form of message data on the wire, read
// and written, without any socket (RFC 5321, RFC 2033, RFC 6531, RFC 3030, RFC 3207, RFC 4954, RFC 2034, RFC 3461, RFC 8689).
//
// It takes octets through io.Reader and buffers its caller lends; it hands typed commands and body text to infra/smtpd, and
// typed replies to infra/smtpc. A parse failure is a *Reply, ready to be sent.
//
// Invariants:
//   - A command or reply line ends with CR LF and has a bound; what is over it is read to its end, up to a second
//     bound, and never kept.
//   - Only CR LF "." CR LF ends message data (RFC 5321 4.1.1.4). A bare CR, a bare LF or a NUL inside is an error for
//     whoever reads the data, and the true end can still be found, so that client and server never disagree about
//     where the next command starts.
//   - Nothing that is written holds a bare CR or LF (RFC 5321 2.3.8), whatever was given to be written.
//
// One file per command: ehlo.go, mail.go, rcpt.go, bdat.go, auth.go and plain.go for those whose syntax is a word.
package smtp
