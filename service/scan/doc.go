// Package scan has other programs look at mail while it comes in: Rspamd, ClamAV and milters.
//
// It takes a message that came in whole, with its envelope, from mta/inbound, streams it to each program in that program's own protocol, and
// hands back one Result: accept, file as junk, refuse, refuse for now, or discard, with a sentence for each finding and the header fields
// that milters want in front.
//
// Invariants:
//   - The body is streamed; memory does not grow with it, nor with what a program answers: every answer has a bound.
//   - All programs together take no longer than the configured time. One that does not answer costs nothing but that time: the message is accepted
//     with a note, or refused for now where the operator requires the program.
//   - The severest result counts (refuse, defer, discard, junk, accept). Rspamd, ClamAV and the milters run side by side; milters one after the
//     other, as each must see what those before it put in front.
//   - A stored body is never rewritten: what a milter wants changed in it, or in the envelope, is not done, and a note says so.
//   - What programs say is cleaned before it gets into a reply, a header or the trail.
//
// Connections go where the configuration says, without TLS: to this machine, or over a network that is trusted.
//
// Milter protocol version 6 is spoken by github.com/d--j/go-milter; ClamAV's INSTREAM and Rspamd's /checkv2 are ours.
package scan
