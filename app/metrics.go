package app

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/overview"
	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor"
)

// tally is a journal that counts what became of recipients, by role and outcome.
type tally struct {
	mail.Journal
	mu     sync.Mutex
	counts map[[2]string]int64 // role, outcome
	junk   atomic.Int64        // messages filed as junk
}

// Commit implements mail.Journal.
func (t *tally) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	r, err := t.Journal.Commit(ctx, set)
	if err != nil {
		return r, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range set.Changes {
		switch c := c.(type) {
		case mail.Record:
			t.counts[[2]string{c.Event.Role, string(c.Event.Outcome)}]++
		case mail.AddMessage:
			if c.Flags.Bits&mail.Junk != 0 {
				t.junk.Add(1)
			}
		}
	}
	return r, nil
}

// snapshot is what was counted so far.
func (t *tally) snapshot() map[[2]string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// counters are the outcomes since the start, for status.
func (a *App) counters() map[string]int64 {
	out := map[string]int64{}
	for k, n := range a.tally.snapshot() {
		out[k[1]] += n
	}
	return out
}

// volumes are how much mail went which way since the start.
func (a *App) volumes() map[string]int64 {
	out := map[string]int64{overview.VolumeJunk: a.tally.junk.Load()}
	for k, n := range a.tally.snapshot() {
		switch mail.Outcome(k[1]) { //nolint:exhaustive // the others are no volumes
		case mail.Delivered:
			out[overview.VolumeIn] += n
		case mail.Relayed:
			out[overview.VolumeOut] += n
		case mail.Bounced:
			out[overview.VolumeBounced] += n
		case mail.Rejected:
			out[overview.VolumeRefused] += n
		}
	}
	return out
}

// connections are those that are open, by service.
func (a *App) connections() map[string]int64 {
	out := map[string]int64{}
	for _, s := range a.services {
		out[s.name] = int64(s.server.Open())
	}
	return out
}

// metrics are the figures for Prometheus.
func (a *App) metrics() (http.Handler, error) {
	m := obs.NewMetrics()
	for _, f := range []struct {
		name, help string
		labels     []string
		add        func(name, help string, labels []string, read obs.Read) error
		read       obs.Read
	}{
		{"postrider_events_total", "What became of messages and recipients.", []string{"role", "outcome"}, m.CounterFunc, a.eventPoints},
		{"postrider_connections", "Connections that are open.", []string{"service"}, m.Gauge, a.connectionPoints},
		{"postrider_queue", "Mail on its way out.", []string{"what"}, m.Gauge, a.queuePoints},
		{"postrider_mail", "Mail that is kept.", []string{"what"}, m.Gauge, a.mailPoints},
		{"postrider_certificate_expires_seconds", "When the first certificate runs out, in seconds since 1970.", nil, m.Gauge, a.certificatePoints},
		{"postrider_doctor_faults", "Faults that the last look from the outside found.", []string{"domain", "check"}, m.Gauge, a.doctorPoints},
	} {
		if err := f.add(f.name, f.help, f.labels, f.read); err != nil {
			return nil, err
		}
	}
	return m.Handler(), nil
}

func (a *App) eventPoints(context.Context) (out []obs.Point, _ error) {
	for k, n := range a.tally.snapshot() {
		out = append(out, obs.Point{Labels: k[:], Value: float64(n)})
	}
	return out, nil
}

func (a *App) connectionPoints(context.Context) (out []obs.Point, _ error) {
	for name, n := range a.connections() {
		out = append(out, obs.Point{Labels: []string{name}, Value: float64(n)})
	}
	return out, nil
}

func (a *App) queuePoints(ctx context.Context) ([]obs.Point, error) {
	s, err := a.operations.Status(ctx, admin.Nothing{})
	if err != nil {
		return nil, err
	}
	q := s.Queue
	age := 0.0
	if q.Oldest != nil {
		age = a.clock.Now().Sub(*q.Oldest).Seconds()
	}
	return []obs.Point{
		{Labels: []string{"messages"}, Value: float64(q.Messages)}, {Labels: []string{"recipients"}, Value: float64(q.Recipients)},
		{Labels: []string{"deferred"}, Value: float64(q.Deferred)}, {Labels: []string{"held"}, Value: float64(q.Held)},
		{Labels: []string{"oldest_seconds"}, Value: age},
	}, nil
}

func (a *App) mailPoints(ctx context.Context) ([]obs.Point, error) {
	s, err := a.operations.Status(ctx, admin.Nothing{})
	if err != nil {
		return nil, err
	}
	return []obs.Point{
		{Labels: []string{"messages"}, Value: float64(s.Messages)}, {Labels: []string{"octets"}, Value: float64(s.Used)},
		{Labels: []string{"accounts"}, Value: float64(s.Accounts)}, {Labels: []string{"domains"}, Value: float64(s.Domains)},
	}, nil
}

func (a *App) certificatePoints(context.Context) ([]obs.Point, error) {
	at := a.keeper.Expires()
	if at.IsZero() {
		return nil, nil
	}
	return []obs.Point{{Value: float64(at.Unix())}}, nil
}

func (a *App) doctorPoints(ctx context.Context) ([]obs.Point, error) {
	reports, err := a.doctorKeeper.Reports(ctx)
	var out []obs.Point
	for _, f := range doctor.Figures(reports) {
		out = append(out, obs.Point{Labels: []string{f.Domain, f.Check}, Value: float64(f.Faults)})
	}
	return out, err
}

// metricsPlan is the service that Prometheus reads.
func (a *App) metricsPlan() ([]plan, error) {
	if len(a.cfg.Listen.Metrics) == 0 {
		return nil, nil
	}
	h, err := a.metrics()
	if err != nil {
		return nil, err
	}
	mux := web.NewMux()
	mux.Handle("", "/metrics", h)
	server := web.New(web.Config{Handler: mux, Log: a.log.With("role", "infra/web")})
	a.endWithUs(server)
	return []plan{{name: "metrics", addresses: a.cfg.Listen.Metrics, max: 20, serve: server.Handle}}, nil
}
