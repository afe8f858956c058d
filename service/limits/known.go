package limits

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// KindKnown is the kind of the notes that remember who has logged in from where.
const KindKnown = "known-client"

// KnownFor is how long a client that does not log in any more is known. It is renewed when less than half of it is left.
const KnownFor = 90 * 24 * time.Hour

// known makes the keys of known clients and remembers some that were looked up.
type known struct {
	key []byte

	mu   sync.Mutex
	good map[string]time.Time // until when
}

func newKnown(secret []byte) known {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("service/limits known-client"))
	return known{key: m.Sum(nil), good: map[string]time.Time{}}
}

// place is what all keys of one client begin with.
func (k *known) place(c netip.Prefix) string {
	m := hmac.New(sha256.New, k.key)
	m.Write([]byte("client\x00" + c.String()))
	return hex.EncodeToString(m.Sum(nil)[:12]) + "/"
}

// pair is the key of one client and account.
func (k *known) pair(c netip.Prefix, user mail.Path) string {
	m := hmac.New(sha256.New, k.key)
	m.Write([]byte("pair\x00" + c.String() + "\x00" + string(user)))
	return k.place(c) + hex.EncodeToString(m.Sum(nil)[:16])
}

// until tells how long a key is known for sure; zero when it has to be looked up.
func (k *known) until(key string) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.good[key]
}

// learn notes that a key is known. Only those who have logged in get here.
func (k *known) learn(key string, until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.good) >= maxKnown {
		clear(k.good) // they are in the notes
	}
	k.good[key] = until
}

// isKnown reports whether somebody has logged in to the account from the client.
func (g *Guard) isKnown(ctx context.Context, c netip.Prefix, user mail.Path, now time.Time) (bool, error) {
	key := g.known.pair(c, user)
	if now.Before(g.known.until(key)) {
		return true, nil
	}
	n, err := g.notes.Note(ctx, KindKnown, key)
	switch {
	case mail.Is(err, mail.NotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	g.known.learn(key, n.Expires)
	return now.Before(n.Expires), nil
}

// inhabited reports whether anybody has logged in from the client.
func (g *Guard) inhabited(ctx context.Context, c netip.Prefix) (bool, error) {
	list, err := g.notes.Notes(ctx, mail.NoteQuery{Kind: KindKnown, Prefix: g.known.place(c), Limit: 1})
	return len(list) > 0, err
}

// remember makes a pair known, or known for longer. A crash before the commit forgets a login that the next one will note.
func (g *Guard) remember(ctx context.Context, c netip.Prefix, user mail.Path, now time.Time) error {
	key := g.known.pair(c, user)
	if g.known.until(key).Sub(now) > KnownFor/2 {
		return nil
	}
	n, err := g.notes.Note(ctx, KindKnown, key)
	if err == nil && n.Expires.Sub(now) > KnownFor/2 {
		g.known.learn(key, n.Expires)
		return nil
	}
	if err != nil && !mail.Is(err, mail.NotFound) {
		return err
	}
	until := now.Add(KnownFor)
	_, err = g.journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: mail.Note{Kind: KindKnown, Key: key, Expires: until}}}})
	if err == nil {
		g.known.learn(key, until)
	}
	return err
}
