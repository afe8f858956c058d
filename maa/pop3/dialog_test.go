package pop3_test

import (
	"fmt"
	"testing"

	"github.com/postrider/postrider/maa/pop3"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/dialog"
)

// inboxOfThree is what most dialogs find.
var inboxOfThree = []stored{
	{uid: 4, prefix: "Received: here\r\n", body: "Subject: one\r\n\r\nfirst\r\n.\r\n..dots\r\nlast\r\n"},
	{uid: 9, body: "Subject: two\r\n\r\nno end of line"},
	{uid: 15, body: "Subject: three\r\n\r\n"},
}

// The dialogs of testdata/dialogs, each against a server of its own. RFC 1939 5, RFC 1939 7, RFC 2449 5, RFC 2595 4, RFC 5034 4,
// RFC 3206 3
func TestDialogs(t *testing.T) {
	t.Parallel()
	dialog.Files(t, "testdata/dialogs/*.txt", func(t *testing.T) dialog.Runner {
		b := newBench(t, func(c *pop3.Config) { c.Limits = pop3.Limits{Failures: 3, Errors: 4} })
		b.store.add(inboxOfThree...)
		return b.runner
	})
}

const login = "S: +OK Postrider POP3 ready\nC: USER ann@a.test\nS: +OK now the password\nC: PASS ${password}\nS~ /.OK.*octets./\n"

// RFC 1939 6: what is deleted goes at QUIT, all of it in one change set.
func TestDeletedAtQuit(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for uid := range uint32(8) {
		b.store.add(stored{uid: uid*2 + 1, body: "x\r\n"})
	}
	script := login
	for _, n := range []int{1, 2, 3, 6, 8} {
		script += fmt.Sprintf("C: DELE %d\nS: +OK message %d deleted\n", n, n)
	}
	b.runner.Run(t, "delete", script+"C: QUIT\nS: +OK 5 messages deleted, bye\nEOF\n")
	if got, want := fmt.Sprint(b.store.uids()), "[7 9 13]"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	want := "[{[{7 3 [{1 5} {11 11} {15 15}] false}]}]"
	if got := fmt.Sprint(b.store.sets); got != want {
		t.Errorf("change sets %s, want %s", got, want)
	}
}

// RFC 1939 6: without QUIT nothing is deleted, and nothing is committed when nothing was deleted.
func TestNothingDeletedWithoutQuit(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.store.add(inboxOfThree...)
	b.runner.Run(t, "vanish", login+"C: DELE 1\nS~ /.OK.*/\nCLOSE\n")
	b.runner.Run(t, "reset", login+"C: DELE 1\nS~ /.OK.*/\nC: RSET\nS: +OK 3 messages (104 octets)\nC: QUIT\nS: +OK bye\nEOF\n")
	b.runner.Run(t, "look", login+"C: QUIT\nS: +OK bye\nEOF\n")
	if len(b.store.sets) != 0 || len(b.store.uids()) != 3 {
		t.Errorf("change sets %v", b.store.sets)
	}
}

// RFC 1939 6: when deleting fails the client is told. RFC 3206 4, RFC 2449 8.1.1
func TestQuitThatFails(t *testing.T) {
	t.Parallel()
	for kind, want := range map[mail.Kind]string{
		mail.Unavailable: "-ERR [SYS/TEMP] the disk is away",
		mail.Conflict:    "-ERR [IN-USE] the disk is away",
		mail.Internal:    "-ERR [SYS/TEMP] internal error; the server's log says more",
	} {
		b := newBench(t, nil)
		b.store.add(inboxOfThree...)
		b.store.fail = mail.Errorf(kind, "the disk is away")
		if kind == mail.Internal {
			b.log.Expect("command failed")
		}
		b.runner.Run(t, "fail", login+"C: DELE 1\nS~ /.OK.*/\nC: QUIT\nS: "+want+"\nEOF\n")
	}
}

// Another client may remove a message under the session; numbers and names stay, and RETR says so.
func TestMessageThatVanishes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.store.add(inboxOfThree...)
	b.runner.Run(t, "two sessions", login+"2"+"S~ /.OK.*/\n2C: USER ann@a.test\n2S~ /.OK.*/\n2C: PASS ${password}\n2S~ /.OK 3 .*/\n"+
		"2C: DELE 1\n2S~ /.OK.*/\n2C: QUIT\n2S~ /.OK 1 .*/\n2EOF\n"+
		"C: RETR 1\nS: -ERR another client has deleted the message meanwhile\nC: UIDL 1\nS: +OK 1 1700000000.4\n"+
		"C: DELE 1\nS: +OK message 1 deleted\nC: QUIT\nS: +OK 1 messages deleted, bye\nEOF\n")
	if got := fmt.Sprint(b.store.uids()); got != "[9 15]" {
		t.Errorf("left are %s", got)
	}
}

// A damaged body must not look like a whole message: no final dot, and the connection ends.
func TestMessageThatBreaksOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.store.add(stored{uid: 1, body: "Subject: x\r\n\r\nfirst\r\nsecond\r\n", broken: 21}, inboxOfThree[1])
	b.log.Expect("could not be sent whole")
	b.runner.Run(t, "damage", login+"C: RETR 1\nS* /[^.].*/\nEOF\n")
	b.runner.Run(t, "the others", login+"C: RETR 2\nS: +OK 30 octets\nS~ no end of line\nS: .\nC: QUIT\nS~ +OK bye\n")
}

// RFC 3206 4: trouble of the server is not taken for a wrong password.
func TestTroubleAtLogin(t *testing.T) {
	t.Parallel()
	for kind, want := range map[mail.Kind]string{
		mail.Unavailable: "-ERR [SYS/TEMP] so it is", mail.TooMany: "-ERR [SYS/TEMP] so it is", mail.Denied: "-ERR [AUTH] so it is",
		mail.Unauthenticated: "-ERR [AUTH] so it is", mail.NotFound: "-ERR [AUTH] name or secret is wrong",
	} {
		b := newBench(t, func(c *pop3.Config) { c.Authenticator = door{mail.Errorf(kind, "so it is")} })
		b.runner.Run(t, "PASS", "S~ /.OK.*/\nC: USER ann@a.test\nS~ /.OK.*/\nC: PASS x\nS: "+want+"\nC: AUTH PLAIN AGEAYg==\nS: "+want+"\n")
	}
	b := newBench(t, nil)
	b.store.failRead = mail.Errorf(mail.Unavailable, "the store is away")
	b.runner.Run(t, "store", "S~ /.OK.*/\nC: USER ann@a.test\nS~ /.OK.*/\nC: PASS ${password}\nS: -ERR [SYS/TEMP] the store is away\nC: STAT\nS: -ERR log in first\n")
}

// Of a huge INBOX the newest messages are shown, so that the memory of a session has a bound.
func TestHugeInbox(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *pop3.Config) { c.Limits.Messages = 3 })
	for uid := range uint32(100) {
		b.store.add(stored{uid: uid + 1, body: "x\r\n"})
	}
	b.runner.Run(t, "huge", login+"C: UIDL\nS~ 1 1700000000.98\nS: 2 1700000000.99\nS: 3 1700000000.100\nS: .\n")
}
