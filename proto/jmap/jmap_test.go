package jmap_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/jmap"
)

// TestRequest reads the example of RFC 8620 3.3.1 and what is no request (RFC 8620 3.6.1).
func TestRequest(t *testing.T) {
	t.Parallel()
	r, p := jmap.ParseRequest([]byte(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[
		["method1",{"arg1":"arg1data","arg2":"arg2data"},"c1"],["method2",{"arg1":"arg1data"},"c2"],["method3",{},"c3"]]}`), jmap.Limits{MaxCalls: 3})
	if p != nil {
		t.Fatal(p)
	}
	if len(r.Calls) != 3 || r.Calls[0].Name != "method1" || string(r.Calls[0].Args["arg2"]) != `"arg2data"` || r.Calls[2].ID != "c3" || r.CreatedIDs != nil {
		t.Errorf("read as %+v", r)
	}
	for _, c := range []struct{ text, kind string }{
		{`{"using":[]`, jmap.ProblemNotJSON},
		{``, jmap.ProblemNotJSON},
		{`{"using":[],"using":[],"methodCalls":[]}`, jmap.ProblemNotJSON},
		{`{"a":"\ud800"}`, jmap.ProblemNotJSON},
		{"{\"a\":\"\xff\"}", jmap.ProblemNotJSON},
		{strings.Repeat("[", 100000), jmap.ProblemNotJSON},
		{`[]`, jmap.ProblemNotRequest},
		{`null`, jmap.ProblemNotRequest},
		{`{"methodCalls":[]}`, jmap.ProblemNotRequest},
		{`{"using":null,"methodCalls":[]}`, jmap.ProblemNotRequest},
		{`{"using":[],"methodCalls":[["a",{}]]}`, jmap.ProblemNotRequest},
		{`{"using":[],"methodCalls":[["a",[],"b"]]}`, jmap.ProblemNotRequest},
		{`{"using":[],"methodCalls":[[null,{},"b"]]}`, jmap.ProblemNotRequest},
		{`{"using":[],"methodCalls":[],"createdIds":{"a":"b/c"}}`, jmap.ProblemNotRequest},
		{`{"using":[],"methodCalls":[["a",{},""],["a",{},""],["a",{},""],["a",{},""]]}`, jmap.ProblemLimit},
	} {
		if _, p := jmap.ParseRequest([]byte(c.text), jmap.Limits{MaxCalls: 3}); p == nil || p.Type != c.kind || p.Status != 400 {
			t.Errorf("%.60q: %v, want %s", c.text, p, c.kind)
		}
	}
}

// FuzzRequest: what is taken is JSON, for encoding/json too, and no octets do harm.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"using":["a"],"methodCalls":[["a",{"#b":{"resultOf":"c","name":"d","path":"/*/e"}},"f"]],"createdIds":{"a":"b"}}`))
	f.Add([]byte(`{"a":"\ud83d\ude00","b":-1.5e+3,"c":[true,false,null]}`))
	f.Add([]byte(`[{"a":1,"a":2}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := jmap.CheckJSON(b)
		if err == nil && !json.Valid(b) {
			t.Fatal("taken, though no JSON")
		}
		if err != nil && !errors.Is(err, jmap.ErrJSON) {
			t.Fatal(err)
		}
		r, p := jmap.ParseRequest(b, jmap.Limits{MaxCalls: 16})
		if (r == nil) == (p == nil) {
			t.Fatal("neither request nor problem")
		}
		if err != nil && p == nil {
			t.Fatal("a request that is no JSON")
		}
	})
}

const doc = `{"list":[{"id":"a","emailIds":["1","2"]},{"id":"b","emailIds":["3"]}],"x/y":{"~":5},"n":null}`

// TestPoint goes through RFC 6901 with the star of RFC 8620 3.7.
func TestPoint(t *testing.T) {
	t.Parallel()
	var v any
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"/list/*/id", `["a","b"]`},
		{"/list/*/emailIds", `["1","2","3"]`},
		{"/list/1/emailIds/0", `"3"`},
		{"/x~1y/~0", `5`},
		{"/n", `null`},
		{"/list/2", ""}, {"/list/01", ""}, {"/list/-1", ""}, {"/nothing", ""}, {"list", ""}, {"/list/*/none", ""}, {"/n/a", ""},
		{"/" + strings.Repeat("*/", 100), ""},
	} {
		got, err := jmap.Point(v, c.path)
		text, _ := json.Marshal(got)
		if err != nil {
			text = nil
		}
		if string(text) != c.want {
			t.Errorf("%s: %s (%v), want %s", c.path, text, err, c.want)
		}
	}
}

// TestPointIsBounded multiplies by stars.
func TestPointIsBounded(t *testing.T) {
	t.Parallel()
	inner := make([]any, 1000)
	for i := range inner {
		inner[i] = "x"
	}
	outer := make([]any, 100)
	for i := range outer {
		outer[i] = inner
	}
	if _, err := jmap.Point(map[string]any{"a": outer}, "/a/*/*"); err == nil {
		t.Error("a hundred thousand values came of it")
	}
}

func FuzzPoint(f *testing.F) {
	f.Add([]byte(doc), "/list/*/emailIds/*")
	f.Add([]byte(`[[[1]]]`), "/*/*/*")
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		var v any
		if json.Unmarshal(b, &v) != nil {
			return
		}
		got, err := jmap.Point(v, path)
		if err != nil {
			return
		}
		if list, ok := got.([]any); ok && strings.Contains(path, "*") && len(list) > jmap.MaxReferenced {
			t.Fatalf("%d values", len(list))
		}
	})
}

// TestReferences resolves the example of RFC 8620 3.7, and refuses what it says must be refused: forward and self references among them, so
// that there can be no loop.
func TestReferences(t *testing.T) {
	t.Parallel()
	before := []jmap.Invocation{
		{Name: "error", ID: "t0", Args: json.RawMessage(`{"type":"serverFail"}`)},
		{Name: "Foo/changes", ID: "t0", Args: json.RawMessage(`{"created":["f1","f4"],"updated":[]}`)},
	}
	got, err := jmap.ResolveArgs(jmap.Args{"accountId": json.RawMessage(`"a"`), "#ids": json.RawMessage(`{"resultOf":"t0","name":"Foo/changes","path":"/created"}`)}, before)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(jmap.Args{"accountId": json.RawMessage(`"a"`), "ids": json.RawMessage(`["f1","f4"]`)}, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct{ args, kind string }{
		{`{"ids":null,"#ids":{"resultOf":"t0","name":"Foo/changes","path":"/created"}}`, jmap.ErrInvalidArguments},
		{`{"#ids":{"resultOf":"t1","name":"Foo/changes","path":"/created"}}`, jmap.ErrInvalidReference},
		{`{"#ids":{"resultOf":"t0","name":"Foo/get","path":"/created"}}`, jmap.ErrInvalidReference},
		{`{"#ids":{"resultOf":"t0","name":"Foo/changes","path":"/destroyed"}}`, jmap.ErrInvalidReference},
		{`{"#ids":"t0"}`, jmap.ErrInvalidReference},
	} {
		var args jmap.Args
		if err := json.Unmarshal([]byte(c.args), &args); err != nil {
			t.Fatal(err)
		}
		if _, err := jmap.ResolveArgs(args, before); err == nil || err.Type != c.kind {
			t.Errorf("%s: %v, want %s", c.args, err, c.kind)
		}
	}
}

// TestPatch applies patches (RFC 8620 5.3).
func TestPatch(t *testing.T) {
	t.Parallel()
	object := map[string]any{"keywords": map[string]any{"$seen": true}, "name": "x", "a/b": map[string]any{}}
	for _, c := range []struct{ patch, want string }{
		{`{"keywords/$flagged":true}`, `{"a/b":{},"keywords":{"$flagged":true,"$seen":true},"name":"x"}`},
		{`{"keywords/$seen":null,"a~1b/c":1}`, `{"a/b":{"c":1},"keywords":{},"name":"x"}`},
		{`{"keywords":{},"name":null}`, `{"a/b":{},"keywords":{},"name":null}`},
		{`{"keywords/$seen":null,"keywords":{}}`, ""},
		{`{"none/x":1}`, ""},
		{`{"name/x":1}`, ""},
		{`[]`, ""},
	} {
		p, err := jmap.ParsePatch(json.RawMessage(c.patch))
		var got map[string]any
		if err == nil {
			got, err = p.Apply(object)
		}
		text := ""
		if err == nil {
			b, _ := json.Marshal(got)
			text = string(b)
		} else if !errors.Is(err, jmap.ErrPatch) {
			t.Errorf("%s: %v is no ErrPatch", c.patch, err)
		}
		if text != c.want {
			t.Errorf("%s: %s (%v), want %s", c.patch, text, err, c.want)
		}
	}
	if b, _ := json.Marshal(object); string(b) != `{"a/b":{},"keywords":{"$seen":true},"name":"x"}` {
		t.Errorf("the object was changed: %s", b)
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a/b":null,"c":2}`))
	f.Fuzz(func(t *testing.T, object, patch []byte) {
		var o map[string]any
		if json.Unmarshal(object, &o) != nil || o == nil {
			return
		}
		before, _ := json.Marshal(o)
		if p, err := jmap.ParsePatch(patch); err == nil {
			if _, err := p.Apply(o); err != nil && !errors.Is(err, jmap.ErrPatch) {
				t.Fatal(err)
			}
		}
		if after, _ := json.Marshal(o); string(after) != string(before) {
			t.Fatalf("changed from %s to %s", before, after)
		}
	})
}

