package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postrider/postrider/test/lab"
)

// drivers are the clients that hand in messages.
type drivers struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
	j      *journal
}

// perConnection is how many messages a client hands in before it connects anew.
const perConnection = 8

// startDrivers starts, for each site, three users, a stranger and a mail program that appends.
func startDrivers(t *testing.T, sites []*site, j *journal, seed uint64) *drivers {
	t.Helper()
	d := &drivers{t: t, j: j}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	t.Cleanup(d.stop)
	n := seed
	for _, s := range sites {
		for _, work := range []func(*site, *rand.Rand) error{d.submit, d.submit, d.submit, d.relay, d.append} {
			n++
			rng := rand.New(rand.NewPCG(n, 1))
			d.group.Go(func() { d.repeat(s, rng, work) })
		}
	}
	return d
}

// stop ends the clients and waits for them.
func (d *drivers) stop() {
	d.cancel()
	d.group.Wait()
}

// repeat does one connection's work after the other. A server that is down gives errors, which are what this
// suite is for; they are in the journal.
func (d *drivers) repeat(s *site, rng *rand.Rand, work func(*site, *rand.Rand) error) {
	for d.ctx.Err() == nil {
		if err := work(s, rng); err != nil {
			d.pause(20 * time.Millisecond)
		}
	}
}

func (d *drivers) pause(span time.Duration) {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.ctx.Done():
	}
}

// dial opens an SMTP connection that ends, whatever happens, within the patience of the suite.
func (d *drivers) dial(s *site, service lab.Service) (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", s.server.Addr(service), time.Second)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(lab.Patience)); err != nil {
		conn.Close()
		return nil, err
	}
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		conn.Close()
	}
	return c, err
}

// submit is a user: to the other domain, to a neighbour, or to both at once.
func (d *drivers) submit(s *site, rng *rand.Rand) error {
	c, err := d.dial(s, lab.Submission)
	if err != nil {
		return err
	}
	defer c.Close()
	from := s.users[rng.IntN(2)]
	if err := c.Auth(smtp.PlainAuth("", from, password, "127.0.0.1")); err != nil {
		return d.explain("AUTH", err)
	}
	for range perConnection {
		var to []string
		switch rng.IntN(5) {
		case 0:
			to = []string{s.users[rng.IntN(2)]}
		case 1:
			to = []string{s.users[0], s.other.users[rng.IntN(2)], s.users[1]}
		default:
			to = []string{s.other.users[rng.IntN(2)]}
		}
		if err := d.send(c, s, from, to, rng); err != nil {
			return err
		}
	}
	return c.Quit()
}

// relay is a stranger on port 25: to one user or to both.
func (d *drivers) relay(s *site, rng *rand.Rand) error {
	c, err := d.dial(s, lab.SMTP)
	if err != nil {
		return err
	}
	defer c.Close()
	for range perConnection {
		if err := d.send(c, s, "stranger@three.example", s.users[:1+rng.IntN(2)], rng); err != nil {
			return err
		}
	}
	return c.Quit()
}

// send hands in one message and notes what became of it.
func (d *drivers) send(c *smtp.Client, s *site, from string, to []string, rng *rand.Rand) error {
	d.pause(time.Duration(rng.IntN(80)) * time.Millisecond)
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	e, raw := d.j.compose(s, from, to, rng)
	if err := c.Mail(from); err != nil {
		return d.explain("MAIL", err)
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return d.explain("RCPT", err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return d.explain("DATA", err)
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	d.j.set(e, unanswered)
	err = w.Close()
	var refused *textproto.Error
	switch {
	case err == nil:
		d.j.set(e, acknowledged)
	case errors.As(err, &refused):
		d.j.set(e, notTaken)
		return d.explain("end of data", err)
	}
	return err
}

// explain lets a refusal fail the test: a server that is up has no reason to refuse, unless it is going down.
func (d *drivers) explain(step string, err error) error {
	var refused *textproto.Error
	if errors.As(err, &refused) && refused.Code != 421 {
		d.t.Errorf("%s was refused: %v", step, err)
	}
	return err
}

// append is a mail program that files messages by itself.
func (d *drivers) append(s *site, rng *rand.Rand) error {
	conn, err := net.DialTimeout("tcp", s.server.Addr(lab.IMAP), time.Second)
	if err != nil {
		return err
	}
	c := imapclient.New(conn, nil)
	defer c.Close()
	// The client sets deadlines of its own; this ends what it forgets.
	timer := time.AfterFunc(lab.Patience, func() { conn.Close() })
	defer timer.Stop()
	user := s.users[rng.IntN(2)]
	if err := c.Login(user, password).Wait(); err != nil {
		return err
	}
	for range perConnection {
		d.pause(time.Duration(rng.IntN(200)) * time.Millisecond)
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
		e, raw := d.j.compose(s, user, []string{user}, rng)
		cmd := c.Append("Archive", int64(len(raw)), nil)
		d.j.set(e, unanswered)
		if _, err := cmd.Write(raw); err != nil {
			return err
		}
		if err := cmd.Close(); err != nil {
			return err
		}
		if _, err := cmd.Wait(); err != nil {
			return err
		}
		d.j.set(e, acknowledged)
	}
	return c.Logout().Wait()
}

// body makes a text of lines, some of them with dots in front; most are small, some are large.
func body(rng *rand.Rand) []byte {
	lines := 1 + rng.IntN(40)
	if rng.IntN(20) == 0 {
		lines = 4000
	}
	var b bytes.Buffer
	for range lines {
		fmt.Fprintf(&b, "%s%x\r\n", strings.Repeat(".", rng.IntN(3)), rng.Uint64())
	}
	return b.Bytes()
}

// sum is what the field X-Sum says about a body.
func sum(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}
