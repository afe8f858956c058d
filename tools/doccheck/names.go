package doccheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	backquoted = regexp.MustCompile("`([^`]+)`")
	// goName is a folder, then one or two identifiers; brackets behind are a call.
	goName = regexp.MustCompile(`^([a-z][a-z0-9_]*(?:/[a-z0-9_]+)*)\.([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?(?:\(.*\))?$`)
)

// Names checks the Go names in a page's backquotes. checked counts those that were looked up, so that a caller can insist
// that there are some. What looks like a name but is a file of the tree ("docs/flow.md") counts as found.
func Names(tree fs.FS, page string) (checked int, findings []string, err error) {
	text, err := fs.ReadFile(tree, page)
	if err != nil {
		return 0, nil, err
	}
	index := packages{tree: tree, known: map[string]*declarations{}}
	for n, line := range prose(string(text)) {
		for _, m := range backquoted.FindAllStringSubmatch(line, -1) {
			parts := goName.FindStringSubmatch(m[1])
			if parts == nil {
				continue
			}
			if _, err := fs.Stat(tree, m[1]); err == nil {
				continue
			}
			checked++
			why, err := index.lookup(parts[1], parts[2], parts[3])
			if err != nil {
				return checked, findings, err
			}
			if why != "" {
				findings = append(findings, fmt.Sprintf("%s:%d: %s: %s", page, n+1, m[1], why))
			}
		}
	}
	return checked, findings, nil
}

// packages parses folders as they are asked for.
type packages struct {
	tree  fs.FS
	known map[string]*declarations
}

// declarations are one package's top-level names, and what each of its types has.
type declarations struct {
	names    map[string]bool
	members  map[string][]string // type: methods and fields
	embedded map[string][]string // type: types of the same package whose members it shares
}

// lookup says why dir.name or dir.name.member is not there, or "".
func (p packages) lookup(dir, name, member string) (string, error) {
	d, err := p.load(dir)
	if err != nil {
		return "", err
	}
	switch {
	case d == nil:
		return "neither a file nor a package in " + dir, nil
	case !d.names[name]:
		return "package " + dir + " declares no " + name, nil
	case member != "" && !d.has(name, member, 0):
		return "type " + name + " has no method or field " + member, nil
	default:
		return "", nil
	}
}

// has looks through embedded types as well; depth bounds types that embed one another.
func (d *declarations) has(typ, member string, depth int) bool {
	if slices.Contains(d.members[typ], member) {
		return true
	}
	return depth < 8 && slices.ContainsFunc(d.embedded[typ], func(e string) bool { return d.has(e, member, depth+1) })
}

// load parses a folder's sources without tests; nil when there are none.
func (p packages) load(dir string) (*declarations, error) {
	if d, ok := p.known[dir]; ok {
		return d, nil
	}
	files, err := fs.Glob(p.tree, path.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var d *declarations
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := fs.ReadFile(p.tree, file)
		if err != nil {
			return nil, err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if d == nil {
			d = &declarations{map[string]bool{}, map[string][]string{}, map[string][]string{}}
		}
		for _, decl := range parsed.Decls {
			d.add(decl)
		}
	}
	p.known[dir] = d
	return d, nil
}

func (d *declarations) add(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			d.names[decl.Name.Name] = true
		} else if typ := baseName(decl.Recv.List[0].Type); typ != "" {
			d.members[typ] = append(d.members[typ], decl.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				d.names[spec.Name.Name] = true
				d.addMembers(spec)
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					d.names[n.Name] = true
				}
			}
		}
	}
}

func (d *declarations) addMembers(spec *ast.TypeSpec) {
	var fields *ast.FieldList
	switch t := spec.Type.(type) {
	case *ast.StructType:
		fields = t.Fields
	case *ast.InterfaceType:
		fields = t.Methods
	default:
		return
	}
	typ := spec.Name.Name
	for _, f := range fields.List {
		for _, n := range f.Names {
			d.members[typ] = append(d.members[typ], n.Name)
		}
		if base := baseName(f.Type); len(f.Names) == 0 && base != "" {
			d.members[typ] = append(d.members[typ], base)
			d.embedded[typ] = append(d.embedded[typ], base)
		}
	}
}

// baseName is the name of a type of the same package, without pointer and type parameters; "" for others.
func baseName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return baseName(e.X)
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.IndexListExpr:
		return baseName(e.X)
	default:
		return ""
	}
}
