package client_test

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crypto/x509"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/msa"
	"github.com/postrider/postrider/service/search"
	"github.com/postrider/postrider/testkit/town"
	"github.com/postrider/postrider/ua/client"
)

const (
	ann = "ann@" + town.Domain
	bob = "bob@" + town.Domain
)

// world is a town with our own JMAP server, over TLS.
type world struct {
	*town.Town
	bus    *bus.Bus
	server *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Town: town.New(t), bus: bus.New()}
	for _, id := range w.IDs {
		w.Do(t, mail.CreateMailbox{Account: id, NewMailbox: mail.NewMailbox{Name: "Drafts", Use: mail.UseDrafts}})
	}
	s := jmap.New(jmap.Config{
		Mailboxes: w.Store, Journal: w, Blobs: w.Store, Bus: w.bus, Accounts: w.Store, Login: w.Auth, History: w.Store,
		Search:  search.New(search.Config{Store: w.Store, Mailboxes: w.Store, Blobs: w.Store}),
		Submit:  &msa.Agent{Intake: w.Intake, Resolver: w.People, Senders: w.People, Accounts: w.Store, Clock: mail.SystemClock{}, Log: w.Log},
		Senders: w.People, Queue: w.Store, Trail: w.Store, Notes: w.Store, Log: w.Log,
	})
	mux := web.NewMux()
	s.Register(mux, "")
	w.server = httptest.NewTLSServer(mux)
	t.Cleanup(func() {
		s.End()
		w.server.Close()
	})
	return w
}

// Commit commits, and tells the bus as an application's store does.
func (w *world) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	r, err := w.Store.Commit(ctx, set)
	w.tell()
	return r, err
}

