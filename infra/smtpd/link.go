package smtpd

import (
	"context"
	"net"
	"sync"
	"time"
)

// link keeps the deadlines of a connection right while the server may be told to stop at any moment. Deadlines are set on
// the raw connection, below TLS, so that they hold across STARTTLS.
type link struct {
	raw   net.Conn
	grace time.Duration

	mu     sync.Mutex
	stopAt time.Time // when the server is stopping: the last moment for what is under way
	idle   bool      // waiting for a command
	timer  *time.Timer
}

// stop is called when the server stops. A connection that waits for a command wakes at once; one that is at work has the time of
// grace, after which cancel ends the contexts of its handlers.
func (l *link) stop(cancel context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopAt = time.Now().Add(l.grace)
	if l.idle {
		_ = l.raw.SetReadDeadline(time.Now())
	} else {
		_ = l.raw.SetDeadline(l.stopAt)
	}
	l.timer = time.AfterFunc(l.grace, cancel)
}

// stopped reports whether the server is stopping.
func (l *link) stopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.stopAt.IsZero()
}

// close ends the timer and the connection.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	_ = l.raw.Close()
}

// waitRead sets the deadline of reading to at, or sooner when the server is stopping. idle tells whether what is
// waited for is the next command.
func (l *link) waitRead(at time.Time, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = idle
	switch {
	case l.stopAt.IsZero():
	case idle:
		at = time.Now()
	case at.After(l.stopAt):
		at = l.stopAt
	}
	_ = l.raw.SetReadDeadline(at)
}

// busy says that the wait for a command is over.
func (l *link) busy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = false
}

// waitWrite sets the deadline of writing. The last words of a stopping server get a second beyond the time of grace.
func (l *link) waitWrite(d time.Duration) {
	at := time.Now().Add(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopAt.IsZero() {
		if last := l.stopAt.Add(time.Second); at.After(last) {
			at = last
		}
	}
	_ = l.raw.SetWriteDeadline(at)
}

func deadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}
