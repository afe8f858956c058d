package autoconfig_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/maa/autoconfig"
	"github.com/postrider/postrider/mail"
)

type domains []string

func (d domains) Serves(_ context.Context, domain string) (bool, error) {
	if domain == "broken.test" {
		return false, mail.Errorf(mail.Unavailable, "the directory is away")
	}
	return slices.Contains(d, domain), nil
}

var all = autoconfig.Config{
	Domains: domains{"example.test", "xn--mller-kva.test"}, Hostname: "mail.example.test",
	IMAPS: 993, IMAP: 143, POP3S: 995, Submissions: 465, Submission: 587,
}

func server(cfg autoconfig.Config) (secure, plain *web.Mux) {
	secure, plain = web.NewMux(), web.NewMux()
	autoconfig.New(cfg).Register(secure, plain)
	return secure, plain
}

func ask(h http.Handler, method, url, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, url, strings.NewReader(body)))
	return w
}

// wellFormed has another program read a document, where there is one.
func wellFormed(t *testing.T, doc []byte) {
	t.Helper()
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Log("xmllint is not installed")
		return
	}
	c := exec.Command("xmllint", "--noout", "--nonet", "-")
	c.Stdin = bytes.NewReader(doc)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v %s\n%s", err, out, doc)
	}
}

func TestMozilla(t *testing.T) {
	t.Parallel()
	secure, plain := server(all)
	for _, c := range []struct {
		url    string
		code   int
		domain string
	}{
		{"http://autoconfig.example.test/mail/config-v1.1.xml?emailaddress=ann%40example.test", 200, "example.test"},
		{"http://autoconfig.example.test/mail/config-v1.1.xml", 200, "example.test"},
		{"http://example.test/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=a%2Bb@EXAMPLE.test", 200, "example.test"},
		{"http://mail.example.test/.well-known/autoconfig/mail/config-v1.1.xml", 200, "example.test"},
		{"http://autoconfig.x.test/mail/config-v1.1.xml?emailaddress=ann@m%C3%BCller.test", 200, "xn--mller-kva.test"},
		{"http://autoconfig.other.test/mail/config-v1.1.xml", 404, ""},
		{"http://autoconfig.example.test/mail/config-v1.1.xml?emailaddress=ann@other.test", 404, ""},
		{"http://autoconfig.example.test/mail/config-v1.1.xml?emailaddress=ann", 400, ""},
		{"http://autoconfig.example.test/mail/config-v1.1.xml?emailaddress=ann@broken.test", 503, ""},
	} {
		for _, m := range []*web.Mux{secure, plain} {
			w := ask(m, "GET", c.url, "")
			if w.Code != c.code {
				t.Errorf("%s: %d %s", c.url, w.Code, w.Body)
			}
			if c.code != 200 {
				continue
			}
			wellFormed(t, w.Body.Bytes())
			checkMozilla(t, w, c.domain)
		}
	}
	if w := ask(secure, "POST", "http://autoconfig.example.test/mail/config-v1.1.xml", ""); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
	if w := ask(plain, "GET", "http://mail.example.test/setup", ""); w.Code != 404 {
		t.Errorf("the page without TLS: %d", w.Code)
	}
}

