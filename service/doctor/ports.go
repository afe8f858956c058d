package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor/wire"
	"github.com/postrider/postrider/service/doctor/words"
)

func anyPort(Port) bool     { return true }
func encrypted(p Port) bool { return p.TLS || p.Start }

// checkPorts looks whether our ports are open to the world, and whether it is us who answers.
func checkPorts(ctx context.Context, s *sheet) {
	probes := s.probe(ctx, anyPort)
	if len(probes) == 0 {
		s.untold(s.subject(), "our ports", mail.Errorf(mail.NotFound, "no service, or no address of ours, is known"))
		return
	}
	dark := s.dark(probes)
	for _, p := range probes {
		switch {
		case p.Dial != nil && slices.Contains(dark, p.IP):
			// said for all ports at once
		case p.Dial != nil:
			s.closed(p)
		case p.Greeting != nil:
			s.add(Finding{Subject: p.At, Level: Fault, Link: linkPorts,
				Text:   fmt.Sprintf("Port %d at %s is open, but what answers there is not as it should be: %s.", p.Port.Number, p.At, words.Reason(p.Greeting)),
				Remedy: "Look what listens there (ss -tlnp), and whether a firewall or proxy stands in between."})
		case p.Name != "" && s.host != "" && p.Name != s.host:
			s.add(Finding{Subject: p.At, Level: Warning, Link: linkPorts,
				Text:   fmt.Sprintf("What answers on port %d at %s calls itself %s, not %s: it is another program or host.", p.Port.Number, p.At, words.Plain(p.Name), s.host),
				Remedy: "Look what listens there (ss -tlnp), and whether a firewall or proxy stands in between."})
		default:
			s.ok(p.At, "Port %d (%s) is open.", p.Port.Number, p.Port.Service)
		}
	}
}

// dark tells of addresses at which every single port refuses, as when the server does not run, and gives them.
func (s *sheet) dark(probes []wire.Probe) (dark []netip.Addr) {
	ports, refused := map[netip.Addr][]string{}, map[netip.Addr]int{}
	for _, p := range probes {
		ports[p.IP] = append(ports[p.IP], strconv.Itoa(int(p.Port.Number)))
		if p.Dial != nil && wire.Refused(p.Dial) {
			refused[p.IP]++
		}
	}
	for _, p := range probes {
		if len(ports[p.IP]) < 2 || refused[p.IP] < len(ports[p.IP]) || slices.Contains(dark, p.IP) {
			continue
		}
		dark = append(dark, p.IP)
		s.add(Finding{Subject: p.IP.String(), Level: Fault, Link: linkPorts,
			Text:   fmt.Sprintf("No port of ours is open at %s (%s): connections are refused, so that no mail can come in and nobody can read theirs.", p.IP, strings.Join(ports[p.IP], ", ")),
			Remedy: "Start the server (systemctl start postrider; its log: journalctl -u postrider); if it runs, see that it listens on all addresses, and look at firewalls and routers."})
	}
	return dark
}

// why is why a connection failed, in few words.
func why(err error) string {
	if wire.Refused(err) {
		return "connections are refused"
	}
	return words.Reason(err)
}

// closed tells of a port that cannot be reached. What was not heard at all through a router may only be hidden from ourselves.
func (s *sheet) closed(p wire.Probe) {
	if mail.Is(p.Dial, mail.NotFound) || s.unresolved(p.Dial) {
		s.untold(p.At, fmt.Sprintf("port %d", p.Port.Number), p.Dial)
		return
	}
	f := Finding{Subject: p.At, Level: Fault, Link: linkPorts,
		Text:   fmt.Sprintf("Port %d (%s) is closed at %s: %s.", p.Port.Number, p.Port.Service, p.IP, why(p.Dial)),
		Remedy: fmt.Sprintf("See that the server runs and listens on port %d of all addresses, and open the port in firewalls and at the provider.", p.Port.Number)}
	switch {
	case !wire.Refused(p.Dial) && s.facts.Translated:
		f.Level, f.Untold = Note, true
		f.Text = fmt.Sprintf("Whether port %d (%s) is open at %s cannot be told from here, for the address is that of a router in front.", p.Port.Number, p.Port.Service, p.At)
		f.Remedy = "Try it from outside, and forward the port to this host."
	case p.Port.Service == "smtp":
		f.Text += " No mail can come in."
	case p.Port.Service == "http", p.Port.Proto == wire.POP3:
		f.Level = Warning
	}
	s.add(f)
}

