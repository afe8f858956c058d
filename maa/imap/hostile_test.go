package imap

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// raw is a client of few words.
type raw struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (w *world) raw() *raw {
	c := w.dial()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	r := &raw{w.t, c, bufio.NewReader(c)}
	r.until("* OK")
	return r
}

func (w *world) in() *raw {
	r := w.raw()
	r.do("a LOGIN ann@example.org secret", "a OK")
	return r
}

// until reads lines up to one that begins so, and gives them all.
func (r *raw) until(prefix string) []string {
	r.t.Helper()
	var all []string
	for {
		line, err := r.r.ReadString('\n')
		if err != nil {
			r.t.Fatalf("waiting for %q: %v after %q", prefix, err, all)
		}
		all = append(all, strings.TrimRight(line, "\r\n"))
		if strings.HasPrefix(line, prefix) {
			return all
		}
	}
}

func (r *raw) do(command, prefix string) []string {
	r.t.Helper()
	fmt.Fprintf(r, "%s\r\n", command)
	return r.until(prefix)
}

func (w *world) messages() int64 {
	boxes, err := w.store.Mailboxes(w.ctx, w.account)
	must(w.t, err)
	return boxes[0].Messages
}

// TestVanish lets clients vanish at every moment of APPEND: nothing is stored, and nothing is left open (newWorld sees to that).
func TestVanish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	body := strings.Repeat("Subject: gone\r\n", 20000)
	whole := fmt.Sprintf("b APPEND INBOX (\\Seen) {%d+}\r\n%s {5+}\r\nhello", len(body), body)
	for _, cut := range []int{3, 20, 40, 100, 5000, 200_000, len(whole) - 8, len(whole) - 1, len(whole)} {
		r := w.in()
		if _, err := io.WriteString(r, whole[:cut]); err != nil {
			t.Fatal(err)
		}
		if cut%2 == 0 {
			_ = r.Conn.(*net.TCPConn).SetLinger(0) // a reset
		}
		r.Close()
	}
	w.wg.Wait()
	if n := w.messages(); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

// TestSlow lets a client fall silent in the middle of commands: it is told BYE, or at least let go, in bounded time
// (RFC 9051 5.4), and before a login sooner.
func TestSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Limits.Read = 400 * time.Millisecond
		c.Limits.Idle = time.Second
		c.Limits.PreAuth = 1500 * time.Millisecond
	})
	start := time.Now()
	silent := w.raw()
	silent.until("* BYE autologout")
	for _, words := range []string{"b NO", "b APPEND INBOX {10+}\r\nabc", "b SELECT {5}\r\n"} {
		r := w.in()
		io.WriteString(r, words)
		r.until("* BYE autologout")
	}
	r := w.in()
	r.do("b IDLE", "+ idling")
	r.until("* BYE autologout")
	w.wg.Wait()
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestUnread lets a client ask for much and read nothing: the server gives up in bounded time, and holds little meanwhile.
func TestUnread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limits.Write = 100 * time.Millisecond })
	w.append("INBOX", "", "Subject: much\r\n\r\n"+strings.Repeat("0123456789\r\n", 500_000), mail.Flags{}, time.Now())
	r := w.in()
	_ = r.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	for range 20 {
		fmt.Fprintf(r, "b EXAMINE INBOX\r\nc FETCH 1 BODY[]\r\n")
	}
	w.wg.Wait()
}

// TestStop stops the server while clients wait and idle: each is told BYE, none is waited for (RFC 9051 7.1.5).
func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	waiting, idle, early := w.in(), w.in(), w.raw()
	idle.do("b SELECT INBOX", "b OK")
	idle.do("c IDLE", "+ idling")
	waiting.do("b SELECT INBOX", "b OK")
	w.stop()
	for _, r := range []*raw{waiting, idle, early} {
		r.until("* BYE [UNAVAILABLE] the server is stopping")
		if _, err := r.r.ReadByte(); err != io.EOF {
			t.Errorf("after BYE: %v", err)
		}
	}
	w.wg.Wait()
}

