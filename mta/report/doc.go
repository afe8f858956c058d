// Package report tells the owners of other domains what was seen of mail in their name and of TLS to their hosts, and reads what others
// tell about ours.
//
// It takes judged messages from mta/inbound (Ledger.Judged) and TLS sessions from mta/outbound (Ledger.Session), counts them in mail.Notes
// by day and domain, and once the day is over hands one report for each to mail.Poster, or to an https address (Sender). From
// mta/inbound it takes mail to our report addresses and hands back changes for the set that files it (Reader).
//
// Invariants:
//
//   - Counting never holds a message up: it happens in memory, bounded, and is written once a minute. A crash loses a minute of
//     counts, never mail.
//   - A report is posted by the same commit that takes its counts away, so that it is sent once, by one node.
//   - A report goes where the domain's record says, to hosts of other organizations only where they agreed (RFC 9990 4). It has the
//     null reverse-path, so that nothing comes back. One about TLS is not held up by the policy it is about (RFC 8460 5.3).
//   - What others send is hostile until read: octets, rows, names and depth are bounded, and nothing wrong in it is an error of the mail.
//
// RFC 9990 (DMARC aggregate reports), RFC 8460 (TLS reports).
package report
