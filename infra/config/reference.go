package config

import (
	_ "embed" // the comments of keys.go
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"reflect"
	"strings"
)

// keysSource is the file whose comments are the reference's text.
//
//go:embed keys.go
var keysSource string

// docs are the comments of keys.go: by type, and by type and field.
type docs map[string]string

func readDocs() (docs, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "keys.go", keysSource, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	d := docs{}
	for _, decl := range f.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			t := spec.(*ast.TypeSpec)
			d[t.Name.Name] = oneLine(g.Doc.Text())
			s, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range s.Fields.List {
				for _, name := range field.Names {
					d[t.Name.Name+"."+name.Name] = oneLine(field.Doc.Text())
				}
			}
		}
	}
	return d, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// about is the text of a key, which takes the place of the field's name in the comment.
func (d docs) about(t reflect.Type, f reflect.StructField) string {
	text := d[t.Name()+"."+f.Name]
	if text == "" {
		return d.aboutTable(f)
	}
	key := keyOf(f)
	if f.Type.Kind() == reflect.Struct {
		key = "[" + key + "]"
	}
	return key + strings.TrimPrefix(text, f.Name)
}

func (d docs) aboutTable(f reflect.StructField) string {
	t := f.Type
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if text, ok := strings.CutPrefix(d[t.Name()], t.Name()+" "); ok {
		return "[" + keyOf(f) + "] " + text
	}
	return d[t.Name()]
}

// examples stand, commented out, where a default is empty and where a list of tables or names begins.
var examples = map[string]string{
	"hostname":               `hostname = "mail.example.com"`,
	"tls.certificate":        "[[tls.certificate]]\ncert = \"/etc/ssl/mail.example.com.pem\"\nkey = \"/etc/ssl/private/mail.example.com.key\"",
	"route":                  "[[route]]\ndomain = \"partner.example\"\nhost = \"mx.partner.example:25\"\ntls = \"verify\"",
	"lab.hosts":              "[lab.hosts]\n\"mx.beta.test\" = \"127.0.0.1:2626\"",
	"lab.dns":                "[lab.dns.\"beta.test\"]\nmx = [\"10 mx.beta.test\"]\n[lab.dns.\"mx.beta.test\"]\na = [\"127.0.0.1\"]",
	"listen.lmtp":            `lmtp = "127.0.0.1:24"`,
	"listen.lmtp_socket":     `lmtp_socket = "lmtp.sock"`,
	"dns.servers":            `servers = ["127.0.0.1"]`,
	"accounts.default_quota": `default_quota = "5GiB"`,
}

// Reference writes every key with its default and its meaning, as a TOML file that means the same as an
// empty one.
func Reference(w io.Writer) error {
	d, err := readDocs()
	if err != nil {
		return err
	}
	c := Default(DefaultData)
	out := &writer{docs: d, examples: true, told: map[reflect.Type]string{}}
	out.b.WriteString("# Every key of a Postrider configuration with its default. A file needs only what it changes.\n" +
		"# Lengths of time have units: \"90s\", \"4h\", \"5d\". Sizes too: \"50MiB\". Check a file with: postrider config check\n")
	out.table("", reflect.ValueOf(c))
	_, err = io.WriteString(w, out.b.String())
	return err
}

// Markdown writes the same as a page of tables, one for each table of the file.
func Markdown(w io.Writer) error {
	d, err := readDocs()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# Configuration\n\nMade by `postrider config reference --markdown`; do not edit.\n\n" +
		"One TOML file, given by `--config` or `POSTRIDER_CONFIG`. Every key has a default: a file needs only what it changes. " +
		"Lengths of time have units (`\"90s\"`, `\"4h\"`, `\"5d\"`), and so have sizes (`\"50MiB\"`). " +
		"Without a file, `postrider serve` is a development instance on loopback ports, with its data in `./postrider-data`.\n")
	d.page(&b, "", reflect.ValueOf(Default(DefaultData)))
	_, err = io.WriteString(w, b.String())
	return err
}

// page writes the keys of one table, then the tables below it.
func (d docs) page(b *strings.Builder, path string, v reflect.Value) {
	t := v.Type()
	var rows []string
	for f, fv := range v.Fields() {
		if isTable(f.Type) {
			continue
		}
		value := "`" + literal(fv) + "`"
		if path == "" && keyOf(f) == "hostname" {
			value = "the machine's"
		}
		about := withoutSubject(d.about(t, f))
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", keyOf(f), value, strings.ReplaceAll(about, "|", "\\|")))
	}
	if len(rows) > 0 {
		b.WriteString("\n| key | default | meaning |\n|---|---|---|\n" + strings.Join(rows, ""))
	}
	for f, fv := range v.Fields() {
		if !isTable(f.Type) {
			continue
		}
		key := strings.TrimPrefix(path+"."+keyOf(f), ".")
		title, inner := "["+key+"]", fv
		switch f.Type.Kind() {
		case reflect.Slice:
			title, inner = "[["+key+"]]", reflect.Zero(f.Type.Elem())
		case reflect.Map:
			inner = reflect.Zero(f.Type.Elem())
		}
		about := withoutSubject(d.about(t, f))
		fmt.Fprintf(b, "\n## `%s`\n\n%s\n", title, strings.ToUpper(about[:1])+about[1:])
		if inner.Kind() == reflect.Struct {
			d.page(b, key, inner)
		}
		if ex := examples[key]; ex != "" {
			b.WriteString("\n```toml\n" + ex + "\n```\n")
		}
	}
}

// withoutSubject leaves out the name a sentence begins with, which a table or a heading shows already.
func withoutSubject(about string) string {
	name, rest, _ := strings.Cut(about, " ")
	for _, verb := range []string{"is ", "are "} {
		if after, ok := strings.CutPrefix(rest, verb); ok {
			return after
		}
	}
	if strings.HasPrefix(name, "[") {
		return rest
	}
	return about
}
