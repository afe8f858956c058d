// Command postrider is a complete mail system in one program.
//
// It hands the process's arguments, streams and signals to package command, and package app to the commands that
// need a running system. It decides nothing. The first SIGINT or SIGTERM asks for an orderly end, the second ends at once.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/app/demo"
	"github.com/postrider/postrider/cmd/postrider/command"
	"github.com/postrider/postrider/infra/config"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return command.Run(ctx, command.Env{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv: os.Getenv, Now: time.Now, Version: command.BuildVersion(app.Version()),
		InTerminal: isatty.IsTerminal(os.Stdin.Fd()), OutTerminal: isatty.IsTerminal(os.Stdout.Fd()), ErrTerminal: isatty.IsTerminal(os.Stderr.Fd()),
		Secret: func(ctx context.Context, prompt string) (string, error) {
			return command.Secret(ctx, os.Stdin, os.Stderr, prompt)
		},
		Backend: command.Backend{Serve: serve, Open: open, Demo: show},
	})
}

func serve(ctx context.Context, cfg config.Config, log *slog.Logger, ready func([]admin.Listener)) error {
	return app.Serve(ctx, cfg, log, func(a app.Addresses) { ready(a) })
}

func open(ctx context.Context, cfg config.Config, log *slog.Logger) (admin.Operator, io.Closer, error) {
	op, closer, err := app.OpenOffline(ctx, cfg, log)
	if err != nil {
		return nil, nil, err // a nil *Operations would not be a nil Operator
	}
	return op, closer, nil
}

func show(ctx context.Context, o command.DemoOptions) error { return demo.Run(ctx, demo.Options(o)) }
