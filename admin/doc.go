// Package admin is the operator's agent: what the people who run a system may ask of it and do to it.
//
// Each operation is here once, in Operations, as a function of a plain request and reply; its faces (httpapi on a UNIX
// socket, the command line over it, webapi for the pages of administration) add transport and looks and decide nothing. It takes requests in the
// operator's spelling, puts addresses and domains into canonical form (proto/addr), and hands changes to
// mail.Journal as change sets; what it shows it reads through the contracts of package mail. The app gives
// it those, a way to make credentials (service/directory), and the store's self-check.
//
// Invariants: requests and replies are types of this package with JSON names, never those of package mail, so that
// a stored or remote form does not change with the insides; no reply holds a secret, save a password
// that was generated for this very request; an error is a mail.Error whose sentence says what is wrong and
// which command helps; an act has a record of who did it (admin/audit, acts.go) or is not done; mail an operator deletes from the queue
// has a recorded outcome like all other mail.
package admin
