package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// WriteTOML writes the configuration as a file that Load reads as the same, without comments.
func (c Config) WriteTOML(w io.Writer) error {
	out := &writer{}
	out.table("", reflect.ValueOf(c))
	_, err := io.WriteString(w, strings.TrimPrefix(out.b.String(), "\n"))
	return err
}

// Map is the configuration as nested maps by key, for JSON.
func (c Config) Map() map[string]any { return asMap(reflect.ValueOf(c)).(map[string]any) }

func asMap(v reflect.Value) any {
	switch {
	case v.Kind() == reflect.Struct:
		out := map[string]any{}
		for f, fv := range v.Fields() {
			out[keyOf(f)] = asMap(fv)
		}
		return out
	case v.Kind() == reflect.Map:
		out := map[string]any{}
		for _, name := range sortedKeys(v) {
			out[name] = asMap(v.MapIndex(reflect.ValueOf(name)))
		}
		return out
	case v.Kind() == reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = asMap(v.Index(i))
		}
		return out
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	return v.Interface()
}

// writer makes TOML of a Config.
type writer struct {
	b        strings.Builder
	docs     docs                    // nil: no comments
	told     map[reflect.Type]string // tables whose keys were explained, by type
	examples bool                    // hide what depends on the machine, show what is empty
}

func (w *writer) table(path string, v reflect.Value) {
	t := v.Type()
	first := w.told[t]
	if first != "" {
		w.comment("Its keys mean what they mean in [" + first + "].")
	} else if w.docs != nil {
		w.told[t] = path
	}
	for f, fv := range v.Fields() {
		if isTable(f.Type) {
			continue
		}
		key := strings.TrimPrefix(path+"."+keyOf(f), ".")
		if first == "" {
			w.comment(w.docs.about(t, f))
		}
		if w.examples && key == "hostname" { // differs from machine to machine
			w.commentedOut(examples[key])
			continue
		}
		fmt.Fprintf(&w.b, "%s = %s\n", keyOf(f), literal(fv))
		if w.examples && examples[key] != "" {
			w.commentedOut(examples[key])
		}
	}
	for f, fv := range v.Fields() {
		key := strings.TrimPrefix(path+"."+keyOf(f), ".")
		switch {
		case !isTable(f.Type):
		case f.Type.Kind() == reflect.Struct:
			w.head(w.docs.about(t, f), "["+key+"]")
			w.table(key, fv)
		default:
			w.many(key, w.docs.about(t, f), fv)
		}
	}
}

// many writes a list of tables or a map.
func (w *writer) many(key, about string, v reflect.Value) {
	if w.examples {
		w.b.WriteString("\n")
		w.comment(about)
		w.fieldsOf(v.Type().Elem())
		w.commentedOut(examples[key])
		return
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			w.head("", "[["+key+"]]")
			w.table(key, v.Index(i))
		}
		return
	}
	if v.Type().Elem().Kind() == reflect.String && v.Len() > 0 {
		w.head("", "["+key+"]")
	}
	for _, name := range sortedKeys(v) {
		e := v.MapIndex(reflect.ValueOf(name))
		if e.Kind() == reflect.String {
			fmt.Fprintf(&w.b, "%s = %s\n", quote(name), literal(e))
			continue
		}
		w.head("", "["+key+"."+quote(name)+"]")
		w.table(key+"."+name, e)
	}
}

func sortedKeys(m reflect.Value) []string {
	var names []string
	for _, k := range m.MapKeys() {
		names = append(names, k.String())
	}
	slices.Sort(names)
	return names
}

// fieldsOf tells, in comments, what a table of a list may hold.
func (w *writer) fieldsOf(t reflect.Type) {
	if t.Kind() != reflect.Struct || w.docs == nil {
		return
	}
	for f := range t.Fields() {
		w.comment("  " + w.docs.about(t, f))
	}
}

func (w *writer) head(about, line string) {
	w.b.WriteString("\n")
	if w.docs != nil {
		w.comment(about)
	}
	w.b.WriteString(line + "\n")
}

func (w *writer) comment(text string) {
	if w.docs == nil || text == "" {
		return
	}
	for _, line := range wrap(text, 100) {
		w.b.WriteString("# " + line + "\n")
	}
}

func (w *writer) commentedOut(text string) {
	for line := range strings.Lines(text) {
		w.b.WriteString("#" + strings.TrimRight(line, "\n") + "\n")
	}
}

// wrap breaks a text into lines; leading blanks are kept on each.
func wrap(text string, width int) []string {
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var lines []string
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width && line != indent {
			lines = append(lines, line)
			line = indent + "  "
			if indent == "" {
				line = ""
			}
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// isTable reports whether a value of the type is written as a table of its own.
func isTable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Struct
	}
	return false
}

// literal is a value in TOML.
func literal(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return quote(s.String())
	}
	switch v.Kind() {
	case reflect.String:
		return quote(v.String())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = literal(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return `""`
}

// quote writes a basic string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
