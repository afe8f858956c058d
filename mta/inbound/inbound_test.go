package inbound_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta/inbound"
	"github.com/postrider/postrider/testkit/dialog"
	"github.com/postrider/postrider/testkit/town"
)

// door opens connections to port 25 of a town.
func door(w *town.Town) dialog.Runner {
	srv := smtpd.New(smtpd.Config{Hostname: town.Host, MaxSize: 100_000}, &inbound.Door{Intake: w.Intake, Resolver: w.People, Log: w.Log})
	return town.Door(srv.Serve)
}

// TestDialogs plays what strangers say on port 25: RFC 5321 3.3, RFC 5321 3.6.1 (no relaying), RFC 1870 6.1 (size).
func TestDialogs(t *testing.T) {
	t.Parallel()
	dialog.Files(t, "testdata/*.dialog", func(t *testing.T) dialog.Runner { return door(town.New(t)) })
}

// deliver sends one message and wants the replies given.
func deliver(t *testing.T, r dialog.Runner, from string, to []string, lines ...string) {
	t.Helper()
	script := "S~ /220 .*/\nC: EHLO client.example\nS~ /250 .*/\nC: MAIL FROM:<" + from + ">\nS: /250 .*/\n"
	for _, p := range to {
		script += "C: RCPT TO:<" + p + ">\nS: /250 .*/\n"
	}
	script += "C: DATA\nS: /354 .*/\n"
	for _, l := range lines {
		script += fmt.Sprintf("C| %q\n", l+"\r\n")
	}
	r.Run(t, "deliver", script+"C: .\nS: /250 2\\.0\\.0 taken as [0-9a-v]{16}/\nC: QUIT\nS: /221 .*/\n")
}

// TestFiled shows that 250 means filed: a message is readable at once, byte for byte, behind its trace fields
// (RFC 5321 4.4).
func TestFiled(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	body := []string{"Subject: hello", "Message-ID: <m1@far.example>", "", "a line", "..a dot", "", "the end"}
	deliver(t, door(w), "kim@far.example", []string{"ann@one.example"}, body...)
	got := w.Mail(t, "ann@one.example", "INBOX")
	if len(got) != 1 {
		t.Fatalf("%d messages are filed, want 1", len(got))
	}
	head, ok := strings.CutSuffix(got[0], "Subject: hello\r\nMessage-ID: <m1@far.example>\r\n\r\na line\r\n.a dot\r\n\r\nthe end\r\n")
	if !ok {
		t.Fatalf("the message was changed:\n%s", got[0])
	}
	for _, want := range []string{
		"Return-Path: <kim@far.example>\r\nDelivered-To: ann@one.example\r\nReceived: from client.example",
		"by mx.one.example with ESMTP id ", "for <ann@one.example>;",
	} {
		if !strings.Contains(head, want) {
			t.Errorf("the prefix lacks %q:\n%s", want, head)
		}
	}
	var outcomes []string
	for _, e := range w.Trail(t, "ann@one.example") {
		outcomes = append(outcomes, string(e.Outcome)+" "+e.MessageID)
	}
	if got, want := strings.Join(outcomes, ", "), "accepted m1@far.example, delivered m1@far.example"; got != want {
		t.Errorf("the trail says %q, want %q", got, want)
	}
}

// TestManyRecipients files once for a mailbox that several recipients lead to, and relays only what an alias of ours says.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	to := []string{"ann@one.example", "team@one.example", "ann+lists@one.example", "ann+nothing@one.example", "away@one.example", "Postmaster"}
	deliver(t, door(w), "", to, "Subject: to many", "", "text")
	for box, want := range map[string]int{"INBOX": 2, "Lists": 1} { // plain and +nothing are two wishes
		if got := w.Mail(t, "ann@one.example", box); len(got) != want {
			t.Errorf("ann's %s holds %d messages, want %d", box, len(got), want)
		}
	}
	bobs := w.Mail(t, "bob@one.example", "INBOX")
	if len(bobs) != 1 {
		t.Fatalf("bob has %d messages, want 1", len(bobs))
	}
	if strings.Contains(bobs[0], "for <") || !strings.HasPrefix(bobs[0], "Return-Path: <>\r\n") {
		t.Errorf("the trace tells of the other recipients, or not of the null sender:\n%s", bobs[0])
	}
	queue := w.Queue(t)
	if len(queue) != 1 || len(queue[0].Recipients) != 1 {
		t.Fatalf("the queue holds %+v, want one recipient", queue)
	}
	if r := queue[0].Recipients[0]; r.Address != "kim@far.example" || r.Original != "away@one.example" || r.Route != "far.example" {
		t.Errorf("the queue holds %+v", r)
	}
}

