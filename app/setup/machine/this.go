package machine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// This is the machine that the program runs on.
func This() Host {
	clock := mail.SystemClock{}
	h := Host{
		Superuser: os.Geteuid() == 0, Clock: clock,
		Addresses: interfaceAddresses, Listeners: func() ([]Listener, error) { return listeners("/proc") },
		Offset: SNTP(clock, TimeServers()), Resolver: openResolver,
		Dial: (&net.Dialer{}).DialContext,
		Listen: func(ctx context.Context, at string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", at)
		},
		User: lookUp, Chown: func(dir *os.Root, name string, to Owner) error { return dir.Lchown(name, to.UID, to.GID) },
		Run: runProgram, Password: MakePassword,
	}
	if info, err := os.Stat("/run/systemd/system"); err == nil {
		h.Systemd = info.IsDir()
	}
	if exe, err := os.Executable(); err == nil {
		h.Executable = exe
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			h.Executable = real
		}
	}
	return h
}

// MakePassword makes up a password of 100 bits that can be read aloud.
func MakePassword() string {
	s := strings.ToLower(rand.Text())
	return s[:5] + "-" + s[5:10] + "-" + s[10:15] + "-" + s[15:20]
}

// runTime bounds a program that is run; maxSaid what is kept of its words, in octets.
const (
	runTime = 2 * time.Minute
	maxSaid = 64 << 10
)

func runProgram(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	var said bytes.Buffer
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout = &limited{w: &said, left: maxSaid}
	c.Stderr = c.Stdout
	c.WaitDelay = time.Second
	err := c.Run()
	return said.String(), err
}

// limited takes all and keeps a beginning.
type limited struct {
	w    io.Writer
	left int
}

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	if _, err := l.w.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func lookUp(name string) (Owner, error) {
	u, err := user.Lookup(name)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		return Owner{}, mail.Errorf(mail.NotFound, "there is no user %s", name)
	}
	if err != nil {
		return Owner{}, mail.Errorf(mail.Unavailable, "the user %s cannot be looked up: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return Owner{}, mail.Errorf(mail.Unavailable, "the user %s has no number: %w", name, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return Owner{}, mail.Errorf(mail.Unavailable, "the group of %s has no number: %w", name, err)
	}
	return Owner{uid, gid}, nil
}

// interfaceAddresses lists the addresses of interfaces that are up. Temporary addresses of IPv6 come and go, so they are left out.
func interfaceAddresses() ([]netip.Addr, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	fleeting := map[netip.Addr]bool{}
	if text, err := os.ReadFile("/proc/net/if_inet6"); err == nil {
		fleeting = temporary(string(text))
	}
	var out []netip.Addr
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		list, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		for _, a := range list {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && !fleeting[p.Addr()] && !p.Addr().IsLinkLocalUnicast() {
				out = append(out, p.Addr())
			}
		}
	}
	return out, nil
}

// openResolver is the DNS as the server will ask it.
func openResolver(cfg config.Config) (Resolver, error) {
	if zone := cfg.Lab.Zone(); zone != "" {
		s, err := dns.NewStatic(dns.StaticConfig{Zone: zone})
		return static{s}, err
	}
	servers, err := cfg.DNS.Resolvers()
	if err != nil {
		return nil, err
	}
	c := dns.Config{Trusted: cfg.DNS.Trusted, Timeout: cfg.DNS.Timeout.Std() / 3, Servers: servers}
	if !cfg.DNS.Validate {
		return closing{dns.New(c)}, nil
	}
	client, err := dns.NewValidating(c, dns.Validation{Anchors: cfg.DNS.Anchors, Exempt: cfg.DNS.Exempt})
	if err != nil {
		return nil, err
	}
	return closing{client}, nil
}

// static is a zone of our own, which needs no closing.
type static struct{ *dns.Static }

// Close implements Resolver.
func (static) Close() error { return nil }

// closing is a client that is closed.
type closing struct{ *dns.Client }

// Close implements Resolver.
func (c closing) Close() error {
	c.Client.Close()
	return nil
}
