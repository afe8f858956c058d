// Package advice says in one sentence what somebody is to do about mail that was refused, put off or lost on its way.
//
// It takes an outcome with its reason as the trail has it (the remote's words, or a sentence of ours) and hands back the parts of the words, a
// sentence for a person who is no postmaster, and the paragraph of docs/problems.md that tells more; and it puts the trail's word for TLS into plain
// English. It is a table and asks nobody.
//
// Invariants: advice never depends on more than the words; it is one sentence of ours, so that no stranger's text is in it; words of which nothing
// is known still get the advice of their class.
//
// RFCs: RFC 3463 3 (enhanced status codes), RFC 5321 4.2.1 (the classes of replies), RFC 7372 3 and RFC 7505 4 (further codes).
package advice
