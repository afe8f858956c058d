package firsthour

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postrider/postrider/test/lab"
	"github.com/postrider/postrider/testkit/netlab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

const (
	ourDomain = "our.example"
	ourHost   = "mail.our.example" // what setup proposes
	ourAdmin  = "me@our.example"
)

// hour is the bare host and the world around it.
type hour struct {
	*netlab.Internet
	us           *netlab.Host
	stranger     *netlab.Stranger
	config, data string
	password     string
	server       *netlab.Process
	expected     []string // parts of warnings in its log that are in order
}

func newHour(t *testing.T) *hour {
	t.Helper()
	if help, err := postriderHelp(t); err != nil || !regexp.MustCompile(`(?m)^\s+setup\s`).MatchString(help) {
		t.Skip("postrider has no command setup yet")
	}
	h := &hour{Internet: netlab.Start(t, netlab.Plan{CA: true, Strangers: []string{"stranger.test"}, Zones: []netlab.Zone{{Name: ourDomain}}})}
	h.us, h.stranger = h.AddUs(t, ourHost), h.Strangers[0]
	h.config, h.data = filepath.Join(h.us.Dir, "etc", "postrider.toml"), filepath.Join(h.us.Dir, "data")
	return h
}

func postriderHelp(t *testing.T) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), netlab.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, lab.Binary(t), "help").CombinedOutput()
	return string(out), err
}

