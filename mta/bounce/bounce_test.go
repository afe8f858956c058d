package bounce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/proto/dsn"
	"github.com/postrider/postrider/proto/message"
)

// desk is a Poster that keeps what is posted, over bodies that are texts.
type desk struct {
	body      string
	open      error // of Blobs.Open
	broken    error // of reading
	refuse    error // of Post
	nobody    bool  // nobody takes it
	env       mail.Envelope
	letter    string
	discarded int
}

func (d *desk) Post(_ context.Context, env mail.Envelope, write func(io.Writer) error) (mail.Posting, error) {
	if d.refuse != nil {
		return mail.Posting{}, d.refuse
	}
	var b strings.Builder
	if err := write(&b); err != nil {
		return mail.Posting{}, err
	}
	d.env, d.letter = env, b.String()
	p := mail.Posting{Trace: "r1", Discard: func() { d.discarded++ }, Changes: []mail.Change{mail.Record{Event: mail.Event{Outcome: mail.Accepted}}}}
	if !d.nobody {
		p.Changes = append(p.Changes, mail.Enqueue{})
	}
	return p, nil
}

func (d *desk) Create(context.Context) (mail.BlobWriter, error) { return nil, errors.ErrUnsupported }

func (d *desk) Open(context.Context, mail.BlobID) (mail.BlobReader, error) {
	if d.open != nil {
		return nil, d.open
	}
	return &sheet{strings.NewReader(d.body), d.broken}, nil
}

type sheet struct {
	*strings.Reader
	broken error
}

func (s *sheet) Read(p []byte) (int, error) {
	if s.broken != nil {
		return 0, s.broken
	}
	return s.Reader.Read(p)
}

func (s *sheet) Close() error { return nil }

var at = time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)

func failed(a mail.Path) mta.ReportedRecipient {
	return mta.ReportedRecipient{Address: a, Original: a, Failed: true, Status: "5.1.1", Reply: "550 5.1.1 No such user",
		Reason: "mx.there.example[192.0.2.1] said: 550 5.1.1 No such user", Host: "mx.there.example", LastTried: at}
}

func delayed(a mail.Path) mta.ReportedRecipient {
	return mta.ReportedRecipient{Address: a, Original: "team@here.example", Until: at.Add(24 * time.Hour), Status: "4.4.1",
		Reason: "cannot connect to mx.there.example: connection refused", LastTried: at}
}

func reportOf(from mail.Path, list ...mta.ReportedRecipient) mta.Report {
	return mta.Report{At: at, Recipients: list, Message: mail.Queued{
		ID: 7, Trace: "t1", From: from, Blob: 1, Prefix: []byte("Received: by us\r\n"), Created: at.Add(-4 * time.Hour)}}
}

func (d *desk) report(t *testing.T, r mta.Report) (mail.Posting, error) {
	t.Helper()
	reporter, err := New(Config{Poster: d, Blobs: d, Hostname: "us.example", Postmaster: "postmaster@us.example"})
	if err != nil {
		t.Fatal(err)
	}
	return reporter.Report(t.Context(), r)
}

// parts takes a report apart with the parser of the other side.
func parts(t *testing.T, letter string) (h message.Header, status dsn.Report, returned string) {
	t.Helper()
	s := message.NewScanner(message.Limits{})
	if _, err := io.WriteString(s, letter); err != nil {
		t.Fatal(err)
	}
	root := s.Finish()
	h, _ = message.ParseHeader([]byte(letter))
	part := dsn.Find(root)
	if part == nil || len(root.Children) != 3 {
		t.Fatalf("no report of three parts:\n%s", letter)
	}
	status, err := dsn.Parse(strings.NewReader(letter[part.BodyOffset:part.End]))
	if err != nil {
		t.Fatal(err)
	}
	last := root.Children[2]
	return h, status, letter[last.BodyOffset:last.End]
}

