package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor"
	"github.com/postrider/postrider/service/records"
	"github.com/postrider/postrider/service/seal"
)

func (s *session) doctorCommand() *cobra.Command {
	var r admin.Examination
	var all bool
	c := &cobra.Command{
		Use: "doctor [DOMAIN]", Short: "Find out what is wrong with a domain's set-up, and how to mend it", Args: want(0, 1, "a domain, or none for all"),
		Long: "Look at a domain as the world sees it: DNS, reachability, certificates, signatures, policies, blocklists. Each fault is told in one\n" +
			"sentence, with what to do and the record to publish. Exit code 1 means that there are faults.",
		Example: "  postrider doctor example.com\n  postrider doctor --last --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.Domain = args[0]
			}
			if !r.Last {
				s.note("Looking at it from the outside; this takes up to half a minute.")
			}
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				progress := s.progress()
				d, err := op.Watch(cmd.Context(), r, progress.tell)
				progress.end()
				if err != nil {
					return err
				}
				if err := s.show(d, func(w io.Writer) { s.diagnosisText(w, d, all) }); err != nil {
					return err
				}
				for _, report := range d.Reports {
					if report.Exit() != 0 {
						return silent{codeFailed}
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&r.Last, "last", false, "show the result of the server's own hourly checks instead of checking now")
	c.Flags().BoolVar(&all, "all", false, "show what is well, too")
	return c
}

func (s *session) diagnosisText(w io.Writer, d admin.Diagnosis, all bool) {
	for i, r := range d.Reports {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s, %s:\n", safe(r.Domain), r.At.Local().Format("2006-01-02 15:04"))
		untold := 0
		for _, f := range r.Findings {
			switch {
			case f.Level == doctor.OK && !all:
			case f.Untold && !all && untold >= shownUntold:
				untold++
			case f.Untold: // its remedy is to try again, which is said once for all
				untold++
				fmt.Fprintf(w, "  %s %s: %s\n", s.levelText(f.Level), safe(f.Subject), safe(f.Text))
			default:
				s.findingText(w, f)
			}
		}
		if untold > shownUntold && !all {
			fmt.Fprintf(w, "  %s %s could not be checked; --all shows them.\n", s.levelText(doctor.Note), plural(untold-shownUntold, "thing more", "things more"))
		}
		if untold > 0 {
			fmt.Fprintln(w, "          Try again later what could not be checked, or when what is told beside it is mended.")
		}
		n := r.Counts
		text := fmt.Sprintf("%s, %s, %d well, in %s", plural(n.Faults, "fault", "faults"), plural(n.Warnings, "warning", "warnings"), n.OK, elapsed(r.Took.Seconds()))
		if r.Green() {
			text = s.paint.good("All is green") + fmt.Sprintf(": %d checks are well, in %s", n.OK, elapsed(r.Took.Seconds()))
		}
		fmt.Fprintf(w, "  %s.\n", text)
	}
}

// shownUntold is how many things that could not be checked are told one by one: without a resolver it is all of them.
const shownUntold = 5

func (s *session) findingText(w io.Writer, f doctor.Finding) {
	fmt.Fprintf(w, "  %s %s: %s\n", s.levelText(f.Level), safe(f.Subject), safe(f.Text))
	if f.Remedy != "" {
		fmt.Fprintf(w, "          %s\n", safe(f.Remedy))
	}
	for line := range strings.Lines(f.Record) {
		fmt.Fprintf(w, "            %s\n", safe(strings.TrimRight(line, "\n")))
	}
	if f.Link != "" {
		fmt.Fprintf(w, "          %s\n", s.paint.faint("see "+safe(f.Link)))
	}
}

func (s *session) levelText(l doctor.Level) string {
	text := fmt.Sprintf("%-7s", l)
	switch l {
	case doctor.Fault:
		return s.paint.bad(text)
	case doctor.OK:
		return s.paint.good(text)
	}
	return text
}

func (s *session) dnsCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "dns", Short: "What to publish in the DNS"}, s.dnsRecords(), s.dnsPublish())
}

func (s *session) dnsRecords() *cobra.Command {
	var zone bool
	c := &cobra.Command{
		Use: "records DOMAIN", Short: "Print the records a domain must have", Args: want(1, 1, "a domain"),
		Example: "  postrider dns records example.com\n  postrider dns records example.com --zone > example.com.zone",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Records(cmd.Context(), admin.RecordsFor{Name: args[0]})
				if err != nil {
					return err
				}
				var failed error
				err = s.show(list, func(w io.Writer) {
					if zone {
						failed = records.WriteZone(w, list.Records)
					} else {
						failed = records.Table(w, list.Records)
					}
				})
				if err == nil {
					err = failed
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&zone, "zone", false, "as a zone file, to copy or import")
	return c
}

func (s *session) dnsPublish() *cobra.Command {
	return &cobra.Command{
		Use: "publish DOMAIN", Short: "Write the records through the provider of [publish]", Args: want(1, 1, "a domain"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				list, err := op.Publish(cmd.Context(), admin.RecordsFor{Name: args[0]})
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) {
					if len(list.Changed) == 0 {
						fmt.Fprintln(w, "All records are there already.")
					}
					for _, c := range list.Changed {
						fmt.Fprintln(w, safe(c))
					}
				})
			})
		},
	}
}

func (s *session) dkimCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "dkim", Short: "Keys that sign outgoing mail"}, s.dkimList(), s.dkimRotate())
}

