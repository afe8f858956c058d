package imap

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/imap"
)

// mirror is a client that knows its mailbox only by what untagged responses tell.
type mirror struct {
	t    *rapid.T
	conn net.Conn
	r    *bufio.Reader
	n    int

	msgs    []mirrored
	silent  bool // no EXPUNGE may come now
	qresync bool
	deltas  int
}

type mirrored struct {
	uid   uint32 // 0: not known yet
	flags string // sorted
}

var (
	existsLine   = regexp.MustCompile(`^\* (\d+) EXISTS$`)
	expungeLine  = regexp.MustCompile(`^\* (\d+) EXPUNGE$`)
	vanishedLine = regexp.MustCompile(`^\* VANISHED ([\d:,]+)$`)
	fetchLine    = regexp.MustCompile(`^\* (\d+) FETCH \((?:UID (\d+) ?)?(?:FLAGS \(([^)]*)\))?(?: ?MODSEQ \(\d+\))?(?: RFC822.SIZE \d+)?\)$`)
)

// take applies one response.
func (m *mirror) take(line string) {
	switch {
	case existsLine.MatchString(line):
		n, _ := strconv.Atoi(existsLine.FindStringSubmatch(line)[1])
		if n < len(m.msgs) {
			m.t.Fatalf("%s, though there were %d", line, len(m.msgs))
		}
		for len(m.msgs) < n {
			m.msgs = append(m.msgs, mirrored{flags: "?"})
		}
	case expungeLine.MatchString(line):
		n, _ := strconv.Atoi(expungeLine.FindStringSubmatch(line)[1])
		if m.silent || m.qresync || n < 1 || n > len(m.msgs) {
			m.t.Fatalf("%s at a time when it may not come", line)
		}
		m.msgs = slices.Delete(m.msgs, n-1, n)
	case vanishedLine.MatchString(line):
		if m.silent || !m.qresync {
			m.t.Fatalf("%s at a time when it may not come", line)
		}
		m.vanish(vanishedLine.FindStringSubmatch(line)[1])
	case fetchLine.MatchString(line):
		p := fetchLine.FindStringSubmatch(line)
		n, _ := strconv.Atoi(p[1])
		if n < 1 || n > len(m.msgs) {
			m.t.Fatalf("%s, though there are %d", line, len(m.msgs))
		}
		msg := &m.msgs[n-1]
		if p[2] != "" {
			uid, _ := strconv.ParseUint(p[2], 10, 32)
			if msg.uid != 0 && msg.uid != uint32(uid) {
				m.t.Fatalf("%s, but that is UID %d", line, msg.uid)
			}
			msg.uid = uint32(uid)
		}
		if strings.Contains(line, "FLAGS (") {
			msg.flags = sorted(p[3])
		}
		m.deltas++
	case strings.HasPrefix(line, "* ") && !strings.Contains(line, "FETCH"):
	default:
		m.t.Fatalf("what does this mean: %q", line)
	}
}

// vanish takes UIDs out. Messages whose UID the client never learned lie behind those it knows, in order.
func (m *mirror) vanish(set string) {
	for part := range strings.SplitSeq(set, ",") {
		lo, hi, both := strings.Cut(part, ":")
		if !both {
			hi = lo
		}
		a, _ := strconv.Atoi(lo)
		b, _ := strconv.Atoi(hi)
		for uid := a; uid <= b; uid++ {
			i := slices.IndexFunc(m.msgs, func(x mirrored) bool { return x.uid == uint32(uid) })
			if i < 0 {
				m.t.Fatalf("VANISHED %d, which the client does not have: %v", uid, m.msgs)
			}
			m.msgs = slices.Delete(m.msgs, i, i+1)
		}
	}
}

func sorted(flags string) string {
	f := strings.Fields(flags)
	slices.Sort(f)
	return strings.Join(f, " ")
}