func (w *world) tell() {
	for _, id := range w.IDs {
		w.bus.Publish(mail.Topic{Kind: mail.TopicAccount, Account: id})
	}
}

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// open logs somebody in.
func (w *world) open(t *testing.T, user string) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), client.Options{Server: w.server.URL, User: user, Password: town.Password, Roots: roots(w.server)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestLetter: a letter with an attachment goes from ann to bob, who finds it, reads it, files it and gets the attachment, by the methods of RFC 8621 and our
// own server. RFC 8620 6.1, RFC 8620 6.2, RFC 8621 4.4, RFC 8621 7.5.
func TestLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.open(t, ann), w.open(t, bob)
	const text = "the contents\n"
	file, err := a.Upload(t.Context(), "text/plain", strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	file.Name = "naïve file.txt"
	sent, err := a.Send(t.Context(), client.Letter{To: []client.Address{{Name: "Bób", Email: bob}}, Bcc: []client.Address{{Email: ann}},
		Subject: "Grüße", Text: "Hallo Bob\n", HTML: "<p>Hallo <b>Bob</b>", Files: []client.Part{file}})
	if err != nil {
		t.Fatal(err)
	}
	if d := sent.Submission.Delivery[bob]; !sent.Submission.Final() || d.Delivered != "yes" || len(sent.Submission.Delivery) != 2 {
		t.Errorf("what became of it: %+v", sent.Submission)
	}
	boxes, err := b.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inbox := client.RoleOf(boxes, "inbox")
	if inbox == nil || inbox.Unread != 1 || boxes[0].Role != "inbox" {
		t.Fatalf("the mailboxes are %+v", boxes)
	}
	page, err := b.List(t.Context(), client.Query{Filter: map[string]any{"inMailbox": inbox.ID, "subject": "grüße"}, Limit: 10})
	if err != nil || page.Total != 1 || page.Emails[0].Subject != "Grüße" || !page.Emails[0].Attached {
		t.Fatalf("the list is %+v, %v", page, err)
	}
	e, err := b.Email(t.Context(), page.Emails[0].ID)
	if err != nil || len(e.Files) != 1 || e.Files[0].Name != "naïve file.txt" || len(e.Bcc) != 0 {
		t.Fatalf("the message is %+v, %v", e, err)
	}
	if e.Values[e.Text[0].ID].Text != "Hallo Bob\n" || !strings.Contains(e.Values[e.HTML[0].ID].Text, "<b>Bob</b>") {
		t.Errorf("its texts are %+v", e.Values)
	}
	r, err := b.Download(t.Context(), e.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if r.Close(); err != nil || string(got) != text {
		t.Errorf("the attachment is %q, %v", got, err)
	}
	if err := b.Change(t.Context(), e.ID, client.Patch{"keywords/" + client.Seen: true}); err != nil {
		t.Error(err)
	}
	if e, err = b.Email(t.Context(), e.ID); err != nil || !e.Keywords[client.Seen] {
		t.Errorf("%+v, %v", e.Keywords, err)
	}
	if err := b.Destroy(t.Context(), e.ID); err != nil {
		t.Error(err)
	}
	if _, err := b.Email(t.Context(), e.ID); !mail.Is(err, mail.NotFound) {
		t.Errorf("a message that is gone: %v", err)
	}
	if err := b.Change(t.Context(), e.ID, client.Patch{"keywords/x": true}); !mail.Is(err, mail.NotFound) {
		t.Errorf("changing one that is gone: %v", err)
	}
	if got := w.Mail(t, ann, "Drafts"); len(got) != 0 {
		t.Errorf("the drafts have %q", got)
	}
	if got := w.Mail(t, ann, "Sent"); len(got) != 1 || !strings.Contains(got[0], "Bcc: ") {
		t.Errorf("what was sent is %q", got)
	}
}

// TestRefused: what cannot be sent stays among the drafts, and the error has the server's words. RFC 8621 7.5.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.open(t, ann)
	sent, err := a.Send(t.Context(), client.Letter{To: []client.Address{{Email: "nobody@" + town.Domain}}, Subject: "x", Text: "x"})
	if err == nil || sent.Kept != "Drafts" || !strings.Contains(err.Error(), "nobody@") {
		t.Fatalf("%+v, %v", sent, err)
	}
	_, err = a.Send(t.Context(), client.Letter{From: client.Address{Email: bob}, To: []client.Address{{Email: bob}}, Subject: "x", Replaces: sent.Email})
	if !mail.Is(err, mail.Denied) {
		t.Errorf("as somebody else: %v", err)
	}
	if got := w.Mail(t, ann, "Drafts"); len(got) != 1 {
		t.Errorf("there are %d drafts", len(got))
	}
	if _, err := a.Send(t.Context(), client.Letter{Subject: "to nobody"}); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
	if _, where, err := a.SaveDraft(t.Context(), client.Letter{Subject: "later"}); err != nil || where != "Drafts" {
		t.Error(where, err)
	}
	if _, err := client.Open(t.Context(), client.Options{Server: w.server.URL, User: ann, Password: "wrong", Roots: roots(w.server)}); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestBatch refers to what earlier calls give. RFC 8620 3.7.
func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.open(t, ann)
	b := a.Batch()
	query := b.Add("Mailbox/query", client.Args{"filter": map[string]any{"role": "inbox"}})
	get := b.Add("Mailbox/get", client.Args{"#ids": query.Ref("/ids")})
	echo := b.Add("Core/echo", client.Args{"hello": "there"})
	none := b.Add("Mailbox/dance", client.Args{})
	if err := b.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	var boxes struct{ List []client.Mailbox }
	if err := get.Into(&boxes); err != nil || len(boxes.List) != 1 || boxes.List[0].Role != "inbox" {
		t.Errorf("%+v, %v", boxes, err)
	}
	var said struct{ Hello string }
	if err := echo.Into(&said); err != nil || said.Hello != "there" {
		t.Errorf("%+v, %v", said, err)
	}
	if err := none.Into(&said); !client.IsFault(err, "unknownMethod") {
		t.Errorf("a method that there is not: %v", err)
	}
	many := a.Batch()
	for range 1000 {
		many.Add("Core/echo", client.Args{})
	}
	if err := many.Do(t.Context()); !mail.Is(err, mail.TooLarge) {
		t.Errorf("too many calls: %v", err)
	}
}

// TestNews: what changes is pushed. RFC 8620 7.3.
func TestNews(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.open(t, ann), w.open(t, bob)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	news := make(chan client.News, 10)
	done := make(chan error, 1)
	go func() { done <- b.Watch(ctx, []string{"Email", "Mailbox"}, func(n client.News) { news <- n }) }()
	if n := <-news; !n.Connected {
		t.Fatalf("the first news is %+v", n)
	}
	if _, err := a.Send(t.Context(), client.Letter{To: []client.Address{{Email: bob}}, Subject: "news", Text: "x"}); err != nil {
		t.Fatal(err)
	}
	w.tell()
	select {
	case n := <-news:
		if n.Changed["Email"] == "" || n.Changed["Mailbox"] == "" {
			t.Errorf("the news is %+v", n)
		}
	case <-ctx.Done():
		t.Error("no news came")
	}
	stop()
	if err := <-done; err == nil {
		t.Error("a watch ended without a reason")
	}
}

// TestAnchor reads a window around a message, and tells where an anchor is gone. RFC 8620 5.5.
func TestAnchor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.open(t, ann)
	for _, s := range []string{"one", "two", "three", "four"} {
		if _, err := a.Send(t.Context(), client.Letter{To: []client.Address{{Email: ann}}, Subject: s, Text: s}); err != nil {
			t.Fatal(err)
		}
	}
	boxes, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	filter := map[string]any{"inMailbox": client.RoleOf(boxes, "inbox").ID}
	all, err := a.List(t.Context(), client.Query{Filter: filter, Limit: 10})
	if err != nil || len(all.Emails) != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	page, err := a.List(t.Context(), client.Query{Filter: filter, Anchor: all.Emails[2].ID, Position: -1, Limit: 2})
	if err != nil || page.Position != 1 || page.Total != 4 || len(page.Emails) != 2 || page.Emails[1].ID != all.Emails[2].ID {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := a.List(t.Context(), client.Query{Filter: filter, Anchor: "M999999", Limit: 2}); !client.IsFault(err, "anchorNotFound") {
		t.Errorf("an anchor that is gone: %v", err)
	}
}
