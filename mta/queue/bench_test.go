package queue

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// bench is a scheduler with a scripted world around it. It is used inside a synctest bubble, where five days of
// the machine's clock pass at once.
type bench struct {
	*faulty
	journal mail.Journal // for send; nil: the store
	t       *testing.T
	bus     *bus.Bus
	log     *syncBuffer
	started time.Time
	sent    int

	mu       sync.Mutex
	script   map[mail.Path]func(try int) mta.Verdict
	tries    map[mail.Path]int
	times    map[mail.Path][]time.Duration
	attempt  func(ctx context.Context, job mail.Job) []mta.Verdict // replaces the script
	reports  []mta.Report
	reportOf func() error
	open     int // postings not discarded
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func newBench(t *testing.T) *bench {
	b := &bench{
		t: t, bus: bus.New(), log: &syncBuffer{}, started: time.Now(),
		script: map[mail.Path]func(int) mta.Verdict{}, tries: map[mail.Path]int{}, times: map[mail.Path][]time.Duration{},
	}
	b.faulty = openStore(t, b.bus)
	return b
}

func (b *bench) config() Config {
	return Config{
		Journal: b.faulty, Queue: b.faulty, Bus: b.bus, Sender: (*benchSender)(b), Reporter: (*benchReporter)(b), Owner: "one",
		Backoff: Backoff{Jitter: -1}, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
}

// run starts a scheduler and gives the function that stops it and waits.
func (b *bench) run(c Config) (stop func()) {
	s, err := New(c)
	if err != nil {
		b.t.Error(err)
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.open != 0 {
			b.t.Errorf("%d postings were not discarded", b.open)
		}
	}
}

// send queues a message.
func (b *bench) send(from mail.Path, to ...mail.Path) {
	b.t.Helper()
	b.sent++
	body := b.seal()
	defer body.Discard()
	set := mail.ChangeSet{Changes: []mail.Change{mail.Enqueue{Message: message(mail.TraceID(fmt.Sprintf("t%d", b.sent)), from, to...), Body: body}}}
	if b.journal == nil {
		b.do(set.Changes...)
	} else if _, err := b.journal.Commit(context.Background(), set); err != nil {
		b.t.Fatal(err)
	}
}

// on scripts a recipient: the last verdict goes on for ever.
func (b *bench) on(to mail.Path, verdicts ...mta.Verdict) {
	b.script[to] = func(try int) mta.Verdict { return verdicts[min(try, len(verdicts))-1] }
}

var (
	ok250   = mta.Verdict{Outcome: mail.Relayed, Status: "2.0.0", Reason: "mx[192.0.2.1] said: 250 ok", Peer: "mx[192.0.2.1]"}
	later   = mta.Verdict{Outcome: mail.Deferred, Status: "4.2.0", Reply: "450 later", Reason: "mx[192.0.2.1] said: 450 later"}
	refused = mta.Verdict{Outcome: mail.Bounced, Status: "5.1.1", Reply: "550 5.1.1 nobody", Reason: "mx[192.0.2.1] said: 550 5.1.1 nobody", Host: "mx"}
	unspent = mta.Verdict{Outcome: mail.Deferred, Status: "4.3.2", Unspent: true}
)

type benchSender bench

func (b *benchSender) Attempt(ctx context.Context, job mail.Job) (out []mta.Verdict) {
	if b.attempt != nil {
		return b.attempt(ctx, job)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range job.Message.Recipients {
		b.tries[q.Address]++
		b.times[q.Address] = append(b.times[q.Address], time.Since(b.started))
		v := ok250
		if f := b.script[q.Address]; f != nil {
			v = f(b.tries[q.Address])
		}
		v.N = q.N
		out = append(out, v)
	}
	return out
}

type benchReporter bench

func (b *benchReporter) Report(_ context.Context, r mta.Report) (mail.Posting, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reportOf != nil {
		if err := b.reportOf(); err != nil {
			return mail.Posting{}, err
		}
	}
	b.reports = append(b.reports, r)
	b.open++
	trace := mail.TraceID(fmt.Sprintf("r%d", len(b.reports)))
	body := b.seal()
	return mail.Posting{
		Trace:   trace,
		Changes: []mail.Change{mail.Enqueue{Message: message(trace, "", r.Message.From), Body: body}},
		Discard: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.open--
			body.Discard()
		},
	}, nil
}

func (b *bench) reported() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, r := range b.reports {
		var words []string
		for _, q := range r.Recipients {
			kind := "delayed"
			if q.Failed {
				kind = "failed"
			}
			words = append(words, kind+" "+string(q.Address)+" "+q.Status)
		}
		out = append(out, string(r.Message.From)+": "+strings.Join(words, ", "))
	}
	return out
}

// logged gives the outcome lines of a recipient.
func (b *bench) logged(to mail.Path) (lines []string) {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, "msg=outcome") && strings.Contains(line, "to="+string(to)+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (b *bench) want(what string, got, want any) {
	b.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// world runs a test in a bubble of its own time.
func world(t *testing.T, f func(b *bench)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(newBench(t)) })
}

func rest(d time.Duration) {
	time.Sleep(d) // the bubble's time
	synctest.Wait()
}

func ages(ds []time.Duration) (out []time.Duration) {
	for _, d := range ds {
		out = append(out, d.Round(time.Minute))
	}
	return slices.Clip(out)
}
