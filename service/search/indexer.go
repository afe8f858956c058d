package search

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/mail"
)

// How the indexer bides its time.
const (
	// lookEvery is how often it looks for new messages; where none came since the last look, the store is quiet.
	lookEvery = 2 * time.Second
	// patience is how long it waits for quiet.
	patience = time.Minute
	// dueAt is how many new messages make an account's turn come. Fewer are read by searches in no time.
	dueAt = 64
	// dueAfter is how long fewer messages wait.
	dueAfter = time.Hour
	// lookStep is how many numbers of messages one query goes through.
	lookStep = 50_000
	// noteEvery is how far the horizon moves before it is written down.
	noteEvery = 5000
	// wantedRest and usualRest are how many times as long as it worked it rests while mail comes in, for an account that a search
	// asked for and for others.
	wantedRest = 4
	usualRest  = 9
	// troubleRest is how long it rests after an error.
	troubleRest = time.Minute
)

// backlog is what an account's index lacks.
type backlog struct {
	messages int64
	first    mail.EmailID
	since    time.Time
}

// indexer keeps the indexes. It belongs to the goroutine of Run.
type indexer struct {
	s       *Service
	pending map[mail.AccountID]backlog
	looked  mail.EmailID // messages up to here are in pending or indexed
	noted   mail.EmailID
	last    mail.EmailID // the highest number when it looked last
	rested  time.Time    // when it last did its work
	started bool
}

// Run keeps the indexes until ctx ends. It must run once at a time for one store.
func (s *Service) Run(ctx context.Context) {
	ix := &indexer{s: s, pending: map[mail.AccountID]backlog{}}
	rest := lookEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-s.cfg.Clock.After(rest):
		}
		rest = lookEvery
		if err := ix.round(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("search indexes cannot be kept up to date; searches read the messages", "error", err)
			rest = troubleRest
		}
	}
}

// round does what is due.
func (ix *indexer) round(ctx context.Context) error {
	if err := ix.wanted(ctx); err != nil {
		return err
	}
	busy, err := ix.busy(ctx)
	if err != nil {
		return err
	}
	now := ix.s.cfg.Clock.Now()
	if ix.rested.IsZero() {
		ix.rested = now
	}
	if busy && now.Sub(ix.rested) < patience {
		return nil
	}
	ix.rested = now
	if err := ix.look(ctx, now); err != nil {
		return err
	}
	for _, account := range ix.due(now) {
		if err := ix.account(ctx, account, 0, usualRest); err != nil {
			return err
		}
		if err := ix.wanted(ctx); err != nil {
			return err
		}
	}
	return ix.note(ctx)
}

// busy reports whether messages came since it was asked last.
func (ix *indexer) busy(ctx context.Context) (bool, error) {
	h, err := ix.s.cfg.Store.SearchHorizon(ctx)
	if err != nil {
		return false, err
	}
	if !ix.started {
		ix.looked, ix.noted, ix.started = h.Noted, h.Noted, true
	}
	busy := h.Last != ix.last
	ix.last = h.Last
	return busy, nil
}

// wanted serves the accounts that searches asked for.
func (ix *indexer) wanted(ctx context.Context) error {
	for {
		ix.s.mu.Lock()
		var account mail.AccountID
		var damaged mail.SegmentID
		for account, damaged = range ix.s.wanted {
			break
		}
		delete(ix.s.wanted, account)
		ix.s.mu.Unlock()
		if account == 0 {
			return nil
		}
		if err := ix.account(ctx, account, damaged, wantedRest); err != nil {
			return err
		}
	}
}

// look finds out what came since it looked last.
func (ix *indexer) look(ctx context.Context, now time.Time) error {
	for ix.looked < ix.last {
		upto := min(ix.last, ix.looked+lookStep)
		list, err := ix.s.cfg.Store.Arrivals(ctx, ix.looked, upto)
		if err != nil {
			return err
		}
		for _, a := range list {
			b, ok := ix.pending[a.Account]
			if !ok {
				b = backlog{first: a.First, since: now}
			}
			b.messages += a.Messages
			ix.pending[a.Account] = b
		}
		ix.looked = upto
	}
	return nil
}

// due lists the accounts whose turn it is, those that wait longest first.
func (ix *indexer) due(now time.Time) []mail.AccountID {
	var out []mail.AccountID
	for id, b := range ix.pending {
		if b.messages >= dueAt || now.Sub(b.since) >= dueAfter {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b mail.AccountID) int { return ix.pending[a].since.Compare(ix.pending[b].since) })
	return out
}

// note writes down how far the index of all accounts has come, now and then. After a restart what came later is looked at once more.
func (ix *indexer) note(ctx context.Context) error {
	upto := ix.looked
	for _, b := range ix.pending {
		upto = min(upto, b.first-1)
	}
	if upto < ix.noted+noteEvery {
		return nil
	}
	if err := ix.s.cfg.Store.ChangeSegments(ctx, mail.SegmentChange{Noted: upto}); err != nil {
		return err
	}
	ix.noted = upto
	return nil
}

// Index brings one account's index up to date at once. It must not be called while Run runs.
func (s *Service) Index(ctx context.Context, account mail.AccountID) error {
	ix := &indexer{s: s, pending: map[mail.AccountID]backlog{}}
	if _, err := ix.busy(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	damaged := s.wanted[account]
	delete(s.wanted, account)
	s.mu.Unlock()
	return ix.account(ctx, account, damaged, 0)
}
