// Package dmarcreport is the form of DMARC aggregate reports: what a receiver saw of the mail in a domain's name.
//
// It takes from service/judge the verdicts on messages (RowOf), counts equal ones (Tally), and writes the report (Report.Write) with the
// pieces of its mail (FileName, Subject, ReportID). It reads the reports of others (Read), of the present schema and of the old one, plain
// or in gzip or zip, row by row. proto/dmarc decides; fetching, storing and sending are elsewhere.
//
// Invariants: a report of others costs memory bounded by Limits, whatever it says of itself: rows are handed on one by one,
// decompressed octets, rows, nesting, and the octets of one token are counted, and a document type declaration (the home of entities) is refused;
// what is written keeps to the schema and is read back as the same; a Tally holds at most MaxRows rows.
//
// RFCs: RFC 9990 (all but the sending), RFC 1951 and RFC 7489 (the containers and the schema that others still use).
package dmarcreport
