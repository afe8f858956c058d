// Package query reads what people write to search for mail, and makes a filter of it.
//
// It takes the text and what is known of the account (Context), and hands out a filter for Email/query (RFC 8621 4.4.1). The language is the webmail's:
//
//	words and "phrases"; from: to: cc: bcc: subject: body: in: is: has: label: before: after: larger: smaller:
//	a minus before a term means not; OR between two terms means either; round brackets keep terms together
//
// Invariants: nothing that is written is an error: what is no operator is searched as text, and what cannot be found as it was meant is told in Problems.
// Work is linear in the input, which is bounded.
package query

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Bounds of the input, in octets, and of brackets within one another.
const (
	longest = 1000
	deepest = 6
)

// Filter is a condition or an operator, as RFC 8621 4.4.1 and RFC 8620 5.5 have them.
type Filter = map[string]any

// Context is what a search is read with.
type Context struct {
	Now     time.Time // with the person's time zone
	Me      []string  // the own addresses, for from:me
	Mailbox func(name string) (id string, ok bool)
}

// Parsed is a search that was read.
type Parsed struct {
	Filter   Filter   // nil: everything
	Problems []string // sentences about what could not be understood as it was meant
	Placed   bool     // mailboxes were named, or "anywhere"
}

type kind uint8

const (
	word kind = iota
	operator
	or
	opening
	closing
)

type token struct {
	kind    kind
	negated bool
	name    string
	value   string
	quoted  bool
}

var operators = map[string]string{"from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "subject": "subject", "body": "body", "in": "in", "is": "is", "has": "has",
	"label": "label", "before": "before", "after": "after", "larger": "larger", "smaller": "smaller", "older_than": "before", "newer_than": "after",
	"older": "before", "newer": "after", "size": "larger", "keyword": "label", "tag": "label"}

