// Package mta is the transfer agent: it moves mail between hosts. Itself it holds only the words its parts share;
// the work is in the folders below.
//
//   - inbound takes mail from other hosts (port 25) and refuses in the session what it would have to bounce later.
//   - queue decides when a message that leaves is tried, and settles what each attempt came to.
//   - outbound makes one attempt: which host, over what connection, in which words.
//   - bounce writes the report about recipients that failed or wait.
//
// It takes queued messages from whoever committed a mail.Enqueue, and hands on, per recipient, one final mail.Outcome
// in the trail. The three outgoing parts know one another only by the values here: outbound gives a Verdict for each
// recipient, queue makes settlements and a Report of them, bounce makes a message of the Report.
package mta
