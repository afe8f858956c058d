package smtpc

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"

	"github.com/postrider/postrider/proto/smtp"
)

// Hello introduces us with EHLO (or LHLO) and takes down what the server offers; where EHLO is not known, with HELO
// (RFC 5321 3.2).
func (c *Client) Hello(ctx context.Context) error {
	defer c.attach(ctx)()
	return c.hello()
}

func (c *Client) hello() error {
	c.Ext, c.dirty = map[string]string{}, false
	verb := smtp.EHLO
	if c.opts.LMTP {
		verb = smtp.LHLO
	}
	reply, err := c.command(string(verb)+" "+c.opts.Hello, c.opts.Timeouts.Hello)
	if err != nil {
		return err
	}
	if reply.Code/100 == 5 && verb == smtp.EHLO {
		verb = smtp.HELO
		if reply, err = c.command("HELO "+c.opts.Hello, c.opts.Timeouts.Hello); err != nil {
			return err
		}
	}
	if reply.Code != 250 {
		return &CommandError{string(verb), reply}
	}
	if verb != smtp.HELO {
		c.takeExtensions(reply.Text)
	}
	return nil
}

// takeExtensions reads the lines behind the first (RFC 5321 4.1.1.1). "AUTH=" is an old way to write AUTH.
func (c *Client) takeExtensions(text string) {
	_, lines, _ := strings.Cut(text, "\n")
	for line := range strings.SplitSeq(lines, "\n") {
		line = strings.TrimSpace(line)
		if old, ok := strings.CutPrefix(line, "AUTH="); ok {
			line = "AUTH " + old
		}
		word, rest, _ := strings.Cut(line, " ")
		if word = strings.ToUpper(word); word != "" {
			if before, twice := c.Ext[word]; twice && word == "AUTH" {
				rest = before + " " + rest
			}
			c.Ext[word] = strings.TrimSpace(rest)
		}
	}
}

// offers reports whether the server offered an extension.
func (c *Client) offers(name string) bool {
	_, ok := c.Ext[name]
	return ok
}

// StartTLS goes over to TLS and introduces us again (RFC 3207 4). The caller decides by cfg whom to trust. After an error of
// the handshake the connection is of no more use.
func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) error {
	if c.tls != nil {
		return &UnsupportedError{"STARTTLS", "TLS is active already"}
	}
	if !c.offers("STARTTLS") {
		return &UnsupportedError{"STARTTLS", "the server does not offer TLS"}
	}
	defer c.attach(ctx)()
	reply, err := c.command(string(smtp.STARTTLS), c.opts.Timeouts.Hello)
	if err != nil {
		return err
	}
	if reply.Code != 220 {
		return &CommandError{string(smtp.STARTTLS), reply}
	}
	if c.r.Buffered() > 0 {
		// Somebody in between put answers there, for us to take for ones that came through TLS.
		return c.failed("STARTTLS", errors.New("the server spoke on in the clear"))
	}
	t := tls.Client(c.conn, cfg)
	if err := c.handshake(t.HandshakeContext); err != nil {
		return err
	}
	state := t.ConnectionState()
	c.tls, c.conn = &state, t
	c.r.Reset(t)
	c.w.Reset(blockWriter{c})
	return c.hello()
}
