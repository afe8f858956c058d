package intake

import (
	"crypto/tls"
	"net"
	"net/netip"

	"github.com/postrider/postrider/infra/smtpd"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/smtp"
)

// Received is the trace field for a letter that came over an SMTP connection (RFC 5321 4.4). name is the client's
// verified name, or "".
func (in *Intake) Received(c *smtpd.Conn, l *mail.Letter, name string) []byte {
	f := message.Received{Helo: c.Hello, RDNS: name, By: in.Hostname, With: c.With(), ID: string(l.Trace), For: For(l.Envelope), Time: l.Arrived}
	f.IP, _ = netip.AddrFromSlice(IP(c.Remote))
	f.IP = f.IP.Unmap()
	if c.TLS != nil {
		f.TLSVersion, f.TLSCipher = tls.VersionName(c.TLS.Version), tls.CipherSuiteName(c.TLS.CipherSuite)
	}
	return f.Field()
}

// For is the recipient a trace field may name: the only one, so that those of a blind copy stay unknown.
func For(env mail.Envelope) addr.Address {
	if len(env.To) != 1 {
		return addr.Address{}
	}
	a, err := addr.Parse(string(env.To[0]))
	if err != nil {
		return addr.Address{}
	}
	return a
}

// Taken is the reply to a message that was committed.
func Taken(l *mail.Letter) *smtp.Reply {
	return &smtp.Reply{Code: 250, Enhanced: "2.0.0", Text: "taken as " + string(l.Trace)}
}

// IP is the IP address of a peer, or nil for one that has none (a UNIX socket).
func IP(a net.Addr) net.IP {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.IP
	}
	return nil
}

// Peer tells the trail who brought a message: what it called itself and its address.
func Peer(c *smtpd.Conn) string {
	who := "local"
	if ip := IP(c.Remote); ip != nil {
		who = ip.String()
	}
	return c.Hello + "[" + who + "]"
}
