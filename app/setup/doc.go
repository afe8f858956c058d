// Package setup makes a bare machine a mail host for a domain, in one go: it asks little, checks much, writes the configuration and a
// hardened systemd unit, makes the domain with its first account and DKIM keys, and tells (or publishes) the DNS records.
//
// It takes Options (flags) and what a person answers from a Console, the facts of the machine from a Host, and the opened store from a
// System, which package app implements. It hands back a Report, and tells each step to the Console as it happens; it writes to no
// stream and knows no colours.
//
// Invariants:
//   - Running it again is safe, also after it was interrupted anywhere: every step first looks whether it is done. A password that was
//     made up is kept in the data directory until it was shown.
//   - What a person changed is never overwritten. A file that setup wrote carries a seal over its text; where the seal does not fit any more,
//     the new text goes beside it (".new"), and what is in effect stays in effect.
//   - Files are written whole or not at all, and are on the disk before the next step relies on them.
//   - The configuration that is written parses to exactly what was meant, or nothing is written.
//   - A check that fails never ends a run: it says what is wrong and what to do. Only ports that others hold keep the server from being started.
//   - Waiting has a bound everywhere.
//
// RFCs: RFC 5782 2.1 and 2.4 (DNS lists), RFC 1912 2.1 (reverse names that lead back), RFC 2142 4 and 5 (postmaster,
// abuse), RFC 6598 7 (addresses behind a carrier).
package setup
