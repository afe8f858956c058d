package setup

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

// TestWithFlags is the whole of: postrider setup example.com --admin you@example.com --yes. RFC 2142 4 and 5 (postmaster, abuse).
func TestWithFlags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report, said, err := w.run(usual())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "flags.txt", said)
	golden(t, "flags.toml", w.file(DefaultConfig))
	golden(t, "flags.zone", w.file(DefaultData+"/example.com.zone"))
	if !report.Started || report.Count(Fail)+report.Count(Warn) != 0 || report.Account == nil || report.Account.Password != "made-up-1" {
		t.Errorf("report: %+v", report)
	}
	for address, to := range map[string]string{"postmaster": "you", "abuse": "you", "dmarc": "you", "tlsrpt": "you"} {
		if got := w.system.aliases[address+"@example.com"]; got != to+"@example.com" {
			t.Errorf("%s leads to %q", address, got)
		}
	}
	want := []string{"systemd-sysusers /etc/sysusers.d/postrider.conf", "systemctl daemon-reload", "systemctl is-active --quiet postrider.service", "systemctl enable --now postrider.service"}
	if d := cmp.Diff(want, w.ran); d != "" {
		t.Error(d)
	}
	if w.opened != 1 || w.closed != 1 {
		t.Errorf("opened %d times, closed %d times", w.opened, w.closed)
	}
	b, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(b), `"password":"made-up-1"`) || !strings.Contains(string(b), `"level":"done"`) {
		t.Errorf("JSON: %s, %v", b, err)
	}
}

// TestModesAndOwners: the data are the server's alone, the rest is root's.
func TestModesAndOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := usual()
	o.Publish, o.Secret, o.Wait = config.Publish{Provider: "hetzner"}, "tok-1", -1
	if _, _, err := w.run(o); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{
		DefaultConfig: 0o644, unitPath: 0o644, sysusersPath: 0o644, "/etc/postrider/hetzner.secret": 0o640, DefaultData: 0o700, DefaultData + "/example.com.zone": 0o644,
	} {
		info, err := os.Stat(filepath.Join(w.root, path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %o", path, info, err, mode)
		}
	}
	for path, owner := range map[string]Owner{DefaultData: {UID: 990, GID: 991}, DefaultData + "/store.db": {UID: 990, GID: 991}, DefaultData + "/example.com.zone": {UID: 990, GID: 991}, "/etc/postrider/hetzner.secret": {UID: 0, GID: 991}} {
		if w.given[path] != owner {
			t.Errorf("%s belongs to %v, want %v", path, w.given[path], owner)
		}
	}
	for _, path := range []string{DefaultConfig, unitPath} {
		if o, ok := w.given[path]; ok {
			t.Errorf("%s was given away to %v", path, o)
		}
	}
	if strings.Contains(w.file(DefaultConfig), "tok-1") {
		t.Error("the token is in the configuration")
	}
}

// TestDialog is a person who answers, and is asked again where an answer cannot be.
func TestDialog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.zone = strings.ReplaceAll(goodZone, "mail.example.com", "mx.example.com")
	_, said, err := w.run(Options{NoStart: true, SkipChecks: true},
		"example", "example.com", "192.0.2.1", "mx.example.com", "you", "you@example.com", "data", "", "nobody", "rfc2136", "192.0.2.53:53", "", "c2VjcmV0", "")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	golden(t, "dialog.txt", said)
	golden(t, "dialog.toml", w.file(DefaultConfig))
	if got := w.file("/etc/postrider/rfc2136.secret"); got != "c2VjcmV0\n" {
		t.Errorf("secret: %q", got)
	}
}

// TestDialogEnds: a person who goes away, or never gives an answer that can be.
func TestDialogEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, _, err := w.run(Options{}, "example.com"); !mail.Is(err, mail.Invalid) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("the end of the input: %v", err)
	}
	if _, _, err := w.run(Options{}, slices.Repeat([]string{"-"}, 20)...); !mail.Is(err, mail.Invalid) {
		t.Errorf("no answer that can be: %v", err)
	}
	if _, _, err := w.run(Options{}, strings.Repeat("x", 5000)); !mail.Is(err, mail.TooLarge) {
		t.Errorf("an answer without end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Setup{Host: w.host, Console: Silent{}, Open: w.open}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if left, _ := os.ReadDir(w.root); len(left) != 0 {
		t.Errorf("something was written: %v", left)
	}
}

