// Package jmap is the JMAP server: core (RFC 8620), mail and submission (RFC 8621), quotas (RFC 9425) and blobs (RFC 9404) over the contracts
// of mail.
//
// It takes HTTP requests from infra/web, calls and references from proto/jmap, what is stored from mail.Mailboxes and mail.Blobs. It hands
// every change as a mail.ChangeSet to mail.Journal and what is to be sent to a mail.Submitter, and tells clients that something
// changed when mail.Bus says so. Who a client is, is asked of a Login (service/directory).
//
// Invariants:
//
//   - The state of every type of an account's mail is the account's modseq. It is the same on every node and after a restart.
//   - Methods answer from a snapshot of the account: which messages there are, where, with what flags. A snapshot is never changed; a newer one is
//     made of it and of what the store says has changed. None is believed before the store has told the account's modseq.
//   - What a snapshot cannot tell, because it is younger than the client's state, is cannotCalculateChanges, never a guess.
//   - Snapshots are dropped, the one used last at last, once they are many; they can be read again at any time.
//   - A body is read in pieces, whatever its size. What a client may ask in one request is bounded by Limits, which the session tells.
//   - Each object of a set is changed whole or not at all, and what became of it is told.
//
// Not claimed, and not in the session: VacationResponse, delayed send, an Email in more than one mailbox through a client's wish
// (maxMailboxesPerEmail is 1; messages that are in several are shown so).
package jmap
