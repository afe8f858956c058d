package lab

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Service is a key of [listen].
type Service string

// The services that a lab server offers, all of them on 127.0.0.1.
const (
	SMTP        Service = "smtp"
	Submission  Service = "submission"
	Submissions Service = "submissions"
	LMTP        Service = "lmtp"
	IMAP        Service = "imap"
	IMAPS       Service = "imaps"
	POP3        Service = "pop3"
	POP3S       Service = "pop3s"
)

func services() []Service {
	return []Service{SMTP, Submission, Submissions, LMTP, IMAP, IMAPS, POP3, POP3S}
}

// Spec is what is special about one server.
type Spec struct {
	Hostname string
	// MX says where the mail of a domain goes: its mail host's name and where that one really listens.
	MX map[string]Exchange
	// NoTLSLogin lets clients log in without TLS.
	NoTLSLogin bool
	// Quick makes the queue try again after fractions of a second.
	Quick bool
	// More is added to the end of the configuration, as TOML.
	More string
}

// Exchange is a mail host and where it listens.
type Exchange struct{ Name, Address string }

// toml writes the configuration file.
func (s *Server) toml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "data = %q\nhostname = %q\n\n[log]\nlevel = %q\nformat = \"json\"\n\n[listen]\n", s.Data, s.Spec.Hostname, cmp.Or(os.Getenv("POSTRIDER_LOG"), "info"))
	for _, service := range services() {
		fmt.Fprintf(&b, "%s = %q\n", service, s.Addr(service))
	}
	fmt.Fprintf(&b, "lmtp_socket = %q\nlmtp_socket_mode = \"0666\"\n\n[[tls.certificate]]\ncert = %q\nkey = %q\n", s.LMTPSocket, s.cert, s.key)
	if s.Spec.Quick {
		b.WriteString("\n[queue]\nretry_first = \"200ms\"\nretry_max = \"1s\"\n")
	}
	fmt.Fprintf(&b, "\n[dkim]\nenabled = false\n\n[doctor]\nevery = \"0s\"\n\n[lab]\nno_limits = true\nallow_auth_without_tls = %v\n", s.Spec.NoTLSLogin)
	domains := slices.Sorted(maps.Keys(s.Spec.MX))
	if len(domains) > 0 {
		b.WriteString("\n[lab.hosts]\n")
		for _, d := range domains {
			fmt.Fprintf(&b, "%q = %q\n", s.Spec.MX[d].Name, s.Spec.MX[d].Address)
		}
	}
	fmt.Fprintf(&b, "\n[lab.dns.%q]\na = [\"127.0.0.1\"]\n", s.Spec.Hostname)
	for _, d := range domains {
		mx := s.Spec.MX[d]
		fmt.Fprintf(&b, "\n[lab.dns.%q]\nmx = [\"10 %s.\"]\n\n[lab.dns.%q]\na = [\"127.0.0.1\"]\n", d, mx.Name, mx.Name)
	}
	b.WriteString("\n" + s.Spec.More)
	return b.String()
}
