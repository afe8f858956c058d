package command

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/service/export"
)

// progressEvery is how often the line of progress is written anew, at most.
const progressEvery = 100 * time.Millisecond

// exporting is what the flags of export say.
type exporting struct {
	request admin.ExportRequest
	format  string
	resume  bool
	salvage bool
}

func (s *session) exportCommand() *cobra.Command {
	var e exporting
	c := &cobra.Command{
		Use: "export ADDRESS... DIR | --all DIR | --salvage DATA DIR", Short: "Write mail to files that other programs read",
		Args: want(1, -1, "the accounts to export (or --all) and a directory to write to"),
		Long: "Write the mail of accounts to a directory: Maildirs, mbox files, or a file for each message. The server can go on running. What cannot be\n" +
			"read is passed over, and named at the end and in export-report.txt; the exit code is 1 then. The directory must be empty; with --resume\n" +
			"an export that was broken off goes on, and messages that are there already stay as they are.\n\n" +
			"With --salvage the data directory DATA of a stopped server is read as far as it can be, however damaged it is, and nothing in it is changed:\n" +
			"also when the index is damaged or gone, and on a disk that cannot be written any more.",
		Example: "  postrider export ann@example.com /backup/ann\n  postrider export --all --format mbox /backup/all\n  postrider export --salvage /var/lib/postrider /mnt/rescue",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[len(args)-1]
			e.request.Accounts = args[:len(args)-1]
			switch {
			case e.salvage && (len(args) != 2 || e.request.All || len(e.request.Mailboxes) > 0):
				return usageError{"--salvage takes the damaged data directory and a directory to write to, and exports everything"}
			case e.request.All && len(args) != 1:
				return usageError{"--all takes only a directory to write to"}
			case !e.request.All && len(args) < 2:
				return usageError{"postrider export needs the accounts to export (or --all) and a directory to write to"}
			}
			if e.salvage {
				return s.runSalvage(cmd.Context(), e, args[0], dir)
			}
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				w, end, err := s.exportWriter(e, dir)
				if err != nil {
					return err
				}
				defer end()
				if err := op.Export(cmd.Context(), e.request, w); err != nil {
					return err
				}
				end()
				return s.exported(w)
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&e.request.All, "all", false, "everybody's mail")
	f.StringArrayVar(&e.request.Mailboxes, "mailbox", nil, "only the mailbox `NAME`; may be given several times")
	f.StringVar(&e.format, "format", string(export.Maildir), "maildir, mbox or eml")
	f.BoolVar(&e.resume, "resume", false, "go on with an export that was broken off")
	f.BoolVar(&e.salvage, "salvage", false, "read a damaged data directory as far as that goes")
	return c
}

// exportWriter makes the writer with a line of progress, which end takes away.
func (s *session) exportWriter(e exporting, dir string) (w *export.Writer, end func(), err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	line := s.progress()
	var last time.Time
	w, err = export.Create(abs, export.Options{Format: export.Format(e.format), Resume: e.resume, Now: s.Now, Progress: func(p export.Progress) {
		if now := s.Now(); now.Sub(last) >= progressEvery {
			last = now
			line.tell(admin.Progress{Stage: "exporting " + p.Mailbox + ": message", Done: p.Messages, Total: max(p.Total, p.Messages)})
		}
	}})
	return w, line.end, err
}

// exported ends an export and says what became of it.
func (s *session) exported(w *export.Writer) error {
	sum, err := w.Finish()
	if err != nil {
		return err
	}
	if err := s.show(sum, func(out io.Writer) { s.exportText(out, sum) }); err != nil {
		return err
	}
	if len(sum.Missing) > 0 {
		return silent{codeFailed}
	}
	return nil
}

func (s *session) exportText(w io.Writer, sum export.Summary) {
	fmt.Fprintf(w, "%s (%s) of %s are in %s as %s, written in %s.\n", plural(int(sum.Messages), "message", "messages"), octets(sum.Octets),
		plural(sum.Accounts, "account", "accounts"), safe(sum.Directory), sum.Format, elapsed(sum.Seconds))
	if sum.Kept > 0 {
		fmt.Fprintf(w, "%s of them had been there from an earlier run.\n", plural(int(sum.Kept), "message", "messages"))
	}
	for _, n := range sum.Notes {
		fmt.Fprintf(w, "%s %s\n", s.paint.warn("note:"), safe(n))
	}
	if len(sum.Missing) == 0 {
		fmt.Fprintln(w, s.paint.good("Nothing is missing."))
		return
	}
	fmt.Fprintln(w, s.paint.bad(plural(len(sum.Missing), "thing could not be read:", "things could not be read:")))
	for _, m := range sum.Missing {
		fmt.Fprintf(w, "  %s\n", safe(m.String()))
	}
	fmt.Fprintln(w, "The same list is in export-report.txt there. Everything else was exported.")
}
