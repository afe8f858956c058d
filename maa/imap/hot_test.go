package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// TestHot shows what is remembered of mailboxes: the later state, within a bound, the ones used last.
func TestHot(t *testing.T) {
	t.Parallel()
	h := newHot()
	box := func(id mail.MailboxID, modseq uint64, n int) *snapshot {
		return &snapshot{id: id, modseq: modseq, entries: make([]entry, n)}
	}
	h.put(box(1, 5, 10))
	h.put(box(1, 4, 10))
	if got := h.get(1); got.modseq != 5 {
		t.Errorf("an earlier state took the place of a later one: %d", got.modseq)
	}
	const n = hotOctets / 16 / 4
	for id := range mail.MailboxID(5) {
		h.get(1)
		h.put(box(id+2, 1, n))
	}
	var kept []mail.MailboxID
	for id := range h.boxes {
		kept = append(kept, id)
	}
	slices.Sort(kept)
	if fmt.Sprint(kept) != "[1 4 5 6]" || h.octets > hotOctets || h.order.Len() != len(kept) {
		t.Errorf("kept %v, %d octets", kept, h.octets)
	}
	h.put(box(9, 1, 5*n))
	if h.get(9) != nil || h.get(6) == nil {
		t.Error("a mailbox of more than all room was kept")
	}
}

// TestSnapshot shows that a mailbox that is opened again is what it is by then, and that a session's view of it does not reach into
// another's (RFC 9051 6.3.2).
func TestSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 3 {
		w.append("INBOX", "", fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", i), mail.Flags{Keywords: "old"}, time.Now())
	}
	one, two := w.in(), w.in()
	one.do("a SELECT INBOX", "a OK")
	two.do("a SELECT INBOX", "a OK")
	one.do(`b STORE 1:* FLAGS (new)`, "b OK")
	one.do(`c STORE 2 +FLAGS (\Deleted)`, "c OK")
	one.do("d EXPUNGE", "d OK")
	if got := strings.Join(two.do("e FETCH 1:3 (UID FLAGS)", "e OK"), "\n"); strings.Count(got, "FLAGS (old)") != 3 {
		t.Errorf("a view saw what its client was not told of:\n%s", got)
	}
	one.do("f UNSELECT", "f OK")
	w.append("INBOX", "", "Subject: 4\r\n\r\nx\r\n", mail.Flags{Bits: mail.Seen}, time.Now())
	got := strings.Join(one.do("g SELECT INBOX", "g OK"), "\n")
	if !strings.Contains(got, "* 3 EXISTS") || strings.Contains(got, "old") || !strings.Contains(got, "new") {
		t.Errorf("opened again:\n%s", got)
	}
	got = strings.Join(one.do("h FETCH 1:* (UID FLAGS)", "h OK"), "\n")
	for _, want := range []string{"* 1 FETCH (UID 1 FLAGS (new))", "* 2 FETCH (UID 3 FLAGS (new))", `* 3 FETCH (UID 4 FLAGS (\Seen))`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}
