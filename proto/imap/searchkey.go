package imap

import "time"

// SearchOp is what a SearchKey asks.
type SearchOp uint8

// The questions (RFC 9051 6.4.4). What IMAP spells with a word of its own for the opposite (UNSEEN) is a SearchNot here.
const (
	SearchAll      SearchOp = iota
	SearchAnd               // Keys: all of them
	SearchOr                // Keys: one of them
	SearchNot               // Keys[0] not
	SearchSeq               // Set holds the sequence number
	SearchUID               // Set holds the UID
	SearchFlag              // Value is a flag or keyword
	SearchNever             // nothing: RECENT and NEW, for no message is ever \Recent here
	SearchHeader            // field Field has Value in it
	SearchBody              // the body has Value in it
	SearchText              // header or body have
	SearchBefore            // INTERNALDATE is before Date, time and zone disregarded
	SearchOn                // ... is Date
	SearchSince             // ... is Date or after
	SearchSent              // of Date of the header: Field is "BEFORE", "ON" or "SINCE"
	SearchSaved             // of the date it came into this mailbox (RFC 8514 4.3), likewise
	SearchLarger            // RFC822.SIZE is over Number
	SearchSmaller           // ... is under Number
	SearchOlder             // INTERNALDATE is over Number seconds ago (RFC 5032)
	SearchYounger           // ... is within the last Number seconds
	SearchModSeq            // MODSEQ is Number or greater (RFC 7162 3.1.5)
	SearchEmailID           // EMAILID is Value (RFC 8474 6)
	SearchThreadID          // THREADID is Value
)

// SearchKey is one question, or several put together.
type SearchKey struct {
	Op     SearchOp
	Keys   []SearchKey
	Set    NumSet
	Field  string
	Value  string
	Date   time.Time
	Number uint64
}

// has reports whether a question occurs anywhere.
func (k SearchKey) has(op SearchOp) bool {
	if k.Op == op {
		return true
	}
	for _, sub := range k.Keys {
		if sub.has(op) {
			return true
		}
	}
	return false
}

// searchWord reads the word a key begins with, or nothing where a parenthesis or a set of numbers begins.
func (d *Decoder) searchWord() string {
	b, ok := d.peek()
	if !ok || b == '(' || b == '*' || b == '$' || b >= '0' && b <= '9' {
		return ""
	}
	return d.Word("a search key")
}

// nested reads a key that stands within another.
func (d *Decoder) nested() SearchKey {
	d.SP()
	if d.depth++; d.depth > d.lim.Depth {
		d.failLimit("more than %d search keys within one another", d.lim.Depth)
		return SearchKey{}
	}
	d.Count()
	k := d.searchKey(d.searchWord())
	d.depth--
	return k
}

// searchFlags are the keys that ask for a flag, or for its absence.
var searchFlags = map[string]struct {
	flag string
	not  bool
}{
	"ANSWERED": {`\Answered`, false}, "UNANSWERED": {`\Answered`, true},
	"DELETED": {`\Deleted`, false}, "UNDELETED": {`\Deleted`, true},
	"DRAFT": {`\Draft`, false}, "UNDRAFT": {`\Draft`, true},
	"FLAGGED": {`\Flagged`, false}, "UNFLAGGED": {`\Flagged`, true},
	"SEEN": {`\Seen`, false}, "UNSEEN": {`\Seen`, true},
}

