package junk

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// sortWithin bounds how long one recipient's own experience may take to read.
const sortWithin = 2 * time.Second

// modelWeight is what a model that is sure adds to the score or takes off it, in thresholds.
const modelWeight = 1.2

// maxReason is how long the reason for a trail may be.
const maxReason = 900

// Sort says whether a letter that Assess looked at is junk for an account, and why. Letters that were not assessed never are, and have no
// reason.
func (f *Filter) Sort(ctx context.Context, account mail.AccountID, l *mail.Letter) (junk bool, why string) {
	s := l.Junk
	if s.Junk {
		return true, "policy; " + reasons(s.Why, maxReason)
	}
	if len(s.Tokens) == 0 && s.Score == 0 && len(s.Why) == 0 {
		return false, ""
	}
	ctx, cancel := context.WithTimeout(ctx, sortWithin)
	defer cancel()
	score := s.Score
	tell := ""
	if p, words := f.ask(ctx, account, s.Tokens); words > 0 {
		points := (p - 0.5) * 2 * modelWeight * f.cfg.Threshold
		score += points
		tell = fmt.Sprintf("The owner's sorting says %.0f %% junk by %d words (%+.1f). ", p*100, words, points)
	}
	verdict := fmt.Sprintf("score %.1f of %.1f; ", score, f.cfg.Threshold)
	if score >= f.cfg.Threshold {
		if who := f.met(ctx, account, l); who != "" {
			return false, fmt.Sprintf("%sthe owner has written to %s, who is proven. %s", verdict, who, reasons(s.Why, maxReason))
		}
	}
	return score >= f.cfg.Threshold, verdict + tell + reasons(s.Why, maxReason)
}

// ask asks the account's model. Without one, and when it cannot be read, no words speak.
func (f *Filter) ask(ctx context.Context, account mail.AccountID, tokens []uint64) (p float64, words int) {
	if f.cfg.Notes == nil {
		return 0.5, 0
	}
	m, _, err := f.models.load(ctx, account)
	if err != nil {
		f.cfg.Log.Warn("an account's junk model cannot be read; its mail is sorted without it", "account", int64(account), "error", err)
	}
	if m == nil {
		return 0.5, 0
	}
	return m.probability(tokens)
}

// met tells the author whom the account has written to, where it is proven that the letter is theirs; else "".
func (f *Filter) met(ctx context.Context, account mail.AccountID, l *mail.Letter) string {
	if f.cfg.Met == nil {
		return ""
	}
	env, err := message.DecodeEnvelope(l.Summary)
	if err != nil || env == nil || len(env.From) != 1 || env.From[0].Kind != message.AddressMailbox {
		return ""
	}
	a := env.From[0].Decoded().Addr
	domain := normal(a.Domain)
	if domain == "" || !has(l.Junk.Tokens, proof(domain)) {
		return ""
	}
	a.Domain = domain
	known, err := f.cfg.Met.Met(ctx, account, mail.Path(a.String()))
	if err != nil {
		f.cfg.Log.Warn("whom an account has written to cannot be read", "account", int64(account), "error", err)
		return ""
	}
	if !known {
		return ""
	}
	return shown(a.String())
}

// has looks from the end, where the proof stands.
func has(tokens []uint64, t uint64) bool {
	for i := len(tokens) - 1; i >= 0; i-- {
		if tokens[i] == t {
			return true
		}
	}
	return false
}

// metNotes is Correspondents over notes.
type metNotes struct {
	notes mail.Notes
	kind  string
	key   func(mail.AccountID, mail.Path) string
}

// MetByNotes makes Correspondents of notes: a note of the kind, with the key of account and address, says that they have met.
func MetByNotes(notes mail.Notes, kind string, key func(mail.AccountID, mail.Path) string) Correspondents {
	return metNotes{notes, kind, key}
}

func (m metNotes) Met(ctx context.Context, account mail.AccountID, address mail.Path) (bool, error) {
	_, err := m.notes.Note(ctx, m.kind, m.key(account, address))
	if mail.Is(err, mail.NotFound) {
		return false, nil
	}
	return err == nil, err
}
