package dnspub

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/mail"
)

const (
	tsigName   = "postrider-key."
	tsigSecret = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBwb3N0cmlkZXI="
)

// primary is a name server with one zone that takes updates. RFC 2136 3.
type primary struct {
	mu      sync.Mutex
	zone    zone
	updates int
	race    func(zone) // once, before an update is looked at
	refuse  bool
	drop    bool // takes updates and does nothing
}

func (s *primary) show() zone {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := zone{}
	for k, v := range s.zone {
		out[k] = slices.Clone(v)
	}
	return out
}

func keyOf(rr wire.RR) string {
	return strings.ToLower(strings.TrimSuffix(rr.Header().Name, ".")) + " " + wire.TypeToString[rr.Header().Rrtype]
}

func (s *primary) ServeDNS(w wire.ResponseWriter, m *wire.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := new(wire.Msg)
	r.SetReply(m)
	r.Authoritative = true
	switch {
	case m.IsTsig() == nil || w.TsigStatus() != nil:
		r.Rcode = wire.RcodeNotAuth
		w.WriteMsg(r)
		return
	case m.Opcode == wire.OpcodeUpdate:
		s.updates++
		r.Rcode = s.update(m)
	default:
		s.query(m, r)
	}
	r.SetTsig(tsigName, m.IsTsig().Algorithm, 300, time.Now().Unix())
	w.WriteMsg(r)
}

func (s *primary) query(m, r *wire.Msg) {
	q := m.Question[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	if name != "example.com" && !strings.HasSuffix(name, ".example.com") {
		r.Rcode = wire.RcodeRefused
		return
	}
	if q.Qtype == wire.TypeSOA {
		rr, _ := wire.NewRR("example.com. 300 IN SOA ns.example.com. root.example.com. 1 2 3 4 5")
		if name == "example.com" {
			r.Answer = append(r.Answer, rr)
		} else {
			r.Ns = append(r.Ns, rr)
		}
		return
	}
	for _, typ := range []string{wire.TypeToString[q.Qtype], "CNAME"} {
		for _, v := range s.zone[name+" "+typ] {
			rr, err := wire.NewRR(q.Name + " 300 IN " + typ + " " + v)
			if err == nil && len(r.Answer) < 99 {
				r.Answer = append(r.Answer, rr)
			}
		}
		if len(r.Answer) > 0 {
			return
		}
	}
	r.Rcode = wire.RcodeNameError
}

func (s *primary) update(m *wire.Msg) int {
	if s.refuse {
		return wire.RcodeRefused
	}
	if s.race != nil {
		s.race(s.zone)
		s.race = nil
	}
	if s.drop {
		return wire.RcodeSuccess
	}
	used := zone{}
	for _, rr := range m.Answer {
		switch rr.Header().Class {
		case wire.ClassNONE:
			if len(s.zone[keyOf(rr)]) > 0 {
				return wire.RcodeYXRrset
			}
		case wire.ClassINET:
			used[keyOf(rr)] = append(used[keyOf(rr)], dataOf(rr))
		}
	}
	for k, v := range used {
		if !sameSet(spelling(k, v), spelling(k, s.zone[k])) {
			return wire.RcodeNXRrset
		}
	}
	for _, rr := range m.Ns {
		key, data := keyOf(rr), dataOf(rr)
		if rr.Header().Class == wire.ClassNONE {
			s.zone[key] = slices.DeleteFunc(s.zone[key], func(v string) bool { return sameSet(spelling(key, []string{v}), spelling(key, []string{data})) })
		} else {
			s.zone[key] = append(s.zone[key], data)
		}
	}
	return wire.RcodeSuccess
}

// start runs a primary on loopback.
func start(t *testing.T) (*primary, Config) {
	t.Helper()
	s := &primary{zone: before()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &wire.Server{Listener: l, Handler: s, TsigSecret: map[string]string{tsigName: tsigSecret},
		MsgAcceptFunc: func(wire.Header) wire.MsgAcceptAction { return wire.MsgAccept }}
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	var ended sync.WaitGroup
	ended.Go(func() { server.ActivateAndServe() })
	<-started
	t.Cleanup(func() { server.Shutdown(); ended.Wait() })
	return s, Config{Provider: "rfc2136", Server: l.Addr().String(), KeyName: "Postrider-Key", Secret: tsigSecret}
}

// RFC 2136 2.4, RFC 2136 2.5, RFC 8945 5.
func TestUpdates(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"", "hmac-sha512", "HMAC-SHA1."} {
		s, cfg := start(t)
		cfg.KeyAlgorithm = algorithm
		p, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		suite(t, p, s.show)
	}
}

// What somebody else changes between our look and our update is not lost: the condition fails, and it is done anew.
func TestUpdateRace(t *testing.T) {
	t.Parallel()
	s, cfg := start(t)
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.race = func(z zone) { z["example.com TXT"] = append(z["example.com TXT"], `"theirs"`) }
	if err := p.Set(t.Context(), "example.com", []Record{rec("example.com", "TXT", `"v=spf1 mx -all"`)}); err != nil {
		t.Fatal(err)
	}
	want := before()
	want["example.com TXT"] = []string{`"google-site-verification=x y"`, `"theirs"`, `"v=spf1 mx -all"`}
	expect(t, "race", s.show(), want)
	if s.updates != 2 {
		t.Errorf("%d updates", s.updates)
	}
}

func TestUpdateFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*primary, *Config)
		kind   mail.Kind
		text   string
	}{
		"another key":     {func(_ *primary, c *Config) { c.Secret = "YW5vdGhlcg==" }, mail.Unavailable, "does not accept the key"},
		"not allowed":     {func(s *primary, _ *Config) { s.refuse = true }, mail.Denied, "allow the key"},
		"nothing happens": {func(s *primary, _ *Config) { s.drop = true }, mail.Unavailable, "does not show it"},
		"nobody there":    {func(_ *primary, c *Config) { c.Server = "127.0.0.1:1" }, mail.Unavailable, "does not answer"},
	} {
		s, cfg := start(t)
		c.change(s, &cfg)
		p, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Set(t.Context(), "example.com", []Record{rec("example.com", "MX", "10 mx.example.com.")})
		if !mail.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), cfg.Secret) {
			t.Errorf("%s: %v", name, err)
		}
		expect(t, name, s.show(), before())
	}
}

