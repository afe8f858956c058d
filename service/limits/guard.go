package limits

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of what the guard keeps in memory.
const (
	maxTallied = 1 << 16 // keys of each tally
	maxBans    = 1 << 16
	maxKnown   = 1 << 13
)

// Guard stands before passwords. The one who logs in is a pair of client (an IPv4 address, an IPv6 /64) and account name. A pair that
// has logged in before is known. What is refused or slowed, and who:
//
//	                                   a known pair            anybody else
//	their client is banned             goes on                 refused until the ban ends
//	their account is guessed at        goes on                 waits before the password is looked at
//	their password is wrong            waits for the answer    waits for the answer, and counts towards the ban
//
// All methods are safe for concurrent use.
type Guard struct {
	failures int // 0: everything passes
	banFor   time.Duration
	exempt   []netip.Prefix
	notes    mail.Notes
	journal  mail.Journal
	clock    mail.Clock
	log      *slog.Logger
	seed     maphash.Seed

	clients  *tally // failures of strangers by client
	accounts *tally // the same by account
	pairs    *tally // failures of known pairs
	room     room
	known    known
	bans     bans
}

func newGuard(c Config) *Guard {
	return &Guard{
		failures: c.LoginFailures, banFor: c.BanFor, exempt: c.Exempt, notes: c.Notes, journal: c.Journal, clock: c.Clock, log: c.Log, seed: maphash.MakeSeed(),
		clients: newTally(maxTallied, c.LoginWindow), accounts: newTally(maxTallied, c.LoginWindow), pairs: newTally(maxTallied, c.LoginWindow),
		room:  room{clock: c.Clock, of: map[uint64]int{}},
		known: newKnown(c.Secret), bans: bans{of: map[netip.Prefix]*ban{}},
	}
}

// off reports whether the guard lets the address pass unseen.
func (g *Guard) off(ip netip.Addr) bool {
	return g.failures <= 0 || !ip.IsValid() || within(ip, g.exempt)
}

// Admit is for the doors that users log in at: TooMany when the address is banned and nobody is known to have ever logged in from
// there. It waits for nothing.
func (g *Guard) Admit(ip netip.Addr) error {
	if g.off(ip) {
		return nil
	}
	now := g.clock.Now()
	if b, ok := g.bans.get(client(ip), now); ok && !b.inhabited {
		return banned(b, now)
	}
	return nil
}

// Attempt is called before a secret is looked at. user is the account's address in canonical spelling, or what was given for one.
// TooMany when it may not be looked at now; Unavailable when that cannot be told, or ctx ended. It may wait for maxWait.
func (g *Guard) Attempt(ctx context.Context, ip netip.Addr, user mail.Path) error {
	if g.off(ip) {
		return nil
	}
	now := g.clock.Now()
	account := g.accountKey(user)
	b, isBanned := g.bans.get(client(ip), now)
	guesses := g.accounts.get(account, now)
	if !isBanned && guesses < g.failures {
		return nil // the usual case, which costs no look into the store
	}
	switch isKnown, err := g.isKnown(ctx, client(ip), user, now); {
	case err != nil:
		return err
	case isKnown:
		return nil
	case isBanned:
		return banned(b, now)
	}
	room, err := g.room.wait(ctx, account, slow(freeFailures+guesses/g.failures))
	if err == nil && !room {
		return tooMany("4.7.0", "too many wrong passwords are tried for this account, from many places; try again in a minute, or from where you have logged in before, see %s", pageLogins)
	}
	return err
}

// Failed is called when a secret was wrong, before that is told. It may wait for maxWait, whatever it was that was wrong.
func (g *Guard) Failed(ctx context.Context, ip netip.Addr, user mail.Path) {
	if g.off(ip) {
		return
	}
	now := g.clock.Now()
	c := client(ip)
	isKnown, err := g.isKnown(ctx, c, user, now)
	if err != nil {
		g.log.Warn("it cannot be told whether a client is known; taken for a stranger", "role", "service/limits", "client", c.String(), "error", err)
	}
	n := 0
	if isKnown {
		n = g.pairs.add(g.pairKey(c, user), now)
	} else {
		g.accounts.add(g.accountKey(user), now)
		if n = g.clients.add(g.clientKey(c), now); n >= g.failures {
			g.ban(ctx, c, n)
			g.clients.forget(g.clientKey(c))
		}
	}
	g.room.wait(ctx, waitUnlimited, slow(n)) //nolint:errcheck // whoever does not wait is told at once
}

// Succeeded is called when a secret was right. The pair is known from then on. A failure to write that down is logged: the login is
// as good.
func (g *Guard) Succeeded(ctx context.Context, ip netip.Addr, user mail.Path) {
	if g.off(ip) {
		return
	}
	c := client(ip)
	g.pairs.forget(g.pairKey(c, user))
	g.bans.inhabit(c)
	if err := g.remember(ctx, c, user, g.clock.Now()); err != nil {
		g.log.Warn("a client that logged in is not remembered", "role", "service/limits", "client", c.String(), "error", err)
	}
}

func banned(b ban, now time.Time) error {
	return tooMany("4.7.0", "too many wrong passwords came from your address %s; try again in %s, with the right one, see %s",
		b.Prefix.Addr(), span(b.Until.Sub(now)), pageLogins)
}

// Keys of tallies: of this process only.

func (g *Guard) clientKey(c netip.Prefix) uint64 { return g.pairKey(c, "") }

func (g *Guard) accountKey(user mail.Path) uint64 {
	return max(1, maphash.String(g.seed, string(user)))
}

func (g *Guard) pairKey(c netip.Prefix, user mail.Path) uint64 {
	var h maphash.Hash
	h.SetSeed(g.seed)
	a := c.Addr().As16()
	h.Write(a[:])                                         //nolint:errcheck // never fails
	h.Write(binary.AppendUvarint(nil, uint64(len(user)))) //nolint:errcheck // as above
	h.WriteString(string(user))                           //nolint:errcheck // as above
	return h.Sum64()
}
