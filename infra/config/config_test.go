package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

var sameEmpty = cmpopts.EquateEmpty()

func TestDefaultsAreSound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]config.Config{"default": config.Default("d"), "development": config.Development("d")} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if config.Development("d").Listen.Public() {
		t.Error("a development instance must not be reachable from other machines")
	}
	if !config.Default("d").Listen.Public() {
		t.Error("a configured server listens on all addresses")
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	t.Parallel()
	got, err := config.Parse("/etc/postrider/postrider.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default("/etc/postrider/postrider-data"), got, sameEmpty); diff != "" {
		t.Error(diff)
	}
}

func TestReferenceMeansTheDefault(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := config.Reference(&b); err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse("x.toml", b.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if diff := cmp.Diff(config.Default("postrider-data"), got, sameEmpty); diff != "" {
		t.Error(diff)
	}
}

// Every example of the reference must work when its comment sign is taken away.
func TestReferenceExamplesWork(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := config.Reference(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	shown := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			shown++
			lines[i] = line[1:]
			key, _, _ := strings.Cut(lines[i], " =")
			for j := i - 1; j >= 0 && j > i-2; j-- { // the default it would stand for
				if strings.HasPrefix(lines[j], key+" =") {
					lines[j] = ""
				}
			}
		}
	}
	if shown < 10 {
		t.Fatalf("only %d lines of examples were found", shown)
	}
	text := strings.Join(lines, "\n")
	_, err := config.Parse("x.toml", []byte(text))
	var ps config.Problems
	if err != nil && !errors.As(err, &ps) {
		t.Fatal(err)
	}
	for _, p := range ps {
		if p.Key != "lab" { // the lab's examples beside the public listeners
			t.Errorf("%v", p)
		}
	}
}

