// Package tlsrpt is the form of TLS reports: how senders tell a domain that its mail could or could not travel under TLS.
//
// It takes from mta/outbound how each session went (Tally) and writes the report of a day (Report.Write), with the pieces of the
// mail that carries it (FileName, Subject, MailFields); it reads the record that asks for reports (ParseRecord) and the reports of
// others (Read). The names of failures (ResultType) are shared with proto/mtasts. Whoever fetches, sends and stores is elsewhere.
//
// Invariants: a report of others costs at most Limits, however it is compressed; what is written is read back as the same; a
// Tally has bounds of its own, beyond which it goes on counting and only leaves out details.
//
// RFCs: RFC 8460 (all but the sending by HTTPS, which is the caller's), RFC 8259 (JSON), RFC 6522 (the container).
package tlsrpt
