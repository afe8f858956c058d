// Package audit writes down what operators do: who did what to whom, when, and what came of it.
//
// It takes acts from package admin (Log.Do), who acts from the context (As), and hands the record to mail.Journal as a note of the
// kind "audit", in the very change set that does the act. Log.List reads the notes back, the latest first.
//
// Invariants:
//
//   - Nothing is committed through Log.Journal without a record in the same set: a commit outside of an act is refused. An act that works by
//     other means (a DNS provider, a service with commits of its own) is recorded as begun before it does anything.
//   - A record is written anew under its key as the act goes on, so that each act has exactly one.
//   - No record has a secret: who makes one says in words what was asked.
//   - A record is kept for Keep, whatever becomes of the accounts in it.
package audit
