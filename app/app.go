package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/admin/webapi"
	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/dnspub"
	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/maa/jmap/webpush"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mda"
	"github.com/postrider/postrider/msa"
	"github.com/postrider/postrider/mta/policyhost"
	"github.com/postrider/postrider/mta/queue"
	"github.com/postrider/postrider/mta/report"
	"github.com/postrider/postrider/service/contacts"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/doctor"
	"github.com/postrider/postrider/service/factor"
	"github.com/postrider/postrider/service/intake"
	"github.com/postrider/postrider/service/junk"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/service/scan"
	"github.com/postrider/postrider/service/seal"
	"github.com/postrider/postrider/service/search"
	"github.com/postrider/postrider/service/session"
	"github.com/postrider/postrider/service/tlspolicy"
	"github.com/postrider/postrider/ua/account"
	webmail "github.com/postrider/postrider/ua/web"
)

// Grace is how long conversations and attempts may go on after the system was told to stop.
const Grace = 15 * time.Second

// KeepTrail is how long it is remembered what became of messages.
const KeepTrail = 180 * 24 * time.Hour

// careEvery is how often the store is compacted.
const careEvery = 6 * time.Hour

// App is one system. New makes it, Start opens its doors, Close ends it.
type App struct {
	cfg     config.Config
	log     *slog.Logger
	tail    *obs.Tail // the latest lines of the log, for administrators
	clock   mail.Clock
	step    func(string)
	version string

	bus      *bus.Bus
	store    *store.Store
	keeper   *tls.Keeper
	resolver dns.Resolver
	closers  []io.Closer

	people       *directory.Resolver
	auth         *directory.Authenticator
	passwords    *directory.Passwords
	clients      *directory.Clients // writes down which programs log in
	sessions     *session.Sessions  // of the web
	factors      *factor.Service    // second ones
	account      *account.Handler
	webmail      *webmail.Webmail
	contacts     *contacts.Service
	pushKey      *webpush.Key // ours before push services
	jmap         *jmap.Server
	webAdmin     *webapi.Handler
	intake       *intake.Intake
	rejections   *intake.Rejections
	search       *search.Service
	tally        *tally           // counts outcomes
	ledger       *report.Ledger   // what is counted for reports
	keys         *seal.Keeper     // DKIM's
	publisher    *dnspub.Provider // nil: records are published by hand
	doctor       *doctor.Doctor
	doctorKeeper *doctor.Keeper
	policies     *policyhost.Host    // of MTA-STS, for our domains
	limits       *limits.Limits      // nil in a lab without limits
	tlsPolicies  *tlspolicy.Policies // of other domains; nil: nobody asks
	filter       *junk.Filter        // nil: nothing is told from junk
	scanner      *scan.Chain         // nil: nobody else looks at mail
	agent        *msa.Agent
	queue        *queue.Scheduler
	express      *queue.Express // takes fresh mail to the queue at once
	operations   *admin.Operations

	started  time.Time
	services []*service
	stop     context.CancelFunc // of what runs in the background
	running  sync.WaitGroup
}

// Options are what New needs beside the configuration.
type Options struct {
	Log   *slog.Logger
	Clock mail.Clock        // nil: the system's
	Step  func(step string) // called at each step of a commit (infra/store names them), so that a test can end the process there; may be nil
}

// New opens the store and wires the parts. Nothing listens yet.
func New(ctx context.Context, cfg config.Config, o Options) (*App, error) {
	a := &App{cfg: cfg, log: o.Log, clock: o.Clock, step: o.Step, version: Version(), bus: bus.New(), stop: func() {}}
	if a.clock == nil {
		a.clock = mail.SystemClock{}
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.tail = obs.NewTail(0)
	a.log = slog.New(a.tail.Handler(a.log.Handler()))
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.closeAll())
	}
	return a, nil
}

func (a *App) open(ctx context.Context) error {
	var err error
	a.store, err = store.Open(ctx, store.Options{Dir: a.cfg.Data, Clock: a.clock, Log: a.log.With("role", "infra/store"), Bus: a.bus, KeepTrail: KeepTrail, Step: a.step})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.store)
	secret, err := installationSecret(a.cfg.Data)
	if err != nil {
		return err
	}
	if a.resolver, err = a.openResolver(); err != nil {
		return err
	}
	a.people = &directory.Resolver{Directory: a.store, Separator: a.cfg.Accounts.Subaddress}
	a.auth = directory.NewAuthenticator(a.store, a.clock, secret)
	a.openPeople(secret)
	if a.webmail, err = openWebmail(a.cfg.Lab); err != nil {
		return err
	}
	a.tally = &tally{Journal: a.store, counts: map[[2]string]int64{}}
	a.rejections = intake.NewRejections(a.tally, a.clock, a.log.With("role", "service/intake"))
	a.search = search.New(search.Config{Store: a.store, Mailboxes: a.store, Blobs: a.store, Clock: a.clock, Log: a.log.With("role", "service/search")})
	a.ledger = report.NewLedger(a.store, a.store, a.clock, a.log.With("role", "mta/report"))
	a.express = &queue.Express{Journal: a.tally}
	if err := a.openFilter(); err != nil {
		return err
	}
	planner := &mda.Planner{Places: a.store, Clock: a.clock}
	if a.filter != nil {
		planner.Sorter = a.filter
	}
	a.intake = &intake.Intake{
		Blobs: a.store, Journal: a.express, Resolver: a.people, Planner: planner, Clock: a.clock,
		Hostname: a.cfg.Hostname, QueueLife: a.cfg.Queue.Expire.Std(), Rejections: a.rejections,
	}
	a.keys = seal.NewKeeper(a.store, a.store, a.clock)
	if a.cfg.DKIM.Enabled {
		a.intake.Sealer = seal.New(a.keys, a.clock)
	}
	if a.publisher, err = a.openPublisher(a.cfg.Publish); err != nil {
		return err
	}
	a.agent = &msa.Agent{
		Intake: a.intake, Resolver: a.people, Senders: a.people, Accounts: a.store, Clock: a.clock, Log: a.log, OneClick: a.cfg.Accounts.OneClick,
	}
	if a.directDelivery() {
		routes, err := a.routes()
		if err != nil {
			return err
		}
		a.agent.Domains = domains{a.resolver, routes}
	}
	a.openLimits(secret)
	a.openPolicyHost()
	if err := a.openDoctor(); err != nil {
		return err
	}
	a.operations = a.makeOperations()
	return nil
}

