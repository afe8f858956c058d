package jmap_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
)

// TestCases plays testdata/cases: each file is a conversation with a fresh server, in the account that seed fills. "--- quota" gives
// the account one, "--- request" begins the
// method calls of a request (or, with "raw", its whole body), "--- response", maybe with a status, what must come: the method responses. In it,
// "{{name}}" is what was bound to the name, or binds it, "{{*}}" is anything, and an object or a list that ends in "..." may go on.
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, nil)
			w.seed(t)
			status, answer := 0, []byte(nil)
			for i, step := range strings.Split("\n"+comment.ReplaceAllString(string(text), ""), "\n--- ")[1:] {
				head, body, _ := strings.Cut(step, "\n")
				words := strings.Fields(head)
				switch words[0] {
				case "request":
					body = w.fill(t, body)
					if !slices.Contains(words, "raw") {
						body = `{` + using + `,"methodCalls":` + body + `}`
					}
					status, answer = w.post(t, body)
				case "quota":
					w.quota(t, words[1])
				case "response":
					w.compare(t, i, words, body, status, answer)
				default:
					t.Fatalf("step %d: %q is no step", i, words[0])
				}
			}
		})
	}
}

// quota gives ann a quota in octets.
func (w *world) quota(t *testing.T, octets string) {
	t.Helper()
	a, err := w.Store.Account(t.Context(), w.IDs[ann])
	if err != nil {
		t.Fatal(err)
	}
	if a.Quota, err = strconv.ParseInt(octets, 10, 64); err != nil {
		t.Fatal(err)
	}
	w.Do(t, mail.UpdateAccount{Account: a})
}

// comment is a line that says what follows.
var comment = regexp.MustCompile(`(?m)^# .*$`)

var placeholder = regexp.MustCompile(`\{\{([^{}]+)\}\}`)

// fill puts in what is bound.
func (w *world) fill(t *testing.T, text string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		v, ok := w.vars[p[2:len(p)-2]]
		if !ok {
			t.Fatalf("nothing is bound to %s", p)
		}
		return v
	})
}

func (w *world) compare(t *testing.T, step int, words []string, body string, status int, answer []byte) {
	t.Helper()
	wantStatus := 200
	if len(words) > 1 {
		wantStatus, _ = strconv.Atoi(words[1])
	}
	if status != wantStatus {
		t.Fatalf("step %d: status %d, want %d: %s", step, status, wantStatus, answer)
	}
	var want, got any
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatalf("step %d: the case is no JSON: %v", step, err)
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatalf("step %d: the answer is no JSON: %v", step, err)
	}
	if list, ok := want.([]any); ok {
		want = map[string]any{"methodResponses": list, "...": "..."}
	}
	if diff := w.match("", want, got); diff != "" {
		pretty, _ := json.MarshalIndent(got, "", " ")
		t.Fatalf("step %d: %s\n%s", step, diff, pretty)
	}
}

// match says where an answer differs from what is wanted.
func (w *world) match(path string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		o, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v, not an object", path, got)
		}
		_, open := want["..."]
		for k, v := range want {
			if k == "..." {
				continue
			}
			key := k
			if m := placeholder.FindStringSubmatch(k); m != nil {
				key = w.vars[m[1]]
			}
			have, there := o[key]
			if !there {
				return fmt.Sprintf("%s has no %q", path, key)
			}
			if diff := w.match(path+"/"+key, v, have); diff != "" {
				return diff
			}
		}
		if !open && len(o) != len(want) {
			return fmt.Sprintf("%s has %d members, want %d", path, len(o), len(want))
		}
		return ""
	case []any:
		list, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%s is %v, not a list", path, got)
		}
		open := len(want) > 0 && want[len(want)-1] == "..."
		if open {
			want = want[:len(want)-1]
		}
		if len(list) < len(want) || !open && len(list) != len(want) {
			return fmt.Sprintf("%s has %d items, want %d: %v", path, len(list), len(want), list)
		}
		for i := range want {
			if diff := w.match(fmt.Sprintf("%s/%d", path, i), want[i], list[i]); diff != "" {
				return diff
			}
		}
		return ""
	case string:
		m := placeholder.FindStringSubmatch(want)
		if m == nil {
			break
		}
		if m[0] != want {
			if filled := placeholder.ReplaceAllStringFunc(want, func(p string) string { return w.vars[p[2:len(p)-2]] }); fmt.Sprint(got) != filled {
				return fmt.Sprintf("%s is %v, want %s", path, got, filled)
			}
			return ""
		}
		if m[1] == "*" {
			return ""
		}
		if bound, ok := w.vars[m[1]]; ok {
			if fmt.Sprint(got) != bound {
				return fmt.Sprintf("%s is %v, want %s = %s", path, got, m[0], bound)
			}
			return ""
		}
		w.vars[m[1]] = fmt.Sprint(got)
		return ""
	}
	if fmt.Sprintf("%#v", want) != fmt.Sprintf("%#v", got) {
		return fmt.Sprintf("%s is %#v, want %#v", path, got, want)
	}
	return ""
}
