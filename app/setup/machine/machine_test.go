package machine

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestListeners reads a /proc of our own making.
func TestListeners(t *testing.T) {
	t.Parallel()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the texts of this test are of a little-endian machine")
	}
	proc := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		name = filepath.Join(proc, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := listeners(proc); err == nil {
		t.Error("without net/tcp nothing can be told")
	}
	put("net/tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"+
		"   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n"+
		"   1: 0100007F:0050 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100 0 0 10 0\n"+
		"   2: zzzz:0050 0100007F:8000 0A 00000000:00000000 00:00000000 00000000     0        0 113 1 0 100 0 0 10 0\nshort\n")
	put("net/tcp6", "h\n   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0\n"+
		"   1: B80D0120000000000000000001000000:01D1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0\n")
	put("77/comm", "exim4\n")
	put("77/cgroup", "0::/system.slice/exim4.service\n")
	put("88/comm", "nginx\n")
	put("88/cgroup", "0::/user.slice/user-1000.slice/user@1000.service/session.scope\n")
	for pid, inode := range map[string]string{"77": "111", "88": "222"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(proc, pid, "fd"), 0o755), os.Symlink("socket:["+inode+"]", filepath.Join(proc, pid, "fd/3"))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := listeners(proc)
	want := []Listener{
		{At: netip.MustParseAddrPort("127.0.0.1:25"), PID: 77, Program: "exim4", Unit: "exim4.service"},
		{At: netip.MustParseAddrPort("[::]:443"), PID: 88, Program: "nginx"},
		{At: netip.MustParseAddrPort("[2001:db8::1]:465")},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for i, who := range []string{"exim4 (exim4.service)", "nginx (process 88)", "another program"} {
		if got[i].Who() != who || got[i].Ours() {
			t.Errorf("%d is %q", i, got[i].Who())
		}
	}
}

// TestThis: the real machine knows a listener of ours.
func TestThis(t *testing.T) {
	t.Parallel()
	h := This()
	l, err := h.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, err := h.Listeners()
	if err != nil {
		t.Skipf("who listens cannot be told here: %v", err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	if i := slices.IndexFunc(all, func(o Listener) bool { return o.At == at }); i < 0 || all[i].PID != os.Getpid() {
		t.Errorf("%v is not among %+v", at, all)
	}
	if _, err := h.Addresses(); err != nil {
		t.Error(err)
	}
	if _, err := h.User("nobody-of-that-name"); !mail.Is(err, mail.NotFound) {
		t.Error(err)
	}
	if said, err := h.Run(t.Context(), "sh", "-c", "echo hello; echo there >&2"); said != "hello\nthere\n" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
	if said, err := h.Run(t.Context(), "sh", "-c", "yes | head -c 200000; exit 3"); len(said) != maxSaid || err == nil {
		t.Errorf("%d octets, %v", len(said), err)
	}
	if h.Executable == "" || h.Clock == nil {
		t.Errorf("%+v", h)
	}
	a, b := h.Password(), h.Password()
	if len(a) != 23 || strings.Count(a, "-") != 3 || a == b {
		t.Errorf("passwords %q, %q", a, b)
	}
	name := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	info, err := os.Stat(name)
	if err != nil || h.Chown(dir, "x", Owner{UID: os.Getuid(), GID: os.Getgid()}) != nil || !Readable(info, Owner{UID: os.Getuid(), GID: os.Getgid()}) || Readable(info, Owner{UID: 4242, GID: 4242}) {
		t.Errorf("%v, %v", info, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if info, err = os.Stat(name); err != nil || Readable(info, Owner{UID: 4242, GID: os.Getgid()}) != (mode == 0o640) || Readable(info, Owner{UID: 4242, GID: 4242}) != (mode == 0o604) {
			t.Errorf("%o: %v", mode, err)
		}
	}
}

// TestResolver: the resolver is the one that the server would have.
func TestResolver(t *testing.T) {
	t.Parallel()
	cfg := config.Default("/srv/mail")
	for _, line := range []func(*config.Config){
		func(*config.Config) {},
		func(c *config.Config) { c.DNS.Servers = []string{"127.0.0.1", "127.0.0.1:5353"} },
		func(c *config.Config) { c.DNS.Validate = false },
		func(c *config.Config) { c.Lab.DNS = map[string]config.Records{"a.test": {A: []string{"127.0.0.1"}}} },
	} {
		c := cfg
		line(&c)
		r, err := openResolver(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	cfg.DNS.Anchors = []string{"nonsense"}
	if _, err := openResolver(cfg); !mail.Is(err, mail.Invalid) {
		t.Errorf("a bad anchor: %v", err)
	}
}

func TestTemporary(t *testing.T) {
	t.Parallel()
	got := temporary("20010db8000000000000000000000001 02 40 00 80 eth0\n20010db8000000000000000000000002 02 40 00 01 eth0\nfe800000000000000000000000000001 02 40 20 c0 eth0\n" +
		"20010db8000000000000000000000003 02 40 00 20 eth0\nxx 02 40 00 01 eth0\n")
	if len(got) != 3 || got[netip.MustParseAddr("2001:db8::1")] || !got[netip.MustParseAddr("2001:db8::2")] || !got[netip.MustParseAddr("2001:db8::3")] {
		t.Error(got)
	}
}

var sent = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// clockOf is a clock that stands still.
type clockOf time.Time

func (c clockOf) Now() time.Time                       { return time.Time(c) }
func (c clockOf) After(time.Duration) <-chan time.Time { return nil }

// reply makes a time server's answer. RFC 5905 7.3.
func reply(first byte, stratum byte, cookie []byte, came, left time.Time) []byte {
	b := make([]byte, ntpSize)
	b[0], b[1] = first, stratum
	copy(b[24:32], cookie)
	put := func(b []byte, at time.Time) {
		binary.BigEndian.PutUint32(b, uint32(at.Unix()+2208988800))
		binary.BigEndian.PutUint32(b[4:], uint32(int64(at.Nanosecond())<<32/int64(time.Second)))
	}
	put(b[32:], came)
	put(b[40:], left)
	return b
}

// TestTimeOffset: what an answer says, and which are none. RFC 5905 8.
func TestTimeOffset(t *testing.T) {
	t.Parallel()
	cookie := []byte("cookies!")
	received := sent.Add(100 * time.Millisecond)
	answer := func(off time.Duration) []byte {
		return reply(4<<3|4, 2, cookie, sent.Add(off+50*time.Millisecond), sent.Add(off+50*time.Millisecond))
	}
	for _, off := range []time.Duration{0, time.Second, -3 * time.Hour, 1000 * time.Hour, 20 * 365 * 24 * time.Hour} { // the last is beyond 2036
		got, err := timeOffset(answer(off), cookie, sent, received)
		if d := got - off; err != nil || d.Abs() > time.Microsecond {
			t.Errorf("%v: got %v, %v", off, got, err)
		}
	}
	for name, b := range map[string][]byte{
		"short":      answer(0)[:47],
		"a client":   reply(4<<3|3, 2, cookie, sent, sent),
		"no leap":    reply(3<<6|4<<3|4, 2, cookie, sent, sent),
		"kiss":       reply(4<<3|4, 0, cookie, sent, sent),
		"no stratum": reply(4<<3|4, 16, cookie, sent, sent),
		"another":    reply(4<<3|4, 2, []byte("c00kies!"), sent, sent),
		"backwards":  reply(4<<3|4, 2, cookie, sent.Add(time.Second), sent),
		"no time":    append(answer(0)[:32], make([]byte, 16)...),
	} {
		if got, err := timeOffset(b, cookie, sent, received); err == nil {
			t.Errorf("%s: taken as %v", name, got)
		}
	}
}

func FuzzTimeOffset(f *testing.F) {
	f.Add(reply(4<<3|4, 2, []byte("cookies!"), sent, sent), []byte("cookies!"))
	f.Add([]byte{}, []byte("cookies!"))
	f.Fuzz(func(t *testing.T, b, cookie []byte) {
		off, err := timeOffset(b, cookie, sent, sent)
		if err != nil && off != 0 || err == nil && len(b) < ntpSize {
			t.Errorf("%v, %v", off, err)
		}
	})
}

// TestSNTP asks a time server on loopback, beside one that is dead and one that says nothing of use.
func TestSNTP(t *testing.T) {
	t.Parallel()
	serve := func(answer func(q []byte) []byte) string {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		t.Cleanup(func() { c.Close(); <-done })
		go func() {
			defer close(done)
			q := make([]byte, 512)
			for {
				n, from, err := c.ReadFrom(q)
				if err != nil {
					return
				}
				c.WriteTo(answer(q[:n]), from) //nolint:errcheck // the other side tells
			}
		}()
		return c.LocalAddr().String()
	}
	good := serve(func(q []byte) []byte { return reply(4<<3|4, 2, q[40:48], sent.Add(time.Minute), sent.Add(time.Minute)) })
	bad := serve(func([]byte) []byte { return []byte("what?") })
	dial := func(ctx context.Context, network, at string) (net.Conn, error) {
		if strings.HasPrefix(at, "dead") {
			return nil, errors.New("no route")
		}
		return (&net.Dialer{}).DialContext(ctx, network, at)
	}
	off, source, err := SNTP(clockOf(sent), []string{"dead:123", bad, good})(t.Context(), dial)
	if err != nil || off != time.Minute || source != "127.0.0.1" {
		t.Errorf("%v, %q, %v", off, source, err)
	}
	if _, _, err := SNTP(clockOf(sent), []string{"dead:123"})(t.Context(), dial); !mail.Is(err, mail.Unavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	silent := serve(func([]byte) []byte { return make([]byte, ntpSize) })
	if _, _, err := SNTP(clockOf(sent), []string{silent, good})(ctx, func(ctx context.Context, n, at string) (net.Conn, error) {
		if at == silent {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return dial(ctx, n, at)
	}); err == nil {
		t.Error("it went on after its context had ended")
	}
}

// FuzzProc: whatever stands in the kernel's files, reading them ends.
func FuzzProc(f *testing.F) {
	f.Add("   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1")
	f.Add("20010db8000000000000000000000002 02 40 00 01 eth0")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range listening(text) {
			if !s.at.Addr().IsValid() || strconv.Itoa(int(s.at.Port())) == "" {
				t.Errorf("%+v", s)
			}
		}
		for ip := range temporary(text) {
			if !ip.IsValid() {
				t.Error("an address that is none")
			}
		}
		_ = unitOf(text)
	})
}
