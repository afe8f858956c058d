package limits

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/postrider/postrider/mail"
)

// Rates counts what comes from outside. Its methods are safe for concurrent use, wait for nothing and cost well below a microsecond.
type Rates struct {
	clock                         mail.Clock
	exempt                        []netip.Prefix
	connections, messages, sender *sketch // nil: no limit
	texts                         Config
}

func newRates(c Config) *Rates {
	r := &Rates{clock: c.Clock, exempt: c.Exempt, texts: c}
	now := c.Clock.Now()
	bucket := func(most int, per time.Duration) *sketch {
		if most <= 0 {
			return nil
		}
		return newSketch(most, per, now)
	}
	r.connections = bucket(c.ConnectionsPerMinute, time.Minute)
	r.messages = bucket(c.MessagesPerMinute, time.Minute)
	r.sender = bucket(c.SenderMessagesPerHour, time.Hour)
	return r
}

// Connection counts a connection that begins. TooMany (4.7.0) when the address's network has begun too many.
func (r *Rates) Connection(ip netip.Addr) error {
	if r.connections == nil || r.free(ip) {
		return nil
	}
	var room [16]byte
	if wait := r.connections.take(ofNetwork(room[:0], ip), r.clock.Now()); wait > 0 {
		return tooMany("4.7.0", "too many connections come from your network %s, at most %d may in a minute; try again in %s, see %s",
			network(ip), r.texts.ConnectionsPerMinute, span(wait), pageRates)
	}
	return nil
}

// Message counts a message that begins. TooMany (4.7.1) when the address's network has brought too many.
func (r *Rates) Message(ip netip.Addr) error {
	if r.messages == nil || r.free(ip) {
		return nil
	}
	var room [16]byte
	if wait := r.messages.take(ofNetwork(room[:0], ip), r.clock.Now()); wait > 0 {
		return tooMany("4.7.1", "too many messages come from your network %s, at most %d may in a minute; try again in %s, see %s",
			network(ip), r.texts.MessagesPerMinute, span(wait), pageRates)
	}
	return nil
}

// Sender counts a message of an outside sender, as its network brings it: a sender's name proves nothing, and who writes it on their
// mail elsewhere must not use up what its owner has. The null reverse-path is nobody's and is not counted. TooMany (4.7.1).
func (r *Rates) Sender(path mail.Path, ip netip.Addr) error {
	if r.sender == nil || path.IsNull() || r.free(ip) {
		return nil
	}
	var room [128]byte
	key := append(ofNetwork(room[:0], ip), canonical(path)...)
	if wait := r.sender.take(key, r.clock.Now()); wait > 0 {
		return tooMany("4.7.1", "the sender %.200s sends too many messages, at most %d may come in an hour; try again in %s, see %s",
			string(path), r.texts.SenderMessagesPerHour, span(wait), pageRates)
	}
	return nil
}

// free reports whether nothing is counted for the address. What has none came over a UNIX socket, whose clients are our own.
func (r *Rates) free(ip netip.Addr) bool { return !ip.IsValid() || within(ip, r.exempt) }

// ofNetwork appends the network's octets.
func ofNetwork(to []byte, ip netip.Addr) []byte {
	a := network(ip).Addr().As16()
	return append(to, a[:]...)
}

func tooMany(enhanced, format string, args ...any) error {
	return &mail.Error{Kind: mail.TooMany, Enhanced: enhanced, Text: fmt.Sprintf(format, args...)}
}