// TestDeleted deletes the selected mailbox of a session from another (RFC 2180 3.3).
func TestDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r, other := w.in(), w.in()
	other.do("b CREATE Temp", "b OK")
	r.do("b SELECT Temp", "b OK")
	r.do("c IDLE", "+ idling")
	other.do("c DELETE Temp", "c OK")
	r.until("* BYE [NONEXISTENT]")
	w.fill()
	other.do("d CREATE Temp", "d OK")
	r = w.in()
	r.do("b SELECT Temp", "b OK")
	other.do("e DELETE Temp", "e OK")
	r.do("c NOOP", "* BYE [NONEXISTENT]")
}

// TestDamaged has a body that cannot be read: its message alone gets no answer, the sentence says why (RFC 9051 7.1.2), and others are
// fetched. A long body that breaks off in the middle is found out before its size is announced.
func TestDamaged(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	w := newWorld(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&logged, nil)) })
	w.fill()
	long := w.append("INBOX", "", "Subject: long\r\n\r\n"+strings.Repeat("0123456789\r\n", 100_000), mail.Flags{}, time.Now())
	short := w.append("INBOX", "", "Subject: short\r\n\r\nx", mail.Flags{}, time.Now())
	w.blobs.mu.Lock()
	w.blobs.damaged[long.Blob] = 1_000_000
	w.blobs.damaged[short.Blob] = 0
	w.blobs.mu.Unlock()
	r := w.in()
	r.do("b SELECT INBOX", "b OK")
	got := r.do("c FETCH 1:* (UID BODY.PEEK[TEXT])", "c ")
	text := strings.Join(got, "\n")
	for _, want := range []string{"* 1 FETCH", "* 2 FETCH", "* 3 FETCH", "c NO [SERVERBUG] 2 messages are damaged and cannot be read; the others were fetched"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "* 4 FETCH") || strings.Contains(text, "* 5 FETCH") {
		t.Errorf("a damaged message was answered: %s", text)
	}
	r.do("d FETCH 4:5 (ENVELOPE BODYSTRUCTURE)", "d OK") // what is not damaged can be had
	r.do("d2 FETCH 4 (BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.10>)", "d2 OK")
	r.do("d3 FETCH 4 (BODY.PEEK[HEADER] BODY.PEEK[TEXT]<1000000.10>)", "d3 NO")
	got = r.do("e SEARCH TEXT noon", "e OK")
	if text = strings.Join(got, "\n"); !strings.Contains(text, "* NO 2 messages are damaged and were passed over") || !strings.Contains(text, "* SEARCH 1") {
		t.Errorf("%s", text)
	}
	r.do("f LOGOUT", "f OK")
	w.wg.Wait()
	if !strings.Contains(logged.String(), "damaged") || strings.Contains(logged.String(), "secret") {
		t.Errorf("the log: %s", logged.String())
	}
}

// TestGuessing ends the connection of a client that tries passwords, and of one that only talks nonsense.
func TestGuessing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limits.Failures = 3; c.Limits.Errors = 4 })
	r := w.raw()
	for range 2 {
		r.do("b LOGIN ann@example.org wrong", "b NO [AUTHENTICATIONFAILED]")
	}
	got := r.do("b LOGIN ann@example.org wrong", "b NO")
	if !strings.HasPrefix(got[0], "* BYE too many failed logins") {
		t.Errorf("%q", got)
	}
	r = w.in()
	for range 3 {
		r.do("b FLY", "b BAD")
	}
	r.do("b FLY", "b BAD")
	r.until("* BYE too many commands that cannot be understood")
}

// TestNeedsTLS shows that nobody logs in without TLS where it is required (RFC 9051 6.2.3).
func TestNeedsTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.TLS = testTLS(); c.RequireTLSForAuth = true })
	r := w.raw()
	got := r.do("a CAPABILITY", "* CAPABILITY")
	if !strings.Contains(got[0], " STARTTLS LOGINDISABLED") || strings.Contains(got[0], "AUTH=") {
		t.Errorf("%q", got)
	}
	r.do("b LOGIN ann@example.org secret", "b NO [PRIVACYREQUIRED]")
	r.do("c AUTHENTICATE PLAIN AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ=", "c NO [PRIVACYREQUIRED]")
}

