package doccheck

import (
	"slices"
	"testing"
	"testing/fstest"
)

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestLinks(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"README.md": file("# Top\n[a](docs/a.md) [b](docs/b.md \"title\") ![p](x.png)\n[c](docs/a.md#two-words) [d](docs/a.md#none) [e](#top)\n" +
			"```\n[f](nowhere.md)\n```\n`[g](nowhere.md)` <a href=\"docs\">h</a> [i](https://example.org/x) [j](mailto:a@b)\n[k]: gone.md\n[l](/docs/a.md) [m](../x.md)\n"),
		"docs/a.md": file("## Two words!\n## Two words!\n[up](../README.md#top) [again](#two-words-1)\n"),
	}
	got, err := Links(tree, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md:2: link to docs/b.md: no such file",
		"README.md:2: link to x.png: no such file",
		"README.md:3: link to docs/a.md#none: no such heading",
		"README.md:8: link to gone.md: no such file",
		"README.md:9: link to /docs/a.md: starts at the root, which is another place on every site; make it relative",
		"README.md:9: link to ../x.md: leads out of the tree",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got, err := Links(tree, "docs/a.md"); err != nil || len(got) > 0 {
		t.Errorf("docs/a.md: %v %v", got, err)
	}
	if _, err := Links(tree, "none.md"); err == nil {
		t.Error("a page that is not there gives no error")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"flow.md": file("`mail.Journal.Commit` `mail.Plan` `mail.Max` `mta/in.New(ctx)` `mta/in.Session.Data` `mta/in.Session.base` `mta/in.Session.Deep` `x.go`\n" +
			"`mail.Journal.Gone` `mail.Nothing` `mta/out.New` `mta/in.testOnly` `mail.Max.X` `lab.toml`\n" +
			"`250` `MAIL FROM` `RCPT` `mail` `mta/in`\n```\n`mail.Fenced`\n```\n"),
		"x.go":                file("package x\n"),
		"mail/mail.go":        file("package mail\ntype Journal interface{ Commit() }\ntype Plan struct{}\nconst Max = 1\n"),
		"mta/in/in.go":        file("package in\nfunc New() {}\ntype Session[T any] struct { base int; *Inner }\nfunc (s *Session[T]) Data() {}\ntype Inner struct { Session2 }\ntype Session2 struct { Deep int }\n"),
		"mta/in/in_test.go":   file("package in\nfunc testOnly() {}\n"),
		"mta/out/out_test.go": file("package out\n"),
	}
	checked, got, err := Names(tree, "flow.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"flow.md:2: mail.Journal.Gone: type Journal has no method or field Gone",
		"flow.md:2: mail.Nothing: package mail declares no Nothing",
		"flow.md:2: mta/out.New: neither a file nor a package in mta/out",
		"flow.md:2: mta/in.testOnly: package mta/in declares no testOnly",
		"flow.md:2: mail.Max.X: type Max has no method or field X",
		"flow.md:2: lab.toml: neither a file nor a package in lab",
	}
	if checked != 13 || !slices.Equal(got, want) {
		t.Errorf("checked %d, got  %q\nwant %q", checked, got, want)
	}
}
