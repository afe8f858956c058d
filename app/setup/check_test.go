package setup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// TestChecks changes one thing in a good world; the check that looks at it must say so, and say what to do.
// RFC 5782 2.1 and 2.4 (block lists), RFC 1912 2.1 (reverse names), RFC 6598 7 (addresses of carriers).
func TestChecks(t *testing.T) {
	t.Parallel()
	secure := dns.Verdict{Security: dns.Secure, Status: dns.Found}
	for name, c := range map[string]struct {
		change func(w *world, o *Options)
		step   string
		level  Level
		text   string
		link   string
	}{
		"address seen": {nil, "addresses", Done, "at 192.0.2.1", ""},
		"addresses of both kinds": {func(w *world, _ *Options) { w.ifs = []string{"2001:db8::1/64", "192.0.2.1/24"} },
			"addresses", Done, "at 192.0.2.1, 2001:db8::1", ""},
		"address said":         {func(_ *world, o *Options) { o.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.7")} }, "addresses", Done, "192.0.2.7, as was said", ""},
		"private address said": {func(_ *world, o *Options) { o.Addresses = []netip.Addr{netip.MustParseAddr("10.0.0.7")} }, "addresses", Warn, "10.0.0.7 is not an address of the public Internet", ""},
		"behind NAT, known":    {func(w *world, _ *Options) { w.ifs = []string{"10.0.0.5/8"} }, "addresses", Note, "the private 10.0.0.5 behind a router; the DNS says that mail.example.com is at 192.0.2.1", ""},
		"behind carrier NAT":   {func(w *world, _ *Options) { w.ifs = []string{"100.64.3.4/10"}; w.zone = "x.test A 192.0.2.9" }, "addresses", Warn, "only 100.64.3.4", ""},
		"behind NAT with IPv6": {func(w *world, _ *Options) {
			w.ifs = []string{"10.0.0.5/8", "2001:db8::1/64"}
			w.zone = "mail.example.com AAAA 2001:db8::1"
		}, "addresses", Warn, "only 10.0.0.5, which others cannot reach (behind a router), beside 2001:db8::1", ""},
		"no address": {func(w *world, _ *Options) { w.ifs, w.zone = nil, "x.test A 192.0.2.9" }, "addresses", Warn, "no public address", ""},
		"no interfaces": {func(w *world, _ *Options) {
			w.host.Addresses = func() ([]netip.Addr, error) { return nil, errors.New("no netlink") }
		}, "addresses", Warn, "no netlink", ""},

		"ports free":       {nil, "ports", Done, "free here: ports 25, 465, 587, 993", ""},
		"ports ours":       {func(w *world, _ *Options) { w.listening = []Listener{at("[::]:25", "postrider", "postrider.service")} }, "ports", Done, "or Postrider's already", ""},
		"port 25 taken":    {func(w *world, _ *Options) { w.listening = []Listener{at("127.0.0.1:25", "exim4", "exim4.service")} }, "ports", Fail, "port 25 is in use by exim4 (exim4.service)", linkPorts},
		"port 993 taken":   {func(w *world, _ *Options) { w.listening = []Listener{at("0.0.0.0:993", "dovecot", "")} }, "ports", Fail, "port 993 is in use by dovecot (process 42)", linkPorts},
		"port 465 unknown": {func(w *world, _ *Options) { w.listening = []Listener{{At: netip.MustParseAddrPort("[::1]:465")}} }, "ports", Fail, "port 465 is in use by another program", linkPorts},
		"ports not told":   {func(w *world, _ *Options) { w.listenErr = errors.New("no /proc") }, "ports", Note, "no /proc", ""},
		"another port":     {func(w *world, _ *Options) { w.listening = []Listener{at("0.0.0.0:22", "sshd", "ssh.service")} }, "ports", Done, "free here", ""},
		"25 of another address": {func(w *world, o *Options) {
			w.listening = []Listener{at("192.0.2.9:25", "exim4", "")}
			o.Set = []string{`listen.smtp = "192.0.2.1:25"`}
		}, "ports", Done, "free here: ports 25", ""},

		"25 outward open":    {nil, "port-25-out", Done, "gmail-smtp-in.l.google.com answers", ""},
		"25 outward blocked": {func(w *world, _ *Options) { w.greetings = map[string]string{} }, "port-25-out", Fail, "seems to be blocked", linkPort25},
		"25 outward silent":  {func(w *world, _ *Options) { w.greetings["198.51.100.25:25"] = "" }, "port-25-out", Fail, "said nothing", linkPort25},
		"25 outward refused": {func(w *world, _ *Options) { w.greetings["198.51.100.25:25"] = "554 no\r\n" }, "port-25-out", Fail, `"554"`, linkPort25},
		"one of many": {func(_ *world, o *Options) {
			o.Reach = []string{"nobody.test:25", "198.51.100.99:25", "outlook-com.olc.protection.outlook.com:25"}
		},
			"port-25-out", Done, "outlook-com.olc.protection.outlook.com answers", ""},
		"25 outward skipped": {func(_ *world, o *Options) { o.SkipReach = true }, "port-25-out", Note, "not tried", ""},
		"a smarthost":        {func(_ *world, o *Options) { o.Set = []string{`outbound.smarthost.host = "smart.example"`} }, "port-25-out", Done, "through smart.example", ""},

		"25 inward": {nil, "port-25-in", Done, "port 25 of 192.0.2.1 leads to this machine", ""},
		"25 inward shut": {func(w *world, _ *Options) {
			w.host.Listen = func(context.Context, string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
		}, "port-25-in", Warn, "does not lead to this machine", linkPort25},
		"25 inward another": {func(w *world, _ *Options) {
			w.host.Listen = func(context.Context, string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
			w.greetings["192.0.2.1:25"] = "220 another machine of the provider\r\n"
		}, "port-25-in", Warn, "does not lead to this machine", linkPort25},
		"25 inward, server runs": {func(w *world, _ *Options) {
			w.listening = []Listener{at("[::]:25", "postrider", "")}
			w.greetings["192.0.2.1:25"] = "220 mail.example.com\r\n"
		}, "port-25-in", Done, "leads to this machine", ""},
		"25 inward, not ours": {func(w *world, _ *Options) {
			w.host.Listen = func(context.Context, string) (net.Listener, error) { return nil, errors.New("permission denied") }
		}, "port-25-in", Note, "permission denied", ""},
		"25 inward, no address": {func(w *world, _ *Options) { w.ifs, w.zone = nil, "x.test A 192.0.2.9" }, "port-25-in", Note, "without a public address", ""},
		"25 inward, off":        {func(_ *world, o *Options) { o.Set = []string{"listen.smtp = []"} }, "port-25-in", Note, "listen.smtp is off", ""},

		"reverse good":      {nil, "reverse", Done, "the name leads back", ""},
		"reverse lacking":   {func(w *world, _ *Options) { w.cut("192.0.2.1          PTR   mail.example.com") }, "reverse", Fail, "192.0.2.1 has no reverse name", linkPTR},
		"reverse otherwise": {func(w *world, _ *Options) { w.swap("PTR   mail.example.com", "PTR static-1.provider.test") }, "reverse", Fail, "is static-1.provider.test, not mail.example.com", linkPTR},
		"reverse not back":  {func(w *world, _ *Options) { w.swap("mail.example.com   A     192.0.2.1", "x.test A 192.0.2.9") }, "reverse", Note, "once the records below are published", ""},
		"reverse unknown": {func(w *world, _ *Options) {
			w.swap("192.0.2.1          PTR   mail.example.com", "1.2.0.192.in-addr.arpa FAIL")
		}, "reverse", Note, "cannot be told now", ""},

		"clock right":  {nil, "clock", Done, "the clock is right, says time.test", ""},
		"clock behind": {func(w *world, _ *Options) { w.late(20 * time.Second) }, "clock", Warn, "20s behind", linkClock},
		"clock ahead":  {func(w *world, _ *Options) { w.late(-2 * time.Hour) }, "clock", Fail, "2h0m0s ahead", linkClock},
		"clock unknown": {func(w *world, _ *Options) {
			w.offset = func() (time.Duration, string, error) { return 0, "", errors.New("none") }
		}, "clock", Note, "could not be compared", ""},
		"clock alone": {func(w *world, _ *Options) { w.host.Offset = nil }, "clock", Note, "nobody could be asked", ""},

		"resolver plain":  {nil, "resolver", Done, "DNSSEC is not checked here", ""},
		"resolver secure": {func(w *world, _ *Options) { w.verdicts = map[string]dns.Verdict{"com SOA": secure} }, "resolver", Done, "hands on what DNSSEC needs", ""},
		"resolver with an unsigned top domain": {func(w *world, _ *Options) {
			w.verdicts = map[string]dns.Verdict{"com SOA": {Security: dns.Insecure, Status: dns.Found}, "org SOA": secure}
		}, "resolver", Done, "hands on what DNSSEC needs", ""},
		"resolver strips": {func(w *world, _ *Options) {
			w.verdicts = map[string]dns.Verdict{"com SOA": {Security: dns.Insecure}, "org SOA": {Security: dns.Insecure}}
		}, "resolver", Warn, "leaves out what DNSSEC needs", linkDNSSEC},
		"resolver silent": {func(w *world, _ *Options) { w.verdicts = map[string]dns.Verdict{"com SOA": {Reason: "no answer"}} }, "resolver", Fail, "does not answer: no answer", linkResolver},
		"resolver bogus": {func(w *world, _ *Options) {
			w.verdicts = map[string]dns.Verdict{"com SOA": {Security: dns.Bogus, Reason: "the signature has ended"}}
		},
			"resolver", Fail, "the signature has ended", linkDNSSEC},
		"resolver fails": {func(w *world, _ *Options) { w.swap("mail.example.com   A     192.0.2.1", "mail.example.com FAIL") }, "resolver", Fail, "does not answer", linkResolver},

		"listed": {func(w *world, _ *Options) {
			w.zone += "1.2.0.192.zen.spamhaus.org A 127.0.0.4\n1.2.0.192.zen.spamhaus.org TXT \"see https://check.test/192.0.2.1\"\n"
		}, "blocklist", Warn, "192.0.2.1 is on the block list zen.spamhaus.org (127.0.0.4): see https://check.test", linkBlocklist},
		"list refuses": {func(w *world, _ *Options) { w.zone += "1.2.0.192.zen.spamhaus.org A 127.255.255.254\n" }, "blocklist", Note, "zen.spamhaus.org does not answer questions from our resolver", linkResolver},
		"list taken":   {func(w *world, _ *Options) { w.zone += "1.2.0.192.zen.spamhaus.org A 203.0.113.1\n" }, "blocklist", Note, "zen.spamhaus.org answers as no block list does", ""},
		"list is down": {func(w *world, _ *Options) { w.zone += "1.2.0.192.zen.spamhaus.org FAIL\n" }, "blocklist", Note, "zen.spamhaus.org does not answer", ""},
		"list unheard": {func(w *world, _ *Options) { w.cut("2.0.0.127.zen.spamhaus.org A 127.0.0.2") }, "blocklist", Note, "zen.spamhaus.org could not be asked", linkResolver},
		"list refuses only the trial": {func(w *world, _ *Options) {
			w.swap("2.0.0.127.zen.spamhaus.org A 127.0.0.2", "2.0.0.127.zen.spamhaus.org A 127.255.255.254")
		}, "blocklist", Note, "zen.spamhaus.org does not answer questions from our resolver", linkResolver},
		"not listed": {nil, "blocklist", Done, "not listed by zen.spamhaus.org, bl.spamcop.net, b.barracudacentral.org", ""},
		"IPv6 listed": {func(w *world, _ *Options) {
			w.ifs = []string{"2001:db8::1/64"}
			w.zone += "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org A 127.0.0.3\n"
		}, "blocklist", Warn, "2001:db8::1 is on the block list", linkBlocklist},

		"domain comes here": {nil, "domain", Done, "comes here already", ""},
		"domain elsewhere":  {func(w *world, _ *Options) { w.swap("10 mail.example.com", "10 mx.old.test") }, "domain", Warn, "goes to mx.old.test now", linkMX},
		"domain on both":    {func(w *world, _ *Options) { w.zone += "example.com MX 20 mx.old.test\n" }, "domain", Done, "and to 1 other hosts", ""},
		"domain unknown":    {func(w *world, _ *Options) { w.zone = "x.test A 192.0.2.9" }, "domain", Fail, "does not exist", ""},
		"domain without MX": {func(w *world, _ *Options) {
			w.swap("example.com        MX    10 mail.example.com", "example.com TXT \"x\"")
		}, "domain", Done, "no host has its mail yet", ""},
		"domain broken": {func(w *world, _ *Options) { w.swap("example.com        MX    10 mail.example.com", "example.com FAIL") }, "domain", Warn, "cannot be told", linkResolver},

		"hostname good":    {nil, "hostname", Done, "leads here", ""},
		"hostname lacking": {func(w *world, _ *Options) { w.swap("mail.example.com   A     192.0.2.1", "x.test A 192.0.2.9") }, "hostname", Note, "not in the DNS yet", ""},
		"hostname wrong": {func(w *world, _ *Options) {
			w.swap("mail.example.com   A     192.0.2.1", "mail.example.com A 203.0.113.9")
		}, "hostname", Warn, "leads to 203.0.113.9, which is not this machine", linkMX},
		"hostname in part": {func(w *world, _ *Options) { w.ifs = append(w.ifs, "2001:db8::1/64") }, "hostname", Note, "not to 2001:db8::1 yet", ""},
		"hostname broken":  {func(w *world, _ *Options) { w.swap("mail.example.com   A     192.0.2.1", "mail.example.com FAIL") }, "hostname", Warn, "cannot be told", linkResolver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := usual()
			o.NoStart = true
			if c.change != nil {
				c.change(w, &o)
			}
			report, said, err := w.run(o)
			if err != nil {
				t.Fatalf("a check has ended the run: %v", err)
			}
			list := steps(report, c.step)
			i := slices.IndexFunc(list, func(s Step) bool { return s.Level == c.level && strings.Contains(s.Text, c.text) && s.Link == c.link })
			if i < 0 {
				t.Fatalf("no %s step with %q and %q among %+v", c.level, c.text, c.link, list)
			}
			if (c.level == Fail || c.level == Warn) && list[i].Remedy == "" && c.text != "cannot be told" {
				t.Error("it does not say what to do")
			}
			if !strings.Contains(said, list[i].Text) {
				t.Error("it is not said on the console")
			}
		})
	}
}

func at(at, program, unit string) Listener {
	return Listener{At: netip.MustParseAddrPort(at), PID: 42, Program: program, Unit: unit}
}

func (w *world) cut(line string) { w.swap(line, "other.test A 192.0.2.9") }

func (w *world) swap(from, to string) {
	w.t.Helper()
	if !strings.Contains(w.zone, from) {
		w.t.Fatalf("the zone has no %q", from)
	}
	w.zone = strings.Replace(w.zone, from, to, 1)
}

func (w *world) late(d time.Duration) {
	w.offset = func() (time.Duration, string, error) { return d, "time.test", nil }
}

// TestAskedAddress: behind a router a person is asked for the address outside.
func TestAskedAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ifs, w.zone = []string{"192.168.1.5/24"}, "x.test A 192.0.2.9"
	o := usual()
	o.Yes, o.NoStart, o.Hostname, o.Data, o.SkipChecks = false, true, "mail.example.com", DefaultData, true
	report, said, err := w.run(o, "", "192.168.1.5", "mail", "203.0.113.7")
	if err != nil || !slices.Equal(report.Addresses, []netip.Addr{netip.MustParseAddr("203.0.113.7")}) {
		t.Errorf("%v, %v\n%s", report.Addresses, err, said)
	}
	report, _, err = w.run(o, "", "")
	if err != nil || len(report.Addresses) != 0 || len(report.Records) != 2 {
		t.Errorf("not known: %v, %v", report.Addresses, err)
	}
}

// TestStuck: checks that never get an answer end with the run.
func TestStuck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, Setup{Options: usual(), Host: w.host, Console: Silent{}, Open: w.open})
	if !errors.Is(err, context.DeadlineExceeded) || w.opened > 0 {
		t.Errorf("got %v", err)
	}
}

