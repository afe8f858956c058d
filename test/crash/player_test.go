package crash

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/test/lab"
)

// This test program plays Postrider when it is started with playEnv, the configuration's path: as `postrider serve` does, but with what
// app.Options offers to tests.
const (
	playEnv  = "CRASH_PLAY"
	stepEnv  = "CRASH_PLAY_STEP"  // "name:n": SIGKILL at the n-th passage of a commit's step
	clockEnv = "CRASH_PLAY_CLOCK" // a clock that jumps by as much as each line of standard input says
)

// steps are those of a commit, as infra/store names them.
var steps = []string{"gathered", "bodies-appended", "bodies-synced", "sql-done", "committed", "answered"}

func TestMain(m *testing.M) {
	if path := os.Getenv(playEnv); path != "" {
		if err := play(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(lab.Main(m))
}

// script is what a player is told.
type script struct {
	step  string // the last step, "" for none
	nth   int
	clock bool
}

func (s *script) environment(config string) []string {
	out := []string{playEnv + "=" + config}
	if s.step != "" {
		out = append(out, fmt.Sprintf("%s=%s:%d", stepEnv, s.step, s.nth))
	}
	if s.clock {
		out = append(out, clockEnv+"=1")
	}
	return out
}

func play(path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	o := app.Options{Log: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	if text := os.Getenv(stepEnv); text != "" {
		name, count, _ := strings.Cut(text, ":")
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return err
		}
		var passed atomic.Int64
		o.Step = func(step string) {
			if step == name && passed.Add(1) == n {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	if os.Getenv(clockEnv) != "" {
		c := &jumpingClock{}
		o.Clock = c
		go c.listen()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a, err := app.New(ctx, cfg, o)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	return a.Close(context.Background())
}

// jumpingClock is the machine's clock with an offset. What waits is woken by a jump as a machine's timers are: not at all; they
// count the time that passes.
type jumpingClock struct {
	mu     sync.Mutex
	offset time.Duration
}

var _ mail.Clock = (*jumpingClock)(nil)

// Now implements mail.Clock, without a monotonic reading: that is what a jump of the wall clock looks like.
func (c *jumpingClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Round(0).Add(c.offset).UTC()
}

// After implements mail.Clock.
func (c *jumpingClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (c *jumpingClock) listen() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		d, err := time.ParseDuration(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		c.mu.Lock()
		c.offset += d
		c.mu.Unlock()
	}
}
