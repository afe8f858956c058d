package msa_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/msa"
	"github.com/postrider/postrider/service/seal"
	"github.com/postrider/postrider/testkit/dialog"
	"github.com/postrider/postrider/testkit/town"
)

// domains is DNS as the tests have it.
type domains struct{}

func (domains) Exists(_ context.Context, domain string) (dns.Existence, error) {
	switch domain {
	case "missing.example":
		return dns.Missing, nil
	case "hostless.example":
		return dns.Hostless, nil
	case "silent.example":
		return dns.Refusing, nil
	case "doubtful.example":
		return dns.Unknown, errors.New("the name server does not answer")
	}
	return dns.Reachable, nil
}

func agent(w *town.Town) *msa.Agent {
	return &msa.Agent{
		Intake: w.Intake, Resolver: w.People, Senders: w.People, Accounts: w.Store, Domains: domains{}, Clock: mail.SystemClock{}, Log: w.Log,
	}
}

func door(w *town.Town) dialog.Runner {
	srv := smtpd.New(smtpd.Config{Hostname: town.Host, AllowCleartextAuth: true}, &msa.Door{Agent: agent(w), Auth: w.Auth})
	return town.Door(srv.Serve)
}

// TestDialogs plays what users' programs say: RFC 6409 4.3 (authentication), RFC 6409 6.1 (senders), RFC 4954 4.
func TestDialogs(t *testing.T) {
	t.Parallel()
	dialog.Files(t, "testdata/*.dialog", func(t *testing.T) dialog.Runner { return door(town.New(t)) })
}

// login is how ann begins.
const login = "S~ /220 .*/\nC: EHLO laptop.example\nS~ /250 .*/\nC: AUTH PLAIN AGFubkBvbmUuZXhhbXBsZQBjb3JyZWN0IGhvcnNl\nS: /235 2\\.7\\.0 .*/\n"

func message(lines ...string) string {
	out := "C: DATA\nS: /354 .*/\n"
	for _, l := range lines {
		out += fmt.Sprintf("C| %q\n", l+"\r\n")
	}
	return out + "C: .\n"
}