// TestRefused: what cannot be is said before anything is written.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world, o *Options)
		kind   mail.Kind
		text   string
	}{
		"no admin":         {func(_ *world, o *Options) { o.Admin = "" }, mail.Invalid, "--admin"},
		"no domain":        {func(_ *world, o *Options) { o.Domain = "" }, mail.Invalid, "domain"},
		"a bad domain":     {func(_ *world, o *Options) { o.Domain = "a b" }, mail.Invalid, "full name"},
		"a bad hostname":   {func(_ *world, o *Options) { o.Hostname = "mail" }, mail.Invalid, "full name"},
		"a bad admin":      {func(_ *world, o *Options) { o.Admin = "you" }, mail.Invalid, "mail address"},
		"not root":         {func(w *world, _ *Options) { w.host.Superuser = false }, mail.Denied, "sudo"},
		"relative data":    {func(_ *world, o *Options) { o.Data = "data" }, mail.Invalid, "begin with /"},
		"relative config":  {func(_ *world, o *Options) { o.Config = "p.toml" }, mail.Invalid, "begin with /"},
		"a key alone":      {func(_ *world, o *Options) { o.Key = "/k.pem" }, mail.Invalid, "together"},
		"dns without one":  {func(_ *world, o *Options) { o.Web = WebDNS }, mail.Invalid, "provider"},
		"a strange web":    {func(_ *world, o *Options) { o.Web = "half" }, mail.Invalid, "none of own"},
		"unknown provider": {func(_ *world, o *Options) { o.Publish.Provider = "acme" }, mail.Invalid, "no provider that is known"},
		"a bad TSIG secret": {func(_ *world, o *Options) {
			o.Publish, o.Secret = config.Publish{Provider: "rfc2136", Server: "192.0.2.53", KeyName: "k"}, "no base64!"
		}, mail.Invalid, "not in base64"},
		"no token":        {func(_ *world, o *Options) { o.Publish.Provider = "gandi" }, mail.Invalid, "token"},
		"no server":       {func(_ *world, o *Options) { o.Publish.Provider = "rfc2136" }, mail.Invalid, "name server"},
		"not a setting":   {func(_ *world, o *Options) { o.Set = []string{"dns.server = 1"} }, mail.Invalid, "dns.server = 1"},
		"a wrong setting": {func(_ *world, o *Options) { o.Set = []string{`log.level = "loud"`} }, mail.Invalid, "log.level"},
		"a broken file":   {func(w *world, _ *Options) { w.put(DefaultConfig, "hostname = 1\n") }, mail.Invalid, "not sound"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := usual()
			c.change(w, &o)
			_, _, err := w.run(o)
			if !mail.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v with %q", err, c.kind, c.text)
			}
			if w.opened > 0 || w.file(unitPath) != "" {
				t.Error("something was made")
			}
		})
	}
}

// TestTwice: a second run changes nothing, and a second domain comes to the first.
func TestTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, _, err := w.run(usual()); err != nil {
		t.Fatal(err)
	}
	before := w.snapshot()
	report, said, err := w.run(usual())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "again.txt", said)
	if d := cmp.Diff(before, w.snapshot()); d != "" {
		t.Error(d)
	}
	for _, f := range report.Files {
		if f.Action != Unchanged {
			t.Errorf("%s is %s", f.Path, f.Action)
		}
	}
	if report.Account.Made || report.Account.Password != "" || w.system.accounts["you@example.com"] != "made-up-1" {
		t.Errorf("the account was touched: %+v, %v", report.Account, w.system.accounts)
	}
	if slices.Contains(w.ran, "systemctl restart postrider.service") {
		t.Error("the server was restarted for nothing")
	}
	o := Options{Domain: "second.example", Admin: "you@example.com", Yes: true}
	if report, _, err = w.run(o); err != nil {
		t.Fatal(err)
	}
	if report.Hostname != "mail.example.com" || report.Account != nil || w.system.aliases["postmaster@second.example"] != "you@example.com" {
		t.Errorf("second domain: %+v, %v", report, w.system.aliases)
	}
	if w.file(DefaultConfig) != before[DefaultConfig] {
		t.Error("a second domain has changed the configuration")
	}
}

