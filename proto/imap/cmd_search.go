package imap

// Search are the arguments of SEARCH (RFC 9051 6.4.4, RFC 4731 3, RFC 5182 2).
type Search struct {
	Extended bool // RETURN was given: the answer is ESEARCH
	Min      bool
	Max      bool
	All      bool
	Count    bool
	Save     bool
	Charset  string // in capitals; "" when none was given
	Key      SearchKey
	ModSeq   bool // a MODSEQ key occurs: the answer tells the highest MODSEQ (RFC 7162 3.1.5)
}

// Decode reads the return options, the charset and the keys.
func (a *Search) Decode(d *Decoder) {
	d.SP()
	// RETURN and CHARSET are no keys, so the first word decides.
	w := d.searchWord()
	if w == "RETURN" {
		a.returns(d)
		d.SP()
		w = d.searchWord()
	}
	if w == "CHARSET" {
		d.SP()
		a.Charset = upper(d.Astring("a charset"))
		d.SP()
		w = d.searchWord()
	}
	a.Key = SearchKey{Op: SearchAnd}
	for {
		a.Key.Keys = append(a.Key.Keys, d.searchKey(w))
		if !d.Count() || !d.Accept(' ') {
			break
		}
		w = d.searchWord()
	}
	a.ModSeq = a.Key.has(SearchModSeq)
}

func (a *Search) returns(d *Decoder) {
	a.Extended = true
	d.SP()
	d.List(0, func() {
		switch w := d.Word("a return option"); {
		case d.err != nil:
		case w == "MIN":
			a.Min = true
		case w == "MAX":
			a.Max = true
		case w == "ALL":
			a.All = true
		case w == "COUNT":
			a.Count = true
		case w == "SAVE":
			a.Save = true
		default:
			d.Fail("%s is not a return option of SEARCH", w)
		}
	})
	if !a.Min && !a.Max && !a.All && !a.Count && !a.Save {
		a.All = true // RFC 9051 6.4.4: an empty list is ALL
	}
}
