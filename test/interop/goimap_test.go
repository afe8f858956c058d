package interop

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postrider/postrider/test/lab"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestGoIMAPReads reads, flags, files, searches, appends, idles and expunges with go-imap's client.
// RFC 9051 6.3.12, RFC 9051 6.4.4, RFC 9051 6.4.5, RFC 9051 6.4.6, RFC 9051 6.4.7, RFC 6851 3.1, RFC 4315 3, RFC 6154 2.
func TestGoIMAPReads(t *testing.T) {
	s, samples := filled(t)
	c := s.IMAP(t, ben, password, nil)
	lab.CheckAll(t, lab.Fetch(t, c, "INBOX"), samples)

	boxes := must[[]*imap.ListData](t)(c.List("", "*", &imap.ListOptions{ReturnSpecialUse: true}).Collect())
	for name, attr := range map[string]imap.MailboxAttr{"Drafts": imap.MailboxAttrDrafts, "Sent": imap.MailboxAttrSent, "Junk": imap.MailboxAttrJunk, "Trash": imap.MailboxAttrTrash} {
		if !slices.ContainsFunc(boxes, func(b *imap.ListData) bool { return b.Mailbox == name && slices.Contains(b.Attrs, attr) }) {
			t.Errorf("LIST shows no %s with %s", name, attr)
		}
	}

	done(t, c.Create("Work/2026/Übung", nil).Wait())
	raw := samples[8].Raw
	appended := must[*imap.AppendData](t)(appendMessage(c, "Work/2026/Übung", raw, []imap.Flag{imap.FlagSeen, "$Label1"}))
	selected := must[*imap.SelectData](t)(c.Select("Work/2026/Übung", nil).Wait())
	if appended.UID == 0 || appended.UIDValidity != selected.UIDValidity || selected.UIDNext != appended.UID+1 {
		t.Errorf("APPENDUID %d %d does not fit UIDVALIDITY %d, UIDNEXT %d", appended.UIDValidity, appended.UID, selected.UIDValidity, selected.UIDNext)
	}
	got := lab.Fetch(t, c, "Work/2026/Übung")
	if len(got) != 1 || !bytes.Equal(got[0].Raw, raw) || !strings.Contains(strings.ToLower(fmt.Sprint(got[0].Flags)), "$label1") || !got[0].Received.Equal(appendDate) {
		t.Errorf("what was appended came back changed: %v %v", got[0].Flags, got[0].Received)
	}

	must[*imap.SelectData](t)(c.Select("INBOX", nil).Wait())
	found := must[*imap.SearchData](t)(c.UIDSearch(&imap.SearchCriteria{Body: []string{"世界"}}, nil).Wait())
	if uids := found.AllUIDs(); len(uids) != 1 {
		t.Errorf("SEARCH BODY found %v", uids)
	}
	found = must[*imap.SearchData](t)(c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "DOTS"}}, NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait())
	dots := found.AllUIDs()
	if len(dots) != 1 {
		t.Fatalf("SEARCH SUBJECT found %v", dots)
	}
	done(t, c.Store(imap.UIDSetNum(dots[0]), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagAnswered}}, nil).Close())
	copied := must[*imap.CopyData](t)(c.Copy(imap.UIDSetNum(dots[0]), "Archive").Wait())
	if len(copied.DestUIDs) == 0 {
		t.Error("COPY gave no COPYUID")
	}
	must[*imapclient.MoveData](t)(c.Move(imap.UIDSetNum(dots[0]), "Work").Wait())
	for _, box := range []string{"Archive", "Work"} {
		list := lab.Fetch(t, c, box)
		if len(list) != 1 || !slices.Contains(list[0].Flags, imap.FlagAnswered) {
			t.Errorf("%s has %d messages, or one without the flag", box, len(list))
			continue
		}
		lab.CheckCarried(t, list[0].Raw, samples[1].Raw)
	}

	must[*imap.SelectData](t)(c.Select("INBOX", nil).Wait())
	done(t, c.Store(imap.SeqSetNum(1, 2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
	gone := must[[]uint32](t)(c.Expunge().Collect())
	if len(gone) != 2 {
		t.Errorf("EXPUNGE told of %v", gone)
	}
	status := must[*imap.StatusData](t)(c.Status("Archive", &imap.StatusOptions{NumMessages: true, UIDNext: true, NumUnseen: true}).Wait())
	if status.NumMessages == nil || *status.NumMessages != 1 || status.UIDNext != 2 {
		t.Errorf("STATUS of Archive: %+v", status)
	}
	done(t, c.Rename("Work", "Play", nil).Wait())
	done(t, c.Delete("Play/2026/Übung").Wait())
	if left := lab.Fetch(t, c, "INBOX"); len(left) != len(samples)-3 {
		t.Errorf("%d messages are left in INBOX, want %d", len(left), len(samples)-3)
	}
	done(t, c.Logout().Wait())
}

// appendDate is the INTERNALDATE that appended messages are given.
var appendDate = time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))

