package bounce

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dsn"
	"github.com/postrider/postrider/proto/message"
)

// Config is what a Reporter works with. Poster, Blobs and Hostname must be set.
type Config struct {
	Poster     mail.Poster
	Blobs      mail.Blobs
	Hostname   string         // the host that reports
	Postmaster string         // where a person can ask; may be empty
	Zone       *time.Location // in which times are told; nil: UTC
	Log        *slog.Logger   // nil: none
}

// Reporter writes reports. It is safe for concurrent use.
type Reporter struct{ Config }

// New makes a reporter. Invalid when the configuration lacks a part.
func New(c Config) (*Reporter, error) {
	if c.Poster == nil || c.Blobs == nil || c.Hostname == "" {
		return nil, mail.Errorf(mail.Invalid, "reports need a poster, the bodies and our host name")
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Reporter{c}, nil
}

// maxHeader is how much of the original is read for its header. What a report returns of it is bounded by proto/dsn.
const maxHeader = 2 * dsn.MaxReturnedHeader

// Report writes the report and gives the changes that send it. The posting must be discarded once its set was committed or given
// up. Errors: Invalid when the sender is none that mail can be sent to, NotFound when nobody takes mail there, and
// those of the Poster.
func (r *Reporter) Report(ctx context.Context, report mta.Report) (mail.Posting, error) {
	m := &report.Message
	if !m.Answerable() {
		return mail.Posting{}, mail.Errorf(mail.Invalid, "there is no sender to report to, or one that may be forged")
	}
	to, err := addr.Parse(string(m.From))
	if err != nil {
		return mail.Posting{}, mail.Errorf(mail.Invalid, "the sender's address cannot be answered: %w", err)
	}
	header, err := r.original(ctx, m)
	if err != nil {
		return mail.Posting{}, err
	}
	letter := dsn.Message{
		Report:    dsn.Report{ReportingMTA: r.Hostname, ArrivalDate: m.Created.In(r.Zone), Recipients: r.recipients(&report)},
		To:        to,
		MessageID: strings.ToLower(rand.Text()) + "@" + r.Hostname,
		Date:      report.At.In(r.Zone), Original: header, Postmaster: r.Postmaster,
	}
	env := mail.Envelope{To: []mail.Path{m.From}, UTF8: letter.NeedsUTF8()}
	if env.UTF8 || !isASCII(header.Bytes()) {
		env.Body = mail.Body8Bit // headers are returned as they are (RFC 6533 4)
	}
	posting, err := r.Poster.Post(ctx, env, func(w io.Writer) error { return dsn.Compose(w, letter) })
	if err != nil {
		return posting, err
	}
	if !reaches(posting.Changes) {
		if posting.Discard != nil {
			posting.Discard()
		}
		return mail.Posting{}, mail.Errorf(mail.NotFound, "nobody takes mail for the sender, %s", m.From)
	}
	return posting, nil
}

// reaches reports whether a posting does anything for anybody. One that only records that it came in was left with no recipient.
func reaches(changes []mail.Change) bool {
	for _, c := range changes {
		if e, ok := c.(mail.Record); !ok || e.Event.To != "" {
			return true
		}
	}
	return false
}

// recipients translates what is told of each.
func (r *Reporter) recipients(report *mta.Report) []dsn.Recipient {
	out := make([]dsn.Recipient, 0, len(report.Recipients))
	for _, q := range report.Recipients {
		d := dsn.Recipient{
			Final: string(q.Address), Action: dsn.Failed, RemoteMTA: q.Host, Diagnostic: q.Reply, LastAttempt: q.LastTried.In(r.Zone),
		}
		if q.Original != q.Address {
			d.Original = string(q.Original)
		}
		if q.Reply == "" {
			d.Reason = q.Reason
		}
		d.Status, _ = dsn.ParseStatus(q.Status)
		if !q.Failed {
			d.Action, d.WillRetryUntil = dsn.Delayed, q.Until.In(r.Zone)
		}
		out = append(out, d)
	}
	return out
}

// original reads the message's header: our prefix and the top of the body. Only a trouble that will pass is an error.
func (r *Reporter) original(ctx context.Context, m *mail.Queued) (message.Header, error) {
	blob, err := r.Blobs.Open(ctx, m.Blob)
	if mail.Is(err, mail.Unavailable) {
		return message.Header{}, err
	}
	top := io.Reader(bytes.NewReader(m.Prefix))
	if err == nil {
		defer blob.Close()
		top = io.MultiReader(top, blob)
	} else {
		r.Log.Error("report goes without the header of its message, which cannot be read", "queue", m.ID, "trace", m.Trace, "error", err)
	}
	br := bufio.NewReader(top)
	header, err := message.ReadHeader(br, maxHeader)
	if err != nil && header.Len() == 0 {
		r.Log.Error("report goes without the header of its message, which cannot be read", "queue", m.ID, "trace", m.Trace, "error", err)
		header, _ = message.ParseHeader(m.Prefix)
	}
	return header, nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
