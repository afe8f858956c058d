package transfer_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/importer"
	"github.com/postrider/postrider/testkit/town"
	"github.com/postrider/postrider/ua/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ann = "ann@one.example"
	bob = "bob@one.example"
)

// world is a town with the service behind a real web server.
type world struct {
	*town.Town
	t     testing.TB
	url   string
	http  *http.Client
	blobs *brittle
}

// brittle is a store of bodies some of which break off once they were checked.
type brittle struct {
	mail.Blobs
	after int // opens that go well; below 0: all
}

func (b *brittle) Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error) {
	r, err := b.Blobs.Open(ctx, id)
	if err == nil && b.after >= 0 {
		if b.after--; b.after < 0 {
			b.after = 0
			r.Close() //nolint:errcheck // it was not read
			return nil, errors.New("the disk fails")
		}
	}
	return r, err
}

func newWorld(t testing.TB, change ...func(*transfer.Config)) *world {
	t.Helper()
	w := &world{Town: town.New(t), t: t}
	w.blobs = &brittle{Blobs: w.Store, after: -1}
	jobs := importer.New(importer.Config{Store: importer.Store{Mailboxes: w.Store, Blobs: w.Store, Journal: w.Store}, Notes: w.Store})
	t.Cleanup(jobs.Close)
	resolver, err := dns.NewStatic(dns.StaticConfig{Zone: "mail.test A 127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
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
	cfg := transfer.Config{Guarded: guarded, Jobs: jobs, Mailboxes: w.Store, Blobs: w.blobs,
		Dialer: outward.NewDialer(outward.Config{Resolver: resolver, Ports: []uint16{993, 143}, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Connect: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody is there") }})}
	for _, c := range change {
		c(&cfg)
	}
	mux := web.NewMux()
	transfer.New(cfg).Register(mux, "")
	s := web.New(web.Config{Handler: mux})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l) //nolint:errcheck // it ends when told to
	}()
	w.http = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		s.Shutdown(context.Background()) //nolint:errcheck // it ends all the same
		<-done
	})
	w.url = "http://" + l.Addr().String()
	return w
}

func (w *world) ask(account, method, path string, body io.Reader) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Account", account)
	r.Header.Set("Content-Type", "application/json")
	resp, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, "broken: " + err.Error()
	}
	return resp, string(text)
}

// job waits for the end of one.
func (w *world) job(account, text string) importer.Job {
	w.t.Helper()
	var j importer.Job
	if err := json.Unmarshal([]byte(text), &j); err != nil || j.ID == "" {
		w.t.Fatalf("%s: %v", text, err)
	}
	for range 20_000 {
		_, text := w.ask(account, "GET", "/api/import", nil)
		var list struct{ Jobs []importer.Job }
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			w.t.Fatalf("%s: %v", text, err)
		}
		i := slices.IndexFunc(list.Jobs, func(x importer.Job) bool { return x.ID == j.ID })
		if i < 0 {
			w.t.Fatalf("the job is not in %s", text)
		}
		if list.Jobs[i].State != importer.Running {
			return list.Jobs[i]
		}
		<-time.After(time.Millisecond)
	}
	w.t.Fatal("the job does not end")
	return j
}

func unpack(t testing.TB, text string) map[string]string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatalf("%v: %.200q", err, text)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(b)
	}
	return out
}

const letter = "From: a@b.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe/../x?=\r\nMessage-ID: <one@x>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x\r\nContent-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x--\r\n"

