package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/httpapi"
)

// completeTime is how long a shell may wait for names.
const completeTime = time.Second

// complete lists names for a shell. It asks a running server only: a key press should not open a store.
func (s *session) complete(cmd *cobra.Command, list func(context.Context, admin.Operator) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
	defer cancel()
	cfg, _, err := s.configuration()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := httpapi.Dial(ctx, cfg.AdminSocket())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer client.Close()
	names, err := list(ctx, client)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (s *session) completeDomains(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, op admin.Operator) (names []string, err error) {
		list, err := op.Domains(ctx, admin.Nothing{})
		for _, d := range list.Domains {
			names = append(names, d.Name)
		}
		return names, err
	})
}

func (s *session) completeAccounts(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.complete(cmd, func(ctx context.Context, op admin.Operator) (names []string, err error) {
		list, err := op.Accounts(ctx, admin.AccountFilter{})
		for _, a := range list.Accounts {
			names = append(names, a.Address)
		}
		return names, err
	})
}

func (s *session) completeAliases(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.complete(cmd, func(ctx context.Context, op admin.Operator) (names []string, err error) {
		list, err := op.Aliases(ctx, admin.AliasFilter{})
		for _, a := range list.Aliases {
			names = append(names, a.Address)
		}
		return names, err
	})
}
