// Package lmtp takes mail from a foreign MTA in front of us, over LMTP (RFC 2033) on TCP or a UNIX socket.
//
// It takes commands that infra/smtpd has parsed and hands letters to service/intake, as mta/inbound does, with
// two differences: each recipient has a reply of its own after the data, and the MTA in front has spoken with
// the sender, so nothing about the sender is judged here.
//
// Invariants: a recipient's 250 means that the message is committed for it. All recipients are one commit; where that
// fails because of one of them, each is tried alone, so that its neighbours are not refused with it.
package lmtp
