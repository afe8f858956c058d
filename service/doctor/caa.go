package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider/service/doctor/words"
)

// checkCAA looks whether the authority that we use may issue certificates for the hostname. RFC 8659 3, RFC 8659 4.2, RFC 8657 3.
func checkCAA(ctx context.Context, s *sheet) {
	if s.facts.CA == "" || s.host == "" {
		s.note(s.subject(), "No authority is known that we get certificates from, so that CAA records were not looked at.")
		return
	}
	at, set, err := s.relevantCAA(ctx, s.host)
	switch {
	case err != nil:
		s.untold(s.host, "the CAA records", err)
		return
	case len(set) == 0:
		s.ok(s.host, "Any authority may issue certificates for %s (no CAA record).", s.host)
		return
	}
	ca := strings.ToLower(strings.TrimSuffix(s.facts.CA, "."))
	restricted, allowed, otherAccount := false, []string(nil), ""
	for _, r := range set {
		issuer, params, ok := issue(r)
		if !ok {
			continue
		}
		restricted = true
		allowed = append(allowed, issuer)
		if issuer != ca {
			continue
		}
		account := params["accounturi"]
		if account == "" || s.facts.ACMEAccount == "" || account == s.facts.ACMEAccount {
			s.ok(s.host, "%s may issue certificates for %s (CAA at %s).", ca, s.host, words.Plain(at))
			return
		}
		otherAccount = account
	}
	f := Finding{Subject: at, Level: Fault, Link: linkCertificate, Record: line(at, "CAA", fmt.Sprintf(`0 issue "%s"`, ca)),
		Remedy: "Add this record, or take the others away."}
	switch {
	case !restricted:
		s.ok(s.host, "Any authority may issue certificates for %s.", s.host)
		return
	case otherAccount != "":
		f.Text = fmt.Sprintf("The CAA records at %s let only the account %s at %s get certificates for %s, and ours is another.", words.Plain(at), words.Plain(otherAccount), ca, s.host)
	default:
		f.Text = fmt.Sprintf("The CAA records at %s forbid %s to issue certificates for %s; they allow %s.", words.Plain(at), ca, s.host, orNobody(allowed))
	}
	s.add(f)
}

func orNobody(all []string) string {
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "" })
	if len(all) == 0 {
		return "nobody"
	}
	return words.Names(all)
}

// relevantCAA climbs to the first name that has CAA records. RFC 8659 3.
func (s *sheet) relevantCAA(ctx context.Context, host string) (at string, set []string, err error) {
	for at = host; at != ""; _, at, _ = strings.Cut(at, ".") {
		set, err = s.lookup(ctx, at, "CAA")
		if err != nil || len(set) > 0 {
			return at, set, err
		}
	}
	return "", nil, nil
}

// issue reads the data of a CAA record that says who may issue: `0 issue "ca.example; accounturi=..."`. An empty issuer is nobody.
func issue(data string) (issuer string, params map[string]string, ok bool) {
	_, rest, _ := strings.Cut(strings.TrimSpace(data), " ")
	tag, value, found := strings.Cut(strings.TrimSpace(rest), " ")
	if !found || !strings.EqualFold(tag, "issue") {
		return "", nil, false
	}
	value = strings.Trim(strings.TrimSpace(value), `"`)
	issuer, rest, _ = strings.Cut(value, ";")
	params = map[string]string{}
	for p := range strings.SplitSeq(rest, ";") {
		if name, v, ok := strings.Cut(p, "="); ok {
			params[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(v)
		}
	}
	return strings.ToLower(strings.TrimSpace(issuer)), params, true
}
