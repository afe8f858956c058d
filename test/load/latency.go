package load

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// latencyTrack is which share of the messages is watched until it can be read: every fifth.
const latencyTrack = 5

// latency measures, with 100 sessions that send without a pause, how long the end of data takes to be answered, and how long
// until a message can be read. Postfix answers when the message is in its queue, Postrider when it is in the mailbox.
func latency(ctx context.Context, b *Bench, rigs []Rig, watchers map[Rig]*watcher) error {
	const sessions = 100
	if !b.wants(latencyCase) {
		return nil
	}
	each := b.pick(3, 40)
	message := plainMessage(4 << 10)
	names := inboundAccounts()[:sessions]
	for round := range b.Rounds {
		for _, r := range rigs {
			s := Sample{Work: workInbound, Case: latencyCase, Round: round}
			err := b.measure(ctx, r, s, sessions*each, func(values map[string]float64) error {
				return sendTimed(ctx, r, watchers[r], timed{names: names, each: each, message: message, values: values})
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// latencyCase is the name of the case that latency measures.
const latencyCase = "4 KB, 100 sessions, one recipient, own client"

// timed is a job for sendTimed.
type timed struct {
	names   []string
	each    int // messages of a session
	message []byte
	values  map[string]float64 // gets the quantiles
}

// sendTimed lets every session send its messages and puts the quantiles of the times into t.values. The session of an account
// is alone in sending to it, so its k-th message can be read when the mailbox has k more than before.
func sendTimed(ctx context.Context, r Rig, w *watcher, t timed) error {
	var mu sync.Mutex
	var replies, reads []float64
	var waiting sync.WaitGroup
	var readErr error
	err := parallel(len(t.names), len(t.names), func(i int) error {
		name := t.names[i]
		c, err := dialSMTP(r.Addr(SMTP))
		if err != nil {
			return err
		}
		tracked := make(chan mark, t.each)
		if conn := w.conns[name]; conn != nil {
			waiting.Add(1)
			go func() {
				defer waiting.Done()
				times, err := track(ctx, conn, tracked)
				mu.Lock()
				defer mu.Unlock()
				reads = append(reads, times...)
				if err != nil {
					readErr = err
				}
			}()
		}
		defer close(tracked)
		own := make([]float64, 0, t.each)
		for k := range t.each {
			took, err := c.send(sender, []string{Address(name)}, t.message)
			if err != nil {
				return fmt.Errorf("message %d of %s: %w", k, name, err)
			}
			own = append(own, took.Seconds()*1e3)
			if k%latencyTrack == 0 {
				tracked <- mark{count: w.want[name] + k + 1, sent: time.Now().Add(-took)}
			}
		}
		mu.Lock()
		replies = append(replies, own...)
		mu.Unlock()
		return c.quit()
	})
	waiting.Wait()
	if err != nil || readErr != nil {
		return fmt.Errorf("%w (and %w)", err, readErr)
	}
	for _, name := range t.names {
		w.expect(name, t.each)
	}
	t.values[P50], t.values[P99] = quantile(replies, 0.5), quantile(replies, 0.99)
	if len(reads) > 0 {
		t.values[Read50], t.values[Read99] = quantile(reads, 0.5), quantile(reads, 0.99)
	}
	return w.wait(ctx)
}

// mark is a message that is there when its mailbox has count messages.
type mark struct {
	count int
	sent  time.Time
}

// track asks at once, and then ten times a second, whether messages can be read, and gives the milliseconds that each took.
func track(ctx context.Context, c *imapClient, marks <-chan mark) ([]float64, error) {
	var times []float64
	for m := range marks {
		for {
			n, err := c.count("INBOX")
			if err != nil {
				return times, err
			}
			if n >= m.count {
				times = append(times, time.Since(m.sent).Seconds()*1e3)
				break
			}
			select {
			case <-ctx.Done():
				return times, ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return times, nil
}

// plainMessage is a message of about size octets of which no line begins with a dot.
func plainMessage(size int) []byte { return plainMessageFrom(sender, size) }

func plainMessageFrom(from string, size int) []byte {
	var b strings.Builder
	b.WriteString("From: Someone <" + from + ">\r\nTo: <somebody@bench.example>\r\nSubject: a message of the load bench\r\n" +
		"Date: Mon, 02 Nov 2026 10:11:12 +0100\r\nMessage-ID: <load@elsewhere.example>\r\n\r\n")
	for b.Len() < size {
		b.WriteString("All work and no play makes Jack a dull boy; so it is said, and so it is.\r\n")
	}
	return []byte(b.String())
}
