package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
)

// A damaged body is named with its pack, its offset and the people it belongs to; all other mail is readable.
func TestVerifyNamesDamagedBodies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet(), PackSize: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	box := oneAccount(t, s)
	for n := range 12 {
		if err := fileOne(s, box, n); err != nil {
			t.Fatal(err)
		}
	}
	if faults, err := s.Verify(t.Context(), nil); err != nil || len(faults) != 0 {
		t.Fatalf("a sound store has %v, %v", faults, err)
	}
	damaged := map[mail.BlobID]bool{}
	for m, err := range s.Messages(t.Context(), box.Mailbox, mail.UIDRange{First: 2, Last: 8}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.UID%2 == 0 {
			ref := s.Place(t, m.Blob)
			flip(t, filepath.Join(dir, "packs", blob.PackName(ref.Pack)), ref.Offset+blob.HeaderSize+ref.Stored/2)
			damaged[m.Blob] = true
		}
	}
	var last store.Progress
	faults, err := s.Verify(t.Context(), func(p store.Progress) { last = p })
	if err != nil || len(faults) != len(damaged) {
		t.Errorf("%d bodies are damaged, named are %v, %v", len(damaged), faults, err)
	}
	if last.Done != last.Total || last.Total == 0 {
		t.Errorf("the progress ended at %+v", last)
	}
	for _, f := range faults {
		if !damaged[f.Blob] || len(f.Messages) != 1 || len(f.Queued) != 1 {
			t.Errorf("the fault is %+v", f)
		}
		for _, want := range []string{"pack", "offset", "a@example.org", "INBOX", "queue entry"} {
			if !strings.Contains(f.Text, want) {
				t.Errorf("%q does not name %q", f.Text, want)
			}
		}
	}
	for m, err := range s.Messages(t.Context(), box.Mailbox, mail.UIDRange{First: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), m.Blob)
		if err == nil {
			_, err = r.WriteTo(new(strings.Builder))
			r.Close()
		}
		if damaged[m.Blob] != mail.Is(err, mail.Internal) || !damaged[m.Blob] && err != nil {
			t.Errorf("body %d, damaged %v: %v", m.Blob, damaged[m.Blob], err)
		}
	}
	// A pack that is gone altogether.
	ref := s.Place(t, 1)
	if err := os.Remove(filepath.Join(dir, "packs", blob.PackName(ref.Pack))); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(t.Context(), store.Options{Dir: dir, Log: quiet(), PackSize: 100_000}); err != nil {
		t.Fatalf("without one pack the store does not open: %v", err)
	}
	defer s.Close()
	if more, err := s.Verify(t.Context(), nil); err != nil || len(more) <= len(faults) {
		t.Errorf("with a pack missing the faults are %v, %v", more, err)
	}
	if err := fileOne(s, box, 50); err != nil {
		t.Errorf("with a pack missing nothing can be filed: %v", err)
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// A damaged page of the index never stops the process, is named, and leaves readable what does not lie on it.
func TestVerifyDamagedPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	box := oneAccount(t, s)
	const n = 600
	for range n / 100 {
		set := mail.ChangeSet{}
		for range 100 {
			w, err := s.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte("body"))
			b, err := w.Seal()
			if err != nil {
				t.Fatal(err)
			}
			defer b.Discard()
			set.Add(mail.AddMessage{Account: box.Account, Mailbox: box.Mailbox, Body: b, Summary: make([]byte, 700)})
		}
		if _, err := s.Commit(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	pages := len(index) / page
	named := 0
	for k := 30; k < pages; k += max(1, pages/12) {
		copied := t.TempDir()
		bad := append([]byte{}, index...)
		for i := k * page; i < (k+1)*page; i++ {
			bad[i] = byte(i * 7)
		}
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, "store.db"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), store.Options{Dir: copied, Log: quiet()})
		if err != nil {
			t.Fatalf("with page %d damaged: %v", k, err)
		}
		faults, err := s.Verify(context.Background(), nil)
		if err != nil {
			t.Errorf("with page %d damaged verify gave up: %v", k, err)
		}
		if len(faults) > 0 {
			named++
		}
		if got := readable(s, box, n); got < n/2 {
			t.Errorf("with page %d damaged %d of %d messages are readable; faults: %v", k, got, n, faults)
		}
		if err := s.Close(); err != nil {
			t.Logf("close: %v", err)
		}
	}
	if named < 8 {
		t.Errorf("of 12 damaged pages %d were noticed", named)
	}
}

