package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/postrider/postrider/proto/addr"
)

// listener is one key of [listen].
type listener struct {
	key string
	at  Addresses
}

// all lists the services in the order of the keys.
func (l Listen) all() []listener {
	return []listener{
		{"smtp", l.SMTP}, {"submission", l.Submission}, {"submissions", l.Submissions}, {"lmtp", l.LMTP},
		{"imap", l.IMAP}, {"imaps", l.IMAPS}, {"pop3", l.POP3}, {"pop3s", l.POP3S},
		{"http", l.HTTP}, {"https", l.HTTPS}, {"metrics", l.Metrics},
	}
}

func (j *judge) listeners(l Listen) {
	taken := map[string]string{}
	for _, s := range l.all() {
		key := "listen." + s.key
		for _, a := range s.at {
			host, port, err := net.SplitHostPort(a)
			if err != nil {
				j.say(key, "%q is not an address; write \"host:port\", or \":port\" for all addresses", a)
				continue
			}
			if n, err := strconv.ParseUint(port, 10, 16); err != nil {
				j.say(key, "%q has no port between 0 and 65535", a)
			} else if n != 0 {
				if other := taken[a]; other != "" {
					j.say(key, "%s is the address of %s already; each service needs one of its own", a, other)
				}
				taken[a] = key
			}
			if _, err := netip.ParseAddr(host); err == nil || host == "" {
				continue
			}
			if _, err := addr.NormalDomain(host); err != nil {
				j.say(key, "%q does not begin with an address of this machine", a)
			}
		}
	}
}

// isLoopback reports whether a host is this machine and cannot be reached from another.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return ip.Unmap().IsLoopback()
}

// Public reports whether any service can be reached from other machines.
func (l Listen) Public() bool {
	for _, s := range l.all() {
		for _, a := range s.at {
			if host, _, err := net.SplitHostPort(a); err == nil && !isLoopback(host) {
				return true
			}
		}
	}
	return false
}

// Advice lists what works, but hardly as meant: one sentence each.
func (c Config) Advice() []string {
	var out []string
	if !c.Listen.Public() {
		return nil
	}
	if !strings.Contains(c.Hostname, ".") {
		out = append(out, `hostname is "`+c.Hostname+`"; other hosts will distrust mail from it: set hostname to the full name that DNS has for this machine`)
	}
	if len(c.TLS.Certificates) == 0 && !c.TLS.ACME.Enabled {
		out = append(out, "no certificate is configured; mail programs will not trust the self-signed one: turn on [tls.acme], or add a [[tls.certificate]]")
	}
	for _, a := range c.Listen.Metrics {
		if host, _, err := net.SplitHostPort(a); err == nil && !isLoopback(host) {
			out = append(out, "listen.metrics = \""+a+"\" can be reached by other machines, and tells everybody how much mail there is: keep it on loopback or a private network")
		}
	}
	if len(c.Listen.LMTP) > 0 {
		for _, a := range c.Listen.LMTP {
			if host, _, err := net.SplitHostPort(a); err == nil && !isLoopback(host) {
				out = append(out, "listen.lmtp = \""+a+"\" can be reached by other machines, and LMTP asks nobody who they are: keep it on loopback or a private network")
			}
		}
	}
	return out
}
