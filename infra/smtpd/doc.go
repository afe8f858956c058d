// Package smtpd is the server engine of SMTP and LMTP: it holds one conversation over one connection and decides
// nothing about mail.
//
// It takes a connection from infra/netserve (whose accept loops it knows nothing of) and syntax from proto/smtp and
// proto/sasl; it hands typed commands and the body, as a stream, to a Session, which mta/inbound, msa and mda/lmtp
// implement, and turns what they answer into replies.
//
// Invariants:
//   - A Session is used by one goroutine at a time, its methods in protocol order, and closed exactly once.
//   - Data ends with io.EOF only when the client really ended it. Whoever stores a body must not do so before.
//   - Client and server never disagree about where data ends (see proto/smtp), and nothing that was received before
//     TLS is used after it (RFC 3207 4.2, 6).
//   - A connection holds 4 KB of buffers while it waits, 4 KB more while it answers and 32 KB more while data is read,
//     whatever the client does.
//   - A panic of a handler ends its connection only.
//
// RFC 5321, RFC 2033 (LMTP), RFC 1870 (SIZE), RFC 2034 (enhanced codes), RFC 2920 (PIPELINING), RFC 3030 (CHUNKING),
// RFC 3207 (STARTTLS), RFC 3461 (DSN parameters), RFC 3848 (protocol words), RFC 4954 (AUTH), RFC 6152 (8BITMIME),
// RFC 6531 (SMTPUTF8), RFC 8689 (REQUIRETLS). One file per command: hello.go, mail.go, rcpt.go, data.go, bdat.go, auth.go, starttls.go and
// plain.go for those that do next to nothing.
package smtpd