// TestThousandRecipients is one commit for a thousand mailboxes.
func TestThousandRecipients(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	var changes []mail.Change
	var to []string
	for i := range 1000 {
		p := fmt.Sprintf("user%d@one.example", i)
		to = append(to, p)
		changes = append(changes, mail.AddAccount{Account: mail.Account{Address: mail.Path(p)}, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}}})
	}
	for i, r := range w.Do(t, changes...) {
		w.IDs[mail.Path(to[i])] = r.Account
	}
	counted := &countingJournal{Journal: w.Store}
	w.Intake.Journal = counted
	deliver(t, door(w), "kim@far.example", to, "Subject: to a thousand", "", "text")
	if counted.sets != 1 {
		t.Errorf("a message to 1000 recipients took %d commits, want 1", counted.sets)
	}
	for _, p := range []string{to[0], to[499], to[999]} {
		if got := w.Mail(t, p, "INBOX"); len(got) != 1 {
			t.Errorf("%s has %d messages, want 1", p, len(got))
		}
	}
}

type countingJournal struct {
	mail.Journal
	sets int
}

func (c *countingJournal) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	c.sets++
	return c.Journal.Commit(ctx, set)
}

// TestLoop refuses a message that has passed too many hosts (RFC 5321 6.3).
func TestLoop(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	script := "S~ /220 .*/\nC: HELO client.example\nS: /250 .*/\nC: MAIL FROM:<>\nS: /250 .*/\nC: RCPT TO:<ann@one.example>\nS: /250 .*/\nC: DATA\nS: /354 .*/\n"
	for i := range 101 {
		script += fmt.Sprintf("C: Received: from a by b; hop %d\n", i)
	}
	door(w).Run(t, "loop", script+"C:\nC: text\nC: .\nS: /55. 5\\.4\\.6 .*loop.*/\nC: QUIT\nS: /221 .*/\n")
	if got := w.Mail(t, "ann@one.example", "INBOX"); len(got) != 0 {
		t.Errorf("%d messages are filed, want none", len(got))
	}
}

// TestVanishingClient stores nothing of a message that did not end.
func TestVanishingClient(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	door(w).Run(t, "vanish", "S~ /220 .*/\nC: HELO client.example\nS: /250 .*/\nC: MAIL FROM:<>\nS: /250 .*/\nC: RCPT TO:<ann@one.example>\nS: /250 .*/\nC: DATA\nS: /354 .*/\nC: Subject: half\nC:\nC: text\nCLOSE\n")
	if got := w.Mail(t, "ann@one.example", "INBOX"); len(got) != 0 {
		t.Errorf("%d messages are filed, want none", len(got))
	}
}

// names answers as the DNS of a test's own.
type names map[string][]string

func (n names) PTR(_ context.Context, ip netip.Addr) (dns.Answer[[]string], error) {
	if n[ip.String()] == nil {
		return dns.Answer[[]string]{}, errors.New("no answer")
	}
	return dns.Answer[[]string]{Status: dns.Found, Value: n[ip.String()]}, nil
}

func (n names) Addresses(_ context.Context, host string) (dns.Answer[[]netip.Addr], error) {
	var out []netip.Addr
	for _, s := range n[host] {
		out = append(out, netip.MustParseAddr(s))
	}
	return dns.Answer[[]netip.Addr]{Status: dns.Found, Value: out}, nil
}

// TestReverseName tells a client's name only when it holds both ways (RFC 8601 3).
func TestReverseName(t *testing.T) {
	t.Parallel()
	zone := names{
		"192.0.2.1": {"mail.far.example"}, "mail.far.example": {"192.0.2.1"},
		"192.0.2.2": {"liar.far.example"}, "liar.far.example": {"192.0.2.9"},
	}
	for ip, want := range map[string]string{"192.0.2.1": "mail.far.example", "192.0.2.2": "", "192.0.2.3": "", "127.0.0.1": ""} {
		if got := inbound.NameOf(zone, &net.TCPAddr{IP: net.ParseIP(ip)}); got != want {
			t.Errorf("%s is called %q, want %q", ip, got, want)
		}
	}
}
