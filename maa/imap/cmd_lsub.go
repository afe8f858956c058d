package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdLSub serves LSUB (RFC 3501 6.3.9). A name that is not subscribed but has subscribed names below it, which
// the pattern does not reach, is told as \Noselect.
func (s *session) cmdLSub(ctx context.Context, _ *call, a *wire.LSub) (reply, error) {
	nodes, err := s.tree(ctx)
	if err != nil {
		return reply{}, err
	}
	for _, n := range nodes {
		subscribed := n.box != nil && n.box.Subscribed
		if !subscribed && !n.wanted || !matches(a.Reference, a.Pattern, n.name) {
			continue
		}
		attr := `\Noselect`
		if subscribed {
			attr = ""
		} else if !endsOpen(a.Pattern) {
			continue
		}
		s.enc.Raw("* LSUB (" + attr + `) "` + mail.Delimiter + `" `).Mailbox(n.name).CRLF()
	}
	return ok("done"), nil
}

// endsOpen says whether a pattern ends with "%", which alone calls for levels above (RFC 3501 6.3.9).
func endsOpen(pattern string) bool { return pattern != "" && pattern[len(pattern)-1] == '%' }
