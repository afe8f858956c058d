package dns

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
)

// zone is the records of a Static by normal name.
type zone map[string]*records

// records is everything at one name.
type records struct {
	mx     []MX
	v4, v6 []netip.Addr
	txt    []string
	ptr    []string
	alias  string
	fail   bool
}

func (r *records) set(name string, k kind) set {
	s := set{name: name, status: NoData, ttl: staticTTL}
	switch k {
	case kindMX:
		s.mx = r.mx
	case kindA:
		s.addrs = r.v4
	case kindAAAA:
		s.addrs = r.v6
	case kindTXT:
		s.texts = r.txt
	case kindPTR:
		s.texts = r.ptr
	}
	if len(s.mx)+len(s.addrs)+len(s.texts) > 0 {
		s.status = Found
	}
	return s
}

func (z zone) hasBelow(name string) bool {
	for n := range z {
		if strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}

// parseZone reads a zone text.
func parseZone(text string) (zone, error) {
	z := zone{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		words, reason := zoneWords(line)
		if reason == "" && len(words) > 0 {
			reason = z.add(words)
		}
		if reason != "" {
			return nil, mail.Errorf(mail.Invalid, "static DNS zone, line %d: %s", n, reason)
		}
	}
	return z, nil
}

// zoneWords splits a line at blanks, keeps quoted strings whole and drops the comment.
func zoneWords(line string) (words []string, reason string) {
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" || line[0] == '#' || line[0] == ';' {
			return words, ""
		}
		if line[0] != '"' {
			end := strings.IndexAny(line, " \t\r\n")
			if end < 0 {
				end = len(line)
			}
			words, line = append(words, line[:end]), line[end:]
			continue
		}
		var b strings.Builder
		i := 1
		for ; i < len(line) && line[i] != '"'; i++ {
			if line[i] == '\\' && i+1 < len(line) {
				i++
			}
			b.WriteByte(line[i])
		}
		if i >= len(line) {
			return nil, "a quoted string is not closed"
		}
		words, line = append(words, b.String()), line[i+1:]
	}
}

// add takes one record and says what is wrong with it, or nothing.
func (z zone) add(words []string) (reason string) {
	owner := words[0]
	words = words[1:]
	for len(words) > 1 && (strings.EqualFold(words[0], "IN") || digits(words[0])) {
		words = words[1:]
	}
	if len(words) == 0 {
		return "the type of the record is missing"
	}
	typ, data := strings.ToUpper(words[0]), words[1:]
	if ip, err := netip.ParseAddr(owner); err == nil && typ == "PTR" {
		owner = reverse(ip)
	}
	name, err := normal(owner)
	if err != nil {
		return err.Error()
	}
	r := z[name]
	if r == nil {
		r = &records{}
		z[name] = r
	} else if r.alias != "" || typ == "CNAME" {
		return "a name with a CNAME can have no other record" // RFC 1034 3.6.2
	}
	return r.add(typ, data)
}

func (r *records) add(typ string, data []string) (reason string) {
	switch {
	case typ == "FAIL" && len(data) == 0:
		r.fail = true
	case typ == "MX" && len(data) == 2:
		pref, err := strconv.ParseUint(data[0], 10, 16)
		host := text(data[1])
		if err != nil || data[1] != "." && !isHost(host) {
			return "MX wants a number below 65536 and the name of a host"
		}
		r.mx = append(r.mx, MX{Host: host, Preference: uint16(pref)})
	case (typ == "A" || typ == "AAAA") && len(data) == 1:
		ip, err := netip.ParseAddr(data[0])
		if err != nil || ip.Is4() != (typ == "A") || ip.Zone() != "" {
			return typ + " wants an address of its family"
		}
		if typ == "A" {
			r.v4 = append(r.v4, ip)
		} else {
			r.v6 = append(r.v6, ip)
		}
	case typ == "TXT" && len(data) > 0:
		r.txt = append(r.txt, strings.Join(data, ""))
	case (typ == "PTR" || typ == "CNAME") && len(data) == 1:
		name, err := normal(data[0])
		if err != nil {
			return err.Error()
		}
		if typ == "CNAME" {
			r.alias = name
		} else {
			r.ptr = append(r.ptr, name)
		}
	default:
		return "a record is MX, A, AAAA, TXT, PTR, CNAME or FAIL, with its data"
	}
	return ""
}
