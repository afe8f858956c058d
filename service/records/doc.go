// Package records knows what a domain of ours must have in the DNS, writes it for people and for name servers, and compares it with what
// is there.
//
// It takes Facts (names, addresses, keys, certificates, which services are offered) from setup, doctor and the server, and hands back
// Records: plain values that infra/dnspub publishes, WriteZone and Table print, and Compare looks for through a resolver (Asker).
// The texts are made by the packages of proto that know each of them.
//
// Invariants:
//   - Of is a function of its Facts alone: the same Facts give the same Records in the same order.
//   - Names are absolute, A-labels in lower case, without the last dot; Values are the data of a zone file, names in them with the last dot.
//   - A Record without a Zone lies in nobody's domain of ours: it is advice to a person, and is never published nor written as a line of a zone.
//   - No private key is ever part of a Record.
//   - Compare never takes an answer that did not come for "not there", and never calls superfluous what may belong to somebody else: other
//     texts at the name of a domain, other authorities that a person has allowed.
//
// RFCs: RFC 1035 5.1 (zone files), RFC 5321 5.1 (MX), RFC 6186 3.4 and RFC 8314 5.1 (SRV), RFC 7208 3.1, 4.5 and 10.1.3 (SPF), RFC 6376 3.6.2 (DKIM),
// RFC 9989 4.6 and RFC 9990 4 (DMARC), RFC 8461 3.1 (MTA-STS), RFC 8460 3 (TLSRPT), RFC 7672 3.1.1 and RFC 7671 8.1 (TLSA), RFC 8659 3 and 4 and
// RFC 8657 3 (CAA).
package records
