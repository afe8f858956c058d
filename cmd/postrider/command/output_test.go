package command

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/service/doctor"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 95 * time.Second: "1m35s", 12*time.Minute + 5*time.Second: "12m",
		time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * time.Hour: "30h", 72 * time.Hour: "3d", -time.Minute: "0s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestOctets(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 200 << 20: "200 MiB", 1 << 62: "4 EiB"} {
		if got := octets(n); got != want {
			t.Errorf("octets(%d) = %q, want %q", n, got, want)
		}
	}
}

// What strangers wrote must not drive the operator's terminal or forge lines.
func TestSafe(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", "grün ☂": "grün ☂", "a\x1b[31mb": "a\ufffd[31mb", "a\r\nb\tc": "a  b c", "a\u202eb": "a\ufffdb", "a\xffb": "a\ufffdb", "\u009b": "\ufffd",
	} {
		if got := safe(in); got != want {
			t.Errorf("safe(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	s := &session{paint: palette{on: true}}
	table := s.table("NAME", "N", "STATE").numbers(1)
	table.row("日本", 5, cell{text: "held", colour: s.paint.outcome})
	table.row("ann\x1b[2J", 12345, "x")
	var b bytes.Buffer
	table.write(&b)
	want := "\x1b[2mNAME\x1b[0m         \x1b[2mN\x1b[0m  \x1b[2mSTATE\x1b[0m\n" +
		"日本         5  \x1b[33mheld\x1b[0m\n" +
		"ann\ufffd[2J  12345  x\n"
	if b.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.String(), want)
	}
}

func TestColoursCanBeRefused(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{{"NO_COLOR": "1"}, {"TERM": "dumb"}} {
		if coloursWanted(func(k string) string { return env[k] }) {
			t.Errorf("colours in spite of %v", env)
		}
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "Ü \"x\".bin")
	data := bytes.Repeat([]byte{0, 1, 2, 0xff, '\n'}, 5000)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	text := "Grüße\n" + strings.Repeat("long ", 500) + "\n.\n"
	l := letter{from: "ann@example.test", to: []string{"bob@far.test", "cid@far.test"}, subject: "Ü" + strings.Repeat("x", 200), body: strings.NewReader(text), attach: []string{path}}
	r, err := l.compose()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(whole)) {
		if len(line) > 1000 {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	to, err := m.Header.AddressList("To")
	subject, subjectErr := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || len(to) != 2 || subjectErr != nil || subject != l.subject {
		t.Errorf("header: %v, %v, %q, %v", to, err, subject, subjectErr)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	first, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(quotedprintable.NewReader(first))
	if err != nil || strings.ReplaceAll(string(got), "\r\n", "\n") != text {
		t.Errorf("the text came out as %q, %v", got, err)
	}
	second, err := parts.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	if second.FileName() != filepath.Base(path) {
		t.Errorf("the file is called %q", second.FileName())
	}
	plain, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, second))
	if err != nil || !bytes.Equal(plain, data) {
		t.Errorf("the file came out as %d octets instead of %d, %v", len(plain), len(data), err)
	}
}

func TestComposeRefusesHeaderInjection(t *testing.T) {
	t.Parallel()
	for _, l := range []letter{{from: "a@b", subject: "x\r\nBcc: eve@far.test"}, {from: "a@b\nX: y"}, {from: "a@b", to: []string{"c@d\r\nX: y"}}} {
		l.body = strings.NewReader("")
		if _, err := l.compose(); err == nil || !strings.Contains(err.Error(), "more than one line") {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestRawMessageRecipients(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 100_000)
	in := "From: a@b.test\nTo: Bob <bob@far.test>,\n cid@far.test\nCc: undisclosed:;\nBcc: bob@far.test\n\n" + body
	r, to, err := rawMessage(strings.NewReader(in), nil)
	if err != nil || strings.Join(to, " ") != "bob@far.test cid@far.test" {
		t.Fatalf("%v, %v", to, err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != in {
		t.Errorf("the message changed: %d octets of %d, %v", len(got), len(in), err)
	}
	for _, bad := range []string{"", "no header", "To: <<>>\n\n", "Subject: x\n\n", strings.Repeat("x", 2<<20)} {
		if _, _, err := rawMessage(strings.NewReader(bad), nil); err == nil {
			t.Errorf("%.20q: no error", bad)
		}
	}
}

func TestFirstLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a b\n": "a b", "a\r\nb\n": "a", "x": "x"} {
		if got, err := firstLine(strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q gave %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "\nx", strings.Repeat("x", 5000)} {
		if got, err := firstLine(strings.NewReader(in)); err == nil {
			t.Errorf("%.10q gave %.10q", in, got)
		}
	}
}

// Without a resolver nearly nothing can be checked: that is told for a few things, and counted for the others.
func TestDiagnosisIsShort(t *testing.T) {
	t.Parallel()
	r := doctor.Report{Domain: "one.test", Findings: []doctor.Finding{{Level: doctor.Fault, Subject: "resolver", Text: "It is down.", Remedy: "Mend it."}}}
	for range shownUntold + 3 {
		r.Findings = append(r.Findings, doctor.Finding{Level: doctor.Note, Subject: "x", Text: "It could not be checked.", Remedy: "Try again later.", Untold: true})
	}
	for all, want := range map[bool]int{false: shownUntold, true: shownUntold + 3} {
		var b strings.Builder
		(&session{}).diagnosisText(&b, admin.Diagnosis{Reports: []doctor.Report{r}}, all)
		text := b.String()
		if n := strings.Count(text, "It could not"); n != want || strings.Contains(text, "3 things more could not be checked") == all ||
			strings.Count(text, "Try again later") != 1 || !strings.Contains(text, "          Mend it.\n") {
			t.Errorf("all %v: %d in\n%s", all, n, text)
		}
	}
}
