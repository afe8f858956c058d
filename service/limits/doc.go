// Package limits keeps the doors: it says when a network, a sender, an account or somebody who guesses passwords has had enough.
//
// It takes who does something (an address, a name, an account) from the doors (infra/netserve, mta/inbound, msa, and
// service/directory for every login) and the values from the configuration, and answers with nil or with the sentence that
// refuses. It has three parts, made together by New:
//
//   - Rates: connections and messages of a network (an IPv4 /24, an IPv6 /56), messages of an outside sender. In memory, of
//     a fixed size, per node.
//   - Guard: wrong passwords. It slows answers down, bans an address (an IPv6 /64), and slows those who guess at one account from
//     many addresses. Bans are notes of the kind "ban" and hold on every node and after a restart.
//   - Daily: how many recipients, and how many people it never wrote to, an account may write to in a day (UTC). What is counted is
//     part of the commit that takes the message, so a message that was not taken was not counted, on however many nodes.
//
// Notes of this package, whose values and keys hold no secret and no name of a user:
//
//	ban           key: the prefix, "192.0.2.7/32"                 value: JSON of since, until, failures; N: how many bans it had
//	known-client  key: HMAC(address) "/" HMAC(address, account)   value: empty; expires KnownFor after the last login or so
//	sent          key: account "/" yyyymmdd                       N: recipients of that day
//	sent-new      key: account "/" yyyymmdd                       N: those of them it never wrote to before
//	met           key: MetKey(account, address)                   value: empty; expires MetFor after the last message or so
//
// Invariants: whoever has logged in to an account from an address is never refused nor made to wait before the password is looked
// at, whatever others do there or to the account; memory has a bound, and no flood of addresses makes a flooder forgotten;
// whether an account exists changes no answer; a wait has an end, and no more than a fixed number wait at once.
//
// RFC 5321 7.8 (resistance to attacks), RFC 3463 3.8 (X.7.x), RFC 4954 4 (454 for what may pass later).
package limits
