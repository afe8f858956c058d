package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"unicode"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/textindex"
)

var _ mail.Searcher = (*Service)(nil)

// Config is what a Service stands on.
type Config struct {
	Store     mail.SearchStore
	Mailboxes mail.Mailboxes
	Blobs     mail.Blobs
	Clock     mail.Clock   // nil: the machine's
	Log       *slog.Logger // nil: none
	Memory    int          // octets of segments kept in memory; 0: 64 MiB
}

// Service answers searches (Find, Emails) and, while Run runs, keeps the indexes.
type Service struct {
	cfg      Config
	segments *cache[part, *textindex.Segment]
	places   *cache[mail.MailboxID, places]

	mu     sync.Mutex
	wanted map[mail.AccountID]mail.SegmentID // accounts to be indexed now; with a damaged segment, or 0
	wake   chan struct{}
}

// Bounds on what is kept in memory, in octets.
const (
	defaultMemory = 64 << 20
	placesMemory  = 16 << 20
)

// New makes a service. Without Run it answers from the index as it is.
func New(cfg Config) *Service {
	cfg.Memory = cmp.Or(cfg.Memory, defaultMemory)
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, segments: newCache[part, *textindex.Segment](cfg.Memory), places: newCache[mail.MailboxID, places](placesMemory),
		wanted: map[mail.AccountID]mail.SegmentID{}, wake: make(chan struct{}, 1)}
}

// tag names how texts are taken from messages and cut into terms: what segments of another tag say may be wrong now. The number goes
// up with every change to Texts or proto/message that changes a text.
const tag = "1 unicode " + unicode.Version

// wantAt is how many messages an index may lack before a search asks for them.
const wantAt = 200

