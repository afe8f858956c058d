package doctor

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/postrider/postrider/service/doctor/wire"
)

// maxPorts bounds how many ports are looked at.
const maxPorts = 16

// memo keeps what was found out once, for all checks of an examination.
type memo struct {
	mu   sync.Mutex
	done map[string]*entry
	gate chan struct{} // how many connections are open at once
}

type entry struct {
	ready chan struct{}
	probe wire.Probe
}

func newMemo() memo { return memo{done: map[string]*entry{}, gate: make(chan struct{}, 16)} }

// probe connects to every port of a kind at each of our addresses, side by side. It gives nil where none is to be open.
func (x *exam) probe(ctx context.Context, want func(Port) bool) []wire.Probe {
	type spot struct {
		port Port
		ip   netip.Addr
	}
	var spots []spot
	for i, p := range x.facts.Ports {
		if i >= maxPorts || !want(p) {
			continue
		}
		if len(x.facts.Addresses) == 0 && x.host != "" {
			spots = append(spots, spot{port: p})
		}
		for _, ip := range x.facts.Addresses {
			spots = append(spots, spot{p, ip})
		}
	}
	out := make([]wire.Probe, len(spots))
	var running sync.WaitGroup
	for i, at := range spots {
		running.Go(func() { out[i] = x.once(ctx, at.port, at.ip) })
	}
	running.Wait()
	return out
}

// once makes a probe, or waits for the one that another check has begun.
func (x *exam) once(ctx context.Context, p Port, ip netip.Addr) wire.Probe {
	at := x.host
	if ip.IsValid() {
		at = ip.String()
	}
	at = net.JoinHostPort(at, strconv.Itoa(int(p.Number)))
	key := p.Service + " " + at
	x.probes.mu.Lock()
	e := x.probes.done[key]
	mine := e == nil
	if mine {
		e = &entry{ready: make(chan struct{}), probe: wire.Probe{Port: p, At: at, IP: ip}}
		x.probes.done[key] = e
	}
	x.probes.mu.Unlock()
	if !mine {
		select {
		case <-e.ready:
			return e.probe
		case <-ctx.Done():
			return wire.Probe{Port: p, At: at, IP: ip, Dial: ctx.Err()}
		}
	}
	defer close(e.ready)
	x.probes.gate <- struct{}{}
	defer func() { <-x.probes.gate }()
	limited, cancel := context.WithTimeout(ctx, x.cfg.Deadline*2/3)
	defer cancel()
	x.look.Probe(limited, &e.probe)
	return e.probe
}
