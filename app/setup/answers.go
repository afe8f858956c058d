package setup

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postrider/postrider/infra/dnspub"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// maxTries is how often a question is asked before its answers are given up.
const maxTries = 5

// value gets one answer: what was given, else what a person says, else the default.
func (r *run) value(ctx context.Context, given string, q Question, read func(string) (string, error)) (string, error) {
	if given != "" || r.o.Yes {
		if given == "" {
			given = q.Default
		}
		return read(given)
	}
	for try := 1; ; try++ {
		answer, err := r.con.Ask(ctx, q)
		if err != nil {
			return "", err
		}
		answer, err = read(answer)
		if err == nil || try == maxTries {
			return answer, err
		}
		r.con.Say(mail.Sentence(err))
	}
}

// ask settles who and where.
func (r *run) ask(ctx context.Context) error {
	if r.o.Yes && r.o.Domain == "" {
		return mail.Errorf(mail.Invalid, "with --yes nothing is asked, so the domain and --admin must be given: postrider setup example.com --admin you@example.com --yes")
	}
	var err error
	if r.domain, err = r.value(ctx, r.o.Domain, Question{Key: "domain", Text: "Domain of the mail addresses, such as example.com"}, fullName("example.com")); err != nil {
		return err
	}
	if r.o.Yes && r.o.Admin == "" {
		return mail.Errorf(mail.Invalid, "with --yes nothing is asked, so the address of the person in charge must be given: --admin you@%s", r.domain)
	}
	host := r.o.Hostname
	q := Question{Key: "hostname", Text: "Name of this host in the DNS", Default: "mail." + r.domain}
	if r.before != nil && host == "" && strings.Contains(r.before.Hostname, ".") {
		host = r.before.Hostname
	}
	if r.hostname, err = r.value(ctx, host, q, fullName("mail."+r.domain)); err != nil {
		return err
	}
	q = Question{Key: "admin", Text: "Address of the person in charge", Default: "postmaster@" + r.domain}
	if r.admin, err = r.value(ctx, r.o.Admin, q, mailAddress); err != nil {
		return err
	}
	if err := r.askData(ctx); err != nil {
		return err
	}
	if err := r.askPublish(ctx); err != nil {
		return err
	}
	if err := r.askWeb(ctx); err != nil {
		return err
	}
	r.report.Domain, r.report.Hostname, r.report.Admin = r.domain, r.hostname, r.admin
	r.report.Config, r.report.Data = r.o.Config, r.o.Data
	return nil
}

func (r *run) askData(ctx context.Context) (err error) {
	if r.before != nil && r.o.Data == "" {
		r.o.Data = r.before.Data
	}
	q := Question{Key: "data", Text: "Directory for mail, queue, keys and certificates", Default: DefaultData}
	r.o.Data, err = r.value(ctx, r.o.Data, q, func(s string) (string, error) {
		if !filepath.IsAbs(s) || strings.ContainsAny(s, "\n\r\x00") {
			return "", mail.Errorf(mail.Invalid, "%q is not a whole path; write one such as %s", s, DefaultData)
		}
		return filepath.Clean(s), nil
	})
	return err
}

// askPublish settles who writes DNS records. A configuration that is there has decided that already.
func (r *run) askPublish(ctx context.Context) (err error) {
	p := &r.o.Publish
	r.secret = r.o.Secret
	if p.Provider == "" && r.before != nil {
		*p = r.before.Publish
		return nil
	}
	if p.Provider == "" && r.o.Yes {
		return nil
	}
	q := Question{Key: "provider", Text: "Who writes the records into the domain's DNS", Default: "none", Choices: []Choice{
		{"none", "you do: they are printed, and a file to import is written"}, {"rfc2136", "Postrider, on a name server of yours that takes updates (RFC 2136)"},
		{"cloudflare", "Postrider, through Cloudflare, with a token of theirs; the same goes for:"}, {"", "hetzner, desec, gandi, porkbun"}}}
	if p.Provider, err = r.value(ctx, p.Provider, q, providerName); err != nil || p.Provider == "" {
		return err
	}
	if r.before != nil && r.before.Publish.Provider == p.Provider { // what is not said anew stays
		old := r.before.Publish
		p.Server, p.KeyName, p.KeyAlgorithm = cmp.Or(p.Server, old.Server), cmp.Or(p.KeyName, old.KeyName), cmp.Or(p.KeyAlgorithm, old.KeyAlgorithm)
		p.SecretFile = cmp.Or(p.SecretFile, old.SecretFile)
	}
	p.KeyAlgorithm = cmp.Or(p.KeyAlgorithm, "hmac-sha256")
	if p.Provider == "rfc2136" {
		q := Question{Key: "server", Text: "Address of the primary name server, such as 192.0.2.1:53"}
		if p.Server, err = r.value(ctx, p.Server, q, needed("the address of the name server (--publish-server)")); err != nil {
			return err
		}
		q = Question{Key: "key-name", Text: "Name of the TSIG key", Default: "postrider"}
		if p.KeyName, err = r.value(ctx, p.KeyName, q, needed("the name of the key (--publish-key)")); err != nil {
			return err
		}
	}
	if p.SecretFile != "" && r.secret == "" {
		return nil
	}
	if p.SecretFile == "" {
		p.SecretFile = filepath.Join(filepath.Dir(r.o.Config), p.Provider+".secret")
		if _, there, err := r.disk.read(p.SecretFile); err != nil || there && r.secret == "" {
			return err
		}
	}
	q = Question{Key: "secret", Text: "Token (with rfc2136: secret of the TSIG key)", Secret: true}
	r.secret, err = r.value(ctx, r.secret, q, func(s string) (string, error) {
		s, err := needed("the provider's token (or the secret of the key); name a file that holds it with --publish-secret-file")(s)
		if err != nil {
			return "", err
		}
		// One of the wrong form would be found out only once the configuration is written, and keep the server from starting.
		_, err = dnspub.New(dnspub.Config{Provider: p.Provider, Server: p.Server, KeyName: p.KeyName, KeyAlgorithm: p.KeyAlgorithm, Secret: s})
		return s, err
	})
	return err
}

