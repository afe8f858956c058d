package queue

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// setBack is a clock that an operator sets back.
type setBack struct {
	mail.SystemClock
	by atomic.Int64
}

func (c *setBack) Now() time.Time { return c.SystemClock.Now().Add(-time.Duration(c.by.Load())) }

// A message that waits for its next try while the clock is set back does not wait for as long again, and is tried as often as ever after.
func TestClockSetBack(t *testing.T) {
	world(t, func(b *bench) {
		b.on("bob@there.example", later)
		cfg := b.config()
		c := &setBack{}
		cfg.Clock = c
		defer b.run(cfg)()
		b.send("ann@here.example", "bob@there.example")
		rest(time.Minute)
		b.want("tries", b.tries["bob@there.example"], 1)
		c.by.Store(int64(26 * time.Hour))
		rest(30 * time.Minute)
		if n := b.tries["bob@there.example"]; n < 2 || n > 4 {
			t.Errorf("%d tries in the half hour after the clock was set back, want 2 to 4", n)
		}
	})
}
