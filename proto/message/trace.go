package message

import (
	"net/netip"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
)

// Received is the trace of one hop. Everything in it may come from a stranger: what could end the field or
// a comment in it is replaced.
type Received struct {
	Helo string     // what the client called itself; empty becomes "unknown"
	IP   netip.Addr // where it connected from; not told if invalid
	RDNS string     // the name of that address, if it was verified
	By   string     // our name
	// With is the protocol: SMTP, ESMTP, ESMTPS, ESMTPSA, UTF8SMTP ..., LMTP (RFC 3848, RFC 6531 4.3).
	With       string
	TLSVersion string       // "TLSv1.3"; empty without TLS
	TLSCipher  string       // "TLS_AES_128_GCM_SHA256"
	ID         string       // ours
	For        addr.Address // the one recipient; zero where there were several or none shall be told
	Time       time.Time    // in the zone it shall be told in
}

// Field writes the trace as a ready header field (RFC 5321 4.4), laid out over lines as people are used to.
func (r Received) Field() []byte {
	var b strings.Builder
	b.WriteString("Received: from ")
	b.WriteString(hostText(r.Helo))
	if r.IP.IsValid() {
		b.WriteString(" (")
		if r.RDNS != "" {
			b.WriteString(hostText(strings.TrimSuffix(r.RDNS, ".")) + " ")
		}
		b.WriteString(addr.Literal(r.IP) + ")")
	}
	if r.TLSVersion != "" {
		b.WriteString("\r\n\t(using " + atomText(r.TLSVersion))
		if r.TLSCipher != "" {
			b.WriteString(" with cipher " + atomText(r.TLSCipher))
		}
		b.WriteString(")")
	}
	b.WriteString("\r\n\tby " + hostText(r.By))
	if r.With != "" {
		b.WriteString(" with " + atomText(r.With))
	}
	if r.ID != "" {
		b.WriteString(" id " + atomText(r.ID))
	}
	// An address in UTF-8 may only be told where the message travels as such (RFC 6531 3.7.3).
	if target := r.For.String(); target != "" && (isASCIIText(target) || strings.HasPrefix(r.With, "UTF8")) {
		b.WriteString("\r\n\tfor <" + target + ">")
	}
	b.WriteString(";\r\n\t" + FormatDate(r.Time) + "\r\n")
	return []byte(b.String())
}

// ReturnPath writes the field a final delivery puts first (RFC 5321 4.4); the empty path is the null sender.
func ReturnPath(path string) []byte { return []byte("Return-Path: <" + oneLine(path) + ">\r\n") }

// DeliveredTo writes the field that tells which recipient a message was delivered for.
func DeliveredTo(path string) []byte { return []byte("Delivered-To: " + oneLine(path) + "\r\n") }

// hostText makes of what a client says a name or literal that can stand in a trace field.
func hostText(s string) string {
	if name, err := addr.NormalDomain(s); err == nil && !isASCIIText(s) {
		return name
	}
	return replaced(s, ".-_:[]")
}

// atomText makes of a text one word without special meaning.
func atomText(s string) string { return replaced(s, ".-_+/=@:") }

// replaced keeps ASCII letters, digits and some more, and puts ? for the rest.
func replaced(s, more string) string {
	const maxText = 255
	if s == "" {
		return "unknown"
	}
	b := []byte(s[:min(len(s), maxText)])
	for i, c := range b {
		l := lower(c)
		if ('a' > l || l > 'z') && (c < '0' || c > '9') && strings.IndexByte(more, c) < 0 {
			b[i] = '?'
		}
	}
	return string(b)
}

func isASCIIText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
