// Package dnspub writes records into the DNS, so that nobody has to copy them by hand: through RFC 2136 into a name server of one's own, or
// through the interfaces of providers.
//
// It takes Records from setup, the rotation of DKIM keys and the certificates (whole sets, absolute names, data as in a zone file), asks
// what is there, changes what differs, looks whether it is there now, and tells what it changed. To certmagic it hands a Solver.
//
// Invariants:
//   - What is as wanted is not touched: doing the same twice changes nothing the second time.
//   - At names that others write to as well (hosts and domains, as against names with an underscore) a TXT record only replaces one
//     that begins with the same version ("v=spf1"). Other sets are replaced whole.
//   - An alias never takes the place of other records, nor they that of an alias: that is refused with a sentence, and the rest is done.
//   - RFC 2136 updates are one message, all or nothing, on the condition that what was seen is still there. With the providers each
//     set is changed by itself, the new records before the old ones go wherever the provider allows both.
//   - A secret is never part of an error.
//
// Cloudflare, Hetzner, deSEC and Gandi are spoken to with the libraries of libdns, whose differing ideas of "set", of quotes and of names are
// evened out in hosted.go. Porkbun and RFC 2136 are spoken to directly: libdns' Porkbun deletes all records of a name and type to delete one,
// and does not see MX, TLSA and others; its rfc2136 needs zone transfers and cannot make conditions.
//
// RFCs: RFC 2136 2.4, 2.5 and 3.4, RFC 8945 (TSIG), RFC 2181 5.2 (one TTL for a set), RFC 1034 3.6.2 (nothing beside an alias).
package dnspub
