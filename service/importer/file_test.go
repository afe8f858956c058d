package importer_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
	"github.com/postrider/postrider/service/importer"
)

// TestMbox reads the mbox files of others (RFC 4155).
func TestMbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := "From a@b Tue Nov 24 03:00:00 2020\n" + lf(letter("one")) + "\n" +
		"From MAILER-DAEMON Tue Nov 24 04:00:00 2020\nStatus: RO\nX-Status: AF\nX-Keywords: $junk work\n" + lf(letter("two")) + ">From here on\n>>From there\nFrom me to you\n\nFrom now on it is text\n\n" +
		"From c@d Tue Nov 24 05:00:00 2020 +0100\nFrom: x@y\nStatus: R\nMessage-ID: <three@x>\n\ntext\n\n\n\n" +
		"From z Tue Nov 24 06:00:00 2020\nno header at all\n\n" +
		"From z Tue Nov 24 06:00:00 2020\nSubject: has\x00nul\n\nx\n\n" +
		"From z Tue Nov 24 06:00:00 2020\n" + lf(letter("one")) + "\n" +
		"From z Tue Nov 24 06:00:00 2020\nSubject: no date\n\nlast line without end"
	j := w.do(ann, w.file(`C:\mail\Old Stuff.mbox`, importer.Mbox, text))
	if j.State != importer.Done || j.Messages != 4 || j.Duplicates != 1 || len(j.Failed) != 2 || j.Done != int64(len(text)) || j.Total != j.Done || j.Source != "Old Stuff.mbox" {
		t.Errorf("%+v", j)
	}
	got := w.account(ann)["Old Stuff"]
	if len(got) != 4 {
		t.Fatalf("%d messages: %v", len(got), got)
	}
	for i, want := range []message{
		{letter("one"), "", time.Date(2020, 11, 24, 3, 0, 0, 0, time.UTC)},
		{letter("two") + "From here on\r\n>From there\r\nFrom me to you\r\n\r\nFrom now on it is text\r\n", `\Seen \Answered \Flagged $Junk work`, time.Date(2020, 11, 24, 4, 0, 0, 0, time.UTC)},
		{"From: x@y\r\nStatus: R\r\nMessage-ID: <three@x>\r\n\r\ntext\r\n\r\n\r\n", `\Seen`, time.Date(2020, 11, 24, 4, 0, 0, 0, time.UTC)},
		{"Subject: no date\r\n\r\nlast line without end", "", time.Date(2020, 11, 24, 6, 0, 0, 0, time.UTC)},
	} {
		if got[i] != want {
			t.Errorf("%d: %+v, want %+v", i, got[i], want)
		}
	}
	if !strings.Contains(fmt.Sprint(j.Failed), "no header") || !strings.Contains(fmt.Sprint(j.Failed), "NUL") || !strings.Contains(j.Text, "4 messages came, 1 were here already, 2 could not be brought") {
		t.Errorf("%v %q", j.Failed, j.Text)
	}
	if again := w.do(ann, w.file("Old Stuff", importer.Mbox, text)); again.Messages != 0 || again.Duplicates != 5 {
		t.Errorf("once more: %+v", again)
	}
	for name, text := range map[string]string{"other.mbox": "hello\n", "long.mbox": strings.Repeat("x", 200_000)} {
		if j := w.do(ann, w.file(name, importer.Mbox, text)); j.State != importer.Done || j.Messages != 0 || len(j.Failed) != 1 {
			t.Errorf("%s: %+v", name, j)
		}
	}
	if j := w.do(ann, w.file("Sent.mbox", importer.Mbox, "From a Tue Nov 24 03:00:00 2020\r\n"+letter("four"))); j.Messages != 1 || len(w.account(ann)["Sent"]) != 1 {
		t.Errorf("%+v", j)
	}
}

// TestGmail sorts Google's export by its labels.
func TestGmail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := ""
	for id, labels := range map[string]string{"a": "Inbox,Unread", "b": "Sent,Opened", "c": "=?UTF-8?Q?Archived,Gr=C3=BC=C3=9Fe?=", "d": "Trash,Inbox,Starred", "e": "Archived,Important", "f": "Spam"} {
		text += "From 1@xxx Tue Nov 24 03:00:00 +0000 2020\nX-GM-THRID: 1\nX-Gmail-Labels: " + labels + "\n" + lf(letter(id)) + "\n"
	}
	if j := w.do(ann, w.file("All mail Including Spam and Trash.mbox", importer.Mbox, text)); j.Messages != 6 {
		t.Errorf("%+v", j)
	}
	got := w.account(ann)
	for box, flags := range map[string]string{"INBOX": "", "Sent": `\Seen`, "Grüße": `\Seen`, "Trash": `\Seen \Flagged`, "Archive": `\Seen`, "Junk": `\Seen`} {
		if len(got[box]) != 1 || got[box][0].flags != flags {
			t.Errorf("%s: %v", box, got[box])
		}
	}
}

