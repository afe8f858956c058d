package lmtp_test

import (
	"testing"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mda/lmtp"
	"github.com/postrider/postrider/testkit/dialog"
	"github.com/postrider/postrider/testkit/town"
)

func door(w *town.Town) dialog.Runner {
	srv := smtpd.New(smtpd.Config{Hostname: town.Host, LMTP: true}, &lmtp.Door{Intake: w.Intake, Resolver: w.People, Log: w.Log})
	return town.Door(srv.Serve)
}

// TestReplyPerRecipient shows RFC 2033 4.2: each recipient has a reply of its own, and one without room does not
// take its neighbours with it.
func TestReplyPerRecipient(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	long := ""
	for range 20 {
		long += "C: a line of some sixty octets so that the mailbox is too small.\n"
	}
	door(w).Run(t, "lmtp", `
S: /220 .*/
C: LHLO front.example
S~ /250 .*/
C: MAIL FROM:<kim@far.example>
S: /250 .*/
C: RCPT TO:<ann@one.example>
S: /250 .*/
C: RCPT TO:<nobody@one.example>
S: /550 5\.1\.1 .*/
C: RCPT TO:<full@one.example>
S: /250 .*/
C: RCPT TO:<bob@one.example>
S: /250 .*/
C: DATA
S: /354 .*/
C: Subject: for three
C:
`+long+`C: .
S: /250 2\.0\.0 taken as .*/
S: /452 4\.2\.2 .*/
S: /250 2\.0\.0 taken as .*/
C: MAIL FROM:<>
S: /250 .*/
C: RCPT TO:<ann@one.example>
S: /250 .*/
C: DATA
S: /354 .*/
C: Subject: short
C:
C: .
S: /250 2\.0\.0 taken as .*/
C: QUIT
S: /221 .*/
`)
	for who, want := range map[string]int{"ann@one.example": 2, "bob@one.example": 1, "full@one.example": 0} {
		if got := w.Mail(t, who, "INBOX"); len(got) != want {
			t.Errorf("%s has %d messages, want %d", who, len(got), want)
		}
	}
}
