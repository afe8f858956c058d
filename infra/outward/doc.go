// Package outward makes requests to hosts that strangers name, and never to the inside: pictures in mail, Web Push endpoints, mail servers to
// import from.
//
// It takes names, addresses and URLs that anybody may have chosen, resolves names through a Resolver (infra/dns), and hands back connections
// (Dialer) and HTTP answers (Client).
//
// Invariants:
//
//   - A connection is opened only to an address that Dialer.Allowed says yes to, on a port of the configuration. What is checked is the very address
//     that is connected to, after resolving and once more by the socket: an answer of DNS that changes between check and use changes nothing.
//   - A host is a name of the public DNS with a dot in it, or an IP address in its one usual spelling. Numbers in other spellings (decimal, octal,
//     hexadecimal, short) are refused, not interpreted.
//   - Each redirect is checked like the first request; there are at most MaxRedirects.
//   - No proxy of the environment, no cookies, no referrer, no user name in a URL, no more than MaxHeader octets of header and MaxBody of body, no
//     more than Timeout in all. What is compressed stays so: nothing can grow here.
//
// RFCs: RFC 6890 and the IANA registries of special-purpose addresses, RFC 4291 2.5.5, RFC 6052 2.1 (NAT64), RFC 3056 2 (6to4), RFC 4380 4 (Teredo),
// RFC 5214 6.1 (ISATAP), RFC 6761 6.3 (localhost), RFC 9110 15.4 (redirects).
package outward
