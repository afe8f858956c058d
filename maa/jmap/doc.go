// Package jmap is the JMAP server: core (RFC 8620), mail and submission (RFC 8621), quotas (RFC 9425), blobs (RFC 9404), contacts (RFC 9610) and
// disposition notifications (RFC 9007) over the contracts of mail; by HTTP and by WebSocket (RFC 8887), with Web Push (RFC 8030, RFC 8291, RFC 8292, RFC 9749).
//
// It takes HTTP requests from infra/web, calls and references from proto/jmap, what is stored from mail.Mailboxes and mail.Blobs. It hands
// every change as a mail.ChangeSet to mail.Journal and what is to be sent to a mail.Submitter, and tells clients that something
// changed when mail.Bus says so. Who a client is, is asked of a Login (service/directory). Address books and cards are service/contacts'.
//
// Invariants:
//
//   - The state of every type of an account's mail is the account's modseq. It is the same on every node and after a restart.
//   - Methods answer from a snapshot of the account: which messages there are, where, with what flags. A snapshot is never changed; a newer one is
//     made of it and of what the store says has changed. None is believed before the store has told the account's modseq.
//   - What a snapshot cannot tell, because it is younger than the client's state, mail.History does. Where that does not go back so far either, it is
//     cannotCalculateChanges, never a guess.
//   - Snapshots are dropped, the one used last at last, once they are many; they can be read again at any time.
//   - A body is read in pieces, whatever its size. What a client may ask in one request is bounded by Limits, which the session tells.
//   - Each object of a set is changed whole or not at all, and what became of it is told.
//
// A message goes into several mailboxes by its mailboxIds. A new one is filed in the first of them, and put into the others by a second commit: a crash
// between the two leaves it in the first.
//
// What is kept in notes, identities and submissions, has its changes counted in a note per type, which is the state of the type. Event sources, WebSockets and
// push subscriptions learn all states from one table (states.go), and look at it when the bus has news of the account.
//
// Sending (RFC 8621 7): a submission is a note. That it was sent is written by the commit that takes the message. One that is held (HOLDFOR and HOLDUNTIL,
// RFC 4865) is a note of the kind "later" besides, which RunLater sends when it is due, and which the commit that takes the message removes: it is sent
// once, whatever crashes and however many run. Until then undoStatus is pending, and setting it to canceled removes the note. Where sending fails for a
// while it is tried again, with growing pauses, for five days; deliveryStatus has the reason meanwhile (delivered is queued). What is refused for good
// is final, and deliveryStatus has the refusal (delivered is no). Destroying the message, or the submission, before its time cancels nothing (RFC 8621
// 7.5): the body is kept by a held entry of the queue, on a route that leads nowhere, which goes with the note. A message that was held is dated when it is sent, unless its Date is
// less than a minute old then; the copy that the client keeps stays as it was filed.
//
// Not claimed, and not in the session: VacationResponse.
package jmap
