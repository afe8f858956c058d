// Package factor keeps second factors: codes of an authenticator app (TOTP), recovery codes, and passkeys, which also log in alone.
//
// It takes accounts from whoever has proved a password (ua/account) and answers whether a code or a passkey is theirs. What it knows is in notes of the
// store: one of kind "factor" for each account, and one of kind "passkey" for each passkey. Counting wrong codes is the caller's, who
// asks the guard before and tells it after (directory.Authenticator's LoginWith and Try).
//
// Invariants:
//
//   - A code is good once: the step of the last good TOTP code is remembered and no code of it or of an earlier one is taken; a recovery code is struck
//     off as it is used. The store decides who of two was first.
//   - A challenge is good once and for five minutes. It is sealed, not stored: strangers who ask for challenges write nothing. What is written,
//     with the login that used it, is that it was used.
//   - A passkey whose count of signatures does not rise was copied: it is refused.
//   - Every set of changes is on condition that the account's note is as it was read, so that factors which are turned on and off at once
//     leave a state that one of the orders would have.
//   - While a second factor is on, the account's password is for the web alone, unless its owner has said that programs may use it. With the last
//     factor goes that too, and the recovery codes.
//   - Recovery codes are stored as hashes. TOTP secrets are stored as they are, because codes are made of them.
//
// RFC 4226 5.3 (HOTP), RFC 6238 (TOTP), RFC 4648 6; W3C Web Authentication Level 3.
package factor
