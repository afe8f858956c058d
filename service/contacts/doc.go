// Package contacts keeps the address books and cards of accounts (RFC 9610), whatever the protocol they are asked for by.
//
// It takes cards from maa/jmap (and from an import), has their form checked by proto/jscontact, keeps them as notes (mail.Notes) through change sets
// (mail.Journal), and tells mail.Bus that an account has changed.
//
// What is kept of an account, all with keys that begin "A<account>/":
//
//   - one note of kind "contacts", the head: the number of the latest change, the address books, counts. Who changes anything replaces it in the same
//     change set, on condition that it is as it was read: so writers of all nodes come one after the other, and a number is given once.
//   - a note of kind "card" for each card.
//   - a note of kind "contactlog" for each change set: which objects were made, changed and deleted, in order. The key ends in the number of its last.
//
// Invariants:
//
//   - The state of a type is the number of its latest change; what happened after a state is read from the log and exact, on every node and after a
//     restart. Where the log does not reach back, that is said (ErrTooOld), never guessed.
//   - An account that never wrote has one empty default address book, and no note.
//   - Every card is in at least one address book, there is one default address book, and no two cards of an account have the same uid.
//   - A crash before the commit changes nothing; after it everything of the change set is there.
//   - What is remembered (an index of each account that was used last) is bounded, and made again of the notes at any time.
package contacts
