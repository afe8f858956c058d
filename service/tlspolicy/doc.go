// Package tlspolicy knows the MTA-STS policies of other domains: what each of them says about the hosts that may get its mail.
//
// It takes a recipient's domain from mta/outbound, asks the DNS whether the domain has a policy, fetches it from the domain's web
// server, and hands back the policy that counts now (proto/mtasts decides what it means). What was fetched is remembered in
// mail.Notes, of kind "mta-sts", for all nodes of the system and across restarts, and in memory so that a message costs
// no query. Run keeps the policies fresh of the domains that got mail lately.
//
// Invariants:
//
//   - A policy counts until it expires, whatever the DNS and the web server say meanwhile (RFC 8461 3.3, RFC 8461 5.1).
//   - A policy is taken only over HTTPS from the host that the standard names, with a certificate that is valid for it; no redirect
//     is followed (RFC 8461 3.3). A fetch takes a minute at most, and 64 KiB.
//   - One domain is looked up by one goroutine at a time, whoever asks; so many at once in all (Config.Fetches).
//   - A fetch that failed is not made again for five minutes (mtasts.RetryFetch), and is logged once for those.
//   - Memory is bounded (Config.Memory), whatever domains publish.
//
// RFCs: RFC 8461 (the sender's side), RFC 8460 4.3.2.2 (the words for what failed).
package tlspolicy
