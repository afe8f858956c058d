// Package pop3 lets users fetch their INBOX by POP3: RFC 1939 with CAPA and response codes (RFC 2449, RFC 3206), STLS (RFC 2595)
// and AUTH (RFC 5034).
//
// It takes connections from the sockets (infra/netserve), asks an Authenticator who the client is, reads mail.Mailboxes and mail.Blobs,
// and hands what the client deleted to mail.Journal.
//
// Invariants:
//
//   - A session sees the INBOX as it was at login: message numbers, sizes and UIDL never change under it.
//   - Nothing is deleted before QUIT; then everything is, in one change set, or nothing is and the client is told.
//   - Messages are streamed. What a session holds is 24 octets for each of at most Limits.Messages messages, and some
//     fixed buffers. Of a larger INBOX the newest are shown.
//   - LIST and STAT tell exactly the octets RETR sends, less stuffed dots and, for a message that does not end with
//     a line break, the one that is added.
//   - A message that breaks off while it is being sent (a damaged body) ends the connection without the final dot, so
//     that no client takes the part for the whole.
//   - Nothing sent before TLS counts after it, and commands that were pushed behind STLS end the connection (RFC 2595 4).
//
// RFC 1939 3 wants an exclusive lock on the maildrop, lest messages change or vanish under a session. There is none here,
// because its reason is gone: bodies are never rewritten, UIDs never used twice, an Expunge passes over what somebody
// else removed meanwhile, and RETR of such a message is an error that says so. A phone that polls by POP3 and a desktop on IMAP do not
// shut each other out, and no crash leaves a lock behind. [IN-USE] (RFC 2449 8.1.1) is therefore only sent if an engine
// says that the mailbox is in conflict.
package pop3
