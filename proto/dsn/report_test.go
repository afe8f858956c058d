package dsn_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dsn"
	"github.com/postrider/postrider/proto/message"
)

var now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func sample() dsn.Message {
	original, _ := message.ParseHeader([]byte("Received: from x\r\nFrom: Ann <ann@example.com>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\nMessage-ID: <orig@example.com>\r\nBcc: secret@example.com\r\n"))
	return dsn.Message{
		Report: dsn.Report{ReportingMTA: "mx.example.com", EnvelopeID: "env+1", ArrivalDate: now.Add(-25 * time.Hour), Recipients: []dsn.Recipient{
			{Original: "rfc822;bob@example.net", Final: "bo@example.net", Action: dsn.Failed, Status: dsn.Status{Class: 5, Subject: 1, Detail: 1}, RemoteMTA: "mx.example.net",
				Diagnostic: "550 5.1.1 No such user here", LastAttempt: now.Add(-time.Minute)},
			{Final: "cy@example.org", Action: dsn.Delayed, Status: dsn.Status{Class: 4, Subject: 4, Detail: 1}, Reason: "no host of example.org could be reached", WillRetryUntil: now.Add(96 * time.Hour)},
		}},
		To: addr.Address{Local: "ann", Domain: "example.com"}, MessageID: "<report@mx.example.com>", Date: now, Original: original, Postmaster: "postmaster@example.com",
	}
}

