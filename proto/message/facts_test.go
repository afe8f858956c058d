package message_test

import (
	"slices"
	"testing"

	"github.com/postrider/postrider/proto/message"
)

// RFC 5256 2.1
func TestBaseSubject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, base string
		reply    bool
	}{
		{"hello", "hello", false},
		{"  hello \t world ", "hello world", false},
		{"Re: hello", "hello", true},
		{"re[2]: FW: Fwd : hello", "hello", true},
		{"RE: [list] Re: hello", "hello", true},
		{"[list] hello", "hello", false},
		{"[list] Re: [other] hello", "hello", true},
		{"[only]", "[only]", false},
		{"[a] [b]", "[b]", false},
		{"hello (fwd)", "hello", true},
		{"hello (FWD) (fwd) ", "hello", true},
		{"[Fwd: hello]", "hello", true},
		{"[fwd: [list] Re: hello (fwd)]", "hello", true},
		{"Re: [fwd: hello]", "hello", true},
		{"Re:", "", true},
		{"Re", "Re", false},
		{"Regarding: x", "Regarding: x", false},
		{"", "", false},
		{"[a[b] x", "[a[b] x", false},
		{"[open", "[open", false},
	} {
		if base, reply := message.BaseSubject(c.in); base != c.base || reply != c.reply {
			t.Errorf("BaseSubject(%q) = %q, %v; want %q, %v", c.in, base, reply, c.base, c.reply)
		}
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	raw := benchHeader + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n--b--\r\n"
	f := scan([]byte(raw), 0, message.Limits{}).Facts()
	if f.MessageID != "20261124100000.1234@example.org" || !slices.Equal(f.InReplyTo, []string{"20261123100000.1234@example.com"}) ||
		!slices.Equal(f.References, []string{"20261122100000.1@example.com", "20261123100000.1234@example.com"}) || f.Subject != "Grüße from Ann" || f.BaseSubject != f.Subject ||
		len(f.From) != 1 || f.From[0].Name != "Ann Lee" || f.From[0].Addr.String() != "ann@example.org" || f.Date.Year() != 2026 || f.ReceivedCount != 1 || !f.HasAttachment ||
		f.HeaderSize != int64(len(benchHeader)+len("Content-Type: multipart/mixed; boundary=b\r\n\r\n")) {
		t.Errorf("%+v", f)
	}
	if f := scan(nil, 0, message.Limits{}).Facts(); f.MessageID != "" || !f.Date.IsZero() || f.HasAttachment {
		t.Errorf("an empty message: %+v", f)
	}
}

func TestAttachment(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]bool{
		"": false, "Content-Type: text/html": false, "Content-Type: text/plain; name=x.txt": true, "Content-Disposition: attachment": true,
		"Content-Type: image/png": true, "Content-Type: image/png\nContent-ID: <x>": false, "Content-Type: image/png\nContent-ID: <x>\nContent-Disposition: attachment": true,
		"Content-Type: image/png; name=x\nContent-Disposition: inline; filename=x": true, "Content-Type: application/pdf": true,
		"Content-Type: application/pgp-signature; name=s.asc": false, "Content-Type: message/delivery-status": false, "Content-Type: message/rfc822": true,
		"Content-Disposition: strange": true,
	} {
		raw := "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + fields + "\n\nx\n--b--"
		if fields == "" {
			raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--"
		}
		if got := scan([]byte(raw), 0, message.Limits{}).Section(1).Attachment(); got != want {
			t.Errorf("%q: %v", fields, got)
		}
	}
}
