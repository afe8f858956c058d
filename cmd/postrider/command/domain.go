package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
)

func (s *session) domainCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "domain", Short: "Domains that are ours", Aliases: []string{"domains"}},
		s.domainAdd(), s.domainList(), s.domainCatchAll(), s.domainRemove())
}

func (s *session) domainAdd() *cobra.Command {
	var r admin.NewDomain
	c := &cobra.Command{
		Use: "add DOMAIN", Short: "Take mail for a domain", Args: want(1, 1, "a domain"),
		Example: "  postrider domain add example.com\n  postrider domain add example.com --catch-all ann@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				d, err := op.AddDomain(cmd.Context(), r)
				if err != nil {
					return err
				}
				s.warnings(d.Warnings)
				return s.show(d, func(w io.Writer) {
					fmt.Fprintf(w, "Domain %s is served from now on.\n", domainText(d))
				})
			})
		},
	}
	c.Flags().StringVar(&r.CatchAll, "catch-all", "", "`ADDRESS` that gets mail for addresses that do not exist")
	return c
}

func domainText(d admin.Domain) string {
	if d.Unicode != "" {
		return fmt.Sprintf("%s (%s)", safe(d.Unicode), d.Name)
	}
	return d.Name
}

func (s *session) domainList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the domains", Args: want(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Domains(cmd.Context(), admin.Nothing{})
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) {
					if len(list.Domains) == 0 {
						fmt.Fprintln(w, "No domain is served yet. Add one with: postrider domain add example.com")
					}
					t := s.table("DOMAIN", "ACCOUNTS", "ALIASES", "CATCH-ALL", "ADDED").numbers(1, 2)
					for _, d := range list.Domains {
						t.row(domainText(d), d.Accounts, d.Aliases, dash(d.CatchAll), s.ago(d.Created))
					}
					t.write(w)
				})
			})
		},
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (s *session) domainCatchAll() *cobra.Command {
	var off bool
	c := &cobra.Command{
		Use: "catch-all DOMAIN ADDRESS", Short: "Set where mail for addresses that do not exist goes", Aliases: []string{"set-catch-all"},
		Args:    want(1, 2, "a domain, and an address or --off"),
		Example: "  postrider domain catch-all example.com ann@example.com\n  postrider domain catch-all example.com --off",
		RunE: func(cmd *cobra.Command, args []string) error {
			target := ""
			switch {
			case off == (len(args) == 2):
				return usageError{"give either the address that gets the mail, or --off"}
			case !off:
				target = args[1]
			}
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				d, err := op.UpdateDomain(cmd.Context(), admin.DomainUpdate{Name: args[0], CatchAll: &target})
				if err != nil {
					return err
				}
				s.warnings(d.Warnings)
				return s.show(d, func(w io.Writer) {
					if off {
						fmt.Fprintf(w, "Mail for addresses of %s that do not exist is refused.\n", domainText(d))
						return
					}
					fmt.Fprintf(w, "Mail for addresses of %s that do not exist goes to %s.\n", domainText(d), safe(d.CatchAll))
				})
			})
		},
	}
	c.Flags().BoolVar(&off, "off", false, "refuse such mail")
	c.ValidArgsFunction = s.completeDomains
	return c
}

func (s *session) domainRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove DOMAIN", Aliases: []string{"rm", "delete"}, Short: "Stop taking mail for a domain without accounts and aliases",
		Args: want(1, 1, "a domain"), ValidArgsFunction: s.completeDomains,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				d, err := op.RemoveDomain(cmd.Context(), admin.DomainName{Name: args[0]})
				if err != nil {
					return err
				}
				return s.show(d, func(w io.Writer) {
					fmt.Fprintf(w, "Domain %s is not served any more.\n", domainText(d))
				})
			})
		},
	}
}
