package mtasts

import "github.com/postrider/postrider/proto/tlsrpt"

// TLS is how the session with a host went, up to the certificate.
type TLS uint8

// What can come of a session.
const (
	Verified      TLS = iota // TLS with a certificate that is valid for the host
	NotOffered               // the host does not offer STARTTLS
	Broken                   // STARTTLS or the handshake failed
	WrongName                // the certificate is for another host
	ExpiredCert              // the certificate has expired, or is not yet valid
	UntrustedCert            // nobody we trust has signed the certificate
	NotTried                 // no session was made, because of the host's name or the network
)

// Action is what to do with one host, or with the message when all hosts are done with.
type Action uint8

// The actions.
const (
	Deliver Action = iota
	Skip           // not to this host: try the next
	Defer          // no host is left: try again later, never return it before MayGiveUp (RFC 8461 5.1)
)

// Verdict is what the policy says of one host.
type Verdict struct {
	Action Action
	// Failed: the session did not keep the policy; Type and ReasonCode are for the TLS report. False for a session that kept
	// it, and where there is nothing to report.
	Failed     bool
	Type       tlsrpt.ResultType
	ReasonCode string
}

// failures are the words of RFC 8460 4.3.1 and RFC 8460 4.3.3 for each outcome.
var failures = map[TLS]tlsrpt.ResultType{
	NotOffered:    tlsrpt.STARTTLSNotSupported,
	Broken:        tlsrpt.ValidationFailure,
	WrongName:     tlsrpt.CertificateHostMismatch,
	ExpiredCert:   tlsrpt.CertificateExpired,
	UntrustedCert: tlsrpt.CertificateNotTrusted,
}

// ReasonMX is the reason code for a host that the policy does not name.
const ReasonMX = "mx-not-in-policy"

// Admit says before a session whether a host may be tried at all. RFC 8461 4.1, RFC 8461 5.
func (p *Policy) Admit(host string) Verdict {
	if p == nil || p.Mode == None || p.Match(host) {
		return Verdict{}
	}
	v := Verdict{Failed: true, Type: tlsrpt.ValidationFailure, ReasonCode: ReasonMX}
	if p.Mode == Enforce {
		v.Action = Skip
	}
	return v
}

// Judge says whether mail may go through a session with a host. A nil policy and one in mode none leave everything to
// opportunistic TLS; one in mode testing only reports; one in mode enforce asks for a host it names and a verified certificate. RFC 8461 4, RFC 8461 5.
func (p *Policy) Judge(host string, tls TLS) Verdict {
	v := p.Admit(host)
	if p == nil || p.Mode == None || v.Failed || tls == NotTried {
		return v
	}
	kind, failed := failures[tls]
	if !failed {
		return v
	}
	v = Verdict{Failed: true, Type: kind}
	if p.Mode == Enforce {
		v.Action = Skip
	}
	return v
}

// Conclude says what becomes of a message after the verdicts on every host it could go to. RFC 8461 5.1.
func Conclude(verdicts ...Verdict) Action {
	for _, v := range verdicts {
		if v.Action == Deliver {
			return Deliver
		}
	}
	return Defer
}

// Fault is why no policy could be had although a record tells of one.
type Fault uint8

// The faults of RFC 8460 4.3.2.2.
const (
	FetchFailed   Fault = iota // the network, a timeout, a status other than 200, a redirect, another media type
	CertRefused                // the web server's certificate is not valid for Host
	PolicyInvalid              // ErrInvalid
)

// FetchFault gives the word for a TLS report. RFC 8460 4.3.2.2.
func FetchFault(f Fault) tlsrpt.ResultType {
	switch f {
	case CertRefused:
		return tlsrpt.STSWebPKIInvalid
	case PolicyInvalid:
		return tlsrpt.STSPolicyInvalid
	}
	return tlsrpt.STSPolicyFetchError
}

// Reported gives the policy as a TLS report on domain names it; a nil policy is "no-policy-found". RFC 8460 4.4.
func (p *Policy) Reported(domain string) tlsrpt.Policy {
	if p == nil {
		return tlsrpt.Policy{Type: tlsrpt.PolicyNone, Domain: domain}
	}
	return tlsrpt.Policy{Type: tlsrpt.PolicySTS, String: p.Lines(), Domain: domain, MX: p.MX}
}
