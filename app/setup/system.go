package setup

import (
	"context"
	"net/netip"

	"github.com/postrider/postrider/service/records"
)

// System is the mail system that is set up: the opened store, or the server that runs on it. Every call says what is there in the end,
// and whether this call made it; calling again is safe. Names and addresses are canonical.
type System interface {
	// EnsureDomain makes the domain ours.
	EnsureDomain(ctx context.Context, domain string) (made bool, err error)
	// EnsureAccount makes the account with this password. An account without a password counts as not made: it gets this one. The password of
	// one that has its own is left alone.
	EnsureAccount(ctx context.Context, address, password string) (made bool, err error)
	// EnsureAlias makes an alias. An address that is an alias or an account already is left alone.
	EnsureAlias(ctx context.Context, address, target string) (made bool, err error)
	// EnsureKeys makes the DKIM keys that the domain lacks: RSA and Ed25519, each active, with a spare.
	EnsureKeys(ctx context.Context, domain string) (made bool, err error)
	// Records lists the DNS records that the domain needs. addresses are those at which others reach the host; empty: not known.
	Records(ctx context.Context, domain string, addresses []netip.Addr) ([]records.Record, error)
	// Publish writes the records that have a Zone to the configured provider, and says in one sentence what it did.
	Publish(ctx context.Context, all []records.Record) (said string, err error)
	Close() error
}
