// Package msa is the submission agent: it takes mail from our users.
//
// It takes a message from one of several doors (SMTP on 587 and 465 by Session, everything else through
// mail.Submitter) and the user's account from service/directory; it makes sure that the sender is who they say,
// that each recipient can exist, that the account's day is not used up (service/limits), repairs the header, and hands the letter to service/intake for one commit: local
// recipients are filed, remote ones enter the queue.
//
// Invariants: nobody submits without having proved who they are; a user sends only as an address that is theirs, in
// the envelope and in the header; Bcc never leaves; a stored body is final, so repairs happen before it is stored, with
// only the header (at most 256 KiB) in memory.
//
// RFC 6409 (submission), RFC 8314 (TLS), RFC 4954 (AUTH), RFC 5322 3.6 (fields).
package msa
