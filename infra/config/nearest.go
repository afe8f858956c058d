package config

import (
	"fmt"
	"reflect"
	"strings"
)

// unknownKey says that a key does not exist, and which one may have been meant.
func unknownKey(path []string) string {
	table := reflect.TypeFor[Config]()
	for i, part := range path {
		next, ok := member(table, part)
		if ok && i < len(path)-1 {
			table = next
			continue
		}
		where := "at the top of the file"
		if i > 0 {
			where = "in [" + strings.Join(path[:i], ".") + "]"
		}
		text := fmt.Sprintf("there is no key %q %s", part, where)
		if near := nearest(part, keysOf(table)); near != "" {
			return text + fmt.Sprintf("; did you mean %q?", near)
		}
		if home := homes(part); home != "" {
			return text + "; it belongs in " + home
		}
		return text + seeAll
	}
	return "there is an unknown key" + seeAll
}

const seeAll = "; see all with: postrider config reference"

// member is the type of a table's key; of a list or map, the type of what it holds.
func member(t reflect.Type, key string) (reflect.Type, bool) {
	switch t.Kind() {
	case reflect.Map:
		return t.Elem(), true
	case reflect.Struct:
		for f := range t.Fields() {
			if keyOf(f) == key {
				ft := f.Type
				if ft.Kind() == reflect.Slice {
					ft = ft.Elem()
				}
				return ft, true
			}
		}
	}
	return nil, false
}

func keyOf(f reflect.StructField) string { return f.Tag.Get("toml") }

func keysOf(t reflect.Type) []string {
	var out []string
	if t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			out = append(out, keyOf(f))
		}
	}
	return out
}

// homes names the tables that have the key.
func homes(key string) string {
	var out []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for f := range t.Fields() {
			k := keyOf(f)
			if k == key && path != "" {
				out = append(out, "["+path+"]")
			}
			walk(f.Type, strings.TrimPrefix(path+"."+k, "."))
		}
	}
	walk(reflect.TypeFor[Config](), "")
	if len(out) > 3 {
		return ""
	}
	return strings.Join(out, " or ")
}

// nearest is the candidate that differs from the word in the fewest letters, when those are few.
func nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)/3+2
	for _, c := range candidates {
		if d := distance(word, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out or changed to make b of a (Levenshtein).
func distance(a, b string) int {
	if len(a) > 100 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