func (s *session) dkimList() *cobra.Command {
	return &cobra.Command{
		Use: "list DOMAIN", Aliases: []string{"ls"}, Short: "List a domain's keys", Args: want(1, 1, "a domain"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Keys(cmd.Context(), admin.DomainName{Name: args[0]})
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) {
					if len(list.Keys) == 0 {
						fmt.Fprintf(w, "%s has no keys; its mail is not signed. Set enabled = true under [dkim] in the configuration and restart the server.\n", list.Domain)
						return
					}
					t := s.table("SELECTOR", "ALGORITHM", "STATE", "SINCE", "SEEN IN THE DNS")
					for _, k := range list.Keys {
						seen := "not yet"
						if k.Seen != nil {
							seen = k.Seen.Local().Format(time.DateOnly)
						}
						t.row(k.Selector, k.Algorithm, keyState(k.State), k.Since.Local().Format(time.DateOnly), seen)
					}
					t.write(w)
				})
			})
		},
	}
}

// keyState says what a key does: the word of programs for a spare, published, would tell of its record, which may not be.
func keyState(state string) string {
	switch seal.State(state) {
	case seal.Active:
		return "signs"
	case seal.Published:
		return "spare"
	}
	return state
}

func (s *session) dkimRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate DOMAIN", Short: "Change a domain's keys, without a gap", Args: want(1, 1, "a domain"),
		Long: "Let the keys that wait sign in the place of those that do now, and make new ones to wait. A spare signs only once its record has been\n" +
			"in the DNS for a day; what is waited for is said, and goes on by itself.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				r, err := op.RotateKeys(cmd.Context(), admin.DomainName{Name: args[0]})
				if err != nil {
					return err
				}
				return s.show(r, func(w io.Writer) {
					if len(r.Done) == 0 {
						fmt.Fprintln(w, "Nothing was changed yet; the keys that sign go on doing so.")
					}
					for _, line := range append(r.Done, r.Waiting...) {
						fmt.Fprintln(w, safe(line))
					}
					if len(r.Publish) > 0 {
						fmt.Fprintln(w, "These records have to be in the DNS:")
					}
					for _, line := range r.Publish {
						fmt.Fprintln(w, safe(line))
					}
				})
			})
		},
	}
}

func (s *session) banCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "ban", Short: "Who is kept out for guessing passwords", Aliases: []string{"bans"}}, s.banList(), s.banRemove())
}

func (s *session) banList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List who is kept out", Args: want(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Bans(cmd.Context(), admin.Nothing{})
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) { s.bansText(w, list) })
			})
		},
	}
}

func (s *session) bansText(w io.Writer, list admin.BanList) {
	if len(list.Bans) == 0 {
		fmt.Fprintln(w, "Nobody is kept out.")
		return
	}
	t := s.table("ADDRESS", "UNTIL", "FAILURES", "TIMES").numbers(2, 3)
	for _, b := range list.Bans {
		t.row(b.Prefix.String(), b.Until.Local().Format("2006-01-02 15:04"), b.Failures, b.Times)
	}
	t.write(w)
}

func (s *session) banRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove ADDRESS", Aliases: []string{"rm"}, Short: "Let somebody in again", Args: want(1, 1, "an address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				list, err := op.Unban(cmd.Context(), admin.BanName{Prefix: args[0]})
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) { s.bansText(w, list) })
			})
		},
	}
}

func (s *session) reportsCommand() *cobra.Command {
	var r admin.ReportFilter
	var details bool
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List reports, the latest first", Args: want(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				got, err := op.Reports(cmd.Context(), r)
				if err != nil {
					return err
				}
				return s.show(got, func(w io.Writer) { s.reportsText(w, got, details) })
			})
		},
	}
	list.Flags().StringVar(&r.Domain, "domain", "", "about one `DOMAIN`")
	list.Flags().StringVar(&r.Kind, "kind", "", "dmarc or tls")
	list.Flags().IntVar(&r.Limit, "limit", 0, "the latest `N` (default 100)")
	list.Flags().BoolVar(&details, "details", false, "who sent, and what failed")
	return parent(&cobra.Command{Use: "reports", Short: "What others tell of mail in our name, and of TLS to us", Aliases: []string{"report"}}, list)
}

func (s *session) reportsText(w io.Writer, list admin.ReportList, details bool) {
	if len(list.Reports) == 0 {
		fmt.Fprintln(w, "No report has come in yet. They go to the addresses in the DMARC and TLSRPT records: postrider dns records DOMAIN")
		return
	}
	t := s.table("DAY", "KIND", "DOMAIN", "FROM", "PASSED", "FAILED", "POLICY").numbers(4, 5)
	for _, r := range list.Reports {
		t.row(r.Begin.UTC().Format(time.DateOnly), r.Kind, r.Domain, r.Organization, r.Passed, r.Failed, r.Policy)
		if details {
			for _, d := range r.Details {
				t.row("", "", "", "  "+d.Subject, d.Count, "", d.Result)
			}
		}
	}
	t.write(w)
}

// readSecret reads the first line of a file, or of standard input for "-". what is told when it cannot be read.
func (s *session) readSecret(name, what string) (string, error) {
	in := s.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", mail.Errorf(mail.Invalid, "the file with the %s cannot be read: %w", what, err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 4<<10))
	if err != nil {
		return "", mail.Errorf(mail.Invalid, "the %s cannot be read: %w", what, err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimRight(line, "\r"), nil
}
