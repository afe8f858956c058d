package intake

import (
	"context"
	"io"

	"github.com/postrider/postrider/mail"
)

// Post implements mail.Poster for messages this system composes itself. A recipient of ours that does not exist or is full is
// left out: such a message answers another and is never answered itself (RFC 5321 4.5.5).
func (in *Intake) Post(ctx context.Context, env mail.Envelope, write func(io.Writer) error) (mail.Posting, error) {
	return in.post(ctx, "mta/bounce", env, write)
}

// As is a mail.Poster for another role than mta/bounce, as the trail names it.
func (in *Intake) As(role string) mail.Poster { return poster{in, role} }

type poster struct {
	*Intake
	role string
}

// Post implements mail.Poster.
func (p poster) Post(ctx context.Context, env mail.Envelope, write func(io.Writer) error) (mail.Posting, error) {
	return p.post(ctx, p.role, env, write)
}

func (in *Intake) post(ctx context.Context, role string, env mail.Envelope, write func(io.Writer) error) (mail.Posting, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(write(w)) }()
	content, err := in.Receive(ctx, r)
	r.CloseWithError(err) // ends the writer when Receive gave up first
	if err != nil {
		return mail.Posting{}, err
	}
	l := in.Letter(content, env)
	l.Role = role
	if err := in.Seal(ctx, l); err != nil {
		content.Body.Discard()
		return mail.Posting{}, err
	}
	var to []Recipient
	for _, p := range env.To {
		rcpt, ok, err := in.destination(ctx, p, l.Size())
		if err != nil {
			content.Body.Discard()
			return mail.Posting{}, err
		}
		if ok {
			to = append(to, rcpt)
		}
	}
	changes, err := in.Changes(ctx, l, to)
	if err != nil {
		content.Body.Discard()
		return mail.Posting{}, err
	}
	return mail.Posting{Trace: l.Trace, Changes: changes, Discard: content.Body.Discard}, nil
}

// destination resolves an address that may be ours or foreign. ok is false when it is ours and can take nothing.
func (in *Intake) destination(ctx context.Context, p mail.Path, size int64) (r Recipient, ok bool, err error) {
	ours, err := in.Resolver.Serves(ctx, p.Domain())
	if err != nil {
		return Recipient{}, false, err
	}
	if !ours {
		return Relay(p), true, nil
	}
	res, err := in.Resolver.Resolve(ctx, p, size)
	switch {
	case mail.Is(err, mail.NotFound), mail.Is(err, mail.OverQuota), mail.Is(err, mail.Denied), mail.Is(err, mail.Invalid):
		return Recipient{}, false, nil
	case err != nil:
		return Recipient{}, false, err
	}
	return Recipient{Path: p, Resolution: res}, true, nil
}
