package setup

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

func invalidAddress(s string) error {
	return mail.Errorf(mail.Invalid, "%q is not an address that others could reach; write one such as 192.0.2.1, or nothing", s)
}

// wanted lists where the server will listen.
func wanted(l config.Listen) []netip.AddrPort {
	var out []netip.AddrPort
	for _, list := range []config.Addresses{l.SMTP, l.Submissions, l.Submission, l.IMAPS, l.IMAP, l.POP3S, l.POP3, l.HTTP, l.HTTPS, l.LMTP, l.Metrics} {
		for _, at := range list {
			host, port, err := net.SplitHostPort(at)
			n, numErr := strconv.ParseUint(port, 10, 16)
			if err != nil || numErr != nil || n == 0 {
				continue
			}
			ip, err := netip.ParseAddr(host)
			if err != nil {
				ip = netip.IPv6Unspecified()
				if strings.EqualFold(host, "localhost") {
					ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
				}
			}
			out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(n)))
		}
	}
	return out
}

// collide reports whether two listeners cannot be at the same time.
func collide(a, b netip.AddrPort) bool {
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	if a.Port() != b.Port() {
		return false
	}
	// All addresses of IPv6 are those of IPv4 too, as far as this machine's are not told apart.
	return x == y || x.IsUnspecified() && (x.Is6() || y.Is4()) || y.IsUnspecified() && (y.Is6() || x.Is4())
}

// checkPorts looks whether the ports that the server needs are free.
func (r *run) checkPorts(context.Context) []Step {
	if r.takenErr != nil {
		return []Step{{Name: "ports", Level: Note, Text: "who has the ports of this machine cannot be told: " + short(r.takenErr.Error())}}
	}
	var out []Step
	var free []string
	ours := false
	for _, at := range wanted(r.cfg.Listen) {
		port := strconv.Itoa(int(at.Port()))
		i := slices.IndexFunc(r.taken, func(l Listener) bool { return collide(l.At, at) && !l.Ours() })
		if i < 0 {
			ours = ours || slices.ContainsFunc(r.taken, func(l Listener) bool { return collide(l.At, at) })
			free = append(free, port)
			continue
		}
		holder := r.taken[i]
		r.blocked = true
		remedy := "Stop that program, and see that it does not come back when the machine starts; then run setup again."
		if holder.Unit != "" {
			remedy = "If it is not needed, end it with: systemctl disable --now " + holder.Unit + "; then run setup again."
		}
		out = append(out, Step{Name: "ports", Level: Fail, Text: "port " + port + " is in use by " + holder.Who(), Remedy: remedy, Link: linkPorts})
	}
	if len(free) > 0 {
		text := "free here: ports " + strings.Join(free, ", ")
		if ours {
			text = "free here, or Postrider's already: ports " + strings.Join(free, ", ")
		}
		out = append([]Step{{Name: "ports", Level: Done, Text: text}}, out...)
	}
	return out
}

// checkOutward tries whether other mail hosts can be reached.
func (r *run) checkOutward(ctx context.Context) []Step {
	const name = "port-25-out"
	if r.o.SkipReach {
		return []Step{{Name: name, Level: Note, Text: "port 25 outward was not tried, as was said"}}
	}
	if s := r.cfg.Outbound.Smarthost; s.Host != "" {
		return []Step{{Name: name, Level: Done, Text: "all mail goes out through " + s.Host + ", so port 25 outward is not needed"}}
	}
	hosts := r.cfg.Doctor.Reach
	if len(hosts) == 0 {
		hosts = bigHosts()
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	results := make(chan result, len(hosts))
	for _, h := range hosts {
		go func() { results <- r.greet(ctx, h) }()
	}
	var why []string
	for range hosts {
		res := <-results
		if res.err == nil {
			return []Step{{Name: name, Level: Done, Text: fmt.Sprintf("port 25 is open outward: %s answers", res.host)}}
		}
		why = append(why, fmt.Sprintf("%s: %s", res.host, short(mail.Sentence(res.err))))
	}
	slices.Sort(why)
	return []Step{{Name: name, Level: Fail, Text: "port 25 outward seems to be blocked; no mail host answered (" + strings.Join(why, "; ") + ")", Link: linkPort25,
		Remedy: "Ask your provider to open it, or send through a host that can, with [outbound.smarthost] in the configuration."}}
}

type result struct {
	host string
	err  error
}

// greet connects to a mail host and waits for its first line.
func (r *run) greet(ctx context.Context, at string) result {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return result{at, err}
	}
	res := result{host: host}
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = append(ips, ip)
	} else {
		known, err := r.names.Addresses(ctx, host)
		if err != nil {
			res.err = err
			return res
		}
		ips = known.Value
	}
	sortAddresses(ips) // most hosts can be reached by IPv4
	res.err = mail.Errorf(mail.NotFound, "it has no address")
	for _, ip := range ips[:min(len(ips), 3)] {
		if res.err = r.firstLine(ctx, net.JoinHostPort(ip.String(), port), "220"); res.err == nil {
			return res
		}
	}
	return res
}

