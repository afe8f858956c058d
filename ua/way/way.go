package way

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/answer"
)

// Config is what the way works with. All but Own, Clock and Log are required.
type Config struct {
	Guarded   answer.Guarded
	Trail     mail.Trail
	Queue     mail.Queue
	Mailboxes mail.Mailboxes
	Blobs     mail.Blobs
	Journal   mail.Journal
	Hostname  string   // whose Received and Authentication-Results are ours
	Own       []string // further names of ours
	Clock     mail.Clock
	Log       *slog.Logger
}

// Service answers questions about the way of letters.
type Service struct {
	cfg Config

	mu    sync.Mutex
	tries map[mail.TraceID]time.Time // when a sender last asked for an attempt
}

// New makes a service.
func New(cfg Config) *Service {
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, tries: map[mail.TraceID]time.Time{}}
}

// Register puts the service's paths into a Mux, for a host as Mux.Handle takes it.
func (s *Service) Register(m *web.Mux, host string) {
	m.Handle(host, "/api/way", s.cfg.Guarded(s.serveWay))
	m.Handle(host, "/api/way/retry", s.cfg.Guarded(s.serveRetry))
}

// Way is a letter's way.
type Way struct {
	Direction  string      `json:"direction"` // out or in
	MessageID  string      `json:"messageId"`
	Trace      []string    `json:"trace"`
	Text       string      `json:"text,omitempty"` // a sentence about all of it, where one is needed
	Recipients []Recipient `json:"recipients"`
	Arrival    *Arrival    `json:"arrival,omitempty"`
}

// Recipient is how it stands with one address that a letter was sent to.
type Recipient struct {
	Address  string     `json:"address"`
	State    string     `json:"state"`
	At       time.Time  `json:"at"`
	Host     string     `json:"host,omitempty"`
	TLS      string     `json:"tls,omitempty"`
	Words    string     `json:"words,omitempty"`
	Next     *time.Time `json:"next,omitempty"`
	Attempts int        `json:"attempts,omitempty"`
	Advice   string     `json:"advice,omitempty"`
	Link     string     `json:"link,omitempty"`
	Events   []Event    `json:"events"`
}

// Event is one thing that happened on the way.
type Event struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Text    string    `json:"text"`
	Host    string    `json:"host,omitempty"`
	TLS     string    `json:"tls,omitempty"`
}

// The states of a recipient. Those of settled ones are the trail's outcomes.
const (
	stateAccepted = "accepted"
	stateTrying   = "trying"
	stateHeld     = "held"
)

// maxEvents is how much of a trail is read for one question.
const maxEvents = 5000

func (s *Service) serveWay(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodGet) {
		return
	}
	q := r.URL.Query()
	var way Way
	var err error
	switch email, trace := q.Get("email"), q.Get("trace"); {
	case email != "" && trace != "" || email == "" && trace == "":
		err = mail.Errorf(mail.Invalid, "ask for an email or for a trace")
	case email != "":
		way, err = s.ofEmail(r.Context(), account, email)
	default:
		way, err = s.ofTrace(r.Context(), account, mail.TraceID(strings.ToLower(trace)))
	}
	if err != nil {
		answer.Fail(w, r, s.cfg.Log, err)
		return
	}
	answer.JSON(w, http.StatusOK, way)
}

// ofEmail is the way of a message in one of the reader's mailboxes.
func (s *Service) ofEmail(ctx context.Context, account mail.Account, id string) (Way, error) {
	n, err := answer.Email(id)
	if err != nil {
		return Way{}, err
	}
	m, err := s.cfg.Mailboxes.Message(ctx, account.ID, n)
	if err != nil {
		return Way{}, err
	}
	l, err := s.open(ctx, account, m)
	if err != nil {
		return Way{}, err
	}
	if l.arrived() {
		return s.in(ctx, l)
	}
	var sent []mail.Event
	if l.facts.MessageID != "" {
		events, err := s.cfg.Trail.Events(ctx, mail.TrailQuery{MessageID: l.facts.MessageID, Limit: maxEvents})
		if err != nil {
			return Way{}, err
		}
		sent = submittedBy(events, account.ID)
	}
	switch {
	case len(sent) > 0:
		return s.out(ctx, account, sent)
	case l.hops > 0: // brought here from elsewhere
		return s.in(ctx, l)
	}
	return Way{}, mail.Errorf(mail.NotFound, "this message was not sent through this server, so that nothing is known of its way")
}

