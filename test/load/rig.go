package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// Service is a door of a mail system.
type Service string

// The doors that works use. SMTP takes mail for other hosts too, since all clients are on a network that may relay.
const (
	SMTP       Service = "smtp"
	Submission Service = "submission"
	IMAP       Service = "imap"
	POP3       Service = "pop3"
)

// Rig is a system under test. Its methods are for one goroutine at a time, except Addr, Usage and Peak.
type Rig interface {
	// Name is one of the names of the systems.
	Name() string
	// Start starts the processes and waits until every door is open.
	Start(ctx context.Context) error
	// Stop ends them; it is harmless when they do not run.
	Stop()
	// Addr is where a service listens, "" when this system lacks it.
	Addr(s Service) string
	// AddAccounts makes accounts, named by the local parts of their addresses; all have the password Password.
	AddAccounts(ctx context.Context, names []string) error
	// Usage reads what the processes have used so far.
	Usage() (Usage, error)
	// ResetPeak makes the peak of memory begin anew.
	ResetPeak()
}

// Domain is where the accounts are; Password is that of all of them.
const (
	Domain   = "bench.example"
	Password = "open-sesame-42"
)

// Address of an account.
func Address(name string) string { return name + "@" + Domain }

// Spec is what is special about the systems of a work.
type Spec struct {
	// Routes sends a domain's mail to a host and port of loopback. "*" is every other domain.
	Routes map[string]string
	// RetrySoon makes the queue try again after seconds instead of minutes.
	RetrySoon bool
}

// freePort gives a loopback port that the kernel does not give to clients.
func freePort() (int, error) {
	for range 1000 {
		port := 10000 + rand.IntN(20000)
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port on loopback")
}

// waitOpen dials addresses until all of them answer. dead tells that there is nothing to wait for any more.
func waitOpen(ctx context.Context, addrs []string, dead func() error) error {
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(addrs) > 0 {
		conn, err := net.DialTimeout("tcp", addrs[0], time.Second)
		if err == nil {
			conn.Close()
			addrs = addrs[1:]
			continue
		}
		if ended := dead(); ended != nil {
			return ended
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not open: %w", addrs[0], err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
