package message

import "strings"

// maxIDs bounds a list of message identifiers; the newest, which stand last, are kept.
const maxIDs = 1000

// ParseMessageIDs reads the identifiers in the value of a Message-ID, In-Reply-To or References field, without
// their brackets. Space inside is taken out. Where nothing is bracketed, words that look like identifiers
// are taken. RFC 5322 3.6.4.
func ParseMessageIDs(value string) (ids []string) {
	rest := value
	for {
		open := strings.IndexByte(rest, '<')
		if open < 0 {
			break
		}
		rest = rest[open+1:]
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			break
		}
		id := rest[:end]
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = id[i+1:] // one that was never closed, or doubled brackets
		}
		rest = rest[end+1:]
		if id = squeeze(id); id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		words := strings.Fields(strings.Trim(value, "<> \t\r\n"))
		for _, w := range words {
			w = strings.Trim(w, "<>,;\"")
			if w != "" && (len(words) == 1 || strings.IndexByte(w, '@') > 0) {
				ids = append(ids, w)
			}
		}
	}
	if len(ids) > maxIDs {
		ids = ids[len(ids)-maxIDs:]
	}
	return ids
}

// squeeze takes out all space and control characters.
func squeeze(s string) string {
	bad := func(c rune) bool { return c <= ' ' || c == 0x7f }
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return -1
		}
		return r
	}, s)
}

// FormatMessageID puts an identifier in brackets, once: one that has them keeps them. What could not stand
// in a field is taken out.
func FormatMessageID(id string) string {
	return "<" + strings.Trim(squeeze(oneLine(guess(id))), "<>") + ">"
}
