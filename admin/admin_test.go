package admin_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// people makes a world with a domain, two accounts and an alias.
func people(t *testing.T) (*world, *admin.Operations) {
	t.Helper()
	w, op := newWorld(t)
	ctx := t.Context()
	_, err1 := op.AddAccount(ctx, admin.NewAccount{Address: "ann@example.test", Password: "pw", CreateDomain: true})
	_, err2 := op.AddAccount(ctx, admin.NewAccount{Address: "bob@example.test", Password: "pw"})
	_, err3 := op.AddAlias(ctx, admin.NewAlias{Address: "all@example.test", Targets: []string{"ann@example.test", "bob@example.test"}})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return w, op
}

// refused checks an error's kind and words.
func refused(t *testing.T, err error, kind mail.Kind, words string) {
	t.Helper()
	if !mail.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v (%v), want %v: ...%s...", err, mail.KindOf(err), kind, words)
	}
}

func TestDomains(t *testing.T) {
	t.Parallel()
	w, op := newWorld(t)
	ctx := t.Context()
	d, err := op.AddDomain(ctx, admin.NewDomain{Name: " Bücher.Example. "})
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "xn--bcher-kva.example" || d.Unicode != "bücher.example" || !d.Created.Equal(w.now) {
		t.Errorf("got %+v", d)
	}
	_, err = op.AddDomain(ctx, admin.NewDomain{Name: "xn--BCHER-kva.example"})
	refused(t, err, mail.Exists, "is served here already")
	_, err = op.AddDomain(ctx, admin.NewDomain{Name: "a b"})
	refused(t, err, mail.Invalid, "this is not a domain: \"a b\"")
	_, err = op.AddDomain(ctx, admin.NewDomain{Name: "ann@x.test"})
	refused(t, err, mail.Invalid, "name the domain alone")
	_, err = op.AddDomain(ctx, admin.NewDomain{Name: "[127.0.0.1]"})
	refused(t, err, mail.Invalid, "mail domains here have names")
	_, err = op.AddDomain(ctx, admin.NewDomain{})
	refused(t, err, mail.Invalid, "a domain is missing")
	_, err = op.RemoveDomain(ctx, admin.DomainName{Name: "other.test"})
	refused(t, err, mail.NotFound, "add it with: postrider domain add other.test")
	if _, err := op.RemoveDomain(ctx, admin.DomainName{Name: "bücher.example"}); err != nil || len(w.domains) != 0 {
		t.Errorf("removing: %v, %v left", err, w.domains)
	}
}

