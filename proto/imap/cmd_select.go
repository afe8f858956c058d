package imap

// Select are the arguments of SELECT and EXAMINE (RFC 9051 6.3.2, RFC 7162 3.1.8, RFC 7162 3.2.5).
type Select struct {
	Mailbox   string
	CondStore bool
	QResync   *QResync
}

// QResync is what the client knows of the mailbox.
type QResync struct {
	UIDValidity uint32
	ModSeq      uint64
	Known       NumSet // UIDs the client has; empty: all of them below UIDNEXT
	// Seqs and UIDs are pairs the client remembers. They only serve to shorten VANISHED.
	Seqs, UIDs NumSet
}

// Decode reads the mailbox and the parameters.
func (a *Select) Decode(d *Decoder) {
	d.SP()
	a.Mailbox = d.Mailbox()
	if !d.Accept(' ') {
		return
	}
	d.List(1, func() {
		switch w := d.Word("a parameter"); {
		case d.err != nil:
		case w == "CONDSTORE":
			a.CondStore = true
		case w == "QRESYNC":
			a.QResync = d.qresync()
		default:
			d.Fail("%s is not a parameter of SELECT", w)
		}
	})
}

func (d *Decoder) qresync() *QResync {
	q := new(QResync)
	d.SP()
	d.Open()
	q.UIDValidity = d.NonZero("UIDVALIDITY")
	d.SP()
	if q.ModSeq = d.Number64("a mod-sequence"); d.err == nil && q.ModSeq == 0 {
		d.Fail("a mod-sequence cannot be 0 here")
	}
	if d.Accept(' ') {
		if !d.Next('(') {
			if q.Known = d.NumSet(); d.err == nil && (q.Known.Saved || q.Known.HasStar()) {
				d.Fail("the known UIDs cannot hold * or $")
			}
			if d.Accept(' ') {
				d.qresyncPairs(q)
			}
		} else {
			d.qresyncPairs(q)
		}
	}
	d.Close()
	return q
}

func (d *Decoder) qresyncPairs(q *QResync) {
	d.Open()
	q.Seqs = d.NumSet()
	d.SP()
	q.UIDs = d.NumSet()
	d.Close()
}