// snapshot is every file of the machine.
func (w *world) snapshot() map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(w.root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(w.root, path)
		out["/"+rel] = string(text)
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
	return out
}

// TestEdited: what a person changed stays; what setup would write goes beside it.
func TestEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, _, err := w.run(usual()); err != nil {
		t.Fatal(err)
	}
	mine := w.file(DefaultConfig) + "# mine\n[log]\nlevel = \"debug\"\n"
	w.put(DefaultConfig, mine)
	unitOfMine := strings.ReplaceAll(w.file(unitPath), "RestartSec=2", "RestartSec=9")
	w.put(unitPath, unitOfMine)
	o := usual()
	report, _, err := w.run(o)
	if err != nil {
		t.Fatal(err)
	}
	if w.file(DefaultConfig) != mine || w.file(DefaultConfig+".new") != "" || report.Count(Warn) != 1 {
		t.Errorf("nothing was to be changed: %v", report.Steps)
	}
	if w.file(unitPath) != unitOfMine || !strings.Contains(w.file(unitPath+".new"), "RestartSec=2") {
		t.Error("the unit of a person was changed, or the new one is not beside it")
	}
	o.Hostname, o.Web = "mx.example.com", WebOff
	report, said, err := w.run(o)
	if err != nil {
		t.Fatal(err)
	}
	if w.file(DefaultConfig) != mine {
		t.Error("the configuration of a person was overwritten")
	}
	beside, err := config.Parse(DefaultConfig, []byte(w.file(DefaultConfig+".new")))
	if err != nil || beside.Hostname != "mx.example.com" || len(beside.Listen.HTTPS) != 0 || beside.Log.Level != "debug" {
		t.Errorf("beside it: %+v, %v", beside, err)
	}
	for _, text := range []string{`to be changed in the configuration: hostname = "mx.example.com", where it is "mail.example.com" now`, ".new"} {
		if !strings.Contains(said, text) {
			t.Errorf("it does not say %q:\n%s", text, said)
		}
	}
	if !strings.Contains(said, "10 mail.example.com.") {
		t.Error("the records are not those of the configuration that counts")
	}
}

// TestReplaced: a file as setup left it makes room, and the server is restarted.
func TestReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, _, err := w.run(usual()); err != nil {
		t.Fatal(err)
	}
	o := usual()
	o.Set = []string{`dns.servers = ["192.0.2.53"]`}
	report, _, err := w.run(o)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(DefaultConfig, []byte(w.file(DefaultConfig)))
	if err != nil || !slices.Equal(cfg.DNS.Servers, []string{"192.0.2.53"}) || cfg.Hostname != "mail.example.com" {
		t.Errorf("%v, %v", cfg.DNS, err)
	}
	if !slices.Contains(report.Files, File{DefaultConfig, Replaced}) || w.ran[len(w.ran)-1] != "systemctl restart postrider.service" {
		t.Errorf("%v, %v", report.Files, w.ran)
	}
}

