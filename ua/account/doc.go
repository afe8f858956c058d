// Package account is what a person does with their own account in a browser: logging in and out, sessions, second factors, app passwords,
// settings, and what is needed to set up mail programs. It is the HTTP interface /api/login to /api/correspondents of the webmail.
//
// It takes passwords to service/directory (a view that takes the account's own password alone), codes and passkeys to service/factor, and
// sessions to service/session. To the doors that the webmail's cookie opens it hands Session (JMAP) and Guarded (the other packages of this role).
//
// Invariants:
//
//   - The cookie is Secure, HttpOnly, SameSite=Strict and bound to the host (RFC 6265bis 4.1.3.2, "__Host-"); without TLS there is none, and none is read.
//   - What rides on the cookie comes from our own pages: a request that may change something is of the same origin and has a header that no form
//     can send; one that only reads is of the same origin or of none, as the browser tells it.
//   - Whatever proves somebody counts at the same guard: a password, a code, a recovery code, a passkey. A right password without
//     its second factor is neither success nor failure there.
//   - To a stranger a name that does not exist, a wrong password and a disabled account are one answer, in time and in words.
//   - Bodies are bounded, of known fields, and of JSON by their type; each request has its time. Secrets are in no log, and in no answer but the one
//     that makes them.
//
// RFCs: RFC 6265 (cookies), RFC 9110, RFC 8259 (JSON), RFC 6238 (TOTP, in service/factor); W3C's Web Authentication and Fetch Metadata.
package account
