package intake

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/seal"
)

// DefaultMaxHops is how many Received fields a message may carry before it is taken for a loop
// (RFC 5321 6.3 asks for 100 at least).
const DefaultMaxHops = 100

// Sealer signs messages (service/seal).
type Sealer interface {
	Sign(ctx context.Context, m seal.Message) (seal.Seal, error)
}

// Intake is what all doors share. All fields but Rejections and Sealer are required.
type Intake struct {
	Blobs      mail.Blobs
	Journal    mail.Journal
	Resolver   mail.Resolver
	Planner    mail.Planner
	Clock      mail.Clock
	Hostname   string
	QueueLife  time.Duration // how long an undelivered message is tried
	MaxHops    int           // 0: DefaultMaxHops
	Rejections *Rejections   // may be nil: refusals are then not in the trail
	Sealer     Sealer        // of what our users send and what we write ourselves; nil signs nothing
}

// Content is a body that was streamed in, with what the scan on the way found.
type Content struct {
	Body    mail.SealedBody
	Summary []byte
	Facts   message.Facts
}

// Receive streams r into the blob store and scans it on the way. The error of r is returned as it is. The caller
// must discard the body.
func (in *Intake) Receive(ctx context.Context, r io.Reader) (*Content, error) {
	w, err := in.Blobs.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Discard()
	scanner := message.NewScanner(message.Limits{})
	if _, err := io.Copy(tee{w, scanner}, r); err != nil {
		return nil, err
	}
	root := scanner.Finish()
	facts := root.Facts()
	if most := in.maxHops(); facts.ReceivedCount > most {
		return nil, &mail.Error{Kind: mail.Denied, Enhanced: "5.4.6",
			Text: fmt.Sprintf("this message has passed more than %d hosts; it is going round in a loop", most)}
	}
	body, err := w.Seal()
	if err != nil {
		return nil, err
	}
	return &Content{Body: body, Summary: message.Encode(root), Facts: facts}, nil
}

func (in *Intake) maxHops() int {
	if in.MaxHops == 0 {
		return DefaultMaxHops
	}
	return in.MaxHops
}

// tee writes to both without a goroutine; the scanner never fails.
type tee struct {
	blob io.Writer
	scan *message.Scanner
}

func (t tee) Write(p []byte) (int, error) {
	n, err := t.blob.Write(p)
	t.scan.Write(p[:n]) //nolint:errcheck // a scan takes anything
	return n, err
}

// Letter makes a letter of a content. Prefix, Role, Peer and the like are the caller's to set.
func (in *Intake) Letter(c *Content, env mail.Envelope) *mail.Letter {
	now := in.Clock.Now()
	return &mail.Letter{
		Trace: mail.NewTraceID(now, rand.Uint32()), Envelope: env, Body: c.Body, Summary: c.Summary, Arrived: now,
		Thread: mail.ThreadKeys{MessageID: c.Facts.MessageID, References: c.Facts.References, Subject: c.Facts.BaseSubject},
	}
}

// Seal signs a letter of our own people, once its other prefix is complete: signatures stand above the trace (RFC 6376 5.6). What no key
// is for goes unsigned.
func (in *Intake) Seal(ctx context.Context, l *mail.Letter) error {
	if in.Sealer == nil {
		return nil
	}
	s, err := in.Sealer.Sign(ctx, seal.Message{Body: l.Body})
	if err != nil {
		return err
	}
	if s.Reason != "" {
		l.Notes = append(l.Notes, s.Reason)
		return nil
	}
	l.Prefix = append(s.Fields, l.Prefix...)
	l.Notes = append(l.Notes, "Signed for "+s.Domain+" with "+strings.Join(s.Selectors, " and ")+".")
	return nil
}
