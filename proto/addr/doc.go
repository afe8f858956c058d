// Package addr is the syntax of one mail address: a local part and a domain.
//
// It takes the text of an address from the directory, the SMTP envelope or a header field
// and gives back its two halves, unquoted; from the halves it makes text again, quoted where
// the grammar wants it, or the one canonical form that look-ups compare. It hands its values to every
// package that names a sender or a recipient; comments, display names and lists of addresses
// belong to proto/message.
//
// Invariants: what Parse accepts, String writes so that Parse reads the same Address; Normal and
// NormalDomain are idempotent; no Address from Parse holds a control character, so its
// text can stand in an SMTP command or a header line as it is; all work is linear in the input, and
// the input is bounded before it is looked at.
//
// The grammar is the Mailbox of RFC 5321 4.1.2 with address literals of RFC 5321 4.1.3,
// widened by UTF-8 as RFC 6531 3.3 and RFC 6532 3.1 say. Not taken, because they
// are no address one could send to: comments and folding space, obsolete words (RFC 5322 4.4),
// literals other than IPv4 and IPv6. Taken although beyond the letter: local parts longer
// than 64 octets, which bounce addresses of large senders need (RFC 5321 4.5.3.1 asks for
// as few length limits as possible), and `_` in a domain label.
package addr
