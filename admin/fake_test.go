package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/mail"
)

// world is a store in memory with as much of the contracts as operations need.
type world struct {
	t           *testing.T
	now         time.Time
	domains     map[string]mail.Domain
	accounts    []mail.Account
	boxes       map[mail.AccountID][]mail.NewMailbox
	aliases     map[mail.Path]mail.Alias
	credentials map[mail.AccountID]mail.Credential
	queue       []mail.Queued
	events      []mail.Event
	commits     []mail.ChangeSet
	submitted   []mail.Submission
	bodies      []string
	fail        error // of the next commit
	notes       map[string]map[string]mail.Note
	audited     map[string]audit.Entry // by key: what the notes say now
	recent      []string               // what Recent was asked
}

func newWorld(t *testing.T) (*world, *admin.Operations) {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), domains: map[string]mail.Domain{}, boxes: map[mail.AccountID][]mail.NewMailbox{},
		aliases: map[mail.Path]mail.Alias{}, credentials: map[mail.AccountID]mail.Credential{},
		notes: map[string]map[string]mail.Note{}, audited: map[string]audit.Entry{}}
	return w, admin.New(admin.Parts{
		Journal: w, Directory: w, Mailboxes: mailboxes{w: w}, Queue: w, Trail: w, Submitter: w, Checker: w, Clock: w,
		Credential: func(password string) (mail.Credential, error) {
			if password == "bad" {
				return mail.Credential{}, mail.Errorf(mail.Invalid, "this password cannot be used")
			}
			return mail.Credential{Hash: "hash of " + password}, nil
		},
		Defaults: admin.Defaults{Quota: 1000, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}, {Name: "Sent", Use: mail.UseSent}}},
		Facts: admin.Facts{Version: "1.2.3", Hostname: "mx.test", Serving: true, Started: w.now.Add(-time.Hour),
			Listening: func() []admin.Listener { return []admin.Listener{{Service: "smtp", Address: "127.0.0.1:25"}} },
			Counters:  func() map[string]int64 { return map[string]int64{"delivered": 7} }},
	})
}

func (w *world) Now() time.Time                       { return w.now }
func (w *world) After(time.Duration) <-chan time.Time { return nil }
func notFound(what string) error                      { return mail.Errorf(mail.NotFound, "no %s", what) }
func domainOf(p mail.Path, domain string) bool        { return domain == "" || p.Domain() == domain }
func (w *world) account(id mail.AccountID) (int, bool) {
	i := slices.IndexFunc(w.accounts, func(a mail.Account) bool { return a.ID == id })
	return i, i >= 0
}

func (w *world) Domain(_ context.Context, name string) (mail.Domain, error) {
	d, ok := w.domains[name]
	if !ok {
		return d, notFound("domain")
	}
	return d, nil
}

func (w *world) Domains(context.Context) (out []mail.Domain, _ error) {
	for _, d := range w.domains {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b mail.Domain) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (w *world) Account(_ context.Context, id mail.AccountID) (mail.Account, error) {
	if i, ok := w.account(id); ok {
		return w.accounts[i], nil
	}
	return mail.Account{}, notFound("account")
}

func (w *world) AccountByAddress(_ context.Context, address mail.Path) (mail.Account, error) {
	for _, a := range w.accounts {
		if a.Address == address {
			return a, nil
		}
	}
	return mail.Account{}, notFound("account")
}

func (w *world) Accounts(_ context.Context, domain string) (out []mail.Account, _ error) {
	for _, a := range w.accounts {
		if domainOf(a.Address, domain) {
			out = append(out, a)
		}
	}
	return out, nil
}

func (w *world) Alias(_ context.Context, address mail.Path) (mail.Alias, error) {
	a, ok := w.aliases[address]
	if !ok {
		return a, notFound("alias")
	}
	return a, nil
}

func (w *world) Aliases(_ context.Context, domain string) (out []mail.Alias, _ error) {
	for _, a := range w.aliases {
		if domainOf(a.Address, domain) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b mail.Alias) int { return strings.Compare(string(a.Address), string(b.Address)) })
	return out, nil
}

