package message_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/message"
)

// RFC 2047 4, RFC 2047 6.2, RFC 2047 8, RFC 2231 5
func TestDecodeText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                                             "plain",
		"=?iso-8859-1?q?Gr=FC=DFe?= an alle":                "Grüße an alle",
		"=?utf-8?B?R3LDvMOfZQ==?=":                          "Grüße",
		"=?utf-8?B?R3LDvMOfZQ?=":                            "Grüße",
		"=?utf-8*de?q?Gr=C3=BC?=":                           "Grü",
		"(=?ISO-8859-1?Q?a?= b)":                            "(a b)",
		"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)":          "(ab)",
		"=?utf-8?q?a_b?=  =?utf-8?b?Yw==?=x":                "a bcx",
		"=?utf-8?q?=C3?= =?utf-8?q?=BC?=":                   "ü",
		"=?utf-8?b?w?= =?utf-8?q?x?=":                       "x",
		"=?utf-8?x?abc?=":                                   "=?utf-8?x?abc?=",
		"=?utf-8?q?abc":                                     "=?utf-8?q?abc",
		"=?":                                                "=?",
		"=?=?utf-8?q?a?=":                                   "=?a",
		"=?nosuch?q?Gr=C3=BC?=":                             "Grü",
		"=?nosuch?q?Gr=FC?=":                                "Grü",
		"=?utf-7?q?+AOQ-?=":                                 "ä",
		"=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=":                "テスト",
		"=?gb2312?B?xOO6ww==?=":                             "你好",
		"=?koi8-r?B?8NLJ18XU?=":                             "Привет",
		"=?windows-1252?q?=80=99?=":                         "€™",
		"raw \xfc":                                          "raw ü",
		"raw ü":                                             "raw ü",
		"=?utf-8?q?a=0D=0ABcc:_x?=":                         "a  Bcc: x",
		"=?utf-8?q?=00=07?=":                                "  ",
		"=?us-ascii?q?=zz=4?=":                              "=zz=4",
		"\"=?utf-8?q?J=C3=BCrgen?=\"":                       "\"Jürgen\"",
		"=?" + strings.Repeat("x", 100) + "?q?a?=":          "=?" + strings.Repeat("x", 100) + "?q?a?=",
		"=?utf-8?q?" + strings.Repeat("=C3=BC", 500) + "?=": strings.Repeat("ü", 500),
		"=?utf-8?q?never closed =?utf-8?q?a?=":              "=?utf-8?q?never closed a",
		"=?UTF-8?Q?=F0=9F=93=A8_Post?=":                     "📨 Post",
		"=?x-sjis?B?g2WDWINn?=":                             "テスト",
		"=?cp1251?q?=CF=F0=E8=E2=E5=F2?=":                   "Привет",
		"=?hz-gb-2312?Q?~{VPND~}?=":                         "中文",
	} {
		if got := message.DecodeText(in); got != want {
			t.Errorf("DecodeText(%.80q) = %q, want %q", in, got, want)
		}
	}
}

// Deviations from the shared cases, by header: others expect a space, or its absence, where we keep what is written.
var unstructuredDeviates = map[string]string{
	" FWD: \n Saying Hello \nX-Mailer: 123\r\n":                                     "the case holds a second field; ours is given one",
	"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=\nFrom: unknown@domain.com\n":      "likewise",
	"[SUSPECTED SPAM]=?utf-8?B?VGhpcyBpcyB0aGUgb3JpZ2luYWwgc3ViamVjdA==?=\n":        "they add a space before a word that touches text",
	"Some text =?utf-8?Q??=here\n":                                                  "likewise, and an empty word is nothing",
	"=?utf-8?Q?Hello\n _there!?=\n":                                                 "folding inside a word: we keep the space it leaves",
	"=?utf-8?Q?Hello\r\n _there!?=\r\n":                                             "likewise",
	"=?utf-8?Q?Hello\r\n   \t  _there!?=\r\n":                                       "likewise",
	"[SUSPECTED SPAM]=?utf-8?B?VGhpcyBpcyB0aGUgb\n 3JpZ2luYWwgc3ViamVjdA==?=\n":     "they add a space before a word that touches text",
	"[SUSPECTED SPAM]=?utf-8?B?VGhpcyBpcyB0aGUgb\r\n 3JpZ2luYWwgc3ViamVjdA==?=\r\n": "likewise",
}

