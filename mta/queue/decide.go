package queue

import (
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
)

// reportRoute is the route of a recipient that was given up and whose report could not be written yet, followed by
// its status code. Such a recipient is never tried again, only reported.
const reportRoute = "report:"

// givenUp begins the reason of a recipient whose time has run out.
const givenUp = "given up after "

// errand is what a report about a recipient is to say, if there is one.
type errand uint8

const (
	noReport errand = iota
	failureReport
	delayReport
)

// decision is what a verdict means for one recipient.
type decision struct {
	recipient mail.QueuedRecipient
	verdict   mta.Verdict
	settle    mail.Settlement
	outcome   mail.Outcome // for log and trail; "" when there is nothing to tell
	reason    string       // what log and trail say
	report    errand
	reported  bool // a given-up recipient that only waited for its report: its outcome is recorded
	dropped   bool // a report was due and never can be made
}

// rules are what decisions depend on besides the message.
type rules struct {
	backoff Backoff
	delay   time.Duration
	random  func() float64
}

// decide makes a decision of a verdict. It is pure: all it knows is in its arguments.
func (r rules) decide(now time.Time, m *mail.Queued, q mail.QueuedRecipient, v mta.Verdict) decision {
	d := decision{recipient: q, verdict: v, outcome: v.Outcome, reason: v.Reason}
	d.settle = mail.Settlement{N: q.N, Reply: v.Reason, Spent: true}
	switch {
	case v.Outcome == mail.Relayed:
		d.settle.Done = true
	case v.Outcome == mail.Bounced:
		d.fail(m)
	case v.Unspent:
		d.outcome = ""
		d.settle = mail.Settlement{N: q.N, Next: now, Reply: q.Last}
	case !now.Before(m.Expires):
		// RFC 5321 4.5.4.1: given up after some days. X.4.7 is "delivery time expired" (RFC 3463 3.5); the class
		// stays 4, as the message was refused by nobody.
		d.outcome = mail.Bounced
		d.reason = givenUp + span(now.Sub(m.Created)) + ": " + v.Reason
		d.verdict.Status = "4.4.7"
		d.settle.Reply = d.reason
		d.fail(m)
	default:
		d.outcome = mail.Deferred
		d.wait(now, m, r)
	}
	return d
}

// fail takes the recipient out, with a report where there is someone to read it. RFC 5321 4.5.5
func (d *decision) fail(m *mail.Queued) {
	d.settle.Done = true
	if m.Answerable() {
		d.report = failureReport
	}
}

// wait plans the next attempt: by the schedule, but no later than the moments something else is due, the
// delay report and the end of the message's time.
func (d *decision) wait(now time.Time, m *mail.Queued, r rules) {
	next := now.Add(r.backoff.delay(d.recipient.Attempts+1, r.random))
	if r.delay > 0 && !d.recipient.Delayed && m.Answerable() {
		if due := m.Created.Add(r.delay); now.Before(due) {
			next = earlier(next, due)
		} else {
			d.report = delayReport
		}
	}
	d.settle.Next = earlier(next, m.Expires)
}

// keepForReport puts a given-up recipient back to wait for its report alone.
func (d *decision) keepForReport(next time.Time) {
	d.settle.Done = false
	d.settle.Next = next
	d.settle.Route = reportRoute + d.verdict.Status
	if d.reported {
		d.outcome = "" // nothing new to tell
	}
	d.report = noReport
}

// recall makes the decision for a recipient that waits for its report: everything about it was settled before.
func recall(m *mail.Queued, q mail.QueuedRecipient, status string) decision {
	v := mta.Verdict{N: q.N, Outcome: mail.Bounced, Status: status, Reason: q.Last}
	words := q.Last
	if rest, ok := strings.CutPrefix(words, givenUp); ok {
		_, words, _ = strings.Cut(rest, ": ")
	}
	v.Host, v.Reply, _ = mta.ParseSaid(words)
	d := decision{recipient: q, verdict: v, outcome: mail.Reported, reason: q.Last, reported: true}
	d.settle = mail.Settlement{N: q.N, Reply: q.Last}
	d.fail(m)
	return d
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// span tells a long duration for people: "5 days", "7 hours", "12 minutes".
func span(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, " days"}, {time.Hour, " hours"}, {time.Minute, " minutes"}} {
		if d >= 2*u.unit {
			return strconv.Itoa(int(d/u.unit)) + u.name
		}
	}
	return strconv.Itoa(int(d/time.Second)) + " seconds"
}
