package imap

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/search"
)

// twins are two sessions on one mailbox: one asks the index, the other reads every message. Whatever is searched for, they must
// find the same.
type twins struct {
	*world
	index         *search.Service
	quick, oracle *raw
	inbox, other  mail.MailboxID
	last          uint32 // UID
	n             int
}

func newTwins(t *testing.T) *twins {
	w := newWorld(t, nil)
	list, err := w.store.Mailboxes(w.ctx, w.account)
	must(t, err)
	x := &twins{world: w, inbox: list[0].ID, other: list[1].ID}
	x.restart()
	return x
}

// restart begins with an empty memory: nothing is there but what was committed.
func (x *twins) restart() {
	x.index = search.New(search.Config{Store: x.store, Mailboxes: x.store, Blobs: x.blobs, Memory: 1 << 20})
	x.srv.cfg.Search = x.index
	x.quick = x.in()
	x.quick.do("a SELECT INBOX", "a OK")
	x.srv.cfg.Search = nil
	x.oracle = x.in()
	x.oracle.do("a SELECT INBOX", "a OK")
}

// pieces are what messages and questions are made of.
var pieces = []string{"lunch", "Lunch", "at", "noon", "foo-bar", "foo", "bar", "x.y@z.example", "Grüße", "GRÜSSE", "Straße", "İstanbul", "ısı", "漢字", "今日は良い天気です", "🎉", "e\u0301", "naïve", "NAÏVE",
	"!!!", "...", "a", "b", "ab", "12", "2024-05-06", "\t", "=?utf-8?q?h=C3=A9?=", "ΣΑΣ", "σας", strings.Repeat("long", 80)}

func phrase(t *rapid.T, most int) string {
	list := rapid.SliceOfN(rapid.SampledFrom(pieces), 0, most).Draw(t, "pieces")
	return strings.Join(list, rapid.SampledFrom([]string{" ", "", ", ", "-", "\t"}).Draw(t, "between"))
}

// letter writes a message of one of several forms.
func (x *twins) letter(t *rapid.T) string {
	x.n++
	head := fmt.Sprintf("From: %s <%s@example.net>\r\nTo: Ann <ann@example.org>, %s\r\nSubject: %s\r\nX-Kind: %s\r\nMessage-ID: <%d.%s@example.net>\r\n", phrase(t, 2),
		rapid.SampledFrom([]string{"lunch", "foo.bar", "ann"}).Draw(t, "who"), phrase(t, 1), phrase(t, 4), phrase(t, 3), x.n, rapid.SampledFrom([]string{"a", "=?utf-8?q?b?=", "Foo"}).Draw(t, "id"))
	body := phrase(t, 8) + "\r\n" + phrase(t, 8) + "\r\n"
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return head + "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble lunch\r\n--b\r\n\r\n" + body + "\r\n--b\r\nContent-Type: application/x\r\n\r\nlunch foo\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: " +
			phrase(t, 3) + "\r\n\r\n" + phrase(t, 4) + "\r\n--b--\r\n"
	case 1:
		return head + "Content-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZSBsdW5jaA==\r\n"
	case 2:
		return head + "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe foo=\r\n-bar Stra=DFe\r\n"
	case 3:
		return "lunch without a header\r\n: none\r\n\r\n" + body
	}
	return head + "\r\n" + body
}

func (x *twins) file(t *rapid.T, n int) {
	for range n {
		prefix := ""
		if rapid.Bool().Draw(t, "prefix") {
			prefix = "Received: from foo-bar by lunch\r\n"
		}
		r := x.append("INBOX", prefix, x.letter(t), mail.Flags{Bits: mail.FlagBits(x.n % 4)}, time.Now())
		x.last = r.UID
	}
}

// key makes a search key.
func (x *twins) key(t *rapid.T, depth int) string {
	kinds := 9
	if depth > 0 {
		kinds = 12
	}
	text := phrase(t, 2)
	if rapid.IntRange(0, 3).Draw(t, "cut") == 0 && len(text) > 2 {
		r := []rune(text)
		text = string(r[rapid.IntRange(0, len(r)-1).Draw(t, "begin"):])
	}
	lit := fmt.Sprintf("{%d+}\r\n%s", len(text), text)
	switch rapid.IntRange(0, kinds-1).Draw(t, "key") {
	case 0, 1:
		return "TEXT " + lit
	case 2:
		return "BODY " + lit
	case 3:
		return rapid.SampledFrom([]string{"FROM ", "TO ", "CC ", "BCC "}).Draw(t, "list") + lit
	case 4:
		return "SUBJECT " + lit
	case 5:
		return "HEADER " + rapid.SampledFrom([]string{"X-Kind ", "Received ", "Message-ID ", "Subject ", "Kind "}).Draw(t, "name") + lit
	case 6:
		return "SEEN"
	case 7:
		return fmt.Sprintf("UID %d:*", rapid.IntRange(1, int(x.last)).Draw(t, "uid"))
	case 8:
		return "LARGER 600"
	case 9:
		return "NOT " + x.key(t, depth-1)
	case 10:
		return "OR " + x.key(t, depth-1) + " " + x.key(t, depth-1)
	}
	return "(" + x.key(t, depth-1) + " " + x.key(t, depth-1) + ")"
}