func appendMessage(c *imapclient.Client, box string, raw []byte, flags []imap.Flag) (*imap.AppendData, error) {
	cmd := c.Append(box, int64(len(raw)), &imap.AppendOptions{Flags: flags, Time: appendDate})
	if _, err := cmd.Write(raw); err != nil {
		return nil, err
	}
	if err := cmd.Close(); err != nil {
		return nil, err
	}
	return cmd.Wait()
}

// TestGoIMAPStructure asks for what a mail program shows before it reads a message: ENVELOPE, BODYSTRUCTURE and one part.
// RFC 9051 7.5.2, RFC 9051 6.4.5.1.
func TestGoIMAPStructure(t *testing.T) {
	s, samples := filled(t)
	c := s.IMAP(t, ben, password, nil)
	must[*imap.SelectData](t)(c.Select("INBOX", nil).Wait())
	part := &imap.FetchItemBodySection{Part: []int{2}, Peek: true}
	list := must[[]*imapclient.FetchMessageBuffer](t)(c.Fetch(imap.SeqSetNum(9), &imap.FetchOptions{Envelope: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{part}}).Collect())
	if len(list) != 1 {
		t.Fatalf("%d messages", len(list))
	}
	e := list[0].Envelope
	if e.Subject != "attachment" || len(e.From) != 1 || e.From[0].Addr() != ann || e.From[0].Name != "Ann Sender" || "<"+e.MessageID+">" != lab.Field(samples[8].Raw, "Message-ID") {
		t.Errorf("ENVELOPE is %+v", e)
	}
	multi, ok := list[0].BodyStructure.(*imap.BodyStructureMultiPart)
	if !ok || len(multi.Children) != 2 || !strings.EqualFold(multi.Subtype, "mixed") {
		t.Fatalf("BODYSTRUCTURE is %+v", list[0].BodyStructure)
	}
	file, ok := multi.Children[1].(*imap.BodyStructureSinglePart)
	if !ok || file.Filename() != "numbers.bin" || !strings.EqualFold(file.Encoding, "base64") {
		t.Errorf("the second part is %+v", multi.Children[1])
	}
	// The part's own size and content are as in the message.
	encoded := list[0].FindBodySection(part)
	if int(file.Size) != len(encoded) || !bytes.Contains(samples[8].Raw, encoded) || len(encoded) < 80_000 {
		t.Errorf("the part has %d octets, its structure says %d", len(encoded), file.Size)
	}
}

// TestGoIMAPIdles shows that a message arrives in an idling client by itself. RFC 2177 3.
func TestGoIMAPIdles(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	news := make(chan uint32, 10)
	c := s.IMAP(t, ben, password, &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
		if d.NumMessages != nil {
			news <- *d.NumMessages
		}
	}})
	must[*imap.SelectData](t)(c.Select("INBOX", nil).Wait())
	idle := must[*imapclient.IdleCommand](t)(c.Idle())
	for i, sample := range lab.Samples(ann, ben)[:3] {
		s.Submit(t, ann, simple, []string{ben}, sample.Raw)
		select {
		case n := <-news:
			if n != uint32(i+1) {
				t.Errorf("EXISTS says %d after message %d", n, i+1)
			}
		case <-time.After(lab.Patience):
			t.Fatal("no EXISTS while idling")
		}
	}
	done(t, idle.Close())
	done(t, idle.Wait())
}