func TestEML(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *importer.Config) { c.Max = 10_000 })
	received := "Received: from x by y; Wed, 25 Nov 2020 03:00:00 +0000\r\n"
	j := w.do(ann, w.file("x.eml", importer.EML, received+letter("one")))
	if got := w.account(ann)["Imported"]; j.State != importer.Done || len(got) != 1 || got[0].text != received+letter("one") || !got[0].received.Equal(time.Date(2020, 11, 25, 3, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v %v", j, got)
	}
	for text, why := range map[string]string{"": "empty", "%PDF-1.4\nx: y\n": "no header", "<html>\n": "no header", "Subject: x\n\n" + strings.Repeat("x", 10_001): "longer than the 9 KiB"} {
		if j := w.do(ann, w.file("x.eml", importer.EML, text)); len(j.Failed) != 1 || !strings.Contains(j.Failed[0].Why, why) {
			t.Errorf("%.20q: %+v", text, j)
		}
	}
	if j := w.do(ann, w.file("x", "tar", "x")); j.State != importer.Failed || !strings.Contains(j.Text, `no format "tar"`) {
		t.Errorf("%+v", j)
	}
}

// TestZip finds mail in zip files however other programs lay it out.
func TestZip(t *testing.T) {
	t.Parallel()
	one, two, three := letter("one"), letter("two"), letter("three")
	mbox := func(s string) string { return "From a Tue Nov 24 03:00:00 2020\n" + lf(s) + "\n" }
	for name, c := range map[string]struct {
		files []string
		want  string // mailboxes and their messages
		fails int
	}{
		"eml at the top":     {[]string{"a.eml", one, "b.EML", two, "readme.md", "x"}, "Imported:2", 0},
		"eml in folders":     {[]string{"mail/Inbox/a.eml", one, "mail/Work/2020/b.eml", two, "mail/Sent/c.eml", three}, "INBOX:1 Sent:1 Work/2020:1", 0},
		"one folder of eml":  {[]string{"Work/a.eml", one}, "Work:1", 0},
		"backslashes":        {[]string{`m\Inbox\a.eml`, one, `m\Work\b.eml`, two}, "INBOX:1 Work:1", 0},
		"Maildir++":          {[]string{"Maildir/cur/1606186800.a:2,FS", one, "Maildir/.Lists.Gr&APwA3w-e/new/2.b", two, "Maildir/.Sent/cur/3.c;2,S", three, "Maildir/tmp/x", one, "Maildir/dovecot.index", "x"}, "INBOX:1 Lists/Grüße:1 Sent:1", 0},
		"Maildir of folders": {[]string{"m/Inbox/cur/1.a", one, "m/Work/cur/2.b", two}, "INBOX:1 Work:1", 0},
		"mbox":               {[]string{"a/Inbox.mbox", mbox(one) + mbox(two), "a/Work.mbx", mbox(three)}, "INBOX:2 Work:1", 0},
		"Thunderbird":        {[]string{"Mail/Inbox", mbox(one), "Mail/Inbox.msf", "x", "Mail/Archives.sbd/2020", mbox(two), "Mail/filterlog", "junk"}, "Archives/2020:1 INBOX:1", 1},
		"Apple Mail":         {[]string{"x/Work.mbox/mbox", mbox(one), "x/Work.mbox/table_of_contents", "x", "x/Home.mbox/mbox", mbox(two)}, "Home:1 Work:1", 0},
		"a bad one":          {[]string{"a.eml", "%PDF", "b.eml", two, "__MACOSX/._b.eml", "x", ".DS_Store", "x"}, "Imported:1", 1},
		"duplicates":         {[]string{"a.eml", one, "b.eml", one, "c.eml", lf(one)}, "Imported:1", 0},
		"ways out":           {[]string{"../../etc/a.eml", one, "/abs/b.eml", two}, "abs:1 etc:1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			j := w.do(ann, w.file("x.zip", importer.Zip, packed(t, c.files...)))
			if j.State != importer.Done || len(j.Failed) != c.fails || j.Done != j.Total {
				t.Errorf("%+v", j)
			}
			got := w.account(ann)
			var all []string
			for _, box := range slices.Sorted(maps.Keys(got)) {
				all = append(all, fmt.Sprintf("%s:%d", box, len(got[box])))
			}
			if strings.Join(all, " ") != c.want {
				t.Errorf("%q, want %q", all, c.want)
			}
			if name == "Maildir++" && (got["INBOX"][0].flags != `\Seen \Flagged` || !got["INBOX"][0].received.Equal(time.Unix(1606186800, 0))) {
				t.Errorf("%v", got["INBOX"])
			}
		})
	}
}