func TestDecodeTextOfOthers(t *testing.T) {
	t.Parallel()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	seen := 0
	for _, c := range sharedJSON[struct{ Header, Expected string }](t, "header-parsing/unstructured.json") {
		h, _ := message.ParseHeader([]byte("X:" + c.Header))
		got := h.Text("X")
		if _, ok := unstructuredDeviates[c.Header]; ok {
			seen++
			if strip := strings.NewReplacer(" ", "", "\t", ""); !strings.HasPrefix(strip.Replace(c.Expected), strip.Replace(got)) && !strings.HasPrefix(strip.Replace(got), strip.Replace(c.Expected)) {
				t.Errorf("%q: %q differs by more than space from %q", c.Header, got, c.Expected)
			}
			continue
		}
		if squeeze(got) != squeeze(c.Expected) {
			t.Errorf("%q: %q, want %q", c.Header, got, c.Expected)
		}
	}
	if seen != len(unstructuredDeviates) {
		t.Errorf("%d deviations were met of %d: take out the others", seen, len(unstructuredDeviates))
	}
}

// RFC 2047 2, RFC 2047 5
func TestEncodeText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("ab =?_üй例\t"))), 0, 200, -1).Draw(t, "text")
		enc := message.EncodeText(s)
		for i := range len(enc) {
			if enc[i] >= 0x7f || enc[i] < ' ' && enc[i] != '\t' {
				t.Fatalf("%q is not ASCII", enc)
			}
		}
		for w := range strings.FieldsSeq(enc) {
			if strings.HasPrefix(w, "=?utf-8?") && len(w) > 75 {
				t.Fatalf("an encoded word of %d: %q", len(w), w)
			}
		}
		want := message.DecodeText(strings.ReplaceAll(s, "=?", "\x00\x00"))
		if got := message.DecodeText(enc); strings.ReplaceAll(got, "=?", "  ") != want {
			t.Fatalf("%q became %q became %q, want %q", s, enc, got, want)
		}
	})
}

// A header as large as one may be must not cost more than its length.
func TestDecodingIsLinear(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for _, s := range []string{"=?", "=?x?q?a", "=?x?q?a ", "=?utf-8?q?a?= ", "=?a?q?=?b?b?=", "[", "\"\\", "<\"\\", "<", "(", "<,", ",(", "a@b,", ":", ";:", "a:;", "\"a\" ", "<a", "@:", ". ", "[a] ", "[a]", "re:", "a ", "[fwd:", "(fwd)", " \t", "\\\"", "a@", "<@a:"} {
		text := fill(s)
		start := time.Now()
		message.DecodeText(text)
		message.ParseAddressList(text)
		message.ParseMessageIDs(text)
		message.ParseContentType("a/b;" + text)
		message.ParseContentType("a/b;a=" + text)
		message.ParseContentType(strings.Repeat("a/b;a*0=\""+s, 100))
		message.ParseDate(text)
		message.BaseSubject(text)
		message.EncodeText(text)
		message.FormatField("X", text)
		message.FoldField("X", text)
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%d octets of %q took %v", size, s, d)
		}
	}
}

func FuzzDecodeText(f *testing.F) {
	for _, s := range []string{"=?utf-8?q?a?= =?utf-8?b?Yg==?=", "=?utf-7?q?+AOQ-?=", "=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "=?utf-16?b?/v8=?=", "\xff=?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := message.DecodeText(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") {
			t.Fatalf("DecodeText(%q) = %q", s, got)
		}
		enc := message.EncodeText(got)
		if back := message.DecodeText(enc); back != got {
			t.Fatalf("%q became %q became %q", got, enc, back)
		}
	})
}
