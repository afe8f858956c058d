package way

import (
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Junk is whether a message is in the mailbox for junk, and why.
type Junk struct {
	Filed  bool     `json:"filed"` // it is there now
	Score  *float64 `json:"score,omitempty"`
	Limit  *float64 `json:"limit,omitempty"` // from which score on it is junk
	Why    []string `json:"why"`
	Advice string   `json:"advice"`
}

// sorting is what the trail says of how a delivery was sorted (service/junk, mda).
type sorting struct {
	known  bool // something was said at all
	policy bool // policy wanted it to be junk
	junk   bool // it was filed as junk
	score  float64
	limit  float64
	why    []string
}

// filing takes the reason of a Delivered apart: "filed in NAME: what the sorter said". A name may hold anything, so it ends where a
// sorter's first word is found.
func filing(reason string) (box, said string) {
	rest, ok := strings.CutPrefix(reason, "filed in ")
	if !ok {
		return "", ""
	}
	for _, mark := range []string{": policy; ", ": score "} {
		if i := strings.Index(rest, mark); i >= 0 {
			return rest[:i], rest[i+2:]
		}
	}
	box, said, _ = strings.Cut(rest, ": ")
	return box, said
}

// sorted reads what the sorter said.
func sorted(reason string) (s sorting) {
	box, said := filing(reason)
	if said == "" {
		return s
	}
	s.known = true
	if rest, ok := strings.CutPrefix(said, "policy; "); ok {
		s.policy, s.junk, said = true, true, rest
	} else if rest, ok := strings.CutPrefix(said, "score "); ok {
		head, tail, _ := strings.Cut(rest, "; ")
		score, limit, _ := strings.Cut(head, " of ")
		var err1, err2 error
		s.score, err1 = strconv.ParseFloat(score, 64)
		s.limit, err2 = strconv.ParseFloat(limit, 64)
		if err1 != nil || err2 != nil {
			return sorting{}
		}
		s.junk, said = s.score >= s.limit && !strings.HasPrefix(tail, "the owner has written to "), tail
	} else {
		s.policy, s.junk = true, box != mail.Inbox // an mda without a sorter: the policy's words alone
	}
	s.why = sentences(said)
	return s
}

// maxWhy bounds the sentences.
const maxWhy = 40

// sentences parts a text at full stops that a space follows.
func sentences(text string) []string {
	out := []string{}
	for text = strings.TrimSpace(text); text != "" && len(out) < maxWhy; {
		i := strings.Index(text, ". ")
		if i < 0 {
			out = append(out, printable(sentence(text)))
			break
		}
		out = append(out, printable(upper(text[:i+1])))
		text = strings.TrimSpace(text[i+2:])
	}
	return out
}

// junk says why a message is where it is.
func (l *letter) junk(boxes map[mail.MailboxID]mail.Mailbox, own []mail.Event) Junk {
	j := Junk{Why: []string{}}
	flagged := false
	for _, p := range l.places {
		j.Filed = j.Filed || boxes[p.Mailbox].Use == mail.UseJunk
		flagged = flagged || p.Flags.Has(mail.Junk)
	}
	var s sorting
	for _, e := range own {
		if s = sorted(e.Reason); s.known {
			break
		}
	}
	if len(l.places) == 0 { // only the trail knows it
		j.Filed = s.junk
	}
	if s.known && s.limit > 0 {
		j.Score, j.Limit = &s.score, &s.limit
	}
	const learns = " The filter learns from it."
	switch {
	case j.Filed && s.junk && s.policy:
		j.Why = append([]string{"It was put into Junk because nothing proves who sent it, and the owner of the sender's domain, or this server's own rules, want such mail set aside."}, s.why...)
		j.Advice = "If you know that it is genuine, move it out of Junk, and tell the sender that their mail fails DMARC." + learns
	case j.Filed && s.junk:
		j.Why = append([]string{"It was put into Junk because of what speaks against it, added up."}, s.why...)
		j.Advice = "If you want mail like this, move it out of Junk." + learns + " Mail of people you have written to is not sorted out."
	case j.Filed:
		j.Why = []string{"It was not put into Junk when it came: you, or a program of yours, moved it there."}
		j.Advice = "If that was a mistake, move it back." + learns
	case s.junk:
		j.Why = append([]string{"It was taken for junk when it came, and is not in Junk now: you, or a program of yours, moved it out, or there is no mailbox for junk."}, s.why...)
		j.Advice = "If it is junk after all, move it into Junk." + learns
	case s.known:
		j.Why = s.why
		j.Advice = "If you do not want mail like this, move it into Junk." + learns
	case flagged:
		j.Why = []string{"It carries the mark of junk, which a program set."}
		j.Advice = "If it is not junk, move it into Junk and out again, which takes the mark off."
	default:
		j.Advice = "If you do not want mail like this, move it into Junk." + learns
	}
	return j
}
