package imap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	imapv2 "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"github.com/postrider/postrider/mail"
)

func client(w *world, opt *imapclient.Options) *imapclient.Client {
	c := imapclient.New(w.dial(), opt)
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put appends a message as the client does.
func put(t testing.TB, c *imapclient.Client, box string, body []byte, opt *imapv2.AppendOptions) *imapv2.AppendData {
	t.Helper()
	cmd := c.Append(box, int64(len(body)), opt)
	if _, err := cmd.Write(body); err != nil {
		t.Fatal(err)
	}
	must(t, cmd.Close())
	data, err := cmd.Wait()
	must(t, err)
	return data
}

// TestClientReads lets a client that we did not write log in, list, select, fetch and search.
func TestClientReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	c := client(w, nil)
	must(t, c.Authenticate(sasl.NewPlainClient("", "ann@example.org", "secret")))
	list, err := c.List("", "*", &imapv2.ListOptions{ReturnStatus: &imapv2.StatusOptions{NumMessages: true, UIDNext: true, Size: true,
		HighestModSeq: true, NumUnseen: true, AppendLimit: true}}).Collect()
	must(t, err)
	if len(list) != 3 || list[0].Mailbox != "INBOX" || *list[0].Status.NumMessages != 3 || !slices.Contains(list[2].Attrs, imapv2.MailboxAttrTrash) {
		t.Fatalf("%+v", list)
	}
	sel, err := c.Select("INBOX", &imapv2.SelectOptions{CondStore: true}).Wait()
	must(t, err)
	if sel.NumMessages != 3 || sel.UIDNext != 4 || sel.HighestModSeq == 0 {
		t.Fatalf("%+v", sel)
	}
	whole := &imapv2.FetchItemBodySection{Peek: true}
	text := &imapv2.FetchItemBodySection{Part: []int{1}, Specifier: imapv2.PartSpecifierNone, Peek: true}
	binary := &imapv2.FetchItemBinarySection{Part: []int{2}, Peek: true}
	msgs, err := c.Fetch(imapv2.SeqSetNum(1, 2), &imapv2.FetchOptions{UID: true, Flags: true, Envelope: true, InternalDate: true, RFC822Size: true, ModSeq: true,
		BodyStructure: &imapv2.FetchItemBodyStructure{Extended: true}, BodySection: []*imapv2.FetchItemBodySection{whole, text}}).Collect()
	must(t, err)
	if len(msgs) != 2 || msgs[1].Envelope.Subject != "Grüße and a file" || msgs[1].Envelope.From[0].Name != "André" || msgs[0].ModSeq == 0 {
		t.Fatalf("%+v", msgs)
	}
	if got := msgs[0].FindBodySection(whole); int64(len(got)) != msgs[0].RFC822Size || !bytes.HasPrefix(got, []byte("Received: from client.example")) {
		t.Errorf("%q", got)
	}
	if got := msgs[1].FindBodySection(text); string(got) != "Sch=C3=B6ne Gr=C3=BC=C3=9Fe" {
		t.Errorf("%q", got)
	}
	parts := 0
	msgs[1].BodyStructure.Walk(func([]int, imapv2.BodyStructure) bool { parts++; return true })
	if parts != 4 {
		t.Errorf("%d parts", parts)
	}
	bin, err := c.Fetch(imapv2.UIDSetNum(2), &imapv2.FetchOptions{BinarySection: []*imapv2.FetchItemBinarySection{binary},
		BinarySectionSize: []*imapv2.FetchItemBinarySectionSize{{Part: []int{2}}}}).Collect()
	must(t, err)
	if got := bin[0].FindBinarySection(binary); !bytes.Equal(got, []byte{0, 1, 2, 3, 4, 5}) {
		t.Errorf("%q", got)
	}
	found, err := c.UIDSearch(&imapv2.SearchCriteria{Or: [][2]imapv2.SearchCriteria{{{Text: []string{"noon"}}, {Header: []imapv2.SearchCriteriaHeaderField{{Key: "Subject", Value: "umweg"}}}}},
		NotFlag: []imapv2.Flag{imapv2.FlagDeleted}}, &imapv2.SearchOptions{ReturnAll: true, ReturnCount: true}).Wait()
	must(t, err)
	if fmt.Sprint(found.AllUIDs()) != "[1 3]" || found.Count != 2 {
		t.Errorf("%+v", found)
	}
	must(t, c.Logout().Wait())
}