// TestQuota refuses what there is no room for before it is sent, and what turns out to be too much (RFC 9208 5.1).
func TestQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.commit(mail.UpdateAccount{Account: mail.Account{ID: w.account, Quota: 10_000}})
	r := w.in()
	r.do("b APPEND INBOX {10001}", "b NO [OVERQUOTA]")
	r.do("c APPEND INBOX {6000+}\r\n"+strings.Repeat("x", 6000), "c OK")
	r.do("d APPEND INBOX {6000+}\r\n"+strings.Repeat("x", 6000), "d NO [OVERQUOTA]")
	r.do("e SELECT INBOX", "e OK")
	r.do("f COPY 1 Sent", "f NO [OVERQUOTA]")
	if got := r.do("g GETQUOTA \"\"", "g OK"); got[0] != `* QUOTA "" (STORAGE 6 9)` {
		t.Errorf("%q", got)
	}
}

// TestLarge fetches and appends a message of 50 MB: the server's heap must not grow with it.
func TestLarge(t *testing.T) {
	w := newWorld(t, nil) // not parallel: it measures the heap
	const size = 50 << 20
	r := w.in()
	line := strings.Repeat(strings.Repeat("0123456789abcde", 5)+"xyz\r\n", 1000)
	fmt.Fprintf(r, "b APPEND INBOX {%d+}\r\nSubject: large\r\n\r\n", size)
	left := size - len("Subject: large\r\n\r\n")
	high := watchHeap(t, func() {
		for left > 0 {
			n, err := io.WriteString(r, line[:min(len(line), left)])
			must(t, err)
			left -= n
		}
		io.WriteString(r, "\r\n")
		r.until("b OK")
		r.do("c SELECT INBOX", "c OK")
		for range 2 {
			fmt.Fprintf(r, "d FETCH 1 BODY.PEEK[]\r\n")
			r.until("* 1 FETCH (BODY[] {52428800}")
			if _, err := io.CopyN(io.Discard, r.r, size); err != nil {
				t.Fatal(err)
			}
			r.until("d OK")
		}
	})
	if high > 4<<20 {
		t.Errorf("the heap grew by %d KiB", high>>10)
	}
}

// TestGreedy asks for very much in one command: it is refused, or costs no more than other commands.
func TestGreedy(t *testing.T) {
	w := newWorld(t, nil) // not parallel: it measures the heap
	w.append("INBOX", "", "Subject: x\r\n\r\n"+strings.Repeat("0123456789\r\n", 5000), mail.Flags{}, time.Now())
	r := w.in()
	r.do("b SELECT INBOX", "b OK")
	r.do("c SEARCH"+strings.Repeat(" BODY x", 21), "c NO [LIMIT]")
	r.do("d LIST \"\" ("+strings.Repeat("a ", 50)+"a)", "d BAD more than 50 patterns")
	r.do("e SEARCH"+strings.Repeat(" ALL", 20001), "e BAD more than 20000 items")
	r.do("f FETCH "+strings.Repeat("1,", 20001)+"1 FLAGS", "f BAD more than 20000 items")
	const n = 300
	high := watchHeap(t, func() {
		fmt.Fprintf(r, "g FETCH 1 (BODY.PEEK[]%s)\r\n", strings.Repeat(" BODY.PEEK[] BODY.PEEK[HEADER.FIELDS.NOT (a)]", n))
		for {
			line, err := r.r.ReadSlice('\n')
			must(t, err)
			if bytes.HasPrefix(line, []byte("g ")) {
				return
			}
		}
	})
	if high > 4<<20 {
		t.Errorf("the heap grew by %d KiB", high>>10)
	}
	r.do("h APPEND INBOX"+strings.Repeat(" {1+}\r\nx", 101), "h NO [LIMIT] one APPEND takes 100 messages at most")
}

// watchHeap gives by how much the live heap was higher than before at most, while f ran.
func watchHeap(t testing.TB, f func()) uint64 {
	t.Helper()
	live := func() uint64 {
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := live()
	done, high := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, live())
			case <-done:
				high <- most
				return
			}
		}
	}()
	f()
	close(done)
	most := <-high
	if most < before {
		return 0
	}
	return most - before
}
