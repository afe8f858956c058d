package rfcindex

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

// The references here are put together so that this file makes no claims of its own.
const rfc = "RF" + "C "

func TestFindRefs(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want []Ref
	}{
		{"nothing here", nil},
		{rfc + "5321", []Ref{{5321, ""}}},
		{rfc + "5321 4.5.4.1.", []Ref{{5321, "4.5.4.1"}}},
		{"(" + rfc + "5321 4.5.3, " + rfc + "6531 3.2)", []Ref{{5321, "4.5.3"}, {6531, "3.2"}}},
		{rfc + "5321 3.6.2 and 4.5.1 (postmaster)", []Ref{{5321, "3.6.2"}, {5321, "4.5.1"}}},
		{rfc + "5321 4.1.2, 4.1.3, and 4.5.1", []Ref{{5321, "4.1.2"}, {5321, "4.1.3"}, {5321, "4.5.1"}}},
		{rfc + "6152 8-bit", []Ref{{6152, ""}}},
		{rfc + "6152 7bit", []Ref{{6152, ""}}},
		{rfc + "5321 A.1", []Ref{{5321, "A.1"}}},
		{rfc + "5321 Appendix", []Ref{{5321, ""}}},
		{rfc + "9051's atom", []Ref{{9051, ""}}},
		{rfc + "5321 2, 3 words", []Ref{{5321, "2"}}},
		{rfc + "5321 1000 octets", []Ref{{5321, ""}}},
		{"X" + rfc + "5321", nil},
		{"RF" + "C-5321", nil},
	}
	for _, c := range cases {
		if got, _ := FindRefs(c.text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func tree() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"proto/a/a.go":               file("// Package a does " + rfc + "5321 4.1 and " + rfc + "5322.\npackage a\n// " + rfc + "5321 4.1.2 here\n"),
		"proto/a/b.go":               file("package a\n// " + rfc + "5321 9.9\n"),
		"proto/a/a_test.go":          file("package a\n// table of " + rfc + "5322 3.4\nvar x int\n// TestOne shows\n// " + rfc + "5321 4.1.2.\nfunc TestOne(t int) {\n\t_ = \"" + rfc + "5321 7\"\n}\n"),
		"infra/store/storetest/s.go": file("package storetest\n// testX shows " + rfc + "5321 4.1.1.\nfunc testX() {}\n"),
		"proto/a/testdata/x.go":      file("// " + rfc + "1"),
		".hidden/x.go":               file("// " + rfc + "2222"),
		"tools/x/x.go":               file("// " + rfc + "2222"),
		"README.md":                  file(rfc + "2222"),
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	got, err := Scan(tree())
	if err != nil {
		t.Fatal(err)
	}
	want := []Use{
		{Ref{5321, "4.1.1"}, "infra/store/storetest", "s.go", "testX"},
		{Ref{5321, "4.1"}, "proto/a", "a.go", ""},
		{Ref{5322, ""}, "proto/a", "a.go", ""},
		{Ref{5321, "4.1.2"}, "proto/a", "a.go", ""},
		{Ref{5322, "3.4"}, "proto/a", "a_test.go", "a_test.go"},
		{Ref{5321, "4.1.2"}, "proto/a", "a_test.go", "TestOne"},
		{Ref{5321, "7"}, "proto/a", "a_test.go", "TestOne"},
		{Ref{5321, "9.9"}, "proto/a", "b.go", ""},
	}
	// The order of files is the walk's; a.go comes before a_test.go.
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	uses, err := Scan(tree())
	if err != nil {
		t.Fatal(err)
	}
	titles := []Title{
		{5321, Yes, "Simple Mail Transfer Protocol", ""},
		{5322, Partial, "Internet Message Format", "no obs-syntax"},
		{5337, Context, "Something", ""},
		{6532, Yes, "Internationalized Email Headers", ""},
		{7489, No, "DMARC", "replaced"},
	}
	page, err := Render(titles, uses)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| [5321](https://www.rfc-editor.org/rfc/rfc5321) | Simple Mail Transfer Protocol | 3 | 1 |  |\n",
		"| [5322](https://www.rfc-editor.org/rfc/rfc5322) | Internet Message Format | 1 |  | partial: no obs-syntax |\n",
		"| [6532](https://www.rfc-editor.org/rfc/rfc6532) | Internationalized Email Headers | not yet |\n",
		"| [7489](https://www.rfc-editor.org/rfc/rfc7489) | DMARC | no: replaced |\n",
		"| 4.1 | `proto/a`: a.go | its parts' |\n",
		"| 4.1.1 | – | `infra/store/storetest`: testX |\n",
		"| 4.1.2 | `proto/a`: a.go | `proto/a`: TestOne |\n",
		"| 7 | – | `proto/a`: TestOne |\n| 9.9 | `proto/a`: b.go | **no test** |\n",
		"| whole | `proto/a`: a.go | its parts' |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no line %q", want)
		}
	}
	if strings.Contains(page, "5337") {
		t.Error("an RFC that is context, and not in the code, is listed")
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestRenderNamesUnknownRFC(t *testing.T) {
	t.Parallel()
	_, err := Render(nil, []Use{{Ref{77777, ""}, "proto/a", "a.go", ""}})
	if err == nil || !strings.Contains(err.Error(), "77777 (proto/a/a.go)") {
		t.Errorf("got %v", err)
	}
}

func TestParseTitles(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"5321\tyes\n",
		"x\tyes\ttitle\n",
		"5322\tyes\ta\n5321\tyes\tb\n",
		"5321\tmaybe\ttitle\n",
		"5321\tno\ttitle\n",
		"5321\tyes\ta\tb\tc\n",
	} {
		if _, err := parseTitles(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	titles, err := Titles()
	if err != nil {
		t.Fatal(err)
	}
	if len(titles) < 200 {
		t.Errorf("only %d titles", len(titles))
	}
}

func TestCompareSections(t *testing.T) {
	t.Parallel()
	order := []string{"", "2", "4", "4.1", "4.1.2", "4.1.10", "4.2", "10", "A", "A.1", "B"}
	for i := range order {
		for j := range order {
			got, want := compareSections(order[i], order[j]), 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got != want {
				t.Errorf("%q and %q: %d, want %d", order[i], order[j], got, want)
			}
		}
	}
}
