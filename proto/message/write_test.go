package message_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
)

var at = time.Date(2026, 11, 24, 10, 0, 0, 0, time.FixedZone("", 3600))

func address(t testing.TB, s string) addr.Address {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// RFC 6409 8.1, RFC 6409 8.2, RFC 6409 8.3, RFC 5322 3.6, RFC 5322 3.6.3
func TestRepair(t *testing.T) {
	t.Parallel()
	ann := address(t, "ann@example.org")
	in := message.RepairInput{Now: at, MessageID: "<id@example.org>", Sender: ann, From: ann}
	for _, c := range []struct{ header, want, done, fault string }{
		{"From: ann@example.org\nSubject: x\n", "From: ann@example.org\nSubject: x\nDate: Tue, 24 Nov 2026 10:00:00 +0100\nMessage-ID: <id@example.org>\n", "added Date|added Message-ID", ""},
		{"From: Ann <ANN@Example.org>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\nBcc: x@y\nX: y\nbcc: z\n", "From: Ann <ANN@Example.org>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\nX: y\n", "removed Bcc", ""},
		{"From: ann@example.org\nDate: yesterday\nMessage-ID: none\n", "From: ann@example.org\nDate: Tue, 24 Nov 2026 10:00:00 +0100\nMessage-ID: <id@example.org>\n", "replaced a Date that is none|replaced a Message-ID that is none", ""},
		{"Date: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "Date: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\nFrom: ann@example.org\n", "added From", ""},
		{"From: bo@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "From: bo@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\nSender: ann@example.org\n", "set Sender", ""},
		{"From: bo@example.org\nSender: eve@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "From: bo@example.org\nSender: ann@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "set Sender", ""},
		{"From: bo@example.org\nSender: Ann <ann@example.org>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "From: bo@example.org\nSender: Ann <ann@example.org>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "", ""},
		{"From: ann@example.org\nSender: eve@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "From: ann@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "removed a Sender that did not submit", ""},
		{"From: ann@example.org, bo@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\n", "From: ann@example.org, bo@example.org\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <a@b>\nSender: ann@example.org\n", "set Sender", ""},
		{"From: a@b.c\nFrom: d@e.f\n", "", "", "2 From fields"},
		{"From: a@b.c\nDate: x\ndate: y\nDATE: z\n", "", "", "3 Date fields"},
		{"From: a@b.c\nhello world\n", "", "", "no field"},
		{"From: nobody\n", "", "", "no valid address"},
		{"From: \n", "", "", "names no address"},
		{"From: G:;\n", "", "", "names no address"},
	} {
		h, _ := message.ParseHeader([]byte(c.header))
		done, err := message.Repair(&h, in)
		var fault *message.RepairError
		if c.fault != "" {
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.fault) || string(h.Bytes()) != c.header {
				t.Errorf("%q: %v, header %q", c.header, err, h.Bytes())
			}
			continue
		}
		if got := strings.ReplaceAll(string(h.Bytes()), "\r\n", "\n"); err != nil || got != c.want || strings.Join(done, "|") != c.done {
			t.Errorf("%q\n  gives %q, %q, %v\n  want  %q, %q", c.header, got, done, err, c.want, c.done)
		}
		again, err := message.Repair(&h, in)
		if err != nil || len(again) != 0 {
			t.Errorf("%q: a repaired header is repaired again: %q, %v", c.header, again, err)
		}
	}
	h, _ := message.ParseHeader([]byte("Subject: x\n"))
	if _, err := message.Repair(&h, message.RepairInput{Now: at, MessageID: "a@b"}); err == nil || !strings.Contains(err.Error(), "no From") {
		t.Errorf("no From: %v", err)
	}
}

// RFC 5321 4.4, RFC 3848, RFC 6531 3.7.3, RFC 6531 4.3
func TestReceived(t *testing.T) {
	t.Parallel()
	r := message.Received{Helo: "mail.example.org", IP: netip.MustParseAddr("192.0.2.1"), RDNS: "mx1.example.org.", By: "mx.example.com", With: "ESMTPS", TLSVersion: "TLSv1.3",
		TLSCipher: "TLS_AES_128_GCM_SHA256", ID: "4f2a", For: address(t, "ann@example.com"), Time: at}
	want := "Received: from mail.example.org (mx1.example.org [192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256)\r\n" +
		"\tby mx.example.com with ESMTPS id 4f2a\r\n\tfor <ann@example.com>;\r\n\tTue, 24 Nov 2026 10:00:00 +0100\r\n"
	if got := string(r.Field()); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	short := message.Received{IP: netip.MustParseAddr("2001:db8::1"), By: "mx.example.com", With: "SMTP", Time: at}
	if got := string(short.Field()); got != "Received: from unknown ([IPv6:2001:db8::1])\r\n\tby mx.example.com with SMTP;\r\n\tTue, 24 Nov 2026 10:00:00 +0100\r\n" {
		t.Error(got)
	}
	r.For = address(t, "jøran@example.com")
	if got := string(r.Field()); strings.Contains(got, "for") {
		t.Errorf("an address in UTF-8 is told to a host that may not read it: %q", got)
	}
	r.With = "UTF8SMTPS"
	if got := string(r.Field()); !strings.Contains(got, "for <jøran@example.com>") {
		t.Error(got)
	}
	r.Helo = "blåbær.example"
	if got := string(r.Field()); !strings.Contains(got, "from xn--blbr-roah.example ") {
		t.Error(got)
	}
}

// Whatever a stranger says, the trace stays one field with one date.
func TestTraceCannotBeInjected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(x\r\n|\)|\(|;|\\|"|\x00| for <a@b>){1,20}`))
		r := message.Received{Helo: text.Draw(t, "helo"), RDNS: text.Draw(t, "rdns"), By: text.Draw(t, "by"), With: text.Draw(t, "with"), TLSVersion: text.Draw(t, "version"),
			TLSCipher: text.Draw(t, "cipher"), ID: text.Draw(t, "id"), For: addr.Address{Local: text.Draw(t, "local"), Domain: text.Draw(t, "domain")}, IP: netip.IPv4Unspecified(), Time: at}
		r.For.Domain = "example.com"
		raw := r.Field()
		checkField(t, raw)
		h, _ := message.ParseHeader(raw)
		value := h.Get("Received")
		if got, ok := message.ParseDate(value); !ok || !got.Equal(at) {
			t.Fatalf("the date of %q is %v", raw, got)
		}
		bare := strings.Replace(value, "<"+r.For.String()+">", "", 1)
		if strings.Count(bare, ";") != 1 || strings.Count(bare, "(") != strings.Count(bare, ")") || strings.Count(bare, "(") > 2 || strings.ContainsAny(bare, "\"\\<>") {
			t.Fatalf("the trace is no longer one: %q", raw)
		}
		for _, raw := range [][]byte{message.ReturnPath(r.For.String()), message.DeliveredTo(addr.Address{Local: r.Helo, Domain: r.RDNS}.String())} {
			if bytes.Count(raw, []byte("\n")) != 1 || bytes.Count(raw, []byte("\r")) != 1 {
				t.Fatalf("%q is more than a line", raw)
			}
		}
	})
	if got := string(message.ReturnPath("")); got != "Return-Path: <>\r\n" {
		t.Error(got)
	}
	if got := string(message.ReturnPath(addr.Address{Local: "a b", Domain: "c"}.String())); got != "Return-Path: <\"a b\"@c>\r\n" {
		t.Error(got)
	}
	if got := string(message.DeliveredTo(addr.Address{Local: "a", Domain: "c"}.String())); got != "Delivered-To: a@c\r\n" {
		t.Error(got)
	}
}