// TestBlocked: a server whose ports others hold is set up, and not started.
func TestBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listening = []Listener{at("0.0.0.0:25", "exim4", "exim4.service")}
	report, _, err := w.run(usual())
	if err != nil || report.Started || slices.Contains(w.ran, "systemctl enable --now postrider.service") {
		t.Errorf("%v, %v", w.ran, err)
	}
	if !strings.Contains(steps(report, "ports")[1].Remedy, "systemctl disable --now exim4.service") || report.Next[0] != "Do what is said above, and run setup again." {
		t.Errorf("%+v, %v", steps(report, "ports"), report.Next)
	}
}

// TestStart: each way a start can go.
func TestStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(w *world, o *Options)
		started bool
		next    string
		step    string // the step that says why not, with its text
		text    string
	}{
		"well":       {nil, true, "Publish", "start", "the server runs"},
		"no start":   {func(_ *world, o *Options) { o.NoStart = true }, false, "Start the server: systemctl enable --now postrider", "", ""},
		"no systemd": {func(w *world, _ *Options) { w.host.Systemd = false }, false, "Start the server: systemctl enable --now postrider", "", ""},
		"no unit": {func(w *world, o *Options) { w.host.Superuser, o.NoUnit = false, true }, false,
			"Start the server: /usr/local/bin/postrider serve --config /etc/postrider/postrider.toml", "", ""},
		"no user": {func(w *world, _ *Options) {
			w.programs = func(*world, string) (string, error) { return "", errors.New("not found") }
		}, false,
			"Do what is said above", "user", "could not be made: not found"},
		"systemd fails": {func(w *world, _ *Options) {
			w.programs = func(w *world, line string) (string, error) {
				if strings.Contains(line, "enable") {
					return "Job for postrider.service failed", errors.New("exit status 1")
				}
				return w.programsOf(line)
			}
		}, false, "Start the server", "start", "Job for postrider.service failed"},
		"it does not answer": {func(w *world, _ *Options) {
			w.programs = func(w *world, line string) (string, error) {
				said, err := w.programsOf(line)
				delete(w.greetings, "127.0.0.1:25")
				return said, err
			}
		}, false, "Start the server", "start", "does not answer at 127.0.0.1:25"},
		"in root's home": {func(w *world, _ *Options) { w.host.Executable = "/root/postrider" }, false, "Do what is said above", "program", "/root/postrider"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := usual()
			if c.change != nil {
				c.change(w, &o)
			}
			report, said, err := w.run(o)
			if err != nil || report.Started != c.started || !strings.HasPrefix(report.Next[0], c.next) || len(report.Next) > 3 {
				t.Errorf("started %v, next %q, %v\n%s", report.Started, report.Next, err, said)
			}
			if list := steps(report, c.step); c.step != "" && (len(list) != 1 || !strings.Contains(list[0].Text, c.text)) {
				t.Errorf("%+v", list)
			}
			if o.NoUnit && (w.file(unitPath) != "" || len(w.ran) > 0 || len(w.given) > 0) {
				t.Errorf("a user who is not root has %v, %v", w.ran, w.given)
			}
		})
	}
}

