package demo

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// letter is what the demo's people write.
type letter struct {
	subject, text string
	attachment    bool
}

const hello = `Dear Bob,

this letter was handed to the submission agent of my system, which put it into its
queue in one durable commit, looked up the mail host of your domain, and brought it
there over TLS. Your system filed it in your INBOX in one commit, and only then said
250. You should have heard of it at once.

Yours, Ann
`

const answer = `Dear Ann,

it came, attachment and all, and my mail program did not even have to ask.

Yours, Bob
`

// compose writes the message with CRLF lines.
func (l letter) compose(from, to *town) []byte {
	var b strings.Builder
	stamp := time.Now()
	fmt.Fprintf(&b, "From: %s <%s>\nTo: %s <%s>\nSubject: %s\nDate: %s\nMessage-ID: <%d.demo@%s>\nMIME-Version: 1.0\n",
		title(from.user), from.person(), title(to.user), to.person(), l.subject, stamp.Format(time.RFC1123Z), stamp.UnixNano(), from.domain)
	if !l.attachment {
		fmt.Fprintf(&b, "Content-Type: text/plain; charset=utf-8\n\n%s", l.text)
	} else {
		const boundary = "postrider-demo"
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%s\n\n--%s\nContent-Type: text/plain; charset=utf-8\n\n%s\n", boundary, boundary, l.text)
		fmt.Fprintf(&b, "--%s\nContent-Type: application/octet-stream; name=photo.bin\nContent-Disposition: attachment; filename=photo.bin\nContent-Transfer-Encoding: base64\n\n%s--%s--\n",
			boundary, photo(), boundary)
	}
	return []byte(strings.ReplaceAll(b.String(), "\n", "\r\n"))
}

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// photo is an attachment of every octet there is.
func photo() string {
	raw := make([]byte, 3*1024)
	for i := range raw {
		raw[i] = byte(i * 7)
	}
	var b strings.Builder
	for text := base64.StdEncoding.EncodeToString(raw); text != ""; {
		n := min(76, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return b.String()
}

// messageID finds the Message-ID of a message of ours.
func messageID(text []byte) string {
	_, rest, _ := bytes.Cut(text, []byte("Message-ID: <"))
	id, _, _ := bytes.Cut(rest, []byte(">"))
	return string(id)
}

// sameBody compares what was read with what was sent, octet for octet, behind the header.
func sameBody(sent, got []byte) error {
	_, want, _ := bytes.Cut(sent, []byte("\r\n\r\n"))
	_, have, ok := bytes.Cut(got, []byte("\r\n\r\n"))
	if !ok || !bytes.Equal(want, have) {
		return fmt.Errorf("the body that was read (%d octets) is not the one that was sent (%d octets)", len(have), len(want))
	}
	return nil
}
