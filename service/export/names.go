package export

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/imap"
)

// maxComponent is how long a file's name gets, in octets; systems allow 255, and Maildir++ puts several levels into one.
const maxComponent = 200

// component makes one safe file name of a text that a stranger may have chosen: it is never empty, hidden, "..", or a path.
func component(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == 0 || r == utf8.RuneError || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
	if s == "" || s[0] == '.' || s[0] == '~' {
		s = "_" + strings.TrimLeft(s, ".~")
	}
	return short(s)
}

// short cuts a name that is too long, and keeps it apart from others with the same beginning.
func short(s string) string {
	if len(s) <= maxComponent {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	cut := maxComponent - 13
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "~" + hex.EncodeToString(sum[:6])
}

// maildirName is the directory of a mailbox in Maildir++: the INBOX is the root, all others lie beside one another with dots between their
// levels, in modified UTF-7 (RFC 3501 5.1.3) as Dovecot 2.3 and Courier expect. A dot in a name cannot be told from a level and becomes "_".
func maildirName(name string) string {
	if name == mail.Inbox {
		return ""
	}
	levels := strings.Split(name, mail.Delimiter)
	for i, l := range levels {
		levels[i] = imap.EncodeUTF7(component(strings.ReplaceAll(l, ".", "_")))
	}
	out := "." + strings.Join(levels, ".")
	if len(out) <= maxComponent {
		return out
	}
	// Cut anywhere it would be no modified UTF-7 any more.
	return short(strings.ReplaceAll(out, "&", "_"))
}

// pathName is the path of a mailbox where levels are directories.
func pathName(name string) string {
	levels := strings.Split(name, mail.Delimiter)
	for i, l := range levels {
		l = component(l)
		for _, end := range []string{".eml", ".mbox", ".jsonl", partSuffix} { // the names of our own files
			if strings.HasSuffix(strings.ToLower(l), end) {
				l += "_"
			}
		}
		levels[i] = l
	}
	return strings.Join(levels, "/")
}

// unique keeps names apart that differed only in what names of files cannot show.
type unique map[string]bool

func (u unique) name(s string) string {
	for n := s; ; {
		if key := strings.ToLower(n); !u[key] {
			u[key] = true
			return n
		}
		n += "_"
	}
}
