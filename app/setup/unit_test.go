package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/config"
)

// TestUnit has systemd judge the unit: it must be understood whole, and be counted safe.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here to judge the unit")
	}
	for name, c := range map[string]struct{ exe, config, data string }{
		"usual":     {"/bin/true", DefaultConfig, DefaultData},
		"strange":   {"/bin/true", "/etc/my mail/100% $HOME.toml", "/srv/my \"mail\""},
		"at home":   {"/bin/true", "/home/ann/postrider.toml", "/home/ann/mail"},
		"elsewhere": {"/bin/true", DefaultConfig, "/srv/mail"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), unitName)
			if err := os.WriteFile(file, []byte(unit(c.exe, c.config, c.data)), 0o644); err != nil {
				t.Fatal(err)
			}
			said, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput()
			for line := range strings.Lines(string(said)) {
				if strings.Contains(line, unitName) {
					t.Errorf("verify: %s (%v)", line, err)
				}
			}
			// The exposure times ten; systemd calls below 2.0 "OK", a unit without any protection has 9.6.
			if said, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", file).CombinedOutput(); err != nil {
				t.Errorf("security: %v\n%s", err, said)
			}
		})
	}
}

// TestUnitWords: what stands in paths cannot become something else in a unit.
func TestUnitWords(t *testing.T) {
	t.Parallel()
	text := unit("/usr/local/bin/postrider", "/etc/a b/100%$x.toml", "/srv/m a")
	for _, want := range []string{`serve --config "/etc/a b/100%%$$x.toml"` + "\n", `ReadWritePaths="/srv/m a"` + "\n", "ProtectHome=yes\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if text = unit("/usr/local/bin/postrider", DefaultConfig, DefaultData); !strings.Contains(text, "StateDirectory=postrider\n") || strings.Contains(text, "ReadWritePaths") {
		t.Errorf("the usual place is systemd's:\n%s", text)
	}
	if got := sysusers("/srv/my mail%"); !strings.Contains(got, `u postrider - "Postrider mail system" "/srv/my mail%%"`+"\n") {
		t.Error(got)
	}
}

// TestSysusers has systemd read the declaration of the user.
func TestSysusers(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("systemd-sysusers")
	if err != nil {
		t.Skip("systemd-sysusers is not here")
	}
	root := t.TempDir()
	file := filepath.Join(root, "postrider.conf")
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(sysusers("/srv/my mail")), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(program, "--root="+root, file).CombinedOutput()
	passwd, readErr := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || readErr != nil || !strings.Contains(string(passwd), "Postrider mail system:/srv/my mail:") {
		t.Errorf("%v, %v: %s\n%s", err, readErr, said, passwd)
	}
}

// TestSeal: a file knows whether a person has changed it.
func TestSeal(t *testing.T) {
	t.Parallel()
	text := seal("a = 1\n")
	if !untouched(text) {
		t.Error("its own seal is not known")
	}
	for _, changed := range []string{"", "a = 1\n", text + "\n", "#" + text, strings.Replace(text, "1", "2", 1), text[:len(text)-1], text + "b = 1\n"} {
		if untouched(changed) {
			t.Errorf("changed, and not noticed: %q", changed)
		}
	}
}

// TestRender: a configuration with everything in it is written so that it reads as the same.
func TestRender(t *testing.T) {
	t.Parallel()
	for _, o := range []struct {
		name string
		set  []string
	}{
		{"none", nil},
		{"texts", []string{"log.level = \"warn\"", "listen.proxy_from = [\"192.0.2.0/24\"]", "accounts.mailboxes.sent = \"Gesendet \\\"x\\\"\""}},
		{"numbers", []string{"limits.login_failures = 3", "junk.threshold = 4.5", "queue.expire = \"3d\"", "smtp.max_message_size = \"10MiB\""}},
		{"lists", []string{"route = [{ domain = \"a.example\", host = \"mx.a.example:25\" }, { domain = \"b.example\", host = \"mx.b.example:25\", tls = \"verify\" }]"}},
		{"anchors", []string{"dns.anchors = [\". IN DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000\"]", "dns.servers = [\"127.0.0.1:5353\"]"}},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			c := config.Default("/srv/mail")
			c.Hostname = "mail.example.com"
			for _, line := range o.set {
				if err := amend(&c, line); err != nil {
					t.Fatal(err)
				}
			}
			text, err := render(c, "example.com")
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Parse("/etc/p.toml", []byte(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if left, err := changes(c, got); err != nil || len(left) > 0 {
				t.Errorf("%v, %v\n%s", left, err, text)
			}
			if !untouched(text) || strings.Count(text, "\n") > 40 {
				t.Errorf("too much is written:\n%s", text)
			}
		})
	}
}
