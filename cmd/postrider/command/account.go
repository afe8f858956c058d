package command

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

func (s *session) accountCommand() *cobra.Command {
	return parent(&cobra.Command{Use: "account", Short: "People and programs with mailboxes", Aliases: []string{"accounts"}},
		s.accountAdd(), s.accountList(), s.accountShow(), s.accountPassword(), s.accountQuota(), s.accountRename(), s.accountSet(),
		s.accountSwitch("disable", "Stop an account from logging in and sending; it still receives", true),
		s.accountSwitch("enable", "Let a disabled account log in and send again", false),
		s.accountRemove())
}

// password is where a new password comes from.
type password struct {
	stdin, generate bool
}

func (p *password) flags(c *cobra.Command) {
	c.Flags().BoolVar(&p.stdin, "password-stdin", false, "read the password from the first line of standard input")
	c.Flags().BoolVar(&p.generate, "generate", false, "make a password up and show it")
}

// read gets the password; "" asks for one to be made up.
func (p *password) read(ctx context.Context, s *session) (string, error) {
	switch {
	case p.stdin && p.generate:
		return "", usageError{"--password-stdin and --generate exclude one another"}
	case p.stdin:
		return firstLine(s.In)
	case p.generate || !s.InTerminal:
		return "", nil
	}
	typed, err := s.Secret(ctx, "Password (empty: one is made up): ")
	if err != nil || typed == "" {
		return "", err
	}
	again, err := s.Secret(ctx, "The same again: ")
	if err == nil && again != typed {
		err = mail.Errorf(mail.Invalid, "the two passwords differ; nothing was changed")
	}
	return typed, err
}

// maxPassword bounds a password and what stands around it on its line, in octets.
const maxPassword = 4096

// firstLine reads the first line of standard input.
func firstLine(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPassword+1))
	if err != nil {
		return "", mail.Errorf(mail.Invalid, "the password cannot be read from standard input: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case line == "":
		return "", mail.Errorf(mail.Invalid, "the first line of standard input is empty; it must be the password")
	case len(line) > maxPassword:
		return "", mail.Errorf(mail.TooLarge, "the first line of standard input is too long for a password")
	}
	return line, nil
}

func (s *session) accountAdd() *cobra.Command {
	var r admin.NewAccount
	var pw password
	var size string
	c := &cobra.Command{
		Use: "add ADDRESS", Short: "Make an account", Args: want(1, 1, "an address"),
		Long: "Make an account with its mailboxes. At a terminal the password is asked for; without one, and without\n" +
			"--password-stdin, one is made up and shown this once.",
		Example: "  postrider account add ann@example.com\n  printf '%s\\n' \"$PASSWORD\" | postrider account add ann@example.com --password-stdin --create-domain",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Address = args[0]
			var err error
			if r.Quota, err = quotaFlag(size); err != nil {
				return err
			}
			if r.Password, err = pw.read(cmd.Context(), s); err != nil {
				return err
			}
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				a, err := op.AddAccount(cmd.Context(), r)
				if err != nil {
					return err
				}
				return s.show(a, func(w io.Writer) {
					if a.DomainCreated {
						fmt.Fprintf(w, "Domain %s is served from now on.\n", r.Address[strings.LastIndexByte(r.Address, '@')+1:])
					}
					fmt.Fprintf(w, "Account %s is ready.\n", s.paint.strong(a.Address))
					if a.Admin {
						fmt.Fprintln(w, "It may administer the system from the web.")
					}
					s.generated(w, a.Password)
				})
			})
		},
	}
	pw.flags(c)
	c.Flags().StringVar(&r.Name, "name", "", "`NAME` of the person, for people")
	c.Flags().StringVar(&size, "quota", "", "how much mail it may hold, such as 5GiB, or none")
	c.Flags().BoolVar(&r.Admin, "admin", false, "let it administer the system from the web")
	c.Flags().BoolVar(&r.CreateDomain, "create-domain", false, "serve the domain too, if that is new")
	return c
}

func (s *session) generated(w io.Writer, password string) {
	if password != "" {
		fmt.Fprintf(w, "Password: %s\nIt is not shown again.\n", s.paint.strong(password))
	}
}