// lexer parts the input.
type lexer struct {
	in string
	at int
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (l *lexer) phrase() string {
	rest := l.in[l.at+1:]
	end := strings.IndexByte(rest, '"')
	if end < 0 {
		l.at = len(l.in)
		return rest
	}
	l.at += end + 2
	return rest[:end]
}

func (l *lexer) word() string {
	from := l.at
	for l.at < len(l.in) && !space(l.in[l.at]) && !strings.ContainsRune(`"()`, rune(l.in[l.at])) {
		l.at++
	}
	return l.in[from:l.at]
}

var operatorName = regexp.MustCompile(`^(?i)([a-z_]{1,15}):`)

func (l *lexer) all() (out []token) {
	for l.at < len(l.in) {
		c := l.in[l.at]
		if space(c) {
			l.at++
			continue
		}
		var t token
		if c == '-' && l.at+1 < len(l.in) && !space(l.in[l.at+1]) && l.in[l.at+1] != ')' {
			t.negated = true
			l.at++
			c = l.in[l.at]
		}
		m := operatorName.FindString(l.in[l.at:])
		name, known := operators[strings.ToLower(strings.TrimSuffix(m, ":"))]
		switch {
		case c == '(':
			t.kind = opening
			l.at++
		case c == ')':
			t.kind = closing
			l.at++
		case c == '"':
			t.value, t.quoted = l.phrase(), true
		case m != "" && known:
			l.at += len(m)
			t.kind, t.name = operator, name
			if t.quoted = l.at < len(l.in) && l.in[l.at] == '"'; t.quoted {
				t.value = l.phrase()
			} else {
				t.value = l.word()
			}
		default:
			t.value = l.word()
			if t.value == "OR" && !t.negated {
				t.kind = or
			} else if t.value == "AND" && !t.negated {
				continue
			}
		}
		out = append(out, t)
	}
	return out
}

// Parse reads a search.
func Parse(input string, c Context) Parsed {
	l := lexer{in: strings.ToValidUTF8(input[:min(len(input), longest)], "")}
	r := reader{list: l.all(), c: c}
	filter := r.either(0)
	return Parsed{Filter: filter, Problems: r.problems, Placed: r.placed}
}

// Scoped is the filter within a mailbox, unless the search names mailboxes itself.
func (p Parsed) Scoped(mailbox string) Filter {
	if p.Placed || mailbox == "" {
		return p.Filter
	}
	where := Filter{"inMailbox": mailbox}
	if p.Filter == nil {
		return where
	}
	return Filter{"operator": "AND", "conditions": []any{where, p.Filter}}
}

type reader struct {
	list     []token
	c        Context
	at       int
	problems []string
	placed   bool
}

// either reads terms and ORs up to the closing bracket. OR binds its two neighbours: "a b OR c" is a and (b or c).
func (r *reader) either(depth int) Filter {
	var all []Filter
	joins := false
	for r.at < len(r.list) {
		t := r.list[r.at]
		if t.kind == closing && depth > 0 {
			break
		}
		r.at++
		var one Filter
		switch t.kind {
		case closing:
			continue
		case or:
			joins = len(all) > 0
			continue
		case opening:
			if depth >= deepest {
				continue
			}
			one = r.either(depth + 1)
			r.at++
		case word, operator:
			one = r.term(t)
		}
		if one == nil {
			continue
		}
		if t.negated {
			one = Filter{"operator": "NOT", "conditions": []any{one}}
		}
		if joins {
			one = join(all[len(all)-1], one)
			all = all[:len(all)-1]
		}
		all, joins = append(all, one), false
	}
	return both(all)
}

func join(a, b Filter) Filter {
	if a["operator"] == "OR" {
		if list, ok := a["conditions"].([]any); ok {
			return Filter{"operator": "OR", "conditions": append(list, b)}
		}
	}
	return Filter{"operator": "OR", "conditions": []any{a, b}}
}

// both is all of them together; plain texts become one condition.
func both(all []Filter) Filter {
	var texts []string
	var parts []any
	for _, f := range all {
		if text, ok := f["text"].(string); ok && len(f) == 1 {
			texts = append(texts, text)
		} else {
			parts = append(parts, f)
		}
	}
	if texts != nil {
		parts = append([]any{Filter{"text": strings.Join(texts, " ")}}, parts...)
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		f, _ := parts[0].(Filter)
		return f
	}
	return Filter{"operator": "AND", "conditions": parts}
}

var states = map[string][2]string{"unread": {"notKeyword", "$seen"}, "unseen": {"notKeyword", "$seen"}, "read": {"hasKeyword", "$seen"}, "seen": {"hasKeyword", "$seen"},
	"starred": {"hasKeyword", "$flagged"}, "flagged": {"hasKeyword", "$flagged"}, "unstarred": {"notKeyword", "$flagged"}, "answered": {"hasKeyword", "$answered"},
	"replied": {"hasKeyword", "$answered"}, "unanswered": {"notKeyword", "$answered"}, "forwarded": {"hasKeyword", "$forwarded"}, "draft": {"hasKeyword", "$draft"}}

func (r *reader) term(t token) Filter {
	if strings.TrimSpace(t.value) == "" {
		return nil
	}
	value := strings.ToLower(t.value)
	switch t.name {
	case "":
		return Filter{"text": t.phrase()}
	case "from", "to", "cc", "bcc":
		return r.who(t)
	case "in":
		return r.place(t.value)
	case "is":
		if s, ok := states[value]; ok {
			return Filter{s[0]: s[1]}
		}
		return t.plain()
	case "has":
		switch value {
		case "attachment", "attachments", "file":
			return Filter{"hasAttachment": true}
		case "star":
			return Filter{"hasKeyword": "$flagged"}
		}
		return t.plain()
	case "label":
		return Filter{"hasKeyword": Keyword(t.value)}
	case "before", "after":
		at, ok := Date(t.value, r.c.Now)
		if !ok {
			r.problems = append(r.problems, fmt.Sprintf("%q is no date; write 2024-05-31, or 7d for seven days ago", t.value))
			return nil
		}
		return Filter{t.name: at.UTC().Format("2006-01-02T15:04:05Z")}
	case "larger", "smaller":
		n, ok := Size(t.value)
		if !ok {
			r.problems = append(r.problems, fmt.Sprintf("%q is no size; write 5M or 100k", t.value))
			return nil
		}
		return Filter{map[string]string{"larger": "minSize", "smaller": "maxSize"}[t.name]: n}
	}
	return Filter{t.name: t.phrase()}
}

func (r *reader) who(t token) Filter {
	if !strings.EqualFold(t.value, "me") || len(r.c.Me) == 0 {
		return Filter{t.name: t.phrase()}
	}
	own := make([]any, len(r.c.Me))
	for i, a := range r.c.Me {
		own[i] = Filter{t.name: a}
	}
	if len(own) == 1 {
		return Filter{t.name: r.c.Me[0]}
	}
	return Filter{"operator": "OR", "conditions": own}
}

// Nothing is a filter that no message fits.
func Nothing() Filter {
	return Filter{"operator": "AND", "conditions": []any{Filter{"hasKeyword": "$seen"}, Filter{"notKeyword": "$seen"}}}
}

func (r *reader) place(name string) Filter {
	r.placed = true
	switch strings.ToLower(name) {
	case "any", "anywhere", "all":
		return nil
	}
	if r.c.Mailbox != nil {
		if id, ok := r.c.Mailbox(name); ok {
			return Filter{"inMailbox": id}
		}
	}
	r.problems = append(r.problems, fmt.Sprintf("there is no mailbox named %q", name))
	return Nothing()
}

// plain is what has the form of an operator and no meaning.
func (t token) plain() Filter { return Filter{"text": quote(t.name + ":" + t.value)} }

func (t token) phrase() string {
	if t.quoted || strings.ContainsFunc(t.value, unicode.IsSpace) {
		return quote(t.value)
	}
	return t.value
}

func quote(s string) string { return `"` + strings.TrimSpace(strings.ReplaceAll(s, `"`, " ")) + `"` }

// Keyword is what a label's name is as a keyword (RFC 8621 4.1.1).
func Keyword(name string) string {
	var b strings.Builder
	dash := false
	for _, c := range norm.NFKD.String(strings.ToLower(strings.TrimSpace(name))) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune("$_.-", c):
			b.WriteRune(c)
			dash = false
		case unicode.Is(unicode.Mn, c):
		case !dash:
			b.WriteByte('-')
			dash = true
		}
	}
	s := strings.Trim(b.String(), "-.")
	if s = s[:min(len(s), 80)]; s == "" {
		return "label"
	}
	return s
}

