package jmap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/msa"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/contacts"
	"github.com/postrider/postrider/service/search"
	"github.com/postrider/postrider/testkit/town"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ann = "ann@" + town.Domain

// world is a town with a JMAP server, in which ann has mail.
type world struct {
	*town.Town
	bus    *bus.Bus
	search *search.Service
	user   string
	server *jmap.Server
	url    string
	client *http.Client
	vars   map[string]string // what {{name}} means in cases
}

// newWorld makes one. change may change the configuration.
func newWorld(t testing.TB, change func(*jmap.Config)) *world {
	t.Helper()
	w := &world{Town: town.New(t), bus: bus.New(), user: ann, vars: map[string]string{}}
	w.Do(t, mail.CreateMailbox{Account: w.IDs[ann], NewMailbox: mail.NewMailbox{Name: "Drafts", Use: mail.UseDrafts}},
		mail.CreateMailbox{Account: w.IDs[ann], NewMailbox: mail.NewMailbox{Name: "Trash", Use: mail.UseTrash}})
	w.search = search.New(search.Config{Store: w.Store, Mailboxes: w.Store, Blobs: w.Store})
	cfg := jmap.Config{
		Mailboxes: w.Store, Journal: w, Blobs: w.Store, Bus: w.bus, Accounts: w.Store, Login: w.Auth, History: w.Store,
		Search:  w.search,
		Submit:  &msa.Agent{Intake: w.Intake, Resolver: w.People, Senders: w.People, Accounts: w.Store, Clock: mail.SystemClock{}, Log: w.Log},
		Senders: w.People, Queue: w.Store, Trail: w.Store, Notes: w.Store, CleartextAuth: true, Contacts: contacts.New(contacts.Config{Notes: w.Store, Journal: w, Bus: w.bus}), Log: w.Log,
	}
	if change != nil {
		change(&cfg)
	}
	w.server = jmap.New(cfg)
	mux := web.NewMux()
	w.server.Register(mux, "")
	h := httptest.NewServer(mux)
	w.url, w.client = h.URL, h.Client()
	t.Cleanup(func() {
		w.server.End()
		h.Close()
	})
	w.vars["account"] = "A" + itoa(int64(w.IDs[ann]))
	for name, id := range w.boxes(t) {
		w.vars[strings.ToLower(name)] = "F" + itoa(int64(id))
	}
	return w
}

// Commit commits, and tells the bus as an application's store does.
func (w *world) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	r, err := w.Store.Commit(ctx, set)
	w.bus.Publish(mail.Topic{Kind: mail.TopicAccount, Account: w.IDs[ann]})
	return r, err
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

func (w *world) boxes(t testing.TB) map[string]mail.MailboxID {
	t.Helper()
	list, err := w.Store.Mailboxes(t.Context(), w.IDs[ann])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]mail.MailboxID{}
	for _, b := range list {
		out[b.Name] = b.ID
	}
	return out
}

// file files a message for ann and gives its number.
func (w *world) file(t testing.TB, mailbox, text string, flags mail.FlagBits, at time.Time) mail.Result {
	t.Helper()
	return w.Do(t, w.message(t, mailbox, text, flags, at))[0]
}

func (w *world) message(t testing.TB, mailbox, text string, flags mail.FlagBits, at time.Time) mail.AddMessage {
	t.Helper()
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	b, err := w.Store.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	scanner := message.NewScanner(message.Limits{})
	if _, err := io.Copy(io.MultiWriter(b, scanner), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	body, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	root := scanner.Finish()
	f := root.Facts()
	n, _ := strconv.ParseInt(strings.TrimPrefix(w.vars[strings.ToLower(mailbox)], "F"), 10, 64)
	if n == 0 {
		n = int64(w.boxes(t)[mailbox])
	}
	return mail.AddMessage{Account: w.IDs[ann], Mailbox: mail.MailboxID(n), Body: body, Prefix: []byte("Return-Path: <kim@far.example>\r\n"), Summary: message.Encode(root),
		Flags: mail.Flags{Bits: flags}, Received: at, Saved: at,
		Thread: mail.ThreadKeys{MessageID: f.MessageID, References: append(f.InReplyTo, f.References...), Subject: f.BaseSubject}}
}

// seed files the messages of testdata/messages, one a day, and names them in vars by their file: name is the Email's id, name.thread that of its thread.
func (w *world) seed(t testing.TB) {
	t.Helper()
	files, err := filepath.Glob("testdata/messages/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no messages", err)
	}
	for i, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := w.file(t, mail.Inbox, string(text), 0, town.Epoch.Add(time.Duration(i)*24*time.Hour))
		_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".eml"), "-")
		w.vars[name] = "M" + itoa(int64(r.Email))
		w.vars[name+".thread"] = "T" + itoa(int64(r.Thread))
		w.vars[name+".blob"] = "R" + itoa(int64(r.Email))
	}
}

// request makes an authenticated request.
func (w *world) request(t testing.TB, method, path, kind string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(w.user, town.Password)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() }) //nolint:errcheck // a test's end
	return resp
}

// post sends a request of method calls.
func (w *world) post(t testing.TB, body string) (int, []byte) {
	t.Helper()
	resp := w.request(t, "POST", "/jmap/api", "application/json", strings.NewReader(body))
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}

const using = `"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail","urn:ietf:params:jmap:submission","urn:ietf:params:jmap:quota","urn:ietf:params:jmap:blob",
	"urn:ietf:params:jmap:contacts","urn:ietf:params:jmap:mdn"]`

// call makes one method call and gives the arguments of its response, or the type of its error.
func (w *world) call(t testing.TB, method string, args map[string]any) (out map[string]any, failed string) {
	t.Helper()
	if args["accountId"] == nil {
		args["accountId"] = w.vars["account"]
	}
	b, err := json.Marshal([]any{[]any{method, args, "c"}})
	if err != nil {
		t.Fatal(err)
	}
	status, text := w.post(t, `{`+using+`,"methodCalls":`+string(b)+`}`)
	var resp struct {
		MethodResponses [][]json.RawMessage `json:"methodResponses"`
	}
	if err := json.Unmarshal(text, &resp); err != nil || status != 200 || len(resp.MethodResponses) == 0 {
		t.Fatalf("%s: %d %s", method, status, text)
	}
	if err := json.Unmarshal(resp.MethodResponses[0][1], &out); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(resp.MethodResponses[0][0], []byte(`"error"`)) {
		return out, out["type"].(string)
	}
	return out, ""
}

// must is call for one that goes well.
func (w *world) must(t testing.TB, method string, args map[string]any) map[string]any {
	t.Helper()
	out, failed := w.call(t, method, args)
	if failed != "" {
		t.Fatalf("%s: %v", method, out)
	}
	return out
}
