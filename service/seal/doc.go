// Package seal makes other systems believe our mail: it has DKIM keys, signs messages with them, and plans their rotation.
//
// It takes keys from a store (Keys) and messages from the msa as a prefix and a body that can be opened, and hands back complete
// DKIM-Signature fields for the prefix. For setup, doctor and `dkim rotate` it makes keys and the DNS records to publish, and says
// which step of a rotation is due (Schedule.Due), as a pure function of keys and time. proto/dkimtext knows the texts.
//
// Invariants:
//   - A stored body is never rewritten: signatures stand in the prefix, and of the prefix nothing is signed that is not given as signed.
//   - A message is never whole in memory: the body is read once for all keys.
//   - d= is the domain of From or a parent of it, and i= is the domain of From, so that DMARC aligns (RFC 9989 4.4).
//   - A rotation has no gap: at every moment there is a key that signs and whose record has been seen in the DNS for longer than its
//     absence may be cached, and the record of a key outlives the mail it has signed. Keys are born published, not signing.
//   - A private key is never part of a String, a log line or an error.
//
// RFCs: RFC 6376 (signer's part; 3.1 on rotation, 5.4 and 8.15 on header fields), RFC 8301 3 (RSA keys of 2048 bits), RFC 8463
// (Ed25519 beside RSA), RFC 9989 4.4 (alignment).
package seal
