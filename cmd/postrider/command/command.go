package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

// Env is everything a command touches outside itself.
type Env struct {
	Args    []string // without the program's name
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Getenv  func(string) string
	Now     func() time.Time
	Version Version

	InTerminal  bool // a person types
	OutTerminal bool // a person reads the answer
	ErrTerminal bool
	// Secret asks for a line that is not shown as it is typed. It is called only when InTerminal.
	Secret func(ctx context.Context, prompt string) (string, error)

	Backend
}

// Backend is what package app does for commands.
type Backend struct {
	// Serve runs a system until ctx ends; ready is called once all its doors are open.
	Serve func(ctx context.Context, cfg config.Config, log *slog.Logger, ready func([]admin.Listener)) error
	// Open opens the store of a system that is not running.
	Open func(ctx context.Context, cfg config.Config, log *slog.Logger) (admin.Operator, io.Closer, error)
	// Demo shows the whole system at work.
	Demo func(ctx context.Context, o DemoOptions) error
}

// DemoOptions say how the demonstration looks.
type DemoOptions struct {
	Out    io.Writer
	Colour bool
	Dir    string // "" is a throw-away directory
	Exit   bool   // end once the message was read, instead of staying up
	JSON   bool
}

// The exit codes.
const (
	codeOK        = 0
	codeFailed    = 1
	codeUsage     = 2
	codeNotFound  = 3
	codeConflict  = 4
	codeDenied    = 5
	codeTemporary = 75
	codeConfig    = 78
)

// ExitCodes explains the exit codes to people.
const ExitCodes = `Exit codes:
   0  done
   1  failed; or verify found damage, or export could not read something
   2  the command was called wrongly, or a value in it is malformed
   3  what was named does not exist
   4  it exists already, or stands in the way
   5  not allowed
  75  a temporary trouble: the same command may succeed later
  78  the configuration file is wrong`

// usageError is an error in how the command was called.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// configError is an error of the configuration file.
type configError struct{ err error }

func (e configError) Error() string { return e.err.Error() }
func (e configError) Unwrap() error { return e.err }

// silent ends a command with a code after it has said all itself.
type silent struct{ code int }

func (silent) Error() string { return "" }

// session is one run of the program.
type session struct {
	Env
	configPath string
	data       string
	json       bool
	paint      palette
}

// Run runs one command line and gives the exit code.
func Run(ctx context.Context, env Env) int {
	s := &session{Env: env, paint: palette{on: env.OutTerminal && coloursWanted(env.Getenv)}}
	root := s.root()
	root.SetArgs(env.Args)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return codeOK
	}
	var quiet silent
	if errors.As(err, &quiet) {
		return quiet.code
	}
	return s.fail(cmd, err)
}

// fail tells an error and gives its exit code.
func (s *session) fail(cmd *cobra.Command, err error) int {
	code, kind, text := judge(err)
	if s.json || askedForJSON(s.Args) {
		_ = json.NewEncoder(s.Out).Encode(map[string]any{"error": map[string]any{"kind": kind, "text": text}})
		return code
	}
	text = strings.TrimRight(text, "\n")
	red := palette{on: s.ErrTerminal && coloursWanted(s.Getenv)}
	fmt.Fprintf(s.Err, "%s %s\n", red.bad("postrider:"), text)
	var usage usageError
	if errors.As(err, &usage) && cmd != nil {
		fmt.Fprintf(s.Err, "See how it is called with: %s --help\n", cmd.CommandPath())
	}
	return code
}

// askedForJSON looks for the flag where flags could not be read.
func askedForJSON(args []string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		if a == "--json" || a == "--json=true" {
			return true
		}
	}
	return false
}

