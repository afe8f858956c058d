package pop3_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	engine "github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/maa/pop3"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/logs"
)

// keyed is a door that leads to one account of a real store.
type keyed struct {
	door
	id mail.AccountID
}

func (k keyed) Login(_ context.Context, user, pass string, _ net.Addr) (mail.Account, error) {
	return mail.Account{ID: k.id, Address: mail.Path(user)}, k.check("", user, pass)
}

func (k keyed) Account(_ context.Context, user string) (mail.Account, error) {
	return mail.Account{ID: k.id, Address: mail.Path(user)}, nil
}

// openStore makes a store with one account and so many messages in its INBOX.
func openStore(t testing.TB, messages int) (*engine.Store, mail.Mailbox) {
	t.Helper()
	ctx := t.Context()
	s, err := engine.Open(ctx, engine.Options{Dir: t.TempDir(), Log: logs.New(t).Logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, s)
		s.Close()
	})
	var set mail.ChangeSet
	set.Add(mail.AddDomain{Domain: mail.Domain{Name: "a.test"}}, mail.AddAccount{Account: mail.Account{Address: "ann@a.test"},
		Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}, {Name: "Sent", Use: mail.UseSent}}})
	receipt, err := s.Commit(ctx, set)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := s.Mailboxes(ctx, receipt.Results[1].Account)
	if err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		w, err := s.Create(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "Subject: %d\r\n\r\n.%s\r\n", i+1, strings.Repeat("x", i))
		body, err := w.Seal()
		if err != nil {
			t.Fatal(err)
		}
		var set mail.ChangeSet
		set.Add(mail.AddMessage{Account: boxes[0].Account, Mailbox: boxes[0].ID, Body: body, Prefix: []byte("Received: y\r\n"), Received: time.Unix(1, 0), Saved: time.Unix(1, 0)})
		_, err = s.Commit(ctx, set)
		body.Discard()
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, boxes[0]
}

// The same over the real engine: sizes, names, streamed bodies, and deletions that leave the store sound.
func TestOverTheStore(t *testing.T) {
	t.Parallel()
	s, inbox := openStore(t, 5)
	b := newBench(t, func(c *pop3.Config) {
		c.Mailboxes, c.Journal, c.Blobs, c.Authenticator = s, s, s, keyed{id: inbox.Account}
	})
	b.runner.Vars["validity"] = fmt.Sprint(inbox.UIDValidity)
	b.runner.Run(t, "first", login+`C: STAT
S: +OK 5 160
C: UIDL 5
S: +OK 5 ${validity}.5
C: LIST 3
S: +OK 3 32
C: RETR 3
S| "+OK 32 octets\r\nReceived: y\r\nSubject: 3\r\n\r\n..xx\r\n.\r\n"
C: DELE 1
S: +OK message 1 deleted
C: DELE 2
S: +OK message 2 deleted
C: DELE 4
S: +OK message 4 deleted
C: QUIT
S: +OK 3 messages deleted, bye
EOF
`)
	b.runner.Run(t, "second", login+`C: UIDL
S: +OK 2 messages (66 octets)
S: 1 ${validity}.3
S: 2 ${validity}.5
S: .
C: TOP 2 0
S| "+OK top of message follows\r\nReceived: y\r\nSubject: 5\r\n\r\n.\r\n"
C: QUIT
S: +OK bye
EOF
`)
}

// A client that takes one message after the other gets each as it is, also where others were expunged or moved on the way
// (RFC 1939 5).
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s, inbox := openStore(t, 70)
	b := newBench(t, func(c *pop3.Config) {
		c.Mailboxes, c.Journal, c.Blobs, c.Authenticator = s, s, s, keyed{id: inbox.Account}
	})
	boxes, err := s.Mailboxes(t.Context(), inbox.Account)
	if err != nil {
		t.Fatal(err)
	}
	sent := boxes[slices.IndexFunc(boxes, func(m mail.Mailbox) bool { return m.Name == "Sent" })].ID
	c := b.runner.Dial(t)
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(line, want string) {
		t.Helper()
		if line != "" {
			fmt.Fprintf(c, "%s\r\n", line)
		}
		if got, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(got, want) {
			t.Fatalf("%s is answered with %q, %v", line, got, err)
		}
	}
	say("", "+OK")
	say("USER ann@a.test", "+OK")
	say("PASS "+b.runner.Vars["password"], "+OK 70")
	for n := 1; n <= 70; n++ {
		switch n {
		case 10: // both among those that were looked up ahead
			change(t, s, mail.Expunge{Account: inbox.Account, Mailbox: inbox.ID, UIDs: []mail.UIDRange{{First: 20, Last: 20}}})
			change(t, s, mail.MoveMessages{Account: inbox.Account, From: inbox.ID, To: sent, UIDs: []mail.UIDRange{{First: 30, Last: 30}, {First: 53, Last: 53}}, Saved: time.Unix(2, 0)})
		case 20:
			say("RETR 20", "-ERR another client has deleted the message meanwhile")
			continue
		}
		say(fmt.Sprintf("RETR %d", n), "+OK")
		say("", "Received: y")
		say("", fmt.Sprintf("Subject: %d\r\n", n))
		for line := ""; line != ".\r\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	say("QUIT", "+OK")
}

func change(t testing.TB, s *engine.Store, c mail.Change) {
	t.Helper()
	if _, err := s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{c}}); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkRetrieve fetches 500 small messages one after the other, each after the answer to the one before.
func BenchmarkRetrieve(b *testing.B) {
	const n = 500
	s, inbox := openStore(b, n)
	bench := newBench(b, func(c *pop3.Config) {
		c.Mailboxes, c.Journal, c.Blobs, c.Authenticator = s, s, s, keyed{id: inbox.Account}
	})
	c := bench.runner.Dial(b)
	defer c.Close()
	r := bufio.NewReader(c)
	until := func(end string) {
		for line := ""; line != end; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				b.Fatal(err)
			}
			if end == "" {
				return
			}
		}
	}
	fmt.Fprintf(c, "USER ann@a.test\r\nPASS %s\r\n", bench.runner.Vars["password"])
	for range 3 {
		until("")
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range n {
			fmt.Fprintf(c, "RETR %d\r\n", i+1)
			until(".\r\n")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
}
