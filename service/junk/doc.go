// Package junk tells mail that nobody asked for from other mail, and says why in plain words.
//
// It takes a message that came in whole (its client, envelope, structure and body from mta/inbound; what is proven about its sender from
// service/judge) and hands back a mail.Suspicion: a score, the sentences it is made of, and hashes of the message's words. For each local
// recipient mda asks Sort, which puts the account's own experience on top: a classifier that learns when its owner moves mail into Junk and
// out of it (Watch sees that on its way through mail.Journal; Run learns in the background), and whom the owner has written to.
//
// Invariants:
//   - A score is a sum, and every summand has its sentence. Nothing is added for what could not be found out: a DNS list that does not answer,
//     or answers that it will not serve us, adds nothing and says so.
//   - One deadline for all lists of a message; questions, text, words, hosts and sentences of a message are bounded.
//   - What policy wants filed as junk (Suspicion.Junk) is junk. Mail of somebody the account has written to, whose domain is proven, never is by
//     score alone. A classifier has no say before it has seen MinLearnt messages of each sort.
//   - What a message adds to a model can be taken off again: words are a function of the stored body alone. No message counts twice; one that
//     is moved back is taken off first.
//   - Delivery never waits for learning, and never fails because of a model: a damaged one is as good as none, is said in the log, and is made anew.
//   - Models are bounded (shards of mail.Notes far below mail.MaxNote) and grow old: past halveAt messages all counts are halved.
//
// RFC 5782 (DNS lists), RFC 8601 2.7 (result words).
package junk
