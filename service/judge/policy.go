package judge

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/authres"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/dmarcreport"
	"github.com/postrider/postrider/service/judge/spf"
)

// Decision is what is to be done with a message.
type Decision string

// The decisions.
const (
	Accept Decision = "accept"
	Junk   Decision = "junk"   // to be filed as junk
	Refuse Decision = "refuse" // in the session
)

// Policy says what is made of results. The zero value files as junk what the owner of the author's domain wants refused or set aside, and
// refuses nothing. What an owner wishes is a wish: we decide (RFC 9989 5.4).
type Policy struct {
	HonourReject     bool // refuse what fails where p=reject
	IgnoreQuarantine bool // accept what fails where p=quarantine
	JunkSPFFail      bool // junk what has no DMARC policy, no valid signature, and an SPF record that says "fail"
	// Forwarders are hosts that our users have mail sent on by. It breaks SPF, and often DKIM: what comes from there is accepted.
	Forwarders []netip.Prefix
}

// decide is the one place where results become a decision.
func (p Policy) decide(v *Verdict, ip netip.Addr) (d Decision, why string, reason dmarcreport.Reason) {
	wish := v.DMARC.Wish
	switch {
	case wish == dmarc.PolicyReject || wish == dmarc.PolicyQuarantine:
		for _, n := range p.Forwarders {
			if n.Contains(ip) {
				return Accept, fmt.Sprintf("%s forwards mail for our users, so the failure is passed over.", ip),
					dmarcreport.Reason{Type: dmarcreport.TrustedForwarder}
			}
		}
		if wish == dmarc.PolicyQuarantine && p.IgnoreQuarantine {
			return Accept, "Our policy passes over wishes to set mail aside.", dmarcreport.Reason{Type: dmarcreport.LocalPolicy}
		}
		if wish == dmarc.PolicyQuarantine {
			return Junk, fmt.Sprintf("%s wants mail in its name that fails set aside.", v.DMARC.PolicyDomain), dmarcreport.Reason{}
		}
		if p.HonourReject {
			return Refuse, fmt.Sprintf("%s wants mail in its name that fails refused.", v.DMARC.PolicyDomain), dmarcreport.Reason{}
		}
		return Junk, fmt.Sprintf("%s wants mail in its name that fails refused; our policy sets it aside.", v.DMARC.PolicyDomain),
			dmarcreport.Reason{Type: dmarcreport.LocalPolicy, Comment: "filed as junk"}
	case p.JunkSPFFail && v.DMARC.Result == dmarc.None && v.SPF.Result == string(spf.Fail) && !v.signed():
		return Junk, fmt.Sprintf("%s says that the client may not send its mail, and nothing else speaks for the message.", v.SPF.Domain), dmarcreport.Reason{}
	case v.DMARC.Result == dmarc.TempError:
		return Accept, "The policy of the author's domain cannot be told now; nobody loses mail for that.", dmarcreport.Reason{}
	}
	return Accept, "No policy speaks against it.", dmarcreport.Reason{}
}

// signed reports whether a signature is valid.
func (v *Verdict) signed() bool {
	for _, s := range v.DKIM {
		if s.Result == "pass" {
			return true
		}
	}
	return false
}

// Refusal is the reply to a message that is refused. RFC 7372 3.4.
func (v *Verdict) Refusal() error {
	if v.Decision != Refuse {
		return nil
	}
	return &mail.Error{Kind: mail.Denied, Enhanced: "5.7.26", Text: fmt.Sprintf(
		"the message does not come from %s as its From field says, and the owner of that domain wants such mail refused; its SPF is %s, its DKIM %s",
		v.DMARC.Author, v.SPF.Result, v.dkimWord())}
}

func (v *Verdict) dkimWord() string {
	switch {
	case v.signed():
		return "of another domain"
	case len(v.DKIM) == 0:
		return "none"
	}
	return v.DKIM[0].Result
}