// TestBrokenOff: wherever a run is broken off, the next one completes it, and the password that works is shown.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	o := usual()
	o.Publish, o.Secret = config.Publish{Provider: "hetzner"}, "tok-1"
	whole := newWorld(t)
	var names []string
	whole.host.Before = func(step string) error { names = append(names, step); return nil }
	whole.published(0)
	if _, _, err := whole.run(o); err != nil {
		t.Fatal(err)
	}
	want := whole.snapshot()
	if len(names) < 20 {
		t.Fatalf("only %d steps: %v", len(names), names)
	}
	broken := errors.New("broken off")
	for n, name := range names {
		w := newWorld(t)
		w.published(0)
		at := 0
		w.host.Before = func(string) error {
			if at++; at > n {
				return broken
			}
			return nil
		}
		_, first, err := w.run(o)
		if !errors.Is(err, broken) {
			t.Fatalf("%s: %v", name, err)
		}
		if w.opened != w.closed {
			t.Errorf("%s: the store was left open", name)
		}
		w.host.Before = nil
		report, second, err := w.run(o)
		if err != nil {
			t.Errorf("after a break before %q: %v", name, err)
			continue
		}
		password := w.system.accounts["you@example.com"]
		if password == "" || !strings.Contains(first+second, "Password: "+password+"\n") {
			t.Errorf("after a break before %q nobody knows the password %q", name, password)
		}
		if strings.Contains(second, "Password:") && !strings.Contains(second, "Password: "+password+"\n") {
			t.Errorf("after a break before %q a wrong password is shown", name)
		}
		got := w.snapshot()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("after a break before %q: %s", name, d)
		}
		if !report.Started || !report.Visible || len(w.system.domains) != 1 || len(w.system.aliases) != 4 || w.given[DefaultData+"/store.db"] != (Owner{UID: 990, GID: 991}) {
			t.Errorf("after a break before %q: %+v", name, w.system)
		}
	}
}

// published makes published records seen some time after.
func (w *world) published(after time.Duration) {
	w.zone = strings.Replace(goodZone, "example.com        MX    10 mail.example.com", "www.example.com A 192.0.2.9", 1)
	var mu sync.Mutex
	var since time.Time
	w.visible = func(now time.Time) string {
		mu.Lock()
		defer mu.Unlock()
		if since.IsZero() {
			since = now
		}
		if now.Sub(since) < after {
			return ""
		}
		return "example.com MX 10 mail.example.com\nexample.com TXT \"v=spf1 mx -all\"\n"
	}
}

// TestVisible: published records are waited for, with a bound.
func TestVisible(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after, wait time.Duration
		visible     bool
		level       Level
	}{
		"at once":     {0, 0, true, Done},
		"in a minute": {time.Minute, 0, true, Done},
		"too late":    {time.Hour, 0, false, Warn},
		"not waited":  {time.Hour, -1, false, ""},
		"a long wait": {time.Hour, 2 * time.Hour, true, Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.published(c.after)
			o := usual()
			o.Publish, o.Secret, o.Wait = config.Publish{Provider: "hetzner"}, "tok-1", c.wait
			report, said, err := w.run(o)
			if err != nil {
				t.Fatal(err)
			}
			got := steps(report, "visible")
			if !report.Published || report.Visible != c.visible || (len(got) > 0) != (c.level != "") || len(got) > 0 && got[0].Level != c.level {
				t.Errorf("%+v\n%s", got, said)
			}
			if len(w.system.published) == 0 || strings.Contains(strings.Join(report.Next, " "), "Publish the records") {
				t.Errorf("published %v; next %v", w.system.published, report.Next)
			}
		})
	}
}

// TestNotPublished: a provider that refuses ends nothing; the records are to be published by hand.
func TestNotPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sysErr["publish"] = mail.Errorf(mail.Unavailable, "the provider says 403")
	o := usual()
	o.Publish, o.Secret = config.Publish{Provider: "hetzner"}, "tok-1"
	report, _, err := w.run(o)
	if err != nil || report.Published || !report.Started || !strings.HasPrefix(report.Next[0], "Publish the records above") {
		t.Errorf("%+v, %v", report, err)
	}
	if s := steps(report, "publish"); len(s) != 1 || s[0].Level != Fail || !strings.Contains(s[0].Text, "403") {
		t.Errorf("%+v", s)
	}
}

// TestSystemFails: errors of the store come out, and the store is closed and given to the server's user all the same.
func TestSystemFails(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"open", "domain", "account", "close"} {
		w := newWorld(t)
		w.sysErr[what] = mail.Errorf(mail.Unavailable, "the disk is full")
		report, _, err := w.run(usual())
		if !mail.Is(err, mail.Unavailable) || w.opened != w.closed || report.Started || w.given[DefaultData] != (Owner{UID: 990, GID: 991}) {
			t.Errorf("%s: %v, opened %d, closed %d, started %v", what, err, w.opened, w.closed, report.Started)
		}
	}
}
