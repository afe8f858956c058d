// Package queue decides when mail that leaves is tried, and settles what became of it.
//
// It takes due recipients from the store by mail.Claim, hands each Job to a Sender (mta/outbound), and turns the
// verdicts into one change set: a Settle, the trail's events, and the report to the sender (mta/bounce) where one
// is due. All state is in the store; what this package keeps in memory is only what it is doing now.
//
// Fresh mail does not wait to be claimed: Express has it leased by the commit that queues it and takes it over at once. What there
// is no room for, and all that is tried again, is claimed. Lanes keep the jobs in hand by route and share the places fairly.
//
// Invariants:
//
//   - A recipient is tried only under a lease, and an attempt ends before its lease does, so that no two
//     workers, on whatever nodes, try one recipient at a time.
//   - Every recipient of a job is settled exactly once, or not at all when the lease was lost (a Conflict): then
//     whoever has the lease settles it.
//   - A permanent refusal and its report are one commit. Where the report cannot be written now, the refusal is
//     kept in the queue as a recipient with a report route, and only the report is tried again: never the recipient.
//   - No report is made about a message with the null reverse-path (RFC 5321 4.5.5), so no report begets a report.
//   - Each outcome of a recipient is one log line with fixed keys and one event, Deferred ones too.
//
// Crash points. Before the attempt: the lease runs out, or the same owner breaks it as it starts; nothing was
// sent. After the remote took the message and before the settlement is on disk: the message is sent again, a
// duplicate that no protocol avoids (RFC 1047); it is counted as an attempt. After the commit: nothing is left to do.
//
// The retry schedule follows RFC 5321 4.5.4.1: doubling from minutes to hours, given up after days (Queued.Expires).
package queue
