// Package imap is the syntax of IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051): what a client's octets mean, and how
// an answer is spelt. It knows no mailbox, connection or account.
//
// It takes octets from a bounded reader and hands argument values to maa/imap: a Decoder whose methods read as the
// grammar does and whose first error sticks; one argument type per command, in files named as maa/imap names its
// own. The other way it takes values, a message's structure (proto/message) among them, and writes responses
// through an Encoder.
//
// Invariants:
//   - What one command may cost in memory is set by Limits before its first octet is read: length of
//     the line, of all literals together, depth of parentheses, count of list items. The octets of a message that is
//     appended are never held: they are read through a reader.
//   - A command that is refused leaves the stream at the start of the next one (Decoder.Recover), also behind
//     literals that do not wait for leave (RFC 7888 4).
//   - No octet is written that the client cannot be expected to read: text beyond ASCII goes out as such only when the
//     client enabled UTF8=ACCEPT (RFC 9755 3) or IMAP4rev2 (RFC 9051 6.3.1).
//
// Extensions: RFC 2177 IDLE, RFC 2342 NAMESPACE, RFC 2971 ID, RFC 3502 MULTIAPPEND, RFC 3516 BINARY, RFC 4315 UIDPLUS,
// RFC 4731 ESEARCH, RFC 4959 SASL-IR, RFC 5032 WITHIN, RFC 5161 ENABLE, RFC 5182 SEARCHRES, RFC 5258 LIST-EXTENDED,
// RFC 5819 LIST-STATUS, RFC 6154 SPECIAL-USE, RFC 6851 MOVE, RFC 7162 CONDSTORE and QRESYNC, RFC 7888
// LITERAL+, RFC 7889 APPENDLIMIT, RFC 8438 STATUS=SIZE, RFC 8474 OBJECTID, RFC 8514 SAVEDATE, RFC 9208 QUOTA.
package imap
