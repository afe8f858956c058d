package jmap

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
	"github.com/postrider/postrider/proto/textindex"
)

// condition is one condition of an Email/query (RFC 8621 4.4.1), of which all given members must hold. What a snapshot tells is flat; each term
// of a text is a question of its own.
type condition struct {
	in        *mail.MailboxID
	otherThan []mail.MailboxID
	hasOther  bool
	from, to  int64 // seconds of receivedAt: from <= it < to
	min, max  int64 // octets: min <= size < max
	has, not  *mail.Flags
	allIn     *mail.Flags
	someIn    *mail.Flags
	noneIn    *mail.Flags

	hasAttachment *bool
	texts         []*question
}

// question asks whether a message has a text, and what an index says of it.
type question struct {
	query    mail.TextQuery
	folded   string
	findings map[mail.EmailID]mail.Finding
}

// maxTerms is how many terms a condition's text may have; more are left out, so that more is found.
const maxTerms = 20

// compile reads a condition. mailboxes gives the number of an id.
func (c *call) compile(a wire.Args) (*condition, error) {
	k := &condition{from: math.MinInt64, to: math.MaxInt64, max: math.MaxInt64}
	var in *string
	var others *wire.IDs
	var before, after *wire.UTCDate
	var minSize, maxSize *wire.Uint
	var header []string
	words := map[string]**mail.Flags{"hasKeyword": &k.has, "notKeyword": &k.not, "allInThreadHaveKeyword": &k.allIn,
		"someInThreadHaveKeyword": &k.someIn, "noneInThreadHaveKeyword": &k.noneIn}
	r := wire.Reader{Args: a}
	r.Get("inMailbox", &in)
	r.Get("inMailboxOtherThan", &others)
	r.Get("before", &before)
	r.Get("after", &after)
	r.Get("minSize", &minSize)
	r.Get("maxSize", &maxSize)
	r.Get("hasAttachment", &k.hasAttachment)
	r.Get("header", &header)
	for name, to := range words {
		var word *string
		if r.Get(name, &word); word != nil {
			f, err := flagsOf(map[string]bool{*word: true})
			if err != nil {
				return nil, wire.Errorf(wire.ErrInvalidArguments, fmt.Sprintf("%q is no keyword", *word))
			}
			*to = &f
		}
	}
	for name, field := range textFields {
		var text *string
		if r.Get(name, &text); text != nil {
			k.ask(field, *text)
		}
	}
	if err := r.End(); err != nil {
		for name := range a {
			if !conditionNames[name] {
				return nil, wire.Errorf(wire.ErrUnsupportedFilter, fmt.Sprintf("messages are not filtered by %q", name))
			}
		}
		return nil, wire.Errorf(wire.ErrInvalidArguments, err.Error())
	}
	if in != nil {
		n, _ := parseMailbox(c.real(*in))
		k.in = &n
	}
	if others != nil {
		k.hasOther = true
		for _, id := range *others {
			n, _ := parseMailbox(c.real(id))
			k.otherThan = append(k.otherThan, n)
		}
	}
	k.bounds(before, after, minSize, maxSize)
	return k, k.askHeader(header)
}

// textFields are the conditions that search texts.
var textFields = map[string]mail.TextField{"text": mail.FieldText, "from": mail.FieldFrom, "to": mail.FieldTo, "cc": mail.FieldCc,
	"bcc": mail.FieldBcc, "subject": mail.FieldSubject, "body": mail.FieldBody}

var conditionNames = map[string]bool{"inMailbox": true, "inMailboxOtherThan": true, "before": true, "after": true, "minSize": true, "maxSize": true,
	"allInThreadHaveKeyword": true, "someInThreadHaveKeyword": true, "noneInThreadHaveKeyword": true, "hasKeyword": true, "notKeyword": true,
	"hasAttachment": true, "text": true, "from": true, "to": true, "cc": true, "bcc": true, "subject": true, "body": true, "header": true}

