package msa_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/msa"
	"github.com/postrider/postrider/service/intake"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/testkit/clock"
	"github.com/postrider/postrider/testkit/dialog"
	"github.com/postrider/postrider/testkit/town"
)

// limited is an agent whose accounts may send to so many in a day. flush writes its refusals to the trail.
func limited(t *testing.T, w *town.Town, most, fresh int) (a *msa.Agent, flush func()) {
	c := clock.At(town.Epoch)
	a = agent(w)
	a.Clock = c
	a.Limits = limits.New(limits.Config{AccountRecipientsPerDay: most, AccountNewRecipientsPerDay: fresh, Notes: w.Store, Journal: w.Store, Clock: c})
	a.Intake.Rejections = intake.NewRejections(w.Store, c, w.Log)
	return a, func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.Intake.Rejections.Run(ctx)
		}()
		c.Await(t, 1) // it has written, and waits for more
		cancel()
		<-done
	}
}

func runner(a *msa.Agent, w *town.Town) dialog.Runner {
	return town.Door(smtpd.New(smtpd.Config{Hostname: town.Host, AllowCleartextAuth: true}, &msa.Door{Agent: a, Auth: w.Auth}).Serve)
}

// TestLimitsAtTheDoor uses up a day over SMTP: the message that would pass it is refused, and the next before it is sent; all in the
// trail.
func TestLimitsAtTheDoor(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	a, flush := limited(t, w, 3, 0)
	const begin = "C: MAIL FROM:<ann@one.example>\nS: /250 .*/\nC: RCPT TO:<bob@one.example>\nS: /250 .*/\nC: RCPT TO:<kim@far.example>\nS: /250 .*/\n"
	text := message("From: ann@one.example", "", "text")
	const full = `S: /452 4\.7\.1 your account may send to 3 recipients in a day and has sent to 2 today, this message is for 2; .* in 21 hours .*docs/problems\.md#rate-limited/` + "\n"
	runner(a, w).Run(t, "day", login+begin+text+"S: /250 .*/\n"+begin+text+full+
		"C: MAIL FROM:<ann@one.example>\nS: /250 .*/\nC: RCPT TO:<kim@far.example>\nS: /250 .*/\n"+text+"S: /250 .*/\n"+
		"C: MAIL FROM:<ann@one.example>\nS: /452 4\\.7\\.1 .*/\nC: QUIT\nS: /221 .*/\n")
	flush()
	if got := w.Mail(t, "bob@one.example", "INBOX"); len(got) != 1 {
		t.Errorf("bob has %d messages, want 1", len(got))
	}
	refusals := 0
	for _, e := range w.Trail(t, "bob@one.example") {
		if e.Outcome == mail.Rejected && e.To == "bob@one.example" && e.Account == w.IDs["ann@one.example"] && strings.Contains(e.Reason, "3 recipients in a day") {
			refusals++
		}
	}
	if refusals != 1 {
		t.Errorf("%d refusals are in bob's trail, want 1", refusals)
	}
}

// overtaking says yes, and gives a change that the store refuses by then.
type overtaking struct{}

func (overtaking) Submission(_ context.Context, _ mail.AccountID, _ []mail.Path, now time.Time) ([]mail.Change, error) {
	return []mail.Change{mail.CountNote{Kind: limits.KindSent, Key: "1/x", By: 2, Most: 1, Expires: now.Add(time.Hour), Text: "the day is used up"}}, nil
}

// TestLimitsOfSubmit holds the other doors to the same, also where another message was faster.
func TestLimitsOfSubmit(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	a, flush := limited(t, w, 0, 2)
	send := func(to ...mail.Path) error {
		_, err := a.Submit(t.Context(), mail.Submission{Account: w.IDs["ann@one.example"], Envelope: mail.Envelope{From: "ann@one.example", To: to}, Peer: "operator",
			With: "HTTP", Body: strings.NewReader("From: ann@one.example\r\n\r\ntext\r\n")})
		return err
	}
	for _, c := range []struct {
		to []mail.Path
		ok bool
	}{
		{[]mail.Path{"bob@one.example"}, true},
		{[]mail.Path{"bob@one.example", "kim@far.example", "lee@far.example"}, false},
		{[]mail.Path{"bob@one.example", "kim@far.example"}, true},
		{[]mail.Path{"bob@one.example", "kim@far.example"}, true},
		{[]mail.Path{"lee@far.example"}, false},
	} {
		if err := send(c.to...); (err == nil) != c.ok || err != nil && !mail.Is(err, mail.TooMany) {
			t.Errorf("to %q: %v", c.to, err)
		}
	}
	a.Limits = overtaking{}
	err := send("bob@one.example")
	if e, ok := err.(*mail.Error); !ok || e.Kind != mail.TooMany || e.Enhanced != "4.7.1" || e.Text != "the day is used up" {
		t.Errorf("overtaken: %v", err)
	}
	flush()
	var reasons []string
	for _, e := range w.Trail(t, "bob@one.example") {
		if e.Outcome == mail.Rejected && e.To == "bob@one.example" {
			reasons = append(reasons, e.Reason)
		}
	}
	if len(reasons) != 2 || !strings.Contains(reasons[0], "2 people it never wrote to before") || reasons[1] != "the day is used up" {
		t.Errorf("bob's trail has the refusals %q", reasons)
	}
	for _, e := range w.Trail(t, "lee@far.example") {
		if e.Outcome == mail.Rejected && e.Reason == "the day is used up" {
			t.Error("lee's trail has a refusal of a message that was not for lee")
		}
	}
	if got := w.Mail(t, "bob@one.example", "INBOX"); len(got) != 3 {
		t.Errorf("bob has %d messages, want 3", len(got))
	}
}
