package plain_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/postrider/postrider/ua/terminal/plain"
)

// dangerous finds what no terminal may get.
func dangerous(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r != '\n' && unicode.IsControl(r) || r != '\u200d' && r != '\u200c' && unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
	})
}

// TestLine: escape sequences, OSC 8 and OSC 52, C1 controls and turns of direction lose what makes them work.
func TestLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"hello":                             "hello",
		" a\tb\r\nc ":                       "a b  c",
		"\x1b[31mred\x1b[0m":                "\ufffd[31mred\ufffd[0m",
		"\x1b]52;c;ZXZpbA==\x07":            "\ufffd]52;c;ZXZpbA==\ufffd",
		"\x1b]8;;https://x\x1b\\y":          "\ufffd]8;;https://x\ufffd\\y",
		"\u009b2J\u009d0;t\u009c":           "\ufffd2J\ufffd0;t\ufffd",
		"a\u202egnp.exe":                    "a\ufffdgnp.exe",
		"a\u2066b\u2069\u200ec\u061c":       "a\ufffdb\ufffd\ufffdc\ufffd",
		"zero\u200bwidth\u00ad\ufeff":       "zerowidth",
		"bad \xff\xfe":                      "bad \ufffd\ufffd",
		"👩\u200d👩\u200d👧 क\u094d\u200dष":    "👩\u200d👩\u200d👧 क\u094d\u200dष",
		"tag\U000e0041":                     "tag\ufffd",
		"\x00\x08\x7f":                      "\ufffd\ufffd\ufffd",
		"Z" + strings.Repeat("\u0335", 100): "Z" + strings.Repeat("\u0335", 6),
	} {
		if got := plain.Line(in); got != want || dangerous(got) {
			t.Errorf("%q gives %q, not %q", in, got, want)
		}
	}
}

func TestBlock(t *testing.T) {
	t.Parallel()
	if got := plain.Block("a\tb\r\nc\x1b[2J\u2028d\re"); got != "a       b\nc\ufffd[2J\nd\ufffde" {
		t.Errorf("%q", got)
	}
	if got := plain.Wrap("> quoted words that are too long\n\nshort\n"+strings.Repeat("x", 30), 20); !slices.Equal(got,
		[]string{"> quoted words that", "> are too long", "", "short", strings.Repeat("x", 20), strings.Repeat("x", 10)}) {
		t.Errorf("%q", got)
	}
	if got := plain.Fit("日本語", 5); plain.Width(got) != 5 {
		t.Errorf("%q", got)
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"report.pdf": "report.pdf", "../../etc/passwd": "passwd", `C:\x\evil.exe`: "evil.exe", ".bashrc": "bashrc", "": "file", "..": "file", "/": "file",
		"-rf": "rf", "a\x1b]0;x\x07.txt": "a_]0;x_.txt", "a\u202efdp.exe": "a_fdp.exe", "a:b|c?.txt": "a_b_c_.txt", "a\nb": "a b", "日本.txt": "日本.txt",
	} {
		if got := plain.Name(in); got != want {
			t.Errorf("%q gives %q, not %q", in, got, want)
		}
	}
	if got := plain.Name(strings.Repeat("ü", 500) + ".pdf"); len(got) > 120 || !strings.HasSuffix(got, "ü.pdf") {
		t.Errorf("%q", got)
	}
}

func TestFromHTML(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"paragraphs", "<p>One\n two</p><p>Three<br>four", "One two\n\nThree\nfour\n"},
		{"links", `<a href="https://a.test/x">Click</a> or <a href='https://b.test'>here</a>, <a href="https://a.test/x">again</a>`,
			"Click[1] or here[2], again[1]\n\n[1] https://a.test/x\n[2] https://b.test\n"},
		{"a link that lies", `<a href="https://evil.test">https://bank.test</a>`, "https://bank.test[1]\n\n[1] https://evil.test\n"},
		{"scripts", `a<script>alert(1)</script><style>b{}</style><a href="javascript:x()">c</a>`, "ac\n"},
		{"head", "<html><head><title>T</title><body>x</body></html>", "x\n"},
		{"a head that never ends", "<head><title>T</title><p>x", "x\n"},
		{"lists", "<ul><li>a<li>b</ul><ol><li>c</li><li>d</li></ol>", "• a\n• b\n\n1. c\n2. d\n"},
		{"quotes", "<blockquote>a<br>b<blockquote>c</blockquote></blockquote>d", "> a\n> b\n\n> > c\n\nd\n"},
		{"hidden", `<div style="display: none">preheader</div>x<span hidden>y</span><foo hidden>z</foo>w`, "xw\n"},
		{"tables", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"},
		{"entities", "a&nbsp;&lt;b&gt; &#27;[31m &#x202e;x", "a <b> \ufffd[31m \ufffdx\n"},
		{"pre", "<pre>a  b\n  c</pre>d", "a  b\n  c\n\nd\n"},
		{"pictures", `<img src="https://track.test/x.gif"><img alt="A &#27; cat" src=x>`, "[A \ufffd cat]\n"},
		{"links with escapes", "<a href=\"https://x.test/\x1b]52;c;eA==\x07&#10;y\">z</a>", "z[1]\n\n[1] https://x.test/\ufffd]52;c;eA==\ufffdy\n"},
		{"an empty link", `<a href="https://x.test"><img src=y></a>z`, "z\n\n[1] https://x.test\n"},
		{"nothing", "", "\n"},
	} {
		if got := plain.FromHTML(c.in); got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
	}
	deep := plain.FromHTML(strings.Repeat("<blockquote><a href=https://x.test>", 50_000) + "x" + strings.Repeat("</a>", 50_000))
	if !strings.Contains(deep, "x[1]") {
		t.Errorf("deep: %.100q", deep)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	in := map[string]string{"a": "\x1b]52;\u009b \u202e \x7f \U000e0041 <ü>"}
	b, err := plain.JSON(in)
	if err != nil || dangerous(string(b)) || !strings.Contains(string(b), "<ü>") {
		t.Errorf("%q, %v", b, err)
	}
	var out map[string]string
	if err := json.Unmarshal(b, &out); err != nil || out["a"] != in["a"] {
		t.Errorf("%q, %v", out, err)
	}
}

// FuzzPlain: whatever comes, nothing dangerous leaves, and lines keep to their width.
func FuzzPlain(f *testing.F) {
	f.Add("\x1b]8;;x\x07<p>a<a href=https://x>b</a>\u202e<pre>\x9b", 20)
	f.Add("> > a b\tc\r\n日本語 👩‍👩‍👧", 8)
	f.Add("<blockquote><li><ol><li><table><td>&#155;31m<head>x", 40)
	f.Fuzz(func(t *testing.T, in string, width int) {
		width = 8 + (width&0x7fffffff)%100
		for name, out := range map[string]string{"line": plain.Line(in), "block": plain.Block(in), "html": plain.FromHTML(in), "name": plain.Name(in)} {
			if dangerous(out) {
				t.Errorf("%s: %q", name, out)
			}
			if (name == "line" || name == "name") && strings.Contains(out, "\n") {
				t.Errorf("%s: %q", name, out)
			}
			for _, l := range plain.Wrap(out, width) {
				if strings.Contains(l, "\n") || plain.Width(l) > width+1 {
					t.Errorf("%s: a line of %d in %d: %q", name, plain.Width(l), width, l)
				}
			}
		}
		if n := plain.Name(in); n == "" || strings.ContainsAny(n, `/\`) || n[0] == '.' || n[0] == '-' || len(n) > 160 {
			t.Errorf("name: %q", n)
		}
	})
}
