package doctor

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
)

var quiet = log.New(io.Discard, "", 0)

// What records.Of says, published, with servers that do as they should, is green, and every check has something to say.
func TestHealthy(t *testing.T) {
	t.Parallel()
	r := newClinic(t).examine()
	if !r.Green() || r.Exit() != 0 {
		t.Errorf("not green:\n%s", show(r, Warning))
	}
	t.Logf("\n%s", show(r, OK))
	said := map[string]bool{}
	for _, f := range r.Findings {
		said[f.Check] = said[f.Check] || f.Level == OK
		if f.Untold {
			t.Errorf("not told: %s", f.Text)
		}
	}
	for _, c := range Checks() {
		if !said[c.Name] {
			t.Errorf("%s has nothing good to say:\n%s", c.Name, show(r, Note))
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("the report is read back as another one: %v", err)
	}
	if strings.Contains(string(b), "PRIVATE") {
		t.Error("a private key is in the report")
	}
}

// A host can be looked at without a domain, and a domain without the host.
func TestHostAndDomainAlone(t *testing.T) {
	t.Parallel()
	d := newClinic(t).doctor()
	of := map[string]bool{}
	for _, c := range Checks() {
		of[c.Name] = c.Host
	}
	h, err := d.Host(context.Background(), nil)
	if err != nil || !h.Green() || h.Domain != "" {
		t.Fatalf("%v\n%s", err, show(h, Warning))
	}
	m, err := d.Domain(context.Background(), "EXAMPLE.test.", nil)
	if err != nil || !m.Green() || m.Domain != domain {
		t.Fatalf("%v\n%s", err, show(m, Warning))
	}
	for _, f := range h.Findings {
		if !of[f.Check] {
			t.Errorf("%s is not of the host", f.Check)
		}
	}
	for _, f := range m.Findings {
		if of[f.Check] {
			t.Errorf("%s is of the host", f.Check)
		}
	}
}

func TestNoDomain(t *testing.T) {
	t.Parallel()
	d := newClinic(t).doctor()
	for _, name := range []string{"", "localhost", "[192.0.2.1]", "a..b", strings.Repeat("x", 300), "a b.test"} {
		if _, err := d.Domain(context.Background(), name, nil); !mail.Is(err, mail.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Examine(ended, domain, nil); !mail.Is(err, mail.Unavailable) {
		t.Errorf("ended: %v", err)
	}
	if _, err := New(Config{}); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
}

// Every finding of every broken set-up leads to a paragraph that exists.
func TestLinks(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Skip("docs/problems.md is not there")
	}
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(page), -1) {
		anchors["docs/problems.md#"+strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	for _, link := range []string{linkPort25, linkPTR, linkRelay, linkBlocklisted, linkSPF, linkDKIM, linkDMARC, linkMX, linkMTASTS, linkDANE, linkTLS,
		linkCertificate, linkClock, linkResolver, linkDNSSEC, linkAutoconfig, linkReports, linkPorts, linkSpam} {
		if !anchors[link] {
			t.Errorf("%s leads nowhere", link)
		}
	}
}

func TestPortOf(t *testing.T) {
	t.Parallel()
	if p, ok := PortOf("imap", 143); !ok || p.TLS || !p.Start || p.Number != 143 {
		t.Error(p, ok)
	}
	if _, ok := PortOf("gopher", 70); ok {
		t.Error("gopher")
	}
	if _, ok := PortOf("smtp", 0); ok {
		t.Error("port 0")
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for l := OK; l <= Fault; l++ {
		b, _ := l.MarshalText()
		var back Level
		if err := back.UnmarshalText(b); err != nil || back != l {
			t.Error(l, err)
		}
	}
	var l Level
	if err := l.UnmarshalText([]byte("dire")); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
	if b, err := json.Marshal(Report{}); err != nil || !strings.Contains(string(b), `"findings":[]`) {
		t.Error(string(b), err)
	}
}
