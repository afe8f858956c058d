package dane

// Standing is how far DNS's answer to one question can be believed.
type Standing uint8

// The standings.
const (
	Failed   Standing = iota // no answer, or one that DNSSEC found bogus
	Insecure                 // an answer without signatures, with proof that there need be none
	Secure                   // checked, or the operator's own word instead of an answer
)

// Facts are what DNS says about one host that mail may go to.
type Facts struct {
	MX      Standing // the answer that named the host; Secure when the operator named it, or it is a domain without MX that is itself secure
	Address Standing // its addresses, or with an insecure alias what is at the host itself (see Bases)
	TLSA    Standing // the answer about its records; not looked at unless the two above are Secure
	Records []Record // all that were found
}

// Plan is what to do with a host before connecting.
type Plan uint8

// The plans, from the loosest.
const (
	Opportunistic Plan = iota // DANE has nothing to say: TLS as far as it can be had, or as other policies want
	Encrypt                   // TLS is a must; its certificate cannot be checked
	Enforce                   // TLS is a must, with a certificate that agrees with the records
	PutOff                    // do not use this host now
)

// String names the plan for logs.
func (p Plan) String() string {
	names := [...]string{"opportunistic", "encrypt", "enforce", "put-off"}
	if int(p) < len(names) {
		return names[p]
	}
	return "put-off"
}

// Result is a result type of TLS reports (RFC 8460 4.3); "" is a success, or nothing to report.
type Result string

// The results that DANE can have.
const (
	NoSTARTTLS    Result = "starttls-not-supported"
	HostMismatch  Result = "certificate-host-mismatch"
	CertExpired   Result = "certificate-expired"
	NotTrusted    Result = "certificate-not-trusted"
	Validation    Result = "validation-failure"
	TLSAInvalid   Result = "tlsa-invalid"
	DNSSECInvalid Result = "dnssec-invalid"
	DANERequired  Result = "dane-required"
)

// Decide says what to do with a host (RFC 7672 2.1, 2.2). The result is what to report already now.
//
//	MX        address   TLSA      records    plan
//	failed    any       any       any        put off
//	insecure  not failed          any        opportunistic (RFC 7672 2.2.1)
//	insecure  failed              any        put off
//	secure    failed    any       any        put off
//	secure    insecure  any       any        opportunistic (RFC 7672 2.2.2)
//	secure    secure    failed    any        put off (RFC 7672 2.1.2: not "no records")
//	secure    secure    insecure  any        opportunistic
//	secure    secure    secure    none       opportunistic
//	secure    secure    secure    unusable   encrypt (RFC 7672 2.2), reported
//	secure    secure    secure    usable     enforce
func Decide(f Facts) (Plan, Result) {
	switch {
	case f.MX == Failed || f.Address == Failed:
		return PutOff, DNSSECInvalid
	case f.MX == Insecure || f.Address == Insecure:
		return Opportunistic, ""
	case f.TLSA == Failed:
		return PutOff, DNSSECInvalid
	case f.TLSA == Insecure || len(f.Records) == 0:
		return Opportunistic, ""
	case len(Select(f.Records)) == 0:
		return Encrypt, TLSAInvalid
	}
	return Enforce, ""
}

// Require is Decide where an operator demands DANE of a destination: what is only opportunistic or unchecked is put off.
func Require(f Facts) (Plan, Result) {
	plan, result := Decide(f)
	switch plan {
	case Opportunistic:
		return PutOff, DANERequired
	case Encrypt:
		return PutOff, TLSAInvalid
	}
	return plan, result
}

// Session is what happened at a host.
type Session struct {
	Offered   bool // it offered STARTTLS
	Encrypted bool // the handshake succeeded
	Match     Match
}

// Action is what to do next.
type Action uint8

// The actions.
const (
	Send  Action = iota // the message may go over this connection
	Plain               // the handshake failed and TLS is no must: connect anew, without it
	Leave               // not here: try the next host, and later again
)

// Finish says what to do after the handshake, and what to report.
//
//	plan           offered  encrypted  match       action  result
//	put off        any      any        any         leave
//	opportunistic  no       -          -           send    starttls-not-supported
//	opportunistic  yes      no         -           plain   validation-failure
//	opportunistic  yes      yes        any         send
//	encrypt        no       -          -           leave   starttls-not-supported
//	encrypt        yes      no         -           leave   validation-failure
//	encrypt        yes      yes        any         send    tlsa-invalid
//	enforce        no       -          -           leave   starttls-not-supported
//	enforce        yes      no         -           leave   validation-failure
//	enforce        yes      yes        matched     send
//	enforce        yes      yes        otherwise   leave   the match's own
func Finish(plan Plan, s Session) (Action, Result) {
	must := plan != Opportunistic
	switch {
	case plan == PutOff:
		return Leave, ""
	case !s.Offered && must:
		return Leave, NoSTARTTLS
	case !s.Offered:
		return Send, NoSTARTTLS
	case !s.Encrypted && must:
		return Leave, Validation
	case !s.Encrypted:
		return Plain, Validation
	case plan == Opportunistic:
		return Send, ""
	case plan == Encrypt:
		return Send, TLSAInvalid
	case s.Match == Matched:
		return Send, ""
	}
	return Leave, s.Match.result()
}

// result is how a match that is none is reported (RFC 8460 4.3.1).
func (m Match) result() Result {
	switch m {
	case WrongName:
		return HostMismatch
	case Expired:
		return CertExpired
	case NoCertificate:
		return Validation
	}
	return NotTrusted
}
