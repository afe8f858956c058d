package importer_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/importer"
	"github.com/postrider/postrider/testkit/town"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ann  = "ann@one.example"
	bob  = "bob@one.example"
	full = "full@one.example"
)

type world struct {
	*town.Town
	t    testing.TB
	jobs *importer.Jobs
}

func newWorld(t testing.TB, change ...func(*importer.Config)) *world {
	t.Helper()
	w := &world{Town: town.New(t), t: t}
	cfg := importer.Config{Store: importer.Store{Mailboxes: w.Store, Blobs: w.Store, Journal: w.Store}, Notes: w.Store}
	for _, c := range change {
		c(&cfg)
	}
	w.jobs = importer.New(cfg)
	t.Cleanup(w.jobs.Close)
	return w
}

// file is a source of some text.
func (w *world) file(name string, format importer.Format, text string) importer.Source {
	w.t.Helper()
	b, err := w.Store.Create(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(b, text); err != nil {
		w.t.Fatal(err)
	}
	sealed, err := b.Seal()
	if err != nil {
		w.t.Fatal(err)
	}
	return importer.NewFile(name, format, sealed)
}

// do runs a job to its end.
func (w *world) do(account string, s importer.Source) importer.Job {
	w.t.Helper()
	j, err := w.jobs.Start(w.t.Context(), w.IDs[mail.Path(account)], s)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.wait(account, j.ID)
}

func (w *world) wait(account, id string) importer.Job {
	w.t.Helper()
	for range 20_000 {
		list, err := w.jobs.List(w.t.Context(), w.IDs[mail.Path(account)])
		if err != nil {
			w.t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(j importer.Job) bool { return j.ID == id })
		if i < 0 {
			w.t.Fatal("the job is gone")
		}
		if list[i].State != importer.Running {
			return list[i]
		}
		<-time.After(time.Millisecond)
	}
	w.t.Fatal("the job does not end")
	return importer.Job{}
}

// message is what a mailbox has of one.
type message struct {
	text     string
	flags    string
	received time.Time
}

// account reads all of an account.
func (w *world) account(account string) map[string][]message {
	w.t.Helper()
	out := map[string][]message{}
	boxes, err := w.Store.Mailboxes(w.t.Context(), w.IDs[mail.Path(account)])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range boxes {
		places := map[uint32]mail.Placement{}
		for p, err := range w.Store.Placements(w.t.Context(), b.ID, mail.UIDRange{First: 1}, 0) {
			if err != nil {
				w.t.Fatal(err)
			}
			places[p.UID] = p
		}
		for m, err := range w.Store.Messages(w.t.Context(), b.ID, mail.UIDRange{First: 1}) {
			if err != nil {
				w.t.Fatal(err)
			}
			p := places[m.UID]
			out[b.Name] = append(out[b.Name], message{w.Read(w.t, m.Prefix, m.Blob), strings.Join(p.Flags.Names(), " "), p.Received})
		}
	}
	return out
}

// letter is a message with some number.
func letter(id string) string {
	return "From: a@b.example\r\nSubject: " + id + "\r\nMessage-ID: <" + id + "@x>\r\nDate: Tue, 24 Nov 2020 03:00:00 +0000\r\n\r\nText of " + id + "\r\n"
}

func lf(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// packed makes a zip file, in the order given.
func packed(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// told is a source that does what a function says.
type told struct {
	run    func(ctx context.Context, d *importer.Deposit) error
	closed chan struct{}
}

func (told) Name() string { return "told" }
func (s told) Run(ctx context.Context, d *importer.Deposit) error {
	return s.run(ctx, d)
}

func (s told) Close() {
	if s.closed != nil {
		close(s.closed)
	}
}