func (w *world) Credentials(_ context.Context, id mail.AccountID) ([]mail.Credential, error) {
	if c, ok := w.credentials[id]; ok {
		return []mail.Credential{c}, nil
	}
	return nil, nil
}

// mailboxes is the part of world that is a mail.Mailboxes.
type mailboxes struct {
	unused
	w *world
}

// unused stands for the methods of mail.Mailboxes that operations do not call.
type unused interface {
	mail.Mailboxes
}

func (m mailboxes) Mailboxes(_ context.Context, id mail.AccountID) (out []mail.Mailbox, _ error) {
	for _, b := range m.w.boxes[id] {
		out = append(out, mail.Mailbox{Account: id, Name: b.Name, Use: b.Use, Messages: 2, Unseen: 1, Size: 10})
	}
	return out, nil
}

func (w *world) Queued(_ context.Context, f mail.QueueFilter) (out []mail.Queued, _ error) {
	for _, q := range w.queue {
		fits := q.ID > f.After && (f.Address == "" || f.Address == q.From || slices.ContainsFunc(q.Recipients, func(r mail.QueuedRecipient) bool { return r.Address == f.Address }))
		if f.Domain != "" {
			fits = fits && slices.ContainsFunc(q.Recipients, func(r mail.QueuedRecipient) bool { return r.Address.Domain() == f.Domain })
		}
		if f.Held {
			fits = fits && slices.ContainsFunc(q.Recipients, func(r mail.QueuedRecipient) bool { return r.Held })
		}
		if fits && (f.Limit == 0 || len(out) < f.Limit) {
			out = append(out, q)
		}
	}
	return out, nil
}

func (w *world) QueuedMessage(_ context.Context, id mail.QueueID) (mail.Queued, error) {
	for _, q := range w.queue {
		if q.ID == id {
			return q, nil
		}
	}
	return mail.Queued{}, notFound("queue entry")
}

func (w *world) NextDue(context.Context) (time.Time, error) { return w.now.Add(time.Minute), nil }

func (w *world) Events(_ context.Context, q mail.TrailQuery) (out []mail.Event, _ error) {
	traces := map[mail.TraceID]bool{}
	for _, e := range w.events {
		if q.Trace != "" && e.Trace == q.Trace || q.MessageID != "" && e.MessageID == q.MessageID || q.Address != "" && (e.From == q.Address || e.To == q.Address) {
			traces[e.Trace] = true
		}
	}
	for _, e := range w.events {
		if traces[e.Trace] {
			out = append(out, e)
		}
	}
	return out, nil
}

func (w *world) Submit(_ context.Context, s mail.Submission) (mail.TraceID, error) {
	var b strings.Builder
	buf := make([]byte, 7) // small, so that line ends fall on every edge
	for {
		n, err := s.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			if err.Error() != "EOF" {
				return "", err
			}
			break
		}
	}
	w.submitted, w.bodies = append(w.submitted, s), append(w.bodies, b.String())
	return "trace0", nil
}

func (w *world) Verify(_ context.Context, _ admin.VerifyRequest, progress func(admin.Progress)) (admin.VerifyReport, error) {
	progress(admin.Progress{Stage: "bodies", Done: 1, Total: 2})
	w.now = w.now.Add(2 * time.Second)
	return admin.VerifyReport{Checked: []admin.Checked{{What: "bodies", Count: 2}}}, nil
}

func (w *world) Compact(context.Context) (admin.CompactReport, error) {
	return admin.CompactReport{Freed: 4}, nil
}

func (w *world) Commit(_ context.Context, set mail.ChangeSet) (r mail.Receipt, err error) {
	if w.fail != nil {
		err, w.fail = w.fail, nil
		return r, err
	}
	if kept := slices.DeleteFunc(slices.Clone(set.Changes), isAudit); len(kept) > 0 {
		w.commits = append(w.commits, mail.ChangeSet{Changes: kept})
	}
	for i, c := range set.Changes {
		result, err := w.change(c)
		if err != nil {
			return mail.Receipt{}, &mail.ChangeError{Index: i, Err: err}
		}
		r.Results = append(r.Results, result)
	}
	return r, nil
}

