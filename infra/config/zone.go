package config

import (
	"maps"
	"slices"
	"strings"
)

// Zone writes the lab's DNS records in the form infra/dns reads: one record a line, ordered by name.
func (l Lab) Zone() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(l.DNS)) {
		r := l.DNS[name]
		line := func(typ string, data ...string) {
			b.WriteString(strings.Join(append([]string{name, typ}, data...), " ") + "\n")
		}
		for _, v := range r.MX {
			line("MX", v)
		}
		for _, v := range r.A {
			line("A", v)
		}
		for _, v := range r.AAAA {
			line("AAAA", v)
		}
		for _, v := range r.TXT {
			line("TXT", `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)+`"`)
		}
		for _, v := range r.PTR {
			line("PTR", v)
		}
		if r.CNAME != "" {
			line("CNAME", r.CNAME)
		}
		if r.Fail {
			line("FAIL")
		}
	}
	return b.String()
}
