package imap

import (
	"context"

	"github.com/postrider/postrider/mail"
)

// ask is a question about texts, and what mail.Searcher found out about each entry of the view; nil while it was not asked.
type ask struct {
	query    mail.TextQuery
	findings []mail.Finding
}

// narrowAt is how many messages a search must leave open before the index is asked: fewer are read as quickly.
const narrowAt = 64

// ask notes a question, and gives a test that answers from the findings alone.
func (m *matcher) ask(q mail.TextQuery) test {
	i := len(m.asks)
	m.asks = append(m.asks, ask{query: q})
	return func(c *candidate) verdict {
		if f := m.asks[i].findings; f != nil {
			switch f[c.num-1] {
			case mail.FindingYes:
				return yes
			case mail.FindingNo:
				return nay
			}
		}
		return open
	}
}

// narrow asks the index, where that is worth its while. What it leaves open is read.
func (m *matcher) narrow(ctx context.Context) error {
	s := m.s
	if s.cfg.Search == nil || len(m.asks) == 0 || len(s.box.entries) < narrowAt {
		return nil
	}
	uids := make([]uint32, len(s.box.entries))
	undecided := 0
	for i, e := range s.box.entries {
		uids[i] = e.uid
		c := candidate{num: uint32(i + 1), entry: e, flags: s.box.flags(e)}
		if m.test(&c) == open {
			undecided++
		}
	}
	if undecided < narrowAt {
		return nil
	}
	emails, err := s.cfg.Search.Emails(ctx, s.box.id, uids)
	if err != nil {
		return err
	}
	for i := range m.asks {
		if m.asks[i].query.Text == "" && m.asks[i].query.Field != mail.FieldHeader {
			continue
		}
		if m.asks[i].findings, err = s.cfg.Search.Find(ctx, s.account.ID, m.asks[i].query, emails); err != nil {
			return err
		}
	}
	return nil
}
