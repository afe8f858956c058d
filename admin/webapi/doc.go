// Package webapi is the administration pages' way to the operations: JSON over HTTPS for accounts that may administer.
//
// It takes the session's account from whoever guards the web (Config.Guarded, ua/account's), who lets in nobody without a session and nothing
// that another site sent, and serves the routes of admin/httpapi below /api/admin: the same paths, requests and replies. It says to
// package admin who asks, so that it is recorded. Beside them it shows the log as it is written, from infra/obs's Tail.
//
// Invariants:
//
//   - Nothing is answered to an account that may not administer, and that is asked of the account as it is at this request; a log that is followed
//     ends after a while, so that its reader must be let in anew.
//   - What cannot be undone needs the name of what is meant a second time, in the field "confirm": removing an account or a domain, and
//     a new password for somebody else.
//   - Nobody shuts themselves out: one's own account cannot be removed, disabled or lose its right here. One's own password is changed where the
//     old one is asked for.
//   - Mail itself is neither sent nor exported here.
//   - The words of an internal error go to the log, not to the page.
package webapi
