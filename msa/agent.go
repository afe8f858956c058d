package msa

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/intake"
)

const role = "msa"

// Agent takes submissions. It implements mail.Submitter.
type Agent struct {
	Intake   *intake.Intake
	Resolver mail.Resolver
	Senders  Senders
	Accounts Accounts
	Domains  Domains // may be nil: foreign domains are then not looked up (a smart host knows better)
	Limits   Limits  // may be nil: nobody counts
	OneClick bool    // add List-Unsubscribe-Post where List-Unsubscribe has a web address (RFC 8058 3.1)
	Clock    mail.Clock
	Log      *slog.Logger
}

// Senders knows which addresses are whose (service/directory).
type Senders interface {
	MayUse(ctx context.Context, account mail.AccountID, p mail.Path) (bool, error)
}

// Accounts reads one account.
type Accounts interface {
	Account(ctx context.Context, id mail.AccountID) (mail.Account, error)
}

// Domains tells whether a domain can be sent mail, as far as DNS says.
type Domains interface {
	Exists(ctx context.Context, domain string) (dns.Existence, error)
}

// Limits says how much an account may send in a day (service/limits).
type Limits interface {
	// Submission says whether the account may send to the recipients, and what is to be committed with the message to count it;
	// without recipients, whether it may send at all. TooMany.
	Submission(ctx context.Context, account mail.AccountID, recipients []mail.Path, now time.Time) ([]mail.Change, error)
}

// Submit takes a whole submission: all of its recipients, or none.
func (a *Agent) Submit(ctx context.Context, s mail.Submission) (mail.TraceID, error) {
	account, err := a.Accounts.Account(ctx, s.Account)
	if err != nil {
		return "", err
	}
	if err := a.mayEnvelope(ctx, account, s.Envelope.From); err != nil {
		return "", err
	}
	if len(s.Envelope.To) == 0 {
		return "", mail.Errorf(mail.Invalid, "the message has no recipient; name at least one")
	}
	var to []intake.Recipient
	for _, p := range s.Envelope.To {
		r, err := a.recipient(ctx, p, 0)
		if err != nil {
			return "", err
		}
		to = append(to, r)
	}
	l, err := a.take(ctx, submission{account: account, env: s.Envelope, to: to, body: &checked{r: s.Body}, received: func(l *mail.Letter) []byte {
		return a.received(s, l)
	}, peer: s.Peer, tls: s.TLS, extra: s.Extra})
	if err != nil {
		return "", err
	}
	return l.Trace, nil
}

// submission is what every door has found out before the data.
type submission struct {
	account  mail.Account
	env      mail.Envelope
	to       []intake.Recipient
	body     io.Reader
	received func(*mail.Letter) []byte
	peer     string
	tls      string
	extra    []mail.Change // what else its commit is to do
}

// take repairs the header, stores the body and commits.
func (a *Agent) take(ctx context.Context, s submission) (*mail.Letter, error) {
	counted, err := a.counted(ctx, s)
	if err != nil {
		return nil, err
	}
	body, err := a.repaired(ctx, &s)
	if err != nil {
		return nil, err
	}
	content, err := a.Intake.Receive(ctx, body)
	if err != nil {
		return nil, err
	}
	defer content.Body.Discard()
	l := a.Intake.Letter(content, s.env)
	l.Account, l.Role, l.Peer, l.TLS = s.account.ID, role, s.peer, s.tls
	l.Prefix, l.Extra = s.received(l), append(counted, s.extra...)
	if err := a.Intake.Seal(ctx, l); err != nil {
		return nil, err
	}
	if err := a.overtaken(s, a.Intake.Commit(ctx, l, s.to)); err != nil {
		a.Log.Warn("message not taken", "role", role, "trace", string(l.Trace), "account", string(s.account.Address), "error", err)
		return nil, err
	}
	a.Log.Info("message taken", "role", role, "trace", string(l.Trace), "message_id", l.Thread.MessageID, "account", string(s.account.Address),
		"from", string(s.env.From), "recipients", len(s.env.To), "size", l.Size())
	return l, nil
}
