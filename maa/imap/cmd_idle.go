package imap

import (
	"context"
	"sync"
	"time"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdIdle serves IDLE (RFC 9051 6.3.13). While nothing happens the session has no buffers, and one
// small goroutine more than else, which turns news into an end of the waiting read.
func (s *session) cmdIdle(ctx context.Context, c *call, _ *wire.None) (reply, error) {
	s.enc.Raw("+ idling").CRLF()
	if s.box != nil && !s.idleNews(ctx) {
		return reply{}, nil
	}
	if s.flush() != nil {
		return reply{}, nil
	}
	defer s.watch()()
	for {
		err := s.c.wait(s.cfg.Limits.Idle)
		s.buffers()
		if err == nil {
			break
		}
		if err != errNews {
			s.bye(err)
			return reply{}, nil
		}
		if s.box != nil && !s.idleNews(ctx) || s.flush() != nil {
			return reply{}, nil
		}
	}
	c.d = s.lines()
	c.d.Literally("DONE")
	c.d.End()
	if err := c.d.Err(); err != nil {
		return refusal(err), nil
	}
	return ok("no longer idle"), nil
}

// idleNews tells what changed. It reports whether the session goes on.
func (s *session) idleNews(ctx context.Context) bool {
	// An IDLE may last longer than any other command is given.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := s.update(ctx, true); err != nil {
		s.trouble(err)
	}
	return !s.over
}

// watch wakes the connection at news until it is stopped.
func (s *session) watch() (stop func()) {
	if s.box == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go wake(s.c, s.box.news, done, &wg)
	return func() {
		close(done)
		wg.Wait()
	}
}

func wake(c *conn, news <-chan struct{}, done <-chan struct{}, wg *sync.WaitGroup) {
	defer wg.Done()
	for {
		select {
		case <-news:
			c.wake()
		case <-done:
			return
		}
	}
}
