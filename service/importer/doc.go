// Package importer brings mail from elsewhere into an account: from files (mbox, .eml, zip of these and of Maildirs) and from another server by
// IMAP.
//
// It takes an account and a Source from ua/transfer, streams each message into the store (mail.Blobs), commits them in sets (mail.Journal), and tells
// how far it is as a Job, which is kept as a note as well so that it can be asked for after a restart.
//
// Invariants:
//
//   - Nothing that is in the account is changed. A message that is in the mailbox already (the same Message-ID and size; without one the same date,
//     author and subject) is passed over: so an import that ended half-way goes on where it was when it is started again.
//   - A message that cannot be brought is named with the reason, and the next one is tried. What ends an import is said in a sentence that tells
//     what to do: no room, a source that breaks off, somebody who stops it.
//   - Memory does not grow with messages, files or mailboxes, whatever a file or a server says: messages are streamed, a set is at most SetSize
//     of them, a server is asked for pieces of at most pieceSize octets.
//   - At most PerAccount jobs of an account and InAll jobs run at once. A password of another server is in memory alone, in no note and no log.
//
// Notes of this package: kind "import", key: account "/" job, value: JSON of the Job; they expire after thirty days.
//
// Formats and RFCs: RFC 4155 (mbox) with the quoting of mboxrd or mboxo; RFC 5322 files; Maildir and Maildir++ with Dovecot's keyword files; the files that
// service/export writes; RFC 3501 and RFC 9051 (IMAP), RFC 6154 (special uses), RFC 8314 3 (TLS always).
package importer
