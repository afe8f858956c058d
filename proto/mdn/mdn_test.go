package mdn_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/mdn"
	"github.com/postrider/postrider/proto/message"
)

// read finds and reads the notification in a message.
func read(t *testing.T, text []byte) (*message.Part, mdn.Report, error) {
	t.Helper()
	s := message.NewScanner(message.Limits{})
	if _, err := s.Write(text); err != nil {
		t.Fatal(err)
	}
	root := s.Finish()
	p := mdn.Find(root)
	if p == nil {
		return root, mdn.Report{}, mdn.ErrNoReport
	}
	r, err := message.Contents(p, func(off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text[off : off+n])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := mdn.Parse(r)
	return root, rep, err
}

var displayed = mdn.Disposition{ActionMode: "manual-action", SendingMode: "mdn-sent-manually", Type: "displayed"}

// TestExample reads the notification of RFC 8098 9.
func TestExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/messages/rfc8098.eml")
	if err != nil {
		t.Fatal(err)
	}
	_, rep, err := read(t, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := mdn.Report{ReportingUA: "joes-pc.cs.example.com; Foomail 97.1", OriginalRecipient: "rfc822;Joe_Recipient@example.com",
		FinalRecipient: "rfc822;Joe_Recipient@example.com", OriginalMessageID: "<199509192301.23456@example.org>", Disposition: displayed}
	if diff := cmp.Diff(want, rep); diff != "" {
		t.Error(diff)
	}
}

// TestParse takes what others write (RFC 8098 3.1, RFC 8098 3.2.6).
func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]mdn.Report{
		"final-recipient: RFC822; a@b.example\r\ndisposition: (c) Manual-Action / MDN-Sent-Automatically ; Displayed/ERROR, x\r\nError: one\r\nError: two\r\nX-Mood: fine\r\n": {
			FinalRecipient: "RFC822; a@b.example", Errors: []string{"one", "two"}, Extensions: []mdn.Field{{Name: "X-Mood", Value: "fine"}},
			Disposition: mdn.Disposition{ActionMode: "manual-action", SendingMode: "mdn-sent-automatically", Type: "displayed", Modifiers: []string{"error", "x"}}},
		"\r\n\r\nFinal-Recipient: rfc822;\r\n a@b.example\r\n\r\nDisposition: automatic-action/MDN-sent-automatically;deleted\r\nFinal-Recipient: second\r\n": {
			FinalRecipient: "rfc822; a@b.example", Disposition: mdn.Disposition{ActionMode: "automatic-action", SendingMode: "mdn-sent-automatically", Type: "deleted"}},
		"Final-Recipient: x\nDisposition: displayed": {FinalRecipient: "x", Disposition: mdn.Disposition{ActionMode: "automatic-action", SendingMode: "mdn-sent-automatically", Type: "displayed"}},
	} {
		got, err := mdn.Parse(strings.NewReader(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	for _, text := range []string{"", "x", "Final-Recipient: rfc822; a@b\r\n", "Disposition: a/b; displayed\r\n", "Final-Recipient: x\r\nDisposition: (displayed)\r\n", strings.Repeat("\r\n", 1000)} {
		if _, err := mdn.Parse(strings.NewReader(text)); !errors.Is(err, mdn.ErrNoReport) {
			t.Errorf("%.50q: %v", text, err)
		}
	}
}

func address(t testing.TB, s string) addr.Address {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCompose: what is written is a message of the form of RFC 8098 3, and is read again; nothing that was said ends a field.
func TestCompose(t *testing.T) {
	t.Parallel()
	for name, global := range map[string]bool{"joe": false, "jörg": true} {
		m := mdn.Message{
			Report: mdn.Report{ReportingUA: "postrider\r\nX-Evil: 1", FinalRecipient: "rfc822; " + name + "@example.com", OriginalRecipient: "rfc822; first@example.com",
				OriginalMessageID: "<a@b.example>", Disposition: displayed, Extensions: []mdn.Field{{Name: "X-Mood", Value: "fine\r\n\r\nno"}}},
			From: message.Mailbox{Name: "Joe", Addr: address(t, name+"@example.com")}, To: []message.Mailbox{{Addr: address(t, "jane@example.org")}},
			Subject: "Read: Grüße\r\nX-Evil: 2", Text: "It was displayed.\nNothing more.", MessageID: "n1@example.com", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Original: strings.NewReader("Subject: Grüße\r\n\r\ntext\r\n"),
		}
		var b bytes.Buffer
		if err := mdn.Compose(&b, m); err != nil {
			t.Fatal(err)
		}
		root, rep, err := read(t, b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		want := m.Report
		want.ReportingUA, want.Extensions = "postrider  X-Evil: 1", []mdn.Field{{Name: "X-Mood", Value: "fine    no"}}
		if diff := cmp.Diff(want, rep); diff != "" {
			t.Error(diff)
		}
		h, _ := message.ParseHeader(b.Bytes())
		if h.Has("X-Evil") || h.Get("Auto-Submitted") != "auto-replied" || h.Get("In-Reply-To") != "<a@b.example>" || root.Param("report-type") != "disposition-notification" ||
			len(root.Children) != 3 || root.Children[2].Message() == nil || strings.Contains(strings.ReplaceAll(b.String(), "\r\n", ""), "\n") {
			t.Errorf("%s", b.Bytes())
		}
		if got := root.Children[1].Subtype == "global-disposition-notification"; got != global {
			t.Errorf("%s: global is %v", name, got)
		}
	}
	var b bytes.Buffer
	one := []message.Mailbox{{Addr: address(t, "a@b.example")}}
	for want, m := range map[error]mdn.Message{
		mdn.ErrNobody: {From: one[0], MessageID: "x"}, mdn.ErrNoMessageID: {From: one[0], To: one, MessageID: "<>"},
		mdn.ErrField: {From: one[0], To: one, MessageID: "x", Report: mdn.Report{Extensions: []mdn.Field{{Name: "Disposition", Value: "x"}}}},
	} {
		if err := mdn.Compose(&b, m); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if err := mdn.Compose(&b, mdn.Message{From: one[0], To: one, MessageID: "x", Report: mdn.Report{Extensions: []mdn.Field{{Name: "X: y\r\nZ", Value: "x"}}}}); !errors.Is(err, mdn.ErrField) {
		t.Error(err)
	}
}

// TestRequest reads who asks for a notification, and what speaks against it (RFC 8098 2).
func TestRequest(t *testing.T) {
	t.Parallel()
	const ask = "Return-Path: <jane@example.org>\r\nDisposition-Notification-To: Jane <jane@example.org>\r\n"
	for name, c := range map[string]struct {
		header   string
		to       int
		doubtful bool
		never    bool
		unknown  int
	}{
		"nobody":          {"Subject: x\r\n", 0, false, false, 0},
		"plain":           {ask, 1, false, false, 0},
		"twice the same":  {ask + "Disposition-Notification-To: jane@EXAMPLE.org\r\n", 1, false, false, 0},
		"another mailbox": {"Return-Path: <Jane@example.org>\r\nDisposition-Notification-To: jane@example.org\r\n", 1, true, false, 0},
		"several":         {ask + "Disposition-Notification-To: joe@example.org\r\n", 2, true, false, 0},
		"no sender":       {"Return-Path: <>\r\nDisposition-Notification-To: jane@example.org\r\n", 1, true, false, 0},
		"machine":         {ask + "Auto-Submitted: auto-generated (x)\r\n", 1, true, false, 0},
		"person":          {ask + "Auto-Submitted: no\r\n", 1, false, false, 0},
		"list":            {ask + "List-Id: <x.example.org>\r\n", 1, true, false, 0},
		"notification":    {ask + "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n", 1, false, true, 0},
		"options":         {ask + "Disposition-Notification-Options: signed-receipt-protocol=optional,pkcs7-signature; x-a=required,1; x-b = REQUIRED , 2\r\n", 1, false, false, 2},
		"garbage":         {"Disposition-Notification-To: please\r\n", 0, false, false, 0},
	} {
		h, _ := message.ParseHeader([]byte(c.header + "\r\n"))
		r := mdn.ReadRequest(&h)
		if len(r.To) != c.to || (r.Doubtful != "") != c.doubtful || (r.Never != "") != c.never || len(r.Unknown) != c.unknown {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// FuzzParse reads any octets; what is read can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("Final-Recipient: rfc822; a@b.example\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n"))
	f.Add([]byte("Final-Recipient: x\nDisposition: ;displayed/error,(\nError: =?utf-8?q?=C3?=\n\nX Y: z\n"))
	to := []message.Mailbox{{Addr: address(f, "a@b.example")}}
	f.Fuzz(func(t *testing.T, b []byte) {
		rep, err := mdn.Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		rep.Extensions = nil // their names may be none
		var out bytes.Buffer
		if err := mdn.Compose(&out, mdn.Message{Report: rep, From: to[0], To: to, MessageID: "x@y"}); err != nil {
			t.Fatal(err)
		}
		if _, again, err := read(t, out.Bytes()); err != nil || again.Disposition.Type != rep.Disposition.Type || again.Disposition.ActionMode != rep.Disposition.ActionMode {
			t.Fatalf("%+v became %+v: %v\n%q", rep, again, err, out.Bytes())
		}
	})
}

// FuzzRequest reads any header.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("Return-Path: <a@b>\r\nDisposition-Notification-To: a@b, c: d@e;\r\nDisposition-Notification-Options: a=required,b;\r\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		h, _ := message.ParseHeader(b)
		mdn.ReadRequest(&h)
	})
}
