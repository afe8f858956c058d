package imap

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/postrider/postrider/mail"
)

// Bounds on mailbox names.
const (
	maxName   = 1000 // octets of a whole name
	maxLevels = 20
)

// checkName says whether a mailbox may be called so (RFC 9051 5.1), and gives the name to store: one delimiter at the
// end only says that mailboxes will be made below (RFC 9051 6.3.4).
func checkName(name string) (string, error) {
	name = strings.TrimSuffix(name, mail.Delimiter)
	levels := strings.Split(name, mail.Delimiter)
	switch {
	case name == "":
		return "", mail.Errorf(mail.Invalid, "a mailbox needs a name")
	case len(name) > maxName:
		return "", mail.Errorf(mail.Invalid, "a mailbox name can have %d octets at most", maxName)
	case len(levels) > maxLevels:
		return "", mail.Errorf(mail.Invalid, "a mailbox name can have %d levels at most", maxLevels)
	case strings.ContainsAny(name, "*%"):
		return "", mail.Errorf(mail.Invalid, "a mailbox name cannot hold * or %%: no client could list it")
	}
	for _, l := range levels {
		if l == "" {
			return "", mail.Errorf(mail.Invalid, "a mailbox name cannot have an empty level: two %q in a row, or one in front", mail.Delimiter)
		}
		if strings.TrimSpace(l) != l {
			return "", mail.Errorf(mail.Invalid, "a mailbox name cannot begin or end with a space at any level")
		}
	}
	if i := strings.IndexFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
	}); i >= 0 {
		return "", mail.Errorf(mail.Invalid, "a mailbox name cannot hold control characters")
	}
	return name, nil
}

// Identifiers of RFC 8474: a letter for the sort of thing and the store's number.
func mailboxID(id mail.MailboxID) string { return "F" + strconv.FormatInt(int64(id), 10) }
func emailID(id mail.EmailID) string     { return "M" + strconv.FormatInt(int64(id), 10) }
func threadID(id mail.ThreadID) string   { return "T" + strconv.FormatInt(int64(id), 10) }

// useNames are the special uses as attributes (RFC 6154 2). The inbox has its name for one.
var useNames = map[mail.SpecialUse]string{mail.UseSent: `\Sent`, mail.UseDrafts: `\Drafts`, mail.UseJunk: `\Junk`,
	mail.UseTrash: `\Trash`, mail.UseArch: `\Archive`}

// parseUse reads the USE of CREATE.
func parseUse(names []string) (mail.SpecialUse, error) {
	use := mail.NoUse
	for _, n := range names {
		found := mail.NoUse
		for u, name := range useNames {
			if strings.EqualFold(n, name) {
				found = u
			}
		}
		if found == mail.NoUse {
			return "", fmt.Errorf("%s is not a use a mailbox can have here", n)
		}
		if use != mail.NoUse && use != found {
			return "", fmt.Errorf("a mailbox can have one use here")
		}
		use = found
	}
	return use, nil
}
