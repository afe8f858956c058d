package jmap_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/infra/web"
	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/town"
)

// listRequest is what a webmail asks for to show a list: 50 threads of a mailbox, with what a line shows.
const listRequest = `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[
["Email/query",{"accountId":"%[1]s","filter":{"inMailbox":"%[2]s"},"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true,"position":%[3]d,"limit":50},"0"],
["Email/get",{"accountId":"%[1]s","#ids":{"resultOf":"0","name":"Email/query","path":"/ids"},"properties":["id","threadId","mailboxIds","keywords","from","to","subject","receivedAt","size","preview","hasAttachment"]},"1"]]}`

// BenchmarkList asks for lists of a mailbox, page after page. The bar is 500 method calls a second per core; each request has two.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{2_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if n > 10_000 && testing.Short() {
				b.Skip("filing 100,000 messages takes long")
			}
			w := newWorld(b, nil)
			w.fill2(b, n)
			mux := web.NewMux()
			s := jmap.New(jmap.Config{Mailboxes: w.Store, Journal: w.Store, Blobs: w.Store, Bus: w.bus, Accounts: w.Store, Login: w.Auth, CleartextAuth: true})
			s.Register(mux, "")
			defer s.End()
			ask := func(position int) {
				r := httptest.NewRequest("POST", "/jmap/api", strings.NewReader(fmt.Sprintf(listRequest, w.vars["account"], w.vars["inbox"], position)))
				r.SetBasicAuth(ann, town.Password)
				r.Header.Set("Content-Type", "application/json")
				rec := httptest.NewRecorder()
				mux.ServeHTTP(rec, r)
				if body, _ := io.ReadAll(rec.Body); rec.Code != http.StatusOK || !strings.Contains(string(body), `"preview":"`) {
					b.Fatalf("%d %.300s", rec.Code, body)
				}
			}
			start := time.Now()
			ask(0)
			first := time.Since(start)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				ask(i * 50 % (n/2 - 50))
			}
			b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(float64(first.Milliseconds()), "ms-first")
		})
	}
}

// fill2 files many messages, two to a thread.
func (w *world) fill2(b *testing.B, n int) {
	const batch = 500
	inbox := w.boxes(b)[mail.Inbox]
	for i := 0; i < n; i += batch {
		var set mail.ChangeSet
		for j := range batch {
			k := i + j
			m := w.message(b, mail.Inbox, fmt.Sprintf("From: \"Sender %d\" <s%d@far.example>\nTo: ann@one.example\nSubject: Subject of thread %d\nMessage-ID: <%d@x>\nReferences: <t%d@x>\nDate: Mon, 23 Nov 2026 10:00:00 +0100\n\nDear Ann,\n\nthis is message %d, which has some text to be shown.\n%s",
				k%97, k%97, k/2, k, k/2, k, strings.Repeat("More of it follows here.\n", 20)), mail.FlagBits(k%2), town.Epoch.Add(time.Duration(k)*time.Second))
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
