// Package webmail has the webmail looked at through a browser, and built anew.
//
// It takes Debian's chromium, node, and what npm has locked in ua/web and in browser/; where one of them is not there, it skips and says so.
package webmail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/test/webmail/house"
)

const source = "../../ua/web"

// tool finds a program, or skips.
func tool(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("takes minutes; left out by -short")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed; tools/install-test-deps.sh installs it", name)
	}
	return path
}

// packages makes sure that what npm has locked is there.
func packages(t *testing.T, dir string) {
	t.Helper()
	tool(t, "npm")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return
	}
	t.Skipf("the packages of %s are not installed; tools/install-test-deps.sh fetches them from npm", dir)
}

func do(t *testing.T, dir string, environment []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestBuild builds the webmail and compares: what the binary embeds is what the source says.
func TestBuild(t *testing.T) {
	tool(t, "node")
	packages(t, source)
	dir := t.TempDir()
	do(t, source, nil, "npx", "vite", "build", "--outDir", dir, "--emptyOutDir")
	want, got := tree(t, dir), tree(t, filepath.Join(source, "dist"))
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("ua/web/dist/%s is not what the source makes; build anew and commit: cd ua/web && npm ci && npm run build", name)
		}
	}
	for name := range got {
		if want[name] == "" {
			t.Errorf("ua/web/dist/%s is left over from an earlier build", name)
		}
	}
}

// tree is the digests of a directory's files.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSource checks the types of the webmail's source and runs its unit tests.
func TestSource(t *testing.T) {
	tool(t, "node")
	packages(t, source)
	do(t, source, nil, "npx", "svelte-check", "--tsconfig", "./tsconfig.json", "--fail-on-warnings")
	do(t, source, nil, "npx", "vitest", "run")
}

// line is what a browser test tells.
type line struct {
	Test string
	OK   bool
	Text string
	MS   int
}

// TestBrowser runs browser/*.test.mjs. WEBMAIL_ONLY narrows it to tests with such a name, WEBMAIL_SHOTS is a directory for pictures of the pages,
// WEBMAIL_DIST another build of the webmail. WEBMAIL_MORE adds browser/*.more.mjs, which measure and so want a quiet machine: make webmail.
func TestBrowser(t *testing.T) {
	node, chromium := tool(t, "node"), tool(t, "chromium")
	packages(t, "browser")
	h, err := house.Open(t.Context(), house.Options{Dir: t.TempDir(), Many: 100_000, Dist: os.Getenv("WEBMAIL_DIST")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	control, end, err := h.Control()
	if err != nil {
		t.Fatal(err)
	}
	defer end() //nolint:errcheck // the test is over
	facts, err := json.Marshal(h.Facts("http://" + control))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "house.json")
	if err := os.WriteFile(file, facts, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	args := []string{"run.mjs"}
	if only := os.Getenv("WEBMAIL_ONLY"); only != "" {
		args = append(args, "--only", only)
	}
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Dir = "browser"
	cmd.Env = append(os.Environ(), "HOUSE="+file, "CHROMIUM="+chromium, "SHOTS="+os.Getenv("WEBMAIL_SHOTS"), "FAILED="+os.Getenv("WEBMAIL_FAILED"), "MORE="+os.Getenv("WEBMAIL_MORE"))
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Test == "" {
			t.Log(lines.Text())
			continue
		}
		told++
		t.Run(l.Test, func(t *testing.T) {
			t.Logf("%d ms %s", l.MS, l.Text)
			if !l.OK {
				t.Fail()
			}
		})
	}
	if err := cmd.Wait(); err != nil && !t.Failed() {
		t.Errorf("the tests broke off: %v\n%s", err, trouble.String())
	}
	if told == 0 {
		t.Error("no test ran")
	}
}
