package command

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/admin"
	ours "github.com/postrider/postrider/mail"
)

func (s *session) sendCommand() *cobra.Command {
	var r admin.SendRequest
	var l letter
	var raw bool
	var p personal
	c := &cobra.Command{
		Use: "send [RECIPIENT]...", Short: "Send a message, as a person or as one of our accounts",
		Args: func(cmd *cobra.Command, args []string) error {
			if p.given() {
				return nil
			}
			return want(0, 0, "")(cmd, args)
		},
		Long: "Send a message. With --as or --server you send as a person, over HTTPS and with your password, from wherever you are: the text comes from\n" +
			"--text, standard input, or your editor at a terminal, and --wait tells what becomes of each recipient. The password is $POSTRIDER_PASSWORD, in\n" +
			"the file of --password-file, or asked for.\n\n" +
			"Without them the operator sends as one of our accounts, by the server that runs here. The text comes from --text or standard input. With --raw,\n" +
			"standard input is a whole message with its header, and its To, Cc and Bcc name the recipients unless --to does.",
		Example: "  echo 'It works.' | postrider send --as ann@example.com bob@example.org -s Hello -a picture.jpg --wait\n" +
			"  echo 'It works.' | postrider send --account ann@example.com --to bob@example.org --subject Hello\n" +
			"  postrider send --account ann@example.com --raw < message.eml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.given() {
				if raw || r.Account != "" {
					return usageError{"--account and --raw are the operator's; they do not go with --as or --server"}
				}
				l.to = append(args, l.to...)
				return s.sendAs(cmd.Context(), &p, l, r.From)
			}
			if p.html || p.wait != 0 || p.secret != "" || p.ca != "" {
				return usageError{"--html, --wait, --password-file and --ca go with --as"}
			}
			r.Account = cmp.Or(r.Account, r.From)
			if r.Account == "" {
				return usageError{"name the account that sends with --account, or with --from where that is its own address"}
			}
			message, to, err := s.message(l, r, raw)
			if err != nil {
				return err
			}
			defer message.Close()
			r.To = to
			return s.with(cmd.Context(), toWrite, func(op admin.Operator) error {
				sent, err := op.Send(cmd.Context(), r, message)
				if err != nil {
					return err
				}
				return s.show(sent, func(w io.Writer) {
					fmt.Fprintf(w, "Sent to %s.\nFollow it with: postrider trace %s\n", safe(shortList(sent.To)), sent.Trace)
				})
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Account, "account", "", "`ADDRESS` of the account that sends (default: that of --from)")
	f.StringVar(&r.From, "from", "", "`ADDRESS` it is from, if not the account's own")
	f.StringArrayVar(&l.to, "to", nil, "`ADDRESS` of a recipient; may be repeated")
	f.StringArrayVar(&l.cc, "cc", nil, "`ADDRESS` of a recipient in copy; may be repeated")
	f.StringArrayVar(&l.bcc, "bcc", nil, "`ADDRESS` of a recipient that the others do not see; may be repeated")
	f.StringVarP(&l.subject, "subject", "s", "", "what it is about")
	f.StringVar(&l.text, "text", "", "the text, instead of standard input")
	f.StringArrayVarP(&l.attach, "attach", "a", nil, "`FILE` to attach; may be repeated")
	f.BoolVar(&raw, "raw", false, "standard input is a whole message with its header")
	p.add(c, &s.configPath)
	_ = c.RegisterFlagCompletionFunc("account", s.completeAccounts)
	return c
}

// message is what is sent, and to whom. It must be closed.
func (s *session) message(l letter, r admin.SendRequest, raw bool) (io.ReadCloser, []string, error) {
	to := slices.Concat(l.to, l.cc, l.bcc)
	if raw {
		if len(l.cc)+len(l.attach) > 0 || l.subject != "" || l.text != "" {
			return nil, nil, usageError{"with --raw the message is taken as it is; --subject, --text, --cc and --attach cannot change it"}
		}
		message, to, err := rawMessage(s.In, to)
		return io.NopCloser(message), to, err
	}
	if len(to) == 0 {
		return nil, nil, usageError{"name a recipient with --to"}
	}
	l.from = r.From
	if l.from == "" {
		l.from = r.Account
	}
	if l.text == "" {
		if s.InTerminal {
			s.note("Type the text; end it with Ctrl-D on an empty line.")
		}
		l.body = s.In
	} else {
		l.body = strings.NewReader(l.text)
	}
	message, err := l.compose()
	return message, to, err
}

// maxHeader bounds the header in which recipients are looked for, in octets.
const maxHeader = 1 << 20

// rawMessage passes a message on and finds its recipients in the header where none are named.
func rawMessage(in io.Reader, to []string) (io.Reader, []string, error) {
	if len(to) > 0 {
		return in, to, nil
	}
	var head bytes.Buffer
	lines := bufio.NewReader(in)
	for head.Len() < maxHeader {
		line, err := lines.ReadSlice('\n')
		head.Write(line)
		if err != nil && err != bufio.ErrBufferFull || len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	whole := io.MultiReader(bytes.NewReader(head.Bytes()), lines)
	m, err := mail.ReadMessage(bytes.NewReader(head.Bytes()))
	if err != nil {
		return nil, nil, ours.Errorf(ours.Invalid, "the header of the message cannot be read, so its recipients are unknown; name them with --to: %w", err)
	}
	for _, field := range []string{"To", "Cc", "Bcc"} {
		for _, value := range m.Header[field] {
			list, err := mail.ParseAddressList(value)
			if err != nil && strings.TrimSpace(value) != "" && !strings.HasSuffix(strings.TrimSpace(value), ":;") {
				return nil, nil, ours.Errorf(ours.Invalid, "the %s field cannot be read; name the recipients with --to: %w", field, err)
			}
			for _, a := range list {
				if !slices.Contains(to, a.Address) {
					to = append(to, a.Address)
				}
			}
		}
	}
	if len(to) == 0 {
		return nil, nil, ours.Errorf(ours.Invalid, "the header of the message names no recipient; name one with --to")
	}
	return whole, to, nil
}
