package message

import (
	"strings"
	"time"
)

// Facts are what lists, threads and searches ask of a message, decoded.
type Facts struct {
	MessageID     string   // without brackets
	InReplyTo     []string // without brackets
	References    []string // without brackets, oldest first
	Subject       string
	BaseSubject   string // for threads (RFC 5256 2.1)
	Reply         bool   // the subject says that this is a reply or a forward
	From          []Mailbox
	Date          time.Time // zero where the message tells none
	ReceivedCount int
	HasAttachment bool
	HeaderSize    int64
}

// Facts gives the facts of the message this is the root of, fresh from a Scanner or decoded from a Summary.
func (p *Part) Facts() Facts {
	f := Facts{HeaderSize: p.HeaderSize()}
	p.Walk(func(q *Part) bool {
		f.HasAttachment = q.Attachment()
		return !f.HasAttachment
	})
	e := p.Envelope
	if e == nil {
		return f
	}
	if ids := ParseMessageIDs(e.MessageID); len(ids) > 0 {
		f.MessageID = ids[0]
	}
	f.InReplyTo = ParseMessageIDs(e.InReplyTo)
	f.References = e.References
	f.Subject = DecodeText(e.Subject)
	f.BaseSubject, f.Reply = BaseSubject(f.Subject)
	for _, a := range e.From {
		if a.Kind == AddressMailbox {
			f.From = append(f.From, a.Decoded())
		}
	}
	f.Date = e.Time
	f.ReceivedCount = e.Received
	return f
}

// BaseSubject takes from a decoded subject what replies and forwards add to it: `Re:`, `Fwd:`, `[list]` and
// the like (RFC 5256 2.1). reply reports whether there was any sign of a reply or forward. The case of what is left stays:
// compare it without regard to case.
func BaseSubject(subject string) (base string, reply bool) {
	s := strings.Join(strings.Fields(subject), " ")
	for {
		before := s
		for {
			cut, ok := strings.CutSuffix(s, "(fwd)")
			if !ok && len(s) >= 5 && strings.EqualFold(s[len(s)-5:], "(fwd)") {
				cut, ok = s[:len(s)-5], true
			}
			if !ok {
				break
			}
			s, reply = strings.TrimRight(cut, " "), true
		}
		for {
			rest, isReply, ok := cutLeader(s)
			if !ok {
				break
			}
			s, reply = rest, reply || isReply
		}
		if inner, ok := cutForward(s); ok {
			s, reply = inner, true
			continue
		}
		if s == before {
			return s, reply
		}
	}
}

// cutLeader takes one leader off: blobs and a reply mark (subj-leader), or one blob that leaves something behind
// (RFC 5256 2.1 (3) and (4)).
func cutLeader(s string) (rest string, reply, ok bool) {
	const maxBlobs = 8
	at := s
	for range maxBlobs {
		if rest, ok := cutMark(at); ok {
			return strings.TrimLeft(rest, " "), true, true
		}
		next, ok := cutBlob(at)
		if !ok {
			break
		}
		at = next
	}
	if next, ok := cutBlob(s); ok && next != "" {
		return next, false, true
	}
	return s, false, false
}

// cutMark takes `re`, `fw` or `fwd`, maybe a blob, and a colon off.
func cutMark(s string) (string, bool) {
	for _, mark := range [...]string{"fwd", "re", "fw"} {
		if len(s) <= len(mark) || !strings.EqualFold(s[:len(mark)], mark) {
			continue
		}
		rest := strings.TrimLeft(s[len(mark):], " ")
		if after, ok := cutBlob(rest); ok {
			rest = after
		}
		if after, ok := strings.CutPrefix(rest, ":"); ok {
			return after, true
		}
	}
	return s, false
}

// cutBlob takes `[anything but brackets] ` off.
func cutBlob(s string) (string, bool) {
	if !strings.HasPrefix(s, "[") {
		return s, false
	}
	end := strings.IndexAny(s[1:], "[]")
	if end < 0 || s[1+end] != ']' {
		return s, false
	}
	return strings.TrimLeft(s[end+2:], " "), true
}

// cutForward takes `[fwd: ` and `]` off (RFC 5256 2.1 (6)).
func cutForward(s string) (string, bool) {
	if len(s) < 6 || !strings.EqualFold(s[:5], "[fwd:") || !strings.HasSuffix(s, "]") {
		return s, false
	}
	return strings.Trim(s[5:len(s)-1], " "), true
}
