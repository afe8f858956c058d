package setup

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/app/setup/machine"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/records"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goodZone is a world in which all is well.
const goodZone = `
example.com        MX    10 mail.example.com
mail.example.com   A     192.0.2.1
192.0.2.1          PTR   mail.example.com
gmail-smtp-in.l.google.com A 198.51.100.25
outlook-com.olc.protection.outlook.com A 198.51.100.26
time.test          A     198.51.100.123
2.0.0.127.zen.spamhaus.org A 127.0.0.2
2.0.0.127.bl.spamcop.net A 127.0.0.2
2.0.0.127.b.barracudacentral.org A 127.0.0.2
`

// world is a machine with a network around it, and the mail system on it.
type world struct {
	t    *testing.T
	root string
	zone string

	mu        sync.Mutex
	greetings map[string]string // "ip:port" -> what is said first there; "" hangs up
	inner     map[string]net.Listener
	ifs       []string
	listening []Listener
	listenErr error
	offset    func() (time.Duration, string, error)
	verdicts  map[string]dns.Verdict // "name TYPE"
	programs  func(w *world, line string) (string, error)
	ran       []string
	user      bool
	given     map[string]Owner // path -> owner
	passwords int
	now       time.Time
	host      Host

	system  systemState
	sysErr  map[string]error
	opened  int
	closed  int
	visible func(now time.Time) string // the zone once published
}

// systemState is what the system holds; it survives runs.
type systemState struct {
	domains   []string
	accounts  map[string]string
	aliases   map[string]string
	keys      map[string]int
	published []records.Record
	active    bool
}

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, root: t.TempDir(), zone: goodZone, now: start, ifs: []string{"192.0.2.1/24", "fe80::1/64"},
		greetings: map[string]string{"198.51.100.25:25": "220 mx.google.test ESMTP\r\n", "198.51.100.26:25": "220 hello\r\n"},
		inner:     map[string]net.Listener{}, given: map[string]Owner{}, sysErr: map[string]error{},
		offset: func() (time.Duration, string, error) { return 300 * time.Millisecond, "time.test", nil },
		system: systemState{accounts: map[string]string{}, aliases: map[string]string{}, keys: map[string]int{}},
	}
	w.programs = (*world).programsOf
	w.host = Host{
		Root: w.root, Superuser: true, Systemd: true, Executable: "/usr/local/bin/postrider", Clock: w,
		Addresses: func() (out []netip.Addr, err error) {
			for _, s := range w.ifs {
				out = append(out, netip.MustParsePrefix(s).Addr())
			}
			return out, nil
		},
		Listeners: func() ([]Listener, error) { return w.listening, w.listenErr },
		Offset: func(context.Context, machine.Dial) (time.Duration, string, error) {
			return w.offset()
		},
		Resolver: func(config.Config) (Resolver, error) { return &fakeResolver{w: w}, nil },
		Dial:     w.dial, Listen: w.listen,
		User: func(name string) (Owner, error) {
			if !w.user || name != "postrider" {
				return Owner{}, mail.Errorf(mail.NotFound, "there is no user %s", name)
			}
			return Owner{UID: 990, GID: 991}, nil
		},
		Chown: func(dir *os.Root, name string, to Owner) error {
			rel, err := filepath.Rel(w.root, filepath.Join(dir.Name(), name))
			w.given["/"+strings.TrimSuffix(rel, ".setup")] = to
			_, statErr := dir.Lstat(name)
			return errors.Join(err, statErr)
		},
		Run: func(_ context.Context, name string, args ...string) (string, error) {
			line := strings.ReplaceAll(strings.Join(append([]string{name}, args...), " "), w.root, "")
			w.ran = append(w.ran, line)
			return w.programs(w, line)
		},
		Password: func() string { w.passwords++; return fmt.Sprintf("made-up-%d", w.passwords) },
	}
	return w
}

// programsOf is a machine whose programs work.
func (w *world) programsOf(line string) (string, error) {
	switch line {
	case "systemd-sysusers /etc/sysusers.d/postrider.conf":
		w.user = true
	case "systemctl is-active --quiet postrider.service":
		if !w.system.active {
			return "", errors.New("exit status 3")
		}
	case "systemctl enable --now postrider.service":
		w.system.active = true
		w.greetings["127.0.0.1:25"] = "220 mail.example.com ESMTP\r\n"
	}
	return "", nil
}

// Now implements mail.Clock.
func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// After implements mail.Clock: time passes as it is waited for.
func (w *world) After(d time.Duration) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	c := make(chan time.Time, 1)
	c <- w.now
	return c
}

func (w *world) dial(ctx context.Context, _, at string) (net.Conn, error) {
	w.mu.Lock()
	greeting, known := w.greetings[at]
	inner := w.inner[at]
	w.mu.Unlock()
	if inner != nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", inner.Addr().String())
	}
	if !known {
		return nil, errors.New("connection timed out")
	}
	here, there := net.Pipe()
	go func() {
		there.Write([]byte(greeting)) //nolint:errcheck // whoever hung up tells
		there.Close()
	}()
	return here, nil
}

// listen opens a port of loopback, which stands for the port of our address unless a firewall is in between.
func (w *world) listen(_ context.Context, at string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.ifs {
		ip := netip.MustParsePrefix(s).Addr()
		if ip.IsGlobalUnicast() && !ip.IsPrivate() {
			w.inner[net.JoinHostPort(ip.String(), at[strings.LastIndexByte(at, ':')+1:])] = l
		}
	}
	return l, nil
}

