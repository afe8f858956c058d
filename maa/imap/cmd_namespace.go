package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// cmdNamespace serves NAMESPACE (RFC 9051 6.3.10): all there is are one's own mailboxes.
func (s *session) cmdNamespace(context.Context, *call, *wire.None) (reply, error) {
	s.untagged(`NAMESPACE (("" "` + mail.Delimiter + `")) NIL NIL`)
	return ok("done"), nil
}
