package postrider_test

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/postrider/postrider"

// Sizes past which a piece of production code is a debt that floors.txt must name.
const (
	maxFileLines    = 500
	maxFuncLines    = 80
	maxPackageLines = 3000
)

// TestFloors checks the whole tree against floors.txt.
func TestFloors(t *testing.T) {
	t.Parallel()
	plan, err := os.ReadFile("floors.txt")
	if err != nil {
		t.Fatal(err)
	}
	faults, debts := checkFloors(os.DirFS("."), string(plan))
	for _, f := range faults {
		t.Error(f)
	}
	for _, d := range debts {
		t.Log("debt: " + d)
	}
}

// house is what floors.txt says.
type house struct {
	floors map[string]int // directory -> floor, or one of the two below
	debts  map[string]string
	used   map[string]bool
	faults []string
	owed   []string
}

const (
	floorTests = -1
	floorTools = -2
	noFloor    = -3

	roleFloor = 4
)

// checkFloors reads every Go file of a tree and tells what breaks the rules, and which debts there are.
func checkFloors(tree fs.FS, plan string) (faults, debts []string) {
	h := &house{floors: map[string]int{}, debts: map[string]string{}, used: map[string]bool{}}
	h.readPlan(plan)
	packages := map[string]*pack{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || base == "node_modules" || base[0] == '.' || base[0] == '_'):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		return h.readFile(tree, name, packages)
	})
	if err != nil {
		h.fault("%v", err)
	}
	for _, p := range packages {
		h.checkPackage(p)
	}
	for what := range h.debts {
		if !h.used[what] {
			h.fault("floors.txt: the debt %q is paid: remove its line", what)
		}
	}
	slices.Sort(h.faults)
	slices.Sort(h.owed)
	return h.faults, h.owed
}

func (h *house) fault(format string, args ...any) {
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

// readPlan reads floors.txt.
func (h *house) readPlan(plan string) {
	n := 0
	for line := range strings.Lines(plan) {
		n++
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		if len(words) == 0 || line[0] == '#' {
			continue
		}
		floor := noFloor
		switch words[0] {
		case "floor":
			if number, err := strconv.Atoi(strings.Join(words[1:min(2, len(words))], "")); err == nil && number >= 0 {
				floor, words = number, words[1:]
			}
		case "tests":
			floor = floorTests
		case "tools":
			floor = floorTools
		case "debt":
			what, reason, _ := strings.Cut(strings.TrimPrefix(line, "debt"), ": ")
			if what = strings.Join(strings.Fields(what), " "); what != "" && reason != "" {
				h.debts[what] = reason
				continue
			}
		}
		if floor == noFloor {
			h.fault("floors.txt:%d: not understood: %s", n, line)
			continue
		}
		for _, dir := range words[1:] {
			h.floors[dir] = floor
		}
	}
}

// floor is where a directory is: by the longest directory of the plan that holds it.
func (h *house) floor(dir string) int {
	for d := dir; d != "."; d = path.Dir(d) {
		if f, ok := h.floors[d]; ok {
			return f
		}
	}
	return noFloor
}

// pack is one package as its production files have it.
type pack struct {
	dir     string
	name    string
	comment bool
	lines   int
	imports map[string]string // path -> a file that has it
}

// readFile parses one production file and checks what concerns it alone.
func (h *house) readFile(tree fs.FS, name string, packages map[string]*pack) error {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	p := packages[dir]
	if p == nil {
		p = &pack{dir: dir, name: file.Name.Name, imports: map[string]string{}}
		packages[dir] = p
	}
	p.comment = p.comment || file.Doc != nil
	for _, i := range file.Imports {
		if to, err := strconv.Unquote(i.Path.Value); err == nil {
			p.imports[to] = name
		}
	}
	if h.floor(dir) == 0 {
		h.checkClock(set, file)
	}
	if !ast.IsGenerated(file) && h.floor(dir) >= 0 {
		h.sizes(set, file, name, p, countLines(src))
	}
	return nil
}

func countLines(src []byte) int {
	n := 0
	for s := bufio.NewScanner(bytes.NewReader(src)); s.Scan(); {
		n++
	}
	return n
}

// sizes measures a file and its functions.
func (h *house) sizes(set *token.FileSet, file *ast.File, name string, p *pack, lines int) {
	p.lines += lines
	h.measure("file "+name, lines, maxFileLines)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			long := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1
			h.measure("func "+path.Dir(name)+"."+funcName(f), long, maxFuncLines)
		}
	}
}

// funcName is Name, or Type.Name for a method.
func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	of := ""
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && of == "" {
			of = id.Name
		}
		return true
	})
	return of + "." + f.Name.Name
}

