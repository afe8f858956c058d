package way_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/authres"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/testkit/town"
	"github.com/postrider/postrider/ua/way"
)

var update = flag.Bool("update", false, "write the golden files anew")

// at is a time of the stories, so many minutes after their beginning.
func at(minutes int) time.Time { return town.Epoch.Add(time.Duration(minutes) * time.Minute) }

// still is a clock that stands at an hour after the beginning.
type still struct{ now *time.Time }

func (c still) Now() time.Time                       { return *c.now }
func (still) After(d time.Duration) <-chan time.Time { return time.After(d) }

// world is a town with the service in it.
type world struct {
	*town.Town
	t   testing.TB
	mux *web.Mux
	now time.Time
}

func newWorld(t testing.TB) *world {
	w := &world{Town: town.New(t), t: t, mux: web.NewMux(), now: at(60)}
	guarded := func(handler func(http.ResponseWriter, *http.Request, mail.Account)) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			a, err := w.Store.AccountByAddress(r.Context(), mail.Path(r.Header.Get("X-Account")))
			if err != nil {
				rw.WriteHeader(http.StatusUnauthorized)
				return
			}
			handler(rw, r, a)
		})
	}
	s := way.New(way.Config{Guarded: guarded, Trail: w.Store, Queue: w.Store, Mailboxes: w.Store, Blobs: w.Store, Journal: w.Store, Hostname: town.Host, Clock: still{&w.now}})
	s.Register(w.mux, "")
	return w
}

func (w *world) ask(account, method, path, body string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Account", account)
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// golden holds an answer against its file.
func (w *world) golden(name, account, query string) {
	w.t.Helper()
	status, text := w.ask(account, "GET", "/api/way?"+query, "")
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil || status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", name, status, text)
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		w.t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// box finds a mailbox.
func (w *world) box(account, name string) mail.MailboxID {
	w.t.Helper()
	list, err := w.Store.Mailboxes(w.t.Context(), w.IDs[mail.Path(account)])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range list {
		if b.Name == name {
			return b.ID
		}
	}
	return w.Do(w.t, mail.CreateMailbox{Account: w.IDs[mail.Path(account)], NewMailbox: mail.NewMailbox{Name: name, Use: map[string]mail.SpecialUse{"Junk": mail.UseJunk}[name]}})[0].Mailbox
}

// file puts a message into a mailbox and gives its id as JMAP does.
func (w *world) file(account, box, prefix, text string) string {
	w.t.Helper()
	text, prefix = strings.ReplaceAll(text, "\n", "\r\n"), strings.ReplaceAll(prefix, "\n", "\r\n")
	b, err := w.Store.Create(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer b.Discard()
	scan := message.NewScanner(message.Limits{})
	if _, err := io.WriteString(io.MultiWriter(b, scan), text); err != nil {
		w.t.Fatal(err)
	}
	root := scan.Finish()
	sealed, err := b.Seal()
	if err != nil {
		w.t.Fatal(err)
	}
	defer sealed.Discard()
	r := w.Do(w.t, mail.AddMessage{Account: w.IDs[mail.Path(account)], Mailbox: w.box(account, box), Body: sealed, Prefix: []byte(prefix), Summary: message.Encode(root), Received: at(0), Saved: at(0)})
	return "M" + itoa(int64(r[0].Email))
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

// event makes a line of the trail. Fields that all share are filled in.
func (w *world) event(minutes int, e mail.Event) mail.Change {
	e.At, e.Trace, e.MessageID = at(minutes), "trace0", "one@one.example"
	if e.From == "" {
		e.From = "ann@one.example"
	}
	return mail.Record{Event: e}
}

// submitted records that ann sent the message.
func (w *world) submitted() {
	w.Do(w.t, w.event(0, mail.Event{Outcome: mail.Accepted, Account: w.IDs["ann@one.example"], Role: "msa", Peer: "[192.0.2.77]", TLS: "TLS1.3 X"}))
}

// outbound is an event of the queue.
func (w *world) outbound(minutes int, o mail.Outcome, to mail.Path, tls, reason string) {
	e := mail.Event{Outcome: o, To: to, Account: w.IDs["ann@one.example"], Role: "mta/outbound", TLS: tls, Reason: reason}
	if peer, _, ok := strings.Cut(reason, " said: "); ok {
		e.Peer = peer[max(0, strings.LastIndex(peer, " ")+1):]
	}
	w.Do(w.t, w.event(minutes, e))
}

// enqueue puts ann's message into the queue for some recipients.
func (w *world) enqueue(to ...mail.QueuedRecipient) mail.QueueID {
	w.t.Helper()
	b, err := w.Store.Create(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer b.Discard()
	io.WriteString(b, sent) //nolint:errcheck // told by Seal
	sealed, err := b.Seal()
	if err != nil {
		w.t.Fatal(err)
	}
	defer sealed.Discard()
	for i := range to {
		if to[i].Original == "" {
			to[i].Original = to[i].Address
		}
		to[i].N, to[i].Route = i+1, to[i].Address.Domain()
	}
	r := w.Do(w.t, mail.Enqueue{Body: sealed, Message: mail.Queued{Trace: "trace0", From: "ann@one.example", Account: w.IDs["ann@one.example"], MessageID: "one@one.example",
		Created: at(0), Expires: at(5 * 24 * 60), Recipients: to}})
	return r[0].Queue
}

const sent = `From: Ann <ann@one.example>
To: Bob <bob@far.example>
Subject: Hello
Message-ID: <one@one.example>
Date: Tue, 24 Nov 2026 03:00:00 +0000

Hello!
`

// prefix is what this server writes in front of what comes from outside.
func prefix(to, trace string, results ...authres.Result) string {
	p := "Return-Path: <carl@far.example>\nDelivered-To: " + to + "\n"
	if len(results) > 0 {
		p += strings.ReplaceAll(string(authres.Field{ID: town.Host, Results: results}.Format()), "\r\n", "\n")
	}
	received := string(message.Received{Helo: "mx.far.example", RDNS: "mx.far.example", IP: ip("198.51.100.9"), By: town.Host, With: "ESMTPS", TLSVersion: "TLSv1.3",
		TLSCipher: "TLS_AES_128_GCM_SHA256", ID: trace, Time: at(0)}.Field())
	return p + strings.ReplaceAll(received, "\r\n", "\n")
}
