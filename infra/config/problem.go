package config

import (
	"fmt"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"` // from 1; 0 where no place is known
	Column int    `json:"column,omitempty"`
	Key    string `json:"key,omitempty"` // dotted, as "smtp.max_recipients"
	Text   string `json:"text"`          // one sentence: what is wrong; what to do
}

// String is the problem in one line, in the form that editors jump to.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Key != "" && !strings.Contains(p.Text, p.Key) {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is everything that is wrong with a configuration.
type Problems []Problem

// maxTold bounds how many problems one error's text tells.
const maxTold = 20

// Error tells the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, 0, len(ps))
	for i, p := range ps {
		if i == maxTold {
			lines = append(lines, fmt.Sprintf("and %d more", len(ps)-i))
			break
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// err wraps the problems as an error of kind Invalid, or gives nil when there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return &mail.Error{Kind: mail.Invalid, Text: ps.Error(), Err: ps}
}
