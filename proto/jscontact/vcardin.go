package jscontact

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// importer makes a card of lines (RFC 9555 2).
type importer struct {
	card    Card
	ids     map[string]int
	grouped map[string]map[string]any // the resource that a group's line made, for its label
	labels  map[string]string
	kept    []any // lines that no property stands for, as RFC 9555 2.2.1 keeps them
}

// resources are properties whose value is a URI, and what they become.
var resources = map[string]struct{ prop, kind, id string }{
	"URL": {"links", "", "l"}, "CONTACT-URI": {"links", "contact", "l"}, "CALURI": {"calendars", "calendar", "c"}, "FBURL": {"calendars", "freeBusy", "c"},
	"CALADRURI": {"schedulingAddresses", "", "s"}, "KEY": {"cryptoKeys", "", "k"}, "SOURCE": {"directories", "entry", "d"},
	"ORG-DIRECTORY": {"directories", "directory", "d"}, "PHOTO": {"media", "photo", "m"}, "LOGO": {"media", "logo", "m"}, "SOUND": {"media", "sound", "m"},
}

// anniversaries by property.
var anniversaries = map[string]string{"BDAY": "birth", "DEATHDATE": "death", "ANNIVERSARY": "wedding", "X-ANNIVERSARY": "wedding"}

// personal are the properties of RFC 6715.
var personal = map[string]string{"EXPERTISE": "expertise", "HOBBY": "hobby", "INTEREST": "interest"}

// fromLines makes a card. The error is ErrVCard.
func fromLines(lines []line) (Card, error) {
	im := &importer{card: Card{"@type": "Card", "version": "1.0"}, ids: map[string]int{}, grouped: map[string]map[string]any{}, labels: map[string]string{}}
	for i := range lines {
		if im.ids["all"]++; im.ids["all"] > MaxItems {
			return nil, fmt.Errorf("%w: it has more than %d lines", ErrVCard, MaxItems)
		}
		im.line(&lines[i])
	}
	for group, text := range im.labels {
		if o := im.grouped[group]; o != nil {
			o["label"] = text
		}
	}
	if n := obj(im.card["name"]); n["full"] == nil && n["components"] == nil {
		delete(im.card, "name")
	}
	if im.card["members"] != nil {
		im.card["kind"] = "group" // RFC 9553 2.1.6
	}
	if len(im.kept) > 0 {
		im.card["vCardProps"] = im.kept
	}
	if p := Check(im.card); p != nil {
		return nil, fmt.Errorf("%w: %w", ErrVCard, p)
	}
	if _, err := Encode(im.card); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrVCard, err)
	}
	return im.card, nil
}

// keep puts a line aside as jCard has it (RFC 7095 3.3), so that an export gives it back.
func (im *importer) keep(l *line) {
	params := map[string]any{}
	for _, p := range l.params {
		if len(p.values) == 1 {
			params[strings.ToLower(p.name)] = p.values[0]
		} else {
			list := make([]any, len(p.values))
			for i, v := range p.values {
				list[i] = v
			}
			params[strings.ToLower(p.name)] = list
		}
	}
	if l.group != "" {
		params["group"] = l.group
	}
	im.kept = append(im.kept, []any{strings.ToLower(l.name), params, "unknown", l.value})
}

func (im *importer) line(l *line) {
	if r, ok := resources[l.name]; ok {
		im.resource(l, r.prop, r.kind, r.id)
		return
	}
	if kind, ok := anniversaries[l.name]; ok {
		date, ok := parseDate(l.value)
		if !ok {
			im.keep(l)
			return
		}
		im.add("anniversaries", "a", l, map[string]any{"kind": kind, "date": date})
		return
	}
	if kind, ok := personal[l.name]; ok {
		o := map[string]any{"kind": kind, "value": unescape(l.value)}
		if level := strings.ToLower(l.first("LEVEL")); level != "" {
			for from, to := range map[string]string{"beginner": "low", "average": "medium", "expert": "high"} { // RFC 9555 2.3.18
				if level == from {
					level = to
				}
			}
			o["level"] = level
		}
		im.add("personalInfo", "i", l, o)
		return
	}
	if im.single(l) || im.text(l) || im.structured(l) {
		return
	}
	switch l.name {
	case "VERSION", "BEGIN", "END":
	case "X-ABLABEL":
		if text := strings.TrimSuffix(strings.TrimPrefix(unescape(l.value), "_$!<"), ">!$_"); l.group != "" && text != "" {
			im.labels[l.group] = text
		}
	default:
		im.keep(l)
	}
}

