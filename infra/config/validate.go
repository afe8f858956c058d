package config

import (
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
)

// Validate judges every value. The error is of kind Invalid and wraps Problems.
func (c Config) Validate() error { return c.problems().err() }

// judge collects problems.
type judge struct{ ps Problems }

func (j *judge) say(key, format string, args ...any) {
	j.ps = append(j.ps, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

// must says so unless the condition holds.
func (j *judge) must(ok bool, key, format string, args ...any) {
	if !ok {
		j.say(key, format, args...)
	}
}

func (c Config) problems() Problems {
	j := &judge{}
	j.must(c.Data != "", "data", "this must name a directory")
	if _, err := addr.NormalDomain(c.Hostname); err != nil || strings.HasPrefix(c.Hostname, "[") {
		j.say("hostname", "%q is not a host name; write one such as \"mail.example.com\"", c.Hostname)
	}
	j.word("log.level", c.Log.Level, "debug", "info", "warn", "error")
	j.word("log.format", c.Log.Format, "text", "json", "auto")
	j.spans("", reflect.ValueOf(c))
	j.listeners(c.Listen)
	j.must(c.LMTPSocketPermissions() != 0, "listen.lmtp_socket_mode", "%q is not a file's permissions; write octal digits such as \"0660\"", c.Listen.LMTPSocketMode)
	for i, cert := range c.TLS.Certificates {
		key := fmt.Sprintf("tls.certificate[%d]", i)
		j.must(cert.Cert != "", key+".cert", "this must name the certificate's PEM file")
		j.must(cert.Key != "", key+".key", "this must name the PEM file of the certificate's private key")
	}
	j.smtp("smtp", c.SMTP)
	j.smtp("submission", c.Submission)
	j.smtp("lmtp", c.LMTP)
	j.relay(c.Relay)
	j.must(c.IMAP.IdleTimeout > 0, "imap.idle_timeout", "this must be longer than nothing, such as \"30m\"")
	j.must(c.IMAP.LoginTimeout > 0, "imap.login_timeout", "this must be longer than nothing, such as \"1m\"")
	j.must(c.IMAP.MaxMessageSize > 0, "imap.max_message_size", "this must be more than nothing, such as \"50MiB\"")
	j.must(c.POP3.IdleTimeout > 0, "pop3.idle_timeout", "this must be longer than nothing, such as \"10m\"")
	j.queue(c.Queue)
	j.outbound(c)
	for i, s := range c.DNS.Servers {
		_, portErr := netip.ParseAddrPort(s)
		_, ipErr := netip.ParseAddr(s)
		j.must(portErr == nil || ipErr == nil, fmt.Sprintf("dns.servers[%d]", i), "%q is not an IP address, with a port or without", s)
	}
	j.must(c.DNS.Timeout > 0, "dns.timeout", "this must be longer than nothing, such as \"10s\"")
	j.trust(c)
	j.accounts(c.Accounts)
	j.lab(c)
	return j.ps
}

func (j *judge) word(key, value string, words ...string) {
	if slices.Contains(words, value) {
		return
	}
	text := fmt.Sprintf("%q is none of %s", value, strings.Join(words, ", "))
	if near := nearest(value, words); near != "" && value != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	j.say(key, "%s", text)
}

// spans looks at all values that have a unit or a sign: a bare number is no length of time, and
// nothing is less than nothing.
func (j *judge) spans(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for f, fv := range v.Fields() {
			j.spans(strings.TrimPrefix(path+"."+keyOf(f), "."), fv)
		}
	case reflect.Int, reflect.Int64:
		if v.Int() < 0 {
			j.say(path, "this cannot be negative")
		} else if d, ok := v.Interface().(Duration); ok && d > 0 && d.Std() < time.Millisecond {
			j.say(path, "%d has no unit; write it in quotes with one, such as \"%ds\"", d, d)
		} else if v.Kind() == reflect.Int && v.Int() > math.MaxInt32 {
			j.say(path, "%d is more than this can be", v.Int())
		}
	}
}

func (j *judge) smtp(key string, s SMTPServer) {
	j.must(s.MaxMessageSize > 0, key+".max_message_size", "this must be more than nothing, such as \"50MiB\"")
	j.must(s.MaxRecipients > 0, key+".max_recipients", "this must be one at least; other hosts count on 100")
	j.must(s.CommandTimeout > 0, key+".command_timeout", "this must be longer than nothing, such as \"5m\"")
	j.must(s.DataTimeout > 0, key+".data_timeout", "this must be longer than nothing, such as \"5m\"")
}

func (j *judge) queue(q Queue) {
	j.must(q.RetryFirst > 0, "queue.retry_first", "this must be longer than nothing, such as \"5m\"")
	j.must(q.RetryMax >= q.RetryFirst, "queue.retry_max", "this must not be shorter than retry_first (%s)", q.RetryFirst)
	j.must(q.Expire > 0, "queue.expire", "this must be longer than nothing, such as \"5d\"")
	j.must(q.Concurrency > 0, "queue.concurrency", "this must be one at least, or no mail would leave")
	j.must(q.PerRoute > 0, "queue.per_route", "this must be one at least, or no mail would leave")
}

func (j *judge) outbound(c Config) {
	o := c.Outbound
	j.port("outbound.port", o.Port)
	j.word("outbound.tls", string(o.TLS), string(TLSNone), string(TLSOpportunistic), string(TLSRequire), string(TLSVerify))
	j.must(o.ConnectTimeout > 0, "outbound.connect_timeout", "this must be longer than nothing, such as \"30s\"")
	if _, err := addr.NormalDomain(o.Hello); err != nil && o.Hello != "" {
		j.say("outbound.hello", "%q is not a host name", o.Hello)
	}
	s := o.Smarthost
	key := "outbound.smarthost."
	j.port(key+"port", s.Port)
	j.word(key+"tls", string(s.TLS), string(TLSNone), string(TLSOpportunistic), string(TLSRequire), string(TLSVerify), string(TLSImplicit))
	switch {
	case s.Host == "" && s.Username != "":
		j.say(key+"host", "a username is set, but no host to log in to")
	case s.Username != "" && s.PasswordFile == "":
		j.say(key+"password_file", "a username is set, so this must name the file with its password")
	case s.Username != "" && (s.TLS == TLSNone || s.TLS == TLSOpportunistic) && !isLoopback(s.Host):
		j.say(key+"tls", "a password would be sent over a connection that may not be encrypted; use \"verify\" or \"implicit\"")
	case strings.Contains(s.Host, ":") && net.ParseIP(s.Host) == nil:
		j.say(key+"host", "%q must be a name alone; the port has a key of its own", s.Host)
	}
	seen := map[string]bool{}
	for i, r := range c.Routes {
		key := fmt.Sprintf("route[%d]", i)
		bare, below := strings.CutPrefix(r.Domain, "*.")
		name, err := addr.NormalDomain(bare)
		if below {
			name = "*." + name
		}
		switch {
		case err != nil:
			j.say(key+".domain", "%q is not a domain; write \"example.com\", or \"*.example.com\" for all below it", r.Domain)
		case seen[name]:
			j.say(key+".domain", "%s has a route already; keep one of the two", r.Domain)
		default:
			seen[name] = true
		}
		j.target(key+".host", r.Host)
		if r.TLS != "" {
			j.word(key+".tls", string(r.TLS), string(TLSNone), string(TLSOpportunistic), string(TLSRequire), string(TLSVerify))
		}
	}
}

func (j *judge) port(key string, n int) {
	j.must(n >= 1 && n <= 65535, key, "%d is not a port; ports are 1 to 65535", n)
}

// target judges a "host:port" to connect to.
func (j *judge) target(key, text string) {
	host, port, err := net.SplitHostPort(text)
	n, numErr := strconv.ParseUint(port, 10, 16)
	j.must(err == nil && host != "" && numErr == nil && n > 0, key, "%q is not a host and a port; write \"mx.example.com:25\"", text)
}

func (j *judge) accounts(a Accounts) {
	if strings.ContainsAny(a.Subaddress, "@\" .") || len(a.Subaddress) > 4 {
		j.say("accounts.subaddress", "%q cannot part names; use a sign such as \"+\" or \"-\", or \"\" for none", a.Subaddress)
	}
	seen := map[string]bool{}
	for _, b := range a.NewMailboxes() {
		key := "accounts.mailboxes"
		switch {
		case seen[strings.ToLower(b.Name)]:
			j.say(key, "there are two mailboxes called %q; every mailbox needs a name of its own", b.Name)
		case b.Name == "" || len(b.Name) > 255 || strings.ContainsFunc(b.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) ||
			strings.HasPrefix(b.Name, "/") || strings.HasSuffix(b.Name, "/") || strings.Contains(b.Name, "//"):
			j.say(key, "%q cannot be the name of a mailbox", b.Name)
		}
		seen[strings.ToLower(b.Name)] = true
	}
}

func (j *judge) lab(c Config) {
	if !c.Lab.Active() {
		return
	}
	for _, l := range c.Listen.all() {
		for _, a := range l.at {
			if host, _, err := net.SplitHostPort(a); err == nil && !isLoopback(host) {
				j.say("lab", "[lab] is for test benches: listen.%s = %q must be a loopback address such as \"127.0.0.1:2525\", or [lab] must go", l.key, a)
			}
		}
	}
	if c.Lab.RouteAll != "" {
		j.target("lab.route_all", c.Lab.RouteAll)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Lab.Hosts)) {
		j.target("lab.hosts."+name, c.Lab.Hosts[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Lab.DNS)) {
		j.records("lab.dns."+name, name, c.Lab.DNS[name])
	}
}

func (j *judge) records(key, name string, r Records) {
	_, nameErr := addr.NormalDomain(name)
	_, ipErr := netip.ParseAddr(name)
	j.must(nameErr == nil || ipErr == nil && len(r.PTR) > 0, key, "%q is not a name of DNS", name)
	isName := func(s string) bool { _, err := addr.NormalDomain(s); return err == nil }
	for _, v := range r.A {
		ip, err := netip.ParseAddr(v)
		j.must(err == nil && ip.Is4(), key+".a", "%q is not an IPv4 address", v)
	}
	for _, v := range r.AAAA {
		ip, err := netip.ParseAddr(v)
		j.must(err == nil && ip.Is6() && ip.Zone() == "", key+".aaaa", "%q is not an IPv6 address", v)
	}
	for _, v := range r.MX {
		words := strings.Fields(v)
		ok := len(words) == 2 && (words[1] == "." || isName(words[1]))
		if ok {
			_, err := strconv.ParseUint(words[0], 10, 16)
			ok = err == nil
		}
		j.must(ok, key+".mx", "%q is not a preference and a host; write \"10 mx.example.test\"", v)
	}
	for _, v := range r.TXT {
		j.must(!strings.ContainsAny(v, "\r\n"), key+".txt", "a text cannot have more than one line")
	}
	for _, v := range r.PTR {
		j.must(isName(v), key+".ptr", "%q is not a host name", v)
	}
	if r.CNAME != "" {
		j.must(isName(r.CNAME), key+".cname", "%q is not a name of DNS", r.CNAME)
		j.must(len(r.A)+len(r.AAAA)+len(r.MX)+len(r.TXT)+len(r.PTR) == 0, key+".cname", "a name with a CNAME can have no other record")
	}
}
