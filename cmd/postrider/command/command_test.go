package command_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/cmd/postrider/command"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
)

func env(args []string) command.Env {
	return command.Env{
		Args: args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now,
		Version: command.BuildVersion("1.2.3"),
		Backend: command.Backend{Open: open, Serve: serve, Demo: demo},
	}
}

// open gives operations on a real store, with nobody to submit mail to.
func open(ctx context.Context, cfg config.Config, log *slog.Logger) (admin.Operator, io.Closer, error) {
	s, err := store.Open(ctx, store.Options{Dir: cfg.Data, Log: log})
	if err != nil {
		return nil, nil, err
	}
	return admin.New(admin.Parts{
		Journal: s, Directory: s, Mailboxes: s, Queue: s, Trail: s, Credential: directory.NewCredential, Checker: checker{s}, Submitter: catcher{},
		Defaults: admin.Defaults{Quota: int64(cfg.Accounts.DefaultQuota), Mailboxes: cfg.Accounts.NewMailboxes()},
		Facts:    admin.Facts{Hostname: cfg.Hostname, Data: cfg.Data},
	}), s, nil
}

type checker struct{ s *store.Store }

func (c checker) Verify(ctx context.Context, _ admin.VerifyRequest, _ func(admin.Progress)) (admin.VerifyReport, error) {
	faults, err := c.s.Verify(ctx, nil)
	var r admin.VerifyReport
	for _, f := range faults {
		r.Damage = append(r.Damage, f.Text)
	}
	return r, err
}

func (c checker) Compact(ctx context.Context) (admin.CompactReport, error) {
	freed, err := c.s.Compact(ctx)
	return admin.CompactReport{Freed: freed}, err
}

// catcher writes what is submitted to a file.
type catcher struct{}

func (catcher) Submit(_ context.Context, s mail.Submission) (mail.TraceID, error) {
	f, err := os.Create("sent.eml")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, s.Body)
	return "0123456789abcdef", errors.Join(err, f.Close())
}

// serve serves the operator's socket and nothing else.
func serve(ctx context.Context, cfg config.Config, log *slog.Logger, ready func([]admin.Listener)) error {
	op, s, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	l, err := httpapi.Listen(cfg.AdminSocket())
	if err != nil {
		return errors.Join(err, s.Close())
	}
	var list []admin.Listener
	for _, a := range cfg.Listen.SMTP {
		list = append(list, admin.Listener{Service: "smtp", Address: a})
	}
	log.Info("started")
	ready(list)
	return errors.Join(httpapi.Serve(ctx, l, op, log), s.Close())
}

func demo(_ context.Context, o command.DemoOptions) error {
	_, err := fmt.Fprintf(o.Out, "demo exit=%v json=%v dir=%q\n", o.Exit, o.JSON, o.Dir)
	return err
}

// TestPrompts types at a terminal that is not there.
func TestPrompts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	run := func(in string, secrets []string, args ...string) (code int, out, errs string) {
		var o, e strings.Builder
		c := env(append([]string{"--data", dir}, args...))
		c.In, c.Out, c.Err, c.InTerminal = strings.NewReader(in), &o, &e, true
		c.Getenv = func(string) string { return "" }
		c.Secret = func(context.Context, string) (string, error) {
			if len(secrets) == 0 {
				return "", errors.New("asked once too often")
			}
			s := secrets[0]
			secrets = secrets[1:]
			return s, nil
		}
		code = command.Run(t.Context(), c)
		return code, o.String(), e.String()
	}
	if code, _, errs := run("", []string{"one", "two"}, "account", "add", "ann@example.test", "--create-domain"); code != 2 || !strings.Contains(errs, "the two passwords differ") {
		t.Errorf("%d %s", code, errs)
	}
	if code, out, errs := run("", []string{"one", "one"}, "account", "add", "ann@example.test", "--create-domain"); code != 0 || strings.Contains(out+errs, "one") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, out, errs := run("", []string{""}, "account", "set-password", "ann@example.test"); code != 0 || !strings.Contains(out, "Password: ") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, _, errs := run("no\n", nil, "account", "remove", "ann@example.test"); code != 5 || !strings.Contains(errs, "This deletes ann@example.test with 0 messages") {
		t.Errorf("%d %s", code, errs)
	}
	if code, out, errs := run("yes\n", nil, "account", "remove", "ann@example.test"); code != 0 || !strings.Contains(out, "are deleted") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}
