// Package authres is the Authentication-Results field: what a host found out about who sent a message.
//
// It takes from service/judge the results of SPF, DKIM, DMARC, iprev, SMTP AUTH and ARC, and writes the field for the prefix of the
// message (Field.Format); it reads fields of others tolerantly (Parse); and it recognises forged ones: fields in a received
// message that claim to be ours (Claims, Forged, Without).
//
// The rule on removal (RFC 8601 5) and how it is kept: a stored body is never rewritten, and our own field stands only in the prefix
// that is stored beside it. So whoever reads results asks Trusted with the header of the prefix, and never believes a field of the
// body. Whoever hands a message to a program that believes any field with our name (a reader behind IMAP, a forward) shows it
// Without the forged ones; judges count them as Forged. A field whose name of the host cannot be read counts as forged,
// because another program may read it as ours.
//
// Invariants: what is written is one field with CRLF, no line over 998 octets, and nothing a stranger said ends a word, a comment or
// the line; what is written is read as the same; reading is linear and bounded by MaxField, MaxResults and MaxProperties.
//
// RFCs: RFC 8601 (all but the IANA parts), RFC 9989 9.1 (properties of dmarc), RFC 8616 4 (names in UTF-8 are compared as A-labels).
package authres
