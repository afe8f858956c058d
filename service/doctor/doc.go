// Package doctor looks at a mail domain of ours from the outside in, and says what is wrong in words that lead to a remedy.
//
// It takes Facts (what should be: names, addresses, keys, certificates, services) from the app or the command line, a resolver, a dialer and a
// clock, looks at what others see (DNS, our ports, our web pages), and hands back Findings: each a sentence that says what is wrong, one that
// says what to do, the record to publish where there is one, and the part of docs/problems.md that tells more. A Keeper does so again and again,
// keeps the last results as notes, and logs what changed.
//
// Invariants:
//   - What cannot be told is a Note, never a Fault: a name server that does not answer is no missing record.
//   - Nothing is changed, and no message is sent: the dialogue on port 25 ends before DATA.
//   - Time and memory are bounded: by a deadline for each check, by how many run side by side, by limits on what is read from anybody,
//     and by the number of findings.
//   - What others wrote is printable and cut short before it stands in a sentence.
//   - No private key is part of a finding.
//
// RFCs: RFC 5321 4.5.1 (postmaster) and 5.1 (MX), RFC 2142 5 (abuse), RFC 7505 (null MX), RFC 1912 2.1 (addresses and their names), RFC 7208
// (SPF), RFC 6376 3.6 and RFC 8301 3.2 (DKIM keys), RFC 9989 and RFC 9990 4 (DMARC), RFC 8461 (MTA-STS), RFC 8460 3 (TLSRPT), RFC 7672 (DANE),
// RFC 5782 (DNS lists), RFC 8659 and RFC 8657 (CAA), RFC 6186 and RFC 8314 5.1 (SRV), RFC 3207 (STARTTLS), RFC 9525 (names in certificates).
package doctor