// single reads properties that a card has once.
func (im *importer) single(l *line) bool {
	text := unescape(l.value)
	c := im.card
	switch l.name {
	case "FN":
		if n := im.name(); n["full"] == nil && text != "" {
			n["full"] = text
		}
	case "N":
		im.names(l)
	case "UID":
		if text != "" && len(text) <= MaxUID {
			c["uid"] = text
		}
	case "KIND", "X-ADDRESSBOOKSERVER-KIND":
		if text != "" {
			c["kind"] = strings.ToLower(text)
		}
	case "PRODID":
		c["prodId"] = text
	case "LANGUAGE":
		c["language"] = text
	case "REV", "CREATED":
		if t, ok := parseTime(l.value); ok {
			c[map[string]string{"REV": "updated", "CREATED": "created"}[l.name]] = t
		}
	case "GRAMGENDER":
		c["speakToAs"] = map[string]any{"grammaticalGender": strings.ToLower(text)}
	default:
		return false
	}
	return true
}

// name is the card's name, made where there is none. One that stays empty is none.
func (im *importer) name() map[string]any {
	n, _ := im.card["name"].(map[string]any)
	if n == nil {
		n = map[string]any{}
		im.card["name"] = n
	}
	return n
}

// nameParts are the components of N in their order (RFC 6350 6.2.2, RFC 9554 2.2).
var nameParts = []string{"surname", "given", "given2", "title", "credential", "surname2", "generation"}

// shown is the order that names are commonly written in.
var shown = []string{"title", "given", "given2", "surname", "surname2", "generation", "credential"}

func (im *importer) names(l *line) {
	parts := split(l.value, ';')
	var list []any
	has := map[string][]string{}
	for i, kind := range nameParts {
		if i < len(parts) {
			for _, v := range split(parts[i], ',') {
				if v = strings.TrimSpace(unescape(v)); v != "" && !(i == 0 && len(parts) > 5 && slices.Contains(split(parts[5], ','), v)) {
					has[kind] = append(has[kind], v)
				}
			}
		}
	}
	for _, kind := range shown {
		for _, v := range has[kind] {
			list = append(list, map[string]any{"kind": kind, "value": v})
		}
	}
	if len(list) > 0 {
		n := im.name()
		n["components"] = list
		if sorts := strings.Join(l.get("SORT-AS"), ","); sorts != "" {
			as := map[string]any{}
			for i, v := range strings.Split(sorts, ",") {
				if i < 2 && v != "" {
					as[nameParts[i]] = v
				}
			}
			n["sortAs"] = as
		}
	}
}

// text reads properties whose values are plain.
func (im *importer) text(l *line) bool {
	text := strings.TrimSpace(unescape(l.value))
	switch l.name {
	case "EMAIL":
		im.add("emails", "e", l, map[string]any{"address": text})
	case "TEL":
		im.add("phones", "p", l, map[string]any{"number": text})
	case "TITLE", "ROLE":
		im.add("titles", "t", l, map[string]any{"name": text, "kind": strings.ToLower(l.name)})
	case "NOTE":
		im.add("notes", "n", l, map[string]any{"note": unescape(l.value)})
	case "LANG":
		im.add("preferredLanguages", "g", l, map[string]any{"language": text})
	case "IMPP", "SOCIALPROFILE", "X-SOCIALPROFILE":
		im.service(l)
	case "NICKNAME":
		for _, v := range split(l.value, ',') {
			im.add("nicknames", "k", l, map[string]any{"name": strings.TrimSpace(unescape(v))})
		}
	case "CATEGORIES":
		for _, v := range split(l.value, ',') {
			im.member("keywords", strings.TrimSpace(unescape(v)), true)
		}
	case "MEMBER", "X-ADDRESSBOOKSERVER-MEMBER":
		im.card["kind"] = "group"
		im.member("members", text, true)
	case "RELATED":
		how := map[string]any{}
		for _, t := range types21(l) {
			how[t] = true
		}
		im.member("relatedTo", text, map[string]any{"relation": how})
	default:
		return false
	}
	return true
}

