package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/smtpc"
	"github.com/postrider/postrider/proto/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDemo runs the demo as its command does: both messages cross, are read over IMAP, and nothing is left running. On
// a machine that is busy with other things it has a few tries to be as fast as it can.
func TestDemo(t *testing.T) {
	const tries, want = 5, 2000
	best := runDemo(t)
	for try := 1; try < tries && best > want; try++ {
		best = min(best, runDemo(t))
	}
	t.Logf("start, both ways, read: %.0f ms", best)
	if best > want {
		t.Errorf("the demo took %.0f ms, want at most %d", best, want)
	}
}

// runDemo runs it once and gives its milliseconds.
func runDemo(t *testing.T) (took float64) {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Run(ctx, Options{Out: &out, Dir: t.TempDir(), Exit: true, JSON: true}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	steps := map[string]int{}
	for text := range strings.Lines(out.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		steps[l.Step]++
		if l.Step == "done" {
			took = l.TookMS
		}
	}
	for step, want := range map[string]int{"started": 2, "opened": 2, "submitted": 2, "arrived": 2, "read": 2, "done": 1} {
		if steps[step] != want {
			t.Errorf("step %q was shown %d times, want %d:\n%s", step, steps[step], want, out.String())
		}
	}
	return took
}

// TestDemoForPeople shows the steps as text and how to connect, and ends when it is told to.
func TestDemoForPeople(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out := &watched{until: "Ctrl-C ends the demo", found: stop}
	if err := Run(ctx, Options{Out: out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"✓", "relayed", "delivered", "ann@one.example", "submission (TLS)", "curl --cacert"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b[") {
		t.Error("colours were shown without being asked for")
	}
}

// watched stops the demo once it has said something.
type watched struct {
	bytes.Buffer
	until string
	found func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.until) {
		w.found()
	}
	return n, err
}

// TestBigMessage takes 50 MB in, files it, relays it to the other system and shows it over IMAP; all of that, both
// systems and the client, costs at most 4 MB of live heap.
func TestBigMessage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := &show{o: Options{Out: io.Discard}}
	towns, err := startTowns(ctx, s, t.TempDir())
	for _, w := range towns {
		defer w.close(context.WithoutCancel(ctx))
	}
	if err != nil {
		t.Fatal(err)
	}
	one, two := towns[0], towns[1]
	if _, err := one.app.Operations().AddAlias(ctx, admin.NewAlias{Address: "both@one.example", Targets: []string{one.person(), two.person()}}); err != nil {
		t.Fatal(err)
	}
	for _, w := range towns { // everything that is made once, is made now
		if err := sendSized(ctx, one, w.person(), 200_000); err != nil {
			t.Fatal(err)
		}
		if _, err := fetchSize(ctx, w, 1); err != nil {
			t.Fatal(err)
		}
	}
	const size = 50_000_000
	peak := watchHeap(t)
	if err := sendSized(ctx, one, "both@one.example", size); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*town{one, two} {
		got, err := fetchSize(ctx, w, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got < size || got > size+2000 {
			t.Errorf("%s reads %d octets, want %d and a few header lines", w.person(), got, size)
		}
	}
	if grown := peak(); grown > 4<<20 {
		t.Errorf("the live heap grew by %.1f MB, want at most 4", float64(grown)/(1<<20))
	} else {
		t.Logf("the live heap grew by %.1f MB", float64(grown)/(1<<20))
	}
}

// watchHeap samples the live heap until the function it gives is called, which tells by how much it grew at most.
func watchHeap(t *testing.T) func() int64 {
	t.Helper()
	live := func() int64 {
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	before := live()
	var most atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				most.Store(max(most.Load(), live()))
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-done
		return most.Load() - before
	}
}

// sendSized brings a message of about size octets to the town's port 25.
func sendSized(ctx context.Context, w *town, to string, size int64) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", w.smtp)
	if err != nil {
		return err
	}
	c, err := smtpc.New(ctx, conn, smtpc.Options{Hello: "client.example"})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello(ctx); err != nil {
		return err
	}
	local, domain, _ := strings.Cut(to, "@")
	if domain != w.domain {
		local = "both"
		return sendSized(ctx, w, local+"@"+w.domain, size)
	}
	const head = "Subject: big\r\n\r\n"
	text := strings.Repeat("x", 76) + "\r\n"
	body := io.MultiReader(strings.NewReader(head), io.LimitReader(&repeated{text: text}, (size-int64(len(head)))/78*78))
	r, err := c.Send(ctx, smtpc.Transaction{
		To: []smtp.Rcpt{{To: smtp.Path{Local: local, Domain: domain}}}, Body: func() (io.ReadCloser, error) { return io.NopCloser(body), nil },
	})
	if err != nil {
		return err
	}
	if reply := r.Outcome(0); reply == nil || !reply.OK() {
		return fmt.Errorf("refused: %v", reply)
	}
	return nil
}

// repeated is a text without end.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], r.text[r.at:])
		n += c
		r.at = (r.at + c) % len(r.text)
	}
	return n, nil
}

// fetchSize waits until the INBOX has so many messages, reads the last one and gives its size.
func fetchSize(ctx context.Context, w *town, number int) (int64, error) {
	in, err := w.openInbox(ctx)
	if err != nil {
		return 0, err
	}
	defer in.close()
	if in.exists < number {
		if _, err := in.awaitMessage(ctx); err != nil {
			return 0, err
		}
	} else {
		if _, err := io.WriteString(in.conn, "DONE\r\n"); err != nil {
			return 0, err
		}
		if err := in.until("idle", nil); err != nil {
			return 0, err
		}
	}
	var size int64
	err = in.command("FETCH "+strconv.Itoa(in.exists)+" (BODY[])", func(line string) error {
		if open := strings.LastIndexByte(line, '{'); open > 0 && strings.HasSuffix(line, "}") && size == 0 {
			n, err := strconv.ParseInt(line[open+1:len(line)-1], 10, 64)
			if err != nil {
				return err
			}
			size, err = io.CopyN(io.Discard, in.in, n)
			return err
		}
		return nil
	})
	return size, err
}
