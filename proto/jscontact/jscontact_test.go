package jscontact_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/jscontact"
)

func card(t *testing.T, text string) jscontact.Card {
	t.Helper()
	c, err := jscontact.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// good are objects with what RFC 9553 2 defines, one property group each; unknown properties are kept (RFC 9553 1.8).
var good = []string{
	`{"@type":"Card","version":"1.0","uid":"22B2C7DF-9120-4969-8460-05956FE6B065","created":"2022-09-30T14:35:10Z","kind":"individual","language":"de-AT","updated":"2021-10-31T22:27:10Z"}`,
	`{"kind":"group","members":{"urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af":true},"relatedTo":{"x":{"relation":{"friend":true}},"y":{"relation":{}}}}`,
	`{"name":{"components":[{"kind":"given","value":"John","phonetic":"/x/"},{"kind":"surname","value":"Doe"}],"isOrdered":true,"defaultSeparator":" ","sortAs":{"surname":"Doe"},"phoneticSystem":"ipa"}}`,
	`{"name":{"full":"Mr. John Q. Public, Esq."},"nicknames":{"k391":{"name":"Johnny","contexts":{"private":true},"pref":1}}}`,
	`{"organizations":{"o1":{"name":"ABC","units":[{"name":"North","sortAs":"N"}],"sortAs":"ABC"}},"titles":{"le9":{"kind":"title","name":"Research Scientist","organizationId":"o1"}}}`,
	`{"speakToAs":{"grammaticalGender":"neuter","pronouns":{"k19":{"pronouns":"they/them","pref":2}}}}`,
	`{"emails":{"e1":{"contexts":{"work":true},"address":"jqpublic@xyz.example.com","pref":100,"label":"x"}},"onlineServices":{"x1":{"uri":"xmpp:alice@example.com"},"x2":{"service":"Mastodon","user":"@alice@example2.com"}}}`,
	`{"phones":{"tel0":{"features":{"voice":true},"number":"tel:+1-555-555-5555;ext=5555","pref":1}},"preferredLanguages":{"l1":{"language":"en"}}}`,
	`{"calendars":{"calA":{"kind":"calendar","uri":"webcal://calendar.example.com/calA.ics"}},"schedulingAddresses":{"s":{"uri":"mailto:janedoe@example.com"}}}`,
	`{"addresses":{"k23":{"components":[{"kind":"number","value":"54321"},{"kind":"separator","value":" "},{"kind":"name","value":"Oak St"}],"countryCode":"US","defaultSeparator":", ","isOrdered":true,"timeZone":"Etc/UTC","coordinates":"geo:1,2"}}}`,
	`{"cryptoKeys":{"k":{"uri":"data:application/pgp-keys;base64,LS0t"}},"directories":{"d":{"kind":"entry","uri":"https://dir.example.com/x","listAs":1}},"links":{"l":{"kind":"contact","uri":"mailto:c@example.com"}},"media":{"m":{"kind":"photo","uri":"data:image/png;base64,AA=="}}}`,
	`{"localizations":{"jp":{"addresses/k26":{"full":"x"},"titles/t/name":"y"}}}`,
	`{"anniversaries":{"k8":{"kind":"birth","date":{"year":1953,"month":4,"day":15}},"k9":{"kind":"death","date":{"@type":"Timestamp","utc":"2019-10-15T23:10:00Z"},"place":{"full":"4445"}},"k":{"kind":"wedding","date":{"month":2,"day":29}}}}`,
	`{"keywords":{"internet":true},"notes":{"n1":{"note":"x","created":"2022-11-23T15:01:32Z","author":{"name":"John"}}},"personalInfo":{"pi2":{"kind":"expertise","value":"chemistry","level":"high"}}}`,
	`{"example.com:color":{"deep":[1,{"x":null}]},"vCardProps":[["x-foo",{},"unknown","bar"]]}`,
}

// bad are cards and the path of what is wrong with them.
var bad = [][2]string{
	{"@type", `{"@type":"Person"}`}, {"version", `{"version":"3.0"}`}, {"created", `{"created":"2022-09-30"}`}, {"updated", `{"updated":"2022-09-30T14:35:10+01:00"}`},
	{"members", `{"kind":"org","members":{"x":true}}`}, {"members/x", `{"kind":"group","members":{"x":false}}`}, {"uid", `{"uid":""}`}, {"uid", `{"uid":7}`},
	{"name", `{"name":{}}`}, {"name/components/0/value", `{"name":{"components":[{"kind":"given"}]}}`}, {"name/components", `{"name":{"components":{}}}`},
	{"emails/e1/address", `{"emails":{"e1":{}}}`}, {"emails/e 1", `{"emails":{"e 1":{"address":"x"}}}`}, {"emails/e1/pref", `{"emails":{"e1":{"address":"x","pref":101}}}`},
	{"emails/e1/pref", `{"emails":{"e1":{"address":"x","pref":0.5}}}`}, {"emails", `{"emails":[]}`}, {"emails/e/@type", `{"emails":{"e":{"@type":"Phone","address":"x"}}}`},
	{"phones/p/features/voice", `{"phones":{"p":{"number":"1","features":{"voice":1}}}}`}, {"addresses/a/countryCode", `{"addresses":{"a":{"countryCode":"usa"}}}`},
	{"anniversaries/a/date/month", `{"anniversaries":{"a":{"kind":"birth","date":{"year":1,"month":13}}}}`}, {"anniversaries/a/date", `{"anniversaries":{"a":{"kind":"birth","date":{}}}}`},
	{"anniversaries/a/date/utc", `{"anniversaries":{"a":{"kind":"birth","date":{"@type":"Timestamp","utc":"x"}}}}`},
	{"anniversaries/a/date/day", `{"anniversaries":{"a":{"kind":"birth","date":{"year":2000,"day":1}}}}`},
	{"media/m/uri", `{"media":{"m":{"kind":"photo"}}}`}, {"media/m/uri", `{"media":{"m":{"kind":"photo","uri":"data:,` + strings.Repeat("x", jscontact.MaxData) + `"}}}`},
	{"onlineServices/o", `{"onlineServices":{"o":{"service":"x"}}}`}, {"localizations/de", `{"localizations":{"de":[]}}`},
	{"", `{"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`},
}

// TestCheck holds cards to RFC 9553 2.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, text := range good {
		if p := jscontact.Check(card(t, text)); p != nil {
			t.Errorf("%s: %v", text, p)
		}
	}
	for _, c := range bad {
		p := jscontact.Check(card(t, c[1]))
		if p == nil || p.Path != c[0] || p.Text == "" {
			t.Errorf("%.100s: %v, want one at %q", c[1], p, c[0])
		}
	}
	if _, err := jscontact.Encode(jscontact.Card{"x": strings.Repeat("x", jscontact.MaxSize)}); !errors.Is(err, jscontact.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func readAll(t *testing.T, r io.Reader) (cards []jscontact.Card, bad int) {
	t.Helper()
	in := jscontact.NewReader(r)
	for {
		c, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return cards, bad
		case errors.Is(err, jscontact.ErrVCard):
			bad++
		case err != nil:
			t.Fatal(err)
		default:
			cards = append(cards, c)
		}
	}
}

