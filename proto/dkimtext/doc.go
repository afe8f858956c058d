// Package dkimtext is the text of DKIM: signature fields, key records, and the canonical forms that a
// signature is made over.
//
// It takes header fields and bodies from service/seal (which signs) and service/judge (which verifies), and hands back what is
// to be hashed, parsed values, and fields and records to publish. Private keys, DNS and policy are theirs; ARC (RFC 8617)
// can stand on the same forms.
//
// Invariants:
//   - Bodies are streams: a Body keeps a few hundred octets, whatever is written to it, and its result does not depend on how
//     the writes were cut.
//   - What is read is bounded before it is looked at: MaxSignature, MaxRecord, MaxNames. Work is linear in the input.
//   - What Signature.Format and Key.String write, ParseSignature and ParseKey read as the same.
//   - The `l=` of a signature is read and never followed: what was hashed is always the whole body.
//
// RFCs: RFC 6376 (3.2 to 3.7, 5.4), RFC 8301 (rsa-sha256 only, key sizes), RFC 8463 (Ed25519), RFC 8616 (names as A-labels).
package dkimtext