// TestHeader shows what submission makes of a header: RFC 6409 8.1 to RFC 6409 8.3, RFC 5322 3.6.
func TestHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string
		reply string   // pattern
		has   []string // of the stored message
		not   []string
	}{
		{
			name: "complete", lines: []string{"From: Ann <ann@one.example>", "Date: Tue, 24 Nov 2026 03:00:00 +0000", "Message-ID: <x@laptop>", "Bcc: secret@far.example", "Subject: s", "", "text"},
			reply: `250 .*`, has: []string{"Message-ID: <x@laptop>\r\n", "Date: Tue, 24 Nov 2026 03:00:00 +0000\r\n", "\r\n\r\ntext\r\n"}, not: []string{"Bcc", "secret"},
		},
		{
			name: "bare", lines: []string{"Subject: s", "", "text"},
			reply: `250 .*`, has: []string{"\r\nFrom: ann@one.example\r\n", "\r\nDate: ", "\r\nMessage-ID: <", "@mx.one.example>\r\n"},
		},
		{name: "stranger", lines: []string{"From: kim@far.example", "", "text"}, reply: `550 5\.7\.1 the address in the field From: kim@far\.example does not belong to ann@one\.example.*`},
		{name: "neighbour", lines: []string{"From: bob@one.example", "", "text"}, reply: `550 5\.7\.1 .*`},
		{name: "hidden", lines: []string{"From: ann@one.example", "Sender: bob@one.example", "", "text"}, reply: `550 5\.7\.1 .*Sender.*`},
		{name: "alias", lines: []string{"From: Team <team@one.example>", "", "text"}, reply: `250 .*`, has: []string{"From: Team <team@one.example>"}, not: []string{"Sender:"}},
		{name: "two authors", lines: []string{"From: ann@one.example, team@one.example", "", "text"}, reply: `250 .*`, has: []string{"Sender: ann@one.example\r\n"}},
		{name: "two froms", lines: []string{"From: ann@one.example", "From: ann@one.example", "", "text"}, reply: `55. 5\.6\.0 .*From.*`},
		{name: "resent", lines: []string{"From: kim@far.example", "Resent-From: ann@one.example", "", "text"}, reply: `250 .*`, has: []string{"From: kim@far.example\r\n"}},
		{name: "no header", lines: []string{"", "text"}, reply: `250 .*`, has: []string{"From: ann@one.example\r\n"}},
		{name: "8-bit", lines: []string{"From: ann@one.example", "Subject: s", "", "gr\xc3\xbc\xc3\x9fe"}, reply: `250 .*`, has: []string{"gr\xc3\xbc\xc3\x9fe\r\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := town.New(t)
			door(w).Run(t, c.name, login+"C: MAIL FROM:<ann@one.example> BODY=8BITMIME\nS: /250 .*/\nC: RCPT TO:<bob@one.example>\nS: /250 .*/\n"+
				message(c.lines...)+"S: /"+c.reply+"/\nC: QUIT\nS: /221 .*/\n")
			got := w.Mail(t, "bob@one.example", "INBOX")
			if !strings.HasPrefix(c.reply, "250") {
				if len(got) != 0 {
					t.Errorf("a refused message is filed:\n%s", got[0])
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d messages are filed, want 1", len(got))
			}
			for _, s := range c.has {
				if !strings.Contains(got[0], s) {
					t.Errorf("the message lacks %q:\n%s", s, got[0])
				}
			}
			for _, s := range c.not {
				if strings.Contains(got[0], s) {
					t.Errorf("the message holds %q:\n%s", s, got[0])
				}
			}
		})
	}
}

// TestQueued puts what goes elsewhere into the queue, once for all recipients, in the commit that files the local ones.
func TestQueued(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	door(w).Run(t, "queued", login+"C: MAIL FROM:<ann+shop@one.example>\nS: /250 .*/\n"+
		"C: RCPT TO:<kim@far.example>\nS: /250 .*/\nC: RCPT TO:<lee@FAR.example>\nS: /250 .*/\nC: RCPT TO:<max@else.example>\nS: /250 .*/\nC: RCPT TO:<bob@one.example>\nS: /250 .*/\n"+
		message("From: ann@one.example", "Subject: s", "", "text")+"S: /250 .*/\nC: QUIT\nS: /221 .*/\n")
	q := w.Queue(t)
	if len(q) != 1 {
		t.Fatalf("the queue has %d entries, want 1", len(q))
	}
	var got []string
	for _, r := range q[0].Recipients {
		got = append(got, string(r.Address)+" via "+r.Route)
	}
	if s := strings.Join(got, ", "); s != "kim@far.example via far.example, lee@far.example via far.example, max@else.example via else.example" {
		t.Errorf("queued: %s", s)
	}
	if text := w.Read(t, q[0].Prefix, q[0].Blob); !strings.HasPrefix(text, "Received: from laptop.example") || !strings.Contains(text, "with ESMTPA id ") {
		t.Errorf("the queued message begins:\n%s", text)
	}
	if q[0].From != "ann+shop@one.example" || q[0].Account != w.IDs["ann@one.example"] {
		t.Errorf("queued as %q of account %d", q[0].From, q[0].Account)
	}
	if got := w.Mail(t, "bob@one.example", "INBOX"); len(got) != 1 {
		t.Errorf("bob has %d messages, want 1", len(got))
	}
}

