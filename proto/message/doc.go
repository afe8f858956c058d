// Package message is the form of a mail message: header fields, MIME structure, contents.
//
// It takes bytes as they were received or stored and hands on what other packages ask of them:
// mta and msa read and repair headers (Header, Repair) and write trace fields (Received); delivery runs every
// body once through a Scanner and stores the Part tree as a Summary beside the message; IMAP, POP3, JMAP
// and search answer from that tree and read contents through Text. Reports and system mail are written with
// Writer. proto/addr owns the syntax of one address; lists of them in header fields are read here.
//
// Invariants:
//   - Every sequence of bytes parses to something; a stored mail is never refused for its form.
//   - Parsing changes nothing: a Header writes back the very bytes it read, apart from the fields that were
//     changed, and a Part only holds offsets into the stored body.
//   - Work is linear in the input, and memory has bounds set by Limits, never by what a message claims:
//     parts, nesting, fields, parameters, continuations, addresses and retained text are counted.
//   - Text taken out of a field (Field.Value, Envelope, Part) holds no CR, LF or NUL.
//   - What is written (FormatField, Received, Writer) has CRLF line ends, and no control character of a
//     value can end a line.
//
// RFCs: RFC 5322 (format), RFC 2045 to RFC 2049 (MIME), RFC 2047 (encoded words), RFC 2231 (parameters),
// RFC 6532 (UTF-8 in headers), RFC 5321 4.4 (trace), RFC 5256 2.1 (base subject), RFC 6409 8 (repair),
// RFC 3501 7.4.2 and RFC 9051 7.5.2 (what IMAP wants to know of a message).
package message
