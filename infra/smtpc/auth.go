package smtpc

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// maxInitial bounds an initial response: with it, the command line must keep to 512 octets (RFC 4954 4).
const maxInitial = 350

// Auth authenticates us (RFC 4954 4). A mechanism that shows the password is not used without TLS, unless the options allow it.
func (c *Client) Auth(ctx context.Context, client sasl.Client) error {
	mechanism, initial, err := client.Start()
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(strings.ToUpper(c.Ext["AUTH"])), mechanism) {
		return &UnsupportedError{"AUTH " + mechanism, "the server does not offer AUTH " + mechanism}
	}
	if c.tls == nil && sasl.Reveals(mechanism) && !c.opts.AllowCleartextAuth {
		return mail.Errorf(mail.Denied, "AUTH %s would show the password to anybody on the way: use TLS", mechanism)
	}
	defer c.attach(ctx)()
	cmd := &smtp.Auth{Mechanism: mechanism}
	held := initial
	if len(initial) <= maxInitial {
		cmd.Initial, held = initial, nil
	}
	reply, err := c.command(cmd.String(), c.opts.Timeouts.Hello)
	for err == nil && reply.Code == 334 {
		var response []byte
		if held != nil {
			response, held = held, nil
		} else if response, err = answer(client, reply.Text); err != nil {
			_, _ = c.command("*", c.opts.Timeouts.Hello)
			return mail.Errorf(mail.Unauthenticated, "authentication given up: %w", err)
		}
		c.write(base64.StdEncoding.EncodeToString(response))
		reply, err = c.read("AUTH", c.opts.Timeouts.Hello)
	}
	if err != nil {
		return err
	}
	if reply.Code != 235 {
		return &CommandError{string(smtp.AUTH), reply}
	}
	if err := client.Finish(); err != nil {
		c.broken = true
		return mail.Errorf(mail.Unauthenticated, "the server is not who it should be: %w", err)
	}
	return nil
}

func answer(client sasl.Client, challenge string) ([]byte, error) {
	decoded, ok := smtp.DecodeResponse(strings.TrimSpace(challenge))
	if !ok {
		return nil, sasl.ErrMalformed
	}
	return client.Next(decoded)
}
