package rfcindex

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Page scans the tree and gives the Markdown page.
func Page(tree fs.FS) (string, error) {
	titles, err := Titles()
	if err != nil {
		return "", err
	}
	uses, err := Scan(tree)
	if err != nil {
		return "", err
	}
	return Render(titles, uses)
}

// section is one section of one RFC with everything that names it.
type section struct {
	name   string
	claims places
	proofs places
	proven bool
}

// places lists names by folder.
type places map[string][]string

func (p places) add(dir, name string) {
	if !slices.Contains(p[dir], name) {
		p[dir] = append(p[dir], name)
	}
}

// Render makes the page. It fails when a use names an RFC that the table does not.
func Render(titles []Title, uses []Use) (string, error) {
	byRFC := map[int]map[string]*section{}
	for _, u := range uses {
		if byRFC[u.RFC] == nil {
			byRFC[u.RFC] = map[string]*section{}
		}
		s := byRFC[u.RFC][u.Section]
		if s == nil {
			s = &section{name: u.Section, claims: places{}, proofs: places{}}
			byRFC[u.RFC][u.Section] = s
		}
		if u.Test == "" {
			s.claims.add(u.Dir, u.File)
		} else {
			s.proofs.add(u.Dir, u.Test)
		}
	}
	var unknown []string
	for _, n := range slices.Sorted(maps.Keys(byRFC)) {
		if !slices.ContainsFunc(titles, func(t Title) bool { return t.RFC == n }) {
			unknown = append(unknown, fmt.Sprintf("RFC %d (%s)", n, firstUse(uses, n)))
		}
	}
	if len(unknown) > 0 {
		return "", fmt.Errorf("rfcindex: add to tools/rfcindex/titles.tsv: %s", strings.Join(unknown, ", "))
	}
	var b strings.Builder
	b.WriteString(intro)
	writeOverview(&b, titles, byRFC)
	writeAbsent(&b, titles, byRFC)
	writeSections(&b, titles, byRFC)
	return b.String(), nil
}

func firstUse(uses []Use, rfc int) string {
	for _, u := range uses {
		if u.RFC == rfc {
			return u.Dir + "/" + u.File
		}
	}
	return "nothing"
}

const intro = `# RFC index

Made by ` + "`make rfc`" + ` from the references in the code; do not edit. A section is listed when code or a test names it. A claim that no test
names, or only tests of a section around it, is marked **no test**. "whole" stands for a reference without a section.

`

// sorted marks each section proven or not and gives them in order.
func sorted(sections map[string]*section) []*section {
	list := slices.SortedFunc(maps.Values(sections), func(a, b *section) int { return compareSections(a.name, b.name) })
	for _, s := range list {
		for _, other := range list {
			if len(other.proofs) > 0 && within(other.name, s.name) {
				s.proven = true
			}
		}
	}
	return list
}

// within reports whether section a is b or lies in it. Every section lies in the whole, "".
func within(a, b string) bool { return b == "" || a == b || strings.HasPrefix(a, b+".") }

// compareSections orders by number, level by level; appendices follow the numbers.
func compareSections(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		return cmp.Compare(sectionKey(x), sectionKey(y))
	})
}

func sectionKey(part string) int {
	if n, err := strconv.Atoi(part); err == nil {
		return n
	}
	return 1000 + int(part[0])
}

func writeOverview(b *strings.Builder, titles []Title, byRFC map[int]map[string]*section) {
	b.WriteString("## In the code\n\n| RFC | Title | Sections claimed | No test | How far |\n|---|---|---|---|---|\n")
	for _, t := range titles {
		claimed, bare := 0, 0
		for _, s := range sorted(byRFC[t.RFC]) {
			if len(s.claims) == 0 {
				continue
			}
			claimed++
			if !s.proven {
				bare++
			}
		}
		if claimed == 0 {
			continue
		}
		missing := ""
		if bare > 0 {
			missing = strconv.Itoa(bare)
		}
		fmt.Fprintf(b, "| %s | %s | %d | %s | %s |\n", link(t.RFC), cell(t.Title), claimed, missing, cell(word(t)))
	}
	b.WriteString("\n")
}

func writeAbsent(b *strings.Builder, titles []Title, byRFC map[int]map[string]*section) {
	b.WriteString("## Known, and not in the code\n\n| RFC | Title | Status |\n|---|---|---|\n")
	for _, t := range titles {
		claimed := slices.ContainsFunc(slices.Collect(maps.Values(byRFC[t.RFC])), func(s *section) bool { return len(s.claims) > 0 })
		if claimed || t.Status == Context {
			continue
		}
		status := word(t)
		if t.Status == Yes {
			status = "not yet"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", link(t.RFC), cell(t.Title), cell(status))
	}
	b.WriteString("\n")
}

func writeSections(b *strings.Builder, titles []Title, byRFC map[int]map[string]*section) {
	b.WriteString("## Section by section\n")
	for _, t := range titles {
		if len(byRFC[t.RFC]) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n### RFC %d: %s\n\n| Section | Code | Tests |\n|---|---|---|\n", t.RFC, t.Title)
		for _, s := range sorted(byRFC[t.RFC]) {
			name := s.name
			if name == "" {
				name = "whole"
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", name, s.claims.cell(), proofCell(s))
		}
	}
}

func proofCell(s *section) string {
	switch {
	case len(s.proofs) > 0:
		return s.proofs.cell()
	case s.proven:
		return "its parts'"
	default:
		return "**no test**"
	}
}

// cell lists names behind their folder, in order.
func (p places) cell() string {
	if len(p) == 0 {
		return "–"
	}
	var parts []string
	for _, dir := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, "`"+cmp.Or(dir, ".")+"`: "+strings.Join(slices.Sorted(slices.Values(p[dir])), ", "))
	}
	return strings.Join(parts, "; ")
}

func word(t Title) string {
	switch {
	case t.Status == Yes:
		return ""
	case t.Note == "":
		return string(t.Status)
	default:
		return string(t.Status) + ": " + t.Note
	}
}

func link(rfc int) string { return fmt.Sprintf("[%d](https://www.rfc-editor.org/rfc/rfc%d)", rfc, rfc) }

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
