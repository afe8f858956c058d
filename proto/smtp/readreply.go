package smtp

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds on what a server may answer. RFC 5321 4.5.3.1.5 promises 512 octets a line; real servers send more.
const (
	maxReplyText  = 2048
	maxReplyLines = 128
)

// ErrBadReply is in the chain of every error about a reply that is no reply.
var ErrBadReply = errors.New("smtp: the server's answer is not an SMTP reply")

// ReadReply reads one reply (RFC 5321 4.2.1). The enhanced status code is taken off each line when the first line has one of the
// reply's class (RFC 2034 4). Control characters become spaces, so that a reply can be logged and reported as it is.
// A line that ends with LF alone is accepted: it can mislead nobody but the one who sent it.
func ReadReply(r *Reader) (*Reply, error) {
	reply := &Reply{}
	var text strings.Builder
	for n := 1; ; n++ {
		line, err := r.ReadLine(maxReplyText)
		if err != nil && !errors.Is(err, ErrBareLF) && !errors.Is(err, ErrBareCR) && !errors.Is(err, ErrNUL) {
			if errors.Is(err, ErrLineTooLong) {
				err = fmt.Errorf("%w: a line over %d octets", ErrBadReply, maxReplyText)
			}
			return nil, err
		}
		code, rest, more, ok := splitReplyLine(line)
		switch {
		case !ok:
			return nil, fmt.Errorf("%w: %q", ErrBadReply, clip(line))
		case n == 1:
			reply.Code = code
			reply.Enhanced = leadingEnhanced(rest, code)
		case code != reply.Code:
			return nil, fmt.Errorf("%w: codes %d and %d in one reply", ErrBadReply, reply.Code, code)
		case n > maxReplyLines:
			return nil, fmt.Errorf("%w: over %d lines", ErrBadReply, maxReplyLines)
		}
		if reply.Enhanced != "" && leadingEnhanced(rest, code) == reply.Enhanced {
			rest = strings.TrimPrefix(rest[len(reply.Enhanced):], " ")
		}
		if n > 1 {
			text.WriteByte('\n')
		}
		text.WriteString(plainText(rest))
		if !more {
			reply.Text = text.String()
			return reply, nil
		}
	}
}

// splitReplyLine takes "250-text", "250 text" and "250" apart.
func splitReplyLine(line []byte) (code int, text string, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, "", false, false
	}
	for _, d := range line[:3] {
		if d < '0' || d > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(d-'0')
	}
	if len(line) == 3 {
		return code, "", false, true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, "", false, false
	}
	return code, string(line[4:]), line[3] == '-', true
}

func leadingEnhanced(text string, code int) string {
	word, _, _ := strings.Cut(text, " ")
	if len(word) > 9 || !ValidEnhanced(word) || int(word[0]-'0') != code/100 {
		return ""
	}
	return word
}

// plainText makes text from outside fit to be shown: valid UTF-8 without control characters.
func plainText(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || (c >= 0x7f && c <= 0x9f) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

func clip(b []byte) []byte { return b[:min(len(b), 80)] }
