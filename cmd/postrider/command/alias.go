package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
)

func (s *session) aliasCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "alias", Short: "Addresses whose mail goes to others", Aliases: []string{"aliases"}},
		s.aliasAdd(), s.aliasSet(), s.aliasList(), s.aliasShow(), s.aliasRemove())
}

func (s *session) aliasAdd() *cobra.Command {
	var r admin.NewAlias
	c := &cobra.Command{
		Use: "add ADDRESS TARGET...", Short: "Send mail for an address to others, here or elsewhere", Args: want(2, -1, "an address and at least one target"),
		Example:           "  postrider alias add sales@example.com ann@example.com bob@example.com",
		ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Address, r.Targets = args[0], args[1:]
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				a, err := op.AddAlias(cmd.Context(), r)
				if err != nil {
					return err
				}
				s.warnings(a.Warnings)
				return s.show(a, func(w io.Writer) {
					fmt.Fprintf(w, "Mail for %s goes to %s.\n", s.paint.strong(safe(a.Address)), safe(strings.Join(a.Targets, ", ")))
				})
			})
		},
	}
	c.Flags().BoolVar(&r.Replace, "replace", false, "change an alias that exists")
	return c
}

func (s *session) aliasSet() *cobra.Command {
	var r admin.AliasUpdate
	c := &cobra.Command{
		Use: "set ADDRESS", Short: "Let targets of an alias come and go", Args: want(1, 1, "an address"),
		Example:           "  postrider alias set sales@example.com --add carol@example.com --remove bob@example.com",
		ValidArgsFunction: s.completeAliases,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Address = args[0]
			if len(r.Add)+len(r.Remove) == 0 {
				return usageError{"give --add or --remove with a target"}
			}
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				a, err := op.UpdateAlias(cmd.Context(), r)
				if err != nil {
					return err
				}
				s.warnings(a.Warnings)
				return s.show(a, func(w io.Writer) {
					fmt.Fprintf(w, "Mail for %s goes to %s.\n", s.paint.strong(safe(a.Address)), safe(strings.Join(a.Targets, ", ")))
				})
			})
		},
	}
	c.Flags().StringSliceVar(&r.Add, "add", nil, "`TARGET` that gets its mail too; may be repeated")
	c.Flags().StringSliceVar(&r.Remove, "remove", nil, "`TARGET` that does not get it any more; may be repeated")
	return c
}

func (s *session) aliasShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ADDRESS", Short: "Show an alias and what its targets are", Args: want(1, 1, "an address"),
		ValidArgsFunction: s.completeAliases,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				a, err := op.Alias(cmd.Context(), admin.AliasName{Address: args[0]})
				if err != nil {
					return err
				}
				s.warnings(a.Warnings)
				return s.show(a, func(w io.Writer) {
					t := s.table("TARGET", "IS", "NAME")
					for _, m := range a.Members {
						t.row(m.Address, m.Kind, dash(m.Name))
					}
					t.write(w)
				})
			})
		},
	}
}

func (s *session) aliasList() *cobra.Command {
	return &cobra.Command{
		Use: "list [DOMAIN]", Aliases: []string{"ls"}, Short: "List the aliases", Args: want(0, 1, "a domain or nothing"),
		ValidArgsFunction: s.completeDomains,
		RunE: func(cmd *cobra.Command, args []string) error {
			var r admin.AliasFilter
			if len(args) > 0 {
				r.Domain = args[0]
			}
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Aliases(cmd.Context(), r)
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) {
					if len(list.Aliases) == 0 {
						fmt.Fprintln(w, "There is no alias. Add one with: postrider alias add sales@example.com ann@example.com")
					}
					t := s.table("ADDRESS", "GOES TO", "ADDED")
					for _, a := range list.Aliases {
						t.row(a.Address, shortList(a.Targets), s.ago(a.Created))
					}
					t.write(w)
				})
			})
		},
	}
}

// shortList names the first few of many.
func shortList(words []string) string {
	const most = 4
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
}

func (s *session) aliasRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove ADDRESS", Aliases: []string{"rm", "delete"}, Short: "Delete an alias", Args: want(1, 1, "an address"),
		ValidArgsFunction: s.completeAliases,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				a, err := op.RemoveAlias(cmd.Context(), admin.AliasName{Address: args[0]})
				if err != nil {
					return err
				}
				return s.show(a, func(w io.Writer) { fmt.Fprintf(w, "Alias %s is deleted.\n", safe(a.Address)) })
			})
		},
	}
}
