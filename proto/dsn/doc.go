// Package dsn is the form of reports on the fate of a message: delivery status notifications.
//
// It takes from mta/bounce what became of each recipient, the header of the message and, if it is to go back, its body,
// and writes a complete message of three parts: plain words for the person, the same for machines, and the
// original. From reports of others it reads the part for machines. Status is the enhanced status code that SMTP replies,
// reports and the trail of a message share, with words for people. It builds on proto/message (form) and proto/addr.
//
// Invariants: a report is written as a stream, in memory bounded by the header that is returned (MaxReturnedHeader) and
// the number of recipients; nothing a remote host said can end a line or a field; a report has an identifier in
// single brackets and says Auto-Submitted, so that nothing answers it (RFC 3834 5); sending it with the null sender is the
// caller's part (RFC 3461 6.1). Reading takes any bytes, within MaxReport and MaxRecipients.
//
// RFCs: RFC 3464 (the report), RFC 6522 (its container), RFC 3461 (what was asked for), RFC 3463 (codes), RFC 6533 (all of it in UTF-8).
package dsn
