package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// checkWeight judges a list of the form "zone=weight"; service/junk reads it.
func checkWeight(s string) error {
	zone, number, given := strings.Cut(s, "=")
	if _, err := addr.NormalDomain(strings.TrimSpace(zone)); err != nil || !given {
		return err
	}
	w, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err == nil && !(w >= -100 && w <= 100) {
		err = fmt.Errorf("no weight")
	}
	return err
}

// Resolvers are the configured name servers, with their ports. Invalid where one is no address.
func (d DNS) Resolvers() ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, s := range d.Servers {
		at, err := netip.ParseAddrPort(s)
		if err != nil {
			ip, err := netip.ParseAddr(s)
			if err != nil {
				return nil, mail.Errorf(mail.Invalid, "dns.servers: %q is not an address", s)
			}
			at = netip.AddrPortFrom(ip, 53)
		}
		out = append(out, at)
	}
	return out, nil
}

// Prefixes reads networks, or addresses that stand for themselves. The configuration must be valid.
func Prefixes(networks []string) []netip.Prefix { return Relay{Networks: networks}.Prefixes() }

// challengeWords are the words of ACME.Challenges, and providerWords those of Publish.Provider.
func challengeWords() []string { return []string{"tls-alpn", "http", "dns"} }

func providerWords() []string {
	return []string{"", "rfc2136", "cloudflare", "hetzner", "desec", "gandi", "porkbun"}
}

// trust judges what says whom to believe, and whom to ask.
func (j *judge) trust(c Config) {
	j.networks("listen.proxy_from", c.Listen.ProxyFrom)
	j.networks("judge.forwarders", c.Judge.Forwarders)
	j.networks("judge.trusted", c.Judge.Trusted)
	j.must(c.Judge.Within > 0, "judge.within", "this must be longer than nothing, such as \"15s\"")
	j.must(c.Scan.Timeout > 0, "scan.timeout", "this must be longer than nothing, such as \"30s\"")
	j.weights("junk.lists", c.Junk.Lists)
	j.weights("junk.domain_lists", c.Junk.DomainLists)
	j.zones("doctor.lists", c.Doctor.Lists)
	j.zones("dns.exempt", c.DNS.Exempt)
	for i, at := range c.Doctor.Reach {
		j.target(fmt.Sprintf("doctor.reach[%d]", i), at)
	}
	for i, at := range c.Doctor.TimeURLs {
		u, err := url.Parse(at)
		j.must(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), fmt.Sprintf("doctor.time_urls[%d]", i), "%q is not the address of a web page", at)
	}
	const most = 1e6
	j.must(c.Junk.Threshold > 0 && c.Junk.Threshold <= most, "junk.threshold", "this must be more than 0, or all mail would be junk, and at most a million")
	j.must(c.Junk.Refuse == 0 || c.Junk.Refuse >= c.Junk.Threshold && c.Junk.Refuse <= most,
		"junk.refuse", "this must not be below threshold (%g); 0 refuses nothing", c.Junk.Threshold)
	if u, err := url.Parse(c.Scan.Rspamd); c.Scan.Rspamd != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		j.say("scan.rspamd", "%q is not an address; write it as \"http://127.0.0.1:11333\"", c.Scan.Rspamd)
	}
	if (c.Limits.LoginFailures > 0) && (c.Limits.LoginWindow <= 0 || c.Limits.BanFor <= 0) {
		j.say("limits.login_failures", "login_window and ban_for must be longer than nothing, such as \"10m\"")
	}
	if a := c.Reports.Address; a != "" {
		if _, err := addr.Parse(a); err != nil {
			j.say("reports.address", "%q is not an address", a)
		}
	}
	j.acme(c)
}

func (j *judge) acme(c Config) {
	a, p := c.TLS.ACME, c.Publish
	j.word("tls.mta_sts", c.TLS.MTASTS, "enforce", "testing", "none")
	j.must(len(a.Challenges) > 0, "tls.acme.challenges", "name one way at least: tls-alpn, http or dns")
	for i, w := range a.Challenges {
		j.word(fmt.Sprintf("tls.acme.challenges[%d]", i), w, challengeWords()...)
	}
	j.zones("tls.acme.names", a.Names)
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Host == "" || u.Scheme != "https") {
		j.say("tls.acme.directory", "%q is not an address that begins with https://", a.Directory)
	}
	if a.Enabled && slices.Contains(a.Challenges, "dns") && p.Provider == "" {
		j.say("tls.acme.challenges", "the way \"dns\" writes records: say in [publish] where")
	}
	j.word("publish.provider", p.Provider, providerWords()...)
	j.word("publish.key_algorithm", p.KeyAlgorithm, "hmac-sha256", "hmac-sha512", "hmac-sha1")
	if p.Provider == "" {
		return
	}
	j.must(p.SecretFile != "", "publish.secret_file", "this must name the file with the provider's token")
	if p.Provider == "rfc2136" {
		j.target("publish.server", p.Server)
		j.must(p.KeyName != "", "publish.key_name", "this must name the TSIG key, whose secret is in secret_file")
	}
}

func (j *judge) networks(key string, list []string) {
	for i, n := range list {
		_, err := network(n)
		j.must(err == nil, fmt.Sprintf("%s[%d]", key, i), "%q is not a network; write it as \"192.0.2.0/24\", or as a single address", n)
	}
}

func (j *judge) zones(key string, list []string) {
	for i, n := range list {
		_, err := addr.NormalDomain(n)
		j.must(err == nil && !strings.HasPrefix(n, "["), fmt.Sprintf("%s[%d]", key, i), "%q is not a name of DNS", n)
	}
}

func (j *judge) weights(key string, list []string) {
	for i, l := range list {
		err := checkWeight(l)
		j.must(err == nil, fmt.Sprintf("%s[%d]", key, i), "%q is not a list and a weight; write \"zen.example.org=4\"", l)
	}
}
