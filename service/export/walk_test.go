package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
)

// drive is a store of one account that is damaged here and there.
type drive struct {
	boxes   []mail.Mailbox
	uids    map[mail.MailboxID][]uint32
	blind   map[uint32]bool // UIDs whose page of the index is damaged, whether there is such a message or not
	factual map[uint32]bool // UIDs whose facts are damaged
	forgot  map[uint32]bool // UIDs whose facts are missing without an error
	broken  map[mail.BlobID]int
	text    func(uid uint32) string
	listing error
}

func (d *drive) Mailboxes(context.Context, mail.AccountID) ([]mail.Mailbox, error) {
	return d.boxes, d.listing
}

var errPage = mail.Errorf(mail.Internal, "the page is damaged")

func (d *drive) Placements(_ context.Context, id mail.MailboxID, in mail.UIDRange, _ uint64) iter.Seq2[mail.Placement, error] {
	return func(yield func(mail.Placement, error) bool) {
		for uid := in.First; uid <= in.Last; uid++ {
			if d.blind[uid] {
				yield(mail.Placement{}, errPage)
				return
			}
			if slices.Contains(d.uids[id], uid) && !yield(mail.Placement{Mailbox: id, UID: uid, Size: int64(len(d.text(uid)) + 4),
				Received: time.Unix(1e9+int64(uid), 0).UTC(), Flags: mail.Flags{Bits: mail.FlagBits(uid % 32), Keywords: "k"}}, nil) {
				return
			}
		}
	}
}

func (d *drive) Messages(_ context.Context, id mail.MailboxID, in mail.UIDRange) iter.Seq2[mail.PlacedMessage, error] {
	return func(yield func(mail.PlacedMessage, error) bool) {
		for uid := in.First; uid <= in.Last; uid++ {
			if d.factual[uid] {
				yield(mail.PlacedMessage{}, errPage)
				return
			}
			if !slices.Contains(d.uids[id], uid) || d.forgot[uid] {
				continue
			}
			if !yield(mail.PlacedMessage{UID: uid, Message: mail.Message{Blob: mail.BlobID(uid), Prefix: []byte("P:\r\n")}}, nil) {
				return
			}
		}
	}
}

// Open gives a body that may break off after some octets; at 0 it does not even open.
func (d *drive) Open(_ context.Context, id mail.BlobID) (mail.BlobReader, error) {
	text := d.text(uint32(id))
	after, broken := d.broken[id]
	if broken && after == 0 {
		return nil, mail.Errorf(mail.Internal, "body %d is damaged", id)
	}
	r := body{Reader: bytes.NewReader([]byte(text))}
	if broken {
		r.left, r.err = min(after, len(text)), mail.Errorf(mail.Internal, "body %d is damaged", id)
	}
	return &r, nil
}

type body struct {
	*bytes.Reader
	left int
	err  error
}

func (b *body) Close() error { return nil }
func (b *body) Size() int64  { return b.Reader.Size() }
func (b *body) Read(p []byte) (int, error) {
	if b.err == nil {
		return b.Reader.Read(p)
	}
	if b.left == 0 {
		return 0, b.err
	}
	n, _ := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, nil
}

// catch is a sink in memory.
type catch struct {
	plan    export.Plan
	got     map[string]map[uint32]string
	box     string
	missing []export.Missing
	fail    error
}

func (c *catch) Plan(p export.Plan) error { c.plan = p; return nil }
func (c *catch) Mailbox(b export.Mailbox) error {
	if c.got == nil {
		c.got = map[string]map[uint32]string{}
	}
	c.box = b.Name
	c.got[b.Name] = map[uint32]string{}
	return nil
}
func (c *catch) Message(m export.Message, r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.got[c.box][m.UID] = string(text)
	return c.fail
}
func (c *catch) Missing(m export.Missing) error { c.missing = append(c.missing, m); return nil }

var ann = mail.Account{ID: 7, Address: "ann@example.org"}

func walk(d *drive, sink export.Sink, names ...string) error {
	return export.Walk(context.Background(), export.Source{Mailboxes: d, Bodies: d}, export.Selection{Accounts: []mail.Account{ann}, Mailboxes: names}, sink)
}

