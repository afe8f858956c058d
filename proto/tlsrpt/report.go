package tlsrpt

import (
	"encoding/json"
	"time"
)

// ResultType says why a session failed, in the words of RFC 8460 4.3.
type ResultType string

// The failures of RFC 8460 4.3: of the negotiation (4.3.1), of DANE (4.3.2.1), of MTA-STS (4.3.2.2), and of anything else (4.3.3).
const (
	STARTTLSNotSupported    ResultType = "starttls-not-supported"
	CertificateHostMismatch ResultType = "certificate-host-mismatch"
	CertificateExpired      ResultType = "certificate-expired"
	CertificateNotTrusted   ResultType = "certificate-not-trusted"
	ValidationFailure       ResultType = "validation-failure"
	TLSAInvalid             ResultType = "tlsa-invalid"
	DNSSECInvalid           ResultType = "dnssec-invalid"
	DANERequired            ResultType = "dane-required"
	STSPolicyFetchError     ResultType = "sts-policy-fetch-error"
	STSPolicyInvalid        ResultType = "sts-policy-invalid"
	STSWebPKIInvalid        ResultType = "sts-webpki-invalid"
)

// PolicyType is the kind of policy a session was under. RFC 8460 4.4.
type PolicyType string

// The kinds of policy.
const (
	PolicyTLSA PolicyType = "tlsa"
	PolicySTS  PolicyType = "sts"
	PolicyNone PolicyType = "no-policy-found"
)

// Report is what one sender saw of one domain, usually in one day. RFC 8460 4.4.
type Report struct {
	Organization string // who reports
	Contact      string // an address, may be empty
	ID           string // unique among the reports of the organization
	Begin, End   time.Time
	Policies     []PolicyResult
}

// Policy is one policy that was applied.
type Policy struct {
	Type   PolicyType
	String []string // the lines of an MTA-STS policy, or the TLSA records
	Domain string   // the domain the policy is about
	MX     []string // the patterns of an MTA-STS policy, or the host of a TLSA record
}

// PolicyResult is how the sessions under one policy went.
type PolicyResult struct {
	Policy     Policy
	Successful int64
	Failed     int64
	Failures   []Failure
}

// Failure is a number of sessions that failed alike.
type Failure struct {
	Type         ResultType `json:"result-type"`
	SendingIP    string     `json:"sending-mta-ip,omitempty"`
	ReceivingMX  string     `json:"receiving-mx-hostname,omitempty"`
	ReceivingEHL string     `json:"receiving-mx-helo,omitempty"`
	ReceivingIP  string     `json:"receiving-ip,omitempty"`
	Sessions     int64      `json:"failed-session-count"`
	Information  string     `json:"additional-information,omitempty"` // usually a URI
	ReasonCode   string     `json:"failure-reason-code,omitempty"`
}

// The report as JSON has it. Old drafts and some senders write one string where a list belongs, and the other way round.
type (
	wireReport struct {
		Organization string                                   `json:"organization-name"`
		DateRange    wireRange                                `json:"date-range"`
		Contact      string                                   `json:"contact-info"`
		ID           string                                   `json:"report-id"`
		Policies     bounded[wirePolicyResult, limitPolicies] `json:"policies"`
	}
	wireRange struct {
		Start time.Time `json:"start-datetime"`
		End   time.Time `json:"end-datetime"`
	}
	wirePolicyResult struct {
		Policy   wirePolicy                      `json:"policy"`
		Summary  wireSummary                     `json:"summary"`
		Failures bounded[Failure, limitFailures] `json:"failure-details,omitempty"`
	}
	wirePolicy struct {
		Type   PolicyType `json:"policy-type"`
		String texts      `json:"policy-string,omitempty"`
		Domain string     `json:"policy-domain"`
		MX     texts      `json:"mx-host,omitempty"`
	}
	wireSummary struct {
		Successful int64 `json:"total-successful-session-count"`
		Failed     int64 `json:"total-failure-session-count"`
	}
)

// texts is a list of strings that may be given as one string.
type texts []string

// UnmarshalJSON takes a string, a list of strings or null.
func (t *texts) UnmarshalJSON(raw []byte) error {
	var one string
	if err := json.Unmarshal(raw, &one); err == nil {
		if *t = nil; one != "" {
			*t = texts{one}
		}
		return nil
	}
	var list bounded[string, limitTexts]
	err := json.Unmarshal(raw, &list)
	*t = texts(list)
	return err
}

func (r Report) wire() wireReport {
	w := wireReport{Organization: r.Organization, DateRange: wireRange{r.Begin.UTC(), r.End.UTC()}, Contact: r.Contact, ID: r.ID, Policies: bounded[wirePolicyResult, limitPolicies]{}}
	for _, p := range r.Policies {
		w.Policies = append(w.Policies, wirePolicyResult{
			Policy:  wirePolicy{p.Policy.Type, p.Policy.String, p.Policy.Domain, p.Policy.MX},
			Summary: wireSummary{p.Successful, p.Failed}, Failures: p.Failures,
		})
	}
	return w
}

// report takes the wire form over; numbers below zero become zero.
func (w wireReport) report() Report {
	r := Report{Organization: w.Organization, Begin: w.DateRange.Start.UTC(), End: w.DateRange.End.UTC(), Contact: w.Contact, ID: w.ID}
	for _, p := range w.Policies {
		one := PolicyResult{Policy: Policy{p.Policy.Type, p.Policy.String, p.Policy.Domain, p.Policy.MX}, Successful: max(0, p.Summary.Successful), Failed: max(0, p.Summary.Failed), Failures: p.Failures}
		for i := range one.Failures {
			one.Failures[i].Sessions = max(0, one.Failures[i].Sessions)
		}
		r.Policies = append(r.Policies, one)
	}
	return r
}