// TestWeb: who has ports 80 and 443 decides how certificates are had, and who listens where.
func TestWeb(t *testing.T) {
	t.Parallel()
	nginxAt := func(ports ...string) func(w *world, o *Options) {
		return func(w *world, _ *Options) {
			for _, p := range ports {
				w.listening = append(w.listening, at("0.0.0.0:"+p, "nginx", "nginx.service"))
			}
		}
	}
	dnsToo := func(w *world, o *Options) {
		o.Publish, o.Secret, o.Wait = config.Publish{Provider: "desec"}, "t", -1
	}
	for name, c := range map[string]struct {
		change      []func(w *world, o *Options)
		http, https string
		challenges  string
		acme        bool
	}{
		"free":             {nil, ":80", ":443", "tls-alpn http", true},
		"both taken":       {[]func(*world, *Options){nginxAt("80", "443")}, "127.0.0.1:8080", "127.0.0.1:8443", "tls-alpn http", true},
		"8443 taken too":   {[]func(*world, *Options){nginxAt("80", "443", "8443")}, "127.0.0.1:8080", "127.0.0.1:8444", "tls-alpn http", true},
		"80 taken":         {[]func(*world, *Options){nginxAt("80")}, "127.0.0.1:8080", ":443", "tls-alpn http", true},
		"taken, with DNS":  {[]func(*world, *Options){nginxAt("80", "443"), dnsToo}, "127.0.0.1:8080", "127.0.0.1:8443", "dns", true},
		"free, with DNS":   {[]func(*world, *Options){dnsToo}, ":80", ":443", "tls-alpn http", true},
		"asked for DNS":    {[]func(*world, *Options){dnsToo, func(_ *world, o *Options) { o.Web = WebDNS }}, ":80", ":443", "dns", true},
		"asked for behind": {[]func(*world, *Options){func(_ *world, o *Options) { o.Web = WebBehind }}, "127.0.0.1:8080", "127.0.0.1:8443", "tls-alpn http", true},
		"will be stopped":  {[]func(*world, *Options){nginxAt("80", "443"), func(_ *world, o *Options) { o.Web = WebOwn }}, ":80", ":443", "tls-alpn http", true},
		"off":              {[]func(*world, *Options){func(_ *world, o *Options) { o.Web = WebOff }}, "", "", "tls-alpn http", false},
		"files":            {[]func(*world, *Options){func(_ *world, o *Options) { o.Certificate, o.Key = "/c.pem", "/k.pem" }}, ":80", ":443", "tls-alpn http", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := usual()
			for _, f := range c.change {
				f(w, &o)
			}
			report, _, err := w.run(o)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Parse(DefaultConfig, []byte(w.file(DefaultConfig)))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{strings.Join(cfg.Listen.HTTP, " "), strings.Join(cfg.Listen.HTTPS, " "), strings.Join(cfg.TLS.ACME.Challenges, " ")}
			if !slices.Equal(got, []string{c.http, c.https, c.challenges}) || cfg.TLS.ACME.Enabled != c.acme {
				t.Errorf("got %q, acme %v", got, cfg.TLS.ACME.Enabled)
			}
			aside := strings.HasPrefix(c.http, "127") || strings.HasPrefix(c.https, "127")
			if aside != (report.Web != "") || aside != slices.Equal(cfg.Listen.ProxyFrom, []string{proxyFrom}) {
				t.Errorf("proxies %v; said %q", cfg.Listen.ProxyFrom, report.Web)
			}
			if o.Certificate != "" && len(steps(report, "file")) != 2 {
				t.Errorf("files that are not there: %+v", report.Steps)
			}
			// Again, with the server at work: nothing changes.
			before := w.file(DefaultConfig)
			if _, _, err := w.run(usual()); err != nil || w.file(DefaultConfig) != before {
				t.Errorf("again: %v\n%s", err, w.file(DefaultConfig))
			}
		})
	}
}

