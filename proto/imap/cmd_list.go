package imap

import "slices"

// List are the arguments of LIST (RFC 9051 6.3.9, RFC 5258 3, RFC 5819 2, RFC 6154 5.2).
type List struct {
	Reference string
	Patterns  []string
	Extended  bool // it used a selection, several patterns or RETURN

	SelectSubscribed bool
	SelectRecursive  bool // RECURSIVEMATCH
	SelectSpecial    bool
	SelectRemote     bool

	ReturnSubscribed bool
	ReturnChildren   bool
	ReturnSpecial    bool
	ReturnStatus     []string // STATUS items
}

// maxPatterns is how many patterns one LIST may have.
const maxPatterns = 50

// Decode reads the selection, reference, patterns and RETURN.
func (a *List) Decode(d *Decoder) {
	d.SP()
	if d.Next('(') {
		a.Extended = true
		d.List(0, func() { a.selection(d, d.Word("a selection option")) })
		d.SP()
	}
	a.Reference = d.Mailbox()
	d.SP()
	if d.Next('(') {
		a.Extended = true
		d.List(1, func() {
			if a.Patterns = append(a.Patterns, d.ListMailbox()); len(a.Patterns) > maxPatterns {
				d.failLimit("more than %d patterns in one LIST", maxPatterns)
			}
		})
	} else {
		a.Patterns = []string{d.ListMailbox()}
	}
	if d.Accept(' ') {
		a.Extended = true
		d.Literally("RETURN")
		d.SP()
		d.List(0, func() { a.returns(d, d.Word("a return option")) })
	}
	if d.err == nil && a.SelectRecursive && !a.SelectSubscribed {
		d.Fail("RECURSIVEMATCH needs another selection option beside it, as SUBSCRIBED")
	}
}

func (a *List) selection(d *Decoder, w string) {
	switch {
	case d.err != nil:
	case w == "SUBSCRIBED":
		a.SelectSubscribed = true
	case w == "RECURSIVEMATCH":
		a.SelectRecursive = true
	case w == "SPECIAL-USE":
		a.SelectSpecial = true
	case w == "REMOTE":
		a.SelectRemote = true
	default:
		d.Fail("%s is not a selection option of LIST", w)
	}
}

func (a *List) returns(d *Decoder, w string) {
	switch {
	case d.err != nil:
	case w == "SUBSCRIBED":
		a.ReturnSubscribed = true
	case w == "CHILDREN":
		a.ReturnChildren = true
	case w == "SPECIAL-USE":
		a.ReturnSpecial = true
	case w == "STATUS":
		d.SP()
		a.ReturnStatus = d.statusItems()
	default:
		d.Fail("%s is not a return option of LIST", w)
	}
}

// Match reports whether a mailbox name matches a pattern of LIST: "*" stands for any octets, "%" for any but the
// delimiter (RFC 9051 6.3.9). Its time is bounded by the product of both lengths.
func Match(pattern, name, delimiter string) bool {
	// here[i] says that the pattern read so far can match the first i octets.
	here := make([]bool, len(name)+1)
	here[0] = true
	for i := range len(pattern) {
		next := make([]bool, len(name)+1)
		switch c := pattern[i]; c {
		case '*', '%':
			open := false
			for j := range next {
				open = open || here[j]
				next[j] = open
				if c == '%' && j < len(name) && name[j:j+1] == delimiter {
					open = false
				}
			}
		default:
			for j := range len(name) {
				next[j+1] = here[j] && name[j] == c
			}
		}
		here = next
		if !slices.Contains(here, true) {
			return false
		}
	}
	return here[len(name)]
}