// TestThereAndBack uploads a file, sees its job, takes everything away as a zip file, and brings that into another account.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *transfer.Config) {
		c.Extra = func(_ context.Context, a mail.Account, add func(string, func(io.Writer) error) error) error {
			return add("contacts.vcf", func(out io.Writer) error { _, err := io.WriteString(out, "for "+string(a.Address)); return err })
		}
	})
	mbox := ""
	for i := range 60 {
		mbox += "From a Tue Nov 24 03:00:00 2020\nStatus: RO\n" + strings.ReplaceAll(strings.Replace(letter, "one@x", fmt.Sprintf("%d@x", i), 1), "\r\n", "\n") + "\n"
	}
	resp, text := w.ask(ann, "POST", "/api/import/upload?format=mbox&name=Work.mbox", strings.NewReader(mbox))
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status, text)
	}
	if j := w.job(ann, text); j.State != importer.Done || j.Messages != 60 || j.Source != "Work.mbox" {
		t.Errorf("%+v", j)
	}
	if _, text := w.ask(bob, "GET", "/api/import", nil); strings.TrimSpace(text) != `{"jobs":[]}` {
		t.Errorf("bob sees %s", text)
	}
	for _, format := range []string{"mbox", "maildir", "eml"} {
		resp, text := w.ask(ann, "GET", "/api/export?format="+format, nil)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/zip" || !strings.Contains(resp.Header.Get("Content-Disposition"), `attachment; filename="ann@one.example 2`) {
			t.Errorf("%s: %s %v %.200s", format, resp.Status, resp.Header, text)
		}
		if got := unpack(t, text); got["contacts.vcf"] != "for "+ann || !strings.Contains(got["export.json"], `"complete": true`) {
			t.Errorf("%s: %.300v", format, got)
		}
		_, text = w.ask(bob, "POST", "/api/import/upload?format=zip&name=x.zip", strings.NewReader(text))
		if j := w.job(bob, text); j.State != importer.Done || j.Messages+j.Duplicates != 60 {
			t.Errorf("%s: %+v", format, j)
		}
	}
	if got, want := w.Mail(t, bob, "Work"), w.Mail(t, ann, "Work"); !slices.Equal(got, want) || len(got) != 60 {
		t.Errorf("%d messages came, of %d", len(got), len(want))
	}
	boxes, err := w.Store.Mailboxes(t.Context(), w.IDs[ann])
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boxes {
		_, text := w.ask(ann, "GET", fmt.Sprintf("/api/export?format=mbox&mailbox=F%d", b.ID), nil)
		got := unpack(t, text)
		if _, ok := got[ann+"/"+b.Name+".mbox"]; !ok || len(got) != 3 {
			t.Errorf("%s alone: %.200v", b.Name, got)
		}
		if resp, _ := w.ask(bob, "GET", fmt.Sprintf("/api/export?format=mbox&mailbox=F%d", b.ID), nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("bob exports ann's %s: %s", b.Name, resp.Status)
		}
	}
	if resp, text := w.ask(ann, "HEAD", "/api/export?format=mbox", nil); resp.StatusCode != 200 || text != "" || resp.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("HEAD: %s %v", resp.Status, resp.Header)
	}
	for _, q := range []string{"format=tar", "format=mbox&mailbox=x"} {
		if resp, text := w.ask(ann, "GET", "/api/export?"+q, nil); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s %s", q, resp.Status, text)
		}
	}
}

// TestBrokenExport ends the connection where the store fails in the middle, so that nobody takes a half for all. RFC 9112 8.
func TestBrokenExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *transfer.Config) {
		c.Extra = func(_ context.Context, _ mail.Account, add func(string, func(io.Writer) error) error) error {
			return add("x", func(out io.Writer) error {
				io.Copy(out, io.LimitReader(noise{}, 1<<20)) //nolint:errcheck // it fails at its end
				return errors.New("the notes fail")
			})
		}
	})
	resp, text := w.ask(ann, "GET", "/api/export?format=eml", nil)
	if resp.StatusCode != 200 || !strings.HasPrefix(text, "broken: ") {
		t.Errorf("%s %.100q", resp.Status, text)
	}
}

// noise cannot be packed.
type noise struct{}

func (noise) Read(p []byte) (int, error) { return rand.Read(p) }

// TestZip gives the attachments of a message, to its owner.
func TestZip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, text := w.ask(ann, "POST", "/api/import/upload?format=eml&name=a.eml", strings.NewReader(letter))
	w.job(ann, text)
	_, text = w.ask(ann, "POST", "/api/import/upload?format=eml&name=b.eml", strings.NewReader("Subject: bare\r\n\r\nx\r\n"))
	w.job(ann, text)
	resp, text := w.ask(ann, "GET", "/api/zip?email=M1", nil)
	if got := unpack(t, text); len(got) != 1 || got["a.bin"] != "hello" {
		t.Errorf("%v", got)
	}
	if d := resp.Header.Get("Content-Disposition"); d != "attachment; filename=x.zip" {
		t.Errorf("%q", d)
	}
	for q, status := range map[string]int{"email=M2": 404, "email=M99": 404, "email=x": 400, "": 400} {
		if resp, text := w.ask(ann, "GET", "/api/zip?"+q, nil); resp.StatusCode != status || !strings.Contains(text, `"error"`) {
			t.Errorf("%s: %s %s", q, resp.Status, text)
		}
	}
	if resp, _ := w.ask(bob, "GET", "/api/zip?email=M1", nil); resp.StatusCode != 404 {
		t.Errorf("bob: %s", resp.Status)
	}
	w.blobs.after = 0
	if resp, text := w.ask(ann, "GET", "/api/zip?email=M1", nil); resp.StatusCode != 500 || strings.Contains(text, "disk") {
		t.Errorf("a disk that fails: %s %s", resp.Status, text)
	}
}

// slow is a body that waits.
type slow struct {
	first chan struct{}
	end   chan struct{}
	sent  bool
}

func (s *slow) Read(p []byte) (int, error) {
	if !s.sent {
		s.sent = true
		close(s.first)
		return copy(p, "From a"), nil
	}
	<-s.end
	return 0, errors.New("the browser is gone")
}

// TestUploads are refused where they cannot be taken, and leave nothing when they break off.
func TestUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *transfer.Config) { c.MaxUpload = 3 << 20 })
	for q, c := range map[string]struct {
		body   io.Reader
		status int
	}{
		"format=tar&name=x":  {strings.NewReader("x"), 400},
		"name=x":             {strings.NewReader("x"), 400},
		"format=mbox&name=y": {strings.NewReader(""), 400},
		"format=mbox&name=z": {io.LimitReader(noise{}, 4<<20), 413},
		"format=eml&name=z":  {strings.NewReader(strings.Repeat("x", 4<<20)), 413},
		"format=mbox&name=" + strings.Repeat("x", 600): {strings.NewReader("x"), 400},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", w.url+"/api/import/upload?"+q, c.body)
		r.Header.Set("X-Account", ann)
		resp, err := w.http.Do(r)
		if err != nil {
			if c.status != 413 { // it may be cut off while it still sends
				t.Errorf("%.30s: %v", q, err)
			}
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close() //nolint:errcheck // read whole
		if resp.StatusCode != c.status || !strings.Contains(string(text), `"error"`) {
			t.Errorf("%.30s: %s %s", q, resp.Status, text)
		}
	}
	// More than the server's own bound of bodies, in pieces.
	if resp, text := w.ask(ann, "POST", "/api/import/upload?format=eml&name=x", io.MultiReader(strings.NewReader("Subject: x\r\n\r\n"), io.LimitReader(letters{}, 2<<20))); resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Status, text)
	} else if j := w.job(ann, text); j.Messages != 1 {
		t.Errorf("%+v", j)
	}
	// Two at a time; when they break off, others can come.
	end := make(chan struct{})
	failed := make(chan error, 2)
	for range 2 {
		s := &slow{first: make(chan struct{}), end: end}
		go func() {
			r, _ := http.NewRequestWithContext(context.WithoutCancel(t.Context()), "POST", w.url+"/api/import/upload?format=mbox&name=x", s)
			r.Header.Set("X-Account", ann)
			resp, err := w.http.Do(r)
			if err == nil {
				resp.Body.Close() //nolint:errcheck // not read
			}
			failed <- err
		}()
		<-s.first
	}
	busy := func() int {
		resp, _ := w.ask(ann, "POST", "/api/import/upload?format=mbox&name=x", strings.NewReader("x"))
		return resp.StatusCode
	}
	for i := 0; busy() != http.StatusTooManyRequests; i++ {
		if i == 2000 {
			t.Fatal("a third upload is taken")
		}
	}
	if resp, _ := w.ask(bob, "POST", "/api/import/upload?format=mbox&name=x", strings.NewReader("x")); resp.StatusCode != 200 {
		t.Errorf("bob: %s", resp.Status)
	}
	close(end)
	for range 2 {
		if err := <-failed; err == nil {
			t.Error("an upload that broke off was taken")
		}
	}
	for i := 0; busy() != http.StatusOK; i++ {
		if i == 2000 {
			t.Fatal("uploads that broke off are still counted")
		}
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestIMAP checks what can be checked before a job begins; the job says the rest.
func TestIMAP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, status := range map[string]int{
		`{"host":"mail.test","port":993,"tls":"implicit","user":"u","password":"p"}`:      200,
		`{"host":"mail.test","tls":"starttls","user":"u","password":"p","folders":["x"]}`: 200,
		`{"host":"mail.test","port":25,"user":"u","password":"p"}`:                        403,
		`{"host":"localhost","user":"u","password":"p"}`:                                  403,
		`{"host":"10.0.0.1","user":"u","password":"p"}`:                                   403,
		`{"host":"127.1","user":"u","password":"p"}`:                                      400,
		`{"host":"mail.test","tls":"none","user":"u","password":"p"}`:                     400,
		`{"host":"","user":"u","password":"p"}`:                                           400,
		`{"host":"mail.test","user":"","password":"p"}`:                                   400,
		`{"host":"mail.test","user":"u","password":"p","x":1}`:                            400,
		`{"host":"mail.test","port":99999,"user":"u","password":"p"}`:                     400,
		`{`: 400,
	} {
		resp, text := w.ask(ann, "POST", "/api/import/imap", strings.NewReader(body))
		if resp.StatusCode != status {
			t.Errorf("%s: %s %s", body, resp.Status, text)
		}
		if status != 200 {
			continue
		}
		if j := w.job(ann, text); j.State != importer.Failed || !strings.Contains(j.Text, "nobody is there") || j.Source != "u on mail.test" {
			t.Errorf("%+v", j)
		}
	}
	var last importer.Job
	_, text := w.ask(ann, "GET", "/api/import", nil)
	var list struct{ Jobs []importer.Job }
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Jobs) != 2 {
		t.Fatalf("%s %v", text, err)
	}
	last = list.Jobs[0]
	for body, status := range map[string]int{`{"id":"` + last.ID + `"}`: 204, `{"id":"nothing"}`: 404, `{"id":""}`: 400, `{}`: 400, `[]`: 400} {
		if resp, text := w.ask(ann, "POST", "/api/import/stop", strings.NewReader(body)); resp.StatusCode != status {
			t.Errorf("%s: %s %s", body, resp.Status, text)
		}
	}
	if resp, _ := w.ask(bob, "POST", "/api/import/stop", strings.NewReader(`{"id":"`+last.ID+`"}`)); resp.StatusCode != 404 {
		t.Errorf("bob: %s", resp.Status)
	}
	for path, method := range map[string]string{"/api/import": "POST", "/api/import/imap": "GET", "/api/import/stop": "GET", "/api/import/upload": "GET", "/api/export": "POST", "/api/zip": "POST"} {
		if resp, _ := w.ask(ann, method, path, bytes.NewReader(nil)); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %s", method, path, resp.Status)
		}
		if resp, _ := w.ask("nobody@x", method, path+"?"+url.Values{"x": {"y"}}.Encode(), nil); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("nobody at %s: %s", path, resp.Status)
		}
	}
}
