// Package imap is the IMAP server: IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) over the contracts of mail.
//
// It takes one connection at a time from infra/netserve, commands as values from proto/imap, and what is stored from
// mail.Mailboxes and mail.Blobs. It hands every change as one mail.ChangeSet to mail.Journal, and tells the client what
// changed when mail.Bus says that something did. Who may log in is asked of an Authenticator (service/directory).
//
// Invariants:
//   - Sequence numbers exist in a session's view alone: the UIDs, flags and mod-sequences of the selected mailbox as the
//     client knows them. The view changes only in the moment in which the client is told (RFC 9051 7.5.1): EXPUNGE and VANISHED
//     never go out during FETCH, STORE or SEARCH by sequence number.
//   - Mailboxes selected lately are remembered as snapshots, 16 MiB in all at most. A view borrows one until it changes; none is
//     believed before the store has told the mailbox's mod-sequence.
//   - A session's own changes go into its view by their receipts. Where somebody else's may lie between, the store is asked.
//   - What a session holds is 16 octets a message of the selected mailbox, and one batch. A message is read and written in
//     pieces, whatever its size. A session that waits for its client holds no buffers.
//   - Commands are answered in the order they came in, also when they were sent without waiting (RFC 9051 5.5).
//   - A mailbox or message that cannot be read costs the answer to that message, never the session.
//   - Every read and write has a deadline, and a command's cost is bounded before its first octet is read.
//
// \Recent (RFC 3501 2.3.2): no message is ever recent here. RFC 9051 removed the flag; a rev1 client is told 0 RECENT, and
// SEARCH RECENT and NEW find nothing. Clients find new mail by UIDNEXT, EXISTS and \Seen.
//
// Extensions: those proto/imap names. COMPRESS=DEFLATE is left out and not announced.
package imap
