package doccheck

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

var (
	inlineLink = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	namedLink  = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s+"[^"]*")?\s*$`)
	htmlLink   = regexp.MustCompile(`\b(?:href|src)="([^"]+)"`)
	codeSpan   = regexp.MustCompile("`+[^`]*`+")
	linkText   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// Links checks a page's relative links and gives a sentence for each that leads nowhere.
func Links(tree fs.FS, page string) ([]string, error) {
	text, err := fs.ReadFile(tree, page)
	if err != nil {
		return nil, err
	}
	var findings []string
	for n, line := range prose(string(text)) {
		for _, target := range targets(line) {
			if why := follow(tree, page, target); why != "" {
				findings = append(findings, fmt.Sprintf("%s:%d: link to %s: %s", page, n+1, target, why))
			}
		}
	}
	return findings, nil
}

// prose gives the lines of a page with fenced blocks blanked.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	fence := ""
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case fence == "" && (strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")):
			fence = trimmed[:3]
			lines[i] = ""
		case fence != "":
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			lines[i] = ""
		}
	}
	return lines
}

func targets(line string) []string {
	line = codeSpan.ReplaceAllString(line, "")
	var found []string
	for _, form := range []*regexp.Regexp{inlineLink, namedLink, htmlLink} {
		for _, m := range form.FindAllStringSubmatch(line, -1) {
			found = append(found, m[1])
		}
	}
	return found
}

// follow says why a link leads nowhere, or "" when it does not or leads out of the tree.
func follow(tree fs.FS, page, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "no valid URL"
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	if strings.HasPrefix(u.Path, "/") {
		return "starts at the root, which is another place on every site; make it relative"
	}
	file := page
	if u.Path != "" {
		file = path.Join(path.Dir(page), u.Path)
	}
	if !fs.ValidPath(file) {
		return "leads out of the tree"
	}
	info, err := fs.Stat(tree, file)
	if err != nil {
		return "no such file"
	}
	if u.Fragment == "" || info.IsDir() || !strings.HasSuffix(file, ".md") {
		return ""
	}
	text, err := fs.ReadFile(tree, file)
	if err != nil {
		return err.Error()
	}
	for _, slug := range slugs(string(text)) {
		if slug == u.Fragment {
			return ""
		}
	}
	return "no such heading"
}

// slugs lists the anchors of a page's headings as the usual forges make them: lower case, spaces to hyphens, other punctuation
// gone, a number behind the second of a kind.
func slugs(text string) []string {
	var list []string
	seen := map[string]int{}
	for _, line := range prose(text) {
		heading := strings.TrimLeft(line, "#")
		if len(heading) == len(line) || !strings.HasPrefix(heading, " ") {
			continue
		}
		slug := strings.Map(slugRune, strings.TrimSpace(linkText.ReplaceAllString(heading, "$1")))
		if n := seen[slug]; n > 0 {
			list = append(list, fmt.Sprintf("%s-%d", slug, n))
		} else {
			list = append(list, slug)
		}
		seen[slug]++
	}
	return list
}

func slugRune(r rune) rune {
	switch {
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return unicode.ToLower(r)
	case r == ' ':
		return '-'
	case r == '-' || r == '_':
		return r
	default:
		return -1
	}
}