// checkMozilla reads the document as Thunderbird does: the elements it documents, with values it knows. RFC 8314 3.
func checkMozilla(t *testing.T, w *httptest.ResponseRecorder, domain string) {
	t.Helper()
	type server struct {
		Type string `xml:"type,attr"`
		Host string `xml:"hostname"`
		Port int    `xml:"port"`
		Sock string `xml:"socketType"`
		Auth string `xml:"authentication"`
		User string `xml:"username"`
	}
	var doc struct {
		XMLName  xml.Name `xml:"clientConfig"`
		Version  string   `xml:"version,attr"`
		Provider struct {
			ID      string   `xml:"id,attr"`
			Domain  string   `xml:"domain"`
			Display string   `xml:"displayName"`
			In      []server `xml:"incomingServer"`
			Out     []server `xml:"outgoingServer"`
		} `xml:"emailProvider"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	const host, auth, user = "mail.example.test", "password-cleartext", "%EMAILADDRESS%"
	p := doc.Provider
	if doc.Version != "1.1" || p.ID != domain || p.Domain != domain || p.Display == "" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/xml") {
		t.Errorf("%+v", doc)
	}
	if want := []server{{"imap", host, 993, "SSL", auth, user}, {"imap", host, 143, "STARTTLS", auth, user}, {"pop3", host, 995, "SSL", auth, user}}; !slices.Equal(p.In, want) {
		t.Errorf("incoming %+v", p.In)
	}
	if want := []server{{"smtp", host, 465, "SSL", auth, user}, {"smtp", host, 587, "STARTTLS", auth, user}}; !slices.Equal(p.Out, want) {
		t.Errorf("outgoing %+v", p.Out)
	}
}

const outlook = `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>ann@example.test</EMailAddress>
    <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
  </Request>
</Autodiscover>`

type outlookAnswer struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response struct {
		XMLName xml.Name
		Account struct {
			Type     string `xml:"AccountType"`
			Action   string
			Protocol []struct {
				Type, Server, LoginName, SSL, Encryption, SPA string
				Port                                          int
			}
		}
		Error struct {
			Code    int `xml:"ErrorCode"`
			Message string
		}
	}
}

func TestAutodiscover(t *testing.T) {
	t.Parallel()
	secure, _ := server(all)
	for _, url := range []string{"https://autodiscover.example.test/autodiscover/autodiscover.xml", "https://example.test/Autodiscover/Autodiscover.xml", "https://mail.example.test/AUTODISCOVER/AUTODISCOVER.XML"} {
		w := ask(secure, "POST", url, outlook)
		var a outlookAnswer
		if err := xml.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v %s", url, w.Code, err, w.Body)
		}
		wellFormed(t, w.Body.Bytes())
		got := a.Response.Account
		if a.Response.XMLName.Space != "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a" || got.Type != "email" || got.Action != "settings" || len(got.Protocol) != 3 {
			t.Fatalf("%+v", a)
		}
		for i, want := range []struct {
			kind string
			port int
		}{{"IMAP", 993}, {"POP3", 995}, {"SMTP", 465}} {
			p := got.Protocol[i]
			if p.Type != want.kind || p.Port != want.port || p.Server != "mail.example.test" || p.LoginName != "ann@example.test" || p.SSL != "on" || p.Encryption != "SSL" || p.SPA != "off" {
				t.Errorf("%+v", p)
			}
		}
	}
	starttls, _ := server(autoconfig.Config{Domains: all.Domains, Hostname: "mail.example.test", IMAP: 143, Submission: 587})
	if w := ask(starttls, "POST", "https://x/autodiscover/autodiscover.xml", outlook); !strings.Contains(w.Body.String(), "<Encryption>TLS</Encryption>") {
		t.Errorf("STARTTLS: %s", w.Body)
	}
}

func TestAutodiscoverRefusals(t *testing.T) {
	t.Parallel()
	secure, _ := server(all)
	const at = "https://autodiscover.example.test/autodiscover/autodiscover.xml"
	wrap := func(inner string) string { return "<Autodiscover><Request>" + inner + "</Request></Autodiscover>" }
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"nothing":            {"", 600},
		"no xml":             {"hello", 600},
		"cut":                {outlook[:150], 600},
		"two addresses":      {wrap("<EMailAddress>a@other.test</EMailAddress><EMailAddress>a@example.test</EMailAddress>"), 0},
		"no address":         {wrap("<EMailAddress/>"), 600},
		"bad address":        {wrap("<EMailAddress>ann</EMailAddress>"), 600},
		"not ours":           {wrap("<EMailAddress>ann@other.test</EMailAddress>"), 500},
		"phone":              {strings.Replace(outlook, "outlook/responseschema/2006a", "mobilesync/responseschema/2006", 1), 601},
		"document type":      {`<!DOCTYPE a [<!ENTITY x "y">]>` + outlook, 600},
		"entity":             {wrap("<EMailAddress>&x;@example.test</EMailAddress>"), 600},
		"deep":               {strings.Repeat("<a>", 100000), 600},
		"deep and closed":    {strings.Repeat("<a>", 50) + strings.Repeat("</a>", 50), 600},
		"many":               {"<a>" + strings.Repeat("<b/>", 3000) + "</a>", 600},
		"large":              {wrap("<EMailAddress>" + strings.Repeat(" ", 1<<20) + "a@example.test</EMailAddress>"), 600},
		"another charset":    {`<?xml version="1.0" encoding="utf-16"?><a/>`, 600},
		"any schema":         {wrap("<EMailAddress>ann@example.test</EMailAddress>"), 0},
		"markup in the name": {wrap("<EMailAddress>&lt;b&gt;@example.test</EMailAddress>"), 600},
	} {
		w := ask(secure, "POST", at, c.body)
		var a outlookAnswer
		if err := xml.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 || a.Response.Error.Code != c.code {
			t.Errorf("%s: %d %v %s", name, w.Code, err, w.Body)
		}
	}
	if w := ask(secure, "POST", at, wrap("<EMailAddress>ann@broken.test</EMailAddress>")); w.Code != 503 || strings.Contains(w.Body.String(), "directory") {
		t.Errorf("a directory that is away: %d %s", w.Code, w.Body)
	}
	if w := ask(secure, "GET", at, ""); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", w.Code)
	}
}

func TestAutodiscoverJSON(t *testing.T) {
	t.Parallel()
	secure, _ := server(all)
	for url, want := range map[string]struct {
		code  int
		field string
		value string
	}{
		"/autodiscover/autodiscover.json?Email=ann@example.test&Protocol=Autodiscoverv1":     {200, "Url", "https://mail.example.test/autodiscover/autodiscover.xml"},
		"/Autodiscover/Autodiscover.json/v1.0/ann@example.test?Protocol=AutodiscoverV1&x=1":  {200, "Protocol", "AutodiscoverV1"},
		"/autodiscover/autodiscover.json?email=ann@example.test&protocol=ActiveSync":         {400, "ErrorCode", "InvalidProtocol"},
		"/autodiscover/autodiscover.json?Email=ann@other.test&Protocol=AutodiscoverV1":       {404, "ErrorCode", "UserNotFound"},
		"/autodiscover/autodiscover.json?Protocol=AutodiscoverV1":                            {400, "ErrorCode", "InvalidRequest"},
		"/autodiscover/autodiscover.json?Email=%22%3E%3Cscript%3E&Protocol=AutodiscoverV1":   {400, "ErrorCode", "InvalidRequest"},
		"/autodiscover/autodiscover.json/v1.0/ann@example.test?Protocol=Ews&Protocol=Second": {400, "ErrorCode", "InvalidProtocol"},
	} {
		w := ask(secure, "GET", "https://autodiscover.example.test"+url, "")
		var got map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != want.code || got[want.field] != want.value {
			t.Errorf("%s: %d %v %s", url, w.Code, err, w.Body)
		}
	}
}

// The profile is a property list that Apple's devices take, with identifiers that an address keeps. RFC 9562 5.8.
func TestProfile(t *testing.T) {
	t.Parallel()
	secure, _ := server(all)
	get := func(email string) *httptest.ResponseRecorder {
		return ask(secure, "GET", "https://mail.example.test/setup/profile.mobileconfig?email="+url.QueryEscape(email), "")
	}
	w := get(`ann&lee@example.test`)
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/x-apple-aspen-config" || !strings.Contains(w.Header().Get("Content-Disposition"), ".mobileconfig") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	wellFormed(t, w.Body.Bytes())
	if ids := uuids(w.Body.String()); len(ids) != 2*36+1 {
		t.Errorf("identifiers %q", ids)
	}
	if again := get("ANN&lee@EXAMPLE.test"); uuids(again.Body.String()) != uuids(w.Body.String()) {
		t.Error("the identifiers changed")
	}
	if other := get("bob@example.test"); uuids(other.Body.String()) == uuids(w.Body.String()) {
		t.Error("two addresses share identifiers")
	}
	for email, code := range map[string]int{"ann@other.test": 404, "": 400, "ann": 400, strings.Repeat("a", 300) + "@example.test": 400} {
		if w := get(email); w.Code != code {
			t.Errorf("%q: %d", email, w.Code)
		}
	}
	checkPlist(t, w.Body.Bytes())
	sendOnly, _ := server(autoconfig.Config{Domains: all.Domains, Hostname: "x.test", Submissions: 465})
	if w := ask(sendOnly, "GET", "https://x/setup/profile.mobileconfig?email=ann@example.test", ""); w.Code != 404 {
		t.Errorf("without mailboxes: %d", w.Code)
	}
}

func uuids(doc string) string {
	var out []string
	for i, s := range strings.Split(doc, "<key>PayloadUUID</key>") {
		if i > 0 {
			out = append(out, strings.TrimPrefix(strings.TrimSpace(strings.SplitN(s, "</string>", 2)[0]), "<string>"))
		}
	}
	return strings.Join(out, " ")
}

// checkPlist has Python read the list, whose parser is made for Apple's.
func checkPlist(t *testing.T, doc []byte) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Log("python3 is not installed")
		return
	}
	c := exec.Command("python3", "-c", "import plistlib,json,sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))")
	c.Stdin = bytes.NewReader(doc)
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	var p struct {
		PayloadType, PayloadUUID, PayloadIdentifier string
		PayloadVersion                              int
		PayloadContent                              []map[string]any
	}
	if err != nil || json.Unmarshal(out, &p) != nil || len(p.PayloadContent) != 1 {
		t.Fatalf("%v %s %s", err, out, said.String())
	}
	if p.PayloadType != "Configuration" || p.PayloadVersion != 1 || len(p.PayloadUUID) != 36 || p.PayloadUUID[14] != '8' || !strings.ContainsRune("89AB", rune(p.PayloadUUID[19])) {
		t.Errorf("%+v", p)
	}
	for key, want := range map[string]any{
		"PayloadType": "com.apple.mail.managed", "EmailAccountType": "EmailTypeIMAP", "EmailAddress": "ann&lee@example.test",
		"IncomingMailServerHostName": "mail.example.test", "IncomingMailServerPortNumber": 993.0, "IncomingMailServerUseSSL": true,
		"IncomingMailServerUsername": "ann&lee@example.test", "OutgoingMailServerPortNumber": 465.0, "OutgoingMailServerUseSSL": true,
		"OutgoingPasswordSameAsIncomingPassword": true, "IncomingMailServerAuthentication": "EmailAuthPassword", "PayloadVersion": 1.0,
	} {
		if got := p.PayloadContent[0][key]; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	for key := range p.PayloadContent[0] {
		if strings.Contains(key, "MailServerPassword") || key == "IncomingPassword" {
			t.Errorf("there is a password: %s", key)
		}
	}
}

// The code leads to the profile: zbarimg, where it is installed, reads it.
func TestQR(t *testing.T) {
	t.Parallel()
	secure, _ := server(all)
	w := ask(secure, "GET", "https://mail.example.test/setup/qr.png?email=ann%2Bx@example.test", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/png" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if img, err := png.Decode(bytes.NewReader(w.Body.Bytes())); err != nil || img.Bounds().Dx() < 100 {
		t.Errorf("%v", err)
	}
	svg := ask(secure, "GET", "https://mail.example.test/setup/qr.svg?email=ann%2Bx@example.test", "")
	if svg.Code != 200 || svg.Header().Get("Content-Type") != "image/svg+xml" {
		t.Errorf("%d %v", svg.Code, svg.Header())
	}
	wellFormed(t, svg.Body.Bytes())
	long := strings.Repeat("é", 100) + "@example.test"
	if w := ask(secure, "GET", "https://mail.example.test/setup/qr.png?email="+url.QueryEscape(long), ""); w.Code != 200 {
		t.Errorf("a long address: %d %s", w.Code, w.Body)
	}
	if w := ask(secure, "GET", "https://mail.example.test/setup/qr.png?email=ann@other.test", ""); w.Code != 404 {
		t.Errorf("not ours: %d", w.Code)
	}
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Skip("zbarimg is not installed (zbar-tools)")
	}
	file := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("zbarimg", "-q", "--raw", file).Output()
	if want := "https://mail.example.test/setup/profile.mobileconfig?email=ann%2Bx%40example.test"; err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%q %v", out, err)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	secure, _ := server(all)
	for _, c := range []struct {
		url  string
		code int
		want []string
		not  []string
	}{
		{"https://autoconfig.example.test/", 200, []string{"for addresses at example.test", "you@example.test", "<label"}, []string{"<script", "993"}},
		{"https://mail.example.test/setup", 200, []string{"for addresses at example.test"}, nil},
		{"https://x.test/setup?email=ann@example.test", 200, []string{"ann@example.test", "993", "465", "995", "SSL/TLS", "port 143 with STARTTLS", "<svg", "/setup/profile.mobileconfig?email=ann%40example.test"}, []string{"<script"}},
		{"https://x.test/setup?email=+ann@m%C3%BCller.test", 200, []string{"ann@müller.test"}, nil},
		{"https://x.test/setup?email=ann@other.test", 404, []string{"Mail for other.test is not here; check", `aria-invalid="true"`}, []string{"993"}},
		{"https://x.test/setup?email=", 400, []string{"not a whole mail address"}, nil},
		{"https://x.test/setup?email=%22%3E%3Cscript%3Ealert(1)%3C/script%3E@example.test", 400, []string{"not a whole mail address"}, []string{"<script"}},
		{"https://x.test/setup?email=%3Cb%3E@example.test", 400, nil, []string{"<b>"}},
		{"https://x.test/setup?email=%22%3Cb%3E%22@example.test", 200, []string{"&#34;&lt;b&gt;&#34;@example.test"}, []string{"<b>"}},
		{"https://x.test/setup?email=ann@broken.test", 503, []string{"try again soon"}, []string{"directory"}},
		{"https://autoconfig.example.test/other", 404, nil, []string{"<form"}},
	} {
		w := ask(secure, "GET", c.url, "")
		if w.Code != c.code {
			t.Errorf("%s: %d", c.url, w.Code)
		}
		for _, s := range c.want {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%s lacks %q", c.url, s)
			}
		}
		for _, s := range c.not {
			if strings.Contains(w.Body.String(), s) {
				t.Errorf("%s has %q", c.url, s)
			}
		}
		csp := w.Header().Get("Content-Security-Policy")
		if strings.Contains(w.Body.String(), "<form") && (!strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src")) {
			t.Errorf("policy %q", csp)
		}
	}
	if w := ask(secure, "GET", "https://x.test/setup/style.css", ""); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("style: %d %v", w.Code, w.Header())
	}
	if w := ask(secure, "HEAD", "https://x.test/setup", ""); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d, %d octets", w.Code, w.Body.Len())
	}
	if w := ask(secure, "POST", "https://x.test/setup", "email=x"); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// Nothing that is answered tells whether an address exists: answers differ by the address alone.
func TestNobodyIsTold(t *testing.T) {
	t.Parallel()
	secure, _ := server(all)
	for _, q := range []struct{ method, url, body string }{
		{"GET", "https://mail.example.test/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=WHO@example.test", ""},
		{"POST", "https://mail.example.test/autodiscover/autodiscover.xml", strings.Replace(outlook, "ann@", "WHO@", 1)},
		{"GET", "https://mail.example.test/autodiscover/autodiscover.json?Email=WHO@example.test&Protocol=AutodiscoverV1", ""},
	} {
		answer := func(who string) string {
			w := ask(secure, q.method, strings.Replace(q.url, "WHO", who, 1), strings.Replace(q.body, "WHO", who, 1))
			return strings.ReplaceAll(w.Body.String(), who, "WHO")
		}
		if a, b := answer("ann"), answer("nobody-has-this"); a != b || a == "" {
			t.Errorf("%s: %s\n%s", q.url, a, b)
		}
	}
}

// FuzzAutodiscover posts whatever to Autodiscover: the answer is always a document, and one that fits the request.
func FuzzAutodiscover(f *testing.F) {
	f.Add([]byte(outlook))
	f.Add([]byte("<a><EMailAddress>x@example.test</EMailAddress></a>"))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`))
	f.Add([]byte("<a:b xmlns:a='c'>"))
	secure, _ := server(all)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		secure.ServeHTTP(w, httptest.NewRequest("POST", "https://x/autodiscover/autodiscover.xml", io.LimitReader(bytes.NewReader(body), 1<<20)))
		var a outlookAnswer
		if err := xml.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 && w.Code != 503 {
			t.Fatalf("%d %v %s", w.Code, err, w.Body)
		}
		if (a.Response.Error.Code == 0) != (len(a.Response.Account.Protocol) == 3) {
			t.Fatalf("%s", w.Body)
		}
		if a.Response.Error.Code == 0 && !bytes.Contains(bytes.ToLower(body), []byte("emailaddress")) {
			t.Fatalf("nobody was named: %q", body)
		}
	})
}