// conclude decides, and writes what was found out.
func (j *Judge) conclude(v *Verdict, ip netip.Addr, t Transaction) {
	var reason dmarcreport.Reason
	v.Decision, v.Why, reason = j.cfg.Policy.decide(v, ip)
	v.Notes = notes(v)
	v.Field = j.field(v, ip, t)
	if v.DMARC.PolicyDomain == "" || v.DMARC.Result != dmarc.Pass && v.DMARC.Result != dmarc.Fail {
		return
	}
	m := dmarcreport.Message{Source: ip, EnvelopeFrom: t.From.Domain(), EnvelopeTo: t.To, Applied: applied(v.Decision), Why: reason,
		SPF: dmarcreport.SPFResult{Domain: v.SPF.Domain, Scope: "mfrom", Result: v.SPF.Result}}
	if t.From.IsNull() {
		m.SPF.Scope = "helo"
	}
	for _, s := range v.DKIM {
		if s.Domain != "" {
			m.Signatures = append(m.Signatures, dmarcreport.Signature{Domain: s.Domain, Selector: s.Selector, Result: s.Result})
		}
	}
	v.Report = &Report{Published: dmarcreport.PublishedOf(v.DMARC), Row: dmarcreport.RowOf(v.DMARC, m), Addresses: v.DMARC.Record.Aggregate}
}

func applied(d Decision) dmarc.Policy {
	switch d {
	case Refuse:
		return dmarc.PolicyReject
	case Junk:
		return dmarc.PolicyQuarantine
	}
	return dmarc.PolicyNone
}

func notes(v *Verdict) []string {
	out := []string{"SPF " + v.SPF.Result + ": " + v.SPF.Reason}
	for _, s := range v.DKIM {
		out = append(out, "DKIM "+s.Result+": "+s.Reason)
	}
	if len(v.DKIM) == 0 {
		out = append(out, "DKIM none: The message has no signature.")
	}
	if v.Signatures > len(v.DKIM) {
		out = append(out, fmt.Sprintf("DKIM: The message has %d signatures, of which %d were looked at.", v.Signatures, len(v.DKIM)))
	}
	out = append(out, "DMARC "+string(v.DMARC.Result)+": "+sentence(v.DMARC.Reason), "iprev "+v.IPRev.Result+": "+v.IPRev.Reason)
	if v.Forged > 0 {
		out = append(out, fmt.Sprintf("The message came with %d Authentication-Results fields that claim to be ours; they are not believed.", v.Forged))
	}
	return append(out, strings.ToUpper(string(v.Decision[:1]))+string(v.Decision[1:])+": "+v.Why)
}

// sentence gives a reason a capital and a full stop.
func sentence(s string) string {
	if s == "" {
		return "There is nothing to say."
	}
	if c := s[0]; 'a' <= c && c <= 'z' && strings.IndexByte(s[:strings.IndexByte(s+" ", ' ')], '.') < 0 { // a domain keeps its case
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	return strings.TrimSuffix(s, ".") + "."
}

// field writes the Authentication-Results field. RFC 8601 2.
func (j *Judge) field(v *Verdict, ip netip.Addr, t Transaction) []byte {
	f := authres.Field{ID: j.cfg.Hostname}
	if ip.IsValid() {
		f.Results = append(f.Results, authres.OfIPRev(v.IPRev.Result, ip))
	}
	if v.SPFScope == "helo" {
		f.Results = append(f.Results, authres.OfSPF(v.SPF.Result, "", t.Helo))
	} else {
		f.Results = append(f.Results, authres.OfSPF(v.SPF.Result, v.SPF.Domain, t.Helo))
	}
	for _, s := range v.DKIM {
		r := authres.OfDKIM(s.Result, authres.Signature{Domain: s.Domain, Selector: s.Selector, Algorithm: s.Algorithm, Data: s.Data})
		if s.Result != "pass" {
			r.Reason = s.Reason
		} else if s.Testing {
			r.Comment = "test mode"
		}
		f.Results = append(f.Results, r)
	}
	if len(v.DKIM) == 0 {
		f.Results = append(f.Results, authres.OfDKIM("none", authres.Signature{}))
	}
	f.Results = append(f.Results, authres.OfDMARC(string(v.DMARC.Result), v.DMARC.Author, string(v.DMARC.Published)))
	return f.Format()
}
