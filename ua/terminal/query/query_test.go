package query_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/postrider/postrider/ua/terminal/query"
)

var zone = time.FixedZone("x", 2*3600)

func context() query.Context {
	return query.Context{Now: time.Date(2024, 5, 31, 15, 30, 0, 0, zone), Me: []string{"ann@one.example"}, Mailbox: func(name string) (string, bool) {
		id, ok := map[string]string{"inbox": "I", "trash": "T", "my stuff": "S"}[name]
		return id, ok
	}}
}

// TestParse: the webmail's language. RFC 8621 4.4.1.
func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": `null`, "  ": `null`, "hello world": `{"text":"hello world"}`, `"hello world"`: `{"text":"\"hello world\""}`, `"open`: `{"text":"\"open\""}`,
		"from:bob": `{"from":"bob"}`, "FROM:bob": `{"from":"bob"}`, "from:me": `{"from":"ann@one.example"}`,
		`from:"Bob Smith" hi`: `{"operator":"AND","conditions":[{"text":"hi"},{"from":"\"Bob Smith\""}]}`,
		"subject:lunch":       `{"subject":"lunch"}`, "in:inbox": `{"inMailbox":"I"}`, `in:"my stuff"`: `{"inMailbox":"S"}`, "in:anywhere": `null`,
		"in:nowhere": `{"operator":"AND","conditions":[{"hasKeyword":"$seen"},{"notKeyword":"$seen"}]}`,
		"is:unread":  `{"notKeyword":"$seen"}`, "is:starred": `{"hasKeyword":"$flagged"}`, "is:lovely": `{"text":"\"is:lovely\""}`,
		"has:attachment": `{"hasAttachment":true}`, "label:Work": `{"hasKeyword":"work"}`, `label:"big client"`: `{"hasKeyword":"big-client"}`,
		"larger:5M": `{"minSize":5000000}`, "smaller:1.5k": `{"maxSize":1500}`, "after:2024-05-01": `{"after":"2024-04-30T22:00:00Z"}`,
		"before:7d": `{"before":"2024-05-23T22:00:00Z"}`, "older_than:1y": `{"before":"2023-05-30T22:00:00Z"}`,
		"-from:bob": `{"operator":"NOT","conditions":[{"from":"bob"}]}`, "a OR b OR c": `{"operator":"OR","conditions":[{"text":"a"},{"text":"b"},{"text":"c"}]}`,
		"a b OR c": `{"operator":"AND","conditions":[{"text":"a"},{"operator":"OR","conditions":[{"text":"b"},{"text":"c"}]}]}`,
		"OR a":     `{"text":"a"}`, "a OR": `{"text":"a"}`, "a AND b": `{"text":"a b"}`, "from:(bob)": `{"text":"bob"}`,
		"-(a OR b)": `{"operator":"NOT","conditions":[{"operator":"OR","conditions":[{"text":"a"},{"text":"b"}]}]}`,
		")) a":      `{"text":"a"}`, "((a": `{"text":"a"}`, "re:": `{"text":"re:"}`, "from:": `null`, "- a": `{"text":"- a"}`, "https://one.example/x": `{"text":"https://one.example/x"}`,
	} {
		got, err := json.Marshal(query.Parse(in, context()).Filter)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%s gives %s, not %s", in, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	p := query.Parse("in:nowhere before:soon larger:huge after:2024-02-31", context())
	if len(p.Problems) != 4 || !p.Placed {
		t.Errorf("%+v", p)
	}
	if f := query.Parse("", context()).Scoped("I"); !reflect.DeepEqual(f, query.Filter{"inMailbox": "I"}) {
		t.Error(f)
	}
	if f := query.Parse("in:anywhere", context()).Scoped("I"); f != nil {
		t.Error(f)
	}
}

// FuzzParse: anything is a search, and makes a filter that can be written.
func FuzzParse(f *testing.F) {
	f.Add(`a OR -(b "c d" from:me) before:1.2.2024 ((((((((x`)
	f.Add("- -a \xff :: in:\"")
	f.Fuzz(func(t *testing.T, in string) {
		if b, err := json.Marshal(query.Parse(in, context()).Filter); err != nil || len(b) > 100_000 {
			t.Error(len(b), err)
		}
	})
}