// quotaFlag reads a quota; "" is nil.
func quotaFlag(size string) (*int64, error) {
	var n int64
	switch size {
	case "":
		return nil, nil
	case "none", "unlimited":
		return &n, nil
	}
	v, err := config.ParseSize(size)
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "the quota cannot be: %w", err)
	}
	n = int64(v)
	return &n, nil
}

func (s *session) accountList() *cobra.Command {
	return &cobra.Command{
		Use: "list [DOMAIN]", Aliases: []string{"ls"}, Short: "List the accounts", Args: want(0, 1, "a domain or nothing"),
		ValidArgsFunction: s.completeDomains,
		RunE: func(cmd *cobra.Command, args []string) error {
			var r admin.AccountFilter
			if len(args) > 0 {
				r.Domain = args[0]
			}
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				list, err := op.Accounts(cmd.Context(), r)
				if err != nil {
					return err
				}
				return s.show(list, func(w io.Writer) {
					if len(list.Accounts) == 0 {
						fmt.Fprintln(w, "There is no account yet. Add one with: postrider account add ann@example.com --create-domain")
					}
					t := s.table("ADDRESS", "NAME", "MESSAGES", "USED", "QUOTA", "STATE", "ADDED").numbers(2, 3, 4)
					for _, a := range list.Accounts {
						t.row(a.Address, dash(a.Name), a.Messages, octets(a.Used), quota(a.Quota), s.state(a), s.ago(a.Created))
					}
					t.write(w)
				})
			})
		},
	}
}

func (s *session) state(a admin.Account) cell {
	c := cell{text: "active"}
	if a.Disabled {
		c = cell{text: "disabled", colour: s.paint.warn}
	}
	if a.Admin {
		c.text += ", admin"
	}
	return c
}

func (s *session) accountShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ADDRESS", Short: "Show an account with its mailboxes", Args: want(1, 1, "an address"),
		ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toRead, func(op admin.Operator) error {
				a, err := op.Account(cmd.Context(), admin.AccountName{Address: args[0]})
				if err != nil {
					return err
				}
				return s.show(a, func(w io.Writer) { s.accountText(w, a) })
			})
		},
	}
}

func (s *session) accountText(w io.Writer, a admin.AccountDetail) {
	fmt.Fprintln(w, s.paint.strong(safe(a.Address)))
	line := func(key, value string) {
		fmt.Fprintf(w, "  %s %s\n", s.paint.faint(fmt.Sprintf("%-9s", key)), safe(value))
	}
	if a.Name != "" {
		line("name", a.Name)
	}
	line("state", s.state(a.Account).text)
	line("holds", fmt.Sprintf("%s, %s", plural(int(a.Messages), "message", "messages"), octets(a.Used)))
	line("quota", quota(a.Quota))
	line("logs in", dash(strings.Join(a.Credentials, ", ")))
	line("aliases", dash(strings.Join(a.Aliases, ", ")))
	line("added", fmt.Sprintf("%s (%s)", a.Created.Format("2006-01-02 15:04 MST"), s.ago(a.Created)))
	fmt.Fprintln(w)
	t := s.table("MAILBOX", "USE", "MESSAGES", "UNSEEN", "SIZE").numbers(2, 3, 4)
	for _, b := range a.Mailboxes {
		t.row(b.Name, dash(b.Use), b.Messages, b.Unseen, octets(b.Size))
	}
	t.write(w)
}

func (s *session) accountPassword() *cobra.Command {
	var pw password
	c := &cobra.Command{
		Use: "set-password ADDRESS", Aliases: []string{"passwd", "password"}, Short: "Give an account a new password", Args: want(1, 1, "an address"),
		ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := pw.read(cmd.Context(), s)
			if err != nil {
				return err
			}
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				changed, err := op.SetPassword(cmd.Context(), admin.PasswordChange{Address: args[0], Password: text})
				if err != nil {
					return err
				}
				return s.show(changed, func(w io.Writer) {
					fmt.Fprintf(w, "Account %s has a new password.\n", s.paint.strong(changed.Address))
					s.generated(w, changed.Password)
				})
			})
		},
	}
	pw.flags(c)
	return c
}

