package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// reader is what `postrider read` was asked.
type reader struct {
	person
	mailbox, search, save string
	limit                 int
}

func (s *session) readCommand() *cobra.Command {
	var r reader
	c := &cobra.Command{
		Use: "read [MESSAGE]", Short: "Read your mail at a terminal", Args: want(0, 1, "the number of a message in the list, or its id"),
		Long: "Read your mail at a terminal, over HTTPS and with your password, from wherever you are. ? shows what the keys do.\n" +
			"Where the answer goes to no terminal it is a list; with MESSAGE, a number of that list or an id of a message, it is that message.\n" +
			"The password is $POSTRIDER_PASSWORD, in the file of --password-file, or asked for; the address may be $POSTRIDER_USER.",
		Example: "  postrider read --user ann@example.com\n  postrider read --user ann@example.com --search 'is:unread from:bob' | cat\n" +
			"  postrider read --user ann@example.com 1 --save .",
		RunE: func(cmd *cobra.Command, args []string) error { return s.read(cmd.Context(), &r, args) },
	}
	f := c.Flags()
	r.flags(f, "user", "that is read")
	f.StringVarP(&r.mailbox, "mailbox", "m", "", "`NAME` of the mailbox (default: the inbox)")
	f.StringVarP(&r.search, "search", "s", "", "only what fits this `SEARCH`: words, from: subject: is:unread has:attachment in:anywhere ...")
	f.IntVarP(&r.limit, "limit", "n", 20, "how many messages are listed")
	f.StringVar(&r.save, "save", "", "save the attachments of MESSAGE in this `DIRECTORY`")
	return c
}

func (s *session) read(ctx context.Context, r *reader, args []string) error {
	const most = 500
	if r.limit < 1 || r.limit > most {
		return usageError{fmt.Sprintf("--limit is a number from 1 to %d", most)}
	}
	number := 0
	if len(args) == 1 {
		var err error
		if number, err = strconv.Atoi(args[0]); err != nil {
			number = 0
		} else if number < 1 {
			return usageError{"messages are numbered from 1, which is the newest"}
		}
	} else if r.save != "" {
		return usageError{"--save needs the number of a message"}
	}
	c, err := r.open(ctx, s, "user")
	if err != nil {
		return err
	}
	defer c.Close()
	l := terminal.Listing{Mailbox: r.mailbox, Search: r.search, Limit: r.limit, Me: []string{c.User()}, Now: s.Now()}
	switch {
	case len(args) == 1:
		id := ""
		if number == 0 {
			id = args[0]
		}
		e, err := terminal.Pick(ctx, c, l, number, id)
		if err != nil {
			return err
		}
		return s.oneMessage(ctx, c, e, r.save)
	case s.InTerminal && s.OutTerminal && !s.json:
		return s.screen(ctx, c, r)
	}
	lines, total, problems, err := terminal.List(ctx, c, l)
	if err != nil {
		return err
	}
	s.warnings(problems)
	return s.showMail(map[string]any{"messages": append([]terminal.Line{}, lines...), "total": total, "problems": append([]string{}, problems...)},
		func(w io.Writer) { terminal.PrintList(w, lines, total, s.Now()) })
}

// oneMessage prints a message, and saves its attachments where that is wanted.
func (s *session) oneMessage(ctx context.Context, c *client.Client, e client.Email, save string) error {
	if save != "" {
		for _, f := range e.Files {
			path := filepath.Join(save, plain.Name(f.Name))
			n, err := terminal.Save(ctx, c, f, path)
			if err != nil {
				return err
			}
			s.note("saved %s as %s", octets(n), path)
		}
	}
	return s.showMail(terminal.AsMessage(e), func(w io.Writer) { terminal.PrintMessage(w, e, s.Now().Location()) })
}

// showMail is show for what strangers have written: in JSON, too, nothing of it can be taken for a command by a terminal.
func (s *session) showMail(v any, text func(io.Writer)) error {
	if !s.json {
		return s.show(v, text)
	}
	b, err := plain.JSON(v)
	if err != nil {
		return mail.Errorf(mail.Internal, "the answer cannot be written: %w", err)
	}
	_, err = s.Out.Write(b)
	return err
}

// screen lets the person work. The interrupt key is the programs' that it starts (an editor, a pager), and must not end it behind them.
func (s *session) screen(ctx context.Context, c *client.Client, r *reader) error {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return terminal.Run(ctx, terminal.Options{Mail: c, Post: c, User: c.User(), Now: s.Now, Getenv: s.Getenv, Mailbox: r.mailbox, Search: r.search},
		terminal.Screen{In: s.In, Out: s.Out, Colours: coloursWanted(s.Getenv)}, c.Watch)
}