func (w *world) change(c mail.Change) (r mail.Result, err error) {
	switch c := c.(type) {
	case mail.AddDomain:
		w.domains[c.Domain.Name] = c.Domain
	case mail.UpdateDomain:
		w.domains[c.Domain.Name] = c.Domain
	case mail.RemoveDomain:
		delete(w.domains, c.Name)
	case mail.AddAccount:
		c.Account.ID = mail.AccountID(len(w.accounts) + 1)
		w.accounts = append(w.accounts, c.Account)
		w.boxes[c.Account.ID] = c.Mailboxes
		r.Account = c.Account.ID
	case mail.UpdateAccount:
		i, _ := w.account(c.Account.ID)
		w.accounts[i] = c.Account
	case mail.RemoveAccount:
		i, _ := w.account(c.Account)
		w.accounts = slices.Delete(w.accounts, i, i+1)
	case mail.PutCredential:
		w.credentials[c.Credential.Account] = c.Credential
	case mail.PutAlias:
		w.aliases[c.Alias.Address] = c.Alias
	case mail.RemoveAlias:
		delete(w.aliases, c.Address)
	case mail.PutNote, mail.RemoveNote, mail.CountNote:
		w.note(c)
	case mail.QueueAct:
		return r, w.queueAct(c)
	case mail.Record:
		w.events = append(w.events, c.Event)
	default:
		w.t.Errorf("operations committed a %T", c)
	}
	return r, nil
}

func isAudit(c mail.Change) bool {
	p, ok := c.(mail.PutNote)
	return ok && p.Note.Kind == audit.Kind
}

func (w *world) note(c mail.Change) {
	of := func(kind string) map[string]mail.Note {
		if w.notes[kind] == nil {
			w.notes[kind] = map[string]mail.Note{}
		}
		return w.notes[kind]
	}
	switch c := c.(type) {
	case mail.PutNote:
		of(c.Note.Kind)[c.Note.Key] = c.Note
		if c.Note.Kind == audit.Kind {
			var e audit.Entry
			if err := json.Unmarshal(c.Note.Value, &e); err != nil {
				w.t.Error(err)
			}
			w.audited[c.Note.Key] = e
		}
	case mail.RemoveNote:
		delete(of(c.Kind), c.Key)
	case mail.CountNote:
		n := of(c.Kind)[c.Key]
		of(c.Kind)[c.Key] = mail.Note{Kind: c.Kind, Key: c.Key, N: n.N + c.By, Expires: c.Expires}
	}
}

func (w *world) Note(_ context.Context, kind, key string) (mail.Note, error) {
	n, ok := w.notes[kind][key]
	if !ok {
		return n, notFound("note")
	}
	return n, nil
}

func (w *world) Notes(_ context.Context, q mail.NoteQuery) (out []mail.Note, _ error) {
	for _, key := range slices.Sorted(maps.Keys(w.notes[q.Kind])) {
		if n := w.notes[q.Kind][key]; strings.HasPrefix(key, q.Prefix) && key > q.After && w.now.Before(n.Expires) && (q.Limit == 0 || len(out) < q.Limit) {
			out = append(out, n)
		}
	}
	return out, nil
}

// Recent implements admin.RecentTrail.
func (w *world) Recent(_ context.Context, since, until time.Time, outcome mail.Outcome, limit int) ([]mail.Event, error) {
	w.recent = append(w.recent, fmt.Sprint(since.Unix(), until.Unix(), outcome, limit))
	return w.events, nil
}

func (w *world) queueAct(c mail.QueueAct) error {
	i := slices.IndexFunc(w.queue, func(q mail.Queued) bool { return q.ID == c.Queue })
	if i < 0 {
		return notFound("queue entry")
	}
	for n := range w.queue[i].Recipients {
		r := &w.queue[i].Recipients[n]
		r.Lease = mail.Lease{}
		switch c.Act {
		case mail.ActHold:
			r.Held = true
		case mail.ActRelease:
			r.Held, r.Next = false, c.Now
		case mail.ActRetry:
			r.Next = c.Now
		}
	}
	if c.Act == mail.ActDelete {
		w.queue = slices.Delete(w.queue, i, i+1)
	}
	return nil
}
