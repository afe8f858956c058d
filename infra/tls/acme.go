package tls

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/libdns"
	"github.com/mholt/acmez/v3"

	"github.com/postrider/postrider/mail"
)

// Challenge is a way to show an authority that a name is ours.
type Challenge string

// The challenges.
const (
	TLSALPN Challenge = "tls-alpn" // a certificate shown on port 443 (RFC 8737)
	HTTP    Challenge = "http"     // a file shown on port 80 (RFC 8555 8.3)
	DNS     Challenge = "dns"      // a record put into the DNS (RFC 8555 8.4)
)

// Solver writes the records of the DNS challenge: infra/dnspub's Solver, or any provider of libdns.
type Solver interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// ACME says from whom certificates are fetched, and for which names (RFC 8555).
type ACME struct {
	// Directory is the authority's address; "" is Let's Encrypt's.
	Directory string
	// Email is where the authority writes to; it may be "".
	Email string
	// Challenges are tried in turn; empty is TLSALPN, then HTTP. DNS is passed over without a Solver.
	Challenges []Challenge
	// Names gives the names to have certificates for; it is asked again and again, so that new domains need no restart. The first stands in where
	// a client asks for a name that has none. IP addresses and names without a dot are left out.
	Names func(context.Context) ([]string, error)
	// Ready tells what stands in the way of ordering for a name, such as that it is not in the DNS yet; nil is nothing ever. It is asked until it gives
	// nil, so that a name which is not set up costs nothing of what the authority allows.
	Ready func(ctx context.Context, name string) error
	// RootsFile is a PEM file of authorities to trust when the directory is asked; "" is the system's.
	RootsFile string
	// Notes and Journal keep the account, the keys, the certificates, and the locks that keep two nodes from ordering the same.
	Notes   mail.Notes
	Journal mail.Journal
	// Solver is for DNS. Resolvers ("host:port") are asked which zone a name is in and whether the record is there; empty is the machine's.
	Solver    Solver
	Resolvers []string
	// TLSAddress and HTTPAddress are where our own servers listen ("host:port"), if not ":443" and ":80". Where nobody listens yet, a
	// listener is opened for as long as a challenge lasts.
	TLSAddress, HTTPAddress string
	// Look is how often names are asked for; 0 is a minute. Renew is how often certificates are looked through for renewal; 0 is ten minutes.
	Look, Renew time.Duration
	// Retry is the wait after a first failure; it doubles with each further one, up to six hours. 0 is a minute.
	Retry time.Duration
	// Changed, where it is not nil, is told the names that are shown another certificate from now on. It must not block.
	Changed func(names []string)
}

// complete fills in what is left out, and says what is wrong.
func (a ACME) complete() (ACME, error) {
	if a.Notes == nil || a.Journal == nil || a.Names == nil {
		return a, mail.Errorf(mail.Invalid, "certificates by ACME need notes, a journal and names")
	}
	if a.Directory == "" {
		a.Directory = certmagic.LetsEncryptProductionCA
	}
	if len(a.Challenges) == 0 {
		a.Challenges = []Challenge{TLSALPN, HTTP}
	}
	usable := false
	for _, c := range a.Challenges {
		switch c {
		case TLSALPN, HTTP:
			usable = true
		case DNS:
			usable = usable || a.Solver != nil
		default:
			return a, mail.Errorf(mail.Invalid, "%q is no challenge; there are %s, %s and %s", c, TLSALPN, HTTP, DNS)
		}
	}
	if !usable {
		return a, mail.Errorf(mail.Invalid, "certificates by the dns challenge need a provider to write records to: set [publish], or add tls-alpn or http to the challenges")
	}
	for d, std := range map[*time.Duration]time.Duration{&a.Look: time.Minute, &a.Renew: certmagic.DefaultRenewCheckInterval, &a.Retry: time.Minute} {
		if *d <= 0 {
			*d = std
		}
	}
	return a, nil
}

// window is which part of a certificate's life, at its end, it is renewed in.
const window = 1.0 / 3

