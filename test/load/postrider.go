package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/httpapi"
)

// postrider is the real program with a configuration of its own. Its durability is not configurable: 250 is after the sync.
type postrider struct {
	bench   *Bench
	spec    Spec
	dir     string
	ports   map[Service]int
	process *process
	meter   *meter
}

// NewPostrider prepares a rig in a new directory.
func NewPostrider(b *Bench, spec Spec) (Rig, error) {
	dir, err := b.Dir("postrider")
	if err != nil {
		return nil, err
	}
	r := &postrider{bench: b, spec: spec, dir: dir, ports: map[Service]int{}}
	for _, s := range []Service{SMTP, Submission, IMAP, POP3} {
		if r.ports[s], err = freePort(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *postrider) Name() string { return Postrider }

func (r *postrider) Addr(s Service) string { return fmt.Sprintf("127.0.0.1:%d", r.ports[s]) }

// toml is the configuration: ports, the certificate, no limits per client (all clients share a few addresses), and routes. The log
// is as it is by default.
func (r *postrider) toml() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "data = %q\nhostname = \"mx.bench.example\"\n\n[log]\nformat = \"json\"\n\n[listen]\n", filepath.Join(r.dir, "data"))
	for _, s := range []Service{SMTP, Submission, IMAP, POP3} {
		fmt.Fprintf(&b, "%s = %q\n", s, r.Addr(s))
	}
	b.WriteString("submissions = \"\"\nimaps = \"\"\npop3s = \"\"\n")
	fmt.Fprintf(&b, "\n[[tls.certificate]]\ncert = %q\nkey = %q\n", r.bench.Cert, r.bench.Key)
	if r.spec.RetrySoon {
		b.WriteString("\n[queue]\nretry_first = \"5s\"\nretry_max = \"10s\"\n")
	}
	b.WriteString("\n[relay]\nnetworks = [\"127.0.0.0/8\"]\n\n[dkim]\nenabled = false\n\n[doctor]\nevery = \"0s\"\n\n[outbound]\ntls = \"none\"\n\n[lab]\nno_limits = true\nallow_auth_without_tls = true\n")
	if to, ok := r.spec.Routes["*"]; ok {
		fmt.Fprintf(&b, "route_all = %q\n", to)
	}
	domains := slices.DeleteFunc(slices.Sorted(maps.Keys(r.spec.Routes)), func(d string) bool { return d == "*" })
	if len(domains) > 0 {
		b.WriteString("\n[lab.hosts]\n")
		for _, d := range domains {
			fmt.Fprintf(&b, "%q = %q\n", "mx."+d, r.spec.Routes[d])
		}
	}
	b.WriteString("\n[lab.dns.\"mx.bench.example\"]\na = [\"127.0.0.1\"]\n")
	for _, d := range domains {
		host, _, err := net.SplitHostPort(r.spec.Routes[d])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n[lab.dns.%q]\nmx = [\"10 mx.%s.\"]\n\n[lab.dns.%q]\na = [%q]\n", d, d, "mx."+d, host)
	}
	return b.String(), nil
}

func (r *postrider) config() string { return filepath.Join(r.dir, "postrider.toml") }

// Start implements Rig.
func (r *postrider) Start(ctx context.Context) error {
	text, err := r.toml()
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.config(), []byte(text), 0o644); err != nil {
		return err
	}
	log := filepath.Join(r.dir, "log")
	if r.process, err = start(log, r.dir, filepath.Join(r.bench.Bin, "postrider"), "--config", r.config(), "serve"); err != nil {
		return err
	}
	r.meter = newMeter(r.process.pid())
	var addrs []string
	for _, s := range []Service{SMTP, Submission, IMAP, POP3} {
		addrs = append(addrs, r.Addr(s))
	}
	return waitOpen(ctx, addrs, r.process.ended)
}

// Stop implements Rig.
func (r *postrider) Stop() {
	if r.process != nil {
		r.meter.close()
		r.process.stop()
		r.process, r.meter = nil, nil
	}
}

// AddAccounts implements Rig: through the operator's socket, two at a time, since the hash of a password costs CPU.
func (r *postrider) AddAccounts(ctx context.Context, names []string) error {
	client, err := r.operator(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if len(names) > 0 { // the first one makes the domain
		if _, err := client.AddAccount(ctx, admin.NewAccount{Address: Address(names[0]), Password: Password, CreateDomain: true}); err != nil {
			return err
		}
		names = names[1:]
	}
	return parallel(2, len(names), func(i int) error {
		_, err := client.AddAccount(ctx, admin.NewAccount{Address: Address(names[i]), Password: Password})
		return err
	})
}

// operator connects to the operator's socket, which opens a moment after the mail services.
func (r *postrider) operator(ctx context.Context) (*httpapi.Client, error) {
	deadline := time.Now().Add(patience)
	for {
		client, err := httpapi.Dial(ctx, filepath.Join(r.dir, "data", "admin.sock"))
		if !errors.Is(err, httpapi.ErrNotRunning) || time.Now().After(deadline) {
			return client, err
		}
		if ended := r.process.ended(); ended != nil {
			return nil, ended
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Usage implements Rig.
func (r *postrider) Usage() (Usage, error) { return r.meter.usage() }

// ResetPeak implements Rig.
func (r *postrider) ResetPeak() { r.meter.reset() }

// parallel calls do with 0 to n-1, width at a time, and gives the first error; after one it begins no new call.
func parallel(width, n int, do func(int) error) error {
	var mu sync.Mutex
	var failed error
	next := 0
	var all sync.WaitGroup
	for range min(width, n) {
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				mu.Lock()
				i := next
				next++
				over := failed != nil || i >= n
				mu.Unlock()
				if over {
					return
				}
				if err := do(i); err != nil {
					mu.Lock()
					if failed == nil {
						failed = err
					}
					mu.Unlock()
				}
			}
		}()
	}
	all.Wait()
	return failed
}

// patience is how long anything may take that should take a moment.
const patience = 2 * time.Minute
