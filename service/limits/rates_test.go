package limits_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/limits"
)

// TestRates spends what each may do, and waits until there is more. RFC 5321 7.8.
func TestRates(t *testing.T) {
	t.Parallel()
	cfg := func(c *limits.Config) {
		c.ConnectionsPerMinute, c.MessagesPerMinute, c.SenderMessagesPerHour = 4, 6, 2
		c.Exempt = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8")}
	}
	type deed = func(*limits.Limits) error
	connect := func(a string) deed { return func(l *limits.Limits) error { return l.Connection(ip(a)) } }
	message := func(a string) deed { return func(l *limits.Limits) error { return l.Message(ip(a)) } }
	from := func(s mail.Path, a string) deed {
		return func(l *limits.Limits) error { return l.Sender(s, ip(a)) }
	}
	for _, c := range []struct {
		name     string
		do       deed
		most     int           // of them pass, 0: all
		enhanced string        // of the refusal
		next     time.Duration // until one more passes
		others   []deed        // pass while the first is refused
		same     []deed        // are refused with it
	}{
		{"connections", connect("192.0.2.7"), 4, "4.7.0", 15 * time.Second, []deed{connect("192.0.3.7"), message("192.0.2.7")}, []deed{connect("192.0.2.250"), connect("::ffff:192.0.2.9")}},
		{"connections, v6", connect("2001:db8:0:1200::1"), 4, "4.7.0", 15 * time.Second, []deed{connect("2001:db8:0:1300::1")}, []deed{connect("2001:db8:0:12ff::2")}},
		{"messages", message("192.0.2.7"), 6, "4.7.1", 10 * time.Second, []deed{message("192.0.3.7"), connect("192.0.2.7")}, []deed{message("192.0.2.8")}},
		{
			"sender", from("kim@far.example", "192.0.2.7"), 2, "4.7.1", 30 * time.Minute,
			[]deed{from("lee@far.example", "192.0.2.7"), from("kim@far.example", "192.0.3.7")}, []deed{from("KIM@Far.Example", "192.0.2.8")},
		},
		{"null sender", from("", "192.0.2.7"), 0, "", 0, nil, nil},
		{"exempt", message("10.1.2.3"), 0, "", 0, nil, nil},
		{"exempt, mapped", connect("::ffff:127.0.0.1"), 0, "", 0, nil, nil},
		{"no address", func(l *limits.Limits) error { return l.Message(netip.Addr{}) }, 0, "", 0, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, now, _ := newLimits(t, cfg)
			if c.most == 0 {
				for range 100 {
					passes(t, c.do(l))
				}
				return
			}
			for range c.most {
				passes(t, c.do(l))
			}
			for range 3 { // refusals cost nothing
				refused(t, c.do(l), c.enhanced, "rate-limited")
			}
			for _, o := range c.others {
				passes(t, o(l))
			}
			for _, o := range c.same {
				refused(t, o(l), c.enhanced, "rate-limited")
			}
			now.Advance(c.next - time.Millisecond)
			if err := c.do(l); err == nil || !strings.Contains(err.Error(), "try again in 1 second,") {
				t.Errorf("a moment too early: %v", err)
			}
			now.Advance(time.Millisecond)
			passes(t, c.do(l))
			refused(t, c.do(l), c.enhanced, "rate-limited")
			now.Advance(24 * time.Hour)
			for range c.most {
				passes(t, c.do(l))
			}
			refused(t, c.do(l), c.enhanced, "rate-limited")
		})
	}
}

// TestNoLimits lets everything pass where the configuration has zeros.
func TestNoLimits(t *testing.T) {
	t.Parallel()
	l, _, m := newLimits(t, func(c *limits.Config) { *c = limits.Config{Notes: c.Notes, Journal: c.Journal} })
	for range 1000 {
		passes(t, l.Connection(ip("192.0.2.7")))
		passes(t, l.Message(ip("192.0.2.7")))
		passes(t, l.Sender("kim@far.example", ip("192.0.2.7")))
		passes(t, l.Admit(ip("192.0.2.7")))
		passes(t, l.Attempt(t.Context(), ip("192.0.2.7"), "ann@one.example"))
		l.Failed(t.Context(), ip("192.0.2.7"), "ann@one.example")
	}
	l.Run(t.Context()) // returns: there is nothing to be done
	if len(m.of) != 0 {
		t.Errorf("notes were made: %v", m.of)
	}
}

func BenchmarkMessage(b *testing.B) {
	l := limits.New(limits.Config{MessagesPerMinute: 600})
	var nets []netip.Addr
	for i := range 4096 {
		nets = append(nets, ip(fmt.Sprintf("10.%d.%d.1", i>>8, i&255)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Message(nets[i&4095]) //nolint:errcheck // it is its time that counts
	}
}

func BenchmarkMessageRefused(b *testing.B) {
	l := limits.New(limits.Config{MessagesPerMinute: 1})
	b.ReportAllocs()
	for b.Loop() {
		l.Message(ip("192.0.2.7")) //nolint:errcheck // it is its time that counts
	}
}

func BenchmarkSender(b *testing.B) {
	l := limits.New(limits.Config{SenderMessagesPerHour: 1 << 30})
	b.ReportAllocs()
	for b.Loop() {
		l.Sender("kim@far.example", ip("192.0.2.7")) //nolint:errcheck // it is its time that counts
	}
}
