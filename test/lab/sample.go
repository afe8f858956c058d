package lab

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// Sample is a message that something on its way could be tempted to change.
type Sample struct {
	Name string
	Raw  []byte // CRLF lines, complete header, ends with CRLF
}

// header is what every sample begins with: nothing is missing, so nobody has a reason to add to it.
func header(name, from, to string) string {
	return "Date: Mon, 02 Nov 2026 10:11:12 +0100\r\nFrom: Ann Sender <" + from + ">\r\nTo: <" + to + ">\r\n" +
		"Message-ID: <" + name + "." + fmt.Sprint(rand.Uint64()) + "@lab.example>\r\nSubject: " + name + "\r\n"
}

// Samples gives the messages, from one address to another. Each call gives new Message-IDs; all else is always the same.
func Samples(from, to string) []Sample {
	random := rand.NewChaCha8(sha256.Sum256([]byte("attachment")))
	attachment := make([]byte, 60_000)
	random.Read(attachment)
	text := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
	utf8 := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	make := func(name, rest string) Sample {
		return Sample{name, []byte(header(name, from, to) + rest)}
	}
	return []Sample{
		make("plain", text+"Hello.\r\n"),
		make("dots", text+".\r\n..\r\n...\r\n.leading\r\n. \r\nend.\r\n.\r\n"),
		make("empty-body", text),
		make("blank-lines", text+"\r\n\r\nafter two blank lines\r\n\r\n\r\n\r\n"),
		make("spaces", text+"trailing spaces   \r\ntab\t\r\n \r\n\tindented\r\n-- \r\nsignature\r\n"),
		make("from-line", text+"From the start of a line\r\n>From quoted\r\n\r\nFrom after a blank line\r\n"),
		make("utf8", utf8+"Grüße, 世界, \U0001F4EC\r\nẞ\u0301 z\u0308\r\n"),
		make("long-lines", text+strings.Repeat("a", 990)+"\r\n"+strings.Repeat("b ", 490)+"\r\n."+strings.Repeat("c", 980)+"\r\n"),
		make("attachment", multipart("mixed-boundary", "text with\r\n.dots\r\n", "numbers.bin", attachment)),
		make("nested", "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"+
			"Subject: inner\r\nFrom: <x@inner.example>\r\nDate: Mon, 02 Nov 2026 10:11:12 +0100\r\n\r\n.inner\r\n"),
		make("odd-header", "X-Folded: one\r\n two\r\n\tthree\r\nX-Empty:\r\nx-lower:no space\r\nX-Long: "+strings.Repeat("word ", 180)+"\r\n"+text+"odd\r\n"),
	}
}

// multipart is the rest of a message with a text and an attachment.
func multipart(boundary, text, name string, attachment []byte) string {
	encoded := base64.StdEncoding.EncodeToString(attachment)
	var lines strings.Builder
	for chunk := range slices.Chunk([]byte(encoded), 76) {
		lines.Write(chunk)
		lines.WriteString("\r\n")
	}
	return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n\r\nprologue\r\n--" + boundary +
		"\r\nContent-Type: text/plain\r\n\r\n" + text + "\r\n--" + boundary + "\r\nContent-Type: application/octet-stream; name=\"" + name +
		"\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\n\r\n" + lines.String() +
		"\r\n--" + boundary + "--\r\nepilogue\r\n"
}

// LF gives a message with bare line feeds, as programs want it on their standard input and in files.
func LF(raw []byte) []byte { return bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")) }

// CRLF is the way back.
func CRLF(raw []byte) []byte { return bytes.ReplaceAll(LF(raw), []byte("\n"), []byte("\r\n")) }

// Field gives the value of a header field, "" when it is not there.
func Field(raw []byte, name string) string {
	for _, f := range fields(raw) {
		if key, value, _ := strings.Cut(f, ":"); strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// fields lists a header's fields, unfolded.
func fields(raw []byte) []string {
	head, _, _ := bytes.Cut(CRLF(raw), []byte("\r\n\r\n"))
	unfolded := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(string(head))
	return strings.Split(unfolded, "\r\n")
}

// CheckCarried checks that got is want with nothing but trace fields in front, and octet for octet the same otherwise.
func CheckCarried(t testing.TB, got, want []byte) {
	t.Helper()
	name := Field(want, "Subject")
	if !bytes.HasSuffix(got, want) {
		t.Errorf("%s: what arrived does not end with what was sent: %s", name, firstDifference(got, want))
		return
	}
	added := got[:len(got)-len(want)]
	if len(added) == 0 {
		return
	}
	if !bytes.HasSuffix(added, []byte("\r\n")) || bytes.Contains(added, []byte("\r\n\r\n")) {
		t.Errorf("%s: what was added in front is no run of header fields: %q", name, added)
	}
	for _, f := range fields(bytes.TrimSuffix(added, []byte("\r\n"))) {
		key, _, _ := strings.Cut(f, ":")
		switch textproto.CanonicalMIMEHeaderKey(key) {
		case "Received", "Return-Path", "Delivered-To", "X-Original-To", "Authentication-Results":
		default:
			t.Errorf("%s: a field %q was added in front", name, f)
		}
	}
}

// CheckAll pairs what arrived with the samples by Message-ID and checks each.
func CheckAll(t testing.TB, got []Message, samples []Sample) {
	t.Helper()
	for _, s := range samples {
		id := Field(s.Raw, "Message-ID")
		i := slices.IndexFunc(got, func(m Message) bool { return Field(m.Raw, "Message-ID") == id })
		if i < 0 {
			t.Errorf("%s did not arrive", s.Name)
			continue
		}
		CheckCarried(t, got[i].Raw, s.Raw)
	}
	if len(got) != len(samples) {
		t.Errorf("%d messages arrived, %d were sent", len(got), len(samples))
	}
}

// firstDifference shows where two messages part, counted from want's first line.
func firstDifference(got, want []byte) string {
	first, _, _ := bytes.Cut(want, []byte("\r\n"))
	if i := bytes.Index(got, first); i >= 0 {
		got = got[i:]
	}
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	around := func(b []byte) string { return fmt.Sprintf("%.100q", b[max(0, min(n-20, len(b))):]) }
	return fmt.Sprintf("at octet %d: got %s, want %s", n, around(got), around(want))
}