// FuzzSetup asks the page and the profile for whatever address.
func FuzzSetup(f *testing.F) {
	for _, s := range []string{"ann@example.test", "", `"<b>"@example.test`, "a@b@c", "\x00@example.test", strings.Repeat("a", 300)} {
		f.Add(s)
	}
	secure, _ := server(all)
	f.Fuzz(func(t *testing.T, email string) {
		page := ask(secure, "GET", "https://x/setup?email="+url.QueryEscape(email), "")
		profile := ask(secure, "GET", "https://x/setup/profile.mobileconfig?email="+url.QueryEscape(email), "")
		if page.Code != profile.Code || page.Body.Len() > 64<<10 || strings.Count(page.Body.String(), "<svg") > 1 || strings.Contains(page.Body.String(), "<script") {
			t.Fatalf("%d %d %s", page.Code, profile.Code, page.Body)
		}
		if profile.Code == 200 {
			if err := xml.NewDecoder(profile.Body).Decode(new(struct{ XMLName xml.Name })); err != nil {
				t.Fatalf("%v", err)
			}
		}
	})
}

// A server that offers nothing to mail programs does not say that they find everything by themselves.
func TestNothingOffered(t *testing.T) {
	t.Parallel()
	secure, _ := server(autoconfig.Config{Domains: domains{"example.test"}, Hostname: "mail.example.test"})
	if w := ask(secure, http.MethodGet, "https://mail.example.test/setup?email=ann@example.test", ""); w.Code != http.StatusOK ||
		!strings.Contains(w.Body.String(), "nothing to set up") || strings.Contains(w.Body.String(), "by itself") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	if w := ask(secure, http.MethodGet, "https://autoconfig.example.test/mail/config-v1.1.xml?emailaddress=ann@example.test", ""); w.Code != http.StatusNotFound {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
}
