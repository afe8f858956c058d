// Package obs is how the system tells what it does: the set-up of log/slog.
//
// It takes a format, a level and a place to write to from the configuration, and hands one logger to everybody. A
// part of the system logs under its role, which is its directory: Role(log, "mta/inbound").
//
// Invariants:
//
//   - A value whose name says that it is secret (password, token, authorization ...) is never written, in whatever group or
//     structure it stands, nor is a whole structure, whose fields might be.
//   - One event is one line: control characters in messages and values are escaped, so that nobody outside can
//     forge a line or drive a terminal.
//   - Colour goes to terminals only, and not when NO_COLOR is set.
package obs

import (
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"

	"github.com/postrider/postrider/mail"
)

// Format is how lines look.
type Format string

// The formats.
const (
	Text Format = "text" // for people
	JSON Format = "json" // for programs
)

// Config says how to log.
type Config struct {
	Format Format       // "" is Text
	Level  slog.Leveler // nil is Info; a *slog.LevelVar can be changed while the system runs
	Output io.Writer    // nil is the standard error
}

// ParseLevel reads "debug", "info", "warn" or "error"; another word is an error of kind Invalid.
func ParseLevel(word string) (slog.Level, error) {
	switch word {
	case "debug":
		return slog.LevelDebug, nil
	case "info", "":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, mail.Errorf(mail.Invalid, "log level %q: use debug, info, warn or error", word)
}

// New makes the logger. An unknown format is an error of kind Invalid.
func New(cfg Config) (*slog.Logger, error) {
	if cfg.Output == nil {
		cfg.Output = os.Stderr
	}
	if cfg.Level == nil {
		cfg.Level = slog.LevelInfo
	}
	var h slog.Handler
	switch cfg.Format {
	case Text, "":
		h = newText(cfg.Output, cfg.Level, colours(cfg.Output))
	case JSON:
		h = slog.NewJSONHandler(cfg.Output, &slog.HandlerOptions{Level: cfg.Level})
	default:
		return nil, mail.Errorf(mail.Invalid, "log format %q: use text or json", cfg.Format)
	}
	return slog.New(Redact(h)), nil
}

// RoleKey is the name of the attribute that tells which part of the system speaks.
const RoleKey = "role"

// Role is the logger for one part of the system, named as its directory is.
func Role(log *slog.Logger, role string) *slog.Logger { return log.With(RoleKey, role) }

// colours reports whether the output is a terminal that shows them, and nobody asked for none.
func colours(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isatty.IsTerminal(f.Fd())
}
