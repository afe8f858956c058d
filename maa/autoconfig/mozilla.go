package autoconfig

import (
	"encoding/xml"
	"net/http"
	"strconv"

	"github.com/postrider/postrider/proto/addr"
)

// The document that Thunderbird and others read, version 1.1 of Mozilla's format. %EMAILADDRESS% is put in by the program.
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Version  string   `xml:"version,attr"`
	Provider mozillaProvider
}

type mozillaProvider struct {
	XMLName       xml.Name        `xml:"emailProvider"`
	ID            string          `xml:"id,attr"`
	Domain        string          `xml:"domain"`
	DisplayName   string          `xml:"displayName"`
	ShortName     string          `xml:"displayShortName"`
	Incoming      []mozillaServer `xml:"incomingServer"`
	Outgoing      []mozillaServer `xml:"outgoingServer"`
	Documentation mozillaDocs     `xml:"documentation"`
}

type mozillaServer struct {
	Type           string `xml:"type,attr"`
	Hostname       string `xml:"hostname"`
	Port           int    `xml:"port"`
	SocketType     string `xml:"socketType"`
	Authentication string `xml:"authentication"`
	Username       string `xml:"username"`
}

type mozillaDocs struct {
	URL   string       `xml:"url,attr"`
	Descr mozillaDescr `xml:"descr"`
}

type mozillaDescr struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

func (g *Guide) mozillaServers(list []service) (out []mozillaServer) {
	for _, s := range list {
		socket := "STARTTLS"
		if s.Implicit {
			socket = "SSL"
		}
		out = append(out, mozillaServer{s.Kind, g.cfg.Hostname, s.Port, socket, "password-cleartext", "%EMAILADDRESS%"})
	}
	return out
}

// mozilla answers /mail/config-v1.1.xml, with ?emailaddress= or without.
func (g *Guide) mozilla(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	var domain string
	var err error
	if address := r.URL.Query().Get("emailaddress"); address != "" {
		var p person
		p, err = g.of(r.Context(), address)
		domain = p.Domain
	} else {
		domain, err = g.domainOfHost(r)
	}
	if err != nil {
		http.Error(w, words(err), g.status(err))
		return
	}
	if len(g.cfg.incoming()) == 0 && len(g.cfg.services("smtp")) == 0 { // a file without servers would end a program's search
		http.Error(w, "No service for mail programs is offered here.", http.StatusNotFound)
		return
	}
	writeXML(w, r, http.StatusOK, clientConfig{Version: "1.1", Provider: mozillaProvider{
		ID: domain, Domain: domain, DisplayName: addr.UnicodeDomain(domain), ShortName: addr.UnicodeDomain(domain),
		Incoming: g.mozillaServers(g.cfg.incoming()), Outgoing: g.mozillaServers(g.cfg.services("smtp")),
		Documentation: mozillaDocs{g.cfg.url("/setup", nil), mozillaDescr{"en", "Settings for all mail programs"}},
	}})
}

// writeXML sends a document.
func writeXML(w http.ResponseWriter, r *http.Request, code int, doc any) {
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		http.Error(w, "The settings cannot be told now.", http.StatusInternalServerError)
		return
	}
	send(w, r, code, "text/xml; charset=utf-8", append([]byte(xml.Header), append(text, '\n')...))
}

// send answers with a whole document, which nobody else may keep: it can repeat an address.
func send(w http.ResponseWriter, r *http.Request, code int, kind string, text []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "private, max-age=300")
	h.Set("Content-Length", decimal(len(text)))
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		w.Write(text) //nolint:errcheck // the client went away
	}
}

func decimal(n int) string { return strconv.Itoa(n) }
