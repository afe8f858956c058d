package command

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
)

func (s *session) auditCommand() *cobra.Command {
	var r admin.AuditFilter
	var since, until string
	c := &cobra.Command{
		Use: "audit", Short: "Tell who did what as operator", Args: want(0, 0, ""),
		Long: "Tell what operators did, the latest first: by command, or on the pages of administration. Nothing is done without a record, which is kept for\n" +
			"400 days. A time is one of day and hour (2026-11-24, 2026-11-24T10:30Z) or how long ago it is (90m, 2h, 7d).",
		Example: "  postrider audit\n  postrider audit --subject bob@example.com --since 30d\n  postrider audit --actor ann --act account --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if r.Since, err = s.when(since); err != nil {
				return err
			}
			if r.Until, err = s.when(until); err != nil {
				return err
			}
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Audit(cmd.Context(), r)
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) { s.auditText(w, list) })
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Actor, "actor", "", "only what `WHO` did: part of a user's name, of an address, or of where from")
	f.StringVar(&r.Subject, "subject", "", "only what was done to `WHAT`: part of an address or domain")
	f.StringVar(&r.Act, "act", "", "only such an `ACT`: account, account.remove, queue ...")
	f.StringVar(&r.Outcome, "outcome", "", "done, refused, failed or begun")
	f.StringVar(&since, "since", "", "from this `TIME` on")
	f.StringVar(&until, "until", "", "up to this `TIME`")
	f.IntVar(&r.Limit, "limit", 0, "the latest `N` (default 100, at most 1000)")
	f.StringVar(&r.After, "after", "", "go on after the record with this `ID`")
	return c
}

func (s *session) auditText(w io.Writer, list admin.AuditList) {
	if len(list.Entries) == 0 {
		fmt.Fprintln(w, "Nothing is recorded.")
	}
	t := s.table("TIME", "WHO", "ACT", "SUBJECT", "ASKED", "OUTCOME")
	for _, e := range list.Entries {
		outcome := cell{text: e.Outcome}
		if e.Text != "" {
			outcome.text += ": " + e.Text
		}
		if e.Outcome != audit.Done {
			outcome.colour = s.paint.warn
		}
		t.row(e.At.Local().Format("2006-01-02 15:04:05"), whoText(e.Actor), e.Act, dash(e.Subject), dash(e.Asked), outcome)
	}
	t.write(w)
	if list.Next != "" {
		fmt.Fprintf(w, "There is more: go on with --after %s\n", safe(list.Next))
	}
}

func whoText(a admin.Actor) string {
	text := a.Name
	if a.From != "" {
		text += " from " + a.From
	}
	return text + " (" + a.Way + ")"
}

// when reads a time: of day and hour, or how long ago; "" is nil. A time without a zone is one of this machine's.
func (s *session) when(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			t := s.Now().AddDate(0, 0, -n)
			return &t, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		t := s.Now().Add(-d)
		return &t, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return &t, nil
		}
	}
	return nil, usageError{fmt.Sprintf("%q is no time; write 2026-11-24, 2026-11-24T10:30, or how long ago it is: 90m, 2h, 7d", text)}
}
