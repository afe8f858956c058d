// Package mail holds the nouns of Postrider and the contracts between its roles.
//
// It takes nothing from anybody: it imports the standard library alone. Every role hands its work
// to the others in these words: a Letter comes in, a Planner says what becomes of it for
// each local recipient, the result is one ChangeSet, and Journal.Commit makes it durable. Readers
// (Directory, Mailboxes, Queue, Trail, Blobs) show what was committed.
//
// Invariants every implementation keeps (package infra/store/storetest proves them):
//
//   - A ChangeSet happens whole or not at all, and Commit returns only after it is on stable storage.
//   - Every change to an account raises its modseq by one or more; the number never goes back, is
//     IMAP's MODSEQ (RFC 7162 3.1) and what watchers wait on.
//   - A UID is never used twice in a mailbox with one UIDVALIDITY (RFC 9051 2.3.1.1), an EmailID never at all.
//   - A body, once stored, is never rewritten. What we add on the way (Received, Return-Path,
//     Authentication-Results) is a prefix stored beside it.
//   - Every recipient of every accepted message ends in one recorded Outcome.
package mail
