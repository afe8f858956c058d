package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
)

// workSubmission names this work in samples.
const workSubmission = "submission"

// measureSubmission hands in messages for local users, each over a new connection with STARTTLS and AUTH PLAIN, until they can be read.
// Passwords are kept as argon2id hashes of the same cost on both sides.
func measureSubmission(ctx context.Context, b *Bench) error {
	rigs, err := both(b, Spec{})
	if err != nil {
		return err
	}
	const sessions = 20
	users := userNames(sessions)
	stop, err := fleet(ctx, users, rigs...)
	if err != nil {
		return err
	}
	defer stop()
	messages := b.pick(20, 200)
	message := make([][]byte, sessions) // users may write as themselves only
	for i, user := range users {
		message[i] = plainMessageFrom(Address(user), 4<<10)
	}
	kase := fmt.Sprintf("4 KB, %d sessions, STARTTLS, AUTH, connection per message", sessions)
	watchers := map[Rig]*watcher{}
	for _, r := range rigs {
		if watchers[r], err = newWatcher(r, users); err != nil {
			return err
		}
		defer watchers[r].close()
	}
	for round := range b.Rounds {
		for _, r := range rigs {
			err := b.measure(ctx, r, Sample{Work: workSubmission, Case: kase, Round: round}, messages, func(values map[string]float64) error {
				return submit(ctx, r, watchers[r], submitJob{users, messages, message, values})
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// submitJob is what submit sends; values gets the quantiles of the times of the replies.
type submitJob struct {
	users    []string
	messages int
	message  [][]byte // of each user
	values   map[string]float64
}

func submit(ctx context.Context, r Rig, w *watcher, j submitJob) error {
	var mu sync.Mutex
	var replies []float64
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the certificate is our own, and checking it is the client's work
	err := parallel(len(j.users), j.messages, func(i int) error {
		user := j.users[i%len(j.users)]
		c, err := dialSMTP(r.Addr(Submission))
		if err != nil {
			return err
		}
		defer c.conn.Close()
		if err := c.startTLS(config); err != nil {
			return err
		}
		if err := c.login(user); err != nil {
			return err
		}
		took, err := c.send(Address(user), []string{Address(j.users[(i+1)%len(j.users)])}, j.message[i%len(j.users)])
		if err != nil {
			return err
		}
		mu.Lock()
		replies = append(replies, took.Seconds()*1e3)
		mu.Unlock()
		return c.quit()
	})
	if err != nil {
		return err
	}
	for i := range j.messages {
		w.expect(j.users[(i+1)%len(j.users)], 1)
	}
	j.values[P50], j.values[P99] = quantile(replies, 0.5), quantile(replies, 0.99)
	return w.wait(ctx)
}
