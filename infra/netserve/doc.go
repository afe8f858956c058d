// Package netserve owns sockets: it opens listeners and runs their connections.
//
// It takes addresses from the configuration (TCP, UNIX sockets, sockets that systemd opened) and a Handler from a role's server, and
// hands each connection to the handler with a context. What is said on the connection is not its business.
//
// Invariants:
//
//   - The accept loop never spins and never ends for a passing trouble: when files run out it waits and tries again.
//   - Connections are bounded, in all, by client (an IPv4 address, an IPv6 /64) and by network (an IPv4 /24, an IPv6 /56); whoever is
//     over the bound, or is not admitted (Config.Admit), is told so in the protocol's own words and costs no handler.
//   - The client's address comes from a PROXY header only where the configuration trusts the peer to say it, and
//     then nothing else is believed: a connection without a header is closed.
//   - A handler's panic ends its connection, not the process.
//   - After Shutdown nothing is left: no listener, no connection, no goroutine, no socket file.
package netserve
