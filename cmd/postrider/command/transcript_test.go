package command_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/postrider/postrider/cmd/postrider/command"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// The transcripts in testdata run the real command, in processes of its own, on a real store.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"postrider": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			code := command.Run(ctx, env(os.Args[1:]))
			stop()
			os.Exit(code)
		},
		"seed": func() { os.Exit(seed(os.Args[1])) },
	})
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "waitfor": waitFor}})
}

// exits runs a program that must end with the given code: exits CODE PROGRAM ARGUMENT...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [argument...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v exited with %d, not %s", args[1:], code, args[0])
	}
}

// waitFor waits until a file exists: waitfor FILE.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor file")
	}
	for end := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s did not come to be", args[0])
		}
		<-time.After(10 * time.Millisecond) // another process makes it; nothing here could be waited on
	}
}

// seed puts three messages into the queue of a data directory, and events into its trail.
func seed(dir string) int {
	ctx := context.Background()
	dir, err := filepath.Abs(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := store.Open(ctx, store.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	now := time.Now().UTC()
	const text = "Subject: hello\r\n\r\nhello\r\n"
	for i := range 3 {
		err = errors.Join(err, seedMessage(ctx, s, i, now, text))
	}
	if err = errors.Join(err, s.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func seedMessage(ctx context.Context, s *store.Store, i int, now time.Time, text string) error {
	w, err := s.Create(ctx)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	body, err := w.Seal()
	if err != nil {
		return err
	}
	defer body.Discard()
	trace := mail.TraceID(fmt.Sprintf("trace0000000000%d", i))
	id := fmt.Sprintf("m%d@example.test", i)
	event := mail.Event{At: now, Trace: trace, MessageID: id, From: "ann@example.test"}
	accepted, deferred, delivered := event, event, event
	accepted.Outcome, accepted.Role, accepted.Peer, accepted.TLS = mail.Accepted, "msa", "ann@example.test [127.0.0.1]", "TLS1.3"
	delivered.Outcome, delivered.Role, delivered.To, delivered.At = mail.Delivered, "mda", "bob@example.test", now.Add(time.Millisecond)
	deferred.Outcome, deferred.Role, deferred.To, deferred.At = mail.Deferred, "mta/outbound", "carol@far.test", now.Add(2*time.Millisecond)
	deferred.Peer, deferred.Reason = "mx.far.test[192.0.2.1]", "450 4.2.0 \x1b[31mbusy\nnow"
	_, err = s.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{
		mail.Record{Event: accepted}, mail.Record{Event: delivered}, mail.Record{Event: deferred},
		mail.Enqueue{Body: body, Message: mail.Queued{Trace: trace, From: "ann@example.test", MessageID: id, Size: int64(len(text)), Created: now.Add(-2 * time.Hour),
			Expires: now.Add(5 * 24 * time.Hour), Recipients: []mail.QueuedRecipient{
				{Address: "carol@far.test", Original: "carol@far.test", Route: "far.test", Attempts: 2, Next: now.Add(time.Hour), Last: deferred.Reason},
				{Address: mail.Path(fmt.Sprintf("dora@near%d.test", i)), Original: "all@example.test", Route: "near.test", Next: now.Add(30 * time.Minute)},
			}}},
	}})
	return err
}
