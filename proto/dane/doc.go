// Package dane decides what TLSA records mean for mail: which of them count, whether a server's certificates agree with them, and what a
// sender must do.
//
// It takes TLSA records (from infra/dns, which says how far each answer is secure), a server's certificates as parsed values, names
// and the time, and hands back values: a Plan before connecting, a Match after the handshake, and the Outcome of both with the result
// type for TLS reports. For our own servers it composes the records to publish.
//
// Invariants:
//
//   - What DNSSEC could not check is never treated as "no records": the host is put off.
//   - PKIX-TA(0) and PKIX-EE(1) records never count (RFC 7672 3.1.3); if nothing else is there, the session is encrypted without
//     a check of the certificate, never sent in the clear.
//   - DANE-EE(3) looks at the key or certificate alone: neither names nor dates matter (RFC 7672 3.1.1).
//   - Work is bounded: by the number of records and certificates looked at.
//
// It keeps RFC 6698, RFC 7671, RFC 7672, RFC 7218 (the names of the numbers), RFC 8460 4.3 (result types).
package dane