func TestDomainInUse(t *testing.T) {
	t.Parallel()
	_, op := people(t)
	_, err := op.RemoveDomain(t.Context(), admin.DomainName{Name: "example.test"})
	refused(t, err, mail.Conflict, "still has 2 accounts and 1 alias; remove them first")
	list, err := op.Domains(t.Context(), admin.Nothing{})
	if err != nil || len(list.Domains) != 1 || list.Domains[0].Accounts != 2 || list.Domains[0].Aliases != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestCatchAll(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	for target, warning := range map[string]string{"ANN@Example.Test": "", "nobody@example.test": "nobody has the address nobody@example.test yet",
		"Me@Elsewhere.Test": "spam included"} {
		d, err := op.UpdateDomain(ctx, admin.DomainUpdate{Name: "example.test", CatchAll: &target})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.Warnings, " "); (got == "") != (warning == "") || !strings.Contains(got, warning) {
			t.Errorf("%s: warned %q", target, got)
		}
	}
	elsewhere := "Me@Elsewhere.Test"
	if d, err := op.UpdateDomain(ctx, admin.DomainUpdate{Name: "example.test", CatchAll: &elsewhere}); err != nil || d.CatchAll != "Me@elsewhere.test" {
		t.Errorf("a foreign address keeps its local part: %q, %v", d.CatchAll, err)
	}
	off := ""
	if _, err := op.UpdateDomain(ctx, admin.DomainUpdate{Name: "example.test", CatchAll: &off}); err != nil || w.domains["example.test"].CatchAll != "" {
		t.Errorf("%v, %+v", err, w.domains)
	}
	d, err := op.AddDomain(ctx, admin.NewDomain{Name: "new.test", CatchAll: "x@new.test"})
	if err != nil || len(d.Warnings) != 1 || w.domains["new.test"].CatchAll != "x@new.test" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestAddAccount(t *testing.T) {
	t.Parallel()
	w, op := newWorld(t)
	ctx := t.Context()
	_, err := op.AddAccount(ctx, admin.NewAccount{Address: "Ann@Example.Test"})
	refused(t, err, mail.NotFound, `domain "example.test" is not served here; add it with: postrider domain add example.test`)
	if len(w.commits) != 0 {
		t.Fatalf("a refused account left %v", w.commits)
	}
	a, err := op.AddAccount(ctx, admin.NewAccount{Address: "Ann@Example.Test", CreateDomain: true, Name: "Ann"})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^([a-z2-9]{5}-){3}[a-z2-9]{5}$`).MatchString(a.Password) {
		t.Errorf("generated password %q", a.Password)
	}
	if a.Address != "ann@example.test" || !a.DomainCreated || a.Quota != 1000 || a.Name != "Ann" {
		t.Errorf("got %+v", a)
	}
	c := w.credentials[1]
	if c.Hash != "hash of "+a.Password || c.Label != "password" || !c.Created.Equal(w.now) {
		t.Errorf("credential %+v", c)
	}
	if len(w.boxes[1]) != 2 {
		t.Errorf("mailboxes %v", w.boxes)
	}
	none := int64(0)
	b, err := op.AddAccount(ctx, admin.NewAccount{Address: "bob@example.test", Password: "given", Quota: &none})
	if err != nil || b.Password != "" || b.DomainCreated || w.accounts[1].Quota != 0 {
		t.Errorf("a given password must not be shown: %+v, %v", b, err)
	}
	_, err = op.AddAccount(ctx, admin.NewAccount{Address: "ANN@example.test"})
	refused(t, err, mail.Exists, "there is an account ann@example.test already")
	_, err = op.AddAccount(ctx, admin.NewAccount{Address: "cid@example.test", Password: "bad"})
	refused(t, err, mail.Invalid, "this password cannot be used")
	_, err = op.AddAccount(ctx, admin.NewAccount{Address: "cid"})
	refused(t, err, mail.Invalid, "lacks an @")
	negative := int64(-1)
	_, err = op.AddAccount(ctx, admin.NewAccount{Address: "cid@example.test", Quota: &negative})
	refused(t, err, mail.Invalid, "quota cannot be negative")
	_, err = op.AddAccount(ctx, admin.NewAccount{Address: "cid@example.test", Name: "a\nb"})
	refused(t, err, mail.Invalid, "control character")
	if len(w.accounts) != 2 {
		t.Errorf("refused accounts were made: %+v", w.accounts)
	}
}

func TestAccountNeedsAFreeAddress(t *testing.T) {
	t.Parallel()
	_, op := people(t)
	_, err := op.AddAccount(t.Context(), admin.NewAccount{Address: "all@example.test"})
	refused(t, err, mail.Exists, "postrider alias remove all@example.test")
}

func TestAccountChanges(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	size, name, yes := int64(5), "Ann Lee", true
	a, err := op.UpdateAccount(ctx, admin.AccountUpdate{Address: "Ann@example.test", Quota: &size, Name: &name, Disabled: &yes})
	if err != nil || a.Quota != 5 || a.Name != name || !a.Disabled {
		t.Errorf("got %+v, %v", a, err)
	}
	if a, err = op.UpdateAccount(ctx, admin.AccountUpdate{Address: "ann@example.test"}); err != nil || a.Quota != 5 || !a.Disabled {
		t.Errorf("what is not named must stay: %+v, %v", a, err)
	}
	changed, err := op.SetPassword(ctx, admin.PasswordChange{Address: "ann@example.test"})
	if err != nil || w.credentials[1].Hash != "hash of "+changed.Password || changed.Password == "" {
		t.Errorf("got %+v, %v", changed, err)
	}
	detail, err := op.Account(ctx, admin.AccountName{Address: "ann@example.test"})
	if err != nil || len(detail.Mailboxes) != 2 || !slices.Equal(detail.Aliases, []string{"all@example.test"}) || !slices.Equal(detail.Credentials, []string{"password"}) {
		t.Errorf("got %+v, %v", detail, err)
	}
	_, err = op.Account(ctx, admin.AccountName{Address: "all@example.test"})
	refused(t, err, mail.NotFound, "is an alias of ann@example.test, bob@example.test, not an account")
	_, err = op.Account(ctx, admin.AccountName{Address: "x@example.test"})
	refused(t, err, mail.NotFound, "there is no account x@example.test")
	_, err = op.Account(ctx, admin.AccountName{Address: "x@other.test"})
	refused(t, err, mail.NotFound, "postrider domain add other.test")
	if _, err = op.RemoveAccount(ctx, admin.AccountName{Address: "ann@example.test"}); err != nil || len(w.accounts) != 1 {
		t.Errorf("%v, %v", err, w.accounts)
	}
	_, err = op.Accounts(ctx, admin.AccountFilter{Domain: "exmaple.test"})
	refused(t, err, mail.NotFound, "is not served here")
}

func TestAliases(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	a, err := op.AddAlias(ctx, admin.NewAlias{Address: "Sales@example.test", Targets: []string{"<ann@EXAMPLE.test>", "Ann@Far.Test", "ann@example.test", "ghost@example.test"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ann@example.test", "Ann@far.test", "ghost@example.test"}
	if !slices.Equal(a.Targets, want) || len(a.Warnings) != 2 || !strings.Contains(a.Warnings[1], "ghost@example.test") {
		t.Errorf("got %+v", a)
	}
	_, err = op.AddAlias(ctx, admin.NewAlias{Address: "sales@example.test", Targets: []string{"bob@example.test"}})
	refused(t, err, mail.Exists, "add --replace to change it")
	if _, err = op.AddAlias(ctx, admin.NewAlias{Address: "sales@example.test", Targets: []string{"bob@example.test"}, Replace: true}); err != nil {
		t.Error(err)
	}
	if got := w.aliases["sales@example.test"].Targets; !slices.Equal(got, []mail.Path{"bob@example.test"}) {
		t.Errorf("got %v", got)
	}
	_, err = op.AddAlias(ctx, admin.NewAlias{Address: "ann@example.test", Targets: []string{"bob@example.test"}})
	refused(t, err, mail.Exists, "ann@example.test is an account")
	_, err = op.AddAlias(ctx, admin.NewAlias{Address: "loop@example.test", Targets: []string{"Loop@example.test"}})
	refused(t, err, mail.Invalid, "cannot lead to itself")
	_, err = op.AddAlias(ctx, admin.NewAlias{Address: "x@example.test"})
	refused(t, err, mail.Invalid, "at least one target")
	_, err = op.AddAlias(ctx, admin.NewAlias{Address: "x@other.test", Targets: []string{"bob@example.test"}})
	refused(t, err, mail.NotFound, "postrider domain add other.test")
	_, err = op.AddAlias(ctx, admin.NewAlias{Address: "x@example.test", Targets: make([]string, 10_001)})
	refused(t, err, mail.TooMany, "10000 targets")
	_, err = op.RemoveAlias(ctx, admin.AliasName{Address: "ann@example.test"})
	refused(t, err, mail.NotFound, "postrider account remove ann@example.test")
	_, err = op.RemoveAlias(ctx, admin.AliasName{Address: "y@example.test"})
	refused(t, err, mail.NotFound, "there is no alias y@example.test")
	if _, err = op.RemoveAlias(ctx, admin.AliasName{Address: "SALES@example.test"}); err != nil || len(w.aliases) != 1 {
		t.Errorf("%v, %v", err, w.aliases)
	}
	list, err := op.Aliases(ctx, admin.AliasFilter{Domain: "example.test"})
	if err != nil || len(list.Aliases) != 1 || list.Aliases[0].Address != "all@example.test" {
		t.Errorf("%+v, %v", list, err)
	}
}

// fill puts messages 1 to n into the queue, each to two recipients.
func (w *world) fill(n int) {
	for i := 1; i <= n; i++ {
		w.queue = append(w.queue, mail.Queued{ID: mail.QueueID(i), Trace: "t", From: "ann@example.test", MessageID: "m@x", Size: 100, Created: w.now.Add(-time.Hour),
			Expires: w.now.Add(time.Hour), Recipients: []mail.QueuedRecipient{
				{N: 1, Address: "one@far.test", Original: "all@example.test", Route: "far.test", Attempts: 2, Next: w.now.Add(time.Minute), Last: "450 busy"},
				{N: 2, Address: "two@near.test", Original: "two@near.test", Route: "near.test", Lease: mail.Lease{ID: 5, Until: w.now.Add(time.Minute)}},
			}})
	}
}

func TestQueueReading(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	w.fill(250)
	list, err := op.Queued(ctx, admin.QueueFilter{})
	if err != nil || len(list.Messages) != 100 || !list.More {
		t.Fatalf("%d, %v, %v", len(list.Messages), list.More, err)
	}
	list, err = op.Queued(ctx, admin.QueueFilter{After: 200, Domain: "FAR.test", Address: "One@far.test"})
	if err != nil || len(list.Messages) != 0 {
		t.Errorf("a foreign address is looked for as it is written: %d, %v", len(list.Messages), err)
	}
	list, err = op.Queued(ctx, admin.QueueFilter{After: 200, Domain: "FAR.test", Address: "Ann@example.test"})
	if err != nil || len(list.Messages) != 50 || list.More {
		t.Fatalf("%d, %v, %v", len(list.Messages), list.More, err)
	}
	next := w.now.Add(time.Minute)
	want := []admin.QueuedRecipient{
		{Address: "one@far.test", Original: "all@example.test", Route: "far.test", State: admin.StateWaiting, Attempts: 2, Next: &next, Last: "450 busy"},
		{Address: "two@near.test", Route: "near.test", State: admin.StateSending},
	}
	if diff := cmp.Diff(want, list.Messages[0].Recipients); diff != "" {
		t.Error(diff)
	}
	_, err = op.QueuedMessage(ctx, admin.QueueNumber{ID: 999})
	refused(t, err, mail.NotFound, "there is no message 999 in the queue")
	_, err = op.Queued(ctx, admin.QueueFilter{Domain: "a b"})
	refused(t, err, mail.Invalid, "not a domain")
}

func TestQueueActs(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	w.fill(3)
	for name, r := range map[string]admin.QueueAction{
		"nothing that can be done":   {Act: "explode", All: true},
		"which messages are meant":   {Act: "hold"},
		"either numbers or a filter": {Act: "hold", IDs: []int64{1}, All: true},
	} {
		_, err := op.ActOnQueue(ctx, r)
		refused(t, err, mail.Invalid, name)
	}
	acted, err := op.ActOnQueue(ctx, admin.QueueAction{Act: "hold", IDs: []int64{1, 77, 3}})
	if err != nil || !slices.Equal(acted.IDs, []int64{1, 3}) || !slices.Equal(acted.Missing, []int64{77}) {
		t.Errorf("got %+v, %v", acted, err)
	}
	held, err := op.Queued(ctx, admin.QueueFilter{Held: true})
	if err != nil || len(held.Messages) != 2 || held.Messages[0].Recipients[0].State != admin.StateHeld || held.Messages[0].Recipients[0].Next != nil {
		t.Errorf("got %+v, %v", held, err)
	}
	if acted, err = op.ActOnQueue(ctx, admin.QueueAction{Act: "release", All: true}); err != nil || len(acted.IDs) != 3 {
		t.Errorf("got %+v, %v", acted, err)
	}
	_, err = op.ActOnQueue(ctx, admin.QueueAction{Act: "retry", IDs: []int64{77}})
	refused(t, err, mail.NotFound, "there is no message 77")
	if acted, err = op.ActOnQueue(ctx, admin.QueueAction{Act: "retry", Domain: "nowhere.test"}); err != nil || len(acted.IDs) != 0 {
		t.Errorf("no message that fits is no error: %+v, %v", acted, err)
	}
	w.fail = mail.Errorf(mail.Unavailable, "the disk is full")
	_, err = op.ActOnQueue(ctx, admin.QueueAction{Act: "retry", All: true})
	refused(t, err, mail.Unavailable, "the disk is full")
}

// Every recipient of a deleted message ends in one recorded outcome, and no attempt can settle it meanwhile.
func TestQueueDelete(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	w.fill(1)
	before := len(w.commits)
	if _, err := op.ActOnQueue(t.Context(), admin.QueueAction{Act: "delete", Address: "ann@example.test"}); err != nil {
		t.Fatal(err)
	}
	if len(w.queue) != 0 || len(w.events) != 2 {
		t.Fatalf("left %v, events %v", w.queue, w.events)
	}
	hold, ok := w.commits[before].Changes[0].(mail.QueueAct)
	if !ok || hold.Act != mail.ActHold || len(w.commits) != before+2 {
		t.Errorf("the leases must be broken first: %+v", w.commits[before:])
	}
	e := w.events[0]
	if e.Outcome != mail.Discarded || e.To != "one@far.test" || e.Role != "admin" || e.Reason != "deleted from the queue by an operator; the last attempt was told: 450 busy" {
		t.Errorf("got %+v", e)
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	at := func(s int) time.Time { return w.now.Add(time.Duration(s) * time.Second) }
	w.events = []mail.Event{
		{ID: 3, At: at(2), Trace: "aaaa", Outcome: mail.Deferred, MessageID: "m@x", From: "ann@example.test", To: "one@far.test", Queue: 1, Role: "mta/outbound", Peer: "mx.far.test[192.0.2.1]", Reason: "450 busy"},
		{ID: 1, At: at(0), Trace: "aaaa", Outcome: mail.Accepted, MessageID: "m@x", From: "ann@example.test", Role: "msa", Peer: "ann"},
		{ID: 2, At: at(0), Trace: "aaaa", Outcome: mail.Delivered, MessageID: "m@x", From: "ann@example.test", To: "bob@example.test", Role: "mda"},
		{ID: 4, At: at(3), Trace: "aaaa", Outcome: mail.Reported, MessageID: "m@x", From: "ann@example.test", To: "one@far.test", Role: "mta/bounce"},
		{ID: 5, At: at(-9), Trace: "bbbb", Outcome: mail.Rejected, From: "x@far.test", To: "ann@example.test", Role: "mta/inbound", Reason: "550 no"},
	}
	w.fill(1)
	w.queue[0].Trace = "aaaa"
	next := at(60)
	want := []admin.Recipient{
		{Address: "bob@example.test", Outcome: "delivered", At: at(0), Final: true},
		{Address: "one@far.test", Outcome: "deferred", At: at(2), Queue: 1, State: admin.StateWaiting, Attempts: 2, Next: &next},
		{Address: "two@near.test", Outcome: "queued", At: at(-3600), Queue: 1, State: admin.StateSending},
	}
	for _, query := range []string{"<m@x>", "m@x", "AAAA", "bob@example.test", "one@far.test"} {
		r, err := op.Trace(ctx, admin.TraceQuery{Query: query})
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		p := r.Passages[len(r.Passages)-1]
		if p.Trace != "aaaa" || p.MessageID != "m@x" || len(p.Events) != 4 || p.Events[0].Outcome != "accepted" || p.Events[3].Outcome != "reported" {
			t.Errorf("%s: got %+v", query, p)
		}
		if diff := cmp.Diff(want, p.Recipients); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	r, err := op.Trace(ctx, admin.TraceQuery{Address: "Ann@example.test"})
	if err != nil || len(r.Passages) != 2 || r.Passages[0].Trace != "bbbb" {
		t.Errorf("passages must come by time: %+v, %v", r, err)
	}
	if r, err = op.Trace(ctx, admin.TraceQuery{MessageID: "<m@x>"}); err != nil || len(r.Passages) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = op.Trace(ctx, admin.TraceQuery{Trace: "bbbb"}); err != nil || len(r.Passages) != 1 || !r.Passages[0].Recipients[0].Final {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = op.Trace(ctx, admin.TraceQuery{Query: "zzzz"})
	refused(t, err, mail.NotFound, "nothing is known of zzzz")
	unable := admin.New(admin.Parts{Journal: w, Directory: w, Queue: w, Clock: w, Trail: struct{ mail.Trail }{w}})
	_, err = unable.Trace(ctx, admin.TraceQuery{})
	refused(t, err, mail.Invalid, "which message is meant")
}

// TestTraceChooses: time and outcome must both be of one thing that happened.
func TestTraceChooses(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	at := func(s int) *time.Time { v := w.now.Add(time.Duration(s) * time.Second); return &v }
	w.events = []mail.Event{
		{ID: 1, At: *at(0), Trace: "aaaa", Outcome: mail.Accepted, From: "ann@example.test", Role: "msa"},
		{ID: 2, At: *at(9), Trace: "aaaa", Outcome: mail.Bounced, From: "ann@example.test", To: "x@far.test", Role: "mta/outbound"},
		{ID: 3, At: *at(-60), Trace: "bbbb", Outcome: mail.Delivered, From: "y@far.test", To: "ann@example.test", Role: "mda"},
	}
	w.fill(1)
	w.queue[0].Trace = "aaaa"
	for name, tt := range map[string]struct {
		q    admin.TraceQuery
		want string
	}{
		"all":               {admin.TraceQuery{}, "bbbb aaaa"},
		"since":             {admin.TraceQuery{Since: at(1)}, "aaaa"},
		"until":             {admin.TraceQuery{Until: at(0)}, "bbbb aaaa"}, // the other one waits since an hour ago
		"outcome":           {admin.TraceQuery{Outcome: "delivered"}, "bbbb"},
		"bounced":           {admin.TraceQuery{Outcome: "bounced"}, "aaaa"},
		"queued":            {admin.TraceQuery{Outcome: "queued"}, "aaaa"},
		"bounced in time":   {admin.TraceQuery{Outcome: "bounced", Since: at(5)}, "aaaa"},
		"bounced too early": {admin.TraceQuery{Outcome: "bounced", Until: at(5)}, ""},
	} {
		tt.q.Address = "ann@example.test"
		got := []string{}
		r, err := op.Trace(ctx, tt.q)
		for _, p := range r.Passages {
			got = append(got, p.Trace)
		}
		if strings.Join(got, " ") != tt.want || tt.want == "" != mail.Is(err, mail.NotFound) || tt.want != "" && err != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	_, err := op.Trace(ctx, admin.TraceQuery{Address: "ann@example.test", Outcome: "lost"})
	refused(t, err, mail.Invalid, `"lost" is no outcome`)
	_, err = op.Trace(ctx, admin.TraceQuery{Address: "ann@example.test", Since: at(5), Until: at(0)})
	refused(t, err, mail.Invalid, "ends before it begins")

	r, err := op.Trace(ctx, admin.TraceQuery{Since: at(0), Outcome: "bounced", Limit: 50_000})
	if err != nil || len(r.Passages) != 2 || r.Passages[0].Trace != "aaaa" {
		t.Errorf("the latest of all come first: %+v, %v", r, err)
	}
	if _, err = op.Trace(ctx, admin.TraceQuery{}); err != nil {
		t.Error(err)
	}
	want := []string{fmt.Sprint(w.now.Unix(), time.Time{}.Unix(), "bounced", 10_000), fmt.Sprint(time.Time{}.Unix(), time.Time{}.Unix(), "", 1000)}
	if !slices.Equal(w.recent, want) {
		t.Errorf("the trail was asked %q, want %q", w.recent, want)
	}
}

func TestAdminRight(t *testing.T) {
	t.Parallel()
	w, op := newWorld(t)
	ctx := t.Context()
	a, err := op.AddAccount(ctx, admin.NewAccount{Address: "ann@example.test", CreateDomain: true, Admin: true})
	if err != nil || !a.Admin || !w.accounts[0].Admin {
		t.Errorf("%+v, %v", a, err)
	}
	no := false
	b, err := op.UpdateAccount(ctx, admin.AccountUpdate{Address: "ann@example.test", Admin: &no})
	if err != nil || b.Admin || w.accounts[0].Admin {
		t.Errorf("%+v, %v", b, err)
	}
	name := "Ann"
	yes := true
	if _, err := op.UpdateAccount(ctx, admin.AccountUpdate{Address: "ann@example.test", Admin: &yes}); err != nil {
		t.Fatal(err)
	}
	if b, err = op.UpdateAccount(ctx, admin.AccountUpdate{Address: "ann@example.test", Name: &name}); err != nil || !b.Admin {
		t.Errorf("another change takes the right away: %+v, %v", b, err)
	}
	if d, err := op.Account(ctx, admin.AccountName{Address: "ann@example.test"}); err != nil || !d.Admin {
		t.Errorf("%+v, %v", d, err)
	}
}

// A message that was queued and never tried has no event with its number; it is found by its sender.
func TestTraceBeforeTheFirstAttempt(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	w.events = []mail.Event{{ID: 1, At: w.now, Trace: "aaaa", Outcome: mail.Accepted, From: "ann@example.test", Role: "msa"}}
	w.fill(2)
	w.queue[1].Trace = "aaaa"
	r, err := op.Trace(t.Context(), admin.TraceQuery{Trace: "aaaa"})
	if err != nil || len(r.Passages[0].Recipients) != 2 || r.Passages[0].Recipients[0].Queue != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	sent, err := op.Send(ctx, admin.SendRequest{Account: "Ann@example.test", To: []string{"Bob@Example.test", "Bob@Far.Test"}}, strings.NewReader("Subject: x\n\nline\r\n.\nend"))
	if err != nil {
		t.Fatal(err)
	}
	if sent.Trace != "trace0" || sent.From != "ann@example.test" || !slices.Equal(sent.To, []string{"bob@example.test", "Bob@far.test"}) {
		t.Errorf("got %+v", sent)
	}
	if got := w.bodies[0]; got != "Subject: x\r\n\r\nline\r\n.\r\nend\r\n" {
		t.Errorf("lines came out as %q", got)
	}
	if w.submitted[0].Account != 1 || w.submitted[0].Envelope.UTF8 {
		t.Errorf("got %+v", w.submitted[0])
	}
	if _, err := op.Send(ctx, admin.SendRequest{Account: "ann@example.test", To: []string{"jürgen@far.test"}}, iotest.OneByteReader(strings.NewReader("a\r\nb\r\n"))); err != nil {
		t.Fatal(err)
	}
	if !w.submitted[1].Envelope.UTF8 || w.bodies[1] != "a\r\nb\r\n" {
		t.Errorf("got %+v, %q", w.submitted[1].Envelope, w.bodies[1])
	}
	_, err = op.Send(ctx, admin.SendRequest{Account: "ann@example.test"}, strings.NewReader(""))
	refused(t, err, mail.Invalid, "no recipient")
	_, err = op.Send(ctx, admin.SendRequest{Account: "eve@example.test", To: []string{"a@b"}}, strings.NewReader(""))
	refused(t, err, mail.NotFound, "no account eve@example.test")
	broken := errors.New("the pipe broke")
	if _, err = op.Send(ctx, admin.SendRequest{Account: "ann@example.test", To: []string{"a@b.test"}}, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a message that broke off must not be sent: %v", err)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	w.fill(2)
	w.accounts[0].Messages, w.accounts[0].Used = 3, 300
	st, err := op.Status(t.Context(), admin.Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	started, oldest, due := w.now.Add(-time.Hour), w.now.Add(-time.Hour), w.now.Add(time.Minute)
	want := admin.Status{Version: "1.2.3", Hostname: "mx.test", Serving: true, Started: &started, Uptime: 3600,
		Listening: []admin.Listener{{Service: "smtp", Address: "127.0.0.1:25"}}, Domains: 1, Accounts: 2, Aliases: 1, Messages: 3, Used: 300,
		Queue:    admin.QueueSize{Messages: 2, Recipients: 4, Sending: 2, Deferred: 2, Octets: 200, Oldest: &oldest, NextDue: &due},
		Counters: map[string]int64{"delivered": 7}}
	if diff := cmp.Diff(want, st); diff != "" {
		t.Error(diff)
	}
}

func TestVerifyAndCompact(t *testing.T) {
	t.Parallel()
	_, op := newWorld(t)
	var steps []admin.Progress
	r, err := op.Verify(t.Context(), admin.VerifyRequest{}, func(p admin.Progress) { steps = append(steps, p) })
	if err != nil || len(steps) != 1 || r.Seconds != 2 || r.Damage == nil {
		t.Errorf("got %+v, %v, %v", r, steps, err)
	}
	if _, err := op.Verify(t.Context(), admin.VerifyRequest{}, nil); err != nil {
		t.Errorf("progress may be left out: %v", err)
	}
	if c, err := op.Compact(t.Context(), admin.Nothing{}); err != nil || c.Freed != 4 {
		t.Errorf("got %+v, %v", c, err)
	}
	bare := admin.New(admin.Parts{})
	_, err = bare.Verify(t.Context(), admin.VerifyRequest{}, nil)
	refused(t, err, mail.Unavailable, "cannot check itself")
	_, err = bare.Send(t.Context(), admin.SendRequest{}, nil)
	refused(t, err, mail.Unavailable, "nothing can be changed here")
	w, _ := newWorld(t)
	bare = admin.New(admin.Parts{Journal: w})
	_, err = bare.Send(t.Context(), admin.SendRequest{}, nil)
	refused(t, err, mail.Unavailable, "takes no mail")
}

func TestGeneratedPasswordsDiffer(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	seen := map[string]bool{}
	for range 200 {
		c, err := op.SetPassword(t.Context(), admin.PasswordChange{Address: "ann@example.test"})
		if err != nil || seen[c.Password] || strings.ContainsAny(c.Password, "01lio") {
			t.Fatalf("password %q: %v", c.Password, err)
		}
		seen[c.Password] = true
	}
	if len(w.credentials) != 2 {
		t.Errorf("a new password must replace the old one: %v", w.credentials)
	}
}
