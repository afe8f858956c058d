// Package load compares Postrider with Debian's Postfix and Dovecot, on one machine and in one run.
//
// A Rig is a system under test: its own directory, its own loopback ports, its own processes. A Work is a task that is the
// same for every rig: it prepares them, and then measures them in turn, round after round, so that what else goes on
// on the machine meets all of them. What it measures are Samples; Table, Plot and Page make the report of them.
//
// Beside the two mail systems there are null rigs, which answer everything and do nothing (or nothing but
// append and sync), and a loop that only appends and syncs: the limits of the machine and of the clients.
//
// Invariants: everything listens on loopback; every process is ended by its own id, on errors and interrupts too; CPU is
// that of the whole process tree of a system, ended children included; a message counts when it can be read over IMAP.
package load
