package junk

import (
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/service/judge"
)

// Evidence is what is proven about where a message comes from, in words of RFC 8601 2.7. An empty word is something that nobody looked at.
type Evidence struct {
	Authenticated bool // the sender of the envelope or the author is proven
	SPF           string
	DKIM          string // the best of all signatures
	DMARC         string
	IPRev         string
	Name          string // the client's, where it leads back to the client
	Domain        string // the author's (of From), where it is proven; "" else
}

// EvidenceOf takes the evidence out of a verdict.
func EvidenceOf(v *judge.Verdict) Evidence {
	e := Evidence{Authenticated: v.Authenticated(), SPF: v.SPF.Result, DMARC: string(v.DMARC.Result), IPRev: v.IPRev.Result, DKIM: "none"}
	if v.IPRev.Result == pass {
		e.Name = v.IPRev.Domain
	}
	author := v.DMARC.Author
	proven := v.DMARC.Result == dmarc.Pass
	if v.DMARC.Result == dmarc.None && v.SPF.Result == pass && v.SPF.Domain == author {
		proven = true // there is no policy, so only the very same domain counts
	}
	for _, s := range v.DKIM {
		if s.Result == pass {
			e.DKIM = pass
			proven = proven || v.DMARC.Result == dmarc.None && s.Domain == author
		} else if e.DKIM == "none" {
			e.DKIM = s.Result
		}
	}
	if proven {
		e.Domain = author
	}
	return e
}

const pass = "pass"

// weigh adds what the evidence says.
func (e Evidence) weigh(t *tally) {
	switch e.SPF {
	case "fail":
		t.add(1.5, "The owner of the sender's domain says that this client may not send for it (SPF).")
	case "softfail":
		t.add(0.7, "The owner of the sender's domain doubts that this client may send for it (SPF).")
	case "permerror":
		t.add(0.3, "The SPF record of the sender's domain is broken.")
	}
	switch {
	case e.DMARC == "fail":
		t.add(1, "The message does not prove that it comes from its author's domain, whose owner asks for that (DMARC).")
	case e.Domain != "":
		t.add(-0.5, "It is proven that the message comes from %s.", shown(e.Domain))
	case e.DKIM == "fail":
		t.add(0.3, "A signature of the message is broken (DKIM).")
	}
	switch e.IPRev {
	case "permerror":
		t.add(1.2, "The client's address has no name in the DNS.")
	case "fail":
		t.add(0.8, "The client's name in the DNS does not lead back to its address.")
	}
}
