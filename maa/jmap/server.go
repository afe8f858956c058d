package jmap

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/maa/jmap/webpush"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/contacts"
)

// Login says who a client is (service/directory's Authenticator). Errors are of kind Unauthenticated for a wrong name or password, TooMany or
// Unavailable when it may not try now, Denied for an account that may not log in.
type Login interface {
	Login(ctx context.Context, user, password string, peer net.Addr) (mail.Account, error)
}

// Accounts reads one account.
type Accounts interface {
	Account(ctx context.Context, id mail.AccountID) (mail.Account, error)
}

// Senders knows which addresses are whose (service/directory).
type Senders interface {
	MayUse(ctx context.Context, account mail.AccountID, p mail.Path) (bool, error)
}

// Limits bound what clients may do. The session tells those of RFC 8620 2. Zero fields take the values of DefaultLimits.
type Limits struct {
	Upload           int64 // octets of one upload
	ConcurrentUpload int   // of one account
	Request          int64 // octets of one request
	Concurrent       int   // requests of one account at a time
	Calls            int   // method calls of one request
	Get, Set         int   // objects of one method call
	Query            int   // ids of one query
	Events           int   // event sources of one account
	Sockets          int   // WebSockets of one account
	UploadsHeld      int64 // octets of an account's uploads that no message has yet
	Value            int64 // octets of text of one body value
	Time             time.Duration
	Snapshots        int64 // octets of all snapshots
}

// DefaultLimits are the limits of a server that was told none.
func DefaultLimits() Limits {
	return Limits{Upload: 50_000_000, ConcurrentUpload: 4, Request: 10_000_000, Concurrent: 8, Calls: 32, Get: 1000, Set: 1000, Query: 10_000,
		Events: 20, Sockets: 20, UploadsHeld: 200_000_000, Value: 1 << 20, Time: 50 * time.Second, Snapshots: 96 << 20}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Upload = cmp.Or(l.Upload, d.Upload)
	l.ConcurrentUpload = cmp.Or(l.ConcurrentUpload, d.ConcurrentUpload)
	l.Request = cmp.Or(l.Request, d.Request)
	l.Concurrent = cmp.Or(l.Concurrent, d.Concurrent)
	l.Calls = cmp.Or(l.Calls, d.Calls)
	l.Get = cmp.Or(l.Get, d.Get)
	l.Set = cmp.Or(l.Set, d.Set)
	l.Query = cmp.Or(l.Query, d.Query)
	l.Events = cmp.Or(l.Events, d.Events)
	l.Sockets = cmp.Or(l.Sockets, d.Sockets)
	l.UploadsHeld = cmp.Or(l.UploadsHeld, d.UploadsHeld)
	l.Value = cmp.Or(l.Value, d.Value)
	l.Time = cmp.Or(l.Time, d.Time)
	l.Snapshots = cmp.Or(l.Snapshots, d.Snapshots)
	return l
}

// Config is what a server works with. All but History, Search, Session, Clock, Limits, Prefix and Log must be set; without Submit, Senders, Queue, Trail and
// Notes nothing can be sent, and the session says so.
type Config struct {
	Mailboxes mail.Mailboxes
	Journal   mail.Journal
	Blobs     mail.Blobs
	Bus       mail.Bus
	Accounts  Accounts
	Login     Login
	History   mail.History  // tells changes that snapshots do not go back to; nil: those are not told
	Search    mail.Searcher // narrows searches for texts; nil: messages are read

	Submit  mail.Submitter
	Senders Senders
	Queue   mail.Queue
	Trail   mail.Trail
	Notes   mail.Notes

	Push     *webpush.Sender   // sends push messages (RunPush must run); nil: there are none
	Contacts *contacts.Service // address books and cards; nil: there are none

	// Session knows who a request is from by other means than HTTP Basic (a cookie, a token); nil: nobody is. ok is false when it does not know.
	Session func(*http.Request) (account mail.Account, ok bool, err error)
	// Prefix is what paths begin with; "/jmap" unless set.
	Prefix string
	// CleartextAuth lets clients log in without TLS.
	CleartextAuth bool
	Limits        Limits
	Clock         mail.Clock
	Log           *slog.Logger
}

// Server serves JMAP. It holds snapshots and uploads; End gives them up.
type Server struct {
	cfg      Config
	accounts *accounts
	uploads  *uploads
	previews *previews
	held     chan struct{} // has one when a message was taken that is to be sent later
	pusher   pushing
	stop     context.Context //nolint:containedctx // ends with the server
	end      context.CancelFunc
}

// New makes a server.
func New(cfg Config) *Server {
	cfg.Limits = cfg.Limits.withDefaults()
	cfg.Prefix = strings.TrimSuffix(cmp.Or(cfg.Prefix, "/jmap"), "/")
	if cfg.Clock == nil {
		cfg.Clock = mail.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, accounts: newAccounts(cfg.Mailboxes, cfg.Accounts, cfg.Limits.Snapshots), uploads: newUploads(cfg.Limits.UploadsHeld), previews: newPreviews(),
		held: make(chan struct{}, 1)}
	s.pusher.wake = make(chan struct{}, 1)
	s.stop, s.end = context.WithCancel(context.Background())
	return s
}

// Register puts the server's paths into a Mux, for a host as Mux.Handle takes it.
func (s *Server) Register(m *web.Mux, host string) {
	m.Handle(host, "/.well-known/jmap", s)
	m.Handle(host, s.cfg.Prefix+"/", s)
}

// MaxBody implements web.Large: what the session promises, and is kept to by whoever reads it.
func (s *Server) MaxBody(*http.Request) int64 { return max(s.cfg.Limits.Upload, s.cfg.Limits.Request) }

// End ends event streams and gives up uploads that no message has. It is called before the web server is shut down.
func (s *Server) End() {
	s.end()
	s.pusher.work.Wait()
	s.uploads.drop()
}

// ServeHTTP answers a request for one of the server's paths.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	rest, ours := strings.CutPrefix(r.URL.Path, s.cfg.Prefix)
	var handle func(*visit)
	methods := "GET"
	switch {
	case r.URL.Path == "/.well-known/jmap", ours && rest == "/session":
		handle = s.serveSession
	case ours && rest == "/api":
		handle, methods = s.serveAPI, "POST"
	case ours && strings.HasPrefix(rest, "/upload/"):
		handle, methods = s.serveUpload, "POST"
	case ours && strings.HasPrefix(rest, "/download/"):
		handle = s.serveDownload
	case ours && rest == "/events":
		handle = s.serveEvents
	case ours && rest == "/ws":
		handle = s.serveSocket
	default:
		fail(w, http.StatusNotFound, "There is nothing here; /.well-known/jmap tells what there is.")
		return
	}
	if r.Method != methods && !(methods == "GET" && r.Method == "HEAD") {
		h.Set("Allow", methods)
		fail(w, http.StatusMethodNotAllowed, "This takes "+methods+" alone.")
		return
	}
	account, err := s.who(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	handle(&visit{s: s, w: w, r: r, rest: rest, account: account, entry: s.accounts.entry(account.ID)})
}

// visit is one request of somebody known.
type visit struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	rest    string // the path behind the prefix
	account mail.Account
	entry   *entry
}
