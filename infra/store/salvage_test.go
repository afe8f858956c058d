package store_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// wrecked is how many messages the stores have that these tests damage.
const wrecked = 400

// text is what message n says.
func text(n int) string {
	return fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", n, strings.Repeat(fmt.Sprint(n, " "), n%9))
}

// fillWreck makes a store with two accounts, nested mailboxes, flags, a shared body and a queue, and closes it.
func fillWreck(t *testing.T) (dir string) {
	t.Helper()
	ctx := context.Background()
	dir = t.TempDir()
	s, err := store.Open(ctx, store.Options{Dir: dir, Log: quiet(), PackSize: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	set := mail.ChangeSet{}
	set.Add(mail.AddDomain{Domain: mail.Domain{Name: "example.org"}})
	for _, who := range []mail.Path{"ann@example.org", "bob@example.org"} {
		set.Add(mail.AddAccount{Account: mail.Account{Address: who, Name: "Some Body"}, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}, {Name: "Lists/Go"}}})
	}
	set.Add(mail.PutAlias{Alias: mail.Alias{Address: "all@example.org", Targets: []mail.Path{"ann@example.org", "c@far.example"}}})
	rec, err := s.Commit(ctx, set)
	if err != nil {
		t.Fatal(err)
	}
	var boxes []mail.Mailbox
	for _, r := range rec.Results[1:3] {
		b, err := s.Mailboxes(ctx, r.Account)
		if err != nil {
			t.Fatal(err)
		}
		boxes = append(boxes, b...)
	}
	for n := 0; n < wrecked; n += 50 {
		set := mail.ChangeSet{}
		for k := n; k < n+50; k++ {
			b := sealText(t, s, text(k))
			defer b.Discard()
			box := boxes[k%len(boxes)]
			set.Add(mail.AddMessage{Account: box.Account, Mailbox: box.ID, Body: b, Prefix: []byte("P: x\r\n"), Summary: make([]byte, 300),
				Flags: mail.Flags{Bits: mail.FlagBits(k % 32), Keywords: fmt.Sprintf("k%d", k%3)}, Received: time.Unix(1e9+int64(k), 0).UTC()})
			if k%100 == 0 {
				set.Add(mail.Enqueue{Body: b, Message: mail.Queued{Trace: mail.TraceID(fmt.Sprint(k)), From: "ann@example.org",
					Recipients: []mail.QueuedRecipient{{Address: "c@far.example"}, {Address: "d@far.example"}}}})
			}
		}
		if _, err := s.Commit(ctx, set); err != nil {
			t.Fatal(err)
		}
	}
	// Some mail is deleted; its bodies are still in the packs.
	if _, err := s.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.Expunge{Account: boxes[3].Account, Mailbox: boxes[3].ID, UIDs: []mail.UIDRange{{First: 1, Last: 5}}}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func sealText(t *testing.T, s *store.Store, text string) mail.SealedBody {
	t.Helper()
	w, err := s.Create(context.Background())
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// salvaged is what a salvage gave.
type salvaged struct {
	boxes   map[string]int // "account mailbox" and how many messages were read in it
	texts   map[string]bool
	flags   int // messages with the flags they had
	lost    map[string]bool
	torn    int
	waiting int
	faults  string
	people  string
}

// salvage reads everything a salvage gives, and fails the test where it says what never was.
func salvage(t *testing.T, dir string) salvaged {
	t.Helper()
	ctx := context.Background()
	before := snapshot(t, dir)
	s, err := store.OpenSalvage(ctx, dir, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	known := map[string]int{}
	for n := range wrecked {
		known[text(n)] = n
	}
	out := salvaged{boxes: map[string]int{}, texts: map[string]bool{}, lost: map[string]bool{}, faults: strings.Join(s.Faults(), "\n")}
	accounts, err := s.Accounts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		out.people += string(a.Address) + " "
		boxes, err := s.Mailboxes(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range boxes {
			facts := map[uint32]mail.PlacedMessage{}
			for m, err := range s.Messages(ctx, b.ID, mail.UIDRange{First: 1}) {
				if err != nil {
					t.Fatal(err)
				}
				facts[m.UID] = m
			}
			for p, err := range s.Placements(ctx, b.ID, mail.UIDRange{First: 1}, 0) {
				if err != nil {
					t.Fatal(err)
				}
				m, ok := facts[p.UID]
				if !ok {
					continue
				}
				r, err := s.Open(ctx, m.Blob)
				if err != nil {
					continue
				}
				body, err := io.ReadAll(r)
				r.Close()
				n, real := known[string(body)]
				if err != nil || !real || out.texts[string(body)] {
					t.Errorf("%s UID %d is %.80q, %v", b.Name, p.UID, body, err)
				}
				if size := int64(len(m.Prefix) + len(body)); size != p.Size {
					t.Errorf("%s UID %d has %d octets, said to have %d", b.Name, p.UID, size, p.Size)
				}
				if p.Flags.Bits == mail.FlagBits(n%32) && p.Flags.Keywords == fmt.Sprintf("k%d", n%3) && p.Received.Unix() == 1e9+int64(n) {
					out.flags++
				}
				out.texts[string(body)] = true
				out.boxes[string(a.Address)+" "+b.Name]++
			}
		}
	}
	for b, err := range s.Lost(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.OpenLost(ctx, b)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		r.Close()
		if err != nil || int64(len(body)) > b.Size {
			t.Errorf("body %d: %d octets of %d, %v", b.ID, len(body), b.Size, err)
		}
		if b.Damage != "" {
			out.torn++
			continue
		}
		if _, real := known[string(body)]; !real || out.texts[string(body)] {
			t.Errorf("lost body %d is %.80q", b.ID, body)
		}
		out.lost[string(body)] = true
	}
	waiting, err := s.Waiting(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range waiting {
		if q.From == "ann@example.org" && len(q.Recipients) == 2 && q.Recipients[1].Address == "d@far.example" {
			out.waiting++
		}
	}
	if after := snapshot(t, dir); after != before {
		t.Error("the damaged directory was changed")
	}
	return out
}

// snapshot is everything in a directory.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %d %q\n", path, len(text), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSalvageOfSoundStore(t *testing.T) {
	t.Parallel()
	got := salvage(t, fillWreck(t))
	want := map[string]int{"ann@example.org INBOX": 67, "ann@example.org Lists": 67, "ann@example.org Lists/Go": 67,
		"bob@example.org INBOX": 62, "bob@example.org Lists": 66, "bob@example.org Lists/Go": 66}
	if fmt.Sprint(got.boxes) != fmt.Sprint(want) || got.flags != 395 || got.waiting != 4 || got.faults != "" || len(got.lost)+got.torn != 0 {
		t.Errorf("%v, %d flags, %d waiting, %d lost, %d torn, faults %q", got.boxes, got.flags, got.waiting, len(got.lost), got.torn, got.faults)
	}
}

// Whatever page of the index is damaged, nothing is lost altogether: each message is in a mailbox or among the lost bodies.
func TestSalvageAroundDamagedPages(t *testing.T) {
	t.Parallel()
	dir := fillWreck(t)
	index, err := os.ReadFile(filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	pages := len(index) / page
	step := max(1, pages/24)
	for k := 1; k < pages; k += step {
		t.Run(fmt.Sprint(k+1), func(t *testing.T) {
			t.Parallel()
			bad := damagedCopy(t, dir, func(index []byte) []byte {
				for i := k * page; i < (k+1)*page; i++ {
					index[i] = byte(i * 7)
				}
				return index
			})
			got := salvage(t, bad)
			if all := len(got.texts) + len(got.lost); all < 395 {
				t.Errorf("%d messages in mailboxes, %d lost bodies; faults: %s", len(got.texts), len(got.lost), got.faults)
			}
			if (len(got.texts) < 395 || got.flags < 395) && got.faults == "" {
				t.Errorf("%d messages with %d flags, and no fault is told", len(got.texts), got.flags)
			}
			if len(got.lost) > 0 && len(got.texts) == 395 && got.faults == "" {
				t.Errorf("deleted mail came back: %d", len(got.lost))
			}
		})
	}
}

// damagedCopy copies a store and changes its index.
func damagedCopy(t *testing.T, dir string, change func([]byte) []byte) string {
	t.Helper()
	bad := t.TempDir()
	if err := os.CopyFS(bad, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(bad, "store.db")
	index, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if index = change(index); index == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, index, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

// The ends of the scale: the first page gone, the second half gone, all of it noise, no index at all, an empty one.
func TestSalvageOfWrecks(t *testing.T) {
	t.Parallel()
	dir := fillWreck(t)
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		least  int // messages in mailboxes
		fault  string
	}{
		{"first page", func(b []byte) []byte { clear(b[:4096]); return b }, 395, "first page"},
		{"second half", func(b []byte) []byte { return b[:len(b)/8192*4096] }, 0, ""},
		{"noise", func(b []byte) []byte {
			for i := range b {
				b[i] = byte(i * i >> 3)
			}
			return b
		}, 0, "cannot be read at all"},
		{"none", func([]byte) []byte { return nil }, 0, "is missing"},
		{"empty", func([]byte) []byte { return []byte{} }, 0, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := salvage(t, damagedCopy(t, dir, c.change))
			if all := len(got.texts) + len(got.lost); all < 395 || len(got.texts) < c.least || !strings.Contains(got.faults, c.fault) || got.faults == "" {
				t.Errorf("%d messages in mailboxes of %s, %d lost bodies; faults: %s", len(got.texts), got.people, len(got.lost), got.faults)
			}
		})
	}
}

// Damage in the packs: what is between damaged records is found, whatever was overwritten.
func TestSalvageOfDamagedPacks(t *testing.T) {
	t.Parallel()
	dir := fillWreck(t)
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*", "*.pack"))
	if err != nil || len(packs) < 3 {
		t.Fatal(packs, err)
	}
	for _, c := range []struct {
		name   string
		change func(f *os.File) error
		most   int // messages that are lost at most
		fault  string
	}{
		{"one body", func(f *os.File) error { _, err := f.WriteAt([]byte{0xff}, blob.HeaderSize+2); return err }, 1, ""},
		{"one header", func(f *os.File) error { _, err := f.WriteAt([]byte{0xff}, 20); return err }, 1, "offset 0 on are no records"},
		{"a block", func(f *os.File) error { _, err := f.WriteAt(make([]byte, 4096), 4096); return err }, 60, "no records"},
		{"cut off", func(f *os.File) error { return f.Truncate(5_000) }, 300, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad := t.TempDir()
			if err := os.CopyFS(bad, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(dir, packs[1])
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(bad, rel), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.change(f); err != nil {
				t.Fatal(err)
			}
			f.Close()
			got := salvage(t, bad)
			if n := 395 - len(got.texts); n < 1 || n > c.most || !strings.Contains(got.faults, c.fault) || len(got.lost) > 0 {
				t.Errorf("%d messages are missing, %d lost; faults: %q", n, len(got.lost), got.faults)
			}
		})
	}
}

// A directory in use is left alone, and one that cannot be written is read all the same.
func TestSalvageNeedsAStoppedServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := store.OpenSalvage(t.Context(), dir, t.TempDir(), nil); !mail.Is(err, mail.Conflict) {
		t.Errorf("got %v", err)
	}
	if _, err := store.OpenSalvage(t.Context(), filepath.Join(dir, "none"), t.TempDir(), nil); !mail.Is(err, mail.NotFound) {
		t.Errorf("got %v", err)
	}
}

// What was committed but stands only in the write-ahead log is salvaged with the rest.
func TestSalvageReadsTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	box := oneAccount(t, s)
	b := sealText(t, s, text(3))
	defer b.Discard()
	add := mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: b, Flags: mail.Flags{Bits: 3, Keywords: "k0"}, Received: time.Unix(1e9+3, 0)}
	if _, err := s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{add}}); err != nil {
		t.Fatal(err)
	}
	crashed := t.TempDir() // as a crash would leave it
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := salvage(t, crashed); got.boxes["a@example.org INBOX"] != 1 || got.flags != 1 || got.faults != "" {
		t.Errorf("%v %q", got.boxes, got.faults)
	}
}