// TestSubmit takes submissions that do not come over SMTP, by the same rules.
func TestSubmit(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	a := agent(w)
	ann := w.IDs["ann@one.example"]
	send := func(from mail.Path, body string, to ...mail.Path) error {
		_, err := a.Submit(t.Context(), mail.Submission{
			Account: ann, Envelope: mail.Envelope{From: from, To: to}, Peer: "operator", With: "HTTP", Body: strings.NewReader(body),
		})
		return err
	}
	const body = "From: ann@one.example\r\nSubject: s\r\n\r\ntext\r\n"
	for _, c := range []struct {
		from mail.Path
		body string
		to   []mail.Path
		kind mail.Kind
		ok   bool
	}{
		{from: "ann@one.example", body: body, to: []mail.Path{"bob@one.example", "kim@far.example"}, ok: true},
		{from: "", body: body, to: []mail.Path{"bob@one.example"}, ok: true},
		{from: "bob@one.example", body: body, to: []mail.Path{"ann@one.example"}, kind: mail.Denied},
		{from: "ann@one.example", body: body, kind: mail.Invalid},
		{from: "ann@one.example", body: body, to: []mail.Path{"nobody@one.example"}, kind: mail.NotFound},
		{from: "ann@one.example", body: body, to: []mail.Path{"kim@missing.example"}, kind: mail.NotFound},
		{from: "ann@one.example", body: body, to: []mail.Path{"kim@doubtful.example"}, ok: true},
		{from: "ann@one.example", body: "Subject: " + strings.Repeat("x", 300<<10) + "\r\n\r\ntext\r\n", to: []mail.Path{"bob@one.example"}, kind: mail.TooLarge},
		{from: "ann@one.example", body: "From: ann@one.example\r\n\r\nbare\rreturn\r\n", to: []mail.Path{"bob@one.example"}, kind: mail.Invalid},
		{from: "ann@one.example", body: "From: ann@one.example\r\n\r\nnul\x00\r\n", to: []mail.Path{"bob@one.example"}, kind: mail.Invalid},
	} {
		err := send(c.from, c.body, c.to...)
		if c.ok && err != nil || !c.ok && !mail.Is(err, c.kind) {
			t.Errorf("from %q to %q, %.40q: %v", c.from, c.to, c.body, err)
		}
	}
	if got := w.Mail(t, "bob@one.example", "INBOX"); len(got) != 2 {
		t.Errorf("bob has %d messages, want 2", len(got))
	}
}

// TestSigned signs what our people send above the trace fields, so that the trail says with which keys, and notes what the message wishes of TLS:
// RFC 6376 5.6, RFC 8689 5.
func TestSigned(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	keys := seal.NewKeeper(w.Store, w.Store, mail.SystemClock{})
	if _, err := keys.Ensure(t.Context(), town.Domain); err != nil {
		t.Fatal(err)
	}
	w.Intake.Sealer = seal.New(keys, mail.SystemClock{})
	send := func(lines ...string) {
		script := login + "C: MAIL FROM:<ann@one.example>\nS: /250 .*/\nC: RCPT TO:<kim@far.example>\nS: /250 .*/\n" + message(lines...) + "S: /250 2\\.0\\.0 taken.*/\nC: QUIT\nS: /221 .*/\n"
		door(w).Run(t, "send", script)
	}
	send("From: ann@one.example", "Subject: one", "", "text")
	send("From: ann@one.example", "Subject: two", "TLS-Required: No", "", "text")
	q := w.Queue(t)
	if len(q) != 2 || q[0].TLS != mail.TLSAsUsual || q[1].TLS != mail.TLSOptional {
		t.Fatalf("%+v", q)
	}
	text := w.Read(t, q[0].Prefix, q[0].Blob)
	if n := strings.Count(text, "DKIM-Signature:"); n != 2 || strings.Index(text, "DKIM-Signature:") > strings.Index(text, "Received:") {
		t.Errorf("%d signatures:\n%s", n, text)
	}
	verified, err := dkim.Verify(strings.NewReader(text))
	if err != nil || len(verified) != 2 {
		t.Errorf("%+v, %v", verified, err) // the keys are in no DNS: what counts is that both can be read
	}
	for _, e := range w.Trail(t, "kim@far.example") {
		if e.Outcome == mail.Accepted && !strings.Contains(e.Reason, "Signed for one.example with ") {
			t.Errorf("the trail says %q", e.Reason)
		}
	}
}

