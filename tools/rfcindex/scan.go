package rfcindex

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Ref is one RFC, or a section of it where Section is not empty.
type Ref struct {
	RFC     int
	Section string
}

// Use is a place that names an RFC: a claim, or a proof when Test is set.
type Use struct {
	Ref
	Dir  string // slash-separated, relative to the root
	File string
	Test string // the test function, or the file's name where the reference is outside every test; empty for a claim
}

// A section's number, which may be an appendix's letter; dotted has at least one dot.
const (
	sectionForm = `(?:[A-Z]|[1-9][0-9]?)(?:\.[0-9]{1,3})*`
	dottedForm  = `(?:[A-Z]|[1-9][0-9]?)(?:\.[0-9]{1,3})+`
)

var (
	refForm  = regexp.MustCompile(`\bRFC ([0-9]{3,5})(?: (` + sectionForm + `))?`)
	moreForm = regexp.MustCompile(`^(?:, | and |, and )(` + dottedForm + `)`)
	testName = regexp.MustCompile(`^(test[A-Z]|(Test|Fuzz|Benchmark|Example)(_|[A-Z]|$))`)
)

// FindRefs lists the references in a text, in order, with their offsets.
func FindRefs(text string) (refs []Ref, offsets []int) {
	for _, m := range refForm.FindAllStringSubmatchIndex(text, -1) {
		n, err := strconv.Atoi(text[m[2]:m[3]])
		if err != nil {
			continue
		}
		end := m[1]
		if m[4] >= 0 && !endsSection(text[m[5]:]) {
			m[4], end = -1, m[3]
		}
		section := ""
		if m[4] >= 0 {
			section = text[m[4]:m[5]]
		}
		refs, offsets = append(refs, Ref{n, section}), append(offsets, m[0])
		if section == "" {
			continue
		}
		for {
			more := moreForm.FindStringSubmatchIndex(text[end:])
			if more == nil || !endsSection(text[end+more[3]:]) {
				break
			}
			refs, offsets = append(refs, Ref{n, text[end+more[2] : end+more[3]]}), append(offsets, m[0])
			end += more[1]
		}
	}
	return refs, offsets
}

// endsSection reports whether what follows a would-be section number leaves it one: "8-bit", "5th" and "7bit" do not.
func endsSection(rest string) bool {
	if rest == "" {
		return true
	}
	c := rest[0]
	return c != '-' && c != '_' && c != '/' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
}

// Scan reads every Go file of a tree, apart from hidden folders, testdata and this generator, and lists the uses.
func Scan(tree fs.FS) ([]Use, error) {
	var uses []Use
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			hidden := p != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_"))
			if hidden || name == "testdata" || name == "node_modules" || p == "tools" || p == "postrider-data" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := fs.ReadFile(tree, p)
		if err != nil {
			return err
		}
		found, err := scanFile(p, string(src))
		uses = append(uses, found...)
		return err
	})
	return uses, err
}

// scanFile lists the uses in one source. Only test files are parsed: a claim needs no function's name.
func scanFile(p, src string) ([]Use, error) {
	refs, offsets := FindRefs(src)
	if len(refs) == 0 {
		return nil, nil
	}
	dir, file := path.Split(p)
	dir = strings.TrimSuffix(dir, "/")
	var tests []span
	isTest := strings.HasSuffix(file, "_test.go") || testOnly(dir)
	if isTest {
		var err error
		if tests, err = testSpans(p, src); err != nil {
			return nil, err
		}
	}
	var uses []Use
	for i, r := range refs {
		u := Use{Ref: r, Dir: dir, File: file}
		if isTest {
			u.Test = nameAt(tests, offsets[i], file)
		}
		uses = append(uses, u)
	}
	return uses, nil
}

// testOnly reports folders whose code is imported by tests alone: the contract suites and the whole-system suites.
func testOnly(dir string) bool {
	top, _, _ := strings.Cut(dir, "/")
	return top == "test" || top == "testkit" || (strings.HasSuffix(path.Base(dir), "test") && path.Base(dir) != "test")
}

// span is a test function's extent in its source, with its comment.
type span struct {
	from, to int
	name     string
}

func nameAt(tests []span, offset int, file string) string {
	for _, s := range tests {
		if offset >= s.from && offset < s.to {
			return s.name
		}
	}
	return file
}

// testSpans finds the test functions. A comment that ends on the line above a function counts as its own even where
// the parser does not attach it.
func testSpans(p, src string) ([]span, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("rfcindex: %w", err)
	}
	var spans []span
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !isTestName(fn.Name.Name) {
			continue
		}
		from := fn.Pos()
		if fn.Doc != nil {
			from = fn.Doc.Pos()
		}
		spans = append(spans, span{fset.Position(from).Offset, fset.Position(fn.End()).Offset, fn.Name.Name})
	}
	return spans, nil
}

func isTestName(name string) bool { return testName.MatchString(name) }
