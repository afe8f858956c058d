package postrider_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/tools/doccheck"
	"github.com/postrider/postrider/tools/rfcindex"
)

// TestRFCIndex compares docs/rfc.md with what the code says now.
func TestRFCIndex(t *testing.T) {
	t.Parallel()
	want, err := rfcindex.Page(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("docs/rfc.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/rfc.md is not what the code says now; run `make rfc`")
	}
}

// TestDocLinks follows every relative link of every page.
func TestDocLinks(t *testing.T) {
	t.Parallel()
	pages := markdown(t)
	if len(pages) < 3 {
		t.Fatalf("only %d pages found: %v", len(pages), pages)
	}
	for _, page := range pages {
		findings, err := doccheck.Links(os.DirFS("."), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			t.Error(f)
		}
	}
}

// TestConfigPage compares docs/config.md with what the configuration says now.
func TestConfigPage(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	if err := config.Markdown(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Error("docs/config.md is not what the configuration says now; run `postrider config reference --markdown > docs/config.md`")
	}
}

// TestFlowNames looks up every function and type that docs/flow.md names.
func TestFlowNames(t *testing.T) {
	t.Parallel()
	checked, findings, err := doccheck.Names(os.DirFS("."), "docs/flow.md")
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Error("docs/flow.md names no function")
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// markdown lists the pages at the root and in docs.
func markdown(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("docs", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(p) == ".md" {
			pages = append(pages, filepath.ToSlash(p))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
