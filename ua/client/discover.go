package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// wellKnown is where a session is looked for (RFC 8620 2.2).
const wellKnown = "/.well-known/jmap"

// probeTime is how long a host has to say whether it is a JMAP server.
const probeTime = 15 * time.Second

// find gives the URL of the session resource.
func (c *Client) find(ctx context.Context) (string, error) {
	if c.o.Server != "" {
		return sessionURL(c.o.Server)
	}
	a, err := addr.Parse(c.o.User)
	if err != nil {
		return "", mail.Errorf(mail.Invalid, "%q is no mail address; give one, or name the server with --server", words(c.o.User))
	}
	domain, err := addr.NormalDomain(a.Domain)
	if err != nil || strings.HasPrefix(domain, "[") {
		return "", mail.Errorf(mail.Invalid, "no server can be found for %s; name it with --server", words(a.Domain))
	}
	return c.discover(ctx, domain)
}

// sessionURL reads what a person gives as a server.
func sessionURL(server string) (string, error) {
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	u, err := url.Parse(server)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return "", mail.Errorf(mail.Invalid, "%q is no server; write mail.example.com or https://mail.example.com", words(server))
	case u.Scheme != "https":
		return "", mail.Errorf(mail.Invalid, "%s would send the password in clear text; use https", words(server))
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = wellKnown
	}
	return u.String(), nil
}

// discover looks for the server of a domain: at the domain itself, where its SRV record says (RFC 8620 2.2), and at the usual name. The password is not
// sent meanwhile: what has the name of a mail domain may be anybody's web site.
func (c *Client) discover(ctx context.Context, domain string) (string, error) {
	var asked []string
	var away string // where it leads outside the domain
	try := func(host string) string {
		asked = append(asked, host)
		at := c.probe(ctx, "https://"+host+wellKnown)
		if at == nil {
			return ""
		}
		if !within(at.Hostname(), domain) {
			if away == "" {
				away = at.Scheme + "://" + at.Host
			}
			return ""
		}
		return at.String()
	}
	if at := try(domain); at != "" {
		return at, nil
	}
	sctx, stop := context.WithTimeout(ctx, probeTime)
	_, records, err := c.o.LookupSRV(sctx, "jmap", "tcp", domain)
	stop()
	if err == nil {
		for _, r := range records[:min(len(records), 3)] {
			host := strings.TrimSuffix(r.Target, ".")
			if host == "" {
				continue
			}
			if r.Port != 443 {
				host = fmt.Sprintf("%s:%d", host, r.Port)
			}
			if at := try(host); at != "" {
				return at, nil
			}
		}
	}
	if at := try("mail." + domain); at != "" {
		return at, nil
	}
	if err := ctx.Err(); err != nil {
		return "", unreachable(ctx, domain, err)
	}
	if away != "" {
		return "", mail.Errorf(mail.Denied, "%s says that its mail is at %s, which is outside the domain; if that is right, say so with --server %[2]s", domain, words(away))
	}
	return "", mail.Errorf(mail.NotFound, "no JMAP server was found for %s (asked were %s); name it with --server", domain, words(strings.Join(asked, ", ")))
}

// within reports whether a host is a domain's own.
func within(host, domain string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// probe asks without a password, and gives the place that asks for one; nil where none does.
func (c *Client) probe(ctx context.Context, at string) *url.URL {
	ctx, stop := context.WithTimeout(ctx, probeTime)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil
	}
	r.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(r)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	basic := false
	for _, challenge := range resp.Header.Values("WWW-Authenticate") {
		basic = basic || strings.Contains(strings.ToLower(challenge), "basic")
	}
	if resp.StatusCode != http.StatusUnauthorized || !basic {
		return nil
	}
	return resp.Request.URL
}
