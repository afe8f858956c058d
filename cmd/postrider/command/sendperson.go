package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal"
	"github.com/postrider/postrider/ua/terminal/plain"
)

// personal is what `postrider send` is asked of a person.
type personal struct {
	person
	html bool
	wait time.Duration
	dash dashC
}

// given reports whether it is a person who sends, and not the operator.
func (p *personal) given() bool { return p.address != "" || p.server != "" }

func (p *personal) add(c *cobra.Command, configPath *string) {
	f := c.Flags()
	p.dash.config = configPath
	p.flags(f, "as", "that sends, by its own password")
	f.BoolVar(&p.html, "html", false, "the text is HTML (with --as)")
	f.DurationVar(&p.wait, "wait", 0, "wait so `LONG` for what becomes of each recipient (with --as)")
	f.Lookup("wait").NoOptDefVal = "10m"
	f.VarP(&p.dash, "config", "c", "configuration `FILE`; with --as, an address in copy")
}

// dashC is -c: the configuration of an operator, a copy for a person. Whose it is shows when all flags are read.
type dashC struct {
	values []string
	config *string
}

// String implements pflag.Value.
func (d *dashC) String() string { return strings.Join(d.values, ",") }

// Set implements pflag.Value.
func (d *dashC) Set(s string) error {
	d.values, *d.config = append(d.values, s), s
	return nil
}

// Type implements pflag.Value.
func (d *dashC) Type() string { return "string" }

// maxBody bounds the text of a letter, in octets.
const maxBody = 4 << 20

// sendAs sends over JMAP.
func (s *session) sendAs(ctx context.Context, p *personal, l letter, from string) error {
	for _, c := range p.dash.values {
		if !strings.Contains(c, "@") {
			return usageError{"with --as, -c names an address in copy, and " + safe(c) + " is none"}
		}
	}
	l.cc = append(l.cc, p.dash.values...)
	var d terminal.Draft
	for _, list := range []struct {
		from []string
		to   *[]client.Address
	}{{l.to, &d.Letter.To}, {l.cc, &d.Letter.Cc}, {l.bcc, &d.Letter.Bcc}} {
		for _, a := range list.from {
			got, err := terminal.Addresses(a)
			if err != nil {
				return err
			}
			*list.to = append(*list.to, got...)
		}
	}
	if from != "" {
		got, err := terminal.Addresses(from)
		if err != nil || len(got) != 1 {
			return usageError{"--from is one address"}
		}
		d.Letter.From = got[0]
	}
	for _, path := range l.attach {
		if err := terminal.CheckFile(path); err != nil {
			return err
		}
	}
	d.Letter.Subject, d.Paths = plain.Line(l.subject), l.attach
	typed := l.text == "" && s.InTerminal
	if !typed && len(d.Letter.To)+len(d.Letter.Cc)+len(d.Letter.Bcc) == 0 {
		return usageError{"name a recipient: postrider send --as ADDRESS RECIPIENT..."}
	}
	c, err := p.open(ctx, s, "as")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.writeLetter(ctx, &d, l.text, typed); err != nil {
		return err
	}
	if p.html {
		d.Letter.HTML, d.Letter.Text = d.Letter.Text, plain.FromHTML(d.Letter.Text)
	}
	return s.post(ctx, c, &d, p.wait)
}

// writeLetter takes the text: what is given, standard input, or what a person writes in their editor.
func (s *session) writeLetter(ctx context.Context, d *terminal.Draft, text string, typed bool) error {
	switch {
	case text != "":
		d.Letter.Text = text
		return nil
	case typed:
		return s.editLetter(ctx, d)
	}
	b, err := io.ReadAll(io.LimitReader(s.In, maxBody+1))
	if err != nil {
		return mail.Errorf(mail.Unavailable, "standard input cannot be read: %w", err)
	}
	if len(b) > maxBody {
		return mail.Errorf(mail.TooLarge, "the text is longer than %s; attach it as a file with -a", octets(maxBody))
	}
	d.Letter.Text = strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\r\n", "\n")
	return nil
}

