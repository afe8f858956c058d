package imap

import (
	"context"
	"slices"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdList serves LIST (RFC 9051 6.3.9), with selection and return options (RFC 5258), STATUS (RFC 5819) and special uses
// (RFC 6154).
func (s *session) cmdList(ctx context.Context, _ *call, a *wire.List) (reply, error) {
	if !a.Extended && len(a.Patterns) == 1 && a.Patterns[0] == "" { // asks for the delimiter (RFC 9051 6.3.9)
		s.untagged(`LIST (\Noselect) "` + mail.Delimiter + `" ""`)
		return ok("done"), nil
	}
	nodes, err := s.tree(ctx)
	if err != nil {
		return reply{}, err
	}
	for _, n := range nodes {
		if !slices.ContainsFunc(a.Patterns, func(p string) bool { return matches(a.Reference, p, n.name) }) {
			continue
		}
		if !listed(n, a) {
			continue
		}
		s.tellNode(n, a)
		if n.box != nil && len(a.ReturnStatus) > 0 {
			if err := s.tellStatus(ctx, *n.box, a.ReturnStatus); err != nil {
				return reply{}, err
			}
		}
	}
	return ok("done"), nil
}

// listed says whether a name that matches is selected.
func listed(n node, a *wire.List) bool {
	if a.SelectSpecial && (n.box == nil || useNames[n.box.Use] == "") {
		return false
	}
	if a.SelectSubscribed {
		return n.box != nil && n.box.Subscribed || a.SelectRecursive && n.wanted
	}
	return true
}

func (s *session) tellNode(n node, a *wire.List) {
	var attrs []string
	if n.box == nil {
		attrs = append(attrs, `\NonExistent`, `\Noselect`) // RFC 3501 clients know the second alone
	}
	if n.children {
		attrs = append(attrs, `\HasChildren`)
	} else {
		attrs = append(attrs, `\HasNoChildren`)
	}
	if n.box != nil {
		if n.box.Subscribed && (a.SelectSubscribed || a.ReturnSubscribed) {
			attrs = append(attrs, `\Subscribed`)
		}
		if use := useNames[n.box.Use]; use != "" {
			attrs = append(attrs, use)
		}
	}
	s.enc.Raw("* LIST ").Words(attrs).Raw(` "` + mail.Delimiter + `" `).Mailbox(n.name)
	if a.SelectRecursive && n.wanted { // RFC 5258 3.5
		s.enc.Raw(` ("CHILDINFO" ("SUBSCRIBED"))`)
	}
	s.enc.CRLF()
}
