// Package mdn is the form of disposition notifications: what the reader of a message did with it.
//
// It takes from maa/jmap what became of a message, with its header and, if it is to go back, its body, and writes a whole message of two or three
// parts: plain words for the person, the same for machines, and the original. Of notifications of others it reads the part for machines; of a message's
// header it says who asks for one, and how. Whether one may be sent is decided by who asks a person.
//
// Invariants: a notification is written as a stream; nothing a client said can end a line or a field; it says Auto-Submitted, so that nothing answers it
// (RFC 3834 5), and is to be sent with the null sender, which is the caller's part (RFC 8098 3). Reading takes any bytes, within MaxReport.
//
// RFCs: RFC 8098 (the notification and the request), RFC 6522 (its container), RFC 6533 6 (all of it in UTF-8), RFC 3503 ($MDNSent).
package mdn
