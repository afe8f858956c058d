package autoconfig

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// plist writes a property list of Apple's in XML.
type plist struct{ b bytes.Buffer }

func (p *plist) text(element, s string) {
	p.b.WriteString("<" + element + ">")
	xml.EscapeText(&p.b, []byte(s)) //nolint:errcheck // a buffer takes everything
	p.b.WriteString("</" + element + ">\n")
}

// pair writes one entry of a dictionary.
func (p *plist) pair(key string, value any) {
	p.text("key", key)
	switch v := value.(type) {
	case string:
		p.text("string", v)
	case int:
		p.text("integer", decimal(v))
	case bool:
		fmt.Fprintf(&p.b, "<%t/>\n", v)
	}
}

// identifier makes a UUID that an address has for ever, one for each use. RFC 9562 5.8.
func identifier(use, address string) string {
	sum := sha256.Sum256([]byte("postrider profile\x00" + use + "\x00" + address))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := strings.ToUpper(hex.EncodeToString(sum[:16]))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// profileOf makes the configuration profile for an address. NotFound when no mail can be read or none be sent here.
func (g *Guide) profileOf(who person) ([]byte, error) {
	in, out := g.cfg.incoming(), g.cfg.services("smtp")
	if len(in) == 0 || len(out) == 0 {
		return nil, mail.Errorf(mail.NotFound, "there is no profile, because this server offers no mailbox or no way to send")
	}
	normal := who.Address
	if a, err := addr.Parse(who.Address); err == nil {
		normal = a.Normal().String()
	}
	account, profile := identifier("account", normal), identifier("profile", normal)
	kind := "EmailTypeIMAP"
	if in[0].Kind == "pop3" {
		kind = "EmailTypePOP"
	}
	var p plist
	p.b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n" +
		`<plist version="1.0">` + "\n<dict>\n")
	p.text("key", "PayloadContent")
	p.b.WriteString("<array>\n<dict>\n")
	for _, e := range []struct {
		key   string
		value any
	}{
		{"EmailAccountDescription", who.Address}, {"EmailAccountName", who.Address}, {"EmailAccountType", kind}, {"EmailAddress", who.Address},
		{"IncomingMailServerAuthentication", "EmailAuthPassword"}, {"IncomingMailServerHostName", g.cfg.Hostname},
		{"IncomingMailServerPortNumber", in[0].Port}, {"IncomingMailServerUseSSL", true}, {"IncomingMailServerUsername", who.Address},
		{"OutgoingMailServerAuthentication", "EmailAuthPassword"}, {"OutgoingMailServerHostName", g.cfg.Hostname},
		{"OutgoingMailServerPortNumber", out[0].Port}, {"OutgoingMailServerUseSSL", true}, {"OutgoingMailServerUsername", who.Address},
		{"OutgoingPasswordSameAsIncomingPassword", true},
		{"PayloadDescription", "Mail for " + who.Address}, {"PayloadDisplayName", "Mail for " + who.Address},
		{"PayloadIdentifier", "mail." + profile + "." + account}, {"PayloadType", "com.apple.mail.managed"}, {"PayloadUUID", account}, {"PayloadVersion", 1},
	} {
		p.pair(e.key, e.value)
	}
	p.b.WriteString("</dict>\n</array>\n")
	p.pair("PayloadDescription", "Sets up mail for "+who.Address+". The password is asked for on the device.")
	p.pair("PayloadDisplayName", "Mail for "+who.Address)
	p.pair("PayloadIdentifier", "mail."+profile)
	p.pair("PayloadOrganization", addr.UnicodeDomain(who.Domain))
	p.pair("PayloadRemovalDisallowed", false)
	p.pair("PayloadType", "Configuration")
	p.pair("PayloadUUID", profile)
	p.pair("PayloadVersion", 1)
	p.b.WriteString("</dict>\n</plist>\n")
	return p.b.Bytes(), nil
}

// profile answers /setup/profile.mobileconfig?email=.
func (g *Guide) profile(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	who, err := g.of(r.Context(), r.URL.Query().Get("email"))
	var text []byte
	if err == nil {
		text, err = g.profileOf(who)
	}
	if err != nil {
		http.Error(w, words(err), g.status(err))
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	send(w, r, http.StatusOK, "application/x-apple-aspen-config", text)
}

// profileURL is where a device finds the profile of an address.
func (g *Guide) profileURL(who person) string {
	return g.cfg.url("/setup/profile.mobileconfig", url.Values{"email": {who.Address}})
}
