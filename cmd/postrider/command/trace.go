package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
)

func (s *session) traceCommand() *cobra.Command {
	var r admin.TraceQuery
	var id, message, address, latest bool
	var since, until string
	c := &cobra.Command{
		Use: "trace WHAT", Short: "Show the whole way of a message", Args: want(0, 1, "a Message-ID, a trace number or an address, or --latest"),
		Long: "Show the whole way of messages: who brought them, what became of each recipient, in whose words.\n" +
			"WHAT is a Message-ID, a trace number (the id in our Received field and in our reply to the sender), or the address\n" +
			"of a sender or recipient. A time is one of day and hour (2026-11-24, 2026-11-24T10:30Z) or how long ago it is (90m, 2h, 7d).",
		Example: "  postrider trace bob@example.org --since 2h --outcome bounced\n  postrider trace '<1234@example.com>'\n  postrider trace bob@example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if r.Since, err = s.when(since); err != nil {
				return err
			}
			if r.Until, err = s.when(until); err != nil {
				return err
			}
			switch {
			case latest != (len(args) == 0):
				return usageError{"postrider trace needs a Message-ID, a trace number or an address, or else --latest"}
			case latest && id || latest && message || latest && address:
				return usageError{"--latest stands alone; --since, --until and --outcome choose among the latest"}
			case latest:
			case b(id)+b(message)+b(address) > 1:
				return usageError{"--id, --message-id and --address exclude one another"}
			case id:
				r.Trace = args[0]
			case message:
				r.MessageID = args[0]
			case address:
				r.Address = args[0]
			default:
				r.Query = args[0]
			}
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				report, err := op.Trace(cmd.Context(), r)
				if err != nil {
					return err
				}
				return s.show(report, func(w io.Writer) { s.reportText(w, report) })
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&id, "id", false, "WHAT is a trace number")
	f.BoolVar(&message, "message-id", false, "WHAT is a Message-ID")
	f.BoolVar(&address, "address", false, "WHAT is an address")
	f.BoolVar(&latest, "latest", false, "the latest messages of all")
	f.StringVar(&since, "since", "", "only what happened from this `TIME` on")
	f.StringVar(&until, "until", "", "only what happened before this `TIME`")
	f.StringVar(&r.Outcome, "outcome", "", "only messages with this `OUTCOME`: queued, accepted, delivered, relayed, deferred, bounced, rejected ...")
	f.IntVar(&r.Limit, "limit", 1000, "at most so many events, the latest")
	return c
}

func b(v bool) int {
	if v {
		return 1
	}
	return 0
}

func (s *session) reportText(w io.Writer, report admin.TraceReport) {
	for i, p := range report.Passages {
		if i > 0 {
			fmt.Fprintln(w)
		}
		s.passageText(w, p)
	}
}

func (s *session) passageText(w io.Writer, p admin.Passage) {
	name := "a message without Message-ID"
	if p.MessageID != "" {
		name = "<" + safe(p.MessageID) + ">"
	}
	fmt.Fprintf(w, "%s from %s\n", s.paint.strong(name), safe(sender(p.From)))
	fmt.Fprintln(w, s.paint.faint(fmt.Sprintf("trace %s, %s (%s)", p.Trace, p.Began.Format("2006-01-02 15:04:05 MST"), s.ago(p.Began))))
	widest := 0
	for _, e := range p.Events {
		widest = max(widest, width(safe(e.To)))
	}
	for _, e := range p.Events {
		pad := strings.Repeat(" ", widest-width(safe(e.To)))
		fmt.Fprintf(w, "  %s  %s  %s%s  %s\n", s.paint.faint(eventTime(p.Began, e.At)), s.paint.outcome(fmt.Sprintf("%-9s", e.Outcome)), safe(e.To), pad, s.by(e))
	}
	for _, r := range p.Recipients {
		if !r.Final && r.Queue != 0 {
			fmt.Fprintf(w, "  %s %s\n", s.paint.warn("still waiting:"), s.stillText(r))
		}
	}
}

// eventTime is the time of day; of another day than the first event's, with the date.
func eventTime(began, at time.Time) string {
	if began.Format(time.DateOnly) == at.Format(time.DateOnly) {
		return at.Format("15:04:05.000")
	}
	return at.Format("2006-01-02 15:04:05")
}

// by says who did it, with whom, and in whose words.
func (s *session) by(e admin.Event) string {
	parts := []string{safe(e.Role)}
	if e.Peer != "" {
		parts = append(parts, safe(e.Peer))
	}
	if e.TLS != "" {
		parts = append(parts, s.paint.faint(safe(e.TLS)))
	}
	text := strings.Join(parts, "  ")
	if e.Reason != "" {
		text += "\n" + strings.Repeat(" ", 16) + "\"" + safe(e.Reason) + "\""
	}
	return text
}

func (s *session) stillText(r admin.Recipient) string {
	text := safe(r.Address)
	switch {
	case r.State == admin.StateSending:
		text += " is being sent"
	case r.State == admin.StateHeld:
		text += " is held by an operator; let it go with: postrider queue release " + fmt.Sprint(r.Queue)
		return text
	case r.Attempts == 0:
		text += fmt.Sprintf(" was not tried yet; first attempt %s", s.until(r.Next))
	default:
		text += fmt.Sprintf(" was tried %s; next attempt %s", plural(r.Attempts, "time", "times"), s.until(r.Next))
	}
	return text + fmt.Sprintf(" (queue %d)", r.Queue)
}
