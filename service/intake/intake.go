package intake

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// DefaultMaxHops is how many Received fields a message may carry before it is taken for a loop
// (RFC 5321 6.3 asks for 100 at least).
const DefaultMaxHops = 100

// Intake is what all doors share. All fields but Rejections are required.
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
