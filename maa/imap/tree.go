package imap

import (
	"context"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// node is a name that LIST may tell: a mailbox, or a level above one that is no mailbox itself.
type node struct {
	name     string
	box      *mail.Mailbox // nil: \NonExistent
	children bool
	wanted   bool // a mailbox below it is subscribed
}

// tree lists all names of the account, levels before what is below them.
func (s *session) tree(ctx context.Context) ([]node, error) {
	list, err := s.cfg.Mailboxes.Mailboxes(ctx, s.account.ID)
	if err != nil {
		return nil, err
	}
	exists := make(map[string]bool, len(list))
	for _, b := range list {
		exists[b.Name] = true
	}
	out := make([]node, 0, len(list))
	at := make(map[string]int, len(list))
	for i := range list {
		b := &list[i]
		for j := range len(b.Name) {
			if above := b.Name[:j]; b.Name[j] == mail.Delimiter[0] && !exists[above] {
				exists[above] = true
				at[above] = len(out)
				out = append(out, node{name: above})
			}
		}
		at[b.Name] = len(out)
		out = append(out, node{name: b.Name, box: b})
	}
	for i := range list {
		b := &list[i]
		for j := range len(b.Name) {
			if b.Name[j] == mail.Delimiter[0] {
				above := &out[at[b.Name[:j]]]
				above.children = true
				above.wanted = above.wanted || b.Subscribed
			}
		}
	}
	return out, nil
}

// matches says whether a name matches a pattern behind its reference. INBOX matches in any letter case (RFC 9051 5.1).
func matches(reference, pattern, name string) bool {
	full := reference + pattern
	if len(full) > maxName+64 {
		return false
	}
	return wire.Match(full, name, mail.Delimiter) ||
		name == mail.Inbox && wire.Match(strings.ToUpper(full), name, mail.Delimiter)
}