// fakeResolver answers from the world's zone; with verdicts it knows DNSSEC.
type fakeResolver struct {
	w *world
}

func (f *fakeResolver) static() *dns.Static {
	zone := f.w.zone
	if f.w.visible != nil && len(f.w.system.published) > 0 {
		zone += f.w.visible(f.w.Now())
	}
	s, err := dns.NewStatic(dns.StaticConfig{Zone: zone})
	if err != nil {
		f.w.t.Error(err)
	}
	return s
}

func (f *fakeResolver) Close() error { return nil }
func (f *fakeResolver) MX(ctx context.Context, d string) (dns.Answer[[]dns.MX], error) {
	return f.static().MX(ctx, d)
}
func (f *fakeResolver) Addresses(ctx context.Context, h string) (dns.Answer[[]netip.Addr], error) {
	return f.static().Addresses(ctx, h)
}
func (f *fakeResolver) TXT(ctx context.Context, n string) (dns.Answer[[]string], error) {
	return f.static().TXT(ctx, n)
}
func (f *fakeResolver) PTR(ctx context.Context, ip netip.Addr) (dns.Answer[[]string], error) {
	return f.static().PTR(ctx, ip)
}
func (f *fakeResolver) Exists(ctx context.Context, d string) (dns.Existence, error) {
	return f.static().Exists(ctx, d)
}

// Check answers from the verdicts; without one it is a resolver that leaves DNSSEC to others.
func (f *fakeResolver) Check(_ context.Context, name, qtype string) (dns.Verdict, error) {
	if v, ok := f.w.verdicts[name+" "+qtype]; ok {
		return v, nil
	}
	return dns.Verdict{}, mail.Errorf(mail.Invalid, "this resolver leaves DNSSEC to its name servers")
}

// fakeSystem is an opened store.
type fakeSystem struct {
	w   *world
	cfg config.Config
}

func (w *world) open(_ context.Context, cfg config.Config) (System, error) {
	if err := w.sysErr["open"]; err != nil {
		return nil, err
	}
	info, err := os.Stat(filepath.Join(w.root, cfg.Data))
	if err != nil || !info.IsDir() {
		return nil, mail.Errorf(mail.NotFound, "there is no data directory: %v", err)
	}
	w.opened++
	if err := os.WriteFile(filepath.Join(w.root, cfg.Data, "store.db"), []byte("x"), 0o600); err != nil {
		return nil, err
	}
	return &fakeSystem{w, cfg}, nil
}

func (s *fakeSystem) EnsureDomain(_ context.Context, d string) (bool, error) {
	if slices.Contains(s.w.system.domains, d) {
		return false, s.w.sysErr["domain"]
	}
	s.w.system.domains = append(s.w.system.domains, d)
	return true, s.w.sysErr["domain"]
}

func (s *fakeSystem) EnsureAccount(_ context.Context, a, password string) (bool, error) {
	if s.w.system.accounts[a] != "" {
		return false, s.w.sysErr["account"]
	}
	s.w.system.accounts[a] = password
	return true, s.w.sysErr["account"]
}

func (s *fakeSystem) EnsureAlias(_ context.Context, a, to string) (bool, error) {
	if s.w.system.aliases[a] != "" || s.w.system.accounts[a] != "" {
		return false, nil
	}
	s.w.system.aliases[a] = to
	return true, nil
}

func (s *fakeSystem) EnsureKeys(_ context.Context, d string) (bool, error) {
	s.w.system.keys[d]++
	return s.w.system.keys[d] == 1, nil
}

func (s *fakeSystem) Records(_ context.Context, d string, ips []netip.Addr) ([]records.Record, error) {
	h := time.Hour
	list := []records.Record{
		{Name: d, Type: "MX", TTL: h, Value: "10 " + s.cfg.Hostname + ".", Zone: d, For: "Mail comes here.", Need: records.Must},
		{Name: d, Type: "TXT", TTL: h, Value: `"v=spf1 mx -all"`, Zone: d, For: "SPF.", Need: records.Must},
	}
	for _, ip := range ips {
		list = append(list, records.Record{Name: records.Reverse(ip), Type: "PTR", TTL: h, Value: s.cfg.Hostname + ".", For: "The reverse name.", Need: records.Must})
	}
	return list, nil
}

func (s *fakeSystem) Publish(_ context.Context, all []records.Record) (string, error) {
	if err := s.w.sysErr["publish"]; err != nil {
		return "", err
	}
	s.w.system.published = all
	return "2 records were published", nil
}

func (s *fakeSystem) Close() error { s.w.closed++; return s.w.sysErr["close"] }

// run runs setup once. input are the lines a person types.
func (w *world) run(o Options, input ...string) (Report, string, error) {
	w.t.Helper()
	var out strings.Builder
	console := &Text{Out: &out, In: strings.NewReader(strings.Join(input, "\n") + "\n")}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	report, err := Run(ctx, Setup{Options: o, Host: w.host, Console: console, Open: w.open})
	return report, out.String(), err
}

func (w *world) file(path string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.root, path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Error(err)
	}
	return string(text)
}

func (w *world) put(path, text string) {
	w.t.Helper()
	name := filepath.Join(w.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

// usual are the flags of the example.
func usual() Options {
	return Options{Domain: "example.com", Admin: "you@example.com", Yes: true, SkipReach: false, Reach: []string{"gmail-smtp-in.l.google.com:25"}}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (write it anew with -update):\n%s", path, got)
	}
}

func steps(r Report, name string) []Step {
	var out []Step
	for _, s := range r.Steps {
		if s.Name == name {
			out = append(out, s)
		}
	}
	return out
}
