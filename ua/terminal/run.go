package terminal

import (
	"context"
	"errors"
	"io"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
)

// Screen is the terminal a program runs on.
type Screen struct {
	In      io.Reader
	Out     io.Writer
	Colours bool
}

// Run lets a person work until they quit or ctx ends. watch brings news (client.Client.Watch).
func Run(ctx context.Context, o Options, s Screen, watch func(ctx context.Context, types []string, tell func(client.News)) error) error {
	ctx, stop := context.WithCancel(ctx)
	news := make(chan client.News)
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer close(news)
		_ = watch(ctx, []string{"Email", "Mailbox"}, func(n client.News) { // why it ended shows: no news come
			select {
			case news <- n:
			case <-ctx.Done():
			}
		})
	}()
	defer func() {
		stop()
		<-over
	}()
	o.News = news
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(s.In), tea.WithOutput(s.Out), tea.WithoutSignalHandler()}
	if !s.Colours {
		options = append(options, tea.WithColorProfile(colorprofile.Ascii))
	}
	_, err := tea.NewProgram(New(ctx, o), options...).Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || errors.Is(err, tea.ErrInterrupted):
		return context.Canceled
	}
	return mail.Errorf(mail.Unavailable, "the terminal cannot be used: %w", err)
}
