package jmap_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/town"
)

// listRequest is what a webmail asks for to show a list: 50 threads of a mailbox, with what a line shows.
const listRequest = `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[
["Email/query",{"accountId":"%[1]s","filter":%[2]s,"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true,"position":%[3]d,"limit":50},"0"],
["Email/get",{"accountId":"%[1]s","#ids":{"resultOf":"0","name":"Email/query","path":"/ids"},"properties":["id","threadId","mailboxIds","keywords","from","to","subject","receivedAt","size","preview","hasAttachment"]},"1"]]}`

// BenchmarkList asks for lists of a mailbox, through ServeHTTP, with JSON both ways. The bar is 500 method calls a second per core; each request has two, and
// calls/core-s counts the processor's time, which on a busy machine is not the clock's.
//
//   - top: the first ten pages, over and over, as people look at them
//   - deep: pages about the middle of the mailbox
//   - walk: page after page, each for the first time
//   - first: the first page, from a server that knows nothing of the account
//   - text: a search for a word that one message in a hundred has, and its first page
func BenchmarkList(b *testing.B) {
	for _, n := range []int{2_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if n > 10_000 && testing.Short() {
				b.Skip("filing 100,000 messages takes long")
			}
			w := newWorld(b, nil)
			w.fill2(b, n)
			l := &lister{w: w, filter: fmt.Sprintf(`{"inMailbox":"%s"}`, w.vars["inbox"])}
			threads := n / 2
			b.Run("top", func(b *testing.B) { l.run(b, func(i int) int { return i % 10 * 50 }) })
			b.Run("deep", func(b *testing.B) { l.run(b, func(i int) int { return threads/2 + i%10*50 }) })
			b.Run("walk", func(b *testing.B) { l.run(b, func(i int) int { return i * 50 % (threads - 50) }) })
			b.Run("first", func(b *testing.B) {
				l.run(b, func(int) int {
					l.server = nil
					return 0
				})
			})
			if err := w.search.Index(b.Context(), w.IDs[ann]); err != nil {
				b.Fatal(err)
			}
			b.Run("text", func(b *testing.B) {
				n := 0
				l.run(b, func(int) int {
					n++ // another filter each time: its result is not kept
					l.filter = fmt.Sprintf(`{"inMailbox":"%s","text":"rareword","minSize":%d}`, w.vars["inbox"], n%300)
					return 0
				})
			})
		})
	}
}

// lister asks a server for lists.
type lister struct {
	w      *world
	server *jmap.Server
	filter string
}

func (l *lister) ask(b *testing.B, position int) {
	w := l.w
	if l.server == nil {
		l.server = jmap.New(jmap.Config{Mailboxes: w.Store, Journal: w.Store, Blobs: w.Store, Bus: w.bus, Accounts: w.Store, Login: w.Auth, CleartextAuth: true,
			Search: w.search, History: w.Store})
	}
	r := httptest.NewRequest("POST", "/jmap/api", strings.NewReader(fmt.Sprintf(listRequest, w.vars["account"], l.filter, position)))
	r.SetBasicAuth(ann, town.Password)
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	l.server.ServeHTTP(rec, r)
	if body, _ := io.ReadAll(rec.Body); rec.Code != http.StatusOK || strings.Count(string(body), `"preview":"`) < 10 {
		b.Fatalf("%d %.300s", rec.Code, body)
	}
}

func (l *lister) run(b *testing.B, position func(i int) int) {
	if l.server != nil {
		l.ask(b, 0)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := processor(b)
	for i := range b.N {
		l.ask(b, position(i))
	}
	b.StopTimer()
	used := processor(b) - before
	b.ReportMetric(2*float64(b.N)/used.Seconds(), "calls/core-s")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

// processor is the time that processors have spent on this process.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Skip(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill2 files many messages, two to a thread.
func (w *world) fill2(b *testing.B, n int) {
	const batch = 500
	inbox := w.boxes(b)[mail.Inbox]
	for i := 0; i < n; i += batch {
		var set mail.ChangeSet
		for j := range batch {
			k := i + j
			word := "common"
			if k%100 == 0 {
				word = "rareword"
			}
			m := w.message(b, mail.Inbox, fmt.Sprintf("From: \"Sender %d\" <s%d@far.example>\nTo: ann@one.example\nSubject: Subject of thread %d\nMessage-ID: <%d@x>\nReferences: <t%d@x>\nDate: Mon, 23 Nov 2026 10:00:00 +0100\n\nDear Ann,\n\nthis is message %d, which has some %s text to be shown.\n%s",
				k%97, k%97, k/2, k, k/2, k, word, strings.Repeat("More of it follows here.\n", 20)), mail.FlagBits(k%2), town.Epoch.Add(time.Duration(k)*time.Second))
			m.Mailbox = inbox
			set.Add(m)
		}
		if _, err := w.Store.Commit(b.Context(), set); err != nil {
			b.Fatal(err)
		}
		for _, c := range set.Changes {
			c.(mail.AddMessage).Body.(mail.SealedBody).Discard()
		}
	}
}