// run sends a command and applies all that comes up to its answer.
func (m *mirror) run(keeps bool, format string, args ...any) string {
	m.n++
	tag := fmt.Sprintf("t%d", m.n)
	m.silent = keeps
	fmt.Fprintf(m.conn, "%s %s\r\n", tag, fmt.Sprintf(format, args...))
	for {
		line, err := m.r.ReadString('\n')
		if err != nil {
			m.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
		}
		line = strings.TrimRight(line, "\r\n")
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			if strings.HasPrefix(rest, "BAD") {
				m.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), rest)
			}
			return rest
		}
		m.take(line)
	}
}

// learn asks for what it does not know of new messages. Only UIDs are asked by number; flags came with EXISTS or come now.
func (m *mirror) learn() {
	for i, x := range m.msgs {
		if x.uid == 0 || x.flags == "?" {
			m.run(true, "FETCH %d:%d (UID FLAGS)", i+1, len(m.msgs))
			return
		}
	}
}

// TestView changes a mailbox at random from both sides and at all times: what a client makes of the untagged responses must be
// what the store holds, and no EXPUNGE may come when sequence numbers must stay (RFC 9051 7.5.1, RFC 7162 3.2.10).
func TestView(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	boxes, err := w.store.Mailboxes(w.ctx, w.account)
	must(t, err)
	inbox, trash := boxes[0].ID, boxes[2].ID
	rapid.Check(t, func(t *rapid.T) {
		w.commit(mail.Expunge{Account: w.account, Mailbox: inbox, UIDs: []mail.UIDRange{{First: 1}}})
		conn := w.dial()
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		m := &mirror{t: t, conn: conn, r: bufio.NewReader(conn), qresync: rapid.Bool().Draw(t, "qresync")}
		if _, err := m.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		m.run(false, "LOGIN ann@example.org secret")
		if m.qresync {
			m.run(false, "ENABLE QRESYNC")
		}
		fill := func(n int) {
			for range n {
				w.append("INBOX", "", "Subject: x\r\n\r\n", mail.Flags{}, time.Now())
			}
		}
		fill(rapid.IntRange(0, 6).Draw(t, "first"))
		m.run(false, "SELECT INBOX")
		m.learn()
		box, err := w.store.Mailbox(w.ctx, w.account, inbox)
		if err != nil {
			t.Fatal(err)
		}
		low := box.UIDNext - min(box.UIDNext-1, 8)
		uids := rapid.Custom(func(t *rapid.T) []mail.UIDRange {
			a := low + rapid.Uint32Range(0, 14).Draw(t, "uid")
			return []mail.UIDRange{{First: a, Last: a + rapid.Uint32Range(0, 3).Draw(t, "more")}}
		})
		flags := rapid.SampledFrom([]string{`\Seen`, `\Deleted`, `\Flagged`, `word`, `other`})
		num := func() int { return rapid.IntRange(1, len(m.msgs)).Draw(t, "number") }
		commit := func(c mail.Change) { w.commit(c) }
		t.Repeat(map[string]func(*rapid.T){
			"other appends": func(t *rapid.T) { fill(rapid.IntRange(1, 3).Draw(t, "n")) },
			"other flags": func(t *rapid.T) {
				f, _ := mail.ParseFlags(flags.Draw(t, "flag"))
				commit(mail.SetFlags{Account: w.account, Mailbox: inbox, UIDs: uids.Draw(t, "uids"), Op: mail.FlagsOp(rapid.IntRange(0, 2).Draw(t, "op")), Flags: f})
			},
			"other expunges": func(t *rapid.T) {
				commit(mail.Expunge{Account: w.account, Mailbox: inbox, UIDs: uids.Draw(t, "uids")})
			},
			"other moves": func(t *rapid.T) {
				commit(mail.MoveMessages{Account: w.account, From: inbox, To: trash, UIDs: uids.Draw(t, "uids"), Saved: time.Now()})
			},
			"store": func(t *rapid.T) {
				if len(m.msgs) == 0 {
					t.Skip("empty")
				}
				n, op, f := num(), rapid.SampledFrom([]string{"+", "-", ""}).Draw(t, "op"), flags.Draw(t, "flag")
				if rapid.Bool().Draw(t, "silent") {
					// A silent STORE tells nothing of what was asked for, so the client works it out itself.
					before := m.msgs[n-1].flags
					m.msgs[n-1].flags = worked(before, op, f)
					m.run(true, "STORE %d %sFLAGS.SILENT (%s)", n, op, f)
					return
				}
				m.run(true, "STORE %d %sFLAGS (%s)", n, op, f)
			},
			"fetch": func(t *rapid.T) {
				if len(m.msgs) == 0 {
					t.Skip("empty")
				}
				n := num()
				m.run(true, "FETCH %d:* (UID FLAGS RFC822.SIZE)", n)
			},
			"fetch flags": func(t *rapid.T) {
				if len(m.msgs) == 0 {
					t.Skip("empty")
				}
				m.run(true, "FETCH %d (UID FLAGS)", num())
			},
			"search":    func(t *rapid.T) { m.run(true, "SEARCH DELETED") },
			"uid fetch": func(t *rapid.T) { m.run(false, "UID FETCH %d:* (FLAGS)", low); m.learn() },
			"noop":      func(t *rapid.T) { m.run(false, "NOOP"); m.learn() },
			"expunge":   func(t *rapid.T) { m.run(false, "EXPUNGE"); m.learn() },
			"copy here": func(t *rapid.T) {
				if len(m.msgs) == 0 {
					t.Skip("empty")
				}
				m.run(false, "COPY %d INBOX", num())
				m.learn()
			},
			"move away": func(t *rapid.T) {
				if len(m.msgs) == 0 {
					t.Skip("empty")
				}
				m.run(false, "UID MOVE %d Trash", m.msgs[num()-1].uid)
				m.learn()
			},
			"": func(t *rapid.T) { m.learn() },
		})
		m.run(false, "NOOP")
		m.learn()
		m.run(false, "NOOP")
		m.compare(w, inbox)
	})
}

