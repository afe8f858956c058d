package setup

import (
	"context"

	"github.com/postrider/postrider/app/setup/machine"
	"github.com/postrider/postrider/infra/dns"
)

// The machine, as far as setup looks at it or changes it; machine.This is the real one.
type (
	Host     = machine.Host
	Owner    = machine.Owner
	Listener = machine.Listener
	Resolver = machine.Resolver
)

// checker says how far an answer can be believed, and gives records of any type, fresh. A *dns.Client that validates is one.
type checker interface {
	Check(ctx context.Context, name, qtype string) (dns.Verdict, error)
}
