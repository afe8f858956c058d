// Package mtasts decides by a domain's MTA-STS policy whether mail may go to a host.
//
// It takes from mta/outbound the TXT records and the policy file of a recipient's domain, which the caller fetches, and hands on the
// parsed Policy, what to do next about the cache (Entry.Decide), and for each host whether to deliver (Policy.Judge), with the words
// for a TLS report (proto/tlsrpt). For our own domains it writes the record and the file (Policy.String, FormatRecord, ID).
//
// Invariants: a policy in mode testing or none never holds mail up; a cached policy counts until it expires, whatever the DNS or the
// web server says meanwhile (RFC 8461 3.3, RFC 8461 5.1); a domain without a sound record or file counts as one without MTA-STS; the file is
// bounded by MaxPolicy and its lists by MaxMX. Times are arguments, and entries are plain values to be stored as they are.
//
// How the caller fetches (RFC 8461 3.3): by HTTPS from URL with a certificate valid for Host, TLS 1.2 or later, no redirects, no
// HTTP cache, media type text/plain, within a minute; FetchFault turns what went wrong into the words of a report.
//
// RFCs: RFC 8461 (all but the fetching itself), RFC 8460 4.3 (words of reports), RFC 5890 2.3.2.1 (names are compared as A-labels).
package mtasts
