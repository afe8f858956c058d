// Package inbound takes mail from other hosts, on port 25.
//
// It takes commands that infra/smtpd has parsed and, for each recipient, what service/directory says; it streams the
// body through service/intake, asks service/judge how far the message is to be believed, and hands letter and recipients to one commit. It relays for nobody: a
// recipient is ours, or leads from an alias of ours elsewhere, or is refused.
//
// Invariants: a network that may relay, or is trusted, is not examined; everybody else's mail carries our Authentication-Results above
// our Received. What can be refused is refused in the session, per recipient where SMTP allows it; 250 after the
// data means that the message is committed for every recipient that was accepted.
//
// RFC 5321 3.3, 3.6.1, 4.1.1, 4.4, 6.3; RFC 1870 (SIZE); RFC 8601 (Authentication-Results).
package inbound