// editLetter opens the editor until the letter can be read and the person wants it sent.
func (s *session) editLetter(ctx context.Context, d *terminal.Draft) error {
	f, err := os.CreateTemp("", "postrider-letter-*.txt")
	if err != nil {
		return mail.Errorf(mail.Unavailable, "no file for the letter can be made: %w", err)
	}
	path := f.Name()
	_, err = f.WriteString(d.Form())
	if err = errors.Join(err, f.Close()); err != nil {
		return mail.Errorf(mail.Unavailable, "the letter cannot be written: %w", err)
	}
	for {
		e := terminal.Editor(s.Getenv, path)
		e.Stdin, e.Stdout, e.Stderr = s.In, s.Out, s.Err
		if err := e.Run(); err != nil {
			return mail.Errorf(mail.Unavailable, "the editor failed (the letter is in %s): %w", path, err)
		}
		err := readLetter(d, path)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.note("%s", safe(err.Error()))
			if !s.yes("Edit it again?") {
				return mail.Errorf(mail.Invalid, "nothing was sent; the letter is in %s", path)
			}
			continue
		case len(d.Letter.To)+len(d.Letter.Cc)+len(d.Letter.Bcc) == 0:
			if !s.yes("The letter is to nobody. Edit it again?") {
				return mail.Errorf(mail.Invalid, "nothing was sent; the letter is in %s", path)
			}
			continue
		case !s.yes("Send it?"):
			return mail.Errorf(mail.Invalid, "nothing was sent; the letter is in %s", path)
		}
		_ = os.Remove(path)
		return nil
	}
}

func readLetter(d *terminal.Draft, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return mail.Errorf(mail.Unavailable, "the letter cannot be read: %w", err)
	}
	defer f.Close()
	return d.Read(f)
}

// fate is what became of one recipient.
type fate struct {
	Address string `json:"address"`
	State   string `json:"state"` // delivered, relayed, queued, failed
	Reply   string `json:"reply,omitempty"`
}

// fates are those of a submission, by address.
func fates(s client.Submission) []fate {
	out := []fate{}
	for _, to := range slices.Sorted(maps.Keys(s.Delivery)) {
		d := s.Delivery[to]
		state, ok := map[string]string{"yes": "delivered", "no": "failed", "unknown": "relayed"}[d.Delivered]
		if !ok {
			state = "queued"
		}
		out = append(out, fate{to, state, d.Reply})
	}
	return out
}

// post sends the letter and tells what became of it.
func (s *session) post(ctx context.Context, c *client.Client, d *terminal.Draft, wait time.Duration) error {
	sent, err := d.Send(ctx, c)
	if err != nil {
		if sent.Kept != "" {
			return mail.Errorf(mail.KindOf(err), "%w; it is kept in %s", err, safe(sent.Kept))
		}
		return err
	}
	sub := sent.Submission
	if wait > 0 {
		if sub, err = s.follow(ctx, c, sub, wait); err != nil {
			return err
		}
	}
	list := fates(sub)
	err = s.showMail(map[string]any{"email": sent.Email, "submission": sub.ID, "final": sub.Final(), "recipients": list}, func(w io.Writer) {
		fmt.Fprintln(w, "Sent.")
		for _, f := range list {
			fmt.Fprintf(w, "  %s  %s\n", safe(f.Address), s.fateText(f))
		}
	})
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(list, func(f fate) bool { return f.State == "failed" }):
		return silent{codeFailed}
	case wait > 0 && !sub.Final():
		s.note("some are on their way still; what becomes of them can be seen in the webmail, and comes back to you as a message when it fails")
		return silent{codeTemporary}
	}
	return nil
}

func (s *session) fateText(f fate) string {
	reply := safe(f.Reply)
	switch f.State {
	case "delivered":
		return s.paint.good("delivered")
	case "relayed":
		return s.paint.good("handed to its server") + ": " + reply
	case "failed":
		return s.paint.bad("failed") + ": " + reply
	}
	return s.paint.warn("on its way") + ": " + reply
}

// follow asks what became of a submission until each recipient has an outcome, or it has taken too long.
func (s *session) follow(ctx context.Context, c *client.Client, sub client.Submission, most time.Duration) (client.Submission, error) {
	deadline := time.After(most)
	const longest = 5 * time.Second
	for pause := 100 * time.Millisecond; !sub.Final(); pause = min(pause*3/2, longest) {
		select {
		case <-ctx.Done():
			return sub, ctx.Err()
		case <-deadline:
			return sub, nil
		case <-time.After(pause):
		}
		next, err := c.Submission(ctx, sub.ID)
		switch {
		case err == nil:
			sub = next
		case mail.Is(err, mail.Unavailable), mail.Is(err, mail.TooMany): // it is sent; the server answers again some time
		default:
			return sub, err
		}
	}
	return sub, nil
}
