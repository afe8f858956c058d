package autoconfig

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/postrider/postrider/proto/addr"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText []byte

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// policy lets the page have its style sheet and its form, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// view is what the page shows.
type view struct {
	Domain  string // of the address, or of the host that was asked; "" when neither is known
	Given   string // what was typed
	Trouble string
	Address string // a sound one: settings follow
	Host    string
	Tables  []table
	Profile string // link to the profile; "" without
	QR      drawing
}

// table is the settings of one purpose.
type table struct {
	Title, Note string
	Rows        []row
}

type row struct{ Name, Value string }

// page answers /setup, with ?email= or without.
func (g *Guide) page(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	if r.URL.Path != "/" && r.URL.Path != "/setup" {
		http.NotFound(w, r)
		return
	}
	v, status := view{Given: r.URL.Query().Get("email"), Host: g.cfg.Hostname}, http.StatusOK
	if name, err := g.domainOfHost(r); err == nil {
		v.Domain = addr.UnicodeDomain(name)
	}
	if r.URL.Query().Has("email") {
		if who, err := g.of(r.Context(), v.Given); err != nil {
			status, v.Trouble = g.status(err), words(err)
		} else {
			g.fill(&v, who)
		}
	}
	if len(v.Given) > MaxAddress {
		v.Given = ""
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		g.cfg.Log.Error("the set-up page cannot be shown", "role", "maa/autoconfig", "error", err)
		http.Error(w, "The page cannot be shown now.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", policy)
	send(w, r, status, "text/html; charset=utf-8", b.Bytes())
}

func (g *Guide) fill(v *view, who person) {
	v.Address, v.Domain = who.Address, addr.UnicodeDomain(who.Domain)
	for _, t := range []struct{ kind, title, note string }{
		{"imap", "Incoming mail: IMAP", "Mail stays on the server and is the same on all your devices."},
		{"smtp", "Outgoing mail: SMTP", "With the same name and password."},
		{"pop3", "Incoming mail: POP3", "Only if your program does not know IMAP."},
	} {
		if list := g.cfg.services(t.kind); len(list) > 0 {
			v.Tables = append(v.Tables, table{t.title, t.note, g.rows(list, who)})
		}
	}
	if _, err := g.profileOf(who); err != nil {
		return
	}
	if c, err := code(g.profileURL(who)); err == nil {
		v.Profile, v.QR = "/setup/profile.mobileconfig?"+url.Values{"email": {who.Address}}.Encode(), draw(c)
	}
}

func (g *Guide) rows(list []service, who person) []row {
	port := func(s service) (string, string) {
		if s.Implicit {
			return decimal(s.Port), "SSL/TLS"
		}
		return decimal(s.Port), "STARTTLS"
	}
	number, security := port(list[0])
	rows := []row{{"Server", g.cfg.Hostname}, {"Port", number}, {"Security", security}, {"User name", who.Address}, {"Password", "your mail password"}}
	if len(list) > 1 {
		number, security = port(list[1])
		rows = append(rows, row{"Or else", "port " + number + " with " + security})
	}
	return rows
}

// Initial is the letter in the page's badge.
func (v view) Initial() string {
	for _, r := range strings.ToUpper(v.Domain) {
		return string(r)
	}
	return "@"
}

// style answers /setup/style.css.
func (g *Guide) style(w http.ResponseWriter, r *http.Request) {
	if readOnly(w, r) {
		send(w, r, http.StatusOK, "text/css; charset=utf-8", styleText)
	}
}