// TestClientChanges lets that client append, flag, copy, move, expunge and manage mailboxes.
func TestClientChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := client(w, nil)
	must(t, c.Login("ann@example.org", "secret").Wait())
	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = 'a' + byte(rand.N(26))
		if i%70 == 69 {
			copy(big[i-1:], "\r\n")
		}
	}
	body := append([]byte("Subject: large\r\n\r\n"), big...)
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.FixedZone("", -3600))
	data := put(t, c, "INBOX", body, &imapv2.AppendOptions{Flags: []imapv2.Flag{imapv2.FlagSeen, "Custom"}, Time: at})
	if data.UID != 1 {
		t.Errorf("%+v", data)
	}
	put(t, c, "INBOX", []byte("Subject: two\r\n\r\nb"), nil)
	must(t, c.Create("Entwürfe/Neu & alt", &imapv2.CreateOptions{SpecialUse: []imapv2.MailboxAttr{imapv2.MailboxAttrDrafts}}).Wait())
	must(t, c.Subscribe("Entwürfe/Neu & alt").Wait())
	_, err := c.Select("INBOX", nil).Wait()
	must(t, err)
	whole := &imapv2.FetchItemBodySection{}
	msgs, err := c.Fetch(imapv2.SeqSetNum(1), &imapv2.FetchOptions{Flags: true, InternalDate: true, BodySection: []*imapv2.FetchItemBodySection{whole}}).Collect()
	must(t, err)
	if !bytes.Equal(msgs[0].FindBodySection(whole), body) || !msgs[0].InternalDate.Equal(at) || fmt.Sprint(msgs[0].Flags) != `[\Seen custom]` {
		t.Errorf("%v %v", msgs[0].Flags, msgs[0].InternalDate)
	}
	stored, err := c.Store(imapv2.SeqSetNum(2), &imapv2.StoreFlags{Op: imapv2.StoreFlagsAdd, Flags: []imapv2.Flag{imapv2.FlagFlagged}}, nil).Collect()
	must(t, err)
	if len(stored) != 1 || fmt.Sprint(stored[0].Flags) != `[\Flagged]` {
		t.Errorf("%+v", stored)
	}
	copied, err := c.Copy(imapv2.UIDSetNum(1, 2), "Entwürfe/Neu & alt").Wait()
	must(t, err)
	if copied.DestUIDs.String() != "1:2" {
		t.Errorf("%+v", copied)
	}
	moved, err := c.Move(imapv2.SeqSetNum(1), "Trash").Wait()
	must(t, err)
	if fmt.Sprint(moved.DestUIDs) != "1" || c.Mailbox().NumMessages != 1 {
		t.Errorf("%+v, %+v", moved, c.Mailbox())
	}
	must(t, c.Store(imapv2.SeqSetNum(1), &imapv2.StoreFlags{Op: imapv2.StoreFlagsAdd, Silent: true, Flags: []imapv2.Flag{imapv2.FlagDeleted}}, nil).Close())
	gone, err := c.Expunge().Collect()
	must(t, err)
	if fmt.Sprint(gone) != "[1]" {
		t.Errorf("%v", gone)
	}
	must(t, c.Rename("Entwürfe/Neu & alt", "Ablage", nil).Wait())
	st, err := c.Status("Ablage", &imapv2.StatusOptions{NumMessages: true, NumUnseen: true}).Wait()
	must(t, err)
	if *st.NumMessages != 2 || *st.NumUnseen != 1 {
		t.Errorf("%+v", st)
	}
	must(t, c.Unselect().Wait())
	must(t, c.Delete("Ablage").Wait())
	must(t, c.Logout().Wait())
}

// TestClientIdle lets that client wait over TLS for what another session does (RFC 9051 6.3.13), and wait on while nothing happens.
func TestClientIdle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.TLS = testTLS(); c.RequireTLSForAuth = true })
	news := make(chan uint32, 10)
	conn := w.dial()
	cfg := testTLS()
	cfg.InsecureSkipVerify = true
	c, err := imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: cfg, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				news <- *d.NumMessages
			}
		},
		Expunge: func(n uint32) { news <- 1000 + n },
	}})
	must(t, err)
	defer c.Close()
	must(t, c.Login("ann@example.org", "secret").Wait())
	_, err = c.Select("INBOX", nil).Wait()
	must(t, err)
	idle, err := c.Idle()
	must(t, err)
	for i := range 20 {
		w.append("INBOX", "", "Subject: news\r\n\r\n", mail.Flags{}, time.Now())
		if got := <-news; got != uint32(i+1) {
			t.Fatalf("%d messages after %d", got, i+1)
		}
	}
	box, err := w.store.Mailboxes(w.ctx, w.account)
	must(t, err)
	w.commit(mail.Expunge{Account: w.account, Mailbox: box[0].ID, UIDs: []mail.UIDRange{{First: 7, Last: 7}}})
	if got := <-news; got != 1007 {
		t.Fatalf("%d", got)
	}
	must(t, idle.Close())
	must(t, idle.Wait())
	must(t, c.Logout().Wait())
}

// TestClientPipelines sends many commands without waiting: their answers come in order (RFC 9051 5.5).
func TestClientPipelines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill()
	c := client(w, nil)
	login, sel := c.Login("ann@example.org", "secret"), c.Select("INBOX", nil)
	var waits []func() error
	for range 200 {
		waits = append(waits, c.Noop().Wait)
		f := c.Fetch(imapv2.SeqSetNum(1, 2, 3), &imapv2.FetchOptions{Flags: true, Envelope: true})
		waits = append(waits, func() error {
			got, err := f.Collect()
			if err == nil && len(got) != 3 {
				err = fmt.Errorf("%d messages", len(got))
			}
			return err
		})
	}
	must(t, login.Wait())
	_, err := sel.Wait()
	must(t, err)
	for _, wait := range waits {
		must(t, wait())
	}
}
