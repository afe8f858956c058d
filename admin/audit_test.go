package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/service/records"
	"github.com/postrider/postrider/service/seal"
)

// secret is what no record may have.
const secret = "hunter2-correct-horse"

// reads are the operations that change nothing. Everything else of admin.Operator is an act and must be in acts.
var reads = []string{"Domains", "Accounts", "Account", "Aliases", "Alias", "CheckAlias", "Queued", "QueuedMessage", "Trace", "Records", "Examine", "Watch",
	"Bans", "Reports", "Status", "Verify", "Charts", "Certificates", "Nodes", "Limits", "Audit"}

// oneAct is an act of people's world. good and bad do it with and without success.
type oneAct struct {
	act, subject, asked string // of the record of the good one
	good, bad           func(ctx context.Context, op *admin.Operations) error
}

func lose[A any](_ A, err error) error { return err }

func acts() map[string]oneAct {
	text, yes, quota := "Ann Lee", true, int64(5)
	elsewhere := "x@far.test"
	type op = admin.Operations
	return map[string]oneAct{
		"AddDomain": {"domain.add", "new.test", "catch-all to x@far.test",
			func(ctx context.Context, o *op) error {
				return lose(o.AddDomain(ctx, admin.NewDomain{Name: "NEW.test", CatchAll: elsewhere}))
			},
			func(ctx context.Context, o *op) error { return lose(o.AddDomain(ctx, admin.NewDomain{Name: "a b"})) }},
		"UpdateDomain": {"domain.update", "example.test", "catch-all to x@far.test",
			func(ctx context.Context, o *op) error {
				return lose(o.UpdateDomain(ctx, admin.DomainUpdate{Name: "example.test", CatchAll: &elsewhere}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.UpdateDomain(ctx, admin.DomainUpdate{Name: "other.test"}))
			}},
		"RemoveDomain": {"domain.remove", "empty.test", "",
			func(ctx context.Context, o *op) error {
				return lose(o.RemoveDomain(ctx, admin.DomainName{Name: "empty.test"}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.RemoveDomain(ctx, admin.DomainName{Name: "example.test"}))
			}},
		"AddAccount": {"account.add", "carol@example.test", `name "Ann Lee", quota 5, may administer`,
			func(ctx context.Context, o *op) error {
				return lose(o.AddAccount(ctx, admin.NewAccount{Address: "Carol@example.test", Password: secret, Name: text, Quota: &quota, Admin: true}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.AddAccount(ctx, admin.NewAccount{Address: "ann@example.test", Password: secret}))
			}},
		"UpdateAccount": {"account.update", "ann@example.test", `name "Ann Lee", quota 5, disabled, may administer`,
			func(ctx context.Context, o *op) error {
				return lose(o.UpdateAccount(ctx, admin.AccountUpdate{Address: "ann@example.test", Name: &text, Quota: &quota, Disabled: &yes, Admin: &yes}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.UpdateAccount(ctx, admin.AccountUpdate{Address: "zoe@example.test"}))
			}},
		"SetPassword": {"account.password", "ann@example.test", "one that was given",
			func(ctx context.Context, o *op) error {
				return lose(o.SetPassword(ctx, admin.PasswordChange{Address: "ann@example.test", Password: secret}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.SetPassword(ctx, admin.PasswordChange{Address: "ann@example.test", Password: "bad"}))
			}},
		"RemoveAccount": {"account.remove", "bob@example.test", "",
			func(ctx context.Context, o *op) error {
				return lose(o.RemoveAccount(ctx, admin.AccountName{Address: "BOB@example.test"}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.RemoveAccount(ctx, admin.AccountName{Address: "zoe@example.test"}))
			}},
		"AddAlias": {"alias.add", "sales@example.test", "to ann@example.test",
			func(ctx context.Context, o *op) error {
				return lose(o.AddAlias(ctx, admin.NewAlias{Address: "sales@example.test", Targets: []string{"ann@example.test"}}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.AddAlias(ctx, admin.NewAlias{Address: "ann@example.test"}))
			}},
		"UpdateAlias": {"alias.update", "all@example.test", "with x@far.test, without bob@example.test",
			func(ctx context.Context, o *op) error {
				return lose(o.UpdateAlias(ctx, admin.AliasUpdate{Address: "all@example.test", Add: []string{elsewhere}, Remove: []string{"bob@example.test"}}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.UpdateAlias(ctx, admin.AliasUpdate{Address: "none@example.test"}))
			}},
		"RemoveAlias": {"alias.remove", "all@example.test", "",
			func(ctx context.Context, o *op) error {
				return lose(o.RemoveAlias(ctx, admin.AliasName{Address: "all@example.test"}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.RemoveAlias(ctx, admin.AliasName{Address: "none@example.test"}))
			}},
		"ActOnQueue": {"queue.delete", "1", "messages 1",
			func(ctx context.Context, o *op) error {
				return lose(o.ActOnQueue(ctx, admin.QueueAction{Act: "delete", IDs: []int64{1}}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.ActOnQueue(ctx, admin.QueueAction{Act: "eat", All: true}))
			}},
		"Send": {"message.send", "ann@example.test", "to x@far.test",
			func(ctx context.Context, o *op) error {
				return lose(o.Send(ctx, admin.SendRequest{Account: "ann@example.test", To: []string{elsewhere}}, strings.NewReader(secret)))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.Send(ctx, admin.SendRequest{Account: "ann@example.test"}, strings.NewReader(secret)))
			}},
		"Export": {"mail.export", "", "of all accounts",
			func(ctx context.Context, o *op) error {
				return o.Export(ctx, admin.ExportRequest{All: true}, nothing{})
			},
			func(ctx context.Context, o *op) error { return o.Export(ctx, admin.ExportRequest{}, nothing{}) }},
		"Publish": {"dns.publish", "example.test", "",
			func(ctx context.Context, o *op) error {
				return lose(o.Publish(ctx, admin.RecordsFor{Name: "example.test"}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.Publish(ctx, admin.RecordsFor{Name: "other.test"}))
			}},
		"Keys": {"dkim.make", "example.test", "",
			func(ctx context.Context, o *op) error {
				return lose(o.Keys(ctx, admin.DomainName{Name: "example.test"}))
			},
			nil}, // only a failure of the store can keep keys from being made
		"RotateKeys": {"dkim.rotate", "example.test", "",
			func(ctx context.Context, o *op) error {
				return lose(o.RotateKeys(ctx, admin.DomainName{Name: "example.test"}))
			},
			func(ctx context.Context, o *op) error {
				return lose(o.RotateKeys(ctx, admin.DomainName{Name: "other.test"}))
			}},
		"Unban": {"ban.remove", "192.0.2.1", "",
			func(ctx context.Context, o *op) error {
				return lose(o.Unban(ctx, admin.BanName{Prefix: "192.0.2.1"}))
			},
			func(ctx context.Context, o *op) error { return lose(o.Unban(ctx, admin.BanName{Prefix: "everybody"})) }},
		"Compact": {"store.compact", "", "",
			func(ctx context.Context, o *op) error { return lose(o.Compact(ctx, admin.Nothing{})) },
			nil}, // it takes nothing that could be wrong
	}
}

// nothing takes an export in.
type nothing struct{}

func (nothing) Plan(export.Plan) error                           { return nil }
func (nothing) Mailbox(export.Mailbox) error                     { return nil }
func (nothing) Missing(export.Missing) error                     { return nil }
func (nothing) Message(export.Message, io.Reader) error          { return nil }
func (w *world) Create(context.Context) (mail.BlobWriter, error) { return nil, notFound("body") }
func (w *world) Open(context.Context, mail.BlobID) (mail.BlobReader, error) {
	return nil, notFound("body")
}

// keyless has no keys until they are made.
type keyless struct {
	trust
	made seal.Key
}

func (k *keyless) Ensure(context.Context, string) error {
	k.keys = []seal.Key{k.made}
	return nil
}

// actable is a world in which every act can be done.
func actable(t *testing.T) (*world, *admin.Operations) {
	t.Helper()
	w, op := people(t)
	if _, err := op.AddDomain(t.Context(), admin.NewDomain{Name: "empty.test"}); err != nil {
		t.Fatal(err)
	}
	w.fill(1)
	for id := range w.boxes {
		w.boxes[id] = nil
	}
	key, err := seal.Generate("example.test", "e1", seal.Ed25519, w.now)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyless{made: key}
	k.banned = []limits.Ban{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}
	op = admin.New(admin.Parts{Journal: w, Directory: w, Mailboxes: mailboxes{w: w}, Queue: w, Trail: w, Submitter: w, Checker: w, Clock: w, Trust: k, Guard: k,
		Credential: func(password string) (mail.Credential, error) {
			if password == "bad" {
				return mail.Credential{}, mail.Errorf(mail.Invalid, "this password cannot be used")
			}
			return mail.Credential{Hash: "hash"}, nil
		}})
	w.audited = map[string]audit.Entry{}
	return w, op
}

// TestEveryActIsRecorded walks all operations: one that changes something has exactly one record, whether it is done or not, and no record has a
// secret. A new operation must be put into reads or into acts.
func TestEveryActIsRecorded(t *testing.T) {
	t.Parallel()
	all := acts()
	for m := range reflect.TypeFor[admin.Operator]().Methods() {
		if _, isAct := all[m.Name]; isAct == slices.Contains(reads, m.Name) {
			t.Errorf("is %s a read or an act? Put it into one of the two tables", m.Name)
		}
	}
	who := admin.Actor{Way: audit.WayWeb, Name: "root@example.test", From: "192.0.2.9"}
	record := func(t *testing.T, w *world) audit.Entry {
		t.Helper()
		if len(w.audited) != 1 {
			t.Fatalf("there are %d records: %v", len(w.audited), w.audited)
		}
		for key, e := range w.audited {
			n := w.notes[audit.Kind][key]
			if key != e.ID || !e.At.Equal(w.now) || n.Account != 0 || !n.Expires.Equal(w.now.Add(audit.Keep)) || e.Actor != who {
				t.Errorf("the record is %+v in %+v", e, n)
			}
			if b, _ := json.Marshal(e); strings.Contains(string(b), secret) {
				t.Errorf("the record tells a secret: %s", b)
			}
			return e
		}
		return audit.Entry{}
	}
	for name, a := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, op := actable(t)
			if err := a.good(admin.As(t.Context(), who), op); err != nil {
				t.Fatal(err)
			}
			if e := record(t, w); e.Act != a.act || e.Subject != a.subject || e.Asked != a.asked || e.Outcome != audit.Done {
				t.Errorf("recorded %+v, want %s %s %q", e, a.act, a.subject, a.asked)
			}
			if a.bad != nil {
				w, op = actable(t)
				if err := a.bad(admin.As(t.Context(), who), op); err == nil {
					t.Fatal("it was done")
				}
				if e := record(t, w); e.Outcome != audit.Refused || e.Text == "" || len(w.commits) > 7 {
					t.Errorf("recorded %+v", e)
				}
			}
			// A store that takes nothing: nothing is done, and nothing can be recorded.
			w, op = actable(t)
			before := len(w.commits)
			broken := admin.New(admin.Parts{Journal: dead{}, Directory: w, Mailboxes: mailboxes{w: w}, Queue: w, Trail: w, Submitter: w, Checker: w, Clock: w, Blobs: w,
				Credential: func(string) (mail.Credential, error) { return mail.Credential{}, nil }, Trust: mustNotAct{t, &trust{}}, Guard: mustNotAct{t, &trust{}}})
			if err := a.good(t.Context(), broken); name != "Keys" && !errors.Is(err, errDead) {
				t.Errorf("with a dead store: %v", err)
			}
			if len(w.commits) != before || len(w.submitted) != 0 {
				t.Error("something was done without a record")
			}
		})
	}
}

var errDead = errors.New("dead")

type dead struct{}

func (dead) Commit(context.Context, mail.ChangeSet) (mail.Receipt, error) {
	return mail.Receipt{}, errDead
}

// mustNotAct does not do what cannot be recorded.
type mustNotAct struct {
	t *testing.T
	*trust
}

func (m mustNotAct) Rotate(context.Context, string) (seal.Progress, error) {
	m.t.Error("keys were changed without a record")
	return seal.Progress{}, nil
}

func (m mustNotAct) Publish(context.Context, string, []records.Record) ([]string, error) {
	m.t.Error("records were published without a record")
	return nil, nil
}

func (m mustNotAct) Unban(context.Context, netip.Prefix) error {
	m.t.Error("a ban was lifted without a record")
	return nil
}

// TestRecordsAreInTheSet: what is committed has its record beside it, so that a crash cannot part them.
func TestRecordsAreInTheSet(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	var sets []mail.ChangeSet
	spied := admin.New(admin.Parts{Journal: spy{w, &sets}, Directory: w, Mailboxes: mailboxes{w: w}, Queue: w, Trail: w, Clock: w,
		Credential: func(string) (mail.Credential, error) { return mail.Credential{}, nil }, Defaults: admin.Defaults{}})
	_ = op
	if _, err := spied.AddAccount(t.Context(), admin.NewAccount{Address: "new@example.test"}); err != nil {
		t.Fatal(err)
	}
	if len(sets) != 2 {
		t.Fatalf("%d sets", len(sets))
	}
	var keys []string
	for _, s := range sets {
		put, ok := s.Changes[len(s.Changes)-1].(mail.PutNote)
		if !ok || put.Note.Kind != audit.Kind {
			t.Fatalf("a set without its record: %v", s)
		}
		keys = append(keys, put.Note.Key)
	}
	if keys[0] != keys[1] {
		t.Error("one act has two records")
	}
}

type spy struct {
	*world
	sets *[]mail.ChangeSet
}

func (s spy) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	*s.sets = append(*s.sets, set)
	return s.world.Commit(ctx, set)
}

// TestDoneInPart: an act that ends in its midst says so.
func TestDoneInPart(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	w.audited = map[string]audit.Entry{}
	failing := admin.New(admin.Parts{Journal: &second{world: w}, Directory: w, Mailboxes: mailboxes{w: w}, Clock: w,
		Credential: func(string) (mail.Credential, error) { return mail.Credential{}, nil }})
	if _, err := failing.AddAccount(t.Context(), admin.NewAccount{Address: "new@example.test"}); !mail.Is(err, mail.Unavailable) {
		t.Fatal(err)
	}
	list, err := op.Audit(t.Context(), admin.AuditFilter{Subject: "new@"})
	if err != nil || len(list.Entries) != 1 || list.Entries[0].Outcome != audit.Failed || !strings.Contains(list.Entries[0].Text, "done in part") {
		t.Errorf("%+v, %v", list, err)
	}
	if a := list.Entries[0].Actor; a != audit.Process(audit.WayCommand) {
		t.Errorf("who does not say who they are is the process's user, not %+v", a)
	}
}

// second fails at its second set.
type second struct {
	*world
	n int
}

func (s *second) Commit(ctx context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	if s.n++; s.n == 2 {
		return mail.Receipt{}, mail.Errorf(mail.Unavailable, "the disk is full")
	}
	return s.world.Commit(ctx, set)
}

// TestKeysThatCannotBe: looking at the keys of a domain whose mail is not signed is no act.
func TestKeysThatCannotBe(t *testing.T) {
	t.Parallel()
	w, _ := people(t)
	w.audited = map[string]audit.Entry{}
	op := admin.New(admin.Parts{Journal: w, Directory: w, Clock: w, Trust: &trust{}})
	if k, err := op.Keys(t.Context(), admin.DomainName{Name: "example.test"}); err != nil || len(k.Keys) != 0 {
		t.Errorf("%+v, %v", k, err)
	}
	if len(w.audited) != 0 {
		t.Errorf("recorded %v", w.audited)
	}
}
