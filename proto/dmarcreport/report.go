package dmarcreport

import (
	"net/netip"
	"time"
)

// Namespace is that of the schema. RFC 9990 3.1.1.1.
const Namespace = "urn:ietf:params:xml:ns:dmarc-2.0"

// Report is a report without its rows. RFC 9990 3.1.1.2, RFC 9990 3.1.1.3.
type Report struct {
	Version      string // 1.0; empty in many
	Organization string
	Email        string
	ExtraContact string
	ID           string
	Begin, End   time.Time // to the second
	Errors       []string  // the schema has at most one; old reports have several
	Generator    string
	Policy       Published
}

// Published is the policy that the reporter found. Words are as in the record; empty ones were not given. RFC 9990 3.1.1.5.
type Published struct {
	Domain    string // of the record
	Discovery string // psl or treewalk
	P, SP, NP string
	ADKIM     string
	ASPF      string
	FO        string
	Testing   string // y or n
	Percent   string // pct of RFC 7489; read, never written
}

// Row is a number of messages that were judged alike. RFC 9990 3.1.1.7.
type Row struct {
	Source netip.Addr
	Count  int64
	// Disposition is what was done: none, pass, quarantine or reject. DKIM and SPF are pass or fail, alignment included. RFC 9990 3.1.1.9.
	Disposition string
	DKIM, SPF   string
	Reasons     []Reason
	// Identifiers of the messages. RFC 9990 3.1.1.10.
	HeaderFrom   string
	EnvelopeFrom string
	EnvelopeTo   string
	// What the mechanisms said, before alignment. RFC 9990 3.1.1.11.
	Signatures []Signature
	SPFResults []SPFResult // the schema has at most one; old reports have two
}

// Reason is why something else was done than the policy says. RFC 9990 3.1.1.14, RFC 9990 3.1.6.
type Reason struct {
	Type    string
	Comment string
}

// The reasons of RFC 9990 3.1.6.
const (
	LocalPolicy      = "local_policy"
	MailingList      = "mailing_list"
	Other            = "other"
	PolicyTestMode   = "policy_test_mode"
	TrustedForwarder = "trusted_forwarder"
)

// Signature is the result of one DKIM signature. RFC 9990 3.1.1.12.
type Signature struct {
	Domain   string
	Selector string
	Result   string // a word of RFC 8601 2.7.1
	Human    string
}

// SPFResult is the result of SPF. RFC 9990 3.1.1.13.
type SPFResult struct {
	Domain string
	Scope  string // mfrom; old reports have helo too
	Result string // a word of RFC 8601 2.7.2
	Human  string
}

// MaxSignatures is how many signatures one row tells of. RFC 9990 3.1.3.
const MaxSignatures = 100
