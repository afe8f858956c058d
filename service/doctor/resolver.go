package doctor

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
	"github.com/postrider/postrider/service/doctor/wire"
	"github.com/postrider/postrider/service/doctor/words"
)

// top is the top-level domain of what is looked at.
func (x *exam) top() string {
	name := x.domain
	if name == "" {
		name = x.host
	}
	return name[strings.LastIndexByte(name, '.')+1:]
}

// checkResolver looks whether the resolver answers at all, and hands on what DNSSEC needs. The root zone is signed, so that its answer about
// a top-level domain can always be checked.
func checkResolver(ctx context.Context, s *sheet) {
	top := s.top()
	if top == "" {
		s.untold(s.subject(), "the resolver", mail.Errorf(mail.Invalid, "the host has no full name"))
		return
	}
	half, cancel := context.WithTimeout(ctx, s.cfg.Deadline/2)
	defer cancel()
	var errs [2]error
	var asking sync.WaitGroup
	asking.Go(func() { _, errs[0] = s.cfg.Resolver.Exists(half, top) })
	asking.Go(func() { _, errs[1] = s.cfg.Resolver.Addresses(half, s.nearby()) })
	asking.Wait()
	if errs[0] != nil && errs[1] != nil {
		s.add(Finding{Subject: "resolver", Level: Fault, Link: linkResolver,
			Text:   "The resolver does not answer: " + words.Reason(errs[0]) + ".",
			Remedy: "Set [dns] servers, or /etc/resolv.conf, to a resolver that works, best one on this machine."})
		return
	}
	if s.cfg.Checker == nil {
		s.note("resolver", "The resolver answers; whether it hands on DNSSEC was not looked at.")
		return
	}
	switch v, err := s.cfg.Checker.Check(half, top, "DS"); {
	case mail.Is(err, mail.Invalid):
		s.ok("resolver", "The resolver answers, and DNSSEC is left to it.")
	case err != nil:
		s.untold("resolver", "whether the resolver hands on DNSSEC", err)
	case v.Security == dns.Secure:
		s.ok("resolver", "The resolver answers, and hands on what DNSSEC needs.")
	case v.Security == dns.Indeterminate:
		s.untold("resolver", "whether the resolver hands on DNSSEC", mail.Errorf(mail.Unavailable, "%s", words.Plain(v.Reason)))
	case v.Security == dns.Bogus:
		s.add(Finding{Subject: "resolver", Level: Fault, Link: linkDNSSEC,
			Text:   "What the resolver says about the root zone is forged or spoilt: " + words.Bare(v.Reason) + ".",
			Remedy: "Check the clock, and [dns] anchors if you set any; else use another resolver, best one on this machine."})
	default:
		s.add(Finding{Subject: "resolver", Level: Warning, Link: linkResolver,
			Text:   "The resolver does not hand on DNSSEC, so that no DANE is possible for mail that goes out: " + words.Bare(v.Reason) + ".",
			Remedy: "Set [dns] servers to one that hands on DNSSEC records, best an Unbound on this machine."})
	}
}

// nearby is a name of ours whose addresses can be asked for.
func (x *exam) nearby() string {
	if x.host != "" {
		return x.host
	}
	return x.domain
}

// checkNameservers tells name servers of the domain that do not answer from a resolver that does not.
func checkNameservers(ctx context.Context, s *sheet) {
	half, cancel := context.WithTimeout(ctx, s.cfg.Deadline/2)
	defer cancel()
	_, err := s.cfg.Resolver.TXT(half, s.domain)
	if err == nil {
		s.ok(s.domain, "The name servers of %s answer.", s.domain)
		return
	}
	if _, other := s.cfg.Resolver.Exists(ctx, s.top()); other != nil || s.bogus(ctx, s.domain, "TXT") {
		s.untold(s.domain, "the name servers of "+s.domain, err) // checkResolver or checkDNSSEC says why
		return
	}
	s.add(Finding{Subject: s.domain, Level: Fault, Link: linkResolver,
		Text:   "The name servers of " + s.domain + " do not answer: " + words.Reason(err) + ".",
		Remedy: "Ask whoever runs them; as long as they are silent, nobody can find or believe your mail."})
}

