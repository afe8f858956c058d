package app

import (
	"context"
	"io"
	"log/slog"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
)

// Addresses are what listens where.
type Addresses []admin.Listener

// Serve runs a system until ctx ends or its store fails. ready is called once all doors are open.
func Serve(ctx context.Context, cfg config.Config, log *slog.Logger, ready func(Addresses)) error {
	a, err := New(ctx, cfg, Options{Log: log})
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), Grace)
		defer cancel()
		a.Close(closing) //nolint:errcheck // the first error is the one to tell
		return err
	}
	if ready != nil {
		ready(a.Listening())
	}
	var failed error
	select {
	case <-ctx.Done():
	case <-a.store.Failed():
		failed = mail.Errorf(mail.Unavailable, "the store failed and takes nothing more: %w; start again to go on from what is on disk", a.store.Failure())
	}
	a.log.Info("stopping", "grace", Grace.String())
	if err := a.Close(context.WithoutCancel(ctx)); err != nil && failed == nil {
		return err
	}
	return failed
}

// OpenOffline gives the operator's operations on the store of a system that is not running.
func OpenOffline(ctx context.Context, cfg config.Config, log *slog.Logger) (*admin.Operations, io.Closer, error) {
	a, err := New(ctx, cfg, Options{Log: log})
	if err != nil {
		return nil, nil, err
	}
	return a.operations, closeOffline{a}, nil
}

type closeOffline struct{ *App }

// Close implements io.Closer.
func (c closeOffline) Close() error { return c.closeAll() }

// makeOperations wires the operator's agent.
func (a *App) makeOperations() *admin.Operations {
	var guard admin.Guard
	if a.limits != nil {
		guard = a.limits.Guard
	}
	l := a.cfg.Limits
	parts := admin.Parts{
		Guard: guard, Journal: a.userJournal(), Blobs: a.store, Directory: a.store, Mailboxes: a.store, Queue: a.store, Trail: a.store, Submitter: a.agent, Notes: a.store,
		Checker: checker{a.store}, Trust: trust{a}, Credential: directory.NewCredential, Clock: a.clock,
		Defaults: admin.Defaults{Quota: int64(a.cfg.Accounts.DefaultQuota), Mailboxes: a.cfg.Accounts.NewMailboxes()},
		Limits: admin.LimitSettings{
			ConnectionsPerMinute: l.ConnectionsPerMinute, MessagesPerMinute: l.MessagesPerMinute, SenderMessagesPerHour: l.SenderMessagesPerHour,
			AccountRecipientsPerDay: l.AccountRecipientsPerDay, AccountNewRecipientsPerDay: l.AccountNewRecipientsPerDay, LoginFailures: l.LoginFailures,
			LoginWindow: int64(l.LoginWindow.Std().Seconds()), BanFor: int64(l.BanFor.Std().Seconds()), DefaultQuota: int64(a.cfg.Accounts.DefaultQuota),
			MessageSize: int64(a.cfg.SMTP.MaxMessageSize),
		},
		Facts: admin.Facts{Version: a.version, Hostname: a.cfg.Hostname, Data: a.cfg.Data, Started: a.started, Serving: !a.started.IsZero(), Listening: a.Listening,
			Counters: a.counters, Volumes: a.volumes, Connections: a.connections},
	}
	if a.keeper != nil {
		parts.Certificates = a.keeper
	}
	return admin.New(parts)
}
