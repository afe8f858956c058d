package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/dmarcreport"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/tlsrpt"
	"github.com/postrider/postrider/service/judge"
)

// SenderConfig is what a Sender works with. All but HTTP, Wait and Log are required.
type SenderConfig struct {
	Notes    mail.Notes
	Journal  mail.Journal
	Poster   mail.Poster
	Resolver dns.Resolver
	Clock    mail.Clock
	// From says who reports: an address of one of our domains, whose mail is signed. An error puts reports off.
	From func(ctx context.Context) (addr.Address, error)
	// HTTP posts reports on TLS to https addresses; nil passes those over.
	HTTP *http.Client
	// DMARC and TLS turn the two kinds on; what is off is counted by nobody and sent to nobody.
	DMARC, TLS bool
	// Wait is how long after the end of the day reports are sent, so that not all of the world does it at midnight.
	Wait time.Duration
	Log  *slog.Logger
}

// Sender sends the reports of days that are over.
type Sender struct{ SenderConfig }

// NewSender makes one.
func NewSender(c SenderConfig) *Sender {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Sender{c}
}

// lookEvery is how often it is looked for days that are over.
const lookEvery = 30 * time.Minute

// maxDestinations bounds the addresses of one report.
const maxDestinations = 5

// errRetry keeps a day's counts for another time.
var errRetry = errors.New("the report is tried again later")

// Run sends what is due until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	for {
		if n, err := s.Send(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("reports to other domains cannot be sent now", "error", err)
		} else if n > 0 {
			s.Log.Info("reports were sent to other domains", "reports", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.Clock.After(lookEvery):
		}
	}
}

// Send sends the reports of all days that are over, and says how many. What the DNS or the net does not let through now waits.
func (s *Sender) Send(ctx context.Context) (int, error) {
	today := dayKey(s.Clock.Now().Add(-s.Wait))
	sent := 0
	for kind, send := range map[string]func(context.Context, day) (bool, error){kindDMARCDay: s.dmarc, kindTLSDay: s.tls} {
		if kind == kindDMARCDay && !s.DMARC || kind == kindTLSDay && !s.TLS {
			continue
		}
		after := ""
		for {
			list, err := s.Notes.Notes(ctx, mail.NoteQuery{Kind: kind, After: after, Limit: 100})
			if err != nil {
				return sent, err
			}
			for _, n := range list {
				if n.Key >= today {
					list = nil // days that are not over
					break
				}
				after = n.Key
				ok, err := s.one(ctx, n, send)
				if err != nil {
					return sent, err
				}
				if ok {
					sent++
				}
			}
			if len(list) < 100 {
				break
			}
		}
	}
	return sent, nil
}

// day is one note with what its key says.
type day struct {
	mail.Note
	begin  time.Time
	domain string
}

// one sends one report. Trouble with it is logged, and is no error.
func (s *Sender) one(ctx context.Context, n mail.Note, send func(context.Context, day) (bool, error)) (bool, error) {
	d := day{Note: n}
	date, rest, _ := strings.Cut(n.Key, "/")
	d.domain, _, _ = strings.Cut(rest, "/")
	var err error
	if d.begin, err = time.Parse("20060102", date); err != nil {
		return false, s.forget(ctx, d)
	}
	sent, err := send(ctx, d)
	switch {
	case err == nil:
		return sent, nil
	case mail.Is(err, mail.Conflict): // another node was faster
		return false, nil
	case ctx.Err() != nil:
		return false, err
	case errors.Is(err, errRetry) || mail.KindOf(err).Temporary():
		s.Log.Debug("a report waits", "domain", d.domain, "error", err)
		return false, nil
	}
	s.Log.Warn("a report cannot be made", "domain", d.domain, "error", err)
	return false, s.forget(ctx, d)
}

// taken is the change that takes a day's counts away, if they are still as they were read.
func taken(d day) mail.Change {
	return mail.RemoveNote{Kind: d.Kind, Key: d.Key, If: mail.NoteIs, Was: d.Value}
}

func (s *Sender) forget(ctx context.Context, d day) error {
	_, err := s.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{taken(d)}})
	if mail.Is(err, mail.Conflict) {
		return nil
	}
	return err
}

