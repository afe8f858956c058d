package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// KindClient is the kind of the notes that say which programs log in to an account: one for each credential and service, with the latest
// use. Their keys are "<account id>/<label>/<service>".
const KindClient = "client"

// What is remembered of uses, and for how long.
const (
	clientEvery  = time.Hour // of the same label, service and address
	clientsKept  = 180 * 24 * time.Hour
	clientsQueue = 256
	clientsKnown = 10_000
	maxAgent     = 200 // octets
)

// Client is a program that logged in.
type Client struct {
	Label   string
	Service string     // imap, pop3, smtp, jmap, web
	Address netip.Addr // the zero one when it had none
	Agent   string
	At      time.Time
}

// clientNote is the value of a note.
type clientNote struct {
	At      time.Time  `json:"at"`
	Address netip.Addr `json:"address"`
	Agent   string     `json:"agent,omitempty"`
}

// Clients writes down which programs log in: it implements Uses. What comes faster than it can be written is dropped, for it is told
// again an hour later.
type Clients struct {
	journal mail.Journal
	notes   mail.Notes
	clock   mail.Clock
	log     *slog.Logger
	queue   chan Use

	mu    sync.Mutex
	noted map[Use]time.Time // without Agent
}

// NewClients makes it; it writes while Run runs. log may be nil.
func NewClients(j mail.Journal, n mail.Notes, clock mail.Clock, log *slog.Logger) *Clients {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Clients{journal: j, notes: n, clock: clock, log: log, queue: make(chan Use, clientsQueue), noted: map[Use]time.Time{}}
}

// Used implements Uses. It waits for nothing.
func (c *Clients) Used(u Use) {
	if scopeName(u.Service) == "" {
		return
	}
	which, now := u, c.clock.Now()
	which.Agent = ""
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.noted[which]; ok && now.Sub(at) < clientEvery {
		return
	}
	select {
	case c.queue <- u:
		if len(c.noted) >= clientsKnown {
			clear(c.noted)
		}
		c.noted[which] = now
	default:
	}
}

// Run writes until ctx ends.
func (c *Clients) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-c.queue:
			if err := c.write(ctx, u); err != nil && ctx.Err() == nil {
				c.log.Warn("a client that logged in is not written down", "role", "service/directory", "account", int64(u.Account), "error", err)
			}
		}
	}
}

// write notes a use, unless another process has done so within the hour. A crash before the commit forgets what is told again.
func (c *Clients) write(ctx context.Context, u Use) error {
	key := clientPrefix(u.Account) + u.Label + "/" + scopeName(u.Service)
	now := c.clock.Now()
	old, err := c.notes.Note(ctx, KindClient, key)
	switch {
	case mail.Is(err, mail.NotFound):
	case err != nil:
		return err
	default:
		var v clientNote
		if json.Unmarshal(old.Value, &v) == nil && v.Address == u.Address && now.Sub(v.At) < clientEvery {
			return nil
		}
	}
	value, err := json.Marshal(clientNote{At: now, Address: u.Address, Agent: strings.ToValidUTF8(u.Agent[:min(len(u.Agent), maxAgent)], "")})
	if err != nil {
		return err
	}
	_, err = c.journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: mail.Note{
		Kind: KindClient, Key: key, Account: u.Account, Value: value, Expires: now.Add(clientsKept),
	}}}})
	return err
}

func clientPrefix(id mail.AccountID) string { return strconv.FormatInt(int64(id), 10) + "/" }

// ClientsOf lists the programs that logged in to an account, the latest first.
func ClientsOf(ctx context.Context, notes mail.Notes, account mail.AccountID) ([]Client, error) {
	prefix := clientPrefix(account)
	list, err := notes.Notes(ctx, mail.NoteQuery{Kind: KindClient, Prefix: prefix})
	if err != nil {
		return nil, err
	}
	out := make([]Client, 0, len(list))
	for _, n := range list {
		var v clientNote
		rest := strings.TrimPrefix(n.Key, prefix)
		at := strings.LastIndexByte(rest, '/')
		if at < 0 || json.Unmarshal(n.Value, &v) != nil {
			continue // whoever wrote that, it is not ours
		}
		out = append(out, Client{Label: rest[:at], Service: rest[at+1:], Address: v.Address, Agent: v.Agent, At: v.At})
	}
	slices.SortStableFunc(out, func(a, b Client) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Label, b.Label)) })
	return out, nil
}

// forgetClients are the changes that forget the uses of a credential.
func forgetClients(account mail.AccountID, label string) []mail.Change {
	var out []mail.Change
	for _, k := range scopes {
		out = append(out, mail.RemoveNote{Kind: KindClient, Key: clientPrefix(account) + label + "/" + k.name})
	}
	return out
}
