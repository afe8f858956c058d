package load

import (
	"context"
	"fmt"
	"net"

	"github.com/xdg-go/scram"
)

// workIdle names this work in samples.
const workIdle = "idle"

const idleCase = "IMAP, selected and idle"

// measureIdle opens IMAP connections that idle, and measures what memory each costs the server. Dovecot has a process for
// each of them, so it gets fewer.
func measureIdle(ctx context.Context, b *Bench) error {
	rigs, err := both(b, Spec{})
	if err != nil {
		return err
	}
	users := userNames(20)
	for _, r := range rigs {
		n := b.pick(20, 10_000)
		if r.Name() == Peers {
			n = b.pick(10, 500)
		}
		stop, err := fleet(ctx, users, r)
		if err != nil {
			return err
		}
		err = idleFor(ctx, b, r, users, n)
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// idleFor measures n connections to one system.
func idleFor(ctx context.Context, b *Bench, r Rig, users []string, n int) error {
	conns := make([]*imapClient, n)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.close()
			}
		}
	}()
	err := parallel(8, n, func(i int) (err error) {
		conns[i], err = idler(ctx, r, users[i%len(users)], net.IPv4(127, 0, 2, byte(1+i%100)))
		return err
	})
	if err != nil {
		return err
	}
	after, err := rest(ctx, r)
	if err != nil {
		return err
	}
	// All of the memory, what the system needs without connections included: a difference of two moments would hide what the
	// garbage collector has not given back yet at the first.
	values := map[string]float64{PerIdler: float64(after.Now) / 1024 / float64(n), Memory: float64(after.Now) / (1 << 20)}
	b.add(Sample{Work: workIdle, Case: idleCase, System: r.Name(), Values: values})
	b.say("%s: %d connections idle", r.Name(), n)
	return nil
}

// idler connects, logs in, selects and idles. It logs in with SCRAM where that is offered (RFC 7677), which spares the server
// ten thousand slow hashes.
func idler(ctx context.Context, r Rig, user string, from net.IP) (*imapClient, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := dialIMAPBuffer(r.Addr(IMAP), "", from, 1<<10)
	if err != nil {
		return nil, err
	}
	if r.Name() == Postrider {
		err = c.loginSCRAM(user)
	} else {
		err = c.do("LOGIN "+Address(user)+" "+Password, nil)
	}
	if err == nil {
		err = c.do("SELECT INBOX", nil)
	}
	if err == nil {
		if _, err = c.send("IDLE"); err == nil {
			err = c.untilContinuation(nil)
		}
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", user, err)
	}
	return c, nil
}

// loginSCRAM authenticates with SCRAM-SHA-256 (RFC 7677).
func (c *imapClient) loginSCRAM(user string) error {
	client, err := scram.SHA256.NewClient(Address(user), Password, "")
	if err != nil {
		return err
	}
	conversation := client.NewConversation()
	tag, err := c.send("AUTHENTICATE SCRAM-SHA-256")
	if err != nil {
		return err
	}
	challenge := ""
	for !conversation.Done() {
		line, err := c.readLine(nil)
		if err != nil {
			return err
		}
		if line[0] != '+' {
			return fmt.Errorf("SCRAM: %s", line)
		}
		if challenge, err = unbase64(line[1:]); err != nil {
			return err
		}
		answer, err := conversation.Step(challenge)
		if err != nil {
			return err
		}
		if err := c.writeBase64(answer); err != nil {
			return err
		}
	}
	return c.answer(tag, "AUTHENTICATE", nil)
}
