// Package directory decides who an address is and whether somebody is who they say.
//
// It reads domains, accounts, aliases and credentials through mail.Directory and answers two questions for all
// roles: what an envelope recipient stands for (Resolver), and whether a name and a secret
// belong to an account (Authenticator), where a Guard (service/limits) is asked before each attempt and told of its end. Views of the Authenticator
// (For) take only credentials that may be used for one service, and tell a Uses (Clients, which makes notes of them) of each login. It also makes
// the credentials that are stored (NewCredential) and changes those of an account (Passwords).
//
// Invariants: an answer never depends on a cache that a change could leave stale; expansion of aliases
// ends, whatever they point at; a failed login costs the same time whether or not the name exists, and its error does not
// tell; no more than a fixed number of password hashes run at once, so that guessing cannot take
// the machine's memory; no secret is logged or kept in clear; a credential that has
// expired, or whose scope leaves a service out, is to that service as if it were not there.
//
// RFC 5321 3.6.2 and 4.5.1 (postmaster), RFC 5233 (subaddresses), RFC 4616, RFC 5802, RFC 7677, RFC 9106 (Argon2).
package directory