func TestEveryKeyIsExplained(t *testing.T) {
	t.Parallel()
	var ref, page bytes.Buffer
	if err := errors.Join(config.Reference(&ref), config.Markdown(&page)); err != nil {
		t.Fatal(err)
	}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for f := range typ.Fields() {
			key := f.Tag.Get("toml")
			if key == "" || strings.ToLower(key) != key {
				t.Errorf("%s.%s has no key", typ.Name(), f.Name)
			}
			if f.Type.Kind() != reflect.Struct && !strings.Contains(ref.String(), "# "+key+" ") && !strings.Contains(ref.String(), "#   "+key+" ") &&
				!strings.Contains(ref.String(), "# ["+key+"] ") {
				t.Errorf("the reference does not explain %q of %s", key, typ.Name())
			}
			if !strings.Contains(page.String(), key+"`") && !strings.Contains(page.String(), key+"]") {
				t.Errorf("the page does not explain %q of %s", key, typ.Name())
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[config.Config]())
}

func TestWriteTOMLRoundTrip(t *testing.T) {
	t.Parallel()
	text := `
data = "/var/lib/postrider"
hostname = "mail.example.com"
[listen]
smtp = "127.0.0.1:2525"
submission = []
submissions = ""
lmtp = ["127.0.0.1:24", "[::1]:24"]
imap = "localhost:143"
imaps = ""
pop3 = ""
pop3s = ""
[[tls.certificate]]
cert = "/c.pem"
key = "/k \"1\".pem"
[queue]
expire = "36h30m"
[outbound.smarthost]
host = "relay.example.com"
username = "u"
password_file = "/etc/pw"
[[route]]
domain = "a.example"
host = "b.example:2525"
[[route]]
domain = "*.a.example"
host = "[::1]:25"
tls = "none"
[lab]
no_limits = true
[lab.hosts]
"mx.beta.test" = "127.0.0.1:2626"
[lab.dns."beta.test"]
mx = ["10 mx.beta.test"]
txt = ["v=spf1 \"x\" \\ -all"]
[lab.dns."127.0.0.1"]
ptr = ["mx.beta.test"]
`
	c, err := config.Parse("/etc/x.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.WriteTOML(&b); err != nil {
		t.Fatal(err)
	}
	again, err := config.Parse("/elsewhere/x.toml", b.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if diff := cmp.Diff(c, again, sameEmpty); diff != "" {
		t.Error(diff)
	}
	if c.Queue.Expire.Std() != 36*time.Hour+30*time.Minute || len(c.Listen.LMTP) != 2 || len(c.Listen.IMAPS) != 0 {
		t.Errorf("read wrongly: %+v", c)
	}
	zone, err := dns.NewStatic(dns.StaticConfig{Zone: c.Lab.Zone()})
	if err != nil {
		t.Fatalf("the resolver does not take the lab's zone: %v\n%s", err, c.Lab.Zone())
	}
	txt, err := zone.TXT(t.Context(), "beta.test")
	if err != nil || len(txt.Value) != 1 || txt.Value[0] != `v=spf1 "x" \ -all` {
		t.Errorf("TXT came out as %q, %v", txt.Value, err)
	}
}

func TestLoadFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"misspelt", "[smtp]\nmax_recipient = 5\n", `x.toml:2:1: there is no key "max_recipient" in [smtp]; did you mean "max_recipients"?`},
		{"misspelt table", "[smpt]\nx = 5\n", `x.toml:1:2: there is no key "smpt" at the top of the file; did you mean "smtp"?`},
		{"wrong table", "[smtp]\nconcurrency = 5\n", `x.toml:2:1: there is no key "concurrency" in [smtp]; it belongs in [queue]`},
		{"unknown", "quux_frobnicate = 1\n", `x.toml:1:1: there is no key "quux_frobnicate" at the top of the file; see all with: postrider config reference`},
		{"in a list", "[[route]]\ndomian = \"a.test\"\n", `there is no key "domian" in [route]; did you mean "domain"?`},
		{"in a map", "[lab.dns.\"a.test\"]\nmxx = []\n", `did you mean "mx"?`},
		{"several", "a_b_c = 1\n[log]\nlevl = \"x\"\n", `x.toml:3:1: there is no key "levl" in [log]; did you mean "level"?`},
		{"type", "[smtp]\nmax_recipients = \"5\"\n", "x.toml:2:18: smtp.max_recipients: this must be a whole number without quotes, not a TOML string"},
		{"type of text", "hostname = 5\n", "this must be a text in quotes, not a TOML integer"},
		{"type of table", "[log]\nlevel = true\n", "log.level: this must be a text in quotes, not a TOML boolean"},
		{"syntax", "[smtp\n", "x.toml:1:"},
		{"twice", "data = \"a\"\ndata = \"b\"\n", "x.toml:2:1: key data is already defined"},
		{"no unit", "[queue]\n\nexpire = 5\n", `x.toml:3:1: queue.expire: 5 has no unit; write it in quotes with one, such as "5s"`},
		{"bad duration", "[queue]\nexpire = \"five\"\n", `queue.expire: "five" is not a length of time; write a number and a unit such as "90s", "4h" or "5d"`},
		{"bad size", "[smtp]\nmax_message_size = \"50 apples\"\n", `"50 apples" is not a size`},
		{"negative", "[smtp]\nmax_connections = -1\n", "x.toml:2:1: smtp.max_connections: this cannot be negative"},
		{"level", "[log]\nlevel = \"warning\"\n", `log.level: "warning" is none of debug, info, warn, error; did you mean "warn"?`},
		{"hostname", "hostname = \"not a name\"\n", `hostname: "not a name" is not a host name`},
		{"address", "[listen]\nsmtp = \"25\"\n", `x.toml:2:1: listen.smtp: "25" is not an address; write "host:port"`},
		{"port", "[listen]\nsmtp = \":70000\"\n", `has no port between 0 and 65535`},
		{"socket mode", "[listen]\nlmtp_socket_mode = \"rw\"\n", `x.toml:2:1: listen.lmtp_socket_mode: "rw" is not a file's permissions`},
		{"no socket mode", "[listen]\nlmtp_socket_mode = \"\"\n", `x.toml:2:1: listen.lmtp_socket_mode: "" is not a file's permissions`},
		{"same port", "[listen]\nsmtp = \":2525\"\nimap = \":2525\"\n", "x.toml:3:1: listen.imap: :2525 is the address of listen.smtp already"},
		{"certificate", "[[tls.certificate]]\ncert = \"a\"\n", "x.toml:1:3: tls.certificate[0].key: this must name the PEM file"},
		{"second route", "[[route]]\ndomain = \"a.test\"\nhost = \"b:25\"\n[[route]]\ndomain = \"c.test\"\nhost = \"b\"\n",
			`x.toml:6:1: route[1].host: "b" is not a host and a port`},
		{"route twice", "[[route]]\ndomain = \"a.test\"\nhost = \"b:25\"\n[[route]]\ndomain = \"A.test\"\nhost = \"b:25\"\n", "has a route already"},
		{"password in the clear", "[outbound.smarthost]\nhost = \"r.test\"\nusername = \"u\"\npassword_file = \"p\"\ntls = \"none\"\n",
			"a password would be sent over a connection that may not be encrypted"},
		{"smarthost's port", "[outbound.smarthost]\nhost = \"r.test:587\"\n", "the port has a key of its own"},
		{"retry", "[queue]\nretry_first = \"5h\"\n", "queue.retry_max: this must not be shorter than retry_first (5h)"},
		{"mailboxes", "[accounts.mailboxes]\njunk = \"trash\"\n", `there are two mailboxes called "Trash"`},
		{"mailbox name", "[accounts.mailboxes]\nmore = [\"a//b\"]\n", `"a//b" cannot be the name of a mailbox`},
		{"subaddress", "[accounts]\nsubaddress = \"@\"\n", `"@" cannot part names`},
		{"resolver", "[dns]\nservers = [\"dns.example\"]\n", `dns.servers[0]: "dns.example" is not an IP address`},
		{"no network", "[relay]\nnetworks = [\"office\"]\n", `relay.networks[0]: "office" is not a network`},
		{"half the world", "[relay]\nnetworks = [\"10.0.0.0/8\", \"0.0.0.0/1\"]\n", `relay.networks[1]: 0.0.0.0/1 is too wide`},
		{"all of IPv6", "[relay]\nnetworks = [\"::/0\"]\n", `relay.networks[0]: ::/0 is too wide`},
		{"public lab", "[lab]\nno_limits = true\n", `x.toml:1:2: [lab] is for test benches: listen.smtp = ":25" must be a loopback address`},
		{"lab record", "[listen]\nsmtp=\"\"\nsubmission=\"\"\nsubmissions=\"\"\nimap=\"\"\nimaps=\"\"\npop3=\"\"\npop3s=\"\"\n[lab.dns.\"a.test\"]\nmx = [\"mx.a.test\"]\n",
			`x.toml:10:1: lab.dns.a.test.mx: "mx.a.test" is not a preference and a host`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("x.toml", []byte(tt.text))
			if err == nil {
				t.Fatalf("taken, though: %s", tt.want)
			}
			if !mail.Is(err, mail.Invalid) {
				t.Errorf("kind %v", mail.KindOf(err))
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			for _, word := range []string{"struct", "int64", "config.", "strict mode", "toml:"} {
				if strings.Contains(strings.ReplaceAll(err.Error(), "x.toml:", ""), word) {
					t.Errorf("words of the program in the answer: %s", err)
				}
			}
		})
	}
}

func TestLoadFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "p.toml")
	if _, err := config.Load(path); !mail.Is(err, mail.NotFound) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("data = \"d\"\n[outbound.smarthost]\nhost=\"r\"\nusername=\"u\"\npassword_file=\"pw\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(dir, "d") || c.AdminSocket() != filepath.Join(dir, "d", "admin.sock") {
		t.Errorf("a relative path must count from the file: %s", c.Data)
	}
	if _, err := c.Outbound.Smarthost.Password(); !mail.Is(err, mail.Unavailable) {
		t.Errorf("missing password: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("s3cret\r\nrest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pw, err := c.Outbound.Smarthost.Password(); err != nil || pw != "s3cret" {
		t.Errorf("got %q, %v", pw, err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("#"), 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); !mail.Is(err, mail.Invalid) {
		t.Errorf("a huge file: %v", err)
	}
}

func TestLabDocument(t *testing.T) {
	t.Parallel()
	c, err := config.Load("../../docs/lab.toml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen.Public() || !c.Lab.AllowAuthWithoutTLS || !c.Lab.NoLimits || c.Lab.RouteAll == "" {
		t.Errorf("docs/lab.toml is not the lab that docs/lab.md describes: %+v", c.Lab)
	}
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	c := config.Default("d")
	c.Hostname, c.Listen.LMTP = "localhost", config.Addresses{":24"}
	if got := c.Advice(); len(got) != 3 {
		t.Errorf("got %q", got)
	}
	if got := config.Development("d").Advice(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestNewMailboxes(t *testing.T) {
	t.Parallel()
	a := config.Default("d").Accounts
	a.Mailboxes.Archive, a.Mailboxes.More = "", []string{"Lists/Go"}
	var got []string
	for _, b := range a.NewMailboxes() {
		got = append(got, b.Name+"="+string(b.Use))
	}
	want := "INBOX=inbox Drafts=drafts Sent=sent Junk=junk Trash=trash Lists/Go="
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]config.Size{"50MiB": 50 << 20, "1.5 GB": 1.5e9, "0": 0, "12": 12, "7k": 7 << 10, "3 B": 3, "2 mib": 2 << 20} {
		if got, err := config.ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "-1", "1e3", "MiB", "inf", "1..2MB", "99999999999TiB", "9.9e99", "1 2"} {
		if got, err := config.ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := config.Size(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := config.ParseSize(s.String()); err != nil || got != s {
			t.Fatalf("%d is written %s and read %d, %v", s, s, got, err)
		}
	})
}

func TestDurations(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for in, want := range map[string]time.Duration{"90s": 90 * time.Second, "4h": 4 * time.Hour, "5d": 5 * day, "2w": 14 * day,
		"1w2d3h": 9*day + 3*time.Hour, "0": 0, "1h 30m": 90 * time.Minute} {
		if got, err := config.ParseDuration(in); err != nil || got.Std() != want {
			t.Errorf("ParseDuration(%q) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "5", "-1s", "d", "1x", "5d5", "99999w99999w", "-5d", "1.5d", "106751d24h"} {
		if got, err := config.ParseDuration(in); err == nil {
			t.Errorf("ParseDuration(%q) = %s", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := config.Duration(rapid.Int64Range(0, int64(10000*day)).Draw(t, "span"))
		if got, err := config.ParseDuration(d.String()); err != nil || got != d {
			t.Fatalf("%d is written %s and read %s, %v", d, d, got, err)
		}
	})
}

// FuzzParse: whatever stands in a file, the answer is a configuration that is sound or a refusal.
func FuzzParse(f *testing.F) {
	f.Add([]byte("[listen]\nsmtp = [\":25\", \"\"]\n[[route]]\ndomain = \"*.a\"\nhost = \"b:1\"\n"))
	f.Add([]byte("[lab.dns.\"a\"]\nmx = [\"0 .\"]\n[queue]\nexpire = 1\n[lab]\nhosts.a = \"b:1\"\n"))
	f.Add([]byte("log = {level = \"x\"}\ntls.certificate = [{cert = \"a\"}]\nlog.levle = 3"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("x.toml", text)
		if err != nil {
			if !mail.Is(err, mail.Invalid) || err.Error() == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := c.WriteTOML(&b); err != nil {
			t.Fatal(err)
		}
		c.Data, err = filepath.Abs(c.Data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := config.Parse("x.toml", b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		again.Data = c.Data
		if diff := cmp.Diff(c, again, sameEmpty); diff != "" {
			t.Fatalf("%s\n%s", diff, b.String())
		}
	})
}
