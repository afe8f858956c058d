package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
)

// workIMAP names this work in samples.
const workIMAP = "imap"

// The mixed work: so many connections over so many accounts, each with so many messages at first.
const (
	mixedAccounts    = 20
	mixedConnections = 50
	mixedMessages    = 200
)

// measureIMAP has many clients do what mail programs do, each by a script of its own that is the same for all systems and
// rounds: log in, select, then a weighted mix of commands, log out, and again.
func measureIMAP(ctx context.Context, b *Bench) error {
	rigs, err := both(b, Spec{})
	if err != nil {
		return err
	}
	users := userNames(mixedAccounts)
	stop, err := fleet(ctx, users, rigs...)
	if err != nil {
		return err
	}
	defer stop()
	for _, r := range rigs {
		b.say("filling %d mailboxes of %s", mixedAccounts, r.Name())
		if err := parallel(2, len(users), func(i int) error { return fill(ctx, r, users[i], b.pick(20, mixedMessages)) }); err != nil {
			return err
		}
	}
	kase := mixedCase()
	sessions, commands := b.pick(1, 2), b.pick(20, 250)
	letters := newLetters()
	for round := range b.Rounds {
		for _, r := range rigs {
			var done atomic.Int64
			s := Sample{Work: workIMAP, Case: kase, Round: round}
			total := mixedConnections * sessions * (commands + 3)
			err := b.measure(ctx, r, s, total, func(map[string]float64) error {
				return parallel(mixedConnections, mixedConnections, func(i int) error {
					m := &mixed{addr: r.Addr(IMAP), user: users[i%len(users)], random: rand.New(rand.NewPCG(uint64(round), uint64(i))), letters: letters}
					for range sessions {
						if err := m.session(ctx, commands); err != nil {
							return err
						}
					}
					done.Add(int64(m.done))
					return nil
				})
			})
			if err != nil {
				return err
			}
			if done.Load() != int64(total) {
				return fmt.Errorf("%s: %d commands were done instead of %d", r.Name(), done.Load(), total)
			}
		}
	}
	return nil
}

func mixedCase() string {
	return fmt.Sprintf("%d clients, %d accounts", mixedConnections, mixedAccounts)
}

// mixed is one client of the mixed work.
type mixed struct {
	addr, user string
	random     *rand.Rand
	letters    *letters
	c          *imapClient
	count      int // messages in the mailbox, as the server has told
	done       int // commands
}

// session logs in, selects, does n commands and logs out.
func (m *mixed) session(ctx context.Context, n int) error {
	var err error
	if m.c, err = dialIMAP(m.addr, m.user, nil); err != nil {
		return err
	}
	defer m.c.close()
	m.count = 0
	if err := m.do("SELECT INBOX"); err != nil {
		return err
	}
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.step(); err != nil {
			return fmt.Errorf("%s: %w", m.user, err)
		}
		m.done++
	}
	m.done += 3
	return m.do("LOGOUT")
}

// step does one command, chosen by weight out of a hundred.
func (m *mixed) step() error {
	choice := m.random.IntN(100)
	which := 1 + m.random.IntN(1<<20)
	if m.count == 0 {
		choice = 70
	}
	n := 1 + which%max(1, m.count)
	switch {
	case choice < 20:
		return m.do(fmt.Sprintf("FETCH %d:%d (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", max(1, n-20), n))
	case choice < 45:
		return m.do(fmt.Sprintf("FETCH %d (BODY.PEEK[])", n))
	case choice < 57:
		return m.do(fmt.Sprintf("STORE %d +FLAGS (\\Seen)", n))
	case choice < 62:
		return m.do(fmt.Sprintf("STORE %d -FLAGS.SILENT (\\Seen)", n))
	case choice < 70:
		return m.do("NOOP")
	case choice < 78:
		return m.c.append("INBOX", m.letters.make(which), m.note)
	case choice < 84:
		return m.do("SEARCH UNSEEN")
	case choice < 88:
		return m.do("STATUS Drafts (MESSAGES UNSEEN)")
	case choice < 92:
		return m.idle()
	case choice < 96:
		return m.do(fmt.Sprintf("STORE %d +FLAGS (\\Deleted)", n))
	}
	return m.do("EXPUNGE")
}

// idle begins to idle and ends it again (RFC 2177).
func (m *mixed) idle() error {
	tag, err := m.c.send("IDLE")
	if err != nil {
		return err
	}
	if err := m.c.untilContinuation(m.note); err != nil {
		return err
	}
	if _, err := m.c.conn.Write([]byte("DONE\r\n")); err != nil {
		return err
	}
	return m.c.answer(tag, "IDLE", m.note)
}

// do runs a command. That somebody else has expunged a message meanwhile is no fault.
func (m *mixed) do(command string) error {
	err := m.c.do(command, m.note)
	var refused refusal
	if errors.As(err, &refused) && bytes.Contains(refused.reply, []byte("EXPUNGEISSUED")) {
		return nil
	}
	return err
}

// note keeps count of the messages.
func (m *mixed) note(line []byte) {
	fields := bytes.Fields(line)
	if len(fields) < 3 {
		return
	}
	n, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return
	}
	switch string(fields[2]) {
	case "EXISTS":
		m.count = n
	case "EXPUNGE":
		m.count--
	}
}