// imported are what the files of testdata/vcards become (RFC 9555 2, RFC 6350 8).
var imported = map[string][]string{
	"rfc6350": {`{"@type":"Card","version":"1.0","name":{"full":"Simon Perreault","components":[{"kind":"given","value":"Simon"},{"kind":"surname","value":"Perreault"},
		{"kind":"credential","value":"ing. jr"},{"kind":"credential","value":"M.Sc."}]},
		"anniversaries":{"a1":{"kind":"birth","date":{"month":2,"day":3}},"a2":{"kind":"wedding","date":{"year":2009,"month":8,"day":8}}},
		"preferredLanguages":{"g1":{"language":"fr","pref":1},"g2":{"language":"en","pref":2}},"organizations":{"o1":{"name":"Viagenie","contexts":{"work":true}}},
		"addresses":{"d1":{"contexts":{"work":true},"components":[{"kind":"apartment","value":"Suite D2-630"},{"kind":"name","value":"2875 Laurier"},{"kind":"locality","value":"Quebec"},
		{"kind":"region","value":"QC"},{"kind":"postcode","value":"G1V 2M2"},{"kind":"country","value":"Canada"}]}},
		"phones":{"p1":{"contexts":{"work":true},"features":{"voice":true},"pref":1,"number":"tel:+1-418-656-9254;ext=102"},
		"p2":{"contexts":{"work":true},"features":{"voice":true,"mobile":true,"video":true,"text":true},"number":"tel:+1-418-262-6501"}},
		"emails":{"e1":{"contexts":{"work":true},"address":"simon.perreault@viagenie.ca"}},
		"cryptoKeys":{"k1":{"contexts":{"work":true},"uri":"http://www.viagenie.ca/simon.perreault/simon.asc"}},"links":{"l1":{"contexts":{"private":true},"uri":"http://nomis80.org"}},
		"vCardProps":[["gender",{},"unknown","M"],["geo",{"type":"work"},"unknown","geo:46.772673,-71.282945"],["tz",{},"unknown","-0500"]]}`},
	"phone": {`{"@type":"Card","version":"1.0","uid":"4fbe8971-0bc3-424c-9c26-36c3e1eff6b1","updated":"2021-10-31T22:27:10Z","name":{"full":"Mr. John Q. Doe, Esq.","components":[
		{"kind":"title","value":"Mr."},{"kind":"given","value":"John"},{"kind":"given2","value":"Quinlan"},{"kind":"surname","value":"Doe"},{"kind":"credential","value":"Esq."}]},
		"nicknames":{"k1":{"name":"Jim"},"k2":{"name":"Jimmie"}},"emails":{"e1":{"address":"jd@example.com","pref":1,"label":"Other"}},
		"phones":{"p1":{"number":"+1 555 0100","contexts":{"private":true},"features":{"mobile":true}}},
		"addresses":{"d1":{"contexts":{"work":true},"components":[{"kind":"name","value":"1 Main St, Back"},{"kind":"locality","value":"Town"},{"kind":"region","value":"CA"},
		{"kind":"postcode","value":"91921-1234"},{"kind":"country","value":"USA"}]}},
		"organizations":{"o1":{"name":"ABC, Inc.","units":[{"name":"North American Division"},{"name":"Marketing"}]}},"titles":{"t1":{"kind":"title","name":"Director"}},
		"notes":{"n1":{"note":"Two\nlines; and more"}},"anniversaries":{"a1":{"kind":"birth","date":{"year":1996,"month":4,"day":15}}},"keywords":{"INTERNET":true,"IETF":true},
		"media":{"m1":{"kind":"photo","mediaType":"image/png","uri":"data:image/png;base64,iVBORw0KGgo="}},
		"onlineServices":{"v1":{"service":"mastodon","uri":"https://m.example/@jd"}},"vCardProps":[["x-odd",{"x-p":"1"},"unknown","kept"]]}`,
		`{"@type":"Card","version":"1.0","name":{"components":[{"kind":"given","value":"Jürgen"},{"kind":"surname","value":"Müller"}]},
		"phones":{"p1":{"number":"0170 1","pref":1,"features":{"mobile":true}}}}`},
}