// dmarc sends one DMARC report. RFC 9990 3.5
func (s *Sender) dmarc(ctx context.Context, d day) (bool, error) {
	var counted dmarcDay
	if err := json.Unmarshal(d.Value, &counted); err != nil {
		return false, err
	}
	var record dmarc.Record
	for _, text := range counted.Addresses {
		if u, ok := dmarc.ParseURI(text); ok {
			record.Aggregate = append(record.Aggregate, u)
		}
	}
	var to []addr.Address
	for _, w := range judge.DMARC(s.Resolver).Destinations(ctx, counted.Published.Domain, record, dmarc.AggregateReport) {
		switch {
		case w.Retry:
			return false, errRetry
		case w.Allowed && !w.URI.Mailbox.IsZero() && len(to) < maxDestinations:
			to = append(to, w.URI.Mailbox)
		case !w.Allowed:
			s.Log.Debug("a report is not sent", "domain", counted.Published.Domain, "to", w.URI.Text, "reason", w.Reason)
		}
	}
	if len(to) == 0 || len(counted.Rows) == 0 {
		return false, s.forget(ctx, d)
	}
	from, err := s.From(ctx)
	if err != nil {
		return false, err
	}
	begin, end := dmarcreport.Day(d.begin)
	_, unique, _ := strings.Cut(strings.TrimPrefix(d.Key, dayKey(d.begin)), "/")
	r := dmarcreport.Report{Version: "1.0", Organization: from.Domain, Email: from.String(), Begin: begin, End: end, Policy: counted.Published, Generator: "Postrider",
		ID: dmarcreport.ReportID(counted.Published.Domain, from.Domain, begin, unique)}
	if counted.Missed > 0 {
		r.Errors = []string{fmt.Sprintf("%d more messages of the day are not told: there were too many kinds", counted.Missed)}
	}
	var body bytes.Buffer // bounded by maxDay
	if err := r.Write(&body, slices.Values(counted.Rows), true); err != nil {
		return false, err
	}
	l := letter{from: from, to: to, subject: dmarcreport.Subject(counted.Published.Domain, from.Domain, r.ID), id: r.ID,
		text: fmt.Sprintf("This is the report of %s on mail in the name of %s on %s (UTC), as its DMARC record asks for.\r\n",
			from.Domain, counted.Published.Domain, d.begin.Format(time.DateOnly)),
		subtype: "mixed", media: dmarcreport.MediaGzip, name: dmarcreport.FileName(r, from.Domain, unique, true), body: body.Bytes()}
	return true, s.post(ctx, d, l, mail.TLSAsUsual)
}

// tls sends one TLS report. RFC 8460 5
func (s *Sender) tls(ctx context.Context, d day) (bool, error) {
	answer, err := s.Resolver.TXT(ctx, tlsrpt.Name(d.domain))
	if err != nil {
		return false, errRetry
	}
	uris, err := tlsrpt.ParseRecord(answer.Value)
	if err != nil || len(uris) == 0 {
		return false, s.forget(ctx, d) // nobody asks
	}
	from, err := s.From(ctx)
	if err != nil {
		return false, err
	}
	var r tlsrpt.Report
	if err := json.Unmarshal(d.Value, &r); err != nil {
		return false, err
	}
	r.Begin, r.End = tlsrpt.Day(d.begin)
	r.Organization, r.Contact, r.ID = from.Domain, from.String(), fmt.Sprintf("%s.%s@%s", d.begin.Format("20060102"), d.domain, from.Domain)
	var body bytes.Buffer // bounded by what a note holds
	if err := r.Write(&body, true); err != nil {
		return false, err
	}
	var to []addr.Address
	for _, u := range uris[:min(len(uris), maxDestinations)] {
		if !u.HTTPS() {
			to = append(to, u.Mailbox)
		} else if err := s.upload(ctx, u.Text, body.Bytes()); err != nil {
			s.Log.Debug("a report on TLS cannot be uploaded", "domain", d.domain, "to", u.Text, "error", err)
		}
	}
	if len(to) == 0 {
		return true, s.forget(ctx, d)
	}
	l := letter{from: from, to: to, id: r.ID, marks: tlsrpt.MailFields(d.domain, from.Domain, r.ID),
		text: fmt.Sprintf("This is the report of %s on TLS with the mail hosts of %s on %s (UTC), as its TLSRPT record asks for.\r\n",
			from.Domain, d.domain, d.begin.Format(time.DateOnly)),
		subtype: "report", params: []message.Param{{Name: "report-type", Value: tlsrpt.ReportType}}, media: tlsrpt.MediaGzip,
		name: tlsrpt.FileName(r, from.Domain, d.domain, "", true), body: body.Bytes()}
	return true, s.post(ctx, d, l, mail.TLSOptional)
}

// upload hands a report to a web server. RFC 8460 5.4
func (s *Sender) upload(ctx context.Context, url string, body []byte) error {
	if s.HTTP == nil {
		return errors.New("uploads are off")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", tlsrpt.MediaGzip)
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil
}
