package dns

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
)

// normal checks a name that comes from a caller: ASCII labels of 1 to 63 octets, 253 in all (RFC 1035 2.3.4), without
// octets that a zone file would have to escape.
func normal(name string) (string, error) {
	n := strings.ToLower(strings.TrimSuffix(name, "."))
	if !isName(n) {
		return "", mail.Errorf(mail.Invalid, "%q is not a domain name", cut(name))
	}
	return n, nil
}

func isName(n string) bool {
	if n == "" || len(n) > 253 {
		return false
	}
	for label := range strings.SplitSeq(n, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c <= ' ' || c > '~' || strings.IndexByte(`"\();@$`, c) >= 0 {
				return false
			}
		}
	}
	return true
}

// isHost reports a name that an MX record may give: a name, and not an IP address in a name's place, which the
// dialer would take at its word (RFC 5321 5.1: the data of an MX is a domain name).
func isHost(n string) bool {
	if !isName(n) {
		return false
	}
	_, err := netip.ParseAddr(n)
	return err != nil
}

func cut(s string) string {
	if len(s) > 100 {
		return s[:100]
	}
	return s
}

// reverse writes the name an address's PTR records are at (RFC 1035 3.5, RFC 3596 2.5).
func reverse(ip netip.Addr) string {
	ip = ip.Unmap()
	octets := ip.AsSlice()
	var b strings.Builder
	for i := len(octets) - 1; i >= 0; i-- {
		if ip.Is4() {
			b.WriteString(strconv.Itoa(int(octets[i])))
			b.WriteByte('.')
			continue
		}
		const hex = "0123456789abcdef"
		b.Write([]byte{hex[octets[i]&15], '.', hex[octets[i]>>4], '.'})
	}
	if ip.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}
