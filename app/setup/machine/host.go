// Package machine is the machine that a mail system is set up on: its addresses, who listens on its ports, its time, its users and programs.
//
// It takes what the kernel and other programs say (/proc, interfaces, time servers) and hands setup a Host: a struct of functions, so that a
// test can be any machine. What other hosts answer is checked before it is believed; nothing waits without a bound.
//
// RFCs: RFC 5905 7.3 and 8 (the time by SNTP).
package machine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// Host is a machine, as far as setup looks at it or changes it. This makes the real one; every function must be there but
// those that say otherwise.
type Host struct {
	// Root is the directory that stands for "/"; "" is the machine's own.
	Root string
	// Superuser says that files may be given away, and users and services made.
	Superuser bool
	// Systemd says that systemd runs here.
	Systemd bool
	// Executable is the path of the program, for the unit.
	Executable string
	Clock      mail.Clock

	// Addresses lists the addresses of the interfaces that are up, but temporary ones.
	Addresses func() ([]netip.Addr, error)
	// Listeners lists who listens on TCP ports.
	Listeners func() ([]Listener, error)
	// Offset asks elsewhere for the time: how far the machine's clock is behind (below 0: ahead), and who says so. nil: nobody can be asked.
	Offset func(ctx context.Context, dial Dial) (behind time.Duration, source string, err error)
	// Resolver makes the resolver of a configuration.
	Resolver func(cfg config.Config) (Resolver, error)
	Dial     Dial
	// Listen opens a TCP port for a moment.
	Listen func(ctx context.Context, address string) (net.Listener, error)

	// User finds a user of the machine; NotFound.
	User func(name string) (Owner, error)
	// Chown gives away a file below a directory, not what it links to.
	Chown func(dir *os.Root, name string, to Owner) error
	// Run runs a program of the machine and gives what it wrote.
	Run func(ctx context.Context, name string, args ...string) (string, error)
	// Password makes up a password.
	Password func() string
	// Before is called with the name of each thing that is about to be changed; an error ends the run there. For tests; nil is none.
	Before func(step string) error
}

// Dial connects to "IP:port".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Owner is a user and the group of the same name.
type Owner struct{ UID, GID int }

// Listener is a TCP port that is taken.
type Listener struct {
	At      netip.AddrPort // an unspecified address is all addresses
	PID     int            // 0: not known
	Program string         // "": not known
	Unit    string         // the systemd unit it belongs to; "": none, or not known
}

// Ours reports whether it is an instance of this program.
func (l Listener) Ours() bool { return l.Program == "postrider" }

// Who names it for people.
func (l Listener) Who() string {
	switch {
	case l.Unit != "" && l.Program != "":
		return fmt.Sprintf("%s (%s)", l.Program, l.Unit)
	case l.Program != "" && l.PID != 0:
		return fmt.Sprintf("%s (process %d)", l.Program, l.PID)
	}
	return "another program"
}

// Resolver answers questions to the DNS. Close is called at the end.
type Resolver interface {
	dns.Resolver
	Close() error
}