// Operations are the operator's, on this system.
func (a *App) Operations() *admin.Operations { return a.operations }

// Start makes certificates where there are none, opens every listener of the configuration, and starts the queue. When
// one cannot be opened, none stays open.
func (a *App) Start(ctx context.Context) error {
	var err error
	if a.keeper, err = a.openKeeper(); err != nil {
		return err
	}
	a.closers = append(a.closers, closerFunc(a.keeper.Close))
	if a.limits != nil {
		if err := a.limits.Load(ctx); err != nil {
			return err
		}
	}
	if a.pushKey, err = webpush.LoadKey(ctx, a.store, a.store); err != nil {
		return err
	}
	if a.queue, err = a.makeQueue(); err != nil {
		return err
	}
	if err := a.listen(ctx); err != nil {
		return errors.Join(err, a.shutServices(ctx))
	}
	socket, err := httpapi.Listen(a.cfg.AdminSocket())
	if err != nil {
		return errors.Join(err, a.shutServices(ctx))
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	a.started = a.clock.Now()
	a.operations = a.makeOperations() // anew: now they are a running system's
	a.background(func() {
		if err := httpapi.Serve(background, socket, a.operations, a.log.With("role", "admin")); err != nil {
			a.log.Error("the operator's socket failed", "error", err)
		}
	})
	a.background(func() { a.rejections.Run(background) })
	a.background(func() { a.care(background) })
	a.background(func() { a.keeper.Run(background) })
	a.background(func() { a.search.Run(background) })
	a.background(func() { a.clients.Run(background) })
	a.background(func() { a.operations.RunHeartbeat(background) })
	if a.jmap != nil {
		a.background(func() {
			if err := a.jmap.RunLater(background); err != nil && background.Err() == nil {
				a.log.Error("what is to be sent later is not sent", "role", "maa/jmap", "error", err)
			}
		})
		a.background(func() {
			if err := a.jmap.RunPush(background); err != nil && background.Err() == nil {
				a.log.Error("no push messages are sent", "role", "maa/jmap", "error", err)
			}
		})
	}
	a.background(func() { a.ledger.Run(background) })
	if a.tlsPolicies != nil {
		a.background(func() { a.tlsPolicies.Run(background) })
	}
	if a.filter != nil {
		a.background(func() { a.filter.Run(background) })
	}
	if a.limits != nil {
		a.background(func() { a.limits.Guard.Run(background) })
	}
	a.background(func() { a.reportSender().Run(background) })
	if a.cfg.DKIM.Enabled {
		a.background(func() { a.keyRunner().Run(background) })
	}
	if a.cfg.Doctor.Every > 0 {
		a.background(func() { a.doctorKeeper.Run(background) })
	}
	a.background(func() {
		if err := a.queue.Run(background); err != nil {
			a.log.Error("the queue stopped", "error", err)
		}
	})
	for _, s := range a.services {
		s.start(&a.running, a.log)
	}
	return nil
}

// care gives the room of deleted mail back to the disk and forgets what is too old, now and then.
func (a *App) care(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.clock.After(careEvery):
		}
		freed, err := a.store.Compact(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Warn("the store could not be compacted", "role", "infra/store", "error", err)
		} else if freed > 0 {
			a.log.Info("the store was compacted", "role", "infra/store", "freed", freed)
		}
	}
}

func (a *App) background(f func()) {
	a.running.Add(1)
	go func() {
		defer a.running.Done()
		f()
	}()
}

// Close ends everything: doors first, then what runs behind them, then the store. Conversations have the time of grace, or
// until ctx ends.
func (a *App) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Grace)
	defer cancel()
	if a.webAdmin != nil {
		a.webAdmin.End() // whoever follows the log would never go
	}
	err := a.shutServices(ctx)
	a.stop()
	a.running.Wait()
	return errors.Join(err, a.closeAll())
}

func (a *App) closeAll() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i].Close())
	}
	a.closers = nil
	return errors.Join(errs...)
}
