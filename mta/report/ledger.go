package report

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dmarcreport"
	"github.com/postrider/postrider/proto/tlsrpt"
	"github.com/postrider/postrider/service/judge"
)

// The kinds of notes: what was counted in a day, and what others told.
const (
	kindDMARCDay = "dmarc-day"
	kindTLSDay   = "tls-day"
)

// Bounds of what is counted.
const (
	maxPending = 20_000  // rows in memory between two writings
	maxDay     = 900_000 // octets of one note: under mail.MaxNote
	keepDay    = 5 * 24 * time.Hour
	writeEvery = time.Minute
	maxTries   = 5 // of one note that others change at the same moment
)

// Ledger counts. It is safe for use by many at once; Run must be running for it to write.
type Ledger struct {
	notes   mail.Notes
	journal mail.Journal
	clock   mail.Clock
	log     *slog.Logger

	mu      sync.Mutex
	rows    int
	missed  int64
	dmarc   map[string]*dmarcDay
	tls     map[string]*tlsDay
	written sync.Mutex // one writing at a time
}

// dmarcDay is what one policy saw in one day, also as a note has it.
type dmarcDay struct {
	Published dmarcreport.Published
	Addresses []string // rua, as the record had it last
	Rows      []dmarcreport.Row
	Missed    int64 `json:",omitempty"` // messages there was no room for

	tally dmarcreport.Tally
}

// tlsDay is what one domain's hosts did in one day.
type tlsDay struct{ tally tlsrpt.Tally }

// NewLedger makes one.
func NewLedger(notes mail.Notes, journal mail.Journal, clock mail.Clock, log *slog.Logger) *Ledger {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Ledger{notes: notes, journal: journal, clock: clock, log: log, dmarc: map[string]*dmarcDay{}, tls: map[string]*tlsDay{}}
}

// dayKey begins the keys of a day's notes; they sort by day.
func dayKey(t time.Time) string { return t.UTC().Format("20060102") + "/" }

// Judged counts a message that a DMARC policy applies to, where somebody wants to know. It implements mta/inbound's Reports.
func (l *Ledger) Judged(r judge.Report) {
	if len(r.Addresses) == 0 {
		return
	}
	key := dayKey(l.clock.Now()) + r.Published.Domain + "/" + digest(r.Published)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows >= maxPending {
		l.missed++
		return
	}
	d := l.dmarc[key]
	if d == nil {
		d = &dmarcDay{Published: r.Published}
		l.dmarc[key] = d
	}
	d.Addresses = d.Addresses[:0]
	for _, u := range r.Addresses {
		d.Addresses = append(d.Addresses, u.Text)
	}
	before := d.tally.Len()
	d.tally.Add(r.Row)
	l.rows += d.tally.Len() - before
}

// Session counts an attempt to speak TLS with a host of a domain. failure is nil where it went well. It implements mta/outbound's Observer.
func (l *Ledger) Session(domain string, p tlsrpt.Policy, failure *tlsrpt.Failure) {
	key := dayKey(l.clock.Now()) + domain
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.tls[key]
	if d == nil {
		if l.rows >= maxPending {
			l.missed++
			return
		}
		l.rows++
		d = &tlsDay{}
		l.tls[key] = d
	}
	if failure == nil {
		d.tally.Success(p)
	} else {
		d.tally.Fail(p, *failure)
	}
}

// digest tells policies of one domain apart: each has a report of its own (RFC 9990 3.1).
func digest(p dmarcreport.Published) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", p)
	return fmt.Sprintf("%016x", h.Sum64())
}

// Run writes what was counted now and then, and once more when ctx ends.
func (l *Ledger) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			l.Write(context.WithoutCancel(ctx))
			return
		case <-l.clock.After(writeEvery):
			l.Write(ctx)
		}
	}
}

