// Package mda is the delivery agent: it says what becomes of a letter for each local recipient.
//
// It takes a letter and a recipient from whoever brings mail in (mta/inbound, msa, mda/lmtp, a report of
// ours) through mail.Planner, and hands back changes; the caller commits them with everything else the
// letter causes. It writes nothing itself, so a refusal can still be the reply to the sender.
//
// Whether a letter is junk for a recipient it asks a Sorter (service/junk). Junk goes to the recipient's mailbox for junk with the keyword $Junk,
// whatever subaddress it was sent to. Nothing is written into the message about that, since anybody could write the same: the trail tells why.
//
// Invariants: a plan for a recipient either files the letter or refuses it with a sentence; no letter is filed in a
// mailbox that is not the recipient's own.
//
// RFC 5321 4.4 (Return-Path), RFC 5233 (subaddresses).
package mda