// RFC 2046 5.1, RFC 2045 6.7, RFC 2045 6.8
func TestWriter(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte{0, 1, 2, 250, 13, 10}, 5000)
	var out bytes.Buffer
	var h message.Header
	h.Append("Subject", "Bericht über alles")
	w := message.NewWriter(&out, h, "mixed", message.Boundary("<id@example.com>"))
	long := "short\n" + strings.Repeat("word ", 300) + "\nGrüße  \n.\nFrom x"
	if err := errors.Join(w.Text("plain", "hello\nworld"), w.Text("plain", long), w.Attach(message.Attachment{Name: "Grüße; \"x\".bin", ID: "pic@x"}, iotest.HalfReader(bytes.NewReader(data))), w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	raw := out.Bytes()
	for line := range bytes.SplitSeq(bytes.TrimSuffix(raw, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 78 || bytes.ContainsAny(line, "\r\n") || bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x7f }) {
			t.Errorf("a bad line: %q", line)
		}
	}
	root := scan(raw, 100, message.Limits{})
	if root.Subtype != "mixed" || len(root.Children) != 3 || root.Children[0].Encoding != "7bit" || root.Children[1].Encoding != "quoted-printable" || root.Children[2].Filename() != "Grüße; \"x\".bin" || root.Children[2].ID != "<pic@x>" {
		t.Fatalf("%s", outline(raw, root))
	}
	open := func(offset, length int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw[offset : offset+length])), nil
	}
	for i, want := range []string{"hello\r\nworld\r\n", strings.ReplaceAll(long, "\n", "\r\n") + "\r\n", string(data)} {
		r, _ := message.Contents(root.Children[i], open)
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("part %d: %d octets %.80q, want %d", i+1, len(got), got, len(want))
		}
	}
	if err := w.Text("plain", "late"); err == nil {
		t.Error("a part was taken after Close")
	}
	if h.Len() != 1 {
		t.Error("the header of the caller was changed")
	}
}

func TestWriterTellsErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk is gone")
	w := message.NewWriter(io.Discard, message.Header{}, "mixed", "b")
	if err := w.Part(message.Header{}, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("Close forgot the error: %v", err)
	}
	r, pipe := io.Pipe()
	_ = r.CloseWithError(broken)
	w = message.NewWriter(pipe, message.Header{}, "mixed", "b")
	if err := w.Attach(message.Attachment{}, strings.NewReader("x")); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := message.WriteText(pipe, message.Header{}, "x"); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestWriteText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var h message.Header
	h.Append("From", "a@b")
	if err := message.WriteText(&out, h, "hello\n"); err != nil {
		t.Fatal(err)
	}
	want := "From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello\r\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
}

func TestBoundary(t *testing.T) {
	t.Parallel()
	got := message.Boundary("<a b\r\n\"ü@x.example>" + strings.Repeat("y", 100))
	if len(got) > 70 || !strings.HasPrefix(got, "=_abx.example") || slices.ContainsFunc([]byte(got), func(c byte) bool { return c <= ' ' || c > '~' || c == '"' }) {
		t.Errorf("%q", got)
	}
}
