package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of jobs.
const (
	PerAccount = 2 // that run at once, of an account
	InAll      = 8 // of this process
	Kind       = "import"
	keep       = 30 * 24 * time.Hour
	beat       = 15 * time.Second
	silence    = 3 * beat // after which a job that says nothing does not run any more
	shown      = 50
)

// cutOff is the sentence of a job that ended with its process.
const cutOff = "It stopped when the server did. Start it again, and it goes on where it was."

// Config is what jobs work with. All but Clock, Log and Max of the store are required.
type Config struct {
	Store
	Notes mail.Notes
}

// Jobs runs imports. It must be closed.
type Jobs struct {
	cfg  Config
	ctx  context.Context //nolint:containedctx // ends with the jobs
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	running map[string]*run // by key
	closed  bool
}

// run is a job of this process.
type run struct {
	*progress
	account mail.AccountID
	cancel  context.CancelCauseFunc
}

var errStopped = errors.New("stopped by its owner")

// New makes jobs.
func New(cfg Config) *Jobs {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Max = cmp.Or(cfg.Max, MaxMessage)
	j := &Jobs{cfg: cfg, running: map[string]*run{}}
	j.ctx, j.stop = context.WithCancel(context.Background())
	return j
}

// Close stops all jobs and waits for them. Started again, they go on where they were.
func (j *Jobs) Close() {
	j.mu.Lock()
	j.closed = true
	j.stop()
	j.mu.Unlock()
	j.work.Wait()
}

func key(account mail.AccountID, id string) string {
	return strconv.FormatInt(int64(account), 10) + "/" + id
}

// May reports whether another job of the account could be started now: TooMany. Callers that have to prepare much ask first.
func (j *Jobs) May(account mail.AccountID) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.may(account)
}

func (j *Jobs) may(account mail.AccountID) error {
	own := 0
	for _, r := range j.running {
		if r.account == account {
			own++
		}
	}
	switch {
	case j.closed:
		return mail.Errorf(mail.Unavailable, "the server is stopping")
	case own >= PerAccount:
		return mail.Errorf(mail.TooMany, "%d imports run already; wait for one to end, or stop it", own)
	case len(j.running) >= InAll:
		return mail.Errorf(mail.TooMany, "too many people import mail at this moment; try again later")
	}
	return nil
}

// Start begins a job. It owns the source from then on, also when it fails: TooMany, and what keeping the job's note can come to.
func (j *Jobs) Start(ctx context.Context, account mail.AccountID, source Source) (Job, error) {
	now := j.cfg.Clock.Now().UTC()
	job := Job{ID: string(mail.NewTraceID(now, rand.Uint32())), Source: cut(source.Name()), State: Running, Failed: []Failure{}, Text: "It has begun.", Started: now}
	r := &run{progress: &progress{job: job}, account: account}
	var jctx context.Context
	j.mu.Lock()
	err := j.may(account)
	if err == nil {
		jctx, r.cancel = context.WithCancelCause(j.ctx)
		j.running[key(account, job.ID)] = r
		j.work.Add(1)
	}
	j.mu.Unlock()
	if err != nil {
		source.Close()
		return Job{}, err
	}
	if err := j.save(ctx, r); err != nil {
		j.forget(r)
		r.cancel(err)
		j.work.Done()
		source.Close()
		return Job{}, err
	}
	go func() {
		defer j.work.Done()
		defer r.cancel(nil)
		defer source.Close()
		j.run(jctx, r, source)
	}()
	return r.now(), nil
}

func (j *Jobs) forget(r *run) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.running, key(r.account, r.now().ID))
}

// run does a job, and says from time to time that it is there.
func (j *Jobs) run(ctx context.Context, r *run, source Source) {
	done := make(chan error, 1)
	go func() { done <- j.bring(ctx, r, source) }()
	for {
		select {
		case err := <-done:
			j.finish(ctx, r, err)
			return
		case <-j.cfg.Clock.After(beat):
			if j.asked(ctx, r) {
				r.cancel(errStopped)
			} else if err := j.save(ctx, r); err != nil && ctx.Err() == nil {
				j.cfg.Log.Warn("how far an import is could not be written down", "account", int64(r.account), "error", err)
			}
		}
	}
}

// bring runs the source.
func (j *Jobs) bring(ctx context.Context, r *run, source Source) error {
	f, err := newFolders(ctx, j.cfg.Store, r.account)
	if err != nil {
		return err
	}
	d := &Deposit{store: j.cfg.Store, account: r.account, folders: f, tell: r.progress}
	err = source.Run(ctx, d)
	if ctx.Err() != nil {
		for i := range d.waiting {
			d.waiting[i].discard()
		}
		return ctx.Err()
	}
	// What came before the end is kept, however it ended.
	if flush := d.Flush(ctx); err == nil {
		err = flush
	}
	return err
}