// plain makes JSON values of Go values.
func plain(t *testing.T, v any) (out any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestImport reads vCards of several programs (RFC 9555 2).
func TestImport(t *testing.T) {
	t.Parallel()
	for name, want := range imported {
		text, err := os.ReadFile("testdata/vcards/" + name + ".vcf")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{text, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))} {
			got, bad := readAll(t, bytes.NewReader(text))
			if len(got) != len(want) || bad != 0 {
				t.Fatalf("%s: %d cards, %d bad", name, len(got), bad)
			}
			for i := range want {
				if diff := cmp.Diff(plain(t, json.RawMessage(want[i])), plain(t, got[i])); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	}
}

// TestBothWays: what is imported and exported comes back the same (RFC 9555 3), in vCard 4.0 whole, in 3.0 but for what it has no place for.
func TestBothWays(t *testing.T) {
	t.Parallel()
	for name, want := range imported {
		for _, text := range want {
			first := card(t, text)
			out := jscontact.VCard(first, jscontact.V4)
			again, bad := readAll(t, bytes.NewReader(out))
			if len(again) != 1 || bad != 0 {
				t.Fatalf("%s: %d cards of\n%s", name, len(again), out)
			}
			if first["name"].(map[string]any)["full"] == nil {
				delete(again[0]["name"].(map[string]any), "full") // FN must be there
			}
			if diff := cmp.Diff(plain(t, first), plain(t, again[0])); diff != "" {
				t.Errorf("%s: %s\n%s", name, diff, out)
			}
			for _, l := range strings.SplitAfter(string(out), "\r\n") {
				if len(l) > 77 {
					t.Errorf("a line of %d octets (RFC 6350 3.2)", len(l))
				}
			}
			old, bad := readAll(t, bytes.NewReader(jscontact.VCard(first, jscontact.V3)))
			if len(old) != 1 || bad != 0 {
				t.Fatalf("%s as 3.0: %v", name, old)
			}
			for _, prop := range []string{"emails", "phones", "organizations", "media", "notes", "anniversaries"} {
				have, _ := old[0][prop].(map[string]any)
				if had, _ := first[prop].(map[string]any); len(have) != len(had) {
					t.Errorf("%s as 3.0: %s are %v, were %v", name, prop, have, had)
				}
			}
		}
	}
}

// TestTexts go through escapes and folds whatever they are (RFC 6350 3.4, RFC 6868).
func TestTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`[ -~äöü€😀\n]{1,120}`).Draw(r, "text")
		label := rapid.StringMatching(`[ -~ä\n]{1,30}`).Draw(r, "label")
		c := jscontact.Card{"@type": "Card", "version": "1.0", "name": map[string]any{"full": "x"}, "notes": map[string]any{"n1": map[string]any{"note": text}},
			"addresses": map[string]any{"a1": map[string]any{"full": label}}, "keywords": map[string]any{"k" + strings.TrimSpace(text): true}}
		in := jscontact.NewReader(bytes.NewReader(jscontact.VCard(c, jscontact.V4)))
		got, err := in.Next()
		if err != nil {
			r.Fatal(err)
		}
		note := got["notes"].(map[string]any)["n1"].(map[string]any)["note"]
		if note != text {
			r.Fatalf("%q became %q", text, note)
		}
	})
}

