package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// The capabilities that are used.
const (
	CapMail       = "urn:ietf:params:jmap:mail"
	CapSubmission = "urn:ietf:params:jmap:submission"
)

// Session is what the server says of itself and of the account (RFC 8620 2). The URLs are whole, and of TLS.
type Session struct {
	Username string
	Account  string // the id of the account whose mail is read
	Name     string // its name for people
	State    string

	MaxUpload int64 // octets
	MaxCalls  int   // of a request
	MaxGet    int   // objects of a call

	capabilities map[string]bool
	api          string
	upload       string // templates
	download     string
	events       string
}

// Can reports a capability of the server.
func (s *Session) Can(capability string) bool { return s.capabilities[capability] }

// Session gives the session as it was read last.
func (c *Client) Session() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// login reads the session resource.
func (c *Client) login(ctx context.Context, at string) error {
	var in struct {
		Capabilities map[string]json.RawMessage `json:"capabilities"`
		Accounts     map[string]struct {
			Name string `json:"name"`
		} `json:"accounts"`
		Primary  map[string]string `json:"primaryAccounts"`
		Username string            `json:"username"`
		API      string            `json:"apiUrl"`
		Download string            `json:"downloadUrl"`
		Upload   string            `json:"uploadUrl"`
		Events   string            `json:"eventSourceUrl"`
		State    string            `json:"state"`
	}
	from, err := c.ask(ctx, request{method: http.MethodGet, url: at}, maxSession, &in)
	if err != nil {
		return err
	}
	s := &Session{Username: in.Username, State: in.State, Account: in.Primary[CapMail], capabilities: map[string]bool{}}
	for name := range in.Capabilities {
		s.capabilities[name] = true
	}
	if s.Account == "" {
		return mail.Errorf(mail.Denied, "%s has no mail for this account", words(from.Host))
	}
	s.Name = in.Accounts[s.Account].Name
	var core struct {
		Upload int64 `json:"maxSizeUpload"`
		Calls  int   `json:"maxCallsInRequest"`
		Get    int   `json:"maxObjectsInGet"`
	}
	_ = json.Unmarshal(in.Capabilities[wire.CapabilityCore], &core) // what is not told gets a default
	s.MaxUpload, s.MaxCalls, s.MaxGet = core.Upload, cmp.Or(core.Calls, 16), cmp.Or(core.Get, 500)
	for _, u := range []struct {
		to   *string
		from string
	}{{&s.api, in.API}, {&s.upload, in.Upload}, {&s.download, in.Download}, {&s.events, in.Events}} {
		if *u.to, err = absolute(from, u.from); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	return nil
}

// absolute makes a URL or template of a session whole. Templates are kept as they are: url.Parse would escape their brackets.
func absolute(base *url.URL, ref string) (string, error) {
	switch {
	case strings.HasPrefix(ref, "https://"):
		return ref, nil
	case strings.HasPrefix(ref, "/") && !strings.HasPrefix(ref, "//"):
		return base.Scheme + "://" + base.Host + ref, nil
	}
	return "", mail.Errorf(mail.Unavailable, "%s names %q as a place of its own, which is none with TLS", words(base.Host), words(ref))
}

// fill fills a URI template (RFC 6570 1.2: level 1).
func fill(template string, values ...string) string {
	pairs := make([]string, len(values))
	for i := range values {
		if pairs[i] = values[i]; i%2 == 0 {
			pairs[i] = "{" + values[i] + "}"
		} else {
			pairs[i] = strings.ReplaceAll(url.QueryEscape(values[i]), "+", "%20")
		}
	}
	return strings.NewReplacer(pairs...).Replace(template)
}