// TestBadZips end with a sentence.
func TestBadZips(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *importer.Config) { c.Max = 1 << 20 })
	good := packed(t, "a.eml", letter("one"), "b.eml", letter("two"))
	torn := []byte(good)
	torn[bytes.Index(torn, []byte("a.eml"))+60] ^= 0xff
	bomb := packed(t, "a.mbox", "From a Tue Nov 24 03:00:00 2020\nSubject: x\n\n"+strings.Repeat(strings.Repeat("x", 1000)+"\n", 70<<10))
	for name, c := range map[string]struct{ text, says string }{
		"empty": {"", "no zip file"}, "text": {"hello", "no zip file"}, "cut": {good[:len(good)-30], "no zip file"}, "nothing in it": {packed(t, "a.pdf", "x"), "no mail"},
		"torn": {string(torn), "1 could not be brought"}, "bomb": {bomb, "could not be brought"},
	} {
		j := w.do(ann, w.file(name, importer.Zip, c.text))
		if !strings.Contains(strings.ToLower(j.Text), c.says) || j.State == importer.Running {
			t.Errorf("%s: %+v", name, j)
		}
	}
}

// TestThereAndBack exports an account and brings it into another: the same messages, flags and dates; and into the same: nothing.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	for _, format := range []export.Format{export.Maildir, export.Mbox, export.EML} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Do(t, mail.CreateMailbox{Account: w.IDs[ann], NewMailbox: mail.NewMailbox{Name: "Work/Grüße", Subscribed: true}},
				mail.CreateMailbox{Account: w.IDs[ann], NewMailbox: mail.NewMailbox{Name: "Spam", Use: mail.UseJunk}})
			n := 0
			w.jobs.Close()
			w.jobs = importer.New(importer.Config{Store: importer.Store{Mailboxes: w.Store, Blobs: w.Store, Journal: w.Store}, Notes: w.Store})
			t.Cleanup(w.jobs.Close)
			for _, box := range []string{"INBOX", "Sent", "Work/Grüße", "Spam", "Lists"} {
				var files []string
				for range 60 {
					n++
					files = append(files, fmt.Sprintf("m/%s/cur/%d.x:2,%s", box, 1_600_000_000+n*1000, []string{"", "S", "FS", "RS", "D"}[n%5]), fmt.Sprintf("X-N: %d\r\n", n)+letter(fmt.Sprint(n))+"\r\nFrom x\r\n>From y\r\n\r\n")
				}
				files = append(files, "m/cur/1.x", letter("same"))
				if j := w.do(ann, w.file("x.zip", importer.Zip, packed(t, files...))); j.State != importer.Done || len(j.Failed) != 0 {
					t.Fatalf("%+v", j)
				}
			}
			boxes, err := w.Store.Mailboxes(t.Context(), w.IDs[ann])
			if err != nil {
				t.Fatal(err)
			}
			w.Do(t, mail.SetFlags{Account: w.IDs[ann], Mailbox: boxes[0].ID, UIDs: []mail.UIDRange{{First: 2, Last: 9}}, Op: mail.FlagsAdd, Flags: mail.Flags{Bits: mail.Junk, Keywords: "a b"}})
			want := w.account(ann)
			zipped := w.export(ann, format)
			for _, to := range []string{bob, ann} {
				j := w.do(to, w.file("export.zip", importer.Zip, zipped))
				if j.State != importer.Done || len(j.Failed) != 0 || to == ann && (j.Messages != 0 || j.Duplicates != 301) {
					t.Errorf("into %s: %+v", to, j)
				}
				got := w.account(to)
				if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
					t.Errorf("into %s: %q, want %q", to, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
				}
				for box := range want {
					if !slices.Equal(sorted(got[box]), sorted(want[box])) {
						t.Errorf("into %s: %s: %.600s, want %.600s", to, box, fmt.Sprint(got[box]), fmt.Sprint(want[box]))
					}
				}
			}
			again, err := w.Store.Mailboxes(t.Context(), w.IDs[bob])
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range again {
				if b.Name == "Spam" && b.Use != mail.UseJunk || b.Name == "Work/Grüße" && !b.Subscribed {
					t.Errorf("%+v", b)
				}
			}
		})
	}
}

func sorted(list []message) []message {
	return slices.SortedFunc(slices.Values(list), func(a, b message) int { return strings.Compare(a.text, b.text) })
}

func (w *world) export(account string, format export.Format) string {
	w.t.Helper()
	var b bytes.Buffer
	z, err := export.NewZip(&b, export.Options{Format: format})
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := w.Store.Account(w.t.Context(), w.IDs[mail.Path(account)])
	if err != nil {
		w.t.Fatal(err)
	}
	if err := export.Walk(w.t.Context(), export.Source{Mailboxes: w.Store, Bodies: export.Checked(w.Store)}, export.Selection{Accounts: []mail.Account{a}}, z); err != nil {
		w.t.Fatal(err)
	}
	if _, err := z.Finish(); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}
