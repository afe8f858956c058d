package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Secret asks a person at a terminal for a line that is not shown as it is typed. The terminal is set back as it was
// however this ends.
func Secret(ctx context.Context, terminal *os.File, out io.Writer, prompt string) (string, error) {
	show, err := hideTyping(terminal)
	if err != nil {
		return "", mail.Errorf(mail.Unavailable, "the terminal cannot hide what is typed; use --password-stdin or --generate: %w", err)
	}
	defer func() {
		show()
		fmt.Fprintln(out)
	}()
	fmt.Fprint(out, prompt)
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() { // it may outlive an interrupted question, and ends with the process
		line, err := readLine(terminal)
		typed <- answer{line, err}
	}()
	select {
	case a := <-typed:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// readLine reads a line octet by octet, so that nothing behind it is taken.
func readLine(r io.Reader) (string, error) {
	var line strings.Builder
	for b := make([]byte, 1); line.Len() <= maxPassword; {
		n, err := r.Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return strings.TrimSuffix(line.String(), "\r"), nil
		case n == 1:
			line.WriteByte(b[0])
		case err == io.EOF:
			return line.String(), nil
		case err != nil:
			return "", mail.Errorf(mail.Unavailable, "the terminal cannot be read: %w", err)
		}
	}
	return "", mail.Errorf(mail.TooLarge, "the line is too long for a password")
}
