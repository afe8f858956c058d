package msa

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/postrider/postrider/mail"
)

// mayMore refuses an account whose day is used up, before it sends a body in vain.
func (a *Agent) mayMore(ctx context.Context, account mail.AccountID) error {
	if a.Limits == nil {
		return nil
	}
	_, err := a.Limits.Submission(ctx, account, nil, a.Clock.Now())
	return err
}

// counted gives what counts the message, which its commit does, or refuses it with an event for each recipient.
func (a *Agent) counted(ctx context.Context, s submission) ([]mail.Change, error) {
	if a.Limits == nil {
		return nil, nil
	}
	changes, err := a.Limits.Submission(ctx, s.account.ID, s.env.To, a.Clock.Now())
	if mail.Is(err, mail.TooMany) {
		a.overLimit(s, err)
	}
	return changes, err
}

// overtaken turns the failure of a commit that found the day used up meanwhile into the same refusal.
func (a *Agent) overtaken(s submission, err error) error {
	var change *mail.ChangeError
	if !errors.As(err, &change) || !mail.Is(err, mail.TooMany) {
		return err
	}
	refusal := &mail.Error{Kind: mail.TooMany, Enhanced: "4.7.1", Text: mail.Sentence(err), Err: err}
	a.overLimit(s, refusal)
	return refusal
}

// newTrace is for the events of what was refused: without one of its own it would be found with everybody's refusals.
func newTrace(c mail.Clock) mail.TraceID { return mail.NewTraceID(c.Now(), rand.Uint32()) }

// overLimit writes a refusal to the log and to the trail.
func (a *Agent) overLimit(s submission, err error) {
	a.Log.Info("submission refused", "role", role, "account", string(s.account.Address), "from", string(s.env.From), "recipients", len(s.env.To), "reason", err.Error())
	trace := newTrace(a.Clock)
	for _, p := range s.env.To {
		a.Intake.Rejections.Add(mail.Event{Trace: trace, From: s.env.From, To: p, Account: s.account.ID, Role: role, Peer: s.peer, Reason: mail.Sentence(err)})
	}
}
