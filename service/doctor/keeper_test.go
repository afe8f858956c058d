package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
	"github.com/postrider/postrider/testkit/logs"
)

// notes keeps notes in memory.
type notes struct {
	mu    sync.Mutex
	all   map[string]mail.Note
	puts  chan string
	clock mail.Clock
}

func (n *notes) Note(_ context.Context, kind, key string) (mail.Note, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v, ok := n.all[kind+" "+key]
	if !ok || !v.Expires.After(n.clock.Now()) {
		return mail.Note{}, mail.Errorf(mail.NotFound, "there is no note %s %q", kind, key)
	}
	return v, nil
}

func (n *notes) Notes(context.Context, mail.NoteQuery) ([]mail.Note, error) { return nil, nil }

func (n *notes) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	for _, c := range set.Changes {
		put := c.(mail.PutNote)
		if len(put.Note.Value) > mail.MaxNote || len(put.Note.Key) > mail.MaxNoteKey || put.Note.Key == "" {
			return mail.Receipt{}, mail.Errorf(mail.Invalid, "the note is too large")
		}
		n.mu.Lock()
		n.all[put.Note.Kind+" "+put.Note.Key] = put.Note
		n.mu.Unlock()
		if n.puts != nil {
			n.puts <- put.Note.Key
		}
	}
	return mail.Receipt{}, nil
}

func (n *notes) keys() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.all))
}

// ward is a Keeper with a clinic.
type ward struct {
	*clinic
	keeper *Keeper
	notes  *notes
	log    *logs.Log
}