func compose(t testing.TB, m dsn.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := dsn.Compose(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func scan(raw []byte) *message.Part {
	s := message.NewScanner(message.Limits{})
	_, _ = s.Write(raw)
	return s.Finish()
}

func content(t testing.TB, raw []byte, p *message.Part) string {
	t.Helper()
	r, err := message.Contents(p, func(offset, length int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw[offset : offset+length])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// RFC 3464 2, RFC 6522 3, RFC 3834 5, RFC 3461 6.2, RFC 3461 6.3
func TestCompose(t *testing.T) {
	t.Parallel()
	raw := compose(t, sample())
	root := scan(raw)
	if root.Subtype != "report" || root.Param("report-type") != "delivery-status" || len(root.Children) != 3 {
		t.Fatalf("the container is wrong: %s", raw)
	}
	h, _ := message.ParseHeader(raw)
	for name, want := range map[string]string{
		"From": "Mail Delivery System <mailer-daemon@mx.example.com>", "To": "ann@example.com", "Auto-Submitted": "auto-replied", "Message-ID": "<report@mx.example.com>",
		"In-Reply-To": "<orig@example.com>", "References": "<orig@example.com>", "Date": "Tue, 24 Nov 2026 10:00:00 +0000", "MIME-Version": "1.0",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := h.Text("Subject"); got != "Not delivered: Grüße" {
		t.Errorf("Subject %q", got)
	}
	want := `This is the mail system at mx.example.com.

It is about your message "Grüße" of Mon, 23 Nov 2026 09:00:00 +0000.

It could NOT be delivered to the following, and nothing more will be tried:

  bo@example.net
    You had written to bob@example.net.
    There is no mailbox with this address.
    The server mx.example.net said:
      550 5.1.1 No such user here
    What you can do: Check the address for typing errors. If it is right,
    reach the recipient some other way and ask for their current address.

It could not be delivered YET to the following. You need not send it again; attempts go on by themselves:

  cy@example.org
    The recipient's mail system did not answer.
    More exactly: no host of example.org could be reached
    Attempts go on until Sat, 28 Nov 2026 10:00:00 +0000.

If you need help, write to postmaster@example.com and send this report along.

What follows is the same for machines, and your message's header.
`
	if got := strings.ReplaceAll(content(t, raw, root.Children[0]), "\r\n", "\n"); got != want {
		t.Errorf("the words are\n%s\nwant\n%s", got, want)
	}
	want = `Original-Envelope-Id: env+1
Reporting-MTA: dns; mx.example.com
Arrival-Date: Mon, 23 Nov 2026 09:00:00 +0000

Original-Recipient: rfc822; bob@example.net
Final-Recipient: rfc822; bo@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550 5.1.1 No such user here
Last-Attempt-Date: Tue, 24 Nov 2026 09:59:00 +0000

Final-Recipient: rfc822; cy@example.org
Action: delayed
Status: 4.4.1
Will-Retry-Until: Sat, 28 Nov 2026 10:00:00 +0000
`
	part := dsn.Find(root)
	if part != root.Children[1] || part.Subtype != "delivery-status" {
		t.Fatal("the part for machines is not found")
	}
	if got := strings.ReplaceAll(content(t, raw, part), "\r\n", "\n"); got != want {
		t.Errorf("the machine's part is\n%s\nwant\n%s", got, want)
	}
	last := root.Children[2]
	if got := content(t, raw, last); last.Subtype != "rfc822-headers" || !strings.HasPrefix(got, "Received: from x\r\nFrom: Ann") || strings.Contains(got, "secret") {
		t.Errorf("the header that goes back: %s %q", last.Subtype, got)
	}
	if bytes.Contains(raw, []byte("<<")) || bytes.ContainsFunc(raw, func(r rune) bool { return r >= 0x7f }) {
		t.Errorf("doubled brackets or octets that are not ASCII: %s", raw)
	}
}

// RFC 3461 4.3
func TestComposeWithBody(t *testing.T) {
	t.Parallel()
	m := sample()
	m.Recipients = m.Recipients[1:]
	m.Body = iotest.HalfReader(strings.NewReader("hello\r\n--not our boundary\r\nworld\r\n"))
	raw := compose(t, m)
	root := scan(raw)
	inner := root.Children[2].Message()
	if inner == nil || inner.Envelope.MessageID != "<orig@example.com>" || string(raw[inner.BodyOffset:inner.End]) != "hello\r\n--not our boundary\r\nworld\r\n" {
		t.Fatalf("the message does not come back whole: %s", raw)
	}
	h, _ := message.ParseHeader(raw)
	if got := h.Text("Subject"); got != "Not delivered yet: Grüße" {
		t.Errorf("Subject %q", got)
	}
	broken := errors.New("disk is gone")
	m.Body = iotest.ErrReader(broken)
	if err := dsn.Compose(io.Discard, m); !errors.Is(err, broken) {
		t.Errorf("a body that cannot be read: %v", err)
	}
}

func TestComposeRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[error]func(*dsn.Message){
		dsn.ErrNoRecipients: func(m *dsn.Message) { m.Recipients = nil },
		dsn.ErrNullSender:   func(m *dsn.Message) { m.To = addr.Address{} },
		dsn.ErrNoMessageID:  func(m *dsn.Message) { m.MessageID = "<>" },
	} {
		m := sample()
		change(&m)
		if err := dsn.Compose(io.Discard, m); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	r, pipe := io.Pipe()
	_ = r.Close()
	if err := dsn.Compose(pipe, sample()); err == nil {
		t.Error("a writer that fails is not told")
	}
}

func TestGoodNews(t *testing.T) {
	t.Parallel()
	for action, want := range map[dsn.Action][2]string{
		dsn.Delivered: {"Delivered: Grüße", "It is in the mailbox of the following:\r\n\r\n  bo@example.net\r\n    You had written to bob@example.net.\r\n\r\nWhat follows"},
		dsn.Relayed:   {"Passed on: Grüße", "to a system that does not report"},
		dsn.Expanded:  {"Passed on: Grüße", "to the members of the following:"},
	} {
		m := sample()
		m.Recipients = m.Recipients[:1]
		m.Recipients[0].Action, m.Recipients[0].Status, m.Recipients[0].Diagnostic = action, dsn.Status{}, ""
		raw := compose(t, m)
		h, _ := message.ParseHeader(raw)
		root := scan(raw)
		if got := content(t, raw, root.Children[0]); h.Text("Subject") != want[0] || !strings.Contains(got, want[1]) || strings.Contains(got, "What you can do") {
			t.Errorf("%v: %q\n%s", action, h.Text("Subject"), got)
		}
		if got := content(t, raw, dsn.Find(root)); !strings.Contains(got, "Status: 2.0.0") {
			t.Errorf("%v: a success without a status: %s", action, got)
		}
	}
}

// RFC 6533 4, RFC 6533 3, RFC 6532 3.7
func TestComposeUTF8(t *testing.T) {
	t.Parallel()
	m := sample()
	m.Recipients = []dsn.Recipient{{Final: "jøran@xn--blbr-roah.example", Action: dsn.Failed, Diagnostic: "550 5.6.7 kein Postfach für dich"}}
	m.Original.Append("X-Raw", "x")
	m.Original.AppendRaw([]byte("To: jøran@blåbær.example\n"))
	raw := compose(t, m)
	root := scan(raw)
	part := dsn.Find(root)
	got := content(t, raw, part)
	if !m.NeedsUTF8() || part.Subtype != "global-delivery-status" || part.Encoding != "8bit" || !strings.Contains(got, "Final-Recipient: utf-8; jøran@xn--blbr-roah.example\r\n") || !strings.Contains(got, "für dich") || !strings.Contains(got, "Status: 5.6.7") {
		t.Errorf("%+v %s", part, got)
	}
	if got := root.Children[2]; got.Subtype != "global-headers" || !strings.HasSuffix(content(t, raw, got), "To: jøran@blåbær.example\r\n") {
		t.Errorf("%s %q", got.Subtype, content(t, raw, got))
	}
	if words := content(t, raw, root.Children[0]); !strings.Contains(words, "  jøran@blåbær.example\r\n") {
		t.Error(words)
	}
	m = sample()
	m.Recipients[0].Diagnostic = "550 für"
	raw = compose(t, m)
	if got := content(t, raw, dsn.Find(scan(raw))); m.NeedsUTF8() || !strings.Contains(got, "550 f?r") {
		t.Errorf("a report to plain addresses is not plain: %s", got)
	}
}

func TestReturnedHeaderIsBounded(t *testing.T) {
	t.Parallel()
	m := sample()
	m.Original.AppendRaw([]byte("X-Big: " + strings.Repeat("x", 900) + "\r\n"))
	for range 200 {
		m.Original.AppendRaw([]byte("X-Big: " + strings.Repeat("x", 900) + "\r\n"))
	}
	m.Original.AppendRaw([]byte("X-Bad: a\rb\x00c\xff\n"))
	raw := compose(t, m)
	last := scan(raw).Children[2]
	if last.Size() > dsn.MaxReturnedHeader+1000 || last.Size() < dsn.MaxReturnedHeader/2 {
		t.Errorf("%d octets of header go back", last.Size())
	}
	if bytes.ContainsAny(bytes.ReplaceAll(raw, []byte("\r\n"), nil), "\r\n\x00") {
		t.Error("a bare CR, LF or NUL goes out")
	}
}

// What was composed is read back the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	m := sample()
	m.ReceivedFrom = "client.example.com"
	raw := compose(t, m)
	got, err := dsn.Parse(strings.NewReader(content(t, raw, dsn.Find(scan(raw)))))
	want := m.Report
	want.Recipients[1].Reason = ""
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
}

// Whatever a remote host said, the report stays a report.
func TestReportCannotBeInjected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(x\r\n|\r\n\r\n|;|\\|"|\x00|=\?utf-8\?q\?=0A\?=|--=_report|\xff){1,20}`))
		m := sample()
		m.ReportingMTA, m.ReceivedFrom, m.EnvelopeID, m.Postmaster = text.Draw(t, "mta"), text.Draw(t, "from"), text.Draw(t, "envid"), text.Draw(t, "postmaster")
		r := &m.Recipients[0]
		r.Original, r.RemoteMTA, r.Diagnostic, r.Reason = "rfc822;"+text.Draw(t, "original"), text.Draw(t, "remote"), text.Draw(t, "diagnostic"), text.Draw(t, "reason")
		m.Original = message.Header{}
		m.Original.Append("Subject", text.Draw(t, "subject"))
		m.Original.Append("Message-ID", text.Draw(t, "id"))
		var b bytes.Buffer
		if err := dsn.Compose(&b, m); err != nil {
			t.Fatal(err)
		}
		raw := b.Bytes()
		if bytes.ContainsAny(bytes.ReplaceAll(raw, []byte("\r\n"), nil), "\r\n\x00") {
			t.Fatalf("a bare CR, LF or NUL goes out: %q", raw)
		}
		root := scan(raw)
		h, _ := message.ParseHeader(raw)
		part := dsn.Find(root)
		if len(root.Children) != 3 || part == nil || h.Count("To") != 1 || h.Len() > 11 {
			t.Fatalf("%s", raw)
		}
		got, err := dsn.Parse(bytes.NewReader(raw[part.BodyOffset:part.End]))
		if err != nil || len(got.Recipients) != 2 || got.Recipients[0].Final != "bo@example.net" || got.Recipients[0].Action != dsn.Failed || got.Recipients[1].Final != "cy@example.org" {
			t.Fatalf("%+v, %v\n%s", got, err, raw)
		}
	})
}

// RFC 3464 2.1, RFC 3464 2.2, RFC 3464 2.3
func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]dsn.Report{
		"Reporting-MTA: DNS; a.example\nArrival-Date: Tue, 24 Nov 2026 10:00:00 +0000\n\nFinal-Recipient: RFC822; <b@c>\nAction: FAILED (oh)\nStatus: 5.1.1 (bad)\nDiagnostic-Code: SMTP; 550 5.1.1\n no; user\nRemote-MTA: dns;d.example\n": {
			ReportingMTA: "a.example", ArrivalDate: now, Recipients: []dsn.Recipient{{Final: "b@c", Action: dsn.Failed, Status: dsn.Status{Class: 5, Subject: 1, Detail: 1}, Diagnostic: "550 5.1.1 no; user", RemoteMTA: "d.example"}}},
		"\n\nReporting-MTA: a\n\n\n\nOriginal-Recipient:RFC822; b@c\nStatus:x\nDiagnostic-Code:smtp;452 4.2.2 full\n\n\n\n": {
			ReportingMTA: "a", Recipients: []dsn.Recipient{{Original: "rfc822;b@c", Final: "b@c", Status: dsn.Status{Class: 4, Subject: 2, Detail: 2}, Diagnostic: "452 4.2.2 full"}}},
		"Final-Recipient: b@c\nReporting-MTA: a\nAction: delayed": {ReportingMTA: "a", Recipients: []dsn.Recipient{{Final: "b@c", Action: dsn.Delayed}}},
		"Final-Recipient: utf-8; jøran@c\n":                       {Recipients: []dsn.Recipient{{Final: "jøran@c"}}},
	} {
		for _, raw := range []string{in, strings.ReplaceAll(in, "\n", "\r\n")} {
			if got, err := dsn.Parse(strings.NewReader(raw)); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q gives\n%+v, %v; want\n%+v", raw, got, err, want)
			}
		}
	}
	for _, in := range []string{"", "\n\n", "hello", "Reporting-MTA: dns; a\n\n", "Action: failed\n"} {
		if got, err := dsn.Parse(strings.NewReader(in)); !errors.Is(err, dsn.ErrNoReport) {
			t.Errorf("%q gives %+v, %v", in, got, err)
		}
	}
	if _, err := dsn.Parse(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader that fails: %v", err)
	}
	got, err := dsn.Parse(strings.NewReader(strings.Repeat("Final-Recipient: a@b\n\n", 100000)))
	if err != nil || len(got.Recipients) != dsn.MaxRecipients {
		t.Errorf("%d recipients, %v", len(got.Recipients), err)
	}
}

