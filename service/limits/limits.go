package limits

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/postrider/postrider/mail"
)

// Config says how much is allowed. A count of 0 is no limit.
type Config struct {
	ConnectionsPerMinute       int           // of a network
	MessagesPerMinute          int           // of a network
	SenderMessagesPerHour      int           // of one outside sender from one network
	AccountRecipientsPerDay    int           // of an account
	AccountNewRecipientsPerDay int           // of them, people it never wrote to
	LoginFailures              int           // wrong passwords from one address in LoginWindow; 0: no guard at all
	LoginWindow                time.Duration // 0: 10 minutes
	BanFor                     time.Duration // the first ban; each further one is twice as long, up to a week; 0: 15 minutes

	Exempt []netip.Prefix // networks that rates and the guard leave alone, such as loopback and the relay networks

	Notes   mail.Notes
	Journal mail.Journal
	Clock   mail.Clock   // nil: the machine's
	Secret  []byte       // of the installation; what known clients are remembered by is keyed with it
	Log     *slog.Logger // nil: silent
}

// Limits are the three parts. Its methods are theirs.
type Limits struct {
	*Rates
	*Guard
	*Daily
}

// New makes the limits. The guard reads bans of earlier times only once Guard.Load or Guard.Run was called.
func New(c Config) *Limits {
	c.LoginWindow = cmp.Or(c.LoginWindow, 10*time.Minute)
	c.BanFor = cmp.Or(c.BanFor, 15*time.Minute)
	if c.Clock == nil {
		c.Clock = mail.SystemClock{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Limits{Rates: newRates(c), Guard: newGuard(c), Daily: newDaily(c)}
}

// Where a person reads more.
const (
	pageRates  = "docs/problems.md#rate-limited"
	pageLogins = "docs/problems.md#authentication-fails"
)

// network is what rates count by: an IPv4 /24, an IPv6 /56.
func network(ip netip.Addr) netip.Prefix { return prefix(ip, 24, 56) }

// client is what the guard counts by: an IPv4 address, an IPv6 /64, which is what one customer has at least.
func client(ip netip.Addr) netip.Prefix { return prefix(ip, 32, 64) }

func prefix(ip netip.Addr, four, six int) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := six
	if ip.Is4() {
		bits = four
	}
	p, _ := ip.Prefix(bits) // an invalid address gives the invalid prefix
	return p
}

// within reports whether one of the networks holds the address.
func within(ip netip.Addr, nets []netip.Prefix) bool {
	ip = ip.Unmap().WithZone("")
	for _, n := range nets {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// span tells a person how long a wait is, rounded up: "8 seconds", "15 minutes", "3 hours", "2 days".
func span(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
		most time.Duration
	}{{time.Second, "second", 2 * time.Minute}, {time.Minute, "minute", 2 * time.Hour}, {time.Hour, "hour", 48 * time.Hour}, {24 * time.Hour, "day", 0}} {
		n := max(1, int64((d+u.unit-1)/u.unit))
		if u.most > 0 && d > u.most {
			continue
		}
		if n == 1 {
			return "1 " + u.name
		}
		return fmt.Sprintf("%d %ss", n, u.name)
	}
	return d.String()
}
