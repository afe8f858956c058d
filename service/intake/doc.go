// Package intake brings a message into the system and turns it into one commit.
//
// It takes a stream of octets and resolved recipients from every door (mta/inbound, msa, mda/lmtp, and the
// reports that mta/bounce composes); it hands the body to the blob store while scanning it, asks mail.Planner what
// becomes of it for each local recipient, adds queue entries for the others, and gives all of that to mail.Journal as
// one ChangeSet.
//
// Invariants: memory does not grow with the message; a message is filed for all its recipients or for none;
// whoever hears of success may rely on it after a power loss; every recipient has an event in the trail. A crash
// before the commit leaves nothing but an unreferenced body that the store sweeps, and the sender, who heard
// nothing, still has the message; a crash after it leaves a message that is filed and may be sent again by a
// sender whose 250 was lost (RFC 5321 4.5.3.2.6, RFC 1047).
//
// RFC 5321 4.4, 6.1, 6.3 (trace, responsibility, loops).
package intake
