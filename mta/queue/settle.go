package queue

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// settle makes a job's decisions durable: one change set with the Settle, the events and the report. It tries until the
// store takes it, or until the lease is lost or, once ctx has ended, a second time: to give up earlier would mean to send again what was sent.
func (s *Scheduler) settle(ctx context.Context, job mail.Job, decisions []decision) {
	for tries := 0; ; tries++ {
		calledOff := ctx.Err() != nil
		report, err := s.record(ctx, &job, decisions)
		if err == nil {
			s.tell(&job, decisions, report.posting.Trace)
			return
		}
		var change *mail.ChangeError
		switch {
		case errors.As(err, &change) && change.Index == 0: // the Settle itself
			s.lost(&job, decisions, err)
			return
		case errors.As(err, &change) && report.holds(change.Index):
			s.withoutReport(decisions, err, tries > 0)
		case calledOff && tries > 0, s.Clock.Now().After(job.Lease.Until):
			s.Log.Error("attempt cannot be recorded; it will be made again once its lease has run out", "queue", job.Message.ID,
				"trace", job.Message.Trace, "error", err)
			return
		default:
			s.Log.Error("attempt cannot be recorded yet", "queue", job.Message.ID, "trace", job.Message.Trace, "error", err)
			select {
			case <-s.Clock.After(min(s.Times.Busy<<min(tries, 5), time.Minute)):
			case <-ctx.Done():
			}
		}
	}
}

// lost says what an attempt came to whose lease was broken meanwhile, by an operator or because it had run out. It is not in the trail: that
// tells what the lease's next holder, or the operator, makes of the recipient.
func (s *Scheduler) lost(job *mail.Job, decisions []decision, cause error) {
	for i := range decisions {
		d := &decisions[i]
		s.Log.Warn("lease lost, outcome not recorded", "queue", job.Message.ID, "trace", job.Message.Trace, "to", d.recipient.Address,
			"outcome", d.outcome, "reason", d.reason, "lease", job.Lease.ID, "error", cause)
	}
}

// attached is a report in a change set: its place there.
type attached struct {
	posting     mail.Posting
	first, past int
}

func (a attached) holds(index int) bool { return a.first <= index && index < a.past }

// recordTime bounds one try to make a settlement durable.
const recordTime = 5 * time.Minute

// record composes and commits once. What happened is to be recorded also when we are stopping, so ctx's end does not end it.
func (s *Scheduler) record(ctx context.Context, job *mail.Job, decisions []decision) (attached, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	set, report := s.compose(ctx, job, decisions)
	if report.posting.Discard != nil {
		defer report.posting.Discard()
	}
	_, err := s.Journal.Commit(ctx, set)
	return report, err
}

// compose makes the change set of decisions. A report that cannot be written changes the decisions accordingly.
func (s *Scheduler) compose(ctx context.Context, job *mail.Job, decisions []decision) (mail.ChangeSet, attached) {
	var set mail.ChangeSet
	report := attached{first: 1, past: 1}
	if r, wanted := reportOf(&job.Message, decisions, s.Clock.Now()); wanted {
		posting, err := s.Reporter.Report(ctx, r)
		if err != nil {
			if posting.Discard != nil {
				posting.Discard()
			}
			s.withoutReport(decisions, err, true)
		} else {
			report.posting = posting
			report.past += len(posting.Changes)
		}
	}
	settle := mail.Settle{Queue: job.Message.ID, Lease: job.Lease.ID}
	for i := range decisions {
		d := &decisions[i]
		d.settle.Delay = d.report == delayReport
		settle.Results = append(settle.Results, d.settle)
	}
	set.Add(settle) // first, so that a lost lease is found before anything else
	set.Add(report.posting.Changes...)
	for i := range decisions {
		for _, e := range s.events(job, &decisions[i], report.posting.Trace) {
			set.Add(mail.Record{Event: e})
		}
	}
	return set, report
}