// run runs an operator's command on our host and gives what it wrote to standard output and to standard error.
func (h *hour) run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*netlab.Patience)
	defer cancel()
	cmd := h.us.Command(ctx, lab.Binary(t), append([]string{"--config", h.config}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// setup is the first command of the person. What is set beyond it says where the world is: this one has a root key and an authority of its own,
// and neither Gmail nor a systemd.
func (h *hour) setup(t *testing.T, more ...string) string {
	t.Helper()
	args := []string{"--data", h.data, "setup", ourDomain, "--admin", ourAdmin, "--yes", "--no-unit", "--reach", h.stranger.Name + ":25",
		"--set", fmt.Sprintf("dns.anchors = [%q]", strings.ReplaceAll(h.DNS.Anchor, "\t", " ")),
		"--set", fmt.Sprintf("tls.acme.directory = %q", h.CA.Directory),
		"--set", fmt.Sprintf("doctor.time_urls = [%q]", h.CA.Directory)}
	out, errs, err := h.run(t, append(args, more...)...)
	if err != nil {
		t.Fatalf("setup: %v\n%s%s", err, out, errs)
	}
	return out
}

// serve is the second command.
func (h *hour) serve(t *testing.T) {
	t.Helper()
	h.server = h.us.Start(t, "postrider", lab.Binary(t), "--config", h.config, "serve")
	h.server.AwaitOpen(t, "127.0.0.1:25", "127.0.0.1:465", "127.0.0.1:993")
	roots := h.roots(t)
	t.Cleanup(func() { h.readLog(t) })
	for end := time.Now().Add(netlab.Patience); ; time.Sleep(500 * time.Millisecond) {
		c, err := h.dialTLS(t, ":465", roots)
		if err == nil {
			c.Close()
			return
		}
		if ended := h.server.Ended(); ended != nil || time.Now().After(end) {
			t.Fatalf("no certificate by ACME: %v %v", err, ended)
		}
	}
}

// readLog looks at what the server said: warnings in a first hour in which all is well would frighten people for nothing.
func (h *hour) readLog(t *testing.T) {
	log, err := os.ReadFile(h.server.Log)
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(log)) {
		var entry struct{ Level string }
		if json.Unmarshal([]byte(line), &entry) == nil && (entry.Level == "WARN" || entry.Level == "ERROR") &&
			!slices.ContainsFunc(h.expected, func(part string) bool { return strings.Contains(line, part) }) {
			t.Errorf("the server warns: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("the server's log:\n%s", log[max(0, len(log)-20000):])
	}
}

func (h *hour) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(h.RootsFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

// dialTLS connects to our host from outside, as users' programs do: by its name, and with the authorities they trust.
func (h *hour) dialTLS(t *testing.T, port string, roots *x509.CertPool) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := h.stranger.DialContext(ctx, "tcp", ourHost+port)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: ourHost, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return secure, nil
}

// TestFirstHour is the whole of it: setup; publish what it wrote; serve; doctor is green; a stranger believes our mail, and we believe the
// answer. RFC 7672 2.2, RFC 7208 2.6, RFC 6376 6.3, RFC 9989 5.
func TestFirstHour(t *testing.T) {
	t.Parallel()
	short(t)
	h := newHour(t)
	out := h.setup(t)
	h.password = found(t, out, `Password:\s+(\S+)`)
	zone, err := os.ReadFile(filepath.Join(h.data, ourDomain+".zone"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DNS.Publish(t.Context(), string(zone)); err != nil {
		t.Fatalf("what setup wrote cannot be published: %v\n%s", err, zone)
	}
	lab.Within(t, netlab.Patience, "the resolver knows the new records", func() (bool, string) {
		ips, err := h.us.Lookup(t.Context(), ourHost) // it may remember that there were none when setup looked
		return len(ips) == 2, fmt.Sprint(ips, err)
	})
	h.serve(t)
	h.green(t)
	h.converse(t)

	// A forger is not believed here either.
	forger := h.AddHost(t, netlab.HostSpec{Name: "forger.invalid", Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.66")}, Resolver: h.DNS.Plain})
	if answer := forge(t, forger, ourHost, ourAdmin, h.stranger.User); !strings.HasPrefix(answer, "550 5.7.26 ") {
		t.Errorf("a forged message was answered with %q", answer)
	}

	// Running setup again is safe, also while the server runs: it changes nothing.
	before := h.files(t)
	h.setup(t)
	if after := h.files(t); before != after {
		t.Errorf("setup changed something when it was run again:\n%s\n%s", before, after)
	}
}

// TestFirstHourPublishes has setup write the records itself, by RFC 2136, which leaves two commands to the person.
func TestFirstHourPublishes(t *testing.T) {
	t.Parallel()
	short(t)
	h := newHour(t)
	secret := filepath.Join(h.us.Dir, "secret")
	if err := os.WriteFile(secret, []byte(h.DNS.KeySecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := h.setup(t, "--publish", "rfc2136", "--publish-server", h.DNS.V4.String()+":53", "--publish-key", h.DNS.KeyName, "--publish-secret-file", secret)
	h.password = found(t, out, `Password:\s+(\S+)`)
	h.serve(t)
	h.green(t)
	h.converse(t)
	h.distrust(t)
}

// finding is one of doctor's.
type finding struct{ Check, Subject, Level, Text, Remedy, Record string }

// green expects that doctor finds nothing to complain about, once the server has certificates for all its names.
func (h *hour) green(t *testing.T) {
	t.Helper()
	var findings []finding
	for end := time.Now().Add(2 * netlab.Patience); ; time.Sleep(time.Second) { // what failed at an authority is tried again after one minute
		out, errs, err := h.run(t, "doctor", ourDomain, "--json")
		var all struct {
			Reports []struct{ Findings []finding }
		}
		if failed := json.Unmarshal([]byte(out), &all); failed != nil || len(all.Reports) != 1 || len(all.Reports[0].Findings) == 0 {
			t.Fatalf("doctor: %v, %v\n%s%s", err, failed, out, errs)
		}
		findings = all.Reports[0].Findings
		complains := slices.ContainsFunc(findings, func(f finding) bool { return f.Level != "ok" && f.Level != "note" })
		if faults := slices.ContainsFunc(findings, func(f finding) bool { return f.Level == "fault" }); faults != (err != nil) {
			t.Errorf("faults: %v, but doctor ends with %v\n%s", faults, err, errs)
		}
		if !complains || time.Now().After(end) {
			break
		}
	}
	well := 0
	for _, f := range findings {
		switch f.Level {
		case "ok":
			well++
		case "note":
			t.Logf("doctor notes: %s, %s: %s %s", f.Check, f.Subject, f.Text, f.Remedy)
		default:
			t.Errorf("doctor: %s: %s, %s: %s %s\n%s", f.Level, f.Check, f.Subject, f.Text, f.Remedy, f.Record)
		}
	}
	t.Logf("doctor: %d checks are well", well)
}

// converse writes to the stranger, who answers.
func (h *hour) converse(t *testing.T) {
	t.Helper()
	id := fmt.Sprintf("first.%d@%s", time.Now().UnixNano(), ourHost)
	h.submit(t, h.stranger.User, "From: Me <"+ourAdmin+">\r\nTo: <"+h.stranger.User+">\r\nSubject: First\r\nDate: "+time.Now().Format(time.RFC1123Z)+
		"\r\nMessage-ID: <"+id+">\r\n\r\nDo you believe me?\r\n")
	letter := h.stranger.Await(t, "First")
	for _, method := range []string{"spf", "dkim", "dmarc"} {
		if got := letter.Results(h.stranger.Name)[method]; got != "pass" {
			t.Errorf("the stranger finds %s=%q\n%s", method, got, letter.Raw)
		}
	}
	if n := len(letter.Header["Dkim-Signature"]); n != 2 {
		t.Errorf("there are %d DKIM signatures, want one of each key\n%s", n, letter.Raw)
	}
	lab.Within(t, netlab.Patience, "the trail tells of DANE", func() (bool, string) {
		out, errs, err := h.run(t, "trace", "<"+id+">")
		return err == nil && strings.Contains(out, "verified by DANE"), out + errs
	})

	if err := h.stranger.Send(t.Context(), ourAdmin, "Re: First", "I do.", "In-Reply-To: <"+id+">"); err != nil {
		t.Fatal(err)
	}
	h.answered(t)
	if log := h.stranger.Log(); !strings.Contains(log, "Verified TLS connection established to "+ourHost) {
		t.Errorf("the stranger's DANE has not verified us:\n%s", log)
	}
	if out, errs, err := h.run(t, "trace", h.stranger.User); err != nil || !strings.Contains(out, "DMARC") {
		t.Errorf("the trail of the answer does not tell how it was judged: %v\n%s%s", err, out, errs)
	}
}

// distrust has the stranger's DANE be wrong, then its DNSSEC: mail waits, with the reason in its trail, and goes on once that is
// mended. RFC 7672 2.1.1 (bogus) and RFC 7672 2.2 (no match): neither is "no DANE".
func (h *hour) distrust(t *testing.T) {
	t.Helper()
	name := "_25._tcp." + h.stranger.Name + "."
	right := h.us.Run(t, "dig", "+short", "@"+h.DNS.Plain.String(), name, "TLSA")
	publish := func(rdata string) {
		t.Helper()
		if err := h.DNS.Publish(t.Context(), name+" TLSA "+rdata); err != nil {
			t.Fatal(err)
		}
		if err := h.DNS.Flush(t.Context(), h.stranger.Domain); err != nil {
			t.Fatal(err)
		}
	}
	trust := func(how netlab.Trust) {
		t.Helper()
		if err := h.DNS.SetDS(t.Context(), h.stranger.Domain, how); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		subject       string
		harm, mend    func()
		reasonPattern string
	}{
		{"Stale TLSA", func() { publish("3 1 1 " + strings.Repeat("ab", 32)) }, func() { publish(right) }, "TLSA"},
		{"Bogus zone", func() { trust(netlab.Wrong) }, func() { trust(netlab.Right) }, "key (DS)"},
	} {
		c.harm()
		time.Sleep(7 * time.Second) // what was known of the stranger lives two seconds, and five that its keys were good
		id := fmt.Sprintf("distrust.%d@%s", time.Now().UnixNano(), ourHost)
		h.submit(t, h.stranger.User, "From: <"+ourAdmin+">\r\nTo: <"+h.stranger.User+">\r\nSubject: "+c.subject+"\r\nDate: "+time.Now().Format(time.RFC1123Z)+
			"\r\nMessage-ID: <"+id+">\r\n\r\nSafe?\r\n")
		lab.Within(t, netlab.Patience, c.subject+": the mail waits", func() (bool, string) {
			out, errs, err := h.run(t, "trace", "<"+id+">")
			return err == nil && strings.Contains(out, "deferred") && strings.Contains(out, c.reasonPattern), out + errs
		})
		c.mend()
		mended := time.Now()
		h.expected = append(h.expected, h.stranger.Domain)
		for end := mended.Add(2 * netlab.Patience); ; time.Sleep(time.Second) { // a failure of DNSSEC is remembered for half a minute
			out, errs, err := h.run(t, "queue", "retry", "--all")
			all, readErr := h.stranger.Letters()
			if readErr != nil {
				t.Fatal(readErr)
			}
			if slices.ContainsFunc(all, func(l netlab.Letter) bool { return l.Header.Get("Subject") == c.subject }) {
				t.Logf("%s: the mail went on %s after that was mended", c.subject, time.Since(mended).Round(time.Second/10))
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: the mail does not go on: %v\n%s%s", c.subject, err, out, errs)
			}
		}
	}
}

// submit hands in a message as a user's program does.
func (h *hour) submit(t *testing.T, to, message string) {
	t.Helper()
	conn, err := h.dialTLS(t, ":465", h.roots(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(netlab.Patience))
	c, err := smtp.NewClient(conn, ourHost)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", ourAdmin, h.password, ourHost)); err != nil {
		t.Fatal(err)
	}
	if err := lab.Transaction(c, ourAdmin, []string{to}, []byte(message)); err != nil {
		t.Fatal(err)
	}
	c.Quit()
}

// answered waits for the answer in INBOX, by IMAP, and looks how it was judged.
func (h *hour) answered(t *testing.T) {
	t.Helper()
	conn, err := h.dialTLS(t, ":993", h.roots(t))
	if err != nil {
		t.Fatal(err)
	}
	c := imapclient.New(conn, nil)
	defer c.Close()
	if err := c.Login(ourAdmin, h.password).Wait(); err != nil {
		t.Fatal(err)
	}
	var raw string
	lab.Within(t, netlab.Patience, "the answer is in INBOX", func() (bool, string) {
		for _, m := range lab.Fetch(t, c, "INBOX") {
			if bytes.Contains(m.Raw, []byte("Subject: Re: First\r\n")) {
				raw = string(m.Raw)
				return true, ""
			}
		}
		boxes, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
		var where []string
		for _, b := range boxes {
			if b.Status != nil && b.Status.NumMessages != nil && *b.Status.NumMessages > 0 {
				where = append(where, b.Mailbox)
			}
		}
		return false, fmt.Sprintf("there is mail in %q (%v)\n%s", where, err, h.stranger.Log())
	})
	field, _, _ := strings.Cut(raw[strings.Index(raw, "Authentication-Results: ")+1:], "\r\n\r\n")
	for _, want := range []string{"spf=pass", "dkim=pass", "dmarc=pass", "iprev=pass"} {
		if !strings.Contains(field, want) {
			t.Errorf("the answer lacks %s:\n%s", want, raw)
		}
	}
}

// files lists what setup wrote, with what is in it.
func (h *hour) files(t *testing.T) string {
	t.Helper()
	return h.us.Run(t, "sh", "-c", `cksum "$@"`, "sh", h.config, filepath.Join(h.data, ourDomain+".zone"))
}

// found is what a pattern's group matched.
func found(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%s is not in:\n%s", pattern, text)
	}
	return m[1]
}