func (k *condition) bounds(before, after *wire.UTCDate, minSize, maxSize *wire.Uint) {
	if before != nil {
		k.to = ceilSecond(before.Time)
	}
	if after != nil {
		k.from = ceilSecond(after.Time)
	}
	if minSize != nil {
		k.min = int64(*minSize)
	}
	if maxSize != nil {
		k.max = int64(*maxSize)
	}
}

// ceilSecond is the first whole second that is not before a time: what was received is known in whole seconds.
func ceilSecond(t time.Time) int64 {
	n := t.Unix()
	if t.Nanosecond() > 0 {
		n++
	}
	return n
}

// ask adds the terms of a text: words, and phrases in quotes (RFC 8621 4.4.1).
func (k *condition) ask(field mail.TextField, text string) {
	for _, term := range terms(text) {
		if len(k.texts) < maxTerms {
			k.texts = append(k.texts, &question{query: mail.TextQuery{Field: field, Text: term}, folded: textindex.Fold(term)})
		}
	}
}

// terms parts a text at white space, but not within quotes.
func terms(text string) (out []string) {
	for {
		text = strings.TrimLeft(text, " \t\r\n\u3000")
		if text == "" {
			return out
		}
		if q := text[0]; q == '"' || q == '\'' {
			if end := strings.IndexByte(text[1:], q); end >= 0 {
				if phrase := strings.TrimSpace(text[1 : 1+end]); phrase != "" {
					out = append(out, phrase)
				}
				text = text[end+2:]
				continue
			}
			if q == '"' {
				text = text[1:]
				continue
			}
		}
		end := strings.IndexAny(text, " \t\r\n\u3000")
		if end < 0 {
			end = len(text)
		}
		out = append(out, text[:end])
		text = text[end:]
	}
}

// askHeader adds a condition on a field: its name, and maybe a text.
func (k *condition) askHeader(header []string) error {
	if header == nil {
		return nil
	}
	if len(header) == 0 || len(header) > 2 || header[0] == "" || strings.ContainsFunc(header[0], func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
		return wire.Errorf(wire.ErrInvalidArguments, "a header condition is a list of a field's name and, maybe, a text")
	}
	q := &question{query: mail.TextQuery{Field: mail.FieldHeader, Name: strings.ToUpper(header[0])}}
	if len(header) == 2 {
		q.query.Text, q.folded = header[1], textindex.Fold(header[1])
	}
	k.texts = append(k.texts, q)
	return nil
}

// cheap is what a snapshot tells of the condition; Open where a message must be asked for the rest.
func (k *condition) cheap(s *snapshot, e *email) wire.Verdict {
	if k.in != nil && !e.in(*k.in) || e.received < k.from || e.received >= k.to || e.size < k.min || e.size >= k.max ||
		k.has != nil && !hasAll(e.flags, *k.has) || k.not != nil && hasAll(e.flags, *k.not) || k.hasOther && !k.elsewhere(e) {
		return wire.No
	}
	if (k.allIn != nil || k.someIn != nil || k.noneIn != nil) && !k.thread(s.threadOf(e.thread)) {
		return wire.No
	}
	if k.hasAttachment == nil && len(k.texts) == 0 {
		return wire.Yes
	}
	return wire.Open
}

func (k *condition) elsewhere(e *email) bool {
	for _, p := range e.places {
		other := true
		for _, id := range k.otherThan {
			other = other && p.mailbox != id
		}
		if other {
			return true
		}
	}
	return false
}

func (k *condition) thread(list []*email) bool {
	all, some := true, map[*mail.Flags]bool{}
	for _, e := range list {
		if k.allIn != nil {
			all = all && hasAll(e.flags, *k.allIn)
		}
		for _, f := range []*mail.Flags{k.someIn, k.noneIn} {
			if f != nil && hasAll(e.flags, *f) {
				some[f] = true
			}
		}
	}
	return all && (k.someIn == nil || some[k.someIn]) && (k.noneIn == nil || !some[k.noneIn])
}

// hasAll reports whether flags have one keyword.
func hasAll(f, word mail.Flags) bool {
	if word.Bits != 0 {
		return f.Bits&word.Bits == word.Bits
	}
	for have := range strings.FieldsSeq(f.Keywords) {
		if have == word.Keywords {
			return true
		}
	}
	return false
}
