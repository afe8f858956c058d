package directory

import (
	"context"
	"net/netip"

	"github.com/postrider/postrider/mail"
)

// Use is a login that a credential proved.
type Use struct {
	Account mail.AccountID
	Label   string     // of the credential
	Service mail.Scope // one of them; 0: of an Authenticator that is no view
	Address netip.Addr // the client's; the zero one when it has none
	Agent   string     // what the program says of itself; "" when it says nothing
}

// Uses is told of uses (Clients is one). It must not wait.
type Uses interface {
	Used(u Use)
}

type agentKey struct{}

// WithAgent lets a login that gets the context be noted under the name that the program gives itself.
func WithAgent(ctx context.Context, agent string) context.Context {
	return context.WithValue(ctx, agentKey{}, agent)
}

// used tells the Uses, if there are any.
func (a *Authenticator) used(ctx context.Context, u Use) {
	uses := a.Uses
	if a.root != nil {
		uses = a.root.Uses
	}
	if uses == nil {
		return
	}
	u.Agent, _ = ctx.Value(agentKey{}).(string)
	uses.Used(u)
}