// Write writes down what was counted since it was called last. What cannot be written now is counted on.
func (l *Ledger) Write(ctx context.Context) {
	l.written.Lock()
	defer l.written.Unlock()
	l.mu.Lock()
	dmarc, tls, missed := l.dmarc, l.tls, l.missed
	l.dmarc, l.tls, l.rows, l.missed = map[string]*dmarcDay{}, map[string]*tlsDay{}, 0, 0
	l.mu.Unlock()
	if missed > 0 {
		l.log.Warn("there was no room to count all mail for reports", "messages", missed)
	}
	for key, d := range dmarc {
		if err := l.merge(ctx, kindDMARCDay, key, d.onto); err != nil {
			l.log.Warn("mail cannot be counted for a DMARC report", "domain", d.Published.Domain, "error", err)
		}
	}
	for key, d := range tls {
		if err := l.merge(ctx, kindTLSDay, key, d.onto); err != nil {
			l.log.Warn("TLS sessions cannot be counted for a report", "key", key, "error", err)
		}
	}
}

// merge changes a note; onto is given what stands there, which may be nothing.
func (l *Ledger) merge(ctx context.Context, kind, key string, onto func([]byte) ([]byte, error)) error {
	var err error
	for range maxTries {
		put := mail.PutNote{If: mail.NoteAbsent, Note: mail.Note{Kind: kind, Key: key, Expires: l.clock.Now().Add(keepDay)}}
		have, readErr := l.notes.Note(ctx, kind, key)
		switch {
		case readErr == nil:
			put.If, put.Was, put.Note.Expires = mail.NoteIs, have.Value, have.Expires
		case !mail.Is(readErr, mail.NotFound):
			return readErr
		}
		if put.Note.Value, err = onto(have.Value); err != nil {
			return err
		}
		_, err = l.journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{put}})
		if !mail.Is(err, mail.Conflict) && !mail.Is(err, mail.Exists) {
			return err
		}
	}
	return err
}

// onto adds the day's rows to those of a note.
func (d *dmarcDay) onto(have []byte) ([]byte, error) {
	out := dmarcDay{Published: d.Published}
	if len(have) > 0 {
		if err := json.Unmarshal(have, &out); err != nil {
			return nil, err
		}
	}
	out.Addresses = d.Addresses
	var all dmarcreport.Tally
	for _, r := range out.Rows {
		all.Add(r)
	}
	room := maxDay - len(have)
	for r := range d.tally.Rows() {
		// A row that is there already only counts up; a new one takes room.
		before := all.Len()
		if room < rowSize(r) && !counted(out.Rows, r) {
			out.Missed += r.Count
			continue
		}
		if all.Add(r); all.Len() > before {
			room -= rowSize(r)
		}
	}
	out.Rows = out.Rows[:0:0]
	for r := range all.Rows() {
		out.Rows = append(out.Rows, r)
	}
	return json.Marshal(out)
}

// counted reports whether a row falls together with one of some others.
func counted(rows []dmarcreport.Row, r dmarcreport.Row) bool {
	var t dmarcreport.Tally
	for _, have := range rows {
		if have.Source == r.Source {
			t.Add(have)
		}
	}
	n := t.Len()
	t.Add(r)
	return n == t.Len()
}

// rowSize is how many octets a row takes in a note, about.
func rowSize(r dmarcreport.Row) int {
	b, err := json.Marshal(r)
	if err != nil {
		return maxDay
	}
	return len(b) + 1
}

// onto adds the day's sessions to those of a note, which holds a report without its head.
func (d *tlsDay) onto(have []byte) ([]byte, error) {
	var all tlsrpt.Tally
	if len(have) > 0 {
		var r tlsrpt.Report
		if err := json.Unmarshal(have, &r); err != nil {
			return nil, err
		}
		all.Merge(r)
	}
	all.Merge(d.tally.Report(tlsrpt.Report{}))
	b, err := json.Marshal(all.Report(tlsrpt.Report{}))
	if err == nil && len(b) > mail.MaxNote {
		return have, nil // the summaries of a day with so many kinds of failure are lost from here on
	}
	return b, err
}