// ofTrace is the way of a message that the reader sent, or that reached them.
func (s *Service) ofTrace(ctx context.Context, account mail.Account, trace mail.TraceID) (Way, error) {
	events, err := s.cfg.Trail.Events(ctx, mail.TrailQuery{Trace: trace, Limit: maxEvents})
	if err != nil {
		return Way{}, err
	}
	if sent := submittedBy(events, account.ID); len(sent) > 0 {
		return s.out(ctx, account, sent)
	}
	for _, e := range events {
		if e.Outcome == mail.Delivered && e.Account == account.ID {
			return s.inByTrail(account, events), nil
		}
	}
	return Way{}, noTrace(trace)
}

func noTrace(trace mail.TraceID) error {
	return mail.Errorf(mail.NotFound, "nothing of yours is known under %.40q", string(trace))
}

// submittedBy keeps the events of the traces that an account submitted.
func submittedBy(events []mail.Event, account mail.AccountID) []mail.Event {
	ours := map[mail.TraceID]bool{}
	for _, e := range events {
		if e.Outcome == mail.Accepted && e.Account == account && e.Account != 0 {
			ours[e.Trace] = true
		}
	}
	var out []mail.Event
	for _, e := range events {
		if ours[e.Trace] {
			out = append(out, e)
		}
	}
	return out
}

// retryEvery is how long a sender waits between two attempts they ask for.
const retryEvery = time.Minute

func (s *Service) serveRetry(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodPost) {
		return
	}
	var ask struct {
		Trace string `json:"trace"`
	}
	err := answer.Read(w, r, &ask)
	if err == nil {
		err = s.retry(r.Context(), account, mail.TraceID(strings.ToLower(ask.Trace)))
	}
	if err != nil {
		answer.Fail(w, r, s.cfg.Log, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// retry makes what an account sent due now, unless an operator holds it or an attempt runs.
func (s *Service) retry(ctx context.Context, account mail.Account, trace mail.TraceID) error {
	entries, err := s.queued(ctx, account, trace)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return mail.Errorf(mail.NotFound, "nothing of yours waits under %.40q; it may have left by now", string(trace))
	}
	now := s.cfg.Clock.Now()
	var set mail.ChangeSet
	for _, q := range entries {
		for _, rcpt := range q.Recipients {
			if !rcpt.Held {
				set.Add(mail.QueueAct{Queue: q.ID, Act: mail.ActRetry, Now: now, Unleased: true})
				break
			}
		}
	}
	if len(set.Changes) == 0 {
		return mail.Errorf(mail.Denied, "somebody who runs this server holds the message back: ask them")
	}
	if !s.mayTry(trace, now) {
		return mail.Errorf(mail.TooMany, "an attempt was asked for within the last minute; wait a little")
	}
	_, err = s.cfg.Journal.Commit(ctx, set)
	switch {
	case mail.Is(err, mail.Conflict):
		return mail.Errorf(mail.Conflict, "an attempt runs at this moment")
	case mail.Is(err, mail.NotFound):
		return mail.Errorf(mail.NotFound, "the message left at this moment")
	}
	return err
}

// mayTry bounds how often hosts of others are bothered by one impatient person.
func (s *Service) mayTry(trace mail.TraceID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, at := range s.tries {
		if now.Sub(at) >= retryEvery {
			delete(s.tries, t)
		}
	}
	if _, tried := s.tries[trace]; tried {
		return false
	}
	s.tries[trace] = now
	return true
}

// queued lists what of a trace an account has in the queue.
func (s *Service) queued(ctx context.Context, account mail.Account, trace mail.TraceID) ([]mail.Queued, error) {
	if trace == "" {
		return nil, nil
	}
	all, err := s.cfg.Queue.Queued(ctx, mail.QueueFilter{Trace: trace})
	if err != nil {
		return nil, err
	}
	var out []mail.Queued
	for _, q := range all {
		if q.Trace == trace && q.Account == account.ID {
			out = append(out, q)
		}
	}
	return out, nil
}
