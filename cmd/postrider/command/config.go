package command

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/infra/config"
)

func (s *session) configCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "config", Short: "The configuration"},
		s.configShow(), s.configReference(), s.configCheck())
}

func (s *session) configShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Write the configuration that is in effect, defaults included", Args: want(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			cfg, _, err := s.configuration()
			if err != nil {
				return err
			}
			if s.json {
				return s.show(cfg.Map(), nil)
			}
			return cfg.WriteTOML(s.Out)
		},
	}
}

func (s *session) configReference() *cobra.Command {
	var markdown bool
	c := &cobra.Command{
		Use: "reference", Short: "Write every key with its default and its meaning, as a file to start from", Args: want(0, 0, ""),
		Example: "  postrider config reference > postrider.toml",
		RunE: func(*cobra.Command, []string) error {
			switch {
			case s.json:
				return s.show(config.Default(config.DefaultData).Map(), nil)
			case markdown:
				return config.Markdown(s.Out)
			}
			return config.Reference(s.Out)
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "as a page of tables")
	return c
}

// checked is the answer of config check.
type checked struct {
	File     string          `json:"file"`
	Problems config.Problems `json:"problems"`
	Advice   []string        `json:"advice"`
}

func (s *session) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Tell everything that is wrong with a configuration file", Args: want(0, 1, "a file or nothing"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				s.configPath = args[0]
			}
			cfg, path, err := s.configuration()
			var problems config.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			answer := checked{File: path, Problems: problems, Advice: cfg.Advice()}
			if answer.Problems == nil {
				answer.Problems = config.Problems{}
			}
			if answer.Advice == nil {
				answer.Advice = []string{}
			}
			if err := s.show(answer, func(w io.Writer) {
				switch {
				case len(problems) > 0:
					fmt.Fprintln(w, problems.Error())
				case path == "":
					fmt.Fprintln(w, "There is no configuration file; the server would run for development.")
				default:
					fmt.Fprintf(w, "%s is sound.\n", path)
				}
			}); err != nil {
				return err
			}
			s.warnings(answer.Advice)
			if len(problems) > 0 {
				return silent{codeConfig}
			}
			return nil
		},
	}
}
