package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/postrider/postrider/mail"
)

// Options say how the demo shows itself.
type Options struct {
	Out    io.Writer
	Colour bool
	Dir    string // where the systems keep their data; "" is a directory that is removed at the end
	Exit   bool   // end after the last step instead of staying up
	JSON   bool   // one JSON object a step
}

// stepTime bounds each step: on loopback none takes a second.
const stepTime = 20 * time.Second

// Run runs the demo: it starts both systems, sends a message each way, and stays up until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "postrider-demo-"); err != nil {
			return mail.Errorf(mail.Unavailable, "no directory for the demo: %w", err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a directory of our own in the temporary place
	}
	s := &show{o: o, began: time.Now()}
	s.title("Postrider: two whole mail systems on this machine. Nothing leaves loopback.")
	towns, err := startTowns(ctx, s, dir)
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		for _, t := range towns {
			t.close(closing)
		}
	}()
	if err != nil {
		return err
	}
	one, two := towns[0], towns[1]
	s.title("A letter from " + one.person() + " to " + two.person())
	if err := journey(ctx, s, one, two, letter{subject: "Hello from the other side", text: hello, attachment: true}); err != nil {
		return err
	}
	s.title("And the answer")
	if err := journey(ctx, s, two, one, letter{subject: "Re: Hello from the other side", text: answer}); err != nil {
		return err
	}
	s.elapsed(time.Since(s.began))
	if o.Exit {
		return nil
	}
	connectHelp(s, towns)
	<-ctx.Done()
	return nil
}

// journey takes one letter from writer to reader and shows each step.
func journey(ctx context.Context, s *show, from, to *town, l letter) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	reader, err := to.openInbox(ctx)
	if err != nil {
		return fmt.Errorf("open the inbox of %s: %w", to.person(), err)
	}
	defer reader.close()
	s.step("opened", fmt.Sprintf("%s waits in INBOX: IMAP %s, %s, IDLE", to.user, to.imap, reader.security), reader.took)

	text := l.compose(from, to)
	began := time.Now()
	sent, err := from.submit(ctx, to, text)
	if err != nil {
		return fmt.Errorf("submit as %s: %w", from.person(), err)
	}
	s.step("submitted", fmt.Sprintf("%s hands it in: port %s, %s: %s", from.user, from.submission, sent.security, sent.reply), sent.took)

	uid, err := reader.awaitMessage(ctx)
	if err != nil {
		return fmt.Errorf("wait for the message at %s: %w", to.person(), err)
	}
	s.step("arrived", fmt.Sprintf("%s's program hears of it: it went by MX of %s to %s", to.user, to.domain, to.host), time.Since(began))
	readAt := time.Now()
	got, err := reader.read(ctx, uid)
	if err != nil {
		return fmt.Errorf("read the message as %s: %w", to.person(), err)
	}
	if err := sameBody(text, got); err != nil {
		return err
	}
	s.step("read", fmt.Sprintf("%s reads it: %d octets, body identical to what was sent", to.user, len(got)), time.Since(readAt))
	for _, t := range []*town{from, to} {
		if err := t.showTrace(ctx, s, messageID(text)); err != nil {
			return err
		}
	}
	return nil
}