// worked is what a client believes after its own STORE.
func worked(before, op, flag string) string {
	f := strings.Fields(before)
	switch op {
	case "":
		f = []string{flag}
	case "+":
		if !slices.Contains(f, flag) {
			f = append(f, flag)
		}
	default:
		f = slices.DeleteFunc(f, func(x string) bool { return x == flag })
	}
	return sorted(strings.Join(f, " "))
}

func (m *mirror) compare(w *world, inbox mail.MailboxID) {
	var want []mirrored
	for p, err := range w.store.Placements(w.ctx, inbox, mail.UIDRange{First: 1}, 0) {
		if err != nil {
			m.t.Fatal(err)
		}
		want = append(want, mirrored{p.UID, sorted(strings.Join(p.Flags.Names(), " "))})
	}
	if !slices.Equal(want, m.msgs) {
		m.t.Fatalf("the client believes\n%v\nthe store holds\n%v", m.msgs, want)
	}
}

// TestViewSize shows what a session holds of a mailbox of 100,000 messages.
func TestViewSize(t *testing.T) {
	t.Parallel()
	v := &view{entries: make([]entry, 0, 100_000)}
	for uid := uint32(1); uid <= 100_000; uid++ {
		if _, err := v.put(uid, mail.Flags{Bits: mail.FlagBits(uid % 8)}, uint64(uid)); err != nil {
			t.Fatal(err)
		}
	}
	if octets := cap(v.entries) * 16; octets > 2<<20 || len(v.sets) != 8 {
		t.Errorf("%d octets, %d combinations of flags", octets, len(v.sets))
	}
	spans := v.uidSpans([]wire.Range{{First: 5, Last: 10}, {First: 99_999, Last: wire.Star}})
	if fmt.Sprint(spans) != "[{4 10} {99998 100000}]" || count(spans) != 8 {
		t.Errorf("%v", spans)
	}
	v.remove(spans)
	if _, ok := v.find(7); ok || len(v.entries) != 99_992 || v.lastUID() != 99_998 {
		t.Errorf("%d entries, the last %d", len(v.entries), v.lastUID())
	}
	if got := wire.FormatRanges(v.without([]wire.Range{{First: 1, Last: 12}})); got != "5:10" {
		t.Errorf("%s", got)
	}
}