// TestFilter reads trees and evaluates them against a plain model (RFC 8620 5.5).
func TestFilter(t *testing.T) {
	t.Parallel()
	compile := func(a jmap.Args) (string, error) {
		var s string
		r := jmap.Reader{Args: a}
		r.Must("is", &s)
		return s, r.End()
	}
	for _, bad := range []string{`[]`, `{"operator":"XOR","conditions":[]}`, `{"operator":"AND"}`, `{"operator":"AND","conditions":[1]}`, `{"is":1}`,
		`{"is":"a","was":"b"}`, `{"operator":"AND","conditions":[` + strings.Repeat(`{"is":"a"},`, 300) + `{"is":"a"}]}`} {
		if _, err := jmap.ParseFilter(json.RawMessage(bad), compile); err == nil {
			t.Errorf("%.60s is taken", bad)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		known := map[string]jmap.Verdict{"y": jmap.Yes, "n": jmap.No, "o": jmap.Open}
		text := drawFilter(t, 3)
		f, err := jmap.ParseFilter(json.RawMessage(text), compile)
		if err != nil {
			t.Fatal(err)
		}
		got := f.Eval(func(s *string) jmap.Verdict { return known[*s] })
		// Open must be what both ways of deciding the open ones can differ in.
		either := map[jmap.Verdict]bool{}
		for _, v := range []jmap.Verdict{jmap.Yes, jmap.No} {
			either[f.Eval(func(s *string) jmap.Verdict {
				if *s == "o" {
					return v
				}
				return known[*s]
			})] = true
		}
		if either[jmap.Open] || got != jmap.Open && (len(either) != 1 || !either[got]) {
			t.Fatalf("%s: %v, with the open ones decided %v", text, got, either)
		}
	})
}

