// Package session keeps the webmail's sessions: who has logged in with a browser, and is still.
//
// It takes accounts that have proved themselves (service/directory, service/factor) and hands out cookie values; for a cookie value it
// gives back the account (ua/account, and through it every door that lets a cookie stand for a login). A session is a note of the store,
// so every node knows it and ending it ends it everywhere at once.
//
// Invariants:
//
//   - The store holds the SHA-256 of a token and never the token: who reads the store cannot take a session over, and looking one up
//     takes no time that depends on the secret.
//   - A session ends 12 hours after its last use, or 30 days when it is to be remembered, and 180 days after its beginning at the latest.
//   - It ends with its account, when the account is disabled, and when the account's password changes, whoever changes it: a session knows a
//     fingerprint of the password it was made under. Only the session that changes the password goes on (Rekey).
//   - A session that was ended is not brought back by a request that was under way: its note is written on condition that it is still as it
//     was read.
//   - An account has no more than MaxSessions; a further one ends the one that was longest not used.
//
// RFC 6265 8 (a cookie's value is a secret that says nothing), RFC 4648 5 (its letters).
package session