// Whatever is damaged: all that can be read is exported octet for octet, all else is named, and nothing else is.
func TestWalkLeavesOutOnlyWhatIsDamaged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		last := uint32(rapid.IntRange(1, 700).Draw(t, "last"))
		some := func(name string, most int) map[uint32]bool {
			out := map[uint32]bool{}
			for range rapid.IntRange(0, most).Draw(t, name) {
				first := rapid.Uint32Range(1, last).Draw(t, name+" at")
				for uid := first; uid < first+uint32(rapid.IntRange(1, 30).Draw(t, name+" long")); uid++ {
					out[uid] = true
				}
			}
			return out
		}
		d := &drive{boxes: []mail.Mailbox{{ID: 1, Name: "INBOX", UIDNext: last + 1}}, uids: map[mail.MailboxID][]uint32{}, broken: map[mail.BlobID]int{},
			blind: some("blind", 3), factual: some("factual", 3), forgot: some("forgot", 2), text: func(uid uint32) string { return fmt.Sprintf("text %d", uid) }}
		gaps := some("gaps", 3)
		for uid := uint32(1); uid <= last; uid++ {
			if !gaps[uid] {
				d.uids[1] = append(d.uids[1], uid)
			}
		}
		for uid := range some("broken", 3) {
			d.broken[mail.BlobID(uid)] = rapid.IntRange(0, 9).Draw(t, "after")
		}
		var c catch
		if err := walk(d, &c); err != nil {
			t.Fatal(err)
		}
		named := func(uid uint32) bool {
			return slices.ContainsFunc(c.missing, func(m export.Missing) bool { return m.First <= uid && uid <= m.Last })
		}
		for uid := uint32(1); uid <= last; uid++ {
			_, torn := d.broken[mail.BlobID(uid)]
			there := slices.Contains(d.uids[1], uid)
			readable := there && !d.blind[uid] && !d.factual[uid] && !d.forgot[uid] && !torn
			text, got := c.got["INBOX"][uid]
			switch {
			case got != readable, got && text != fmt.Sprintf("P:\r\ntext %d", uid):
				t.Fatalf("UID %d: exported %v %q, readable %v; missing: %v", uid, got, text, readable, c.missing)
			case there && !readable && !named(uid):
				t.Fatalf("UID %d is neither exported nor named: %v", uid, c.missing)
			case readable && named(uid), !there && !d.blind[uid] && named(uid):
				t.Fatalf("UID %d is named without need: %v", uid, c.missing)
			}
		}
	})
}

// Neighbours with one reason are told as one, in the order of UIDs, and the sentence names account, mailbox and UIDs.
func TestMissingIsToldInSentences(t *testing.T) {
	t.Parallel()
	d := &drive{boxes: []mail.Mailbox{{ID: 1, Name: "INBOX", UIDNext: 100}}, uids: map[mail.MailboxID][]uint32{1: {1, 5, 6, 99}}, text: func(uint32) string { return "x" },
		blind: map[uint32]bool{}, broken: map[mail.BlobID]int{99: 0}}
	for uid := uint32(5); uid < 40; uid++ {
		d.blind[uid] = true
	}
	var c catch
	if err := walk(d, &c); err != nil {
		t.Fatal(err)
	}
	want := []string{`ann@example.org in "INBOX": UIDs 5 to 39, as many as there were: the page is damaged`, `ann@example.org in "INBOX": UID 99: body 99 is damaged`}
	var got []string
	for _, m := range c.missing {
		got = append(got, m.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	c = catch{}
	d.listing = errPage
	if err := walk(d, &c); err != nil || len(c.missing) != 1 || c.missing[0].String() != "ann@example.org: its mailboxes cannot be listed: the page is damaged" {
		t.Errorf("%v, %v", c.missing, err)
	}
}

func TestWalkSelectsAndEnds(t *testing.T) {
	t.Parallel()
	d := &drive{boxes: []mail.Mailbox{{ID: 1, Name: "INBOX", UIDNext: 3, Messages: 2, Size: 10}, {ID: 2, Name: "Sent", UIDNext: 2, Messages: 1}},
		uids: map[mail.MailboxID][]uint32{1: {1, 2}, 2: {1}}, text: func(uint32) string { return "x" }}
	var c catch
	if err := walk(d, &c, "inbox"); err != nil || !slices.Equal(slices.Sorted(maps.Keys(c.got)), []string{"INBOX"}) || c.plan != (export.Plan{Accounts: 1, Mailboxes: 1, Messages: 2, Octets: 10}) {
		t.Errorf("%v %v %v", c.got, c.plan, err)
	}
	if err := walk(d, &catch{}, "Archive"); !mail.Is(err, mail.NotFound) || !strings.Contains(err.Error(), `no mailbox "Archive"`) {
		t.Errorf("got %v", err)
	}
	full := errors.New("no room")
	if err := walk(d, &catch{fail: full}); !errors.Is(err, full) {
		t.Errorf("a sink that fails gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := export.Walk(ctx, export.Source{Mailboxes: d, Bodies: d}, export.Selection{Accounts: []mail.Account{ann}}, &catch{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