func drawFilter(t *rapid.T, depth int) string {
	if depth == 0 || rapid.Bool().Draw(t, "leaf") {
		return `{"is":"` + rapid.SampledFrom([]string{"y", "n", "o"}).Draw(t, "is") + `"}`
	}
	n := rapid.IntRange(0, 3).Draw(t, "n")
	kids := make([]string, n)
	for i := range kids {
		kids[i] = drawFilter(t, depth-1)
	}
	return fmt.Sprintf(`{"operator":%q,"conditions":[%s]}`, rapid.SampledFrom([]string{"AND", "OR", "NOT"}).Draw(t, "op"), strings.Join(kids, ","))
}

// TestReader holds arguments to their types (RFC 8620 1.3, RFC 8620 1.4).
func TestReader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{`{"u":5,"ids":["a","#b"],"d":"2014-10-30T06:12:00Z"}`, true},
		{`{"u":null,"ids":null}`, true},
		{`{"u":-1}`, false}, {`{"u":1.5}`, false}, {`{"u":9007199254740992}`, false}, {`{"u":"5"}`, false},
		{`{"ids":["a b"]}`, false}, {`{"ids":[""]}`, false}, {`{"ids":"a"}`, false},
		{`{"d":"2014-10-30T06:12:00+01:00"}`, false}, {`{"d":"2014-10-30t06:12:00z"}`, false}, {`{"d":"today"}`, false},
		{`{"x":1}`, false},
	} {
		var args jmap.Args
		if err := json.Unmarshal([]byte(c.text), &args); err != nil {
			t.Fatal(err)
		}
		var (
			u   jmap.Uint
			ids jmap.IDs
			d   jmap.UTCDate
		)
		r := jmap.Reader{Args: args}
		r.Get("u", &u)
		r.Get("ids", &ids)
		r.Get("d", &d)
		if err := r.End(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

// TestInvocation writes a response (RFC 8620 3.4.1).
func TestInvocation(t *testing.T) {
	t.Parallel()
	e := jmap.Errorf(jmap.ErrInvalidProperties, "no")
	e.Extra = map[string]any{"properties": []string{"a"}}
	args, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(jmap.Response{Responses: []jmap.Invocation{{Name: "error", Args: args, ID: `"`}}, SessionState: "s"})
	want := `{"methodResponses":[["error",{"description":"no","properties":["a"],"type":"invalidProperties"},"\""]],"sessionState":"s"}`
	if err != nil || string(b) != want {
		t.Errorf("%s (%v), want %s", b, err, want)
	}
}
