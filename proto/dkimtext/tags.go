package dkimtext

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tag is one tag of a list.
type tag struct{ name, value string }

// tags reads a tag list. Values are trimmed, white space within them is kept. Names are case-sensitive, and
// a list that has one twice is no list. RFC 6376 3.2.
func tags(s string) ([]tag, error) {
	var list []tag
	for part := range strings.SplitSeq(s, ";") {
		if trim(part) == "" {
			continue // one after the last semicolon is allowed; others harm nobody
		}
		name, value, ok := strings.Cut(part, "=")
		name = trim(name)
		if !ok || !tagName(name) {
			return nil, fmt.Errorf("%q is no tag", cut(trim(part)))
		}
		for _, t := range list {
			if t.name == name {
				return nil, fmt.Errorf("the tag %s= stands there twice", cut(name))
			}
		}
		if len(list) == maxTags {
			return nil, errors.New("there are too many tags")
		}
		list = append(list, tag{name, trim(value)})
	}
	return list, nil
}

// maxTags keeps the search for duplicates cheap.
const maxTags = 64

func tagName(s string) bool {
	for i := range len(s) {
		switch c := s[i] | 0x20; {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= s[i] && s[i] <= '9' || s[i] == '_'):
		default:
			return false
		}
	}
	return s != ""
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// bare takes all folding white space out.
func bare(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s)
}

func words(s string) []string {
	all := strings.Split(s, ":")
	for i, w := range all {
		all[i] = trim(w)
	}
	return all
}

func decode(s string) ([]byte, error) {
	s = bare(s)
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil && !strings.HasSuffix(s, "=") {
		b, err = base64.RawStdEncoding.DecodeString(s) // padding is forgotten now and then
	}
	if err != nil {
		return nil, errors.New("it is not Base64")
	}
	return b, nil
}

// seconds reads the time of t= and x=. RFC 6376 3.5 wants up to 12 digits to be taken.
func seconds(s string) (time.Time, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return time.Time{}, errors.New("it is no time")
	}
	return time.Unix(int64(min(n, 1<<40)), 0).UTC(), nil
}

// cut keeps what a stranger wrote short enough for a sentence.
func cut(s string) string {
	if len(s) > 60 {
		return s[:60]
	}
	return s
}
