package command

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
)

func (s *session) queueCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "queue", Short: "Mail on its way out"},
		s.queueList(), s.queueShow(),
		s.queueAct("retry", "Try messages again now", "due now"),
		s.queueAct("hold", "Keep messages from being tried until they are released", "held"),
		s.queueAct("release", "Let held messages go on", "released"),
		s.queueAct("delete", "Take messages out, without a report to their senders", "deleted"))
}

func (s *session) queueList() *cobra.Command {
	var r admin.QueueFilter
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the messages that wait", Args: want(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Queued(cmd.Context(), r)
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) { s.queueText(w, list) })
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Address, "address", "", "only messages from or to this `ADDRESS`")
	f.StringVar(&r.Domain, "domain", "", "only messages to this `DOMAIN`")
	f.BoolVar(&r.Held, "held", false, "only messages that are held")
	f.Int64Var(&r.After, "after", 0, "only messages with a greater number than `ID`")
	f.IntVar(&r.Limit, "limit", 100, "at most so many messages")
	return c
}

func (s *session) queueText(w io.Writer, list admin.QueueList) {
	if len(list.Messages) == 0 {
		fmt.Fprintln(w, "No message is waiting.")
		return
	}
	t := s.table("ID", "AGE", "SIZE", "FROM", "TO", "STATE", "TRIES", "NEXT", "LAST REPLY").numbers(0, 2, 6)
	for _, m := range list.Messages {
		for i, r := range m.Recipients {
			state := cell{text: r.State, colour: s.paint.outcome}
			if i == 0 {
				t.row(m.ID, span(s.Now().Sub(m.Created)), octets(m.Size), sender(m.From), r.Address, state, r.Attempts, dash(s.until(r.Next)), clip(r.Last))
				continue
			}
			t.row("", "", "", "", r.Address, state, r.Attempts, dash(s.until(r.Next)), clip(r.Last))
		}
	}
	t.write(w)
	if list.More {
		fmt.Fprintf(w, "There are more; read on with --after %d\n", list.Messages[len(list.Messages)-1].ID)
	}
}

// clip shortens a reply to fit a line of a table; show tells it whole.
func clip(text string) string {
	const most = 60
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

func (s *session) queueShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a message that waits, with all it was told", Args: want(1, 1, "a message's number"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := queueID(args[0])
			if err != nil {
				return err
			}
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				m, err := op.QueuedMessage(cmd.Context(), admin.QueueNumber{ID: id})
				if err != nil {
					return err
				}
				return s.show(m, func(w io.Writer) { s.entryText(w, m) })
			})
		},
	}
}

func (s *session) entryText(w io.Writer, m admin.QueueEntry) {
	fmt.Fprintf(w, "%s from %s, %s\n", s.paint.strong(fmt.Sprintf("Message %d", m.ID)), safe(sender(m.From)), octets(m.Size))
	line := func(key, value string) {
		fmt.Fprintf(w, "  %s %s\n", s.paint.faint(fmt.Sprintf("%-10s", key)), safe(value))
	}
	if m.MessageID != "" {
		line("message-id", "<"+m.MessageID+">")
	}
	line("trace", m.Trace)
	line("came", s.ago(m.Created))
	expires := m.Expires
	line("goes back", s.until(&expires)+" if nobody takes it")
	for _, r := range m.Recipients {
		fmt.Fprintf(w, "\n  %s %s\n", s.paint.strong(safe(r.Address)), s.paint.outcome(r.State))
		line := func(key, value string) {
			fmt.Fprintf(w, "    %s %s\n", s.paint.faint(fmt.Sprintf("%-8s", key)), safe(value))
		}
		if r.Original != "" {
			line("for", r.Original)
		}
		line("by way", dash(r.Route))
		line("tries", strconv.Itoa(r.Attempts))
		if r.Next != nil {
			line("next", s.until(r.Next))
		}
		if r.Last != "" {
			line("told", r.Last)
		}
		if r.Delayed {
			line("report", "the sender was told of the delay")
		}
	}
}

func queueID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usageError{fmt.Sprintf("%q is not the number of a message; see the numbers with: postrider queue list", text)}
	}
	return id, nil
}

func (s *session) queueAct(act, short, done string) *cobra.Command {
	r := admin.QueueAction{Act: act}
	var yes bool
	c := &cobra.Command{
		Use: act + " [ID...]", Short: short,
		Args:    want(0, -1, ""),
		Example: fmt.Sprintf("  postrider queue %s 17 18\n  postrider queue %s --domain example.org", act, act),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, a := range args {
				id, err := queueID(a)
				if err != nil {
					return err
				}
				r.IDs = append(r.IDs, id)
			}
			if len(r.IDs) == 0 && !r.All && r.Address == "" && r.Domain == "" {
				return usageError{"nothing says which messages are meant; give their numbers, --address, --domain or --all"}
			}
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				return s.act(cmd.Context(), op, r, act == "delete" && len(r.IDs) == 0 && !yes, done)
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&r.All, "all", false, "all messages")
	f.StringVar(&r.Address, "address", "", "messages from or to this `ADDRESS`")
	f.StringVar(&r.Domain, "domain", "", "messages with a recipient in this `DOMAIN`")
	if act == "delete" {
		f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	}
	return c
}

func (s *session) act(ctx context.Context, op admin.Operator, r admin.QueueAction, ask bool, done string) error {
	if ask {
		if err := s.confirm("This deletes every message that fits, and tells no sender"); err != nil {
			return err
		}
	}
	acted, err := op.ActOnQueue(ctx, r)
	if err != nil {
		return err
	}
	if err := s.show(acted, func(w io.Writer) {
		switch len(acted.IDs) {
		case 0:
			fmt.Fprintln(w, "No message fits.")
		case 1:
			fmt.Fprintf(w, "Message %d is %s.\n", acted.IDs[0], done)
		default:
			fmt.Fprintf(w, "%d messages are %s.\n", len(acted.IDs), done)
		}
	}); err != nil {
		return err
	}
	if len(acted.Missing) > 0 {
		for _, id := range acted.Missing {
			s.note("postrider: there is no message %d in the queue", id)
		}
		return silent{codeNotFound}
	}
	return nil
}
