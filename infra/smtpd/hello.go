package smtpd

import (
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// hello obeys EHLO, HELO and LHLO. Each ends a transaction as RSET does (RFC 5321 4.1.4).
func (c *conversation) hello(h *smtp.Hello) {
	c.endTransaction()
	c.pub.Hello, c.pub.ESMTP = h.Domain, h.Word != smtp.HELO
	if h.Word == smtp.HELO {
		c.reply(&smtp.Reply{Code: 250, Text: c.cfg.Hostname})
		return
	}
	lines := append([]string{c.cfg.Hostname}, c.extensions()...)
	c.reply(&smtp.Reply{Code: 250, Text: strings.Join(lines, "\n")})
}

// extensions lists what is offered at this moment.
func (c *conversation) extensions() []string {
	size := "SIZE"
	if c.cfg.MaxSize > 0 {
		size += " " + strconv.FormatInt(c.cfg.MaxSize, 10)
	}
	list := []string{"PIPELINING", size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"}
	if c.cfg.DSN {
		list = append(list, "DSN")
	}
	if c.cfg.RequireTLS && c.pub.TLS != nil { // RFC 8689 2: never in the clear
		list = append(list, "REQUIRETLS")
	}
	if c.srv.tls != nil && c.pub.TLS == nil {
		list = append(list, "STARTTLS")
	}
	if m := c.mechanisms(); len(m) > 0 {
		list = append(list, "AUTH "+strings.Join(m, " "))
	}
	return list
}

// mechanisms lists the AUTH mechanisms that may be used at this moment: none in the clear where that is not allowed
// (RFC 4954 4), no channel binding without a channel.
func (c *conversation) mechanisms() []string {
	a, ok := c.sess.(Authenticator)
	if !ok || c.pub.AuthUser != "" || (c.pub.TLS == nil && !c.cfg.AllowCleartextAuth) {
		return nil
	}
	names := slices.Clone(a.Mechanisms())
	if c.pub.TLS == nil {
		names = slices.DeleteFunc(names, func(m string) bool { return m == sasl.ScramSHA256Plus })
	}
	return names
}