// magic makes certmagic's configuration. Everything that it would take from the package's own defaults is set.
func (a ACME) magic(cache *certmagic.Cache, v *vault, log *slog.Logger, event func(context.Context, string, map[string]any) error) (*certmagic.Config, []*certmagic.ACMEIssuer, error) {
	roots, err := a.roots()
	if err != nil {
		return nil, nil, err
	}
	m := certmagic.New(cache, certmagic.Config{
		RenewalWindowRatio:  window,
		OnEvent:             event,
		ShouldEmitFunc:      func(event string) bool { return event != "tls_get_certificate" },
		Issuers:             []certmagic.Issuer{},
		ReusePrivateKeys:    true, // TLSA 3 1 1 stays right (RFC 7671 5.1)
		KeySource:           certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		OCSP:                certmagic.OCSPConfig{DisableStapling: true}, // nobody asks for it any more, and fetching it is one more thing that fails
		Storage:             v,
		DisableStorageCheck: true,
		Logger:              quietLogger(log),
	})
	var issuers []*certmagic.ACMEIssuer
	for _, c := range a.Challenges {
		if c == DNS && a.Solver == nil {
			continue
		}
		t := a.template(c, log)
		t.TrustedRoots = roots
		i := certmagic.NewACMEIssuer(m, t)
		issuers = append(issuers, i)
		if a.Email == "" {
			m.Issuers = append(m.Issuers, anonymous{i})
		} else {
			m.Issuers = append(m.Issuers, i)
		}
	}
	return m, issuers, nil
}

// anonymous is an issuer that never asks a person at the terminal for an address.
type anonymous struct{ *certmagic.ACMEIssuer }

// PreCheck implements certmagic.PreChecker.
func (a anonymous) PreCheck(ctx context.Context, names []string, _ bool) error {
	return a.ACMEIssuer.PreCheck(ctx, names, false)
}

// template is an issuer for one challenge; there is one for each, so that they are tried in the order they are given in.
func (a ACME) template(c Challenge, log *slog.Logger) certmagic.ACMEIssuer {
	t := certmagic.ACMEIssuer{
		CA: a.Directory, Email: a.Email, Agreed: true, Logger: quietLogger(log), HTTPProxy: http.ProxyFromEnvironment,
		DisableHTTPChallenge: c != HTTP, DisableTLSALPNChallenge: c != TLSALPN,
	}
	if len(a.Resolvers) > 0 {
		t.Resolver = a.Resolvers[0]
	}
	switch c {
	case TLSALPN:
		t.ListenHost, t.AltTLSALPNPort = listening(a.TLSAddress)
	case HTTP:
		t.ListenHost, t.AltHTTPPort = listening(a.HTTPAddress)
	case DNS:
		t.DNS01Solver = &certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{DNSProvider: a.Solver, Resolvers: a.Resolvers, TTL: time.Minute, Logger: quietLogger(log)}}
	}
	return t
}

// listening parts an address; what is no "host:port" (a socket of systemd) leaves the standard one.
func listening(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return "", 0
	}
	return host, port
}

func (a ACME) roots() (*x509.CertPool, error) {
	if a.RootsFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(a.RootsFile)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "tls.acme.roots_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, mail.Errorf(mail.Invalid, "tls.acme.roots_file: %s holds no certificate", a.RootsFile)
	}
	return pool, nil
}

// alpn is the protocol of the TLS challenge. RFC 8737 6.2.
const alpn = acmez.ACMETLS1Protocol

func (a ACME) has(c Challenge) bool {
	for _, have := range a.Challenges {
		if have == c {
			return true
		}
	}
	return false
}

// orderable gives the form in which a name is ordered; ok is false for what no certificate is given for.
func orderable(name string) (_ string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
	if net.ParseIP(name) != nil || !strings.Contains(name, ".") || strings.ContainsAny(name, "[]:/@ ") {
		return "", false
	}
	return name, certmagic.SubjectQualifiesForCert(name)
}