// TestBehind shows the lines for a web server in front, and asks how it is to be.
func TestBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listening = []Listener{at("[::]:443", "nginx", "nginx.service"), at("[::]:80", "nginx", "nginx.service")}
	o := Options{Domain: "example.com", Hostname: "mail.example.com", Admin: "you@example.com", Data: DefaultData, SkipChecks: true, NoStart: true}
	report, said, err := w.run(o, "none", "what", "behind")
	if err != nil || !strings.Contains(said, "Port 443 is in use by nginx (nginx.service)") || !strings.Contains(said, report.Web) {
		t.Errorf("%v\n%s", err, said)
	}
	golden(t, "behind.txt", report.Web)
}

// TestOutsideAdmin: a person in charge elsewhere gets the mail, and no account.
func TestOutsideAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := usual()
	o.Admin = "You@Elsewhere.example"
	report, _, err := w.run(o)
	if err != nil || report.Account != nil || len(w.system.accounts) != 0 || w.system.aliases["abuse@example.com"] != "You@elsewhere.example" && w.system.aliases["abuse@example.com"] != "you@elsewhere.example" {
		t.Errorf("%v, %v, %v", report.Account, w.system, err)
	}
	if s := steps(report, "account"); len(s) != 1 || !strings.Contains(s[0].Remedy, "account add") {
		t.Errorf("%+v", s)
	}
	w = newWorld(t)
	o.Admin, o.Password = "postmaster@example.com", "given"
	report, said, err := w.run(o)
	if err != nil || w.system.accounts["postmaster@example.com"] != "given" || len(w.system.aliases) != 3 || report.Account.Password != "" || strings.Contains(said, "Password:") {
		t.Errorf("%+v, %v, %v", report.Account, w.system, err)
	}
}

// TestPlain: what others say cannot play with the terminal.
func TestPlain(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := &Text{Out: &out, Live: true, Paint: func(what, text string) string { return "<" + what + ">" + text }}
	c.Doing("a\x1b[2J")
	c.Tell(Step{Level: Fail, Text: "b\nc\u202e\x07", Remedy: "d", Link: "e"})
	c.Doing("f")
	c.Title("g")
	c.Say("h")
	want := "\r\x1b[K  <faint>...   a\ufffd[2J\r\x1b[K  <fail>FAIL  b c\ufffd\ufffd\n        d\n        <faint>See e\n\r\x1b[K  <faint>...   f\r\x1b[K\n<title>g\nh\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
	if _, err := c.Ask(t.Context(), Question{Text: "?"}); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
	c.Secret = func(_ context.Context, prompt string) (string, error) { return " s\n", nil }
	if got, err := c.Ask(t.Context(), Question{Text: "?", Secret: true}); got != "s" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
