// Package webpush sends messages to push services (RFC 8030), so encrypted that the service cannot read them (RFC 8291), and signed so that it knows whose
// they are (RFC 8292).
//
// It takes the address and keys of a subscription, which a client gave, and what is to be said; it makes HTTP requests by a client that never leads
// inside (infra/outward) and hands back what is to be done about the subscription. The key pair of the installation is a note that is made once
// (mail.Notes, mail.Journal), the same on every node.
//
// Invariants:
//
//   - Each message has a key pair and a salt of its own; all are padded to a multiple of Block octets, so that their length tells little.
//   - The address of a subscription and its keys are secrets of a device: they are never logged.
//   - What a push service answers is not read, but for its status and Retry-After.
//
// RFCs: RFC 8030, RFC 8188 (aes128gcm), RFC 8291, RFC 8292, RFC 7515 and RFC 7518 3.4 (ES256), RFC 9110 10.2.3 (Retry-After).
package webpush