func (im *importer) member(prop, key string, v any) {
	m, _ := im.card[prop].(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	if key != "" && len(key) <= MaxUID {
		m[key] = v
		im.card[prop] = m
	}
}

// service reads an account somewhere (RFC 9555 2.7.2).
func (im *importer) service(l *line) {
	o := map[string]any{}
	if v := strings.TrimSpace(unescape(l.value)); strings.EqualFold(l.first("VALUE"), "text") {
		o["user"] = v
	} else if v != "" {
		o["uri"] = v
	}
	if v := l.first("USERNAME"); v != "" {
		o["user"] = v
	}
	for _, p := range []string{"SERVICE-TYPE", "X-SERVICE-TYPE"} {
		if v := l.first(p); v != "" {
			o["service"] = v
		}
	}
	if l.name == "X-SOCIALPROFILE" && o["service"] == nil {
		for _, t := range types21(l) {
			if t != "pref" && t != "home" && t != "work" {
				o["service"] = t
			}
		}
	}
	if o["uri"] != nil || o["user"] != nil {
		im.add("onlineServices", "v", l, o)
	}
}

// addressParts are the components of ADR in their order (RFC 6350 6.3.1, RFC 9554 2.1).
var addressParts = []string{"postOfficeBox", "apartment", "name", "locality", "region", "postcode", "country",
	"room", "apartment", "floor", "number", "name", "building", "block", "subdistrict", "district", "landmark", "direction"}

// structured reads properties with components.
func (im *importer) structured(l *line) bool {
	parts := split(l.value, ';')
	switch l.name {
	case "ORG":
		o := map[string]any{}
		if name := strings.TrimSpace(unescape(parts[0])); name != "" {
			o["name"] = name
		}
		var units []any
		for _, u := range parts[1:] {
			if u = strings.TrimSpace(unescape(u)); u != "" {
				units = append(units, map[string]any{"name": u})
			}
		}
		if units != nil {
			o["units"] = units
		}
		if len(o) > 0 {
			im.add("organizations", "o", l, o)
		}
	case "ADR":
		o := map[string]any{}
		var list []any
		fine := len(parts) > 7 && strings.Trim(strings.Join(parts[7:], ""), " ,") != "" // then what stands in the old places says the same again
		for i, kind := range addressParts {
			if i >= len(parts) || fine && (i == 1 || i == 2) {
				continue
			}
			for _, v := range split(parts[i], ',') {
				if v = strings.TrimSpace(unescape(v)); v != "" {
					list = append(list, map[string]any{"kind": kind, "value": v})
				}
			}
		}
		if list != nil {
			o["components"] = list
		}
		if full := l.first("LABEL"); full != "" {
			o["full"] = unescape(full)
		}
		if cc := strings.ToUpper(l.first("CC")); len(cc) == 2 {
			o["countryCode"] = cc
		}
		for from, to := range map[string]string{"GEO": "coordinates", "TZ": "timeZone"} {
			if v := l.first(from); v != "" {
				o[to] = v
			}
		}
		if len(o) > 0 {
			im.add("addresses", "d", l, o)
		}
	default:
		return false
	}
	return true
}

// resource reads a URI, or what stands in the card itself as base64 (RFC 2426 3.1.4).
func (im *importer) resource(l *line, prop, kind, id string) {
	uri := strings.TrimSpace(l.value)
	o := map[string]any{}
	if kind != "" {
		o["kind"] = kind
	}
	if enc := strings.ToUpper(l.first("ENCODING")); enc == "B" || enc == "BASE64" {
		raw := strings.NewReplacer(" ", "", "\t", "").Replace(uri)
		media := mediaType(l)
		if _, err := base64.StdEncoding.DecodeString(raw); err != nil {
			return
		}
		uri = "data:" + media + ";base64," + raw
		o["mediaType"] = media
	} else if strings.Contains(uri, `\`) {
		uri = unescape(uri)
	}
	if m := l.first("MEDIATYPE"); m != "" {
		o["mediaType"] = m
	} else if head, _, ok := strings.Cut(uri, ","); ok && o["mediaType"] == nil && strings.HasPrefix(head, "data:") {
		if m, _, _ := strings.Cut(head[len("data:"):], ";"); m != "" {
			o["mediaType"] = m
		}
	}
	if uri == "" || strings.HasPrefix(strings.ToLower(uri), "data:") && len(uri) > MaxData {
		return // too large to be kept: the card is worth more than its picture
	}
	o["uri"] = uri
	im.add(prop, id, l, o)
}

func mediaType(l *line) string {
	if m := l.first("MEDIATYPE"); m != "" {
		return m
	}
	for _, t := range l.get("TYPE") {
		switch t = strings.ToLower(t); t {
		case "jpeg", "png", "gif", "webp":
			return "image/" + t
		case "jpg":
			return "image/jpeg"
		case "pgp":
			return "application/pgp-keys"
		case "x509":
			return "application/pkix-cert"
		case "wave", "basic":
			return "audio/" + t
		}
	}
	if l.name == "SOUND" {
		return "audio/basic"
	}
	if l.name == "KEY" {
		return "application/octet-stream"
	}
	return "image/jpeg"
}

// types21 are the values of TYPE, in small letters; a list in quotes is one of several.
func types21(l *line) (out []string) {
	for _, v := range l.get("TYPE") {
		for t := range strings.SplitSeq(strings.ToLower(v), ",") {
			if t = strings.TrimSpace(t); t != "" {
				out = append(out, t)
			}
		}
	}
	return out
}

// features are the types of a TEL (RFC 9555 2.7.4).
var features = map[string]string{"voice": "voice", "fax": "fax", "cell": "mobile", "pager": "pager", "text": "text", "video": "video",
	"textphone": "textphone", "main-number": "main-number"}

// add puts an object into a map of the card, with what the parameters say of it. One without its value is left out.
func (im *importer) add(prop, letter string, l *line, o map[string]any) {
	for _, name := range types[schemaOf[prop]].must {
		if o[name] == "" {
			return
		}
	}
	known := types[schemaOf[prop]].props
	contexts, does := map[string]any{}, map[string]any{}
	for _, t := range types21(l) {
		switch {
		case t == "home":
			contexts["private"] = true
		case t == "work":
			contexts["work"] = true
		case t == "pref" && known["pref"] != "":
			o["pref"] = 1
		case prop == "phones" && features[t] != "":
			does[features[t]] = true
		}
	}
	if len(contexts) > 0 && known["contexts"] != "" {
		o["contexts"] = contexts
	}
	if len(does) > 0 {
		o["features"] = does
	}
	if n, err := strconv.Atoi(l.first("PREF")); err == nil && n >= 1 && n <= 100 && known["pref"] != "" {
		o["pref"] = n
	}
	m, _ := im.card[prop].(map[string]any)
	if m == nil {
		m = map[string]any{}
		im.card[prop] = m
	}
	id := l.first("PROP-ID") // RFC 9555 3.3.2
	for _, taken := m[id]; taken || !validID(id); _, taken = m[id] {
		im.ids[letter]++
		id = letter + strconv.Itoa(im.ids[letter])
	}
	m[id] = o
	if l.group != "" && known["label"] != "" {
		im.grouped[l.group] = o
	}
}

// schemaOf is the type of what a property of a card holds.
var schemaOf = func() map[string]string {
	out := map[string]string{}
	for name, f := range types["Card"].props {
		if _, kind, ok := strings.Cut(string(f), " "); ok {
			out[name] = kind
		}
	}
	return out
}()