// The same with Debian's BIND.
func TestNamed(t *testing.T) {
	t.Parallel()
	named, err := exec.LookPath("named")
	if err != nil {
		if named, err = exec.LookPath("/usr/sbin/named"); err != nil {
			t.Skip("BIND is absent: tools/install-test-deps.sh bind9")
		}
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := l.Addr().String()
	_, port, _ := net.SplitHostPort(server)
	l.Close()
	text := "$TTL 300\n@ IN SOA ns root 1 3600 600 86400 60\n@ IN NS ns\nns IN A 192.0.2.53\n"
	for key, values := range before() {
		name, typ, _ := strings.Cut(key, " ")
		for _, v := range values {
			text += name + ". IN " + typ + " " + v + "\n"
		}
	}
	conf := fmt.Sprintf(`options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; recursion no; session-keyfile none; dnssec-validation no;
 allow-query { key "postrider-key"; }; };
controls { };
key "postrider-key" { algorithm hmac-sha256; secret %q; };
zone "example.com" { type primary; file %q; allow-update { key "postrider-key"; }; };
`, dir, port, tsigSecret, filepath.Join(dir, "zone"))
	for file, content := range map[string]string{"zone": text, "named.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	cmd := exec.Command(named, "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	p, err := New(Config{Provider: "rfc2136", Server: server, KeyName: "postrider-key", KeyAlgorithm: "hmac-sha256", Secret: tsigSecret})
	if err != nil {
		t.Fatal(err)
	}
	u := p.driver.(*updater)
	for ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second); ; {
		if _, err = u.open(ctx, "example.com"); err == nil {
			cancel()
			break
		}
		if ctx.Err() != nil {
			cancel()
			t.Fatal(err)
		}
	}
	suite(t, p, func() zone {
		out := zone{}
		keys := append(slices.Collect(maps.Keys(before())), "mx.example.com A", "mx2.example.com A", "mx.example.com AAAA", "mx.example.com CAA", "r1._domainkey.example.com TXT", "_25._tcp.mx.example.com TLSA",
			"_imaps._tcp.example.com SRV", "autoconfig.example.com CNAME", "_acme-challenge.mx.example.com TXT", "dept.example.com MX", "busy.example.com CNAME", "www.example.com A")
		for _, key := range keys {
			name, typ, _ := strings.Cut(key, " ")
			s, err := u.set(context.WithoutCancel(t.Context()), name, typ)
			if err != nil {
				t.Fatal(err)
			}
			out[key] = texts(s.values)
		}
		return out
	})
}
