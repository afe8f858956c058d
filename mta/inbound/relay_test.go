package inbound_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mta/inbound"
	"github.com/postrider/postrider/testkit/town"
)

// from is a connection that seems to come from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// TestRelay lets a trusted network send to foreign domains, and nobody else.
func TestRelay(t *testing.T) {
	t.Parallel()
	for ip, may := range map[string]bool{"192.0.2.7": true, "::ffff:192.0.2.7": true, "2001:db8::9": true, "192.0.3.7": false, "2001:db8::8": false} {
		t.Run(ip, func(t *testing.T) {
			t.Parallel()
			w := town.New(t)
			srv := smtpd.New(smtpd.Config{Hostname: town.Host}, &inbound.Door{Intake: w.Intake, Resolver: w.People, Log: w.Log,
				Relay: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::9/128")}})
			r := town.Door(func(ctx context.Context, c net.Conn) {
				srv.Serve(ctx, from{c, &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}})
			})
			if !may {
				r.Run(t, "refused", "S: /220 .*/\nC: HELO printer\nS: /250 .*/\nC: MAIL FROM:<scan@one.example>\nS: /250 .*/\nC: RCPT TO:<kim@far.example>\n"+
					"S: /550 5\\.7\\.1 relaying denied.*/\nC: QUIT\nS: /221 .*/\n")
				return
			}
			deliver(t, r, "scan@one.example", []string{"kim@far.example", "ann@one.example", "lee@else.example", "postmaster"}, "Subject: scan", "", "a page")
			r.Run(t, "ours", "S: /220 .*/\nC: HELO printer\nS: /250 .*/\nC: MAIL FROM:<scan@one.example>\nS: /250 .*/\n"+
				"C: RCPT TO:<nobody@one.example>\nS: /550 5\\.1\\.1 .*/\nC: QUIT\nS: /221 .*/\n")
			if q := w.Queue(t); len(q) != 1 || len(q[0].Recipients) != 2 || q[0].From != "scan@one.example" || q[0].Account != 0 {
				t.Errorf("the queue holds %+v, want one message for two", q)
			}
			if got := w.Mail(t, "ann@one.example", "INBOX"); len(got) == 0 {
				t.Error("ann got nothing")
			}
		})
	}
}