// searchKey reads a key whose word was read.
func (d *Decoder) searchKey(w string) SearchKey {
	if d.err != nil {
		return SearchKey{}
	}
	if f, ok := searchFlags[w]; ok {
		k := SearchKey{Op: SearchFlag, Value: f.flag}
		if f.not {
			k = not(k)
		}
		return k
	}
	switch w {
	case "":
		if d.Next('(') {
			k := SearchKey{Op: SearchAnd}
			d.List(1, func() { k.Keys = append(k.Keys, d.searchKey(d.searchWord())) })
			return k
		}
		return SearchKey{Op: SearchSeq, Set: d.NumSet()}
	case "ALL":
		return SearchKey{Op: SearchAll}
	case "RECENT", "NEW":
		return SearchKey{Op: SearchNever}
	case "OLD":
		return SearchKey{Op: SearchAll}
	case "NOT":
		return not(d.nested())
	case "OR":
		return SearchKey{Op: SearchOr, Keys: []SearchKey{d.nested(), d.nested()}}
	case "UID":
		d.SP()
		return SearchKey{Op: SearchUID, Set: d.NumSet()}
	case "SAVEDATESUPPORTED": // RFC 8514 4.3
		return SearchKey{Op: SearchAll}
	}
	return d.valueKey(w)
}

func not(k SearchKey) SearchKey { return SearchKey{Op: SearchNot, Keys: []SearchKey{k}} }

// valueKey reads a key that has a value.
func (d *Decoder) valueKey(w string) SearchKey {
	switch w {
	case "KEYWORD", "UNKEYWORD":
		d.SP()
		k := SearchKey{Op: SearchFlag, Value: d.Atom("a keyword")}
		if w == "UNKEYWORD" {
			k = not(k)
		}
		return k
	case "BCC", "CC", "FROM", "SUBJECT", "TO":
		return d.textKey(SearchKey{Op: SearchHeader, Field: w})
	case "HEADER":
		d.SP()
		return d.textKey(SearchKey{Op: SearchHeader, Field: upper(d.Astring("a field's name"))})
	case "BODY":
		return d.textKey(SearchKey{Op: SearchBody})
	case "TEXT":
		return d.textKey(SearchKey{Op: SearchText})
	case "EMAILID":
		return d.textKey(SearchKey{Op: SearchEmailID})
	case "THREADID":
		return d.textKey(SearchKey{Op: SearchThreadID})
	case "BEFORE":
		return d.dateKey(SearchBefore, "")
	case "ON":
		return d.dateKey(SearchOn, "")
	case "SINCE":
		return d.dateKey(SearchSince, "")
	case "SENTBEFORE", "SENTON", "SENTSINCE":
		return d.dateKey(SearchSent, w[len("SENT"):])
	case "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE":
		return d.dateKey(SearchSaved, w[len("SAVED"):])
	case "LARGER":
		d.SP()
		return SearchKey{Op: SearchLarger, Number: d.Number64("a size")}
	case "SMALLER":
		d.SP()
		return SearchKey{Op: SearchSmaller, Number: d.Number64("a size")}
	case "OLDER", "YOUNGER":
		d.SP()
		k := SearchKey{Op: SearchOlder, Number: uint64(d.NonZero("an interval"))}
		if w == "YOUNGER" {
			k.Op = SearchYounger
		}
		return k
	case "MODSEQ":
		return d.modSeqKey()
	}
	d.Fail("%s is not a search key", w)
	return SearchKey{}
}

func (d *Decoder) textKey(k SearchKey) SearchKey {
	d.SP()
	k.Value = d.Astring("a string to search for")
	return k
}

func (d *Decoder) dateKey(op SearchOp, field string) SearchKey {
	d.SP()
	return SearchKey{Op: op, Field: field, Date: d.Date()}
}

// modSeqKey reads the value of MODSEQ. The name of a metadata item that may stand before it is of no
// consequence: every message has one mod-sequence (RFC 7162 3.1.5).
func (d *Decoder) modSeqKey() SearchKey {
	d.SP()
	if d.Next('"') {
		d.quoted()
		d.SP()
		if w := d.Word("an entry type"); d.err == nil && w != "ALL" && w != "SHARED" && w != "PRIV" {
			d.Fail("%s is not an entry type", w)
		}
		d.SP()
	}
	return SearchKey{Op: SearchModSeq, Number: d.Number64("a mod-sequence")}
}
