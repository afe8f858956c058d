// Package smtpc is the client engine of SMTP and LMTP: it drives one connection that somebody else opened.
//
// It takes a net.Conn, and transactions whose body is opened when it is needed, from mta/outbound, mta/queue's tests, `postrider send`
// and the checks of the doctor; it hands back what the remote answered to each recipient, in the remote's own
// words, and judges nothing: retrying, routing and TLS policy are its caller's.
//
// Invariants:
//   - The end of data is sent only when the body was read to its end without an error.
//   - Send tells apart what failed before the end of data was sent (nothing was taken over) from what failed after it
//     (the remote may have the message): ConnError.Unknown.
//   - Commands are pipelined only where that was offered (RFC 2920), in groups whose replies fit any host's buffers.
//   - Nothing that was received before TLS is used after it (RFC 3207 4.2).
//   - An address that would not survive being written into a command is refused before anything is sent.
//
// RFC 5321, RFC 2033, RFC 1870, RFC 2920, RFC 3207, RFC 3461, RFC 4954, RFC 6152, RFC 6531, RFC 8689.
package smtpc
