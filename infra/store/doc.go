// Package store is the embedded engine: SQL in SQLite beside bodies in packs, one process, one directory.
//
// It takes change sets from every role (mail.Journal) and bodies from whoever receives mail
// (mail.Blobs), and shows what was committed through the readers of package mail. It hands bodies to
// infra/blob and news of commits to the bus.
//
// One goroutine, the committer, is the only writer. It takes the change sets that wait, writes their bodies to the active
// pack and syncs it while their SQL runs in one transaction, commits, and answers them all. The steps, and why a crash
// at each is harmless:
//
//	gathered         nothing is written. Nobody was answered.
//	bodies-appended  the pack ends in octets past the end that the index knows: the next Open cuts them off.
//	bodies-synced    the same, durably.
//	sql-done         the transaction is in the write-ahead log without its commit frame: SQLite forgets it.
//	committed        the set is durable with its bodies, because the commit comes after their sync. Somebody who
//	                 had no answer may send again: a duplicate, never a loss (RFC 1047).
//	answered         files of packs that nothing refers to any more may remain: the next Open removes them.
//
// A set whose condition fails is left out and told why; its neighbours go on. Conditions are looked at before
// anything of a change is written, so that mostly nothing has to be undone. Where a set fails after it wrote, the group
// is rolled back and run once more with a savepoint for each set.
//
// Invariants, beside those of package mail:
//
//   - A pack is synced before the transaction that refers to it commits.
//   - A failed sync or commit stops the store for writing. What is on the disk is then unknown to the
//     process, and only a restart reads it anew.
//   - Counters of a mailbox equal its rows; Check proves it, and Verify reads every body as well.
//   - A message is in a mailbox once; its flags and their modseq are the same in all its mailboxes.
//   - What leaves a mailbox, and a mailbox that is deleted, stays in its account's history until Compact forgets it, and
//     the account says up to where that is.
//   - Numbers of accounts, mailboxes, messages, bodies, packs, queue entries, leases and events only grow.
//
// Reads go to a pool of read-only connections, each statement in a snapshot of its own.
package store
