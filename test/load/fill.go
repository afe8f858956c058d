package load

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// fillBatch is how many messages one APPEND stores where the server can do that (RFC 3502).
const fillBatch = 100

// fill stores n letters in a mailbox over four IMAP connections: with MULTIAPPEND where that is offered.
func fill(ctx context.Context, r Rig, name string, n int) error {
	l := newLetters()
	// One client first: Dovecot 2.3 ends processes with "Resource deadlock avoided" when several make an account's mailboxes.
	c, err := dialIMAP(r.Addr(IMAP), name, nil)
	if err != nil {
		return err
	}
	err = c.do("SELECT INBOX", nil)
	c.close()
	if err != nil {
		return err
	}
	const width = 4
	return parallel(width, width, func(part int) error {
		c, err := dialIMAP(r.Addr(IMAP), name, nil)
		if err != nil {
			return err
		}
		defer c.close()
		batch := 1
		err = c.do("CAPABILITY", func(line []byte) {
			if bytes.Contains(line, []byte("MULTIAPPEND")) {
				batch = fillBatch
			}
		})
		if err != nil {
			return err
		}
		var messages [][]byte
		for i := part; i < n; i += width {
			if err := ctx.Err(); err != nil {
				return err
			}
			messages = append(messages, l.make(i))
			if len(messages) == batch || i+width >= n {
				if err := c.appendAll("INBOX", messages); err != nil {
					return fmt.Errorf("%s: storing message %d: %w", r.Name(), i, err)
				}
				messages = messages[:0]
			}
		}
		return nil
	})
}

// appendAll stores messages in one command, with literals that need no answer (RFC 7888).
func (c *imapClient) appendAll(mailbox string, messages [][]byte) error {
	var b strings.Builder
	b.WriteString("APPEND " + mailbox)
	for _, m := range messages {
		fmt.Fprintf(&b, " {%d+}\r\n%s", len(m), m)
	}
	tag, err := c.send(b.String())
	if err != nil {
		return err
	}
	return c.answer(tag, "APPEND", nil)
}