var (
	agoForm      = regexp.MustCompile(`^(\d{1,4})([dwmy])$`)
	isoForm      = regexp.MustCompile(`^(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?$`)
	europeanForm = regexp.MustCompile(`^(\d{1,2})\.(\d{1,2})\.(\d{4})$`)
	sizeForm     = regexp.MustCompile(`^(\d{1,9}(?:[.,]\d{1,3})?)\s*([kmg]?)i?b?$`)
)

// Date reads 2024-05-31, 31.5.2024, 2024-05, 2024, today, yesterday, 7d (days ago), 2w, 3m, 1y. Days begin at midnight where now is.
func Date(text string, now time.Time) (time.Time, bool) {
	s := strings.ToLower(strings.TrimSpace(text))
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch s {
	case "today":
		return midnight, true
	case "yesterday":
		return midnight.AddDate(0, 0, -1), true
	}
	if m := agoForm.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		at := map[string]time.Time{"d": midnight.AddDate(0, 0, -n), "w": midnight.AddDate(0, 0, -7*n), "m": midnight.AddDate(0, -n, 0), "y": midnight.AddDate(-n, 0, 0)}[m[2]]
		return at, at.Year() >= 1
	}
	if m := isoForm.FindStringSubmatch(s); m != nil {
		return day(m[1], m[2], m[3], now.Location())
	}
	if m := europeanForm.FindStringSubmatch(s); m != nil {
		return day(m[3], m[2], m[1], now.Location())
	}
	return time.Time{}, false
}

func day(year, month, of string, zone *time.Location) (time.Time, bool) {
	number := func(s string) int {
		if s == "" {
			return 1
		}
		n, _ := strconv.Atoi(s)
		return n
	}
	y, m, d := number(year), number(month), number(of)
	at := time.Date(y, time.Month(m), d, 0, 0, 0, 0, zone)
	return at, y >= 1000 && int(at.Month()) == m && at.Day() == d
}

// Size reads 500, 100k, 5M, 1.5mb, 2G, as octets.
func Size(text string) (int64, bool) {
	m := sizeForm.FindStringSubmatch(strings.ToLower(strings.TrimSpace(text)))
	if m == nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.Replace(m[1], ",", ".", 1), 64)
	n := math.Round(f * map[string]float64{"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[m[2]])
	return int64(n), err == nil && n < 1<<53
}