// TestOneClick adds the field for one-click unsubscription where there is a web address for it, once: RFC 8058 3.1.
func TestOneClick(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fields []string
		want   int
	}{
		"a web address":  {[]string{"List-Unsubscribe: <mailto:leave@one.example>, <HTTPS://one.example/leave?x>"}, 1},
		"mail only":      {[]string{"List-Unsubscribe: <mailto:leave@one.example>"}, 0},
		"there already":  {[]string{"List-Unsubscribe: <https://one.example/x>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"}, 1},
		"no list at all": {nil, 0},
	} {
		w := town.New(t)
		a := agent(w)
		a.OneClick = true
		srv := smtpd.New(smtpd.Config{Hostname: town.Host, AllowCleartextAuth: true}, &msa.Door{Agent: a, Auth: w.Auth})
		lines := append([]string{"From: ann@one.example"}, tt.fields...)
		town.Door(srv.Serve).Run(t, name, login+"C: MAIL FROM:<ann@one.example>\nS: /250 .*/\nC: RCPT TO:<kim@far.example>\nS: /250 .*/\n"+
			message(append(lines, "", "text")...)+"S: /250 2\\.0\\.0 taken.*/\nC: QUIT\nS: /221 .*/\n")
		q := w.Queue(t)
		text := w.Read(t, q[0].Prefix, q[0].Blob)
		if n := strings.Count(text, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"); n != tt.want {
			t.Errorf("%s: %d fields in\n%s", name, n, text)
		}
	}
}

// TestCorrespondents: whom a person writes to is remembered with the message, with their name; what a program sends is not. What the caller wants
// done is done by the same commit.
func TestCorrespondents(t *testing.T) {
	t.Parallel()
	w := town.New(t)
	a := agent(w)
	submit := func(header string, extra ...mail.Change) {
		t.Helper()
		_, err := a.Submit(t.Context(), mail.Submission{Account: w.IDs["ann@one.example"], With: "HTTP", Peer: "web", Extra: extra,
			Envelope: mail.Envelope{From: "ann@one.example", To: []mail.Path{"Kim@far.example", "bob@one.example"}},
			Body:     strings.NewReader("From: ann@one.example\r\n" + header + "Subject: s\r\n\r\ntext\r\n")})
		if err != nil {
			t.Fatal(err)
		}
	}
	submit("To: \"Kim  Far\" <kim@far.example>\r\n", mail.PutNote{Note: mail.Note{Kind: "state", Key: "1", Value: []byte("sent")}})
	submit("To: kim@far.example\r\nCc: Bob <bob@one.example>\r\n")
	submit("To: kim@far.example\r\nAuto-Submitted: auto-generated\r\n")
	notes, err := w.Store.Notes(t.Context(), mail.NoteQuery{Kind: msa.CorrespondentKind})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range notes {
		got = append(got, fmt.Sprint(n.Key, n.N, string(n.Value), n.Account == w.IDs["ann@one.example"]))
	}
	id := w.IDs["ann@one.example"]
	want := fmt.Sprint([]string{fmt.Sprint(fmt.Sprintf("%d/bob@one.example", id), 2, `{"name":""}`, true), fmt.Sprint(fmt.Sprintf("%d/kim@far.example", id), 2, `{"name":"Kim Far"}`, true)})
	if fmt.Sprint(got) != want {
		t.Errorf("remembered are\n%v, want\n%s", got, want)
	}
	if n, err := w.Store.Note(t.Context(), "state", "1"); err != nil || string(n.Value) != "sent" {
		t.Errorf("the caller's note: %v, %v", n, err)
	}
}
