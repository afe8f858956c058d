package rfcindex

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed titles.tsv
var titlesTSV string

// Status is how far we go with an RFC, as the table says.
type Status string

// The statuses. What is done is told by claims in code, not by the table.
const (
	Yes     Status = "yes"     // we mean to do whatever in it touches us
	Partial Status = "partial" // a part; Note says which
	Planned Status = "planned" // not yet; Note says with what it comes
	No      Status = "no"      // known and left out on purpose; Note says why
	Context Status = "context" // gives terms, facts or advice; nothing of it to implement
)

// Title is a row of the table.
type Title struct {
	RFC    int
	Status Status
	Title  string
	Note   string
}

// Titles reads the table that comes with the package.
func Titles() ([]Title, error) { return parseTitles(titlesTSV) }

// parseTitles reads lines "number TAB status TAB title TAB note"; the note may be missing, "#" starts a comment line. Numbers ascend.
func parseTitles(tsv string) ([]Title, error) {
	var titles []Title
	last := 0
	for i, line := range strings.Split(tsv, "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) < 3 || len(fields) > 4 {
			return nil, fmt.Errorf("titles.tsv line %d: %d fields, want 3 or 4", i+1, len(fields))
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil || n <= last {
			return nil, fmt.Errorf("titles.tsv line %d: %q is no number greater than %d", i+1, fields[0], last)
		}
		last = n
		t := Title{RFC: n, Status: Status(fields[1]), Title: fields[2]}
		if len(fields) == 4 {
			t.Note = fields[3]
		}
		switch t.Status {
		case Yes, Context:
		case Partial, Planned, No:
			if t.Note == "" {
				return nil, fmt.Errorf("titles.tsv line %d: status %s needs a note", i+1, t.Status)
			}
		default:
			return nil, fmt.Errorf("titles.tsv line %d: unknown status %q", i+1, t.Status)
		}
		titles = append(titles, t)
	}
	return titles, nil
}
