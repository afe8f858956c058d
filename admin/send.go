package admin

import (
	"bufio"
	"context"
	"io"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// SendRequest says as whom and to whom a message goes.
type SendRequest struct {
	Account string   `json:"account"`        // whose submission it is
	From    string   `json:"from,omitempty"` // the envelope's sender; "" is the account's address
	To      []string `json:"to"`
}

// Sent is the reply to Send.
type Sent struct {
	Trace string   `json:"trace"`
	From  string   `json:"from"`
	To    []string `json:"to"`
}

// maxSendTo bounds the recipients of one message.
const maxSendTo = 1000

// The submission agent judges the sender and the recipients and completes the header.
func (o *Operations) send(ctx context.Context, r SendRequest, message io.Reader) (Sent, error) {
	if o.p.Submitter == nil {
		return Sent{}, mail.Errorf(mail.Unavailable, "this system takes no mail from its users; start it with: postrider serve")
	}
	a, err := o.account(ctx, r.Account)
	if err != nil {
		return Sent{}, err
	}
	env := mail.Envelope{From: a.Address, Body: mail.Body8Bit}
	if r.From != "" {
		if env.From, _, err = o.anywhere(ctx, r.From); err != nil {
			return Sent{}, err
		}
	}
	switch {
	case len(r.To) == 0:
		return Sent{}, mail.Errorf(mail.Invalid, "the message has no recipient; name one with --to")
	case len(r.To) > maxSendTo:
		return Sent{}, mail.Errorf(mail.TooMany, "one message can have %d recipients at most", maxSendTo)
	}
	out := Sent{From: string(env.From)}
	for _, s := range r.To {
		to, _, err := o.anywhere(ctx, s)
		if err != nil {
			return Sent{}, err
		}
		if parsed, err := addr.Parse(string(to)); err == nil && parsed.NeedsUTF8() {
			env.UTF8 = true
		}
		env.To, out.To = append(env.To, to), append(out.To, string(to))
	}
	trace, err := o.p.Submitter.Submit(ctx, mail.Submission{Account: a.ID, Envelope: env, Peer: "operator", With: "HTTP",
		Body: newLineEnds(message)})
	out.Trace = string(trace)
	return out, err
}

// lineEnds gives a text with each line ended by CRLF, whether it ended in LF or CRLF before, and the last one ended too.
type lineEnds struct {
	r    *bufio.Reader
	last byte // the octet given last
	held []byte
	done bool
}

func newLineEnds(r io.Reader) io.Reader { return &lineEnds{r: bufio.NewReader(r), last: '\n'} }

// Read implements io.Reader.
func (l *lineEnds) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(l.held) > 0 {
			c := copy(p[n:], l.held)
			l.last = l.held[c-1]
			l.held = l.held[c:]
			n += c
			continue
		}
		if l.done {
			break
		}
		b, err := l.r.ReadByte()
		switch {
		case err == io.EOF:
			l.done = true
			if l.last != '\n' {
				l.held = []byte("\r\n")
			}
		case err != nil:
			return n, err
		case b == '\n' && l.last != '\r':
			l.held = []byte("\r\n")
		default:
			p[n], l.last = b, b
			n++
		}
		if n > 0 && l.r.Buffered() == 0 && len(l.held) == 0 && !l.done {
			return n, nil // give what there is instead of waiting for more
		}
	}
	if n == 0 && l.done && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
