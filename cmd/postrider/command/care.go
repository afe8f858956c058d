package command

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
)

func (s *session) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Tell how the system is", Args: want(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				st, err := op.Status(cmd.Context(), admin.Nothing{})
				if err != nil {
					return err
				}
				return s.show(st, func(w io.Writer) { s.statusText(w, st) })
			})
		},
	}
}

func (s *session) statusText(w io.Writer, st admin.Status) {
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "%s %s\n", s.paint.faint(fmt.Sprintf("%-9s", key)), safe(fmt.Sprintf(format, args...)))
	}
	if st.Serving {
		line("server", "postrider %s, running for %s as %s", st.Version, span(time.Duration(st.Uptime)*time.Second), st.Hostname)
	} else {
		line("server", "not running; start it with: postrider serve")
	}
	line("data", "%s", st.Data)
	line("people", "%s, %s, %s", plural(st.Accounts, "account", "accounts"), plural(st.Domains, "domain", "domains"), plural(st.Aliases, "alias", "aliases"))
	line("mail", "%s, %s", plural(int(st.Messages), "message", "messages"), octets(st.Used))
	q := st.Queue
	if q.Messages == 0 {
		line("queue", "empty")
	} else {
		text := fmt.Sprintf("%s to %s, %s", plural(q.Messages, "message", "messages"), plural(q.Recipients, "recipient", "recipients"), octets(q.Octets))
		for _, n := range []struct {
			count int
			what  string
		}{{q.Sending, "being sent"}, {q.Deferred, "tried before"}, {q.Held, "held"}} {
			if n.count > 0 {
				text += fmt.Sprintf(", %d %s", n.count, n.what)
			}
		}
		if q.Oldest != nil {
			text += ", the oldest for " + span(s.Now().Sub(*q.Oldest))
		}
		line("queue", "%s", text)
	}
	if len(st.Listening) > 0 {
		fmt.Fprintln(w)
		services(w, s.table("SERVICE", "ADDRESS"), st.Listening)
	}
	if len(st.Counters) > 0 {
		fmt.Fprintln(w)
		t := s.table("SINCE THE START", "COUNT").numbers(1)
		for _, name := range slices.Sorted(maps.Keys(st.Counters)) {
			t.row(name, st.Counters[name])
		}
		t.write(w)
	}
}

func (s *session) verifyCommand() *cobra.Command {
	var r admin.VerifyRequest
	c := &cobra.Command{
		Use: "verify", Short: "Read everything that is stored and name what is damaged", Args: want(0, 0, ""),
		Long: "Read everything that is stored and name what is damaged. The server can go on running. Exit code 1 means damage.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				progress := s.progress()
				report, err := op.Verify(cmd.Context(), r, progress.tell)
				progress.end()
				if err != nil {
					return err
				}
				err = s.show(report, func(w io.Writer) {
					s.verifyText(w, report)
					if len(report.Damage) > 0 {
						fmt.Fprintln(w, "All other mail can be read, and exported with: postrider export --all DIR")
						fmt.Fprintln(w, "Keep a copy of the data directory before anything else is done.")
					}
				})
				if err != nil {
					return err
				}
				if len(report.Damage) > 0 {
					return silent{codeFailed}
				}
				return nil
			})
			var closed *unopened
			if errors.As(err, &closed) {
				return s.survey(cmd.Context(), closed.cfg, closed.cause)
			}
			return err
		},
	}
	c.Flags().BoolVar(&r.Quick, "quick", false, "leave the bodies of messages unread")
	return c
}

func (s *session) verifyText(w io.Writer, r admin.VerifyReport) {
	parts := make([]string, 0, len(r.Checked))
	for _, c := range r.Checked {
		if c.What == "octets" {
			parts = append(parts, octets(c.Count))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.Count, c.What))
	}
	checked := strings.Join(parts, ", ")
	if checked == "" {
		checked = "everything"
	}
	fmt.Fprintf(w, "Checked %s in %s.\n", safe(checked), elapsed(r.Seconds))
	if len(r.Damage) == 0 {
		fmt.Fprintln(w, s.paint.good("All is sound."))
		return
	}
	fmt.Fprintln(w, s.paint.bad(fmt.Sprintf("%s:", plural(len(r.Damage), "thing is damaged", "things are damaged"))))
	for _, d := range r.Damage {
		fmt.Fprintf(w, "  %s\n", safe(d))
	}
}

func elapsed(seconds float64) string {
	if seconds < 10 {
		return fmt.Sprintf("%.1fs", seconds)
	}
	return span(time.Duration(seconds * float64(time.Second)))
}

// progress shows how far something is on one line of a terminal that is written again and again.
type progress struct {
	s     *session
	shown bool
}

func (s *session) progress() *progress { return &progress{s: s} }

func (p *progress) tell(now admin.Progress) {
	if !p.s.ErrTerminal || p.s.json {
		return
	}
	p.shown = true
	text := safe(now.Stage)
	if now.Total > 0 {
		text += fmt.Sprintf(" %d of %d (%d%%)", now.Done, now.Total, 100*now.Done/now.Total)
	} else if now.Done > 0 {
		text += fmt.Sprintf(" %d", now.Done)
	}
	fmt.Fprintf(p.s.Err, "\r\x1b[K%s", text)
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.s.Err, "\r\x1b[K")
	}
}

func (s *session) compactCommand() *cobra.Command {
	return &cobra.Command{
		Use: "compact", Short: "Give the room of deleted mail back to the disk", Args: want(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				r, err := op.Compact(cmd.Context(), admin.Nothing{})
				if err != nil {
					return err
				}
				return s.show(r, func(w io.Writer) {
					if r.Freed == 0 {
						fmt.Fprintln(w, "There was nothing to gain.")
						return
					}
					fmt.Fprintf(w, "%s were given back to the disk.\n", octets(r.Freed))
				})
			})
		},
	}
}