func (s *session) accountQuota() *cobra.Command {
	return &cobra.Command{
		Use: "set-quota ADDRESS SIZE", Aliases: []string{"quota"}, Short: "Set how much mail an account may hold",
		Args: want(2, 2, "an address, and a size such as 5GiB or none"), ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := quotaFlag(args[1])
			if err != nil {
				return err
			}
			if n == nil {
				return usageError{"the size is empty; write one such as 5GiB, or none"}
			}
			return s.update(cmd.Context(), admin.AccountUpdate{Address: args[0], Quota: n}, func(w io.Writer, a admin.Account) {
				fmt.Fprintf(w, "Account %s holds %s; its quota is %s.\n", a.Address, octets(a.Used), quota(a.Quota))
			})
		},
	}
}

func (s *session) accountRename() *cobra.Command {
	return &cobra.Command{
		Use: "set-name ADDRESS NAME", Short: "Set what an account's person is called", Args: want(2, 2, "an address and a name"),
		ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.update(cmd.Context(), admin.AccountUpdate{Address: args[0], Name: &args[1]}, func(w io.Writer, a admin.Account) {
				fmt.Fprintf(w, "Account %s is called %q.\n", a.Address, safe(a.Name))
			})
		},
	}
}

func (s *session) accountSet() *cobra.Command {
	var admins, no bool
	c := &cobra.Command{
		Use: "set ADDRESS", Short: "Let an account administer the system from the web, or not", Args: want(1, 1, "an address"),
		Example:           "  postrider account set ann@example.com --admin\n  postrider account set ann@example.com --no-admin",
		ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if admins == no {
				return usageError{"give either --admin or --no-admin"}
			}
			return s.update(cmd.Context(), admin.AccountUpdate{Address: args[0], Admin: &admins}, func(w io.Writer, a admin.Account) {
				if admins {
					fmt.Fprintf(w, "Account %s may administer the system from the web.\n", a.Address)
					return
				}
				fmt.Fprintf(w, "Account %s may not administer the system.\n", a.Address)
			})
		},
	}
	c.Flags().BoolVar(&admins, "admin", false, "it may administer the system from the web")
	c.Flags().BoolVar(&no, "no-admin", false, "it may not any more")
	return c
}

func (s *session) accountSwitch(use, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " ADDRESS", Short: short, Args: want(1, 1, "an address"), ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.update(cmd.Context(), admin.AccountUpdate{Address: args[0], Disabled: &disabled}, func(w io.Writer, a admin.Account) {
				if disabled {
					fmt.Fprintf(w, "Account %s can neither log in nor send; it still receives.\n", a.Address)
					return
				}
				fmt.Fprintf(w, "Account %s can log in and send.\n", a.Address)
			})
		},
	}
}

func (s *session) update(ctx context.Context, r admin.AccountUpdate, text func(io.Writer, admin.Account)) error {
	return s.with(ctx, toWrite, func(op admin.Operator) error {
		a, err := op.UpdateAccount(ctx, r)
		if err != nil {
			return err
		}
		return s.show(a, func(w io.Writer) { text(w, a) })
	})
}

func (s *session) accountRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "remove ADDRESS", Aliases: []string{"rm", "delete"}, Short: "Delete an account and all its mail", Args: want(1, 1, "an address"),
		ValidArgsFunction: s.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				if !yes {
					a, err := op.Account(cmd.Context(), admin.AccountName{Address: args[0]})
					if err != nil {
						return err
					}
					what := fmt.Sprintf("This deletes %s with %s (%s) for good", a.Address, plural(int(a.Messages), "message", "messages"), octets(a.Used))
					if err := s.confirm(what); err != nil {
						return err
					}
				}
				a, err := op.RemoveAccount(cmd.Context(), admin.AccountName{Address: args[0]})
				if err != nil {
					return err
				}
				return s.show(a, func(w io.Writer) {
					fmt.Fprintf(w, "Account %s and its %s are deleted.\n", a.Address, plural(int(a.Messages), "message", "messages"))
				})
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// confirm asks whether to go on. Without a terminal the answer must come as --yes.
func (s *session) confirm(what string) error {
	if !s.InTerminal || s.json {
		return usageError{what + "; add --yes if that is meant"}
	}
	fmt.Fprintf(s.Err, "%s. Type yes to go on: ", what)
	line := make([]byte, 0, 8)
	for b := make([]byte, 1); len(line) < cap(line); {
		n, err := s.In.Read(b)
		if n == 0 || err != nil || b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	if !strings.EqualFold(strings.TrimSpace(string(line)), "yes") {
		return mail.Errorf(mail.Denied, "nothing was changed")
	}
	return nil
}