// A message in several mailboxes is salvaged in each of them; who is an administrator, and the order of mailboxes, are told.
func TestSalvageOfSeveralPlaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	box := oneAccount(t, s)
	if err := fileOne(s, box, 1); err != nil {
		t.Fatal(err)
	}
	other := makeOne(t, s, mail.CreateMailbox{Account: box.Account, NewMailbox: mail.NewMailbox{Name: "Other"}}).Mailbox
	makeOne(t, s, mail.PlaceMessage{Account: box.Account, Email: 1, To: other})
	makeOne(t, s, mail.UpdateMailbox{Account: box.Account, Mailbox: other, Use: mail.UseArch, Sort: 9})
	makeOne(t, s, mail.UpdateAccount{Account: mail.Account{ID: box.Account, Admin: true}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := store.OpenSalvage(t.Context(), dir, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	accounts, err := v.Accounts(t.Context())
	if err != nil || len(accounts) != 1 || !accounts[0].Admin {
		t.Errorf("%+v, %v", accounts, err)
	}
	boxes, err := v.Mailboxes(t.Context(), box.Account)
	if err != nil || len(boxes) != 2 || boxes[0].Messages != 1 || boxes[1].Messages != 1 || boxes[1].Sort != 9 || boxes[1].Use != mail.UseArch {
		t.Errorf("%+v, %v", boxes, err)
	}
	if faults := v.Faults(); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
}

// Survey names the table and what it means; nothing is changed.
func TestSurveyNamesTables(t *testing.T) {
	t.Parallel()
	dir := fillWreck(t)
	bad := damagedCopy(t, dir, func(b []byte) []byte {
		for i := 4096; i < len(b); i += 4096 {
			if i/4096%5 == 0 {
				clear(b[i : i+4096])
			}
		}
		return b
	})
	before := snapshot(t, bad)
	list, err := store.Survey(t.Context(), bad, t.TempDir(), nil)
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	if all := strings.Join(list, "\n"); !strings.Contains(all, `the table "`) {
		t.Errorf("no table is named: %s", all)
	}
	if snapshot(t, bad) != before {
		t.Error("the damaged directory was changed")
	}
}
