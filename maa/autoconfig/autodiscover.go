package autoconfig

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Bounds on what a program posts to Autodiscover.
const (
	MaxRequest = 16 << 10 // octets
	MaxDepth   = 16       // elements in one another
	MaxTokens  = 1000
)

// The schemas of Microsoft's plain Autodiscover that are spoken here.
const (
	responseSchema = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	outlookSchema  = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// wish is what a program asks for.
type wish struct {
	Address string
	Schemas []string // of answers it takes; none: any
}

// readWish reads a request. Names of elements are compared without their namespaces, which programs get wrong.
func readWish(r io.Reader) (wish, error) {
	bad := func(format string, args ...any) (wish, error) {
		return wish{}, mail.Errorf(mail.Invalid, format, args...)
	}
	d := xml.NewDecoder(io.LimitReader(r, MaxRequest))
	var out wish
	var open []string
	for range MaxTokens {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && len(open) == 0 && out.Address != "":
			return out, nil
		case errors.Is(err, io.EOF):
			return bad("the request names no address")
		case err != nil:
			return bad("the request is no XML document: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return bad("the request has a document type")
		case xml.StartElement:
			if len(open) == MaxDepth {
				return bad("the request is too deep")
			}
			open = append(open, strings.ToLower(t.Name.Local))
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				out.take(open[len(open)-1], strings.TrimSpace(string(t)))
			}
		}
	}
	return bad("the request is too long")
}

func (o *wish) take(element, text string) {
	switch element {
	case "emailaddress":
		if text != "" {
			o.Address = text
		}
	case "acceptableresponseschema":
		if text != "" {
			o.Schemas = append(o.Schemas, text)
		}
	}
}

// The answer.
type autodiscoverAnswer struct {
	XMLName  xml.Name `xml:"Autodiscover"`
	NS       string   `xml:"xmlns,attr"`
	Response discovered
}

type discovered struct {
	NS      string            `xml:"xmlns,attr"`
	User    *discoveredUser   `xml:"User,omitempty"`
	Account *discoveredHow    `xml:"Account,omitempty"`
	Error   *discoveredRefuse `xml:"Error,omitempty"`
}

type discoveredUser struct {
	DisplayName string `xml:"DisplayName"`
}

type discoveredHow struct {
	AccountType string `xml:"AccountType"`
	Action      string `xml:"Action"`
	Protocol    []discoveredProtocol
}

type discoveredProtocol struct {
	Type           string `xml:"Type"`
	Server         string `xml:"Server"`
	Port           int    `xml:"Port"`
	DomainRequired string `xml:"DomainRequired"`
	LoginName      string `xml:"LoginName"`
	SPA            string `xml:"SPA"`
	SSL            string `xml:"SSL"`
	Encryption     string `xml:"Encryption"`
	AuthRequired   string `xml:"AuthRequired"`
	UsePOPAuth     string `xml:"UsePOPAuth,omitempty"`
	SMTPLast       string `xml:"SMTPLast,omitempty"`
}

type discoveredRefuse struct {
	Code    int    `xml:"ErrorCode"`
	Message string `xml:"Message"`
	Debug   string `xml:"DebugData"`
}

func (g *Guide) discovery(p person) discovered {
	how := &discoveredHow{AccountType: "email", Action: "settings"}
	for _, kind := range []string{"imap", "pop3", "smtp"} {
		list := g.cfg.services(kind)
		if len(list) == 0 {
			continue
		}
		s := list[0] // Outlook takes one of each kind
		one := discoveredProtocol{
			Type: strings.ToUpper(kind), Server: g.cfg.Hostname, Port: s.Port, DomainRequired: "off", LoginName: p.Address, SPA: "off",
			SSL: "on", Encryption: "SSL", AuthRequired: "on",
		}
		if !s.Implicit {
			one.Encryption = "TLS"
		}
		if kind == "smtp" {
			one.UsePOPAuth, one.SMTPLast = "on", "off" // with the same name and password
		}
		how.Protocol = append(how.Protocol, one)
	}
	return discovered{NS: outlookSchema, User: &discoveredUser{p.Address}, Account: how}
}

// Codes of Autodiscover's refusals.
const (
	notHere    = 500
	notValid   = 600
	noProvider = 601
)

// autodiscover answers POST /autodiscover/autodiscover.xml.
func (g *Guide) autodiscover(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "Mail programs post a request here.", http.StatusMethodNotAllowed)
		return
	}
	answer := func(d discovered) {
		writeXML(w, r, http.StatusOK, autodiscoverAnswer{NS: responseSchema, Response: d})
	}
	refuse := func(code int, message string) {
		answer(discovered{NS: responseSchema, Error: &discoveredRefuse{Code: code, Message: message}})
	}
	ask, err := readWish(r.Body)
	if err != nil {
		refuse(notValid, words(err))
		return
	}
	if len(ask.Schemas) > 0 && !contains(ask.Schemas, outlookSchema) {
		refuse(noProvider, "Only settings for Outlook are told here.")
		return
	}
	p, err := g.of(r.Context(), ask.Address)
	switch {
	case mail.Is(err, mail.Invalid):
		refuse(notValid, words(err))
	case mail.Is(err, mail.NotFound):
		refuse(notHere, words(err))
	case err != nil:
		http.Error(w, words(err), g.status(err))
	default:
		answer(g.discovery(p))
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if strings.EqualFold(s, want) {
			return true
		}
	}
	return false
}

// autodiscoverJSON answers the second version, /autodiscover/autodiscover.json: it tells where the first is.
func (g *Guide) autodiscoverJSON(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	address, protocol := wishOfURL(r.URL)
	p, err := g.of(r.Context(), address)
	switch {
	case err != nil:
		code := g.status(err)
		kind := map[int]string{http.StatusBadRequest: "InvalidRequest", http.StatusNotFound: "UserNotFound"}[code]
		sendJSON(w, r, code, map[string]string{"ErrorCode": kind, "ErrorMessage": words(err)})
	case !strings.EqualFold(protocol, "AutodiscoverV1"):
		sendJSON(w, r, http.StatusBadRequest, map[string]string{"ErrorCode": "InvalidProtocol", "ErrorMessage": "Only AutodiscoverV1 is known here."})
	default:
		g.cfg.Log.Debug("autodiscover was asked where to go", "role", "maa/autoconfig", "domain", p.Domain)
		sendJSON(w, r, http.StatusOK, map[string]string{"Protocol": "AutodiscoverV1", "Url": g.cfg.url("/autodiscover/autodiscover.xml", nil)})
	}
}

// wishOfURL finds address and protocol: ?Email= or the end of the path, and ?Protocol=, in whatever case.
func wishOfURL(u *url.URL) (address, protocol string) {
	for name, values := range u.Query() {
		switch strings.ToLower(name) {
		case "email":
			address = values[0]
		case "protocol":
			protocol = values[0]
		}
	}
	if last := path.Base(u.Path); address == "" && strings.Contains(last, "@") {
		address = last
	}
	return address, protocol
}

func sendJSON(w http.ResponseWriter, r *http.Request, code int, doc map[string]string) {
	text, err := json.Marshal(doc)
	if err != nil {
		http.Error(w, "The settings cannot be told now.", http.StatusInternalServerError)
		return
	}
	send(w, r, code, "application/json; charset=utf-8", text)
}
