package command

import (
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/config"
)

// serving is the line serve answers with once it is ready.
type serving struct {
	Ready       bool             `json:"ready"`
	Hostname    string           `json:"hostname"`
	Data        string           `json:"data"`
	Config      string           `json:"config,omitempty"`
	Development bool             `json:"development,omitempty"`
	Listening   []admin.Listener `json:"listening"`
	AdminSocket string           `json:"admin_socket"`
}

func (s *session) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the mail system", Args: want(0, 0, ""),
		Long: "Run the mail system until it is told to stop (Ctrl-C, or SIGTERM). Without a configuration file it is a development\n" +
			"instance: loopback only, on high ports, with its data in " + config.DefaultData + ". Once all doors are open it says where they are,\n" +
			"with --json as one JSON object. The log goes to standard error.",
		Example: "  postrider serve\n  postrider serve --config /etc/postrider/postrider.toml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, path, err := s.configuration()
			if err != nil {
				return err
			}
			log, err := s.logger(cfg.Log)
			if err != nil {
				return err
			}
			for _, advice := range cfg.Advice() {
				log.Warn(advice)
			}
			return damaged(cfg, s.Serve(cmd.Context(), cfg, log, func(list []admin.Listener) {
				// The doors are open whether anybody reads this or not.
				_ = s.show(serving{Ready: true, Hostname: cfg.Hostname, Data: cfg.Data, Config: path, Development: path == "",
					Listening: list, AdminSocket: cfg.AdminSocket()}, func(w io.Writer) { s.banner(w, cfg, path, list) })
			}))
		},
	}
}

func (s *session) banner(w io.Writer, cfg config.Config, path string, list []admin.Listener) {
	fmt.Fprintf(w, "%s %s is ready as %s, with its data in %s.\n", s.paint.strong("Postrider"), s.Version.Version, cfg.Hostname, cfg.Data)
	if path == "" {
		fmt.Fprintln(w, s.paint.warn("This is a development instance: no configuration file, loopback only."))
	}
	fmt.Fprintln(w)
	services(w, s.table("SERVICE", "ADDRESS"), list)
	where := ""
	if s.data != "" {
		where = " --data " + s.data
	}
	if path == "" {
		fmt.Fprintf(w, "\nMake an account in another terminal with:\n  postrider%s account add ann@example.test --create-domain", where)
	}
	for _, l := range list {
		if _, port, err := net.SplitHostPort(l.Address); err == nil && l.Service == "https" {
			fmt.Fprintf(w, "\nThe webmail is at %s\n", webAddress(cfg.Hostname, port))
			break
		}
	}
	fmt.Fprintln(w, "\nStop with Ctrl-C.")
}

// webAddress is what people type into a browser.
func webAddress(host, port string) string {
	if port == "443" {
		return "https://" + host
	}
	return "https://" + net.JoinHostPort(host, port)
}

func (s *session) demoCommand() *cobra.Command {
	var o DemoOptions
	c := &cobra.Command{
		Use: "demo", Short: "See the whole system at work", Args: want(0, 0, ""),
		Long: "Start the whole system on loopback ports with a throw-away directory, two domains and a few people, and follow one message\n" +
			"from the person who writes it to the person who reads it. It stays up, so that you can connect a mail program; Ctrl-C ends it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Colour, o.JSON, o.Dir = s.Out, s.paint.on, s.json, s.data
			return s.Demo(cmd.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Exit, "exit", false, "end once the message was read")
	return c
}

func (s *session) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Tell which version this is", Args: want(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			return s.show(s.Version, func(w io.Writer) {
				fmt.Fprintf(w, "postrider %s", s.Version.Version)
				if s.Version.Commit != "" {
					fmt.Fprintf(w, ", commit %s", s.Version.Commit)
					if s.Version.Dirty {
						fmt.Fprint(w, " with changes")
					}
				}
				fmt.Fprintf(w, ", %s, %s\n", s.Version.Go, s.Version.System)
			})
		},
	}
}
