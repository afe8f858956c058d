// Package search answers what messages say: which of them have a text in their header, body, subject or addresses.
//
// It takes stored messages from mail.Mailboxes and mail.Blobs, cuts them into terms with proto/textindex, and keeps the segments of
// each account's index in mail.SearchStore. It hands mail.Searcher to whoever searches (maa/imap), and the same package's Texts to whoever
// has to read a message itself: what a text of a message is, is said once, here.
//
// Invariants:
//
//   - An answer is complete however far the index has come: what is not in a segment, or not in it whole, is left open and read by
//     who asks. A segment that cannot be read costs time, never an answer; it is dropped and its messages are indexed anew.
//   - A delivery does nothing for the index. The indexer finds new messages by their numbers, waits until the store is quiet, works in
//     slices, and rests between them while mail is coming in. Memory and what one commit writes are bounded.
//   - A crash loses at most the segment that was being built; its messages are found again past the account's mark.
//
// RFC 3501 6.4.4, RFC 9051 6.4.4.
package search
