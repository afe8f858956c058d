package message_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/message"
)

// show writes groups so that a table can tell them.
func show(groups []message.Group) string {
	var all []string
	for _, g := range groups {
		var members []string
		for _, m := range g.Members {
			text := m.Addr.Local + "@" + m.Addr.Domain
			if m.Name != "" {
				text = m.Name + " <" + text + ">"
			}
			members = append(members, text)
		}
		text := strings.Join(members, " | ")
		if g.Named {
			text = g.Name + "{" + text + "}"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ; ")
}

// RFC 5322 3.4, RFC 5322 4.4, RFC 6532 3.2
func TestParseAddressList(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                    "",
		" , ,":                                "",
		"a@b.c":                               "a@b.c",
		"<a@b.c>":                             "a@b.c",
		"Ann Lee <a@b.c>, \"Lee, Bo\" <d@e>":  "Ann Lee <a@b.c> | Lee, Bo <d@e>",
		"a@b.c (Ann Lee)":                     "Ann Lee <a@b.c>",
		"a@b.c (Ann (the) Lee \\) x)":         "Ann (the) Lee ) x <a@b.c>",
		"Ann (x) Lee <a@b.c>":                 "Ann Lee <a@b.c>",
		"Ann <@r1,@r2:a@b.c>":                 "Ann <a@b.c>",
		"\"a b\"@c.d":                         "a b@c.d",
		"<\"a@b\"@c.d>":                       "a@b@c.d",
		"x <\"a>b\"@c.d>, y@z":                "x <a>b@c.d> | y@z",
		"a@[192.0.2.1], b@[IPv6:::1]":         "a@[192.0.2.1] | b@[IPv6:::1]",
		"Jøran <jøran@blåbær.example>":        "Jøran <jøran@blåbær.example>",
		"J\xf8ran <a@b>":                      "Jøran <a@b>",
		"=?utf-8?q?Lee=2C_J=C3=BC?= <a@b>":    "Lee, Jü <a@b>",
		"=?utf-8?q?Lee,_J=C3=BC?= <a@b>":      "Lee, Jü <a@b>",
		"\"=?utf-8?q?J=C3=BC?=\" <a@b>":       "Jü <a@b>",
		"Friends: a@b, c@d;":                  "Friends{a@b | c@d}",
		"Friends: a@b, c@d; e@f":              "Friends{a@b | c@d} ; e@f",
		"x@y, Undisclosed recipients:;":       "x@y ; Undisclosed recipients{}",
		"A:;,B:a@b":                           "A{} ; B{a@b}",
		"Ann <a@b, Bo <c@d>":                  "Ann <a@b> | Bo <c@d>",
		"Ann <a@b":                            "Ann <a@b>",
		"Ann <a@b; Bo <c@d>":                  "Ann <a@b> | Bo <c@d>",
		"Ann Lee a@b.c":                       "Ann Lee <a@b.c>",
		"\"Ann Lee\" a@b.c":                   "Ann Lee <a@b.c>",
		"jdoe@test  . example":                "jdoe@test.example",
		"j . doe @ test.example":              "j.doe@test.example",
		"\"unclosed <a@b.c>, d@e":             "\"unclosed <a@b.c> | d@e",
		"joe":                                 "joe@",
		"Joe Smith":                           "JoeSmith@",
		"<>":                                  "",
		"Ann <>":                              "Ann <@>",
		"a@b.c d@e.f":                         "a@b.c <d@e.f>",
		"Dr. Ann J. Lee <a@b>":                "Dr. Ann J. Lee <a@b>",
		"phil@example.com <phil@example.com>": "phil@example.com <phil@example.com>",
		"<a@b> <c@d>":                         "a@b",
		"a@b;c@d":                             "a@b | c@d",
		"[x] Ann <a@b>":                       "[x] Ann <a@b>",
	} {
		if got := show(message.ParseAddressList(in)); got != want {
			t.Errorf("%q\n  gives %s\n  want  %s", in, got, want)
		}
	}
}

// RFC 3501 7.4.2, RFC 9051 7.5.2
func TestEnvelopeAddresses(t *testing.T) {
	t.Parallel()
	s := message.NewScanner(message.Limits{})
	fmt.Fprint(s, "To: =?utf-8?q?J=C3=BC?= \"x \\\"y\" <@r:a@b.c>, G G: (z) d@e;, (Z) f@g, h\r\nTO: i@j\r\n\r\n")
	want := []message.Address{
		{Name: "=?utf-8?q?J=C3=BC?= x \"y", Route: "@r", Mailbox: "a", Host: "b.c"},
		{Mailbox: "G G", Kind: message.AddressGroupStart},
		{Name: "z", Mailbox: "d", Host: "e"},
		{Kind: message.AddressGroupEnd},
		{Name: "Z", Mailbox: "f", Host: "g"},
		{Mailbox: "h"},
		{Mailbox: "i", Host: "j"},
	}
	if got := s.Finish().Envelope.To; !reflect.DeepEqual(got, want) {
		t.Errorf("To = %+v\nwant %+v", got, want)
	}
}

type sharedAddress struct {
	Name    *string
	Address *string
}

// Deviations from the shared cases, by a piece of their header.
var addressDeviates = map[string]string{
	"\ninvalid@address.com":  "the case ends at a line that is no continuation; ours is given one field",
	"\n\nbody@content.com":   "likewise",
	"(the end of the group)": "a comment alone is no address",
	"(nobody(that I know))":  "likewise",
	"@node.test:mary":        "the route is told apart from the address",
	"test  . example":        "space in an address is taken out",
	"nice \n \\\n )":         "a backslash before folding quotes the space behind it",
	"machine(comment).":      "likewise",
}

func TestAddressesOfOthers(t *testing.T) {
	t.Parallel()
	type group struct{ Addresses []sharedAddress }
	cases := sharedJSON[struct {
		Header   string
		Expected struct {
			List  []sharedAddress
			Group []group
		}
	}](t, "header-parsing/address.json")
	for _, c := range cases {
		if _, ok := deviation(addressDeviates, c.Header); ok {
			continue
		}
		want := c.Expected.List
		for _, g := range c.Expected.Group {
			want = append(want, g.Addresses...)
		}
		h, _ := message.ParseHeader([]byte("To:" + c.Header))
		got := message.ParseMailboxes(h.Get("To"))
		if len(got) != len(want) {
			t.Errorf("%q: %+v, want %d", c.Header, got, len(want))
			continue
		}
		for i, w := range want {
			text := strings.TrimSuffix(got[i].Addr.Local+"@"+got[i].Addr.Domain, "@")
			name := ""
			if w.Name != nil {
				name = strings.TrimSpace(*w.Name)
			}
			// Where there are a name and a comment, they join both and we take the name.
			if text != *w.Address || strings.TrimSpace(got[i].Name) != name && !(strings.Contains(c.Header, "(") && strings.HasPrefix(name, got[i].Name)) {
				t.Errorf("%q: %q <%s>, want %q <%s>", c.Header, got[i].Name, text, name, *w.Address)
			}
		}
	}
}

// deviation finds the reason why a case is judged otherwise here: by a piece of its header, or, with a $, by its end.
func deviation(table map[string]string, header string) (string, bool) {
	for piece, why := range table {
		end, ok := strings.CutSuffix(piece, "$")
		if ok && strings.HasSuffix(header, end) || !ok && strings.Contains(header, piece) {
			return why, true
		}
	}
	return "", false
}

// RFC 5322 3.2.5, RFC 2047 5
func TestFormatMailboxes(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]message.Mailbox{
		"a@b":                                 {Addr: addr.Address{Local: "a", Domain: "b"}},
		"Ann Lee <a@b>":                       {Name: "Ann Lee", Addr: addr.Address{Local: "a", Domain: "b"}},
		"\"Lee, \\\"Ann\\\"\" <a@b>":          {Name: "Lee, \"Ann\"", Addr: addr.Address{Local: "a", Domain: "b"}},
		"=?utf-8?q?J=C3=BCrgen?= <\"a b\"@c>": {Name: "Jürgen", Addr: addr.Address{Local: "a b", Domain: "c"}},
		"\"x  Bcc: e@f\" <\"a??b\"@c>":        {Name: "x\r\nBcc: e@f", Addr: addr.Address{Local: "a\r\nb", Domain: "c"}},
	} {
		if got := m.String(); got != want {
			t.Errorf("%+v writes %q, want %q", m, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune(`ab ",<>()@:;\=?_.ü`))), 0, 60, -1).Draw(t, "name")
		local := rapid.StringOfN(rapid.RuneFrom([]rune(`ab ",<>()@:;\ü.`)), 1, 20, -1).Draw(t, "local")
		a, err := addr.New(local, "example.com")
		if err != nil {
			t.Skip()
		}
		list := []message.Mailbox{{Name: name, Addr: a}, {Addr: a}}
		text := message.FormatMailboxes(list)
		got := message.ParseMailboxes(text)
		name = strings.TrimSpace(message.DecodeText(strings.ReplaceAll(name, "=?", "\x00\x00")))
		if len(got) != 2 || strings.TrimSpace(strings.ReplaceAll(got[0].Name, "=?", "  ")) != name || got[0].Addr != a || got[1].Addr != a {
			t.Fatalf("%+v wrote %q, read %+v", list, text, got)
		}
	})
}

func FuzzAddressList(f *testing.F) {
	for _, s := range []string{"Ann <a@b>, G: c@d; e@f (x)", "\"a\\\"", "<@r:a@b>", "a@[1.2.3.4]", "=?utf-8?q?a,b?= <c@d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, _ := message.ParseHeader([]byte("To: " + s))
		value := h.Get("To")
		groups := message.ParseAddressList(value)
		flat := message.ParseMailboxes(value)
		n := 0
		for _, g := range groups {
			n += len(g.Members)
		}
		if n != len(flat) || n > len(s) {
			t.Fatalf("%q: %d in groups, %d flat", s, n, len(flat))
		}
		for _, m := range flat {
			checkField(t, message.FoldField("To", m.String()))
			if a, err := addr.New(m.Addr.Local, m.Addr.Domain); err == nil {
				back := message.ParseMailboxes(m.String())
				if len(back) != 1 || back[0].Addr != a {
					t.Fatalf("%q wrote %q, read %+v", s, m.String(), back)
				}
			}
		}
	})
}
