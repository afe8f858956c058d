package junk

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
)

// Opener is what can be read from its start: a mail.SealedBody.
type Opener interface {
	Open() (mail.BlobReader, error)
}

// Message is what is known of a message when it came in.
type Message struct {
	IP      netip.Addr // of the client
	Reverse string     // its verified name; "" when it has none, or none is known
	Helo    string
	From    mail.Path // the envelope's
	To      []mail.Path
	// Evidence is what service/judge found; the zero Evidence when nothing was judged.
	Evidence Evidence
	// Prefix has header fields that belong to the message but are not part of Body (complete CRLF lines).
	Prefix  []byte
	Body    Opener
	Summary []byte        // proto/message's encoding; nil: the body is scanned for it
	Facts   message.Facts // of the same; used as they are when MessageID, From or Date is set
}

// Assess says how much a message looks like junk. The error is one of reading the body.
func (f *Filter) Assess(ctx context.Context, m Message) (mail.Suspicion, error) {
	body, err := m.Body.Open()
	if err != nil {
		return mail.Suspicion{}, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	root, err := structure(m.Summary, body)
	if err != nil {
		return mail.Suspicion{}, err
	}
	facts := m.Facts
	if facts.MessageID == "" && len(facts.From) == 0 && facts.Date.IsZero() {
		facts = root.Facts()
	}
	q := f.begin(ctx)
	defer q.end()
	q.client(m.IP)
	q.domain(author(facts))
	q.domain(m.From.Domain())
	q.domain(m.Reverse)

	c, err := read(root, body)
	if err != nil {
		return mail.Suspicion{}, err
	}
	for _, h := range c.hosts {
		q.domain(h)
	}
	front, _ := message.ParseHeader(m.Prefix)
	var t tally
	m.Evidence.weigh(&t)
	f.client(&t, m)
	f.header(&t, signs{m: m, front: &front, header: &c.header, facts: facts})
	c.form(&t, root)
	q.gather(&t)
	words := c.words
	if m.Evidence.Domain != "" {
		words.list = append(words.list, proof(m.Evidence.Domain))
	}
	return mail.Suspicion{Score: t.score, Why: t.why, Tokens: words.list}, nil
}

// structure decodes a summary, or makes one.
func structure(summary []byte, body mail.BlobReader) (*message.Part, error) {
	if summary != nil {
		if root, err := message.Decode(summary); err == nil {
			return root, nil
		}
	}
	scanner := message.NewScanner(message.Limits{})
	if _, err := io.Copy(scanner, io.NewSectionReader(body, 0, body.Size())); err != nil {
		return nil, err
	}
	return scanner.Finish(), nil
}

// author is the domain in From, as A-labels, where there is exactly one author.
func author(facts message.Facts) string {
	if len(facts.From) != 1 {
		return ""
	}
	return normal(facts.From[0].Addr.Domain)
}

// normal is a domain as A-labels; "" when it is none.
func normal(domain string) string {
	if domain == "" || domain[0] == '[' {
		return ""
	}
	d, err := addr.NormalDomain(domain)
	if err != nil {
		return ""
	}
	return d
}

// tally is a score under way.
type tally struct {
	score float64
	why   []string
}

// maxWhy bounds the sentences of one message.
const maxWhy = 64

// add counts something, with its sentence.
func (t *tally) add(points float64, format string, args ...any) {
	if len(t.why) >= maxWhy {
		return
	}
	t.score += points
	sentence := strings.TrimSuffix(fmt.Sprintf(format, args...), ".")
	t.why = append(t.why, fmt.Sprintf("%s (%+.1f).", sentence, points))
}

// say notes something that does not count.
func (t *tally) say(format string, args ...any) {
	if len(t.why) < maxWhy {
		t.why = append(t.why, fmt.Sprintf(format, args...))
	}
}
