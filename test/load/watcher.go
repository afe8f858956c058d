package load

import (
	"context"
	"fmt"
	"time"
)

// watcher knows how many messages each mailbox must have and asks over IMAP whether they are there. A system without IMAP has
// nothing to ask.
type watcher struct {
	conns map[string]*imapClient
	want  map[string]int
}

// newWatcher logs in to all accounts.
func newWatcher(r Rig, names []string) (*watcher, error) {
	w := &watcher{conns: map[string]*imapClient{}, want: map[string]int{}}
	if r.Addr(IMAP) == "" {
		return w, nil
	}
	conns := make([]*imapClient, len(names))
	err := parallel(4, len(names), func(i int) (err error) {
		conns[i], err = dialIMAP(r.Addr(IMAP), names[i], nil)
		return err
	})
	for i, c := range conns {
		if c != nil {
			w.conns[names[i]] = c
		}
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// expect says that n more messages are to come.
func (w *watcher) expect(name string, n int) { w.want[name] += n }

// wait returns when every mailbox has what it must have.
func (w *watcher) wait(ctx context.Context) error {
	deadline := time.Now().Add(10 * patience)
	for name, c := range w.conns {
		for {
			n, err := c.count("INBOX")
			if err != nil {
				return err
			}
			if n == w.want[name] {
				break
			}
			if n > w.want[name] || time.Now().After(deadline) {
				return fmt.Errorf("the mailbox of %s has %d messages, expected are %d", name, n, w.want[name])
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

func (w *watcher) close() {
	for _, c := range w.conns {
		c.close()
	}
}
