package jscontact

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Version is a version of vCard.
type Version uint8

// The versions that are written.
const (
	V4 Version = iota // RFC 6350
	V3                // RFC 2426
)

// exporter writes lines (RFC 9555 3).
type exporter struct {
	b strings.Builder
	v Version
	// groups counts the groups that labels were written with.
	groups int
}

// VCard makes a vCard of a card that Check let through.
func VCard(c Card, v Version) []byte {
	e := &exporter{v: v}
	e.write("", "BEGIN", nil, "VCARD")
	e.write("", "VERSION", nil, map[Version]string{V4: "4.0", V3: "3.0"}[v])
	if v == V4 {
		if kind := str(c["kind"]); kind != "" {
			e.write("", "KIND", nil, escape.Replace(kind))
		}
	}
	for _, p := range [][2]string{{"uid", "UID"}, {"prodId", "PRODID"}, {"language", "LANGUAGE"}} {
		if s := str(c[p[0]]); s != "" && (v == V4 || p[1] != "LANGUAGE") {
			e.write("", p[1], nil, escape.Replace(s))
		}
	}
	e.time("REV", c["updated"])
	if v == V4 {
		e.time("CREATED", c["created"])
	}
	e.name(c)
	e.contacts(c)
	e.places(c)
	e.rest(c)
	e.write("", "END", nil, "VCARD")
	return []byte(e.b.String())
}