// TestBounds: what is too large or has no end is refused, and the next is read.
func TestBounds(t *testing.T) {
	t.Parallel()
	text := "BEGIN:VCARD\nFN:a\nNOTE:" + strings.Repeat("x", 2*jscontact.MaxVCard) + "\nEND:VCARD\nBEGIN:VCARD\nFN:b\n" + strings.Repeat("NOTE:"+strings.Repeat("y", 9000)+"\n", 20) +
		"END:VCARD\nBEGIN:VCARD\nFN:c\nEND:VCARD\nBEGIN:VCARD\nFN:d\n"
	cards, bad := readAll(t, strings.NewReader(text))
	if len(cards) != 1 || cards[0]["name"].(map[string]any)["full"] != "c" || bad != 3 {
		t.Errorf("%d cards, %d bad: %v", len(cards), bad, cards)
	}
}

// FuzzVCard reads any stream: what comes of it passes Check and can be written and read again.
func FuzzVCard(f *testing.F) {
	for name := range imported {
		text, err := os.ReadFile("testdata/vcards/" + name + ".vcf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cards, _ := readAll(t, bytes.NewReader(b))
		for _, c := range cards {
			if p := jscontact.Check(c); p != nil {
				t.Fatal(p)
			}
			for _, v := range []jscontact.Version{jscontact.V4, jscontact.V3} {
				out := jscontact.VCard(c, v)
				if n, bad := readAll(t, bytes.NewReader(out)); len(n)+bad != 1 {
					t.Fatalf("%d cards of one:\n%s", len(n)+bad, out)
				}
			}
		}
	})
}

// FuzzCheck checks any JSON: it ends, and what passes can be written as a vCard.
func FuzzCheck(f *testing.F) {
	for _, text := range good {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := jscontact.Decode(b)
		if err != nil || jscontact.Check(c) != nil {
			return
		}
		out := jscontact.VCard(c, jscontact.V4)
		if n := bytes.Count(out, []byte("BEGIN:VCARD\r\n")); n < 1 {
			t.Fatalf("%s", out)
		}
		if cards, bad := readAll(t, bytes.NewReader(out)); len(cards)+bad != 1 {
			t.Fatalf("%d cards of one:\n%s", len(cards)+bad, out)
		}
	})
}