// finish writes down how a job ended.
func (j *Jobs) finish(ctx context.Context, r *run, err error) {
	now := j.cfg.Clock.Now().UTC()
	r.change(func(job *Job) {
		job.Ended = &now
		switch {
		case err == nil:
			job.State, job.Text = Done, upper(job.count())+"."
			if job.Total > 0 {
				job.Done = job.Total
			}
		case errors.Is(context.Cause(ctx), errStopped):
			job.State, job.Text = Stopped, "You stopped it: "+job.count()+". Start it again, and it goes on where it was."
		case ctx.Err() != nil:
			job.State, job.Text = Stopped, cutOff
		case mail.Is(err, mail.OverQuota):
			job.State, job.Text = Failed, "The account is full: "+job.count()+". Make room or ask for more, then start it again: it goes on where it was."
		default:
			job.State, job.Text = Failed, fmt.Sprintf("It ended early: %s. %s. Start it again, and it goes on where it was.", strings.TrimRight(mail.Sentence(err), ". "), upper(job.count()))
		}
	})
	if err != nil && ctx.Err() == nil {
		j.cfg.Log.Info("an import ended early", "account", int64(r.account), "error", err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := j.save(last, r); err != nil {
		j.cfg.Log.Warn("how an import ended could not be written down", "account", int64(r.account), "error", err)
	}
	j.forget(r)
}

func upper(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// save writes a job's note.
func (j *Jobs) save(ctx context.Context, r *run) error {
	now := j.cfg.Clock.Now().UTC()
	rec := record{Job: r.now(), Beat: now}
	note, err := rec.note(r.account, now)
	if err != nil {
		return err
	}
	_, err = j.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{note}})
	return err
}

// asked reports whether somebody on another node asked for the end of a job.
func (j *Jobs) asked(ctx context.Context, r *run) bool {
	n, err := j.cfg.Notes.Note(ctx, Kind, key(r.account, r.now().ID))
	var rec record
	return err == nil && json.Unmarshal(n.Value, &rec) == nil && rec.Stop
}

// List gives the latest jobs of an account, the latest first.
func (j *Jobs) List(ctx context.Context, account mail.AccountID) ([]Job, error) {
	out := []Job{}
	after := ""
	for {
		page, err := j.cfg.Notes.Notes(ctx, mail.NoteQuery{Kind: Kind, Prefix: key(account, ""), After: after})
		if err != nil {
			return nil, err
		}
		for _, n := range page {
			after = n.Key
			var rec record
			if json.Unmarshal(n.Value, &rec) != nil {
				continue // of a later version
			}
			out = append(out, j.asOfNow(n.Key, rec))
		}
		out = out[max(0, len(out)-shown):]
		if len(page) < 1000 {
			break
		}
	}
	slices.Reverse(out)
	return out, nil
}

// asOfNow is a job by its note, or by what this process knows better.
func (j *Jobs) asOfNow(key string, rec record) Job {
	j.mu.Lock()
	r := j.running[key]
	j.mu.Unlock()
	if r != nil {
		return r.now()
	}
	if rec.State == Running && j.cfg.Clock.Now().Sub(rec.Beat) > silence {
		ended := rec.Beat
		rec.State, rec.Text, rec.Ended = Stopped, cutOff, &ended
	}
	if rec.Failed == nil {
		rec.Failed = []Failure{}
	}
	return rec.Job
}

// Stop ends a job of an account; one that has ended stays as it is. NotFound.
func (j *Jobs) Stop(ctx context.Context, account mail.AccountID, id string) error {
	k := key(account, id)
	j.mu.Lock()
	r := j.running[k]
	j.mu.Unlock()
	if r != nil {
		r.cancel(errStopped)
		return nil
	}
	n, err := j.cfg.Notes.Note(ctx, Kind, k)
	if mail.Is(err, mail.NotFound) {
		return mail.Errorf(mail.NotFound, "there is no such import")
	}
	if err != nil {
		return err
	}
	var rec record
	if json.Unmarshal(n.Value, &rec) != nil || rec.State != Running {
		return nil
	}
	// It runs on another node, which looks at its note.
	was := n.Value
	rec.Stop = true
	note, err := rec.note(account, j.cfg.Clock.Now())
	if err != nil {
		return err
	}
	note.If, note.Was = mail.NoteIs, was
	_, err = j.cfg.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{note}})
	if mail.Is(err, mail.Conflict) {
		return mail.Errorf(mail.Conflict, "the import changed at this moment; try again")
	}
	return err
}