func str(v any) string { s, _ := v.(string); return s }
func obj(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// time writes a timestamp.
func (e *exporter) time(name string, v any) {
	if s, ok := parseTime(str(v)); ok {
		e.write("", name, nil, strings.NewReplacer("-", "", ":", "").Replace(s))
	}
}

// write writes a content line, folded (RFC 6350 3.2). params come in pairs.
func (e *exporter) write(group, name string, params []string, value string) {
	var l strings.Builder
	if group != "" {
		l.WriteString(group + ".")
	}
	l.WriteString(name)
	for i := 0; i+1 < len(params); i += 2 {
		p := caret.Replace(params[i+1])
		if strings.ContainsAny(p, ",;:") {
			p = `"` + p + `"`
		}
		l.WriteString(";" + params[i] + "=" + p)
	}
	l.WriteString(":" + strings.NewReplacer("\r", "", "\n", "").Replace(value))
	s, width := l.String(), 75
	for len(s) > width {
		n := width
		for n > 1 && !utf8.RuneStart(s[n]) {
			n--
		}
		e.b.WriteString(s[:n] + "\r\n ")
		s, width = s[n:], 74
	}
	e.b.WriteString(s + "\r\n")
}

// resource writes a line of an object of a map, with the parameters that its common properties give.
func (e *exporter) resource(name, id string, o map[string]any, params []string, value string) {
	var kinds []string
	for context := range obj(o["contexts"]) {
		switch context {
		case "private":
			kinds = append(kinds, "home")
		case "work":
			kinds = append(kinds, "work")
		}
	}
	for f := range obj(o["features"]) {
		for from, to := range features {
			if to == f {
				kinds = append(kinds, from)
			}
		}
	}
	pref := whole(o["pref"])
	if pref > 0 && e.v == V3 {
		kinds = append(kinds, "pref")
	}
	for _, k := range sorted(kinds) {
		params = append(params, "TYPE", k)
	}
	if e.v == V4 {
		if pref > 0 {
			params = append(params, "PREF", fmt.Sprint(pref))
		}
		params = append(params, "PROP-ID", id)
	}
	group := ""
	if label := str(o["label"]); label != "" {
		e.groups++
		group = fmt.Sprintf("item%d", e.groups)
		e.write(group, "X-ABLabel", nil, escape.Replace(label))
	}
	e.write(group, name, params, value)
}

// name writes FN, which every vCard must have (RFC 6350 6.2.1), and N.
func (e *exporter) name(c Card) {
	n := obj(c["name"])
	has := map[string][]string{}
	var order []string
	list, _ := n["components"].([]any)
	separator := " "
	if s, ok := n["defaultSeparator"].(string); ok {
		separator = s
	}
	for _, v := range list {
		o := obj(v)
		kind, text := str(o["kind"]), str(o["value"])
		if kind != "separator" {
			has[kind] = append(has[kind], escape.Replace(text))
			order = append(order, text)
		}
	}
	full := str(n["full"])
	if full == "" {
		full = strings.Join(order, separator)
	}
	for _, prop := range []struct{ name, field string }{{"organizations", "name"}, {"nicknames", "name"}, {"emails", "address"}, {"phones", "number"}} {
		for _, id := range keys(obj(c[prop.name])) {
			if full == "" {
				full = str(obj(obj(c[prop.name])[id])[prop.field])
			}
		}
	}
	e.write("", "FN", nil, escape.Replace(full))
	if len(has) == 0 && e.v == V4 {
		return
	}
	last := 5
	parts := make([]string, len(nameParts))
	for i, kind := range nameParts {
		if parts[i] = strings.Join(has[kind], ","); parts[i] != "" && i >= last {
			last = len(nameParts)
		}
	}
	if last > 5 { // RFC 9554 2.2: the old places say it too
		for _, i := range []struct{ from, to int }{{5, 0}, {6, 4}} {
			if parts[i.from] != "" {
				parts[i.to] = strings.Trim(parts[i.to]+","+parts[i.from], ",")
			}
		}
		if e.v == V3 {
			last = 5
		}
	}
	e.write("", "N", nil, strings.Join(parts[:last], ";"))
}

// contacts writes ways to reach somebody.
func (e *exporter) contacts(c Card) {
	for _, p := range []struct{ prop, field, name string }{{"nicknames", "name", "NICKNAME"}, {"emails", "address", "EMAIL"}, {"phones", "number", "TEL"},
		{"preferredLanguages", "language", "LANG"}} {
		m := obj(c[p.prop])
		for _, id := range keys(m) {
			if o := obj(m[id]); p.name != "LANG" || e.v == V4 {
				e.resource(p.name, id, o, nil, escape.Replace(str(o[p.field])))
			}
		}
	}
	m := obj(c["onlineServices"])
	for _, id := range keys(m) {
		o := obj(m[id])
		var params []string
		if s := str(o["service"]); s != "" {
			params = append(params, "SERVICE-TYPE", s)
		}
		name := "SOCIALPROFILE"
		if e.v == V3 {
			name, params = "X-SOCIALPROFILE", nil
			if s := str(o["service"]); s != "" {
				params = []string{"TYPE", strings.ToLower(s)}
			}
		}
		user, uri := str(o["user"]), str(o["uri"])
		switch {
		case uri == "":
			e.resource(name, id, o, append(params, "VALUE", "text"), escape.Replace(user))
		case user != "":
			e.resource(name, id, o, append(params, "USERNAME", user), escape.Replace(uri))
		default:
			e.resource(name, id, o, params, escape.Replace(uri))
		}
	}
}

// places writes addresses and organizations.
func (e *exporter) places(c Card) {
	m := obj(c["addresses"])
	for _, id := range keys(m) {
		e.address(id, obj(m[id]))
	}
	m = obj(c["organizations"])
	for _, id := range keys(m) {
		o := obj(m[id])
		parts := []string{escape.Replace(str(o["name"]))}
		units, _ := o["units"].([]any)
		for _, u := range units {
			parts = append(parts, escape.Replace(str(obj(u)["name"])))
		}
		e.resource("ORG", id, o, nil, strings.Join(parts, ";"))
	}
	m = obj(c["titles"])
	for _, id := range keys(m) {
		o, name := obj(m[id]), "TITLE"
		if o["kind"] == "role" {
			name = "ROLE"
		}
		e.resource(name, id, o, nil, escape.Replace(str(o["name"])))
	}
}

func (e *exporter) address(id string, o map[string]any) {
	parts := make([]string, len(addressParts))
	put := func(i int, v string) { parts[i] = strings.Trim(parts[i]+","+escape.Replace(v), ",") }
	list, _ := o["components"].([]any)
	fine := false
	for _, v := range list {
		switch str(obj(v)["kind"]) {
		case "room", "floor", "number", "building", "block", "subdistrict", "district", "landmark", "direction":
			fine = true
		}
	}
	for _, v := range list {
		kind, text := str(obj(v)["kind"]), str(obj(v)["value"])
		first := true
		for i, k := range addressParts {
			switch {
			case k != kind:
			case i < 7 && first:
				put(i, text)
				first = false
			case i >= 7 && fine:
				put(i, text)
				if first { // one of RFC 9554 2.1: the street says it too
					put(2, text)
					first = false
				}
			}
		}
	}
	var params []string
	if full := str(o["full"]); full != "" {
		params = append(params, "LABEL", full)
	}
	last := 7
	if e.v == V4 {
		for _, p := range [][2]string{{"countryCode", "CC"}, {"coordinates", "GEO"}, {"timeZone", "TZ"}} {
			if s := str(o[p[0]]); s != "" {
				params = append(params, p[1], s)
			}
		}
		if fine {
			last = len(parts)
		}
	} else {
		params = nil
	}
	e.resource("ADR", id, o, params, strings.Join(parts[:last], ";"))
}

// rest writes what else a card says.
func (e *exporter) rest(c Card) {
	m := obj(c["anniversaries"])
	for _, id := range keys(m) {
		o := obj(m[id])
		for name, kind := range anniversaries {
			if kind == o["kind"] && (name == "X-ANNIVERSARY") == (kind == "wedding" && e.v == V3) && (e.v == V4 || kind != "death") {
				e.resource(name, id, map[string]any{}, nil, formatDate(obj(o["date"]), e.v))
			}
		}
	}
	m = obj(c["notes"])
	for _, id := range keys(m) {
		e.resource("NOTE", id, map[string]any{}, nil, escape.Replace(str(obj(m[id])["note"])))
	}
	for _, p := range sorted(mapKeys(resources)) {
		r := resources[p]
		m := obj(c[r.prop])
		for _, id := range keys(m) {
			if o := obj(m[id]); str(o["kind"]) == r.kind && (e.v == V4 || p == "URL" || p == "PHOTO" || p == "LOGO" || p == "SOUND" || p == "KEY") {
				e.uri(p, id, o)
			}
		}
	}
	for _, p := range [][2]string{{"keywords", "CATEGORIES"}, {"members", "MEMBER"}, {"relatedTo", "RELATED"}} {
		e.set(p[1], obj(c[p[0]]))
	}
	if g := str(obj(c["speakToAs"])["grammaticalGender"]); g != "" && e.v == V4 {
		e.write("", "GRAMGENDER", nil, escape.Replace(strings.ToUpper(g)))
	}
	m = obj(c["personalInfo"])
	for _, id := range keys(m) {
		o := obj(m[id])
		for name, kind := range personal {
			if kind == o["kind"] && e.v == V4 {
				e.resource(name, id, map[string]any{}, nil, escape.Replace(str(o["value"])))
			}
		}
	}
	e.kept(c)
}

// set writes the keys of a map.
func (e *exporter) set(name string, m map[string]any) {
	list := sorted(mapKeys(m))
	if len(list) == 0 || e.v == V3 && name != "CATEGORIES" {
		return
	}
	if name == "CATEGORIES" {
		for i := range list {
			list[i] = escape.Replace(list[i])
		}
		e.write("", name, nil, strings.Join(list, ","))
		return
	}
	for _, key := range list {
		var params []string
		for _, how := range sorted(mapKeys(obj(obj(m[key])["relation"]))) {
			params = append(params, "TYPE", how)
		}
		e.write("", name, params, escape.Replace(key))
	}
}

// uri writes a resource; what stands in it as base64 is written as vCard 3.0 does it (RFC 2426 3.1.4).
func (e *exporter) uri(name, id string, o map[string]any) {
	uri := str(o["uri"])
	head, raw, ok := strings.Cut(uri, ";base64,")
	if media, is := strings.CutPrefix(head, "data:"); ok && is && e.v == V3 {
		_, sub, _ := strings.Cut(media, "/")
		e.resource(name, id, o, []string{"ENCODING", "b", "TYPE", strings.ToUpper(sub)}, raw)
		return
	}
	var params []string
	if m := str(o["mediaType"]); m != "" && e.v == V4 && !strings.HasPrefix(uri, "data:") {
		params = append(params, "MEDIATYPE", m)
	}
	e.resource(name, id, o, params, uri)
}

// kept writes lines that an import put aside (RFC 9555 2.2.1).
func (e *exporter) kept(c Card) {
	list, _ := c["vCardProps"].([]any)
	for _, v := range list {
		l, _ := v.([]any)
		if len(l) != 4 || !validID(str(l[0])) {
			continue
		}
		name := strings.ToUpper(str(l[0]))
		switch name {
		case "BEGIN", "END", "VERSION":
			continue
		}
		var params []string
		m := obj(l[1])
		for _, p := range sorted(mapKeys(m)) {
			if p == "group" || !validID(p) {
				continue
			}
			switch v := m[p].(type) {
			case string:
				params = append(params, strings.ToUpper(p), v)
			case []any:
				for _, one := range v {
					params = append(params, strings.ToUpper(p), str(one))
				}
			}
		}
		group := str(m["group"])
		if !validID(group) {
			group = ""
		}
		e.write(group, name, params, str(l[3]))
	}
}

// keys gives the keys of a map in order: those of a lower pref first.
func keys(m map[string]any) []string {
	list := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(list, func(a, b string) int { return int(prefOf(m[a]) - prefOf(m[b])) })
	return list
}

func prefOf(v any) int64 {
	if o, ok := v.(map[string]any); ok {
		if n := whole(o["pref"]); n > 0 {
			return min(n, 100)
		}
	}
	return 101
}
