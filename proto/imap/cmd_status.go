package imap

// Status are the arguments of STATUS (RFC 9051 6.3.11).
type Status struct {
	Mailbox string
	Items   []string // in capitals, each once
}

// Decode reads the mailbox and the items.
func (a *Status) Decode(d *Decoder) {
	d.SP()
	a.Mailbox = d.Mailbox()
	d.SP()
	a.Items = d.statusItems()
}

// statusItems reads the list of what STATUS tells: RFC 9051 6.3.11, RFC 7162 3.1.7, RFC 8438, RFC 8474 4.3, RFC 7889 3.1,
// RFC 9208 4.1.4.
func (d *Decoder) statusItems() []string {
	var items []string
	seen := make(map[string]bool)
	d.List(1, func() {
		switch w := d.Word("a STATUS item"); {
		case d.err != nil:
		case seen[w]:
		default:
			switch w {
			case "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ", "MAILBOXID", "APPENDLIMIT", "DELETED-STORAGE":
				seen[w] = true
				items = append(items, w)
			default:
				d.Fail("%s is not an item of STATUS", w)
			}
		}
	})
	return items
}