// Reports that other systems wrote.
func TestReportsOfOthers(t *testing.T) {
	t.Parallel()
	names, _ := filepath.Glob("../../../shared/data/mime/*")
	if len(names) == 0 {
		t.Skip("skipped: the shared test data is not on this machine")
	}
	found := map[string]dsn.Report{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		part := dsn.Find(scan(raw))
		if part == nil {
			continue
		}
		rep, err := dsn.Parse(strings.NewReader(content(t, raw, part)))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		found[filepath.Base(name)] = rep
	}
	if len(found) < 6 {
		t.Errorf("only %d reports were found", len(found))
	}
	r := found["mikel_mail-report_422.eml.eml"]
	if r.ReportingMTA != "mail11.ttttt.com.au" || len(r.Recipients) != 1 || r.Recipients[0].Action != dsn.Delayed || r.Recipients[0].Status.String() != "4.2.2" || r.Recipients[0].Final != "fraser@oooooooo.com.au" {
		t.Errorf("%+v", r)
	}
	for i, name := range []string{"MimeKit-delivery-status-multiple-blank-lines.txt.eml", "mikel_mail-report_530.eml.eml"} {
		if r := found[name].Recipients; len(r) == 0 || r[0].Status.String() != []string{"5.5.0", "5.3.0"}[i] {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// Reports of abuse are reports as well, but none of ours.
	arf, err := os.ReadFile("../../../shared/data/arf/001.eml")
	if err != nil {
		t.Fatal(err)
	}
	if dsn.Find(scan(arf)) != nil {
		t.Error("a report of abuse was taken for a delivery status")
	}
}

func TestAction(t *testing.T) {
	t.Parallel()
	for _, a := range []dsn.Action{dsn.Failed, dsn.Delayed, dsn.Delivered, dsn.Relayed, dsn.Expanded} {
		if dsn.ParseAction(" "+strings.ToUpper(a.String())+" (x)") != a {
			t.Errorf("%v does not come back", a)
		}
	}
	if dsn.ParseAction("") != dsn.Unknown || dsn.ParseAction("unknown") != dsn.Unknown || dsn.Action(99).String() != "unknown" {
		t.Error("an unknown action")
	}
	r := dsn.Report{Recipients: []dsn.Recipient{{Action: dsn.Delivered}, {Action: dsn.Failed}, {Action: dsn.Delayed}}}
	if r.Worst() != dsn.Failed {
		t.Errorf("the worst is %v", r.Worst())
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; b@c\nAction: failed\nStatus: 5.1.1\n"))
	f.Add([]byte("\r\n\r\nOriginal-Recipient: utf-8;x\r\nWill-Retry-Until: 1 1 1 1:1\r\nDiagnostic-Code: =?utf-8?q?=0A?="))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rep, err := dsn.Parse(bytes.NewReader(raw))
		if err != nil {
			return
		}
		m := sample()
		m.Report = rep
		out := compose(t, m)
		if bytes.ContainsAny(bytes.ReplaceAll(out, []byte("\r\n"), nil), "\r\n\x00") {
			t.Fatalf("a bare CR, LF or NUL goes out: %q", out)
		}
		part := dsn.Find(scan(out))
		again, err := dsn.Parse(bytes.NewReader(out[part.BodyOffset:part.End]))
		if err != nil || len(again.Recipients) != len(rep.Recipients) {
			t.Fatalf("%d recipients became %d: %v", len(rep.Recipients), len(again.Recipients), err)
		}
	})
}