// withoutReport takes the report out of decisions whose report could not be made. Where it may be made later, a failure waits for it and
// a delay is told another time; where it never can, it is dropped and the trail says so. A first condition of the store that failed
// is worth a second look: what the report was planned upon has changed.
func (s *Scheduler) withoutReport(decisions []decision, cause error, final bool) {
	later := mail.KindOf(cause).Temporary()
	if !later && !final {
		return
	}
	if later { // otherwise the outcome's own line tells it
		s.Log.Warn("report cannot be made yet", "error", cause)
	}
	for i := range decisions {
		d := &decisions[i]
		switch {
		case d.report == failureReport && later:
			d.keepForReport(s.Clock.Now().Add(s.rules.backoff.delay(d.recipient.Attempts+1, s.Random)))
		case d.report != noReport:
			d.report = noReport
			if !later {
				d.reason += " (no report sent: " + mta.OneLine(mail.Sentence(cause)) + ")"
				d.dropped = true
			}
		}
	}
}

// reportOf gathers what the sender is to be told; wanted is false when that is nothing.
func reportOf(m *mail.Queued, decisions []decision, now time.Time) (r mta.Report, wanted bool) {
	r = mta.Report{Message: *m, At: now}
	for i := range decisions {
		d := &decisions[i]
		if d.report == noReport {
			continue
		}
		r.Recipients = append(r.Recipients, mta.ReportedRecipient{
			Address: d.recipient.Address, Original: d.recipient.Original,
			Failed: d.report == failureReport, Until: m.Expires,
			Status: d.verdict.Status, Reply: d.verdict.Reply, Reason: d.settle.Reply, Host: d.verdict.Host, LastTried: now,
		})
	}
	return r, len(r.Recipients) > 0
}

// events are what a decision adds to the trail: the outcome, once, and that it was reported.
func (s *Scheduler) events(job *mail.Job, d *decision, report mail.TraceID) []mail.Event {
	e := mail.Event{
		At: s.Clock.Now(), Trace: job.Message.Trace, MessageID: job.Message.MessageID,
		From: job.Message.From, To: d.recipient.Address, Account: job.Message.Account, Queue: job.Message.ID,
	}
	var out []mail.Event
	if d.outcome != "" && !d.reported {
		o := e
		o.Outcome, o.Role, o.Peer, o.TLS, o.Reason = d.outcome, "mta/outbound", d.verdict.Peer, d.verdict.TLS, d.reason
		out = append(out, o)
	}
	if d.report != noReport || d.reported && d.dropped {
		r := e
		r.Outcome, r.Role, r.Reason = mail.Reported, "mta/bounce", d.errandText(report)
		out = append(out, r)
	}
	return out
}

func (d *decision) errandText(report mail.TraceID) string {
	switch {
	case d.dropped:
		return d.reason
	case d.report == delayReport:
		return "delay report " + string(report)
	}
	return "failure report " + string(report)
}

// tell logs one line for each outcome, always with the same keys.
func (s *Scheduler) tell(job *mail.Job, decisions []decision, report mail.TraceID) {
	for i := range decisions {
		d := &decisions[i]
		if d.outcome == "" {
			continue
		}
		attempts, next, told := d.recipient.Attempts, "", ""
		if d.settle.Spent {
			attempts++
		}
		if !d.settle.Done {
			next = d.settle.Next.UTC().Format(time.RFC3339)
		}
		if d.report != noReport {
			told = string(report)
		}
		m := &job.Message
		s.Log.LogAttrs(context.Background(), slog.LevelInfo, "outcome",
			slog.String("trace", string(m.Trace)), slog.Int64("queue", int64(m.ID)), slog.String("message_id", m.MessageID),
			slog.String("from", string(m.From)), slog.String("to", string(d.recipient.Address)),
			slog.String("outcome", string(d.outcome)), slog.String("status", d.verdict.Status),
			slog.Int("attempts", attempts), slog.String("peer", d.verdict.Peer), slog.String("tls", d.verdict.TLS),
			slog.Duration("age", s.Clock.Now().Sub(m.Created)), slog.String("next", next),
			slog.String("report", told), slog.String("reason", d.reason))
	}
}
