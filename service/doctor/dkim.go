package doctor

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/service/doctor/words"
	"github.com/postrider/postrider/service/seal"
)

// checkDKIM looks whether the records of our keys are published as they should be. RFC 6376 3.6.
func checkDKIM(ctx context.Context, s *sheet) {
	keys := 0
	signs := false
	for _, k := range s.facts.Keys {
		if k.Domain != s.domain {
			continue
		}
		if keys++; keys > maxPerTest/2 {
			break
		}
		signs = signs || k.State == seal.Active
		s.key(ctx, k)
	}
	switch {
	case keys == 0:
		s.add(Finding{Subject: s.domain, Level: Fault, Link: linkDKIM,
			Text:   "There is no DKIM key for " + s.domain + ", so that its mail is not signed, and Gmail and others do not believe it.",
			Remedy: "Set enabled = true under [dkim] and restart the server, which makes the keys; then publish what postrider dns records " + s.domain + " prints."})
	case !signs:
		s.add(Finding{Subject: s.domain, Level: Warning, Link: linkDKIM,
			Text:   "No DKIM key of " + s.domain + " signs yet; its mail goes out unsigned until the records are published and known everywhere.",
			Remedy: "Publish the records of the keys, and wait."})
	case s.clean():
		s.ok(s.domain, "The DKIM records of %s are right (%s).", s.domain, words.Plural(keys, "key"))
	}
}

// key looks at the record of one key.
func (s *sheet) key(ctx context.Context, k seal.Key) {
	name := dkimtext.KeyName(k.Selector, k.Domain)
	own, err := k.Record()
	if err != nil {
		s.untold(name, "the DKIM key "+k.Selector, errors.New("our own key cannot be read"))
		return
	}
	a, err := s.cfg.Resolver.TXT(ctx, name)
	if err != nil {
		s.untold(name, "the DKIM record at "+name, err)
		return
	}
	f := Finding{Subject: name, Level: Fault, Link: linkDKIM, Record: own.Zone(), Remedy: "Publish the record as it stands here."}
	if k.State != seal.Active {
		f.Level = Warning // nothing is signed with it now
	}
	switch {
	case a.Status != dns.Found && k.State == seal.Published:
		f.Text = fmt.Sprintf("The DKIM record at %s is not published yet; its key will sign next.", name)
	case a.Status != dns.Found && k.State == seal.Retiring:
		f.Level, f.Text = Note, fmt.Sprintf("The DKIM record at %s is gone, while mail signed with its key may still be under way.", name)
	case a.Status != dns.Found:
		f.Text = fmt.Sprintf("The DKIM record at %s is missing, so that the signatures of our mail cannot be checked.", name)
	case len(a.Value) > 1:
		f.Text = fmt.Sprintf("There are %d records at %s; only one may be there, and which one counts is chance.", len(a.Value), name)
		f.Remedy = "Remove all but this one."
	default:
		if f.Text = keyFault(k, own.Text, a.Value[0], &f); f.Text == "" {
			return
		}
		f.Text = fmt.Sprintf("The DKIM record at %s %s.", name, f.Text)
	}
	s.add(f)
}

// keyFault says what is wrong with a record of a key: the end of a sentence; "" when nothing is. It lowers the level where it works all the same.
func keyFault(k seal.Key, want, there string, f *Finding) string {
	record, err := dkimtext.ParseKey(there)
	if err != nil {
		return "cannot be read: " + words.Reason(err)
	}
	public, err := record.PublicKey()
	usable := record.For(&dkimtext.Signature{Algorithm: string(k.Algorithm) + "-sha256", Domain: k.Domain, Identity: "@" + k.Domain})
	switch {
	case len(record.Public) == 0:
		return "says that the key was revoked (p= is empty)"
	case record.Type != string(k.Algorithm):
		return fmt.Sprintf("is for a key of type %s (k=), but ours is of type %s", words.Plain(record.Type), k.Algorithm)
	case errors.Is(err, dkimtext.ErrTooSmall):
		return fmt.Sprintf("has an RSA key of fewer than %d bits, which nobody believes", dkimtext.MinRSA)
	case err != nil:
		return "has a key that cannot be read, as happens when a long text is cut or its strings are joined wrongly: " + words.Reason(err)
	case usable != nil:
		return "does not let its key sign mail: " + words.Reason(usable)
	case !k.Matches([]string{there}):
		if r, ok := public.(*rsa.PublicKey); ok && r.N.BitLen() < 2048 {
			return fmt.Sprintf("has another key than ours, of only %d bits", r.N.BitLen())
		}
		return "has another key than the one that signs here, so that all signatures fail"
	case record.Testing:
		f.Level, f.Record = min(f.Level, Warning), line(dkimtext.KeyName(k.Selector, k.Domain), "TXT", dkimtext.Quoted(want))
		f.Remedy = "Take t=y out of it."
		return "says that the key is only tried out (t=y), so that some take our mail for unsigned"
	}
	if r, ok := public.(*rsa.PublicKey); ok && r.N.BitLen() < 2048 { // RFC 8301 3.2
		f.Level, f.Record = min(f.Level, Warning), ""
		f.Remedy = "Make a longer one: postrider dkim rotate " + k.Domain + "."
		return fmt.Sprintf("has an RSA key of %d bits; 2048 are asked for today", r.N.BitLen())
	}
	return ""
}