func newWard(t *testing.T, change func(*clinic), domains ...string) *ward {
	c := newClinic(t)
	if change != nil {
		change(c)
	}
	w := &ward{clinic: c, notes: &notes{all: map[string]mail.Note{}, clock: c.clock}, log: logs.New(t)}
	var err error
	w.keeper, err = NewKeeper(KeeperConfig{Doctor: c.doctor(), Hostname: host, Notes: w.notes, Journal: w.notes, Clock: c.clock, Log: w.log.Logger(),
		Every: time.Hour, Domains: func(context.Context) ([]string, error) { return domains, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A fault is logged once when it comes and once when it is gone; one that cannot be looked at is still there.
func TestKeeperLogsChanges(t *testing.T) {
	t.Parallel()
	w := newWard(t, nil, domain)
	round := func(what string, lines int, parts ...string) {
		t.Helper()
		before := len(w.log.Lines())
		if err := w.keeper.Round(context.Background()); err != nil {
			t.Fatal(err)
		}
		new := w.log.Lines()[before:]
		if len(new) != lines {
			t.Errorf("%s: %d lines were logged, not %d: %q", what, len(new), lines, new)
		}
		for i, p := range parts {
			if i < len(new) && !strings.Contains(new[i], p) {
				t.Errorf("%s: %q does not say %q", what, new[i], p)
			}
		}
		w.clock.Advance(time.Hour)
	}
	round("healthy", 0)
	good := w.facts.Keys
	w.facts.Keys = nil
	w.log.Expect("There is no DKIM key")
	round("a fault", 1, "There is no DKIM key")
	round("the same fault", 0)
	w.dns.checkErr = mail.Errorf(mail.Unavailable, "no answer")
	round("something that cannot be told", 0)
	w.dns.checkErr = nil
	w.facts.Keys = good
	round("mended", 1, "INFO mended: There is no DKIM key")
	round("healthy again", 0)
}

// A fault whose check cannot be made is neither gone nor new.
func TestKeeperRemembersWhatCannotBeTold(t *testing.T) {
	t.Parallel()
	w := newWard(t, nil, domain)
	w.log.Expect("is missing")
	missing := Finding{Check: "dkim", Subject: "s", Level: Fault, Text: "The DKIM record at s is missing 1 time."}
	open := w.keeper.compare(domain, nil, Report{Findings: []Finding{missing}}, w.keeper.cfg.Log)
	untold := Finding{Check: "dkim", Subject: "s", Level: Note, Untold: true, Text: "It could not be checked."}
	open = w.keeper.compare(domain, open, Report{Findings: []Finding{untold}}, w.keeper.cfg.Log)
	if len(open) != 1 {
		t.Fatalf("%d are open", len(open))
	}
	missing.Text = "The DKIM record at s is missing 2 times."
	missing.Text = strings.Replace(missing.Text, "times", "time", 1)
	open = w.keeper.compare(domain, open, Report{Findings: []Finding{missing}}, w.keeper.cfg.Log)
	if n := len(w.log.Lines()); n != 1 {
		t.Errorf("%d lines: %q", n, w.log.Lines())
	}
	if open = w.keeper.compare(domain, open, Report{}, w.keeper.cfg.Log); len(open) != 0 || !w.log.Contains("mended") {
		t.Errorf("%v, %q", open, w.log.Lines())
	}
}

// Results are kept for the host and each domain, and shown as figures with their zeros.
func TestKeeperKeeps(t *testing.T) {
	t.Parallel()
	w := newWard(t, func(c *clinic) { c.facts.Keys = nil }, domain, "localhost")
	if _, err := w.keeper.Last(context.Background(), domain); !mail.Is(err, mail.NotFound) {
		t.Error(err)
	}
	w.log.Expect("no DKIM key")
	if err := w.keeper.Round(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := w.notes.keys(); !slices.Equal(got, []string{"doctor @" + host, "doctor " + domain}) {
		t.Errorf("the notes are %q", got)
	}
	all, err := w.keeper.Reports(context.Background())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	faults, zeros := map[string]int{}, 0
	for _, f := range Figures(all) {
		if f.Faults > 0 {
			faults[f.Domain+" "+f.Check] = f.Faults
		} else {
			zeros++
		}
	}
	if !maps.Equal(faults, map[string]int{domain + " dkim": 1}) || zeros < 15 {
		t.Errorf("figures: %v, %d zeros", faults, zeros)
	}
	w.clock.Advance(keepFor + time.Hour)
	if _, err := w.keeper.Last(context.Background(), domain); !mail.Is(err, mail.NotFound) {
		t.Errorf("after a month: %v", err)
	}
}

// The hour passes by the clock, a node does not repeat what another has just done, and the end of ctx ends it.
func TestKeeperRuns(t *testing.T) {
	t.Parallel()
	w := newWard(t, nil, domain)
	w.notes.puts = make(chan string, 10)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.keeper.Run(ctx) }()
	for range 2 {
		if got := []string{<-w.notes.puts, <-w.notes.puts}; !slices.Equal(got, []string{"@" + host, domain}) {
			t.Fatalf("looked at %q", got)
		}
		w.clock.Await(t, 1)
		w.clock.Advance(time.Hour)
	}
	<-w.notes.puts
	<-w.notes.puts
	w.clock.Await(t, 1)
	if err := w.keeper.round(ctx, time.Hour/2); err != nil || len(w.notes.puts) != 0 { // as another node would
		t.Errorf("%v; %d looked at again", err, len(w.notes.puts))
	}
	cancel()
	<-done
}

// Results that are too many to keep lose what matters least; what was kept in a form that is not known is as if it were not there.
func TestKeeperBounds(t *testing.T) {
	t.Parallel()
	w := newWard(t, nil, domain)
	var v kept
	for i := range 800 {
		v.Report.Findings = append(v.Report.Findings, Finding{Check: "mx", Subject: fmt.Sprint(i), Level: Level(i % 4), Text: strings.Repeat("x", maxText), Record: strings.Repeat("y", 8<<10)})
	}
	v.Open = slices.Clone(v.Report.Findings)
	if err := w.keeper.store(context.Background(), domain, v); err != nil {
		t.Fatal(err)
	}
	r, err := w.keeper.Last(context.Background(), domain)
	if err != nil || len(r.Findings) == 0 || r.Findings[0].Level != Fault {
		t.Errorf("%d findings, %v", len(r.Findings), err)
	}
	w.notes.all["doctor "+domain] = mail.Note{Value: []byte("{"), Expires: clock.Start.AddDate(9, 0, 0)}
	if _, err := w.keeper.Last(context.Background(), domain); !mail.Is(err, mail.NotFound) {
		t.Error(err)
	}
	if err := w.keeper.Round(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := NewKeeper(KeeperConfig{}); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// TestExamineKeeps: who examines by hand is told of the host and the domain, and what is found is the latest that is known of both.
func TestExamineKeeps(t *testing.T) {
	t.Parallel()
	w := newWard(t, nil, domain)
	told := 0
	r, err := w.keeper.Examine(t.Context(), domain, func(Finding) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Counts; told != len(r.Findings) || c.OK+c.Notes+c.Warnings+c.Faults == 0 || r.Domain != domain {
		t.Errorf("told %d of %d findings; %+v", told, len(r.Findings), r.Counts)
	}
	host, err := w.keeper.Last(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	own, err := w.keeper.Last(t.Context(), domain)
	if err != nil || len(host.Findings)+len(own.Findings) != len(r.Findings) {
		t.Errorf("kept are %d and %d of %d findings: %v", len(host.Findings), len(own.Findings), len(r.Findings), err)
	}
}
