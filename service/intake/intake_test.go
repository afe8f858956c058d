package intake_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/intake"
	"github.com/postrider/postrider/testkit/clock"
	"github.com/postrider/postrider/testkit/town"
)

// TestPost turns a message of our own into changes: filed here, queued elsewhere, and left out where nobody can take it
// (RFC 5321 4.5.5: a report is never answered by a report).
func TestPost(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	post := func(to ...mail.Path) error {
		p, err := w.Intake.Post(t.Context(), mail.Envelope{To: to}, func(out io.Writer) error {
			_, err := io.WriteString(out, "Subject: report\r\n\r\ntext\r\n")
			return err
		})
		if err != nil {
			return err
		}
		defer p.Discard()
		w.Do(t, p.Changes...)
		return nil
	}
	for _, to := range []mail.Path{"ann@one.example", "kim@far.example", "nobody@one.example"} {
		if err := post(to); err != nil {
			t.Errorf("post to %s: %v", to, err)
		}
	}
	if got := w.Mail(t, "ann@one.example", "INBOX"); len(got) != 1 || !strings.HasPrefix(got[0], "Return-Path: <>\r\n") {
		t.Errorf("ann has %q", got)
	}
	if q := w.Queue(t); len(q) != 1 || !q[0].From.IsNull() || q[0].Recipients[0].Address != "kim@far.example" {
		t.Errorf("the queue holds %+v", q)
	}
}

// TestPostFails gives the writer's own error, and a writer that nobody reads any more ends.
func TestPostFails(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	cause := errors.New("out of words")
	_, err := w.Intake.Post(t.Context(), mail.Envelope{To: []mail.Path{"ann@one.example"}}, func(io.Writer) error { return cause })
	if !errors.Is(err, cause) {
		t.Errorf("the error is %v, want %v", err, cause)
	}
}

// TestReceiveFails stores nothing of a body whose end was not heard.
func TestReceiveFails(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	r := io.MultiReader(strings.NewReader("Subject: half\r\n\r\nte"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := w.Intake.Receive(t.Context(), r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error is %v", err)
	}
}

// TestRejections writes what was refused behind the session's back, a second apart, and forgets what is too much.
func TestRejections(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	c := clock.At(town.Epoch)
	r := intake.NewRejections(w.Store, c, slog.New(slog.DiscardHandler))
	for range 5000 { // more than may wait
		r.Add(mail.Event{From: "kim@far.example", To: "nobody@one.example", Role: "mta/inbound", Reason: "no such mailbox"})
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	stop()
	<-done
	got := w.Trail(t, "nobody@one.example")
	if len(got) == 0 || len(got) > 1024 {
		t.Fatalf("%d refusals are in the trail, want some and not all", len(got))
	}
	if got[0].Outcome != mail.Rejected || !got[0].At.Equal(town.Epoch) {
		t.Errorf("the trail holds %+v", got[0])
	}
	var none *intake.Rejections
	none.Add(mail.Event{}) // a nil one forgets
}
