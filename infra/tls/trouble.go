package tls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mholt/acmez/v3/acme"

	"github.com/postrider/postrider/mail"
)

// remedy is where people read on.
const remedy = "docs/problems.md#certificate"

// explain says in one sentence why a certificate could not be had, and in another what to do. until is the end of the
// one that is shown meanwhile; zero: there is none. What is the same trouble, whatever the words (addresses and tokens differ each time), has the
// same sort.
func (a ACME) explain(name string, until time.Time, err error) (text, sort string) {
	what, todo := a.cause(name, err)
	head := "there is no certificate for " + name + " yet"
	if !until.IsZero() {
		head = fmt.Sprintf("the certificate of %s, good until %s, could not be renewed", name, until.UTC().Format("2006-01-02 15:04"))
	}
	var p acme.Problem
	errors.As(err, &p)
	return head + ": " + strings.TrimSuffix(what, ".") + ". " + todo + " It is tried again by itself; see " + remedy, p.Type + " " + todo
}

func (a ACME) cause(name string, err error) (what, todo string) {
	var problem acme.Problem
	if errors.As(err, &problem) {
		return a.refusal(name, problem)
	}
	var web *url.Error
	var op *net.OpError
	switch {
	case strings.Contains(err.Error(), "could not start listener"): // certmagic keeps no cause
		return clip(err.Error()), "Let Postrider use the port (CAP_NET_BIND_SERVICE), turn on listen.https and listen.http, or use the dns challenge."
	case errors.As(err, &web), errors.As(err, &op):
		return "the authority at " + clip(a.Directory) + " cannot be reached (" + clip(err.Error()) + ")", "Check that this host resolves and reaches it."
	case errors.Is(err, context.DeadlineExceeded):
		return "the authority at " + clip(a.Directory) + " did not finish in time", "Check that this host reaches it."
	case mail.KindOf(err) != mail.Internal:
		return clip(mail.Sentence(err)), "Mend that."
	}
	return clip(err.Error()), "Check what it names."
}

// refusal explains what the authority said. RFC 8555 6.7.
func (a ACME) refusal(name string, p acme.Problem) (what, todo string) {
	said := `the authority said "` + clip(p.Detail) + `"`
	for _, s := range p.Subproblems {
		if p.Detail == "" || s.Detail != "" && len(p.Subproblems) == 1 {
			p.Type, said = s.Type, `the authority said "`+clip(s.Detail)+`"`
		}
	}
	switch p.Type {
	case acme.ProblemTypeRateLimited:
		return said, "It limits how many certificates a domain may have in a week; wait, or try with its staging directory meanwhile."
	case acme.ProblemTypeConnection, acme.ProblemTypeTLS:
		return said, "From outside, " + name + " must lead to this host on " + a.ports() + "; open that in the firewall."
	case acme.ProblemTypeDNS:
		return said, "Publish the address of " + name + " in the DNS."
	case acme.ProblemTypeUnauthorized, acme.ProblemTypeIncorrectResponse:
		return said, "Another server answers for " + name + " on " + a.ports() + ": let the name lead here, or let that server hand the challenge on."
	case acme.ProblemTypeCAA:
		return said, "A CAA record of the domain forbids this authority; add one that allows it."
	case acme.ProblemTypeRejectedIdentifier:
		return said, "This authority gives no certificate for that name; take it off the list, or use another authority."
	}
	return said, "Do what it asks for."
}

// ports names what the authority must reach.
func (a ACME) ports() string {
	var ports []string
	for _, c := range a.Challenges {
		switch c {
		case TLSALPN:
			ports = append(ports, "port 443")
		case HTTP:
			ports = append(ports, "port 80")
		}
	}
	if len(ports) == 0 {
		return "its name servers"
	}
	return strings.Join(ports, " or ")
}

func limited(err error) bool {
	var p acme.Problem
	return errors.As(err, &p) && p.Type == acme.ProblemTypeRateLimited
}

// clip makes a stranger's words fit for a log line.
func clip(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.TrimSpace(s)
}
