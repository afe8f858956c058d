// Package town is a small place with people in it, for tests of what brings mail in: a real store in a directory of
// the test's own, one domain, a few accounts and aliases, and an intake that files for them.
//
// It takes a test and hands out the parts that a door (mta/inbound, msa, mda/lmtp) is made of. At the test's end the
// store is checked and closed.
package town

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mda"
	"github.com/postrider/postrider/service/directory"
	"github.com/postrider/postrider/service/intake"
	"github.com/postrider/postrider/testkit/dialog"
)

// Domain is the town's domain, Host its mail host, Password everybody's password.
const (
	Domain   = "one.example"
	Host     = "mx.one.example"
	Password = "correct horse"
)

// Epoch is a moment for clocks that stand still.
var Epoch = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

// Town is the place. In it live ann, bob, and full whose quota is 1000 octets; team is an alias of ann and bob,
// away one of kim@far.example.
type Town struct {
	Store  *store.Store
	People *directory.Resolver
	Auth   *directory.Authenticator
	Intake *intake.Intake
	IDs    map[mail.Path]mail.AccountID
	Log    *slog.Logger
}

// New founds a town.
func New(t testing.TB) *Town {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &Town{Store: s, IDs: map[mail.Path]mail.AccountID{}, Log: slog.New(slog.DiscardHandler)}
	w.People = &directory.Resolver{Directory: s, Separator: "+"}
	w.Auth = directory.NewAuthenticator(s, mail.SystemClock{}, []byte("the secret of this town"))
	w.Intake = &intake.Intake{
		Blobs: s, Journal: s, Resolver: w.People, Planner: &mda.Planner{Places: s, Clock: mail.SystemClock{}}, Clock: mail.SystemClock{},
		Hostname: Host, QueueLife: 5 * 24 * time.Hour,
	}
	w.Do(t, mail.AddDomain{Domain: mail.Domain{Name: Domain}})
	credential, err := directory.NewCredential(Password)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []mail.Account{{Address: "ann@" + Domain}, {Address: "bob@" + Domain}, {Address: "full@" + Domain, Quota: 1000}} {
		id := w.Do(t, mail.AddAccount{Account: a, Mailboxes: []mail.NewMailbox{
			{Name: mail.Inbox, Use: mail.UseInbox}, {Name: "Lists"}, {Name: "Sent", Use: mail.UseSent},
		}})[0].Account
		w.IDs[a.Address] = id
		credential.Account = id
		w.Do(t, mail.PutCredential{Credential: credential})
	}
	w.Do(t, mail.PutAlias{Alias: mail.Alias{Address: "team@" + Domain, Targets: []mail.Path{"ann@" + Domain, "bob@" + Domain}}})
	w.Do(t, mail.PutAlias{Alias: mail.Alias{Address: "away@" + Domain, Targets: []mail.Path{"kim@far.example"}}})
	return w
}

// Do commits changes.
func (w *Town) Do(t testing.TB, changes ...mail.Change) []mail.Result {
	t.Helper()
	r, err := w.Store.Commit(t.Context(), mail.ChangeSet{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	return r.Results
}

// Mail reads every message of a mailbox, whole, in order.
func (w *Town) Mail(t testing.TB, account, mailbox string) []string {
	t.Helper()
	boxes, err := w.Store.Mailboxes(t.Context(), w.IDs[mail.Path(account)])
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, b := range boxes {
		if b.Name != mailbox {
			continue
		}
		for m, err := range w.Store.Messages(t.Context(), b.ID, mail.UIDRange{First: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, w.Read(t, m.Prefix, m.Blob))
		}
	}
	return out
}

// Read gives a message: its prefix and its body.
func (w *Town) Read(t testing.TB, prefix []byte, id mail.BlobID) string {
	t.Helper()
	r, err := w.Store.Open(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	b.Write(prefix)
	if _, err := io.Copy(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Queue lists the queue.
func (w *Town) Queue(t testing.TB) []mail.Queued {
	t.Helper()
	q, err := w.Store.Queued(t.Context(), mail.QueueFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// Trail lists the events about an address.
func (w *Town) Trail(t testing.TB, address mail.Path) []mail.Event {
	t.Helper()
	e, err := w.Store.Events(t.Context(), mail.TrailQuery{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Door plays the client of a server that runs inside the test, over a pipe.
func Door(serve func(context.Context, net.Conn)) dialog.Runner {
	return dialog.Runner{Dial: func(t testing.TB) net.Conn {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			serve(context.WithoutCancel(t.Context()), server)
		}()
		t.Cleanup(func() {
			client.Close() //nolint:errcheck // ends the conversation
			<-done
		})
		return client
	}}
}
