// Package export carries mail out of a store into files that every other mail program can read.
//
// It takes accounts and their mail from the readers of package mail (or from what infra/store salvaged of a damaged store)
// and hands them to a Sink: Writer, which makes Maildirs, mbox files or .eml files of them, Zip, which puts the same into a zip file as it goes out
// (ua/transfer), or admin/httpapi, which sends them over the operator's socket to a Writer on its other side. Attachments does that for the
// attachments of one message.
//
// Invariants: what cannot be read is named and passed over, it never ends the walk; a message that breaks off leaves nothing
// behind; memory does not grow with a message, and of a mailbox holds some hundred messages' facts at a time; a file has its
// final name only once it is whole. A Maildir or .eml file holds the message octet for octet as IMAP shows it. What strangers
// chose (mailbox names, addresses) never leads out of the directory.
//
// Formats: Maildir++ with Dovecot's names and keyword files; RFC 4155 with the quoting of mboxrd; RFC 5322 files.
package export