// judge translates an error once for this face.
func judge(err error) (code int, kind, text string) {
	var usage usageError
	var bad configError
	switch {
	case errors.As(err, &usage):
		return codeUsage, "usage", usage.text
	case errors.As(err, &bad):
		return codeConfig, "config", bad.Error()
	case errors.Is(err, context.Canceled):
		return codeFailed, "interrupted", "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		return codeTemporary, mail.Unavailable.String(), "this took too long; try again"
	}
	k := mail.KindOf(err)
	text = err.Error()
	switch k {
	case mail.Invalid:
		code = codeUsage
	case mail.NotFound:
		code = codeNotFound
	case mail.Exists, mail.Conflict:
		code = codeConflict
	case mail.Denied, mail.Unauthenticated:
		code = codeDenied
	case mail.Unavailable, mail.TooMany:
		code = codeTemporary
	default:
		code = codeFailed
	}
	return code, k.String(), text
}

func (s *session) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "postrider",
		Short: "A complete mail system in one program",
		Long: "Postrider is a complete mail system in one program: it takes mail from your users, moves it between hosts,\n" +
			"puts it into mailboxes and lets people read it.\n\n" +
			"  postrider setup      make this machine the mail host of your domain\n" +
			"  postrider demo       see all of it at work, in a throw-away directory\n" +
			"  postrider serve      run it; without a configuration file, for development, on loopback ports\n\n" +
			"The other commands ask a server that runs on the same data directory, or open the directory themselves when none does.\n\n" + ExitCodes,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       s.Version.Version,
	}
	root.SetVersionTemplate("postrider {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{sentence(err)} })
	flags := root.PersistentFlags()
	flags.StringVarP(&s.configPath, "config", "c", "", "configuration `FILE` (default: $POSTRIDER_CONFIG, or "+systemConfig+" where it exists)")
	flags.StringVarP(&s.data, "data", "d", "", "data `DIRECTORY`, instead of the configured one")
	flags.BoolVar(&s.json, "json", false, "answer in JSON, for programs")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Running:"}, &cobra.Group{ID: "people", Title: "Who there is:"},
		&cobra.Group{ID: "mail", Title: "Where mail is:"}, &cobra.Group{ID: "trust", Title: "Being believed:"}, &cobra.Group{ID: "care", Title: "Looking after it:"})
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("run", s.setupCommand(), s.serveCommand(), s.demoCommand())
	group("people", s.domainCommand(), s.accountCommand(), s.aliasCommand())
	group("mail", s.queueCommand(), s.traceCommand(), s.sendCommand(), s.readCommand())
	group("trust", s.doctorCommand(), s.dnsCommand(), s.dkimCommand(), s.reportsCommand(), s.banCommand())
	group("care", s.statusCommand(), s.auditCommand(), s.verifyCommand(), s.compactCommand(), s.exportCommand(), s.configCommand())
	root.AddCommand(s.versionCommand())
	root.Args = unknownCommand
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return root
}

// parent makes a command that only has commands below it.
func parent(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.AddCommand(below...)
	c.Args = unknownCommand
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return c
}

// unknownCommand refuses arguments where only a command may stand.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", cmd.CommandPath()+" "+args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %q?", cmd.CommandPath()+" "+near[0])
	}
	return usageError{text}
}

// want bounds the number of arguments; what says what they are. most below 0 is no bound.
func want(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError{fmt.Sprintf("%s needs %s", cmd.CommandPath(), what)}
		case most == 0 && len(args) > 0:
			return usageError{fmt.Sprintf("%s takes no arguments; %q is one too many", cmd.CommandPath(), args[0])}
		case most >= 0 && len(args) > most:
			return usageError{fmt.Sprintf("%s takes %s; %q is one too many", cmd.CommandPath(), what, args[most])}
		}
		return nil
	}
}

// sentence gives a flag library's words without its capitals.
func sentence(err error) string {
	text := err.Error()
	if flag, ok := strings.CutPrefix(text, "unknown flag: "); ok {
		return "there is no flag " + flag
	}
	if rest, ok := strings.CutPrefix(text, "unknown shorthand flag: "); ok {
		return "there is no flag " + rest
	}
	return text
}
