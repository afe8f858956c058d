package imap

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// many files n small messages in INBOX, a thousand to a commit.
func (w *world) many(n int) {
	w.t.Helper()
	first := w.append("INBOX", "", "From: a@example.net\r\nTo: ann@example.org\r\nSubject: one of many\r\nMessage-ID: <x@example.net>\r\n\r\ntext\r\n", mail.Flags{}, time.Now())
	m, err := w.store.Message(w.ctx, w.account, first.Email)
	must(w.t, err)
	body := mail.StoredBody{ID: m.Blob, Octets: m.Size}
	for left := n - 1; left > 0; {
		var set []mail.Change
		for range min(left, 1000) {
			set = append(set, mail.AddMessage{Account: w.account, Mailbox: first.Mailbox, Body: body, Summary: m.Summary, Received: time.Now(), Saved: time.Now(),
				Flags: mail.Flags{Bits: mail.FlagBits(left % 4)}})
			left--
		}
		w.commit(set...)
	}
}

// benchFetch measures one FETCH of all of 10,000 messages, as the client sees it.
func benchFetch(b *testing.B, what string) {
	w := newWorld(b, nil)
	const n = 10_000
	w.many(n)
	r := w.in()
	_ = r.SetDeadline(time.Now().Add(10 * time.Minute))
	r.do("b SELECT INBOX", "b OK")
	b.ReportAllocs()
	for b.Loop() {
		fmt.Fprintf(r, "c FETCH 1:* %s\r\n", what)
		for {
			line, err := r.r.ReadSlice('\n')
			must(b, err)
			if line[0] == 'c' {
				break
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/message")
}

func BenchmarkFetchFlags(b *testing.B)    { benchFetch(b, "FLAGS") }
func BenchmarkFetchEnvelope(b *testing.B) { benchFetch(b, "(UID FLAGS ENVELOPE RFC822.SIZE)") }
func BenchmarkFetchHeader(b *testing.B) {
	benchFetch(b, "(UID BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])")
}

func BenchmarkSelect(b *testing.B) {
	w := newWorld(b, nil)
	w.many(10_000)
	r := w.in()
	_ = r.SetDeadline(time.Now().Add(10 * time.Minute))
	for b.Loop() {
		r.do("b SELECT INBOX", "b OK")
	}
}

func BenchmarkSearch(b *testing.B) {
	w := newWorld(b, nil)
	w.many(10_000)
	r := w.in()
	_ = r.SetDeadline(time.Now().Add(10 * time.Minute))
	r.do("b SELECT INBOX", "b OK")
	for _, key := range []string{"UNSEEN", "SUBJECT absent", "SINCE 1-Jan-2020 LARGER 10000"} {
		b.Run(strings.ReplaceAll(key, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				r.do("c SEARCH "+key, "c OK")
			}
		})
	}
}

// idleMemory opens n idle sessions, and gives what each costs the process: heap and stacks, the client's side and the kernel's apart.
func idleMemory(t testing.TB, w *world, n int) uint64 {
	cost := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	clients := make([]io.Closer, 0, n)
	buf := make([]byte, 64<<10)
	before := cost()
	for range n {
		c := w.dial()
		clients = append(clients, c)
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(c, "a LOGIN ann@example.org secret\r\nb SELECT INBOX\r\nc IDLE\r\n")
		for got := ""; !strings.Contains(got, "+ idling"); {
			k, err := c.Read(buf)
			must(t, err)
			got += string(buf[:k])
		}
	}
	runtime.Gosched()
	after := cost()
	for _, c := range clients {
		c.Close()
	}
	if after < before {
		return 0
	}
	return (after - before) / uint64(n)
}

// TestIdleMemory bounds what an idle session costs.
func TestIdleMemory(t *testing.T) {
	w := newWorld(t, nil) // not parallel: it measures memory
	w.fill()
	if got := idleMemory(t, w, 300); got > 30<<10 && !raceEnabled {
		t.Errorf("an idle session costs %d octets", got)
	}
}

func BenchmarkIdleMemory(b *testing.B) {
	w := newWorld(b, nil)
	w.fill()
	for b.Loop() {
		b.ReportMetric(float64(idleMemory(b, w, 1000)), "octets/session")
	}
}

// BenchmarkStore sets a flag on all of 10,000 messages, and takes it off.
func BenchmarkStore(b *testing.B) {
	w := newWorld(b, nil)
	w.many(10_000)
	r := w.in()
	_ = r.SetDeadline(time.Now().Add(10 * time.Minute))
	r.do("b SELECT INBOX", "b OK")
	for b.Loop() {
		r.do(`c STORE 1:* +FLAGS.SILENT (\Flagged)`, "c OK")
		r.do(`d STORE 1:* -FLAGS.SILENT (\Flagged)`, "d OK")
	}
}
