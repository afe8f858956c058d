// Package netlab builds a small internet on this machine, for the tests of everything that needs several hosts and ports below 1024.
//
// It takes nothing but root on Linux and Debian's programs, and hands tests a Lab of Hosts: each is a network namespace with addresses that
// look public (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32), a hostname and an /etc/resolv.conf of its own. A router joins
// them and says "unreachable" to everything else; nothing leaves the machine. Start peoples it:
//
//	dns        BIND with a root zone of our own, signed from a key of our own, and all zones below it; what it serves is changed by
//	           Publish, SetDS or anybody who knows the TSIG key (RFC 2136)
//	resolver   Unbound that only hands on what it finds (Plain), and Unbound that checks signatures (Checking)
//	ca         Pebble, an ACME authority that looks at the real ports 80 and 443 of the names it certifies
//	strangers  Postfix with OpenDKIM, OpenDMARC (which judges SPF too) and DANE, each with a domain of its own, as mail hosts
//	           out there are run
//
// and AddHost makes an empty host for the program under test.
//
// Invariants: names of namespaces hold the id and the start time of the process that owns them, so that two runs never meet and only
// those of dead owners are swept away; every program is started in the foreground, told to die with the test, and is gone with its
// namespace when the test ends, also when it panics or is killed: a janitor of its own waits for that. Configurations, queues and logs are in
// one directory below the temporary one; nothing of the machine's own Postfix, BIND or Unbound is read or written. Only
// /run/netns and /etc/netns hold more than that, while the lab lives.
package netlab