// askWeb settles who has the ports of the web.
func (r *run) askWeb(ctx context.Context) error {
	switch r.o.Web {
	case WebAny:
	case WebOwn, WebBehind, WebOff:
		return nil
	case WebDNS:
		if r.o.Publish.Provider == "" {
			return mail.Errorf(mail.Invalid, "certificates by DNS need a provider that writes the records; name one with --publish, or choose another way with --web")
		}
		return nil
	default:
		return mail.Errorf(mail.Invalid, "%q is none of own, behind, dns, off", r.o.Web)
	}
	if r.before != nil {
		return nil // decided already
	}
	holder := r.holder(443)
	if holder == nil {
		holder = r.holder(80)
	}
	switch {
	case holder == nil:
		r.o.Web = WebOwn
		return nil
	case r.o.Yes && r.o.Publish.Provider != "":
		r.o.Web = WebDNS
		return nil
	case r.o.Yes:
		r.o.Web = WebBehind
		return nil
	}
	q := Question{Key: "web", Default: string(WebBehind),
		Text: fmt.Sprintf("Port %d is in use by %s. How are certificates and the web pages of the mail host to be had", holder.At.Port(), holder.Who()),
		Choices: []Choice{{string(WebBehind), "it passes the names of the mail host on to Postrider: the lines for nginx and Caddy are printed"},
			{string(WebOwn), "you will stop it: Postrider takes the ports"}}}
	if r.o.Publish.Provider != "" {
		q.Choices = append(q.Choices, Choice{string(WebDNS), "certificates by DNS records, through " + r.o.Publish.Provider})
		q.Default = string(WebDNS)
	}
	answer, err := r.value(ctx, "", q, func(s string) (string, error) {
		if !slices.ContainsFunc(q.Choices, func(c Choice) bool { return c.Word == s }) {
			return "", mail.Errorf(mail.Invalid, "%q is none of the words above", s)
		}
		return s, nil
	})
	r.o.Web = Web(answer)
	return err
}

// fullName reads a domain or host name of two labels at least.
func fullName(example string) func(string) (string, error) {
	return func(s string) (string, error) {
		name, err := addr.NormalDomain(strings.TrimSuffix(strings.TrimSpace(s), "."))
		if err != nil || strings.HasPrefix(name, "[") || !strings.Contains(name, ".") || strings.Contains(name, "_") {
			return "", mail.Errorf(mail.Invalid, "%q is not a full name; write one such as %s", s, example)
		}
		if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
			return "", mail.Errorf(mail.Invalid, "%q is an address, not a name; write one such as %s", s, example)
		}
		return name, nil
	}
}

func mailAddress(s string) (string, error) {
	a, err := addr.Parse(strings.TrimSpace(s))
	if err != nil || strings.HasPrefix(a.Domain, "[") {
		return "", mail.Errorf(mail.Invalid, "%q is not a mail address; write one such as you@example.com", s)
	}
	return a.Normal().String(), nil
}

func providerName(s string) (string, error) {
	s = strings.ToLower(s)
	if s == "none" || s == "" {
		return "", nil
	}
	if !slices.Contains(dnspub.Providers, s) {
		return "", mail.Errorf(mail.Invalid, "%q is no provider that is known; write none, or one of %s", s, strings.Join(dnspub.Providers, ", "))
	}
	return s, nil
}

func needed(what string) func(string) (string, error) {
	return func(s string) (string, error) {
		if s = strings.TrimSpace(s); s == "" || strings.ContainsAny(s, "\n\r\x00") {
			return "", mail.Errorf(mail.Invalid, "this needs %s", what)
		}
		return s, nil
	}
}

// within reports whether an address lies in the domain.
func within(address, domain string) bool { return strings.HasSuffix(address, "@"+domain) }
