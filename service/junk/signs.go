package junk

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/postrider/postrider/proto/message"
)

// signs is what the header is looked at with.
type signs struct {
	m      Message
	front  *message.Header
	header *message.Header
	facts  message.Facts
}

func (s signs) has(name string) bool  { return s.front.Has(name) || s.header.Has(name) }
func (s signs) count(name string) int { return s.front.Count(name) + s.header.Count(name) }
func (s signs) text(name string) string {
	if s.header.Has(name) {
		return s.header.Text(name)
	}
	return s.front.Text(name)
}

// client looks at what the client calls itself.
func (f *Filter) client(t *tally, m Message) {
	helo := strings.TrimSuffix(m.Helo, ".")
	ip := m.IP.Unmap()
	lit, isLiteral := literal(helo)
	switch {
	case helo == "" || !ip.IsValid():
	case isLiteral && lit != ip:
		t.add(2, "The client calls itself %s, which is not its address.", shown(helo))
	case isLiteral:
		t.add(0.6, "The client calls itself by its address instead of a name.")
	case f.ours(helo) && !ip.IsLoopback():
		t.add(2.5, "The client calls itself %s, which is our own name.", shown(helo))
	case strings.EqualFold(helo, "localhost") || strings.EqualFold(helo, "localhost.localdomain"):
		t.add(1.5, "The client calls itself localhost.")
	case !strings.Contains(helo, "."):
		t.add(1, "The client calls itself %q, which is no full name.", shown(helo))
	}
	if generic(m.Reverse, ip) && m.Evidence.Domain == "" {
		t.add(1, "The client's name %s looks like that of a home connection.", shown(m.Reverse))
	}
}

// ours reports whether a name is one of ours.
func (f *Filter) ours(helo string) bool {
	return f.cfg.Hostname != "" && same(helo, f.cfg.Hostname) || slices.ContainsFunc(f.cfg.Own, func(n string) bool { return same(helo, n) })
}

// generic reports a host name that is made of its address, as providers name the lines of their customers.
func generic(name string, ip netip.Addr) bool {
	if !ip.Is4() || name == "" {
		return false
	}
	octets := ip.As4()
	var numbers []string
	for n := range strings.FieldsFuncSeq(name, func(r rune) bool { return r < '0' || r > '9' }) {
		numbers = append(numbers, n)
	}
	found := 0
	for _, o := range octets {
		if slices.ContainsFunc(numbers, func(n string) bool { return strings.TrimLeft(n, "0") == itoa(o) }) {
			found++
		}
	}
	return found >= 3 && len(numbers) >= 3
}

func itoa(o byte) string {
	if o == 0 {
		return ""
	}
	var b [3]byte
	i := len(b)
	for ; o > 0; o /= 10 {
		i--
		b[i] = '0' + o%10
	}
	return string(b[i:])
}

// header looks at the form of the header.
func (f *Filter) header(t *tally, s signs) {
	f.date(t, s)
	if !s.has("Message-ID") {
		t.add(0.8, "The message has no Message-ID field.")
	}
	switch n := s.count("From"); {
	case n == 0:
		t.add(1.5, "The message has no From field.")
	case n > 1:
		t.add(2, "The message has %d From fields.", n)
	default:
		s.from(t)
	}
	if !s.has("To") && !s.has("Cc") {
		t.add(0.5, "The message is addressed to nobody (no To, no Cc).")
	}
	s.subject(t)
	if r := s.text("Reply-To"); r != "" && s.m.Evidence.Domain == "" {
		if all := message.ParseMailboxes(r); len(all) == 1 && freeMail(all[0].Addr.Domain) && author(s.facts) != "" && !same(all[0].Addr.Domain, author(s.facts)) {
			t.add(1, "Answers go to %s, another address than the author's, at a provider of free mailboxes.", shown(all[0].Addr.Domain))
		}
	}
}

// date looks at the Date field (RFC 5322 3.6.1).
func (f *Filter) date(t *tally, s signs) {
	now := f.cfg.Clock.Now()
	switch d := s.facts.Date; {
	case !s.has("Date"):
		t.add(0.8, "The message has no Date field.")
	case d.IsZero():
		t.add(0.5, "The message has a Date field that tells no date.")
	case d.After(now.Add(24 * time.Hour)):
		t.add(1, "The message is dated more than a day in the future.")
	case d.Before(now.Add(-30 * 24 * time.Hour)):
		t.add(0.5, "The message is dated more than a month ago.")
	}
}

// from looks for a name that pretends to be another address.
func (s signs) from(t *tally) {
	if len(s.facts.From) != 1 {
		return
	}
	m := s.facts.From[0]
	if m.Addr.Domain == "" {
		t.add(1, "The author has no mail address.")
		return
	}
	for word := range strings.FieldsFuncSeq(m.Name, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"'<>(),;`, r) }) {
		_, domain, ok := strings.Cut(word, "@")
		if d := normal(domain); ok && strings.Contains(d, ".") && registered(d) != registered(normal(m.Addr.Domain)) {
			t.add(1.5, "The author's name shows the address %s, but the message is from %s.", shown(word), shown(m.Addr.Domain))
			return
		}
	}
}

// subject looks at how the subject is written.
func (s signs) subject(t *tally) {
	text := s.facts.Subject
	if strings.TrimSpace(text) == "" {
		t.add(0.4, "The message has no subject.")
		return
	}
	upper, lower := 0, 0
	for _, r := range text {
		if unicode.IsUpper(r) {
			upper++
		} else if unicode.IsLower(r) {
			lower++
		}
	}
	if upper >= 8 && lower == 0 {
		t.add(0.7, "The subject is written in capitals only.")
	}
	if strings.Count(text, "!") >= 3 {
		t.add(0.5, "The subject has %d exclamation marks.", strings.Count(text, "!"))
	}
}

// freeMail reports whether anybody can have a mailbox at a domain within minutes. It is not meant to be complete.
func freeMail(domain string) bool {
	switch registered(normal(domain)) {
	case "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "aol.com", "mail.ru", "yandex.ru", "yandex.com",
		"gmx.de", "gmx.net", "gmx.com", "web.de", "proton.me", "protonmail.com", "icloud.com", "mail.com", "qq.com", "163.com", "zoho.com":
		return true
	}
	return false
}
