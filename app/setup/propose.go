package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

// proxyFrom is where connections from a web server in front come from: a loopback address of its own, so that all other local
// clients need no PROXY header.
const proxyFrom = "127.0.0.66"

// bigHosts are mail hosts that are always there, run by different people.
func bigHosts() []string {
	return []string{"gmail-smtp-in.l.google.com:25", "outlook-com.olc.protection.outlook.com:25", "mta5.am0.yahoodns.net:25", "mx01.mail.icloud.com:25"}
}

// propose makes the configuration that is to be: what is there, or the defaults, with what was asked for.
func (r *run) propose(context.Context) error {
	c := config.Default(r.o.Data)
	if r.before != nil {
		c = *r.before
	}
	c.Data, c.Hostname = r.o.Data, r.hostname
	if r.o.Publish.Provider != "" {
		c.Publish = r.o.Publish
		if c.Publish.KeyAlgorithm == "" {
			c.Publish.KeyAlgorithm = "hmac-sha256"
		}
	}
	if err := r.proposeWeb(&c); err != nil {
		return err
	}
	if r.o.Certificate != "" {
		c.TLS.Certificates = []config.Certificate{{Cert: r.o.Certificate, Key: r.o.Key}}
		c.TLS.ACME.Enabled = false
	}
	switch {
	case len(r.o.Reach) > 0:
		c.Doctor.Reach = r.o.Reach
	case r.before == nil && !r.o.SkipReach:
		c.Doctor.Reach = bigHosts()
	}
	for _, line := range r.o.Set {
		if err := amend(&c, line); err != nil {
			return err
		}
	}
	if err := c.Validate(); err != nil {
		return err
	}
	var err error
	r.cfg = c
	r.names, err = r.host.Resolver(c)
	return err
}

// amend takes one line of TOML over.
func amend(c *config.Config, line string) error {
	d := toml.NewDecoder(bytes.NewReader([]byte(line))).DisallowUnknownFields()
	err := d.Decode(c)
	if _, unknown := errors.AsType[*toml.StrictMissingError](err); unknown {
		return mail.Errorf(mail.Invalid, "there is no such key as in %q; all keys are shown by: postrider config reference", line)
	}
	if err != nil {
		return mail.Errorf(mail.Invalid, "%q is not a setting; write it as a line of the configuration with its whole key, such as: dns.servers = [\"192.0.2.53\"]: %w", line, err)
	}
	return nil
}

// proposeWeb says where certificates come from, and who has the ports of the web.
func (r *run) proposeWeb(c *config.Config) error {
	web := r.o.Web
	if web == WebAny {
		return nil // as it was configured
	}
	if web == WebOff {
		c.Listen.HTTP, c.Listen.HTTPS, c.TLS.ACME.Enabled = config.Addresses{}, config.Addresses{}, false
		return nil
	}
	if r.o.Certificate == "" {
		c.TLS.ACME.Enabled = true
		if c.TLS.ACME.Email == "" {
			c.TLS.ACME.Email = r.admin
		}
		c.TLS.ACME.Challenges = []string{"tls-alpn", "http"}
		if web == WebDNS {
			c.TLS.ACME.Challenges = []string{"dns"}
		}
	}
	for _, p := range []struct {
		at    *config.Addresses
		port  uint16
		aside uint16
	}{{&c.Listen.HTTP, 80, 8080}, {&c.Listen.HTTPS, 443, 8443}} {
		aside := len(*p.at) == 1 && loopback((*p.at)[0])
		if web == WebOwn || !aside && r.holder(p.port) == nil && (web == WebDNS || r.holder(80) != nil || r.holder(443) != nil) {
			*p.at = config.Addresses{":" + strconv.Itoa(int(p.port))}
			continue
		}
		if aside {
			continue
		}
		free := r.free(p.aside)
		*p.at = config.Addresses{net.JoinHostPort("127.0.0.1", strconv.Itoa(int(free)))}
		if !slices.Contains(c.Listen.ProxyFrom, proxyFrom) {
			c.Listen.ProxyFrom = append(slices.Clone(c.Listen.ProxyFrom), proxyFrom)
		}
	}
	return nil
}

// free is a port that nobody has, at or after one.
func (r *run) free(from uint16) uint16 {
	for n := range uint16(100) {
		if r.holder(from+n) == nil {
			return from + n
		}
	}
	return from
}

func loopback(at string) bool {
	ap, err := netip.ParseAddrPort(at)
	return err == nil && ap.Addr().IsLoopback()
}

// holder is who else listens on a port, or nil.
func (r *run) holder(port uint16) *Listener {
	for i, l := range r.taken {
		if l.At.Port() == port && !l.Ours() {
			return &r.taken[i]
		}
	}
	return nil
}

// web is the text that tells how a web server in front passes our names on; "" where none is.
func (r *run) web() string {
	at := func(a config.Addresses) string {
		if len(a) == 1 && loopback(a[0]) {
			return a[0]
		}
		return ""
	}
	http, https := at(r.cfg.Listen.HTTP), at(r.cfg.Listen.HTTPS)
	if http == "" && https == "" {
		return ""
	}
	names := []string{r.hostname}
	for _, label := range []string{"mta-sts", "autoconfig", "autodiscover"} {
		names = append(names, label+"."+r.domain)
	}
	return nginx(names, http, https) + "\n" + caddy(names, http, https)
}

// nginx passes TLS on as it comes, so that Postrider gets and shows its own certificates.
func nginx(names []string, http, https string) string {
	var b strings.Builder
	b.WriteString("# nginx\n")
	if http != "" {
		fmt.Fprintf(&b, "# in http { ... }: certificate authorities ask for names here\nserver {\n    listen 80;\n    listen [::]:80;\n    server_name %s;\n"+
			"    location / {\n        proxy_pass http://%s;\n        proxy_set_header Host $host;\n    }\n}\n", strings.Join(names, " "), http)
	}
	if https != "" {
		b.WriteString("# beside http { ... }: TLS for these names goes on unopened, with the client's address (PROXY protocol). Your own sites\n" +
			"# listen on 127.0.0.1:4443 then, with: listen 127.0.0.1:4443 ssl proxy_protocol;\nstream {\n    map $ssl_preread_server_name $behind {\n")
		for _, n := range names {
			fmt.Fprintf(&b, "        %s %s;\n", n, https)
		}
		fmt.Fprintf(&b, "        default 127.0.0.1:4443;\n    }\n    server {\n        listen 443;\n        listen [::]:443;\n        ssl_preread on;\n"+
			"        proxy_pass $behind;\n        proxy_bind %s;\n        proxy_protocol on;\n    }\n}\n", proxyFrom)
	}
	return b.String()
}

// caddy has certificates of its own for the pages; what is asked over port 80 goes on.
func caddy(names []string, http, https string) string {
	var b strings.Builder
	b.WriteString("# Caddy; from version 2.7 on take the # before proxy_protocol away, and Postrider knows the client's address\n")
	if http != "" {
		fmt.Fprintf(&b, "http://%s {\n    reverse_proxy %s {\n        transport http {\n            # proxy_protocol v2\n        }\n    }\n}\n", strings.Join(names, ", http://"), http)
	}
	if https != "" {
		fmt.Fprintf(&b, "%s {\n    reverse_proxy https://%s {\n        header_up Host {host}\n        transport http {\n            # proxy_protocol v2\n            tls_server_name %s\n        }\n    }\n}\n",
			strings.Join(names[1:], ", "), https, names[0])
	}
	return b.String()
}

// configDir is the directory of the configuration file.
func (r *run) configDir() string { return filepath.Dir(r.o.Config) }