// measure makes what is too large a debt, or a fault when floors.txt does not own up to it.
func (h *house) measure(what string, lines, limit int) {
	if lines <= limit {
		return
	}
	reason, ok := h.debts[what]
	if !ok {
		h.fault("%s has %d lines, more than %d: split it, or give the reason in floors.txt: debt %s: ...", what, lines, limit, what)
		return
	}
	h.used[what] = true
	h.owed = append(h.owed, fmt.Sprintf("%s has %d lines (%s)", what, lines, reason))
}

// clockCalls are the functions of package time that ask for the time or wait for it.
var clockCalls = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// checkClock finds uses of the machine's clock: on floor 0 time is an argument.
func (h *house) checkClock(set *token.FileSet, file *ast.File) {
	clock := ""
	for _, i := range file.Imports {
		if i.Path.Value == `"time"` {
			clock = "time"
			if i.Name != nil {
				clock = i.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && clock != "" {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == clock && slices.Contains(clockCalls, sel.Sel.Name) {
				h.fault("%s: %s.%s on floor 0: time is an argument there", set.Position(sel.Pos()), clock, sel.Sel.Name)
			}
		}
		return true
	})
}

// badNames say nothing about what a package is for.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "type", "types", "misc"}

// checkPackage checks a package's place and its imports.
func (h *house) checkPackage(p *pack) {
	if slices.Contains(badNames, p.name) || slices.Contains(badNames, path.Base(p.dir)) {
		h.fault("%s: the package's name says nothing", p.dir)
	}
	if !p.comment {
		h.fault("%s: the package has no comment", p.dir)
	}
	floor := h.floor(p.dir)
	if floor == noFloor {
		h.fault("%s: the package is on no floor of floors.txt", p.dir)
		return
	}
	for to, file := range p.imports {
		inner, ours := strings.CutPrefix(to, module+"/")
		switch {
		case ours:
			if why := h.forbidden(p.dir, floor, inner); why != "" {
				h.fault("%s imports %s: %s", file, inner, why)
			}
		case floor == 0 && impure(to):
			h.fault("%s imports %s: floor 0 has no socket, disk, clock or log", file, to)
		case floor == 1 && strings.Contains(strings.Split(to, "/")[0], "."):
			h.fault("%s imports %s: the nouns stand on the standard library alone", file, to)
		}
	}
	if floor >= 0 {
		h.measure("package "+p.dir, p.lines, maxPackageLines)
	}
}

// forbidden says why a package may not import another of ours, or nothing.
func (h *house) forbidden(from string, floor int, to string) string {
	target := h.floor(to)
	role := func(dir string) string { first, _, _ := strings.Cut(dir, "/"); return first }
	switch {
	case floor == floorTests:
		return ""
	case target == floorTests:
		return "it is for tests only"
	case floor == floorTools && target != floorTools || floor != floorTools && target == floorTools:
		return "tools and the product do not import each other"
	case target > floor:
		return fmt.Sprintf("that goes up from floor %d to %d", floor, target)
	case floor == roleFloor && target == roleFloor && role(from) != role(to):
		return "no role imports another role"
	}
	return ""
}

// impure reports a package of the standard library that reaches for the world.
func impure(to string) bool {
	pure := []string{"net/netip", "net/url"}
	world := []string{"net", "os", "log", "syscall", "database", "plugin", "testing", "crypto/tls", "io/ioutil", "expvar", "embed", "runtime/debug"}
	return !slices.Contains(pure, to) && slices.ContainsFunc(world, func(w string) bool { return to == w || strings.HasPrefix(to, w+"/") })
}

// TestFloorsFindsFaults proves that each rule can fail.
func TestFloorsFindsFaults(t *testing.T) {
	t.Parallel()
	const plan = "floor 0 proto\nfloor 1 mail\nfloor 2 infra\nfloor 4 mta mda\nfloor 5 app\ntests testkit infra/storetest\ntools tools\n"
	us := `"` + module + `/`
	long := strings.Repeat("// x\n", 501)
	for name, tc := range map[string]struct {
		plan string
		file string
		src  string
		want string // "" is none
	}{
		"sound":               {"", "mta/queue/a.go", "// Package queue is.\npackage queue\nimport _ " + us + "mta/bounce\"\nimport _ " + us + "mail\"\n", ""},
		"neighbour in infra":  {"", "infra/a/a.go", "// Package a is.\npackage a\nimport _ " + us + "infra/b\"\n", ""},
		"up":                  {"", "mail/a.go", "// Package mail is.\npackage mail\nimport _ " + us + "infra/b\"\n", "goes up from floor 1 to 2"},
		"up from a role":      {"", "mta/a.go", "// Package mta is.\npackage mta\nimport _ " + us + "app\"\n", "goes up from floor 4 to 5"},
		"sideways":            {"", "mta/queue/a.go", "// Package queue is.\npackage queue\nimport _ " + us + "mda\"\n", "no role imports another role"},
		"testkit":             {"", "app/a.go", "// Package app is.\npackage app\nimport _ " + us + "testkit/clock\"\n", "for tests only"},
		"test suite in infra": {"", "app/a.go", "// Package app is.\npackage app\nimport _ " + us + "infra/storetest\"\n", "for tests only"},
		"testkit, in a suite": {"", "infra/storetest/a.go", "// Package storetest is.\npackage storetest\nimport _ " + us + "testkit/clock\"\n", ""},
		"testkit, in a test":  {"", "app/a_test.go", "package app\nimport _ " + us + "testkit/clock\"\n", ""},
		"tools":               {"", "app/a.go", "// Package app is.\npackage app\nimport _ " + us + "tools/x\"\n", "tools and the product"},
		"tools on product":    {"", "tools/a.go", "// Package tools is.\npackage tools\nimport _ " + us + "mail\"\n", "tools and the product"},
		"socket":              {"", "proto/a.go", "// Package proto is.\npackage proto\nimport _ \"net\"\n", "no socket"},
		"HTTP":                {"", "proto/a.go", "// Package proto is.\npackage proto\nimport _ \"net/http\"\n", "no socket"},
		"disk":                {"", "proto/a.go", "// Package proto is.\npackage proto\nimport _ \"os\"\n", "no socket"},
		"log":                 {"", "proto/a.go", "// Package proto is.\npackage proto\nimport _ \"log/slog\"\n", "no socket"},
		"addresses are pure":  {"", "proto/a.go", "// Package proto is.\npackage proto\nimport _ \"net/netip\"\nimport _ \"io/fs\"\n", ""},
		"clock":               {"", "proto/a.go", "// Package proto is.\npackage proto\nimport \"time\"\nvar x = time.Now()\n", "time.Now on floor 0"},
		"clock, renamed":      {"", "proto/a.go", "// Package proto is.\npackage proto\nimport t \"time\"\nvar x = t.After\n", "t.After on floor 0"},
		"time values":         {"", "proto/a.go", "// Package proto is.\npackage proto\nimport \"time\"\nvar x = time.Unix(0, 0)\n", ""},
		"library in mail":     {"", "mail/a.go", "// Package mail is.\npackage mail\nimport _ \"golang.org/x/text/language\"\n", "standard library alone"},
		"no comment":          {"", "app/a.go", "package app\n", "no comment"},
		"no floor":            {"", "attic/a.go", "// Package attic is.\npackage attic\n", "on no floor"},
		"name":                {"", "app/utils/a.go", "// Package utils is.\npackage utils\n", "says nothing"},
		"test data":           {"", "app/testdata/a.go", "package util\n", ""},
		"long file":           {"", "app/a.go", "// Package app is.\npackage app\n" + long, "file app/a.go has 503 lines"},
		"long file, owned up": {"debt file app/a.go: history", "app/a.go", "// Package app is.\npackage app\n" + long, ""},
		"long function":       {"", "app/a.go", "// Package app is.\npackage app\ntype T[X any] struct{}\nfunc (*T[X]) F() {\n" + long[:5*80] + "}\n", "func app.T.F has 82 lines"},
		"long package":        {"debt file app/a.go: x", "app/a.go", "// Package app is.\npackage app\n" + strings.Repeat(long, 6), "package app has 3008 lines"},
		"a paid debt":         {"debt func app.F: history", "app/a.go", "// Package app is.\npackage app\n", "is paid"},
		"a debt unexplained":  {"debt func app.F:", "app/a.go", "// Package app is.\npackage app\n", "not understood"},
		"nonsense":            {"attic 7", "app/a.go", "// Package app is.\npackage app\n", "not understood"},
		"generated":           {"", "app/a.go", "// Code generated by x. DO NOT EDIT.\n\n// Package app is.\npackage app\n" + long, ""},
		"does not parse":      {"", "app/a.go", "// Package app is.\npackage\n", "expected"},
	} {
		faults, _ := checkFloors(fstest.MapFS{tc.file: {Data: []byte(tc.src)}}, plan+tc.plan)
		if all := strings.Join(faults, "\n"); (all == "") != (tc.want == "") || !strings.Contains(all, tc.want) {
			t.Errorf("%s: faults %q, want %q", name, faults, tc.want)
		}
	}
}