// want has the indexer look after an account soon.
func (s *Service) want(account mail.AccountID, damaged mail.SegmentID) {
	s.mu.Lock()
	if old := s.wanted[account]; damaged == 0 || old != 0 && old < damaged {
		damaged = old
	}
	s.wanted[account] = damaged
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// question is a query in the index's terms.
type question struct {
	textindex.Query
	in             textindex.Class
	part           mail.SegmentPart
	narrows, exact bool
}

func newQuestion(q mail.TextQuery) question {
	out := question{Query: textindex.NewQuery(q.Text), part: mail.SegmentWords}
	switch q.Field {
	case mail.FieldText:
		out.in = textindex.Header | textindex.Body
	case mail.FieldBody:
		out.in = textindex.Body
	case mail.FieldHeader:
		out.in = textindex.Header
		out.Query = textindex.NewHeaderQuery(q.Name, q.Text)
	default:
		out.in, out.part = lineClasses[q.Field], mail.SegmentLines
		out.narrows, out.exact = out.Lines()
		return out
	}
	out.narrows, out.exact = out.Words()
	return out
}

// Find asks the account's segments. See mail.Searcher.
func (s *Service) Find(ctx context.Context, account mail.AccountID, query mail.TextQuery, of []mail.EmailID) ([]mail.Finding, error) {
	f := finder{s: s, account: account, of: of, question: newQuestion(query)}
	f.sort()
	// A segment may be merged into another between the list and its reading: then the list is read once more.
	for range 3 {
		f.out = make([]mail.Finding, len(of))
		if !f.narrows {
			break
		}
		again, err := f.run(ctx)
		if ctx.Err() != nil {
			return nil, mail.Errorf(mail.Unavailable, "the search was given up: %w", context.Cause(ctx))
		}
		if err != nil {
			s.cfg.Log.Error("the search index cannot be used", "account", int64(account), "error", err)
			break
		}
		if !again {
			break
		}
	}
	return f.out, nil
}

// finder is one Find.
type finder struct {
	s       *Service
	account mail.AccountID
	question
	of    []mail.EmailID
	order []int32 // places in of by ascending number; nil where of ascends
	out   []mail.Finding
}

func (f *finder) sort() {
	if slices.IsSorted(f.of) {
		return
	}
	f.order = make([]int32, len(f.of))
	for i := range f.order {
		f.order[i] = int32(i)
	}
	slices.SortFunc(f.order, func(a, b int32) int { return cmp.Compare(f.of[a], f.of[b]) })
}

// at is the place in of of the i-th by number.
func (f *finder) at(i int) int {
	if f.order == nil {
		return i
	}
	return int(f.order[i])
}

// run asks all segments. again says that one has gone meanwhile.
func (f *finder) run(ctx context.Context) (again bool, err error) {
	mark, err := f.s.cfg.Store.SearchMark(ctx, f.account)
	if err != nil {
		return false, err
	}
	known := 0
	for _, g := range mark.Segments {
		from := sort.Search(len(f.of), func(i int) bool { return f.of[f.at(i)] >= g.First })
		to := sort.Search(len(f.of), func(i int) bool { return f.of[f.at(i)] > g.Last })
		if from == to {
			continue
		}
		seg, err := f.s.segment(ctx, part{g.ID, f.part})
		switch {
		case mail.Is(err, mail.NotFound):
			return true, nil
		case errors.Is(err, textindex.ErrDamaged), errors.Is(err, textindex.ErrVersion):
			f.s.cfg.Log.Warn("a segment of a search index cannot be used and is made anew", "account", int64(f.account), "segment", int64(g.ID), "error", err)
			f.s.want(f.account, g.ID)
			continue
		case err != nil:
			return false, err
		}
		known += f.ask(seg, from, to)
	}
	if len(f.of)-known > wantAt {
		f.s.want(f.account, 0)
	}
	return false, nil
}

// ask asks one segment about the messages from..to in order, and gives how many of them it has.
func (f *finder) ask(seg *textindex.Segment, from, to int) (known int) {
	hits := seg.Search(&f.Query, f.in)
	near := 0
	for i := from; i < to; i++ {
		at := f.at(i)
		place, ok := seg.Place(uint64(f.of[at]), near)
		if !ok {
			near = place
			continue
		}
		near = place + 1
		known++
		switch hit := hits.Has(place); {
		case hit && f.exact:
			f.out[at] = mail.FindingYes
		case !hit && !seg.Unsure(place):
			f.out[at] = mail.FindingNo
		}
	}
	return known
}

// part is a part of a segment.
type part struct {
	id   mail.SegmentID
	part mail.SegmentPart
}

// segment gives a part of a segment, from memory where it is there.
func (s *Service) segment(ctx context.Context, p part) (*textindex.Segment, error) {
	if seg, ok := s.segments.get(p); ok {
		return seg, nil
	}
	data, err := s.cfg.Store.SegmentPart(ctx, p.id, p.part)
	if err != nil {
		return nil, err
	}
	seg, err := textindex.Decode(data, tag)
	if err != nil {
		return nil, fmt.Errorf("segment %d: %w", p.id, err)
	}
	s.segments.put(p, seg, seg.Memory())
	return seg, nil
}

// places is which messages the UIDs of a mailbox stand for. It is never changed.
type places struct {
	uids   []uint32
	emails []mail.EmailID
}

// Emails gives the message of each UID. A UID stands for one message for ever, so that what was read stays right: only UIDs past it
// are read. See mail.Searcher.
func (s *Service) Emails(ctx context.Context, mailbox mail.MailboxID, uids []uint32) ([]mail.EmailID, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	have, _ := s.places.get(mailbox)
	upto := uint32(0)
	if n := len(have.uids); n > 0 {
		upto = have.uids[n-1]
	}
	if last := uids[len(uids)-1]; last > upto {
		list, err := s.cfg.Store.MailboxEmails(ctx, mailbox, mail.UIDRange{First: upto + 1})
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			have = have.with(list)
			s.places.put(mailbox, have, 12*len(have.uids))
		}
	}
	out := make([]mail.EmailID, len(uids))
	at := 0
	for i, uid := range uids {
		if at >= len(have.uids) || have.uids[at] != uid {
			at, _ = slices.BinarySearch(have.uids, uid)
		}
		if at < len(have.uids) && have.uids[at] == uid {
			out[i] = have.emails[at]
			at++
		}
	}
	return out, nil
}

func (p places) with(list []mail.PlacedEmail) places {
	n := len(p.uids) + len(list)
	out := places{append(make([]uint32, 0, n), p.uids...), append(make([]mail.EmailID, 0, n), p.emails...)}
	for _, e := range list {
		out.uids, out.emails = append(out.uids, e.UID), append(out.emails, e.Email)
	}
	return out
}
