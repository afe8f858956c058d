package smtpd

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"math"
	"time"
)

// Config is what one listener's conversations have in common. The zero value of a limit means its default, a negative one
// that there is none.
type Config struct {
	Hostname string // our name in greetings and replies; "localhost" when empty
	Greeting string // what follows the name in the greeting
	LMTP     bool   // speak LMTP (RFC 2033) instead of SMTP
	DSN      bool   // offer DSN (RFC 3461): the sessions honour Ret, EnvID, Notify and ORcpt
	// RequireTLS offers REQUIRETLS inside TLS (RFC 8689): the sessions honour smtp.Mail.RequireTLS.
	RequireTLS bool
	TLS        *tls.Config // for STARTTLS; nil: not offered. Session tickets are turned off on a copy, see New

	MaxSize         int64 // octets of a message; 0: no limit
	MaxRecipients   int   // accepted in one transaction; 1000
	MaxErrors       int   // failed commands since the last message before the connection is closed; 20
	MaxJunk         int   // commands that move no mail since the last message; 100
	MaxTransactions int   // in one connection; 1000
	MaxAuthTries    int   // failed authentications; 3

	// AllowCleartextAuth offers AUTH without TLS: for loopback and test benches.
	AllowCleartextAuth bool

	Timeouts Timeouts
	Log      *slog.Logger // nil: nothing is logged
}

// Timeouts of a conversation. RFC 5321 4.5.3.2 sets the client's; a server waits at least 5 minutes for a command
// (RFC 5321 4.5.3.2.7).
type Timeouts struct {
	Command   time.Duration // for a whole command line; 5 minutes
	DataBlock time.Duration // for the next octets of a message; 3 minutes
	DataTotal time.Duration // for all of a message; 2 hours
	Write     time.Duration // for the client to take a reply; 5 minutes
	Handshake time.Duration // for TLS; 1 minute
	Grace     time.Duration // for what is under way when the server stops; 30 seconds
}

func (c Config) withDefaults() Config {
	c.Hostname = cmp.Or(c.Hostname, "localhost")
	if c.LMTP {
		c.Greeting = cmp.Or(c.Greeting, "LMTP Postrider")
	}
	c.Greeting = cmp.Or(c.Greeting, "ESMTP Postrider")
	c.MaxSize = max(c.MaxSize, 0)
	c.MaxRecipients = limit(c.MaxRecipients, 1000)
	c.MaxErrors = limit(c.MaxErrors, 20)
	c.MaxJunk = limit(c.MaxJunk, 100)
	c.MaxTransactions = limit(c.MaxTransactions, 1000)
	c.MaxAuthTries = limit(c.MaxAuthTries, 3)
	t := &c.Timeouts
	t.Command = cmp.Or(t.Command, 5*time.Minute)
	t.DataBlock = cmp.Or(t.DataBlock, 3*time.Minute)
	t.DataTotal = cmp.Or(t.DataTotal, 2*time.Hour)
	t.Write = cmp.Or(t.Write, 5*time.Minute)
	t.Handshake = cmp.Or(t.Handshake, time.Minute)
	t.Grace = cmp.Or(t.Grace, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func limit(n, standard int) int {
	if n < 0 {
		return math.MaxInt
	}
	return cmp.Or(n, standard)
}

// drainLimit bounds what is read and thrown away of a message that was refused, so that the client can read why.
func (c Config) drainLimit() int64 { return max(2*c.MaxSize, 64<<20) }