// checkTLS looks whether TLS is offered on our ports, and works.
func checkTLS(ctx context.Context, s *sheet) {
	some := false
	for _, p := range s.probe(ctx, encrypted) {
		switch {
		case p.Dial != nil || p.Greeting != nil:
			continue // checkPorts says so
		case p.TLS != nil:
			s.add(Finding{Subject: p.At, Level: Fault, Link: linkTLS,
				Text:   fmt.Sprintf("TLS on port %d (%s) at %s fails: %s.", p.Port.Number, p.Port.Service, p.At, words.Reason(p.TLS)),
				Remedy: "See the server's log; most often no certificate for the hostname is set ([tls])."})
		case p.Port.Start && !p.Offered:
			s.add(Finding{Subject: p.At, Level: Fault, Link: linkTLS,
				Text:   fmt.Sprintf("Port %d (%s) at %s does not offer TLS (STARTTLS), so that everything there can be read on the way.", p.Port.Number, p.Port.Service, p.At),
				Remedy: "Set a certificate ([tls]), and look whether a firewall strips STARTTLS."})
		}
		some = true
	}
	switch {
	case !some:
		s.untold(s.subject(), "TLS on our ports", mail.Errorf(mail.Unavailable, "none could be reached"))
	case s.clean():
		s.ok(s.subject(), "TLS works on our ports.")
	}
}

// checkRelay looks whether a stranger could send through us. The dialogue ends before any message. RFC 5321 7.9 (who may relay).
func checkRelay(ctx context.Context, s *sheet) {
	s.dialogue(ctx, "whether strangers can send through us", func(t *wire.Talk, at string) {
		p := s.openSMTP(ctx)
		if slices.ContainsFunc(s.facts.Relays, func(n netip.Prefix) bool { return p.Self.IsValid() && n.Contains(p.Self) }) {
			s.note(at, "Whether strangers can send through us cannot be told from here, for this host itself may ([relay] networks).")
			return
		}
		from, to := s.stranger("example.net", "example.com"), s.stranger("example.org", "example.edu")
		reply, err := t.Command("MAIL FROM:<doctor@%s>", from)
		if err == nil && reply.Code/100 == 2 {
			reply, err = t.Command("RCPT TO:<doctor@%s>", to)
		}
		switch {
		case err != nil:
			s.untold(at, "whether strangers can send through us", err)
		case reply.Code/100 == 2:
			s.add(Finding{Subject: at, Level: Fault, Link: linkRelay,
				Text:   fmt.Sprintf("Anybody can send mail to the whole world through %s (an open relay); it will be abused within hours.", at),
				Remedy: "Take the networks of strangers out of [relay] networks, and look whether a proxy in front hides where clients come from (listen.proxy_from)."})
		case reply.Code/100 == 4:
			s.untold(at, "whether strangers can send through us", reply)
		default:
			s.ok(at, "Strangers cannot send through us.")
		}
	})
}

// stranger is one of two domains that is not of the domain at hand.
func (x *exam) stranger(domain, other string) string {
	if x.domain == domain || strings.HasSuffix(x.domain, "."+domain) {
		return other
	}
	return domain
}

// openSMTP is the first probe of port 25 that went well; its port has no service where none did.
func (s *sheet) openSMTP(ctx context.Context) wire.Probe {
	for _, p := range s.probe(ctx, func(p Port) bool { return p.Service == "smtp" }) {
		if p.Dial == nil && p.Greeting == nil {
			return p
		}
	}
	return wire.Probe{}
}

// dialogue opens a connection to port 25, introduces us, and lets do the rest. what is a noun, for the case that it fails.
func (s *sheet) dialogue(ctx context.Context, what string, do func(t *wire.Talk, at string)) {
	open := s.openSMTP(ctx)
	if open.Port.Service == "" {
		s.untold(s.subject(), what, mail.Errorf(mail.Unavailable, "port 25 does not answer as it should"))
		return
	}
	t, err := s.look.Open(ctx, open.Port, open.IP)
	if err != nil {
		s.untold(open.At, what, err)
		return
	}
	defer t.Close()
	do(t, open.At)
	t.Quit()
}

// checkPostmaster looks whether the addresses are accepted that every domain must have. RFC 5321 4.5.1, RFC 2142 5.
func checkPostmaster(ctx context.Context, s *sheet) {
	s.dialogue(ctx, "postmaster@"+s.domain, func(t *wire.Talk, at string) {
		reply, err := t.Command("MAIL FROM:<>")
		if err == nil && reply.Code/100 != 2 {
			err = reply
		}
		if err != nil {
			s.untold(at, "postmaster@"+s.domain, err)
			return
		}
		for _, box := range []struct {
			local string
			level Level
			why   string
		}{
			{"postmaster", Fault, "which every domain must have, and others write to when your mail is in trouble"},
			{"abuse", Warning, "which others write to when your mail is a nuisance, before they block it"},
		} {
			address := box.local + "@" + s.domain
			reply, err := t.Command("RCPT TO:<%s>", address)
			switch {
			case err != nil:
				s.untold(address, address, err)
				return
			case reply.Code/100 == 2:
				s.ok(address, "%s is accepted.", address)
			case reply.Code/100 == 4:
				s.untold(address, address, reply)
			default:
				s.add(Finding{Subject: address, Level: box.level, Link: linkSpam,
					Text:   fmt.Sprintf("Our port 25 refuses mail for %s, %s: %s.", address, box.why, words.Reason(reply)),
					Remedy: "Make an alias: postrider alias add " + address + " YOU@" + s.domain + "; if all of the domain is refused, postrider domain add " + s.domain + "."})
			}
		}
	})
}