// tryTime bounds one connection.
const tryTime = 6 * time.Second

// firstLine reads the beginning of what a server says first.
func (r *run) firstLine(ctx context.Context, at, begin string) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	conn, err := r.host.Dial(ctx, "tcp", at)
	if err != nil {
		return mail.Errorf(mail.Unavailable, "no connection to %s: %w", at, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	got := make([]byte, len(begin))
	if _, err := io.ReadFull(conn, got); err != nil {
		return mail.Errorf(mail.Unavailable, "%s opened a connection and said nothing", at)
	}
	if string(got) != begin {
		return mail.Errorf(mail.Unavailable, "%s answered with %q, so it takes no mail", at, got)
	}
	return nil
}

// checkInward connects to our own addresses from here. Where port 25 is free, a listener of a moment answers.
func (r *run) checkInward(ctx context.Context) []Step {
	const name = "port-25-in"
	if len(r.report.Addresses) == 0 {
		return []Step{{Name: name, Level: Note, Text: "without a public address it cannot be tried whether others get in"}}
	}
	if len(r.cfg.Listen.SMTP) == 0 {
		return []Step{{Name: name, Level: Note, Text: "no mail is taken from other hosts (listen.smtp is off), so it was not tried whether they get in"}}
	}
	_, port, err := net.SplitHostPort(r.cfg.Listen.SMTP[0])
	if err != nil {
		return nil
	}
	word := "220"
	if !slices.ContainsFunc(r.taken, func(l Listener) bool { return strconv.Itoa(int(l.At.Port())) == port }) {
		l, err := r.host.Listen(ctx, r.cfg.Listen.SMTP[0])
		if err != nil {
			return []Step{{Name: name, Level: Note, Text: "it could not be tried whether others get in: " + short(err.Error())}}
		}
		word = "220 setup " + rand.Text()[:16]
		done := make(chan struct{})
		go func() { defer close(done); answer(l, word) }()
		defer func() { l.Close(); <-done }()
	}
	var out []Step
	for _, ip := range r.report.Addresses {
		at := net.JoinHostPort(ip.String(), port)
		if err := r.firstLine(ctx, at, word); err != nil {
			out = append(out, Step{Name: name, Level: Warn, Text: fmt.Sprintf("port %s of %s does not lead to this machine when tried from here (%s)", port, ip, short(mail.Sentence(err))), Link: linkPort25,
				Remedy: "Let the port in through this machine's firewall; behind a router forward it (some routers do not let you in from inside, then only a host elsewhere can tell)."})
			continue
		}
		out = append(out, Step{Name: name, Level: Done, Text: fmt.Sprintf("port %s of %s leads to this machine; this was tried from here, so a firewall of your provider may still keep others out", port, ip)})
	}
	return out
}

// answer says a word to whoever connects, until the listener is closed.
func answer(l net.Listener, word string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		conn.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a connection without a deadline is closed below all the same
		io.WriteString(conn, word+"\r\n")                  //nolint:errcheck // the other side tells
		conn.Close()
	}
}
