package junk

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
)

// Defaults of Config.
const (
	DefaultThreshold = 5
	DefaultWithin    = 3 * time.Second
	// MinLearnt is how many messages of each sort a model must have learnt before it is heard.
	MinLearnt = 20
)

// Resolver is how DNS lists are asked; a dns.Resolver is one.
type Resolver interface {
	Addresses(ctx context.Context, host string) (dns.Answer[[]netip.Addr], error)
}

// Correspondents knows whom accounts have written to.
type Correspondents interface {
	// Met reports whether the account has written to the address.
	Met(ctx context.Context, account mail.AccountID, address mail.Path) (bool, error)
}

// Config is what a Filter works with. Clock is required. Without Notes no account has a model; learning also needs Journal, Places,
// Mailboxes and Blobs.
type Config struct {
	Clock    mail.Clock
	Resolver Resolver // nil asks no list
	Hostname string   // our own, which nobody else may use as HELO
	Own      []string // further names of ours that way

	Lists       []List // of addresses
	DomainLists []List
	Within      time.Duration // for all lists of one message; 0: DefaultWithin
	Threshold   float64       // the score of junk; 0: DefaultThreshold
	Refuse      float64       // the score from which on Refusal refuses; 0 refuses nothing

	Met       Correspondents // nil: nobody is known
	Notes     mail.Notes
	Journal   mail.Journal // for what is learnt; not a Watch
	Places    mail.Places
	Mailboxes mail.Mailboxes
	Blobs     mail.Blobs
	Log       *slog.Logger // nil: none
}

// Filter scores and sorts mail. It is for any number of goroutines.
type Filter struct {
	cfg     Config
	models  *models
	lessons chan lesson
	missed  atomic.Int64
}

// New makes a Filter. The error is of kind Invalid.
func New(cfg Config) (*Filter, error) {
	if cfg.Clock == nil {
		return nil, mail.Errorf(mail.Invalid, "the junk filter needs a clock")
	}
	if len(cfg.Lists) > maxLists || len(cfg.DomainLists) > maxLists {
		return nil, mail.Errorf(mail.Invalid, "at most %d DNS lists of a kind can be asked; name fewer", maxLists)
	}
	if cfg.Within <= 0 {
		cfg.Within = DefaultWithin
	}
	if cfg.Threshold <= 0 {
		cfg.Threshold = DefaultThreshold
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Filter{cfg: cfg, models: newModels(cfg.Notes, cfg.Journal, cfg.Clock), lessons: make(chan lesson, maxWaiting)}, nil
}

// Refusal is the reply to a message whose score is so high that it is refused in the session, or nil.
func (f *Filter) Refusal(s mail.Suspicion) error {
	if f.cfg.Refuse <= 0 || s.Score < f.cfg.Refuse {
		return nil
	}
	return &mail.Error{Kind: mail.Denied, Enhanced: "5.7.1", Text: fmt.Sprintf(
		"this message looks like junk mail and is refused (%s); if it is not, see docs/problems.md#lands-in-spam or ask our postmaster", reasons(s.Why, 300))}
}

// reasons joins sentences up to a length.
func reasons(why []string, most int) string {
	var b strings.Builder
	for i, w := range why {
		if b.Len()+len(w) > most {
			fmt.Fprintf(&b, " and %d more", len(why)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	return strings.TrimSpace(b.String())
}

// shown keeps what a stranger wrote short, and on one line.
func shown(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return '?'
		}
		return r
	}, s)
}