// readable counts the messages that can be read one by one, as an export does.
func readable(s *store.Store, box mail.Result, n int) (got int) {
	for id := range n {
		m, err := s.Message(context.Background(), box.Account, mail.EmailID(id+1))
		if err != nil {
			continue
		}
		r, err := s.Open(context.Background(), m.Blob)
		if err != nil {
			continue
		}
		r.Close()
		got++
	}
	return got
}

// Check names every breach of an invariant that a stranger's hand made.
func TestCheckNamesBreaches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ change, want string }{
		{`UPDATE mailbox SET messages = messages + 1`, "counts"},
		{`UPDATE mailbox SET unseen = 9`, "counts"},
		{`UPDATE mailbox SET uidnext = 1`, "UIDNEXT"},
		{`UPDATE mailbox SET modseq = 1`, "modseq"},
		{`UPDATE placement SET born = 99`, "before it came"},
		{`UPDATE placement SET born = 2 WHERE uid = 3`, "came at modseq"},
		{`INSERT INTO expunged VALUES (1, 2, 1, 1)`, "expunged"},
		{`INSERT INTO expunged VALUES (1, 2, 90, 91)`, "tombstone"},
		{`INSERT INTO expunged VALUES (77, 2, 1, 1)`, "tombstones of mailbox 77"},
		{`UPDATE message SET born = 99 WHERE id = 1`, "only at 99"},
		{`UPDATE mailbox SET born = 99`, "came at modseq 99"},
		{`UPDATE mailbox SET changed = 99`, "its history at modseq 99"},
		{`UPDATE account SET forgotten = 98`, "its history at modseq 98"},
		{`INSERT INTO departed VALUES (1, 97, 9, 9, 1)`, "its history at modseq 97"},
		{`INSERT INTO departed VALUES (55, 2, 9, 9, 1)`, "history of account 55"},
		{`INSERT INTO deleted_mailbox VALUES (1, 2, 1, 1)`, "was deleted, but is there"},
		{`INSERT INTO deleted_mailbox VALUES (1, 2, 1000, 1)`, "none of that number"},
		{`INSERT INTO note VALUES ('k', 'x', 55, 0, 0, x'')`, "is of account 55, which"},
		{`INSERT INTO placement SELECT 1, 8, 1, thread, modseq, 8, bits, keywords, size, received, saved FROM placement WHERE uid = 1`, "in mailbox 1 2 times"},
		{`UPDATE mailbox SET account = 55`, "account 55"},
		{`UPDATE mailbox SET name = 'x'`, "INBOX"},
		{`DELETE FROM domain`, "not ours"},
		{`DELETE FROM message WHERE id = 1`, "does not exist or differs"},
		{`DELETE FROM placement WHERE uid = 1`, "in no mailbox"},
		{`UPDATE message SET size = size + 1`, "octets"},
		{`UPDATE blob_extra SET refs = 3`, "referred to"},
		{`DELETE FROM queued`, "recipients of queue entry"},
		{`DELETE FROM queued_recipient`, "no recipients"},
		{`UPDATE queued_recipient SET due = 5`, "wrong time"},
		{`DELETE FROM blob WHERE id = 2`, "body 2"},
		{`UPDATE pack SET live = live - 1`, "living octets"},
		{`UPDATE blob SET start = 1 WHERE id = 2`, "overlap"},
		{`UPDATE pack SET octets = 10`, "past the end"},
		{`UPDATE counter SET email = 1`, "never given out"},
		{`DELETE FROM event WHERE id = 1`, "trail"},
		{`INSERT INTO placement SELECT 1, 9, 1, thread, modseq, born, 4, keywords, size, received, saved FROM placement WHERE uid = 1`, "different flags"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			box := oneAccount(t, s)
			for n := range 3 {
				if err := fileOne(s, box, n); err != nil {
					t.Fatal(err)
				}
			}
			rec := mail.Record{Event: mail.Event{Trace: "x", Outcome: mail.Accepted, From: "a@b.example"}}
			if _, err := s.Commit(t.Context(), mail.ChangeSet{Changes: []mail.Change{rec}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Meddle(t, c.change)
			if c.want == "trail" {
				s.Meddle(t, `DELETE FROM event`)
			}
			err = s.Check(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("after %s: %v", c.change, err)
			}
			if faults, err := s.Verify(t.Context(), nil); err != nil || len(faults) == 0 {
				t.Errorf("verify: %v, %v", faults, err)
			}
		})
	}
}