// bogus reports whether DNSSEC refuses an answer.
func (x *exam) bogus(ctx context.Context, name, typ string) bool {
	if x.cfg.Checker == nil {
		return false
	}
	v, err := x.cfg.Checker.Check(ctx, name, typ)
	return err == nil && v.Security == dns.Bogus
}

// secure reports whether DNSSEC vouches for an answer.
func (x *exam) secure(ctx context.Context, name, typ string) bool {
	if x.cfg.Checker == nil {
		return false
	}
	v, err := x.cfg.Checker.Check(ctx, name, typ)
	return err == nil && v.Security == dns.Secure
}

// checkDNSSEC looks at the answers that mail for the domain begins with.
func checkDNSSEC(ctx context.Context, s *sheet) {
	if s.cfg.Checker == nil {
		s.note(s.domain, "DNSSEC of %s was not looked at, for it is left to the resolver.", s.domain)
		return
	}
	questions := [][2]string{{s.domain, "MX"}, {s.domain, "TXT"}}
	if s.host != "" {
		questions = append(questions, [2]string{s.host, "A"}, [2]string{s.host, "AAAA"}, [2]string{dane.OwnerName(s.host, 25), "TLSA"})
	}
	secure, unsigned := 0, ""
	for _, q := range questions {
		v, err := s.cfg.Checker.Check(ctx, q[0], q[1])
		switch {
		case mail.Is(err, mail.Invalid):
			s.note(s.domain, "DNSSEC of %s was not looked at, for it is left to the resolver.", s.domain)
			return
		case err != nil:
			s.untold(q[0], "DNSSEC of "+q[0]+" ("+q[1]+")", err)
		case v.Security == dns.Secure:
			secure++
		case v.Security == dns.Insecure:
			unsigned = q[0]
		case v.Security == dns.Bogus:
			s.add(Finding{Subject: q[0], Level: Fault, Link: linkDNSSEC,
				Text:   "DNSSEC refuses the " + q[1] + " records of " + q[0] + ", so that for hosts that check it they do not exist: " + words.Bare(v.Reason) + ".",
				Remedy: "Sign the zone anew, and make the DS record at the registrar agree with its key; or remove the DS record until that works."})
		default:
			s.untold(q[0], "DNSSEC of "+q[0]+" ("+q[1]+")", mail.Errorf(mail.Unavailable, "%s", words.Plain(v.Reason)))
		}
	}
	switch {
	case unsigned != "":
		s.note(s.domain, "%s is not signed with DNSSEC, so that other hosts cannot check the records (DANE needs it); this is optional.", unsigned)
	case secure == len(questions):
		s.ok(s.domain, "DNSSEC vouches for the records of %s.", s.domain)
	}
}

// How far the clock may be off: for one-time passwords and signatures, and for certificates and DNSSEC.
const (
	clockWarning = time.Minute
	clockFault   = 5 * time.Minute
)

// checkClock compares our clock with somebody else's.
func checkClock(ctx context.Context, s *sheet) {
	if s.cfg.Time == nil && len(s.facts.TimeURLs) == 0 {
		s.note("clock", "The clock was not compared with another one.")
		return
	}
	begun := s.now()
	other, err := s.otherTime(ctx)
	if err != nil {
		s.untold("clock", "the clock", err)
		return
	}
	off := begun.Add(s.now().Sub(begun) / 2).Sub(other)
	way := "ahead"
	if off < 0 {
		off, way = -off, "behind"
	}
	f := Finding{Subject: "clock", Link: linkClock, Level: Warning,
		Text:   "This machine's clock is " + words.Span(off) + " " + way + ".",
		Remedy: "Let it be set from the network: systemctl enable --now systemd-timesyncd, or chrony."}
	switch {
	case off >= clockFault:
		f.Level = Fault
	case off < clockWarning:
		s.ok("clock", "The clock is right.")
		return
	}
	s.add(f)
}

// otherTime asks for the time: the first who answers is believed.
func (s *sheet) otherTime(ctx context.Context) (time.Time, error) {
	if s.cfg.Time != nil {
		return s.cfg.Time(ctx)
	}
	var err error
	for _, url := range s.facts.TimeURLs {
		var p *wire.Page
		if p, err = s.look.Get(ctx, url, false); err != nil {
			continue
		}
		if !p.Date.IsZero() {
			return p.Date, nil
		}
		err = mail.Errorf(mail.Unavailable, "%s does not tell the time", words.Plain(url))
	}
	return time.Time{}, err
}
