package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Question is something only a person knows.
type Question struct {
	Key     string // which one, for programs
	Text    string // ends with a question mark or without a sign
	Default string // what an empty answer means; "" means nothing
	Choices []Choice
	Secret  bool // the answer is not shown as it is typed
}

// Choice is one of the answers a question can have.
type Choice struct{ Word, Text string }

// Console is where a person follows, and answers.
type Console interface {
	// Ask asks. The answer comes without blanks around it; where it is empty, it is the default. It is never called with Options.Yes.
	Ask(ctx context.Context, q Question) (string, error)
	// Title begins a part.
	Title(text string)
	// Doing says what is being waited for; Tell follows.
	Doing(what string)
	// Tell says how a step went.
	Tell(s Step)
	// Say shows text as it stands, of one line or more.
	Say(text string)
}

// Text is a Console on streams.
type Text struct {
	In  io.Reader // nil: nobody answers
	Out io.Writer
	// Live says that Out is a terminal: what is being waited for is shown, and overwritten by its result.
	Live bool
	// Paint colours the word of a level, "title" or "faint" text; nil leaves it plain.
	Paint func(what, text string) string
	// Secret asks for a line that is not shown; nil asks as for any other.
	Secret func(ctx context.Context, prompt string) (string, error)

	lines   *bufio.Reader
	waiting bool // the line shows what is being waited for
}

// maxAnswer bounds one answer, in octets.
const maxAnswer = 4096

// Ask implements Console.
func (t *Text) Ask(ctx context.Context, q Question) (string, error) {
	t.wipe()
	for _, c := range q.Choices {
		t.printf("    %-10s %s\n", c.Word, c.Text)
	}
	prompt := q.Text
	if q.Default != "" {
		prompt += " [" + q.Default + "]"
	}
	prompt += ": "
	var line string
	var err error
	if q.Secret && t.Secret != nil {
		line, err = t.Secret(ctx, prompt)
	} else {
		t.printf("%s", prompt)
		line, err = t.line(ctx)
	}
	if err != nil {
		t.printf("\n") // what follows is no answer
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		line = q.Default
	}
	return line, nil
}

// line reads one line, or gives up with ctx.
func (t *Text) line(ctx context.Context) (string, error) {
	if t.In == nil {
		return "", unanswered()
	}
	if t.lines == nil {
		t.lines = bufio.NewReaderSize(t.In, maxAnswer)
	}
	type answer struct {
		line []byte
		err  error
	}
	typed := make(chan answer, 1)
	lines := t.lines
	go func() { // it may outlive an interrupted question, and ends with the process
		line, err := lines.ReadSlice('\n')
		typed <- answer{append([]byte(nil), line...), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-typed:
		switch {
		case errors.Is(a.err, bufio.ErrBufferFull):
			return "", mail.Errorf(mail.TooLarge, "an answer is too long; %d octets are the most", maxAnswer)
		case errors.Is(a.err, io.EOF) && len(a.line) > 0:
		case a.err != nil:
			return "", unanswered()
		}
		return string(a.line), nil
	}
}

func unanswered() error {
	return mail.Errorf(mail.Invalid, "the input ended before all questions were answered; give the answers as flags, with --yes")
}

// Title implements Console.
func (t *Text) Title(text string) {
	t.wipe()
	t.printf("\n%s\n", t.paint("title", text))
}

// clear ends a line that shows what is being waited for.
const clear = "\r\x1b[K"

// wipe takes away what was being waited for.
func (t *Text) wipe() {
	if t.waiting {
		t.printf("%s", clear)
	}
	t.waiting = false
}

// Doing implements Console.
func (t *Text) Doing(what string) {
	if t.Live {
		t.printf("%s", clear+"  "+t.paint("faint", "...   "+plain(what)))
		t.waiting = true
	}
}

// Tell implements Console.
func (t *Text) Tell(s Step) {
	t.wipe()
	word := map[Level]string{Done: "ok", Note: "note", Warn: "warn", Fail: "FAIL"}[s.Level]
	t.printf("  %s%s %s\n", t.paint(string(s.Level), word), strings.Repeat(" ", 5-len(word)), plain(s.Text))
	if s.Remedy != "" {
		t.printf("        %s\n", plain(s.Remedy))
	}
	if s.Link != "" {
		t.printf("        %s\n", t.paint("faint", "See "+s.Link))
	}
}

// Say implements Console.
func (t *Text) Say(text string) {
	t.wipe()
	t.printf("%s\n", strings.TrimRight(text, "\n"))
}

func (t *Text) paint(what, text string) string {
	if t.Paint == nil {
		return text
	}
	return t.Paint(what, text)
}

func (t *Text) printf(format string, args ...any) {
	fmt.Fprintf(t.Out, format, args...) //nolint:errcheck // nobody to tell
}

// plain makes what came from elsewhere (DNS, other hosts) harmless to a terminal, on one line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029:
			return '\ufffd'
		}
		return r
	}, s)
}

// Silent is a Console without a person: the Report tells all.
type Silent struct{}

// Ask implements Console.
func (Silent) Ask(context.Context, Question) (string, error) { return "", unanswered() }

// Title implements Console.
func (Silent) Title(string) {}

// Doing implements Console.
func (Silent) Doing(string) {}

// Tell implements Console.
func (Silent) Tell(Step) {}

// Say implements Console.
func (Silent) Say(string) {}