// RFC 3464 2, RFC 3461 6.1, RFC 5321 4.5.5
func TestReport(t *testing.T) {
	t.Parallel()
	d := &desk{body: "Message-ID: <1@here.example>\r\nSubject: the plan\r\nBcc: secret@here.example\r\n\r\nthe body\r\n"}
	posting, err := d.report(t, reportOf("ann@here.example", failed("bob@there.example"), delayed("cy@there.example")))
	if err != nil || posting.Trace != "r1" || len(posting.Changes) != 2 {
		t.Fatalf("%+v, %v", posting, err)
	}
	if want := (mail.Envelope{To: []mail.Path{"ann@here.example"}}); cmp.Diff(d.env, want) != "" {
		t.Error(cmp.Diff(want, d.env))
	}
	h, status, returned := parts(t, d.letter)
	for name, want := range map[string]string{"To": "ann@here.example", "Auto-Submitted": "auto-replied", "In-Reply-To": "<1@here.example>"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if id := h.Get("Message-ID"); !strings.HasPrefix(id, "<") || strings.HasPrefix(id, "<<") || !strings.HasSuffix(id, "@us.example>") {
		t.Errorf("Message-ID: %q", id)
	}
	want := dsn.Report{ReportingMTA: "us.example", ArrivalDate: at.Add(-4 * time.Hour), Recipients: []dsn.Recipient{
		{Final: "bob@there.example", Action: dsn.Failed, Status: dsn.Status{Class: 5, Subject: 1, Detail: 1},
			RemoteMTA: "mx.there.example", Diagnostic: "550 5.1.1 No such user", LastAttempt: at},
		{Final: "cy@there.example", Original: "rfc822; team@here.example", Action: dsn.Delayed, Status: dsn.Status{Class: 4, Subject: 4, Detail: 1},
			LastAttempt: at, WillRetryUntil: at.Add(24 * time.Hour)},
	}}
	status.Recipients[1].Original = strings.ReplaceAll(status.Recipients[1].Original, ";team", "; team")
	if diff := cmp.Diff(want, status); diff != "" {
		t.Error(diff)
	}
	if want := "Received: by us\r\nMessage-ID: <1@here.example>\r\nSubject: the plan\r\n"; strings.TrimRight(returned, "\r\n") != strings.TrimRight(want, "\r\n") {
		t.Errorf("returned %q", returned)
	}
	for _, part := range []string{"the body", "secret@here.example"} {
		if strings.Contains(d.letter, part) {
			t.Errorf("%q went back", part)
		}
	}
	if !strings.Contains(d.letter, "connection refused") {
		t.Error("our own reason is not told")
	}
}

// RFC 6533 4
func TestReportInUTF8(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, from, to, subject string
		utf8                    bool
		body                    mail.BodyType
	}{
		{"sender", "jürgen@here.example", "bob@there.example", "hi", true, mail.Body8Bit},
		{"recipient", "ann@here.example", "jürgen@there.example", "hi", true, mail.Body8Bit},
		{"header", "ann@here.example", "bob@there.example", "grüße", false, mail.Body8Bit},
		{"nothing", "ann@here.example", "bob@there.example", "hi", false, mail.Body7Bit},
	} {
		d := &desk{body: "Subject: " + c.subject + "\r\n\r\nx\r\n"}
		if _, err := d.report(t, reportOf(mail.Path(c.from), failed(mail.Path(c.to)))); err != nil {
			t.Fatal(err)
		}
		if d.env.UTF8 != c.utf8 || d.env.Body != c.body {
			t.Errorf("%s: %+v", c.name, d.env)
		}
		if ascii := isASCII([]byte(d.letter)); !ascii && d.env.Body == mail.Body7Bit {
			t.Errorf("%s: 8-bit text is announced as 7-bit", c.name)
		}
		_, status, _ := parts(t, d.letter)
		if status.Recipients[0].Final != c.to {
			t.Errorf("%s: %q", c.name, status.Recipients[0].Final)
		}
	}
}

func TestNoReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		desk desk
		from mail.Path
		kind mail.Kind
	}{
		{"null sender", desk{}, "", mail.Invalid},
		{"sender without a domain", desk{}, "ann", mail.Invalid},
		{"sender with a line break", desk{}, "ann\r\nBcc: x@y.example@here.example", mail.Invalid},
		{"nobody there", desk{nobody: true}, "ann@here.example", mail.NotFound},
		{"poster cannot now", desk{refuse: mail.Errorf(mail.Unavailable, "disk full")}, "ann@here.example", mail.Unavailable},
		{"poster never can", desk{refuse: mail.Errorf(mail.OverQuota, "full")}, "ann@here.example", mail.OverQuota},
		{"store cannot now", desk{open: mail.Errorf(mail.Unavailable, "away")}, "ann@here.example", mail.Unavailable},
	} {
		posting, err := c.desk.report(t, reportOf(c.from, failed("bob@there.example")))
		if !mail.Is(err, c.kind) || posting.Discard != nil {
			t.Errorf("%s: %+v, %v", c.name, posting, err)
		}
		if c.desk.nobody && c.desk.discarded != 1 {
			t.Errorf("%s: not discarded", c.name)
		}
	}
	if _, err := New(Config{}); !mail.Is(err, mail.Invalid) {
		t.Errorf("empty configuration: %v", err)
	}
}

// A damaged or endless header does not keep the sender from being told.
func TestReportWithoutHeader(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]*desk{
		"gone":    {open: mail.Errorf(mail.NotFound, "gone")},
		"damaged": {broken: mail.Errorf(mail.Internal, "checksum of pack 1 at 100")},
		"endless": {body: "Subject: x\r\n" + strings.Repeat("X-Long: "+strings.Repeat("y", 900)+"\r\n", 1000)},
		"binary":  {body: strings.Repeat("\x00\xff\r", 1<<20)},
	} {
		if _, err := d.report(t, reportOf("ann@here.example", failed("bob@there.example"))); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, status, _ := parts(t, d.letter); len(status.Recipients) != 1 || len(d.letter) > dsn.MaxReturnedHeader+20000 {
			t.Errorf("%s: %d octets, %+v", name, len(d.letter), status)
		}
	}
}

// Every real message can be reported on, and the report holds together.
func TestRealMessages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../shared/data/mime/*/*")
	if more, _ := filepath.Glob("../../../shared/data/mime/*.eml"); err == nil {
		files = append(files, more...)
	}
	if len(files) == 0 {
		t.Skip("no messages under ../shared/data")
	}
	n := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil || n >= 300 {
			continue
		}
		n++
		d := &desk{body: string(b)}
		if _, err := d.report(t, reportOf("ann@here.example", failed("bob@there.example"))); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, status, _ := parts(t, d.letter); fmt.Sprint(status.Recipients[0].Action) != "failed" {
			t.Errorf("%s: %+v", name, status)
		}
		if d.env.Body == mail.Body7Bit && !isASCII([]byte(d.letter)) {
			t.Errorf("%s: 8-bit text is announced as 7-bit", name)
		}
	}
}
