// Package client is a thin JMAP client: what a program for people needs to read and send mail over HTTPS.
//
// It takes an address and a password, finds the server, and hands out mailboxes, messages, blobs and what changes as they are: the nouns of RFC 8621 as Go
// values, and batches of calls for what has no method of its own. Package ua/terminal and the command line stand on it.
//
// Invariants:
//
//   - The password goes over verified TLS alone: to the server a person has named, or to one of the address's own domain. Finding the server is done
//     without it.
//   - What a server sends is bounded before it is kept, and none of it gets into an error's sentence with a control character in it.
//   - Every request has a deadline; streams have one for each silence.
//   - An error is a mail.Error: a kind, and a sentence of what is wrong and what to do.
//
// RFCs: RFC 8620 (JMAP), RFC 8621 (mail and submission), RFC 7617 (Basic), RFC 6570 (URI templates, those of level 1), RFC 2782 (SRV).
package client