// agree has both search for the same.
func (x *twins) agree(t *rapid.T) {
	key := x.key(t, 2)
	var found [2]string
	for i, r := range []*raw{x.quick, x.oracle} {
		r.do("n NOOP", "n OK")
		all := r.do("s UID SEARCH CHARSET UTF-8 "+key, "s ")
		if !strings.HasPrefix(all[len(all)-1], "s OK") {
			t.Fatalf("%q: %q", key, all)
		}
		for _, line := range all {
			if strings.HasPrefix(line, "* SEARCH") {
				found[i] = line
			}
		}
	}
	if found[0] != found[1] {
		t.Fatalf("%q:\nby the index  %s\nby reading    %s", key, found[0], found[1])
	}
}

func (x *twins) some(t *rapid.T) []mail.UIDRange {
	first := uint32(rapid.IntRange(1, int(x.last)).Draw(t, "first"))
	return []mail.UIDRange{{First: first, Last: first + uint32(rapid.IntRange(0, 3).Draw(t, "more"))}}
}

// TestSearchIndexAgrees: what the index answers is what reading answers (RFC 9051 6.4.4), while messages come after it was built, are
// expunged, copied and moved, and after restarts.
func TestSearchIndexAgrees(t *testing.T) {
	t.Parallel()
	x := newTwins(t)
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		if f := flag.Lookup("rapid.checks"); runs >= usualRuns && f != nil && f.Value.String() == f.DefValue {
			return // enough for a test that everybody waits for
		}
		runs++
		x.t = t1{x.world.t, t}
		if x.n == 0 {
			x.file(t, narrowAt+20)
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {},
			"search": func(t *rapid.T) {
				for range 3 {
					x.agree(t)
				}
			},
			"file":  func(t *rapid.T) { x.file(t, 3) },
			"index": func(t *rapid.T) { must(x.t, x.index.Index(x.ctx, x.account)) },
			"expunge": func(t *rapid.T) {
				x.commit(mail.Expunge{Account: x.account, Mailbox: x.inbox, UIDs: x.some(t)})
			},
			"copy": func(t *rapid.T) {
				r := x.commit(mail.CopyMessages{Account: x.account, From: x.inbox, To: x.inbox, UIDs: x.some(t), Saved: time.Now()})
				for _, c := range r.Results[0].Copied {
					x.last = max(x.last, c.To)
				}
			},
			"move": func(t *rapid.T) {
				x.commit(mail.MoveMessages{Account: x.account, From: x.inbox, To: x.other, UIDs: x.some(t), Saved: time.Now()})
				r := x.commit(mail.MoveMessages{Account: x.account, From: x.other, To: x.inbox, UIDs: []mail.UIDRange{{First: 1}}, Saved: time.Now()})
				for _, c := range r.Results[0].Copied {
					x.last = max(x.last, c.To)
				}
			},
			"restart": func(t *rapid.T) {
				x.quick.Close()
				x.oracle.Close()
				x.restart()
			},
		})
	})
	mark, err := x.store.SearchMark(x.ctx, x.account)
	must(t, err)
	if len(mark.Segments) == 0 {
		t.Error("nothing was indexed")
	}
}

// usualRuns is how many runs there are when nobody asks for a number with -rapid.checks.
const usualRuns = 8

// t1 lets helpers of the world fail a rapid test.
type t1 struct {
	testing.TB
	rt *rapid.T
}

func (t t1) Fatal(args ...any)            { t.rt.Fatal(args...) }
func (t t1) Fatalf(f string, args ...any) { t.rt.Fatalf(f, args...) }

// TestSearchByIndexAlone: a question that the index answers exactly opens no message; a damaged one that it leaves open is told.
func TestSearchByIndexAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	opened := 0
	index := search.New(search.Config{Store: w.store, Mailboxes: w.store, Blobs: w.store})
	w.srv.cfg.Search = index
	w.srv.cfg.Blobs = countedBlobs{w.blobs, &opened}
	for i := range narrowAt + 10 {
		w.append("INBOX", "", fmt.Sprintf("Subject: number %d\r\nFrom: Bea <bea@example.net>\r\n\r\nmany words, the %dth\r\n", i, i), mail.Flags{}, time.Now())
	}
	must(t, index.Index(w.ctx, w.account))
	r := w.in()
	r.do("a SELECT INBOX", "a OK")
	for key, want := range map[string]string{"TEXT 17th": "* SEARCH 18", "BODY absent": "* SEARCH", `FROM "bea <bea@example.net>" SUBJECT "number 20"`: "* SEARCH 21",
		"NOT BODY words": "* SEARCH", `TEXT "seldom words"`: "* SEARCH"} {
		if got := r.do("b SEARCH "+key, "b OK")[0]; got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
	if opened != 0 {
		t.Errorf("%d messages were opened", opened)
	}
	if got := r.do(`b SEARCH TEXT "the 17th"`, "b OK")[0]; got != "* SEARCH 18" || opened != 1 {
		t.Errorf("%s, and %d messages were opened", got, opened)
	}
}

type countedBlobs struct {
	mail.Blobs
	opened *int
}

func (b countedBlobs) Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error) {
	*b.opened++
	return b.Blobs.Open(ctx, id)
}
